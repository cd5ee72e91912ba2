//! When a watcher looks again though nothing has happened.

use crate::converge::{has_silent_waits, wake_at};
use crate::desired::{Care, Desired};
use crate::observed::{Health, Observed, Phase, Sighting};
use crate::plan::{Held, Next, Plan, Reason};
use crate::state::{Standing, Standings};
use crate::time::{Duration, Timestamp};

/// How soon it is looked again at what no event announces, while something that is due depends on it: whether an agent rests, whether a client has
/// detached, whether a person has answered a dialog.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// How soon it is looked again where an agent waits for another one that gets on by itself.
const SILENT: Duration = Duration::from_secs(1);

/// The latest time of the next round.
pub(super) fn until(desired: &Desired, plan: &Plan, observed: &Observed, standings: &Standings) -> Timestamp {
    let now = observed.at;
    let timers = desired.agents.iter().filter_map(|(name, declared)| {
        let sighting = observed.agents.get(name)?;
        let overdue = standings.get(name).and_then(|standing| overdue(standing, declared.spec.care.hold_max));
        signs_of_life(sighting, &declared.spec.care, now).into_iter().chain(overdue).min()
    });
    let held = plan.changes.values().filter_map(|change| match &change.next {
        Next::Held(held) => release(held, now),
        Next::Blocked(blocked) => match blocked.reason {
            Reason::Dialog | Reason::Login | Reason::Permission | Reason::Unreadable => Some(now + LOOK_AGAIN),
            Reason::PlaceTaken
            | Reason::CwdMissing
            | Reason::CommandMissing
            | Reason::DependencyEnded
            | Reason::GaveUp
            | Reason::RecordMismatch
            | Reason::TooManyPanes => None,
        },
        Next::Act(_) | Next::Wait(_) => None,
    });
    let silent = has_silent_waits(plan).then_some(now + SILENT);
    let all = timers.chain(held).chain(wake_at(plan)).chain(silent);
    all.fold(now + desired.watch.resync, Timestamp::min)
}

/// When something that is held may be released.
fn release(held: &Held, now: Timestamp) -> Option<Timestamp> {
    match held {
        Held::Limit(until) | Held::Paused(until) => *until,
        Held::Attached(_) | Held::Busy | Held::Draft | Held::Shell(_) | Held::Unclear => Some(now + LOOK_AGAIN),
        Held::Protected | Held::NoNote | Held::NotShown | Held::Halted | Held::Auto(_) | Held::Guard(_) | Held::Dependant(_) => None,
    }
}

/// When something has been held for longer than it should.
fn overdue(standing: &Standing, longest: Duration) -> Option<Timestamp> {
    (standing.state == "held" && !standing.overdue).then_some(standing.since + longest)
}

/// When the next sign of life of an agent is missed, or asked for.
fn signs_of_life(sighting: &Sighting, care: &Care, now: Timestamp) -> Vec<Timestamp> {
    let Phase::Running { since, health } = &sighting.phase else { return Vec::new() };
    let mut times = Vec::new();
    let vitals = &sighting.vitals;
    times.extend(care.limits.runtime.map(|longest| *since + longest));
    if !matches!(health, Health::Ready(_)) {
        return times.into_iter().filter(|time| *time > now).collect();
    }
    if care.live.probe.is_some() {
        // Where that is over, it was asked and has not answered; the answer itself is news.
        times.push(vitals.pulse.asked_at.unwrap_or(now) + care.live.interval);
    }
    if let (Some(heartbeat), Some(silent)) = (&care.live.heartbeat, vitals.silent_since) {
        times.extend([heartbeat.nudge_after, heartbeat.replace_after].into_iter().flatten().map(|length| silent + length));
    }
    if let (Some(longest), Some(written)) = (care.live.screen_unchanged, sighting.screen.written_at) {
        times.push(written.max(*since) + longest);
    }
    // What is over by now was judged by now.
    times.into_iter().filter(|time| *time > now).collect()
}
