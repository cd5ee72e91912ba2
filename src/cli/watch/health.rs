//! How the watcher of a fleet does: what it says of itself, for those who look and for the system's own supervisor.

use anyhow::{Result, anyhow};
use sd_notify::NotifyState;

use super::listener::Listener;
use crate::render::{LostWatcher, Watcher};
use crate::state::{Fleet, Holder, WatchStatus};
use crate::time::{Duration, Timestamp};

/// A round that is later than this is overdue: a busy machine is no reason for alarm.
const LATE: Duration = Duration::from_secs(15);

/// The watcher of a fleet; none if there is none.
pub(in crate::cli) fn watcher(fleet: &Fleet, now: Timestamp) -> Result<Option<Watcher>> {
    let Some(holder) = fleet.watcher()? else { return Ok(None) };
    let Some(Holder { pid, started, .. }) = holder else { return Ok(None) };
    // What another watcher said before says nothing of this one.
    let status = fleet.watch_status()?.filter(|status| status.pid == pid);
    Ok(Some(match status {
        Some(status) => shown(&status, now),
        None => Watcher {
            pid,
            since: started,
            last_round: None,
            auto: None,
            rounds: None,
            round_ms: None,
            overdue: now > started + LATE,
            manifest_error: None,
            error: None,
            blind: None,
        },
    }))
}

/// What a round could not read or write down, told when it is another thing than the one `before`.
pub(super) fn tell_what_is_lost(fleet: &Fleet, before: Option<String>, listener: &mut Listener) -> Option<String> {
    let lost = fleet.take_lost().map(|lost| lost.to_string());
    if let Some(why) = lost.as_ref().filter(|why| before.as_ref() != Some(*why)) {
        listener.error(&anyhow!("{why}"));
    }
    lost
}

/// The last watcher, if it was killed and none took its place.
pub(in crate::cli) fn lost_watcher(fleet: &Fleet) -> Result<Option<LostWatcher>> {
    // What cannot be read tells nothing: what it says of a watcher at work is missed where it is needed.
    let Some(WatchStatus { pid, since, last_round, ended: None, .. }) = fleet.watch_status().ok().flatten() else { return Ok(None) };
    Ok(fleet.watcher()?.is_none().then_some(LostWatcher { pid, since, last_round }))
}

/// What a watcher says of itself, as it is shown.
pub(super) fn shown(status: &WatchStatus, now: Timestamp) -> Watcher {
    let WatchStatus { pid, since, last_round, auto, rounds, round_ms, next_round, manifest_error, error, blind, ended: _ } = status;
    Watcher {
        pid: *pid,
        since: *since,
        last_round: *last_round,
        auto: Some(*auto),
        rounds: Some(*rounds),
        round_ms: Some(*round_ms),
        overdue: now > *next_round + LATE,
        manifest_error: manifest_error.clone(),
        error: error.clone(),
        blind: blind.clone(),
    }
}

/// Tells the supervisor that started this process, if one wants to know, that it is at work, and how.
pub(super) fn tell_supervisor(status: &WatchStatus, first: bool, summary: &str) {
    let text = match (&status.error, &status.manifest_error) {
        (Some(error), _) => format!("{summary}; the last round failed: {error}"),
        (None, Some(error)) => format!("{summary}; the manifest is not valid: {error}"),
        (None, None) => summary.to_owned(),
    };
    let text = text.replace('\n', " ");
    let ready = first.then_some(NotifyState::Ready);
    let states: Vec<NotifyState<'_>> = ready.into_iter().chain([NotifyState::Status(&text), NotifyState::Watchdog]).collect();
    // Without a supervisor there is nobody to tell.
    let _ = sd_notify::notify(&states);
}

/// How often the supervisor wants to hear of this process, if it does: twice as often as it asks for.
pub(super) fn supervisor_wants() -> Option<Duration> {
    let interval = sd_notify::watchdog_enabled()?;
    let millis = u64::try_from(interval.as_millis() / 2).ok()?;
    Some(Duration::from_millis(millis.max(10)))
}
