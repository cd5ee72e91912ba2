//! What runs already and could be taken over: a pane or a process that a person points to. What is somebody's, or part of this command, is no candidate.

use super::live::Live;
use super::look::{label, seat};
use super::tmux::{Detail, Door, Layout, PATIENCE, Pane, ServerAt, knock, listing, socket_path};
use super::{adopted, typing};
use crate::desired::{AgentName, FleetName, Generation, Mark, Server};
use crate::observed::{Instance, Seat};
use crate::process::{self, Liveness, ProcId};

/// How a person points to something that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pointer {
    /// A tmux session by its exact name, or a pane by its id, `%3`.
    Session(String),
    /// A process by its number.
    Pid(u32),
}

/// Something that runs and is nobody's, or is this agent's already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its process: in a pane, the one that was started there.
    pub program: ProcId,
    /// Its pane; none if it was pointed to by its number.
    pub pane: Option<Seat>,
    /// Whether that process is the program itself.
    pub program_is: ProgramIs,
}

impl Candidate {
    /// Whether it is above or below another process: whoever ends the tree of one ends the other.
    pub fn shares_a_tree(&self, other: &ProcId) -> bool {
        let is_above = |above: &ProcId, below: &ProcId| process::ancestors(below.pid).contains(&above.pid);
        let related = is_above(&self.program, other) || is_above(other, &self.program);
        related && other.liveness() == Liveness::Alive
    }
}

/// What the process of a candidate is to the program that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramIs {
    /// The same.
    Itself,
    /// The shell at which it was typed, by the shell's name.
    Below(String),
    /// A shell that waits for commands, and nothing else.
    Missing(String),
}

impl Live {
    /// What a pointer means, if `agent` may be given it.
    ///
    /// # Errors
    ///
    /// Why it may not: it is not there, not the only one, somebody else's or a part of this command; or that could not be told.
    pub fn candidate(&self, pointer: &Pointer, server: &Server, agent: &AgentName) -> Result<Candidate, String> {
        match pointer {
            Pointer::Pid(pid) => {
                let program_is = typing::shell(*pid).map_or(ProgramIs::Itself, ProgramIs::Missing);
                Ok(Candidate { program: free(*pid)?, pane: None, program_is })
            }
            Pointer::Session(name) => {
                let path = socket_path(&server.socket, self.tmpdir.as_deref())?;
                let at = match knock(&path) {
                    Door::Open(at) => at,
                    Door::Nobody => return Err(format!("there is no tmux server at {}", path.display())),
                    Door::Unreadable(why) => return Err(why),
                };
                let listed = listing(&at, Detail::Look, PATIENCE).and_then(Layout::finish);
                let listing = listed.map_err(|trouble| format!("the tmux server {} could not be read: {trouble}", path.display()))?;
                in_pane(pane(&listing.panes, name)?, &at, &self.fleet, agent)
            }
        }
    }
}

/// The pane that is meant.
fn pane<'a>(panes: &'a [Pane], name: &str) -> Result<&'a Pane, String> {
    if name.starts_with('%') {
        return panes.iter().find(|pane| pane.id == name).ok_or_else(|| format!("there is no pane {name}"));
    }
    if name.starts_with('_') {
        return Err(format!("the session {name} is a helper of this tool's: names that begin with `_` are its own"));
    }
    let there: Vec<&Pane> = panes.iter().filter(|pane| pane.sessions.iter().any(|session| session == name)).collect();
    match there[..] {
        [] => Err(format!("there is no tmux session `{name}`")),
        [only] => Ok(only),
        [..] => {
            let named: Vec<String> = there.iter().map(|pane| format!("{} (window {})", pane.id, pane.window)).collect();
            Err(format!("the session {name} has {} panes, {}: say which, as in --session '{}'", there.len(), named.join(", "), there[0].id))
        }
    }
}

fn in_pane(pane: &Pane, at: &ServerAt, fleet: &FleetName, agent: &AgentName) -> Result<Candidate, String> {
    if pane.dead {
        return Err(format!("what ran in the pane {} has ended", pane.id));
    }
    let kept = label(&pane.command).and_then(|label| label.parse::<Mark>().ok());
    let given = || adopted::mark_of(pane).filter(|mark| (&mark.fleet, &mark.agent) != (fleet, agent));
    if let Some(mark) = kept.or_else(given) {
        return Err(format!("the pane {} bears the mark of {} of the fleet {}", pane.id, mark.agent, mark.fleet));
    }
    let program = free(pane.pid)?;
    let seat = seat(at, pane, None);
    let there = Instance {
        agent: agent.clone(),
        generation: Generation(0),
        mark: None,
        keeper: None,
        program: Some(program.clone()),
        seat: seat.clone(),
    };
    let program_is = match (typing::at_shell(&there), typing::shell(pane.pid)) {
        (Some(shell), _) => ProgramIs::Missing(shell),
        (None, Some(shell)) => ProgramIs::Below(shell),
        (None, None) => ProgramIs::Itself,
    };
    Ok(Candidate { program, pane: Some(seat), program_is })
}

/// The process of this number, if it is a program of our own user that is nobody's and no part of this command.
fn free(pid: u32) -> Result<ProcId, String> {
    if pid <= 1 {
        return Err(format!("process {pid} is no agent"));
    }
    let unread = |error: std::io::Error| format!("process {pid} could not be looked at: {error}");
    let none = || format!("there is no process {pid}");
    let program = ProcId::of(pid).map_err(unread)?.ok_or_else(none)?;
    if process::is_ours(pid).map_err(unread)? != Some(true) {
        return Err(format!("process {pid} is another user's"));
    }
    // A number of a thread is not that of a process, and a process of the kernel is no program.
    let is_program = process::death_notice(&program).map_err(unread)?.is_some() && !process::cmdline(pid).map_err(unread)?.is_empty();
    if !is_program {
        return Err(none());
    }
    if process::stat(pid).map_err(unread)?.is_some_and(|seen| seen.comm.starts_with("tmux: server")) {
        return Err(format!("process {pid} is a tmux server: name a session in it"));
    }
    let caller = std::process::id();
    if pid == caller || process::ancestors(caller).contains(&pid) {
        return Err(format!("this command is a part of process {pid}: say it from elsewhere"));
    }
    process::variable(pid, process::MARK_VARIABLE)
        .map_err(|error| format!("whether process {pid} bears a mark could not be read: {error}"))?;
    if let Some(mark) = process::mark_on(pid) {
        return Err(format!("process {pid} bears the mark of {} of the fleet {}", mark.agent, mark.fleet));
    }
    if let Some(mark) = process::ancestors(pid).into_iter().find_map(process::mark_on) {
        return Err(format!("process {pid} is a part of {} of the fleet {}", mark.agent, mark.fleet));
    }
    // The number may have become another process's while its facts were read.
    if program.liveness() == Liveness::Alive { Ok(program) } else { Err(none()) }
}
