//! Ending the watcher of a fleet. It owns nothing, so it may also be killed.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::cli::ExitStatus;
use crate::cli::terminal::Terminal;
use crate::host::now;
use crate::process::{self, ProcId, Signal};
use crate::state::{Fleet, WatchStatus};

/// How long it has to bring a round to its end.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn end(fleet: &Fleet, terminal: &Terminal) -> Result<ExitStatus> {
    let Some(holder) = fleet.watcher()? else {
        terminal.say("No watcher of this fleet is at work.\n");
        return Ok(ExitStatus::Done);
    };
    let Some(holder) = holder else { bail!("a watcher is at work and has not said yet who it is; try again") };
    let Some(watcher) = ProcId::of(holder.pid)? else { bail!("the watcher, pid {}, has just ended", holder.pid) };
    // Whoever has the number now held the lock a moment ago: if it still does, it is the watcher.
    if fleet.watcher()?.flatten().is_none_or(|again| again != holder) {
        bail!("the watcher, pid {}, has just ended", holder.pid);
    }
    let mut killed = false;
    for signal in [Signal::TERM, Signal::KILL] {
        let Some(notice) = process::death_notice(&watcher)? else { break };
        killed = signal == Signal::KILL;
        process::signal(&watcher, signal)?;
        if process::ends_within(&notice, PATIENCE) {
            break;
        }
    }
    if fleet.watcher()?.flatten().is_some_and(|again| again == holder) {
        bail!("the watcher, pid {}, does not end", holder.pid);
    }
    // It was asked for, however it came.
    if let Some(status) = fleet.watch_status()?.filter(|status| status.pid == holder.pid && status.ended.is_none()) {
        fleet.write_watch_status(&WatchStatus { ended: Some(now()), ..status })?;
    }
    let how = if killed { format!("did not end within {} s and was killed", PATIENCE.as_secs()) } else { "has ended".to_owned() };
    terminal.say(&format!("The watcher, pid {}, {how}; its agents go on.\n", holder.pid));
    Ok(ExitStatus::Done)
}
