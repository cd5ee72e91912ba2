//! What keepers told of their instances.

use std::path::{Path, PathBuf};

use super::Life;
use crate::desired::Mark;
use crate::keeper::{Exit as KeeperExit, Status};
use crate::observed::Exit;
use crate::paths::Paths;
use crate::process::{ProcId, Remnant};

/// What the keeper of just this instance wrote; none if there is nothing. Errors when it could not be read.
pub(super) fn of(paths: &Paths, mark: &Mark) -> Result<Option<Status>, String> {
    let read = |path: &Path| {
        let status = Status::read(path).map_err(|error| format!("the status {} could not be read: {error}", path.display()))?;
        Ok(status.filter(|status| status.label == *mark))
    };
    let here = read(&paths.status(&mark.agent))?;
    if here.is_some() {
        return Ok(here);
    }
    // One that was taken over has a keeper that works for another state folder.
    match std::fs::read_to_string(paths.kept_by(&mark.agent)) {
        Ok(folder) => read(&Paths::new(PathBuf::from(folder)).status(&mark.agent)),
        Err(_) => Ok(None),
    }
}

/// Processes by number and command, for people.
fn named(processes: &[Remnant]) -> String {
    processes.iter().map(|one| format!("pid {} ({})", one.process.pid, one.command)).collect::<Vec<_>>().join(", ")
}

/// How it ended, if it did, and what should be gone and was not.
pub(super) fn end(status: &Status) -> Option<(Life, Vec<ProcId>)> {
    let end = status.ended.as_ref()?;
    let exit = match &end.how {
        KeeperExit::Code(_) if !end.background.is_empty() => Exit::Backgrounded(named(&end.background)),
        KeeperExit::Code(code) => Exit::Code(i32::from(*code)),
        KeeperExit::Signal(signal) => Exit::Signal(*signal),
        KeeperExit::Failed(error) => Exit::Failed(error.message.clone()),
    };
    let since = status.program.as_ref().map(|_| status.started_at);
    let survivors = end.survivors.iter().map(|remnant| remnant.process.clone()).collect();
    let clean = status.fenced && end.survivors.is_empty() && end.spared.is_empty() && end.left.is_empty();
    Some((Life::Ended { since, at: end.at, exit, clean }, survivors))
}
