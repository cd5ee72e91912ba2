//! Removing what a dead instance left: its pane, its pidfile, its status. Only what says itself that it is of this instance.

use super::Outcome;
use super::act::{Guarded, Needs};
use super::live::Live;
use super::tmux::Line;
use crate::desired::Mark;
use crate::keeper::{PidfileContent, Status, read_pidfile};
use crate::observed::{Instance, Seat};
use crate::process::Liveness;

/// Does what concerns files, and leaves the pane to `guarded`.
pub(super) fn clear(live: &Live, at: usize, only: &Instance, guarded: &mut Guarded) -> Option<Outcome> {
    if only.keeper.as_ref().or(only.program.as_ref()).is_some_and(|process| process.liveness() == Liveness::Alive) {
        return Some(Outcome::Refused(format!("{} lives", only.agent)));
    }
    if let Some(mark) = &only.mark {
        files(live, mark, only);
    }
    match &only.seat {
        Seat::Pane { pane, .. } => {
            let kill = vec![Line::new("kill-pane").flag("-t").word(pane)];
            // No such pane or server: it is gone, as it should be.
            guarded.add(at, only, Needs::Death, kill).map(|_| Outcome::Done)
        }
        Seat::Detached { .. } | Seat::Adrift { .. } => Some(Outcome::Done),
    }
}

fn files(live: &Live, mark: &Mark, only: &Instance) {
    let folder = &live.paths;
    // What cannot be removed stays and does no harm: it names an instance that is no more.
    let _ = std::fs::remove_file(folder.spec(mark));
    let status = folder.status(&mark.agent);
    if matches!(Status::read(&status), Ok(Some(there)) if there.label == *mark) {
        let _ = std::fs::remove_file(status);
        let _ = std::fs::remove_file(folder.log_settings(&mark.agent));
        let _ = std::fs::remove_file(folder.duties(&mark.agent));
    }
    if let Seat::Detached { pidfile } = &only.seat
        && let Ok(Some(PidfileContent::Ours(there))) = read_pidfile(pidfile)
        && (&there.fleet, &there.agent, there.generation) == (&mark.fleet, &mark.agent, mark.generation)
        && there.program().liveness() == Liveness::Gone
    {
        let _ = std::fs::remove_file(pidfile);
    }
}
