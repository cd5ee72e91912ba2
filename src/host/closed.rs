//! Starts whose panes the configuration of their tmux server closes at once, by a hook or by ending the server: no agent's fault, and told with the file.

use std::time::{Duration, Instant};

use super::tmux::{Client, ServerAt, ended_early};
use super::{Outcome, Spawn};
use crate::desired::Mark;
use crate::process;

/// How long the keeper of a pane that was closed may take to end: it is told by the end of its terminal.
const ENDING: Duration = Duration::from_secs(2);

/// How often it is looked whether it has.
const AGAIN: Duration = Duration::from_millis(10);

/// Has starts count as hindered of which the server has no pane any more. Only a configuration brings hooks with it: without one nothing is asked.
pub(super) fn find(server: &ServerAt, spawns: &[(usize, &Spawn)], outcomes: &mut [Option<Outcome>]) {
    let asked: Vec<_> = spawns.iter().filter(|(at, _)| !matches!(outcomes[*at], Some(Outcome::Skipped | Outcome::Refused(_)))).collect();
    let Some((_, first)) = asked.first() else { return };
    let Some(config) = &first.server.config else { return };
    let listed = Client::of(server).run(&["list-panes", "-a", "-F", "#{pane_start_command}"]);
    let panes = match &listed {
        Ok(output) if output.success => String::from_utf8_lossy(&output.stdout).into_owned(),
        Ok(_) | Err(_) => match ended_early(server, &first.server) {
            Some(why) => {
                asked.iter().for_each(|(at, _)| outcomes[*at] = Some(Outcome::Hindered(why.clone())));
                return;
            }
            // A server without a session lists nothing either.
            None if listed.is_ok() => String::new(),
            None => return,
        },
    };
    for (at, spawn) in asked {
        if outcomes[*at] == Some(Outcome::Done) && !panes.contains(&spawn.mark.to_string()) && has_ended(&spawn.mark) {
            let why =
                format!("its pane was closed as soon as it was made; look at the hooks in the tmux configuration {}", config.display());
            outcomes[*at] = Some(Outcome::Hindered(why));
        }
    }
}

/// Whether no keeper of this mark is left, once it had its time.
fn has_ended(mark: &Mark) -> bool {
    let until = Instant::now() + ENDING;
    let lives = || process::keepers().is_ok_and(|keepers| keepers.iter().any(|keeper| keeper.mark == *mark));
    while lives() {
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(AGAIN);
    }
    true
}
