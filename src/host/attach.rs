//! A client for a person at the terminal of an instance.

use std::process::Command;

use crate::observed::{Instance, Seat};

/// What a person wants at an agent's terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To look: keys reach nothing but the client.
    Looking,
    /// To type.
    Typing,
}

/// The command that shows the pane of an instance to who runs it; none if it is in no pane. It is that of the caller's environment, but does not
/// take the caller for nested: the servers differ, or the client says so itself.
pub fn attach_command(instance: &Instance, way: Way) -> Option<Command> {
    let Seat::Pane { socket, session, pane, .. } = &instance.seat else { return None };
    let mut command = Command::new("tmux");
    command.arg("-u").arg("-S").arg(socket).arg("attach-session");
    if way == Way::Looking {
        command.arg("-r");
    }
    command.arg("-t").arg(format!("={session}:.{pane}")).env_remove("TMUX").env_remove("TMUX_PANE");
    Some(command)
}
