//! When a watcher looks again though nothing has happened.

use std::path::Path;

use crate::converge::{has_silent_waits, wake_at};
use crate::desired::{Care, Desired, Place};
use crate::observe::watches_secrets;
use crate::observed::{Health, Observed, Phase, Seat, Sighting};
use crate::plan::{Held, Next, Plan, Reason};
use crate::state::{Standing, Standings};
use crate::time::{Duration, Timestamp};

/// How soon it is looked again at what no event announces, while something that is due depends on it: whether an agent rests, whether a person has
/// answered a dialog; and whether a client has detached, where no tmux server tells of it.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// How soon, where a tmux server tells of it: it does not tell of everything, such as of a person who goes to another session.
const LOOK_AGAIN_HEARD: Duration = Duration::from_secs(10);

/// How soon it is looked again where an agent waits for another one that gets on by itself.
const SILENT: Duration = Duration::from_secs(1);

/// Whether what is due depends on who is in the tmux server of the fleet: on people who are attached, or on a session that has the place of another.
pub(super) fn depends_on_server(desired: &Desired, plan: &Plan) -> bool {
    plan.changes.iter().any(|(agent, change)| match &change.next {
        Next::Held(held) => matches!(held, Held::Attached(_)),
        Next::Blocked(blocked) => {
            let place = desired.agents.get(agent).map(|declared| &declared.spec.launch.place);
            blocked.reason == Reason::PlaceTaken && matches!(place, Some(Place::Tmux { .. }))
        }
        Next::Act(_) | Next::Wait(_) => false,
    })
}

/// Whether a look would find everything as it was as long as the machine is as it was and no time is over: nothing is due, and nothing is read
/// but what every look reads.
pub(super) fn is_settled(desired: &Desired, plan: &Plan, observed: &Observed) -> bool {
    let reads_more = |care: &Care| care.reads_screen() || care.live.screen_unchanged.is_some() || care.limits.memory.is_some();
    let is_known = |sighting: &Sighting| !matches!(sighting.phase, Phase::Unknown { .. } | Phase::Leaving(_));
    let has_nothing = |sighting: &Sighting| {
        let typed = sighting.typing.is_none() && sighting.messages.is_empty();
        let unasked = sighting.vitals.consent.is_none();
        typed
            && unasked
            && sighting.notes.is_empty()
            && sighting.unread.is_none()
            && sighting.left.is_empty()
            && sighting.remains.is_empty()
    };
    plan.is_empty()
        && observed.gaps.is_empty()
        && observed.halted.is_none()
        && observed.agents.values().all(|sighting| is_known(sighting) && has_nothing(sighting))
        && desired.agents.values().all(|declared| !reads_more(&declared.spec.care) && !watches_secrets(&declared.spec))
}

/// When something is due, or may be. Who detaches from the server whose socket is `heard` is told.
pub(super) fn due(desired: &Desired, plan: &Plan, observed: &Observed, standings: &Standings, heard: Option<&Path>) -> Option<Timestamp> {
    let now = observed.at;
    let timers = desired.agents.iter().filter_map(|(name, declared)| {
        let sighting = observed.agents.get(name)?;
        let overdue = standings.get(name).and_then(|standing| overdue(standing, declared.spec.care.hold_max));
        signs_of_life(sighting, &declared.spec.care, now).into_iter().chain(overdue).min()
    });
    let is_heard = |agent| {
        let seat = observed.agents.get(agent).and_then(|sighting| sighting.instance.as_ref()).map(|instance| &instance.seat);
        matches!(seat, Some(Seat::Pane { socket, .. }) if Some(&**socket) == heard)
    };
    let held = plan.changes.iter().filter_map(|(agent, change)| match &change.next {
        Next::Held(Held::Attached(_)) if is_heard(agent) => Some(now + LOOK_AGAIN_HEARD),
        Next::Held(held) => release(held, now),
        Next::Blocked(blocked) => match blocked.reason {
            Reason::Dialog
            | Reason::Login
            | Reason::Permission
            | Reason::Stranded
            | Reason::Unconfirmed
            | Reason::Untypable
            | Reason::ContextFull
            | Reason::Crashed
            | Reason::Unknown
            | Reason::Unreadable
            | Reason::Undelivered
            | Reason::ConditionUnknown
            | Reason::TooManyPanes
            | Reason::NoTmux
            | Reason::ServerUnreachable
            | Reason::StateUnwritable => Some(now + LOOK_AGAIN),
            Reason::PlaceTaken
            | Reason::CwdMissing
            | Reason::CommandMissing
            | Reason::DependencyEnded
            | Reason::DependencyCycle
            | Reason::Failed
            | Reason::FailedRepeatedly
            | Reason::Unhealthy
            | Reason::NotReady
            | Reason::NotAcknowledged
            | Reason::KillFailed
            | Reason::NoEffect
            | Reason::OtherStateFolder
            | Reason::RecordMismatch => None,
        },
        Next::Act(_) | Next::Wait(_) => None,
    });
    let silent = has_silent_waits(plan).then_some(now + SILENT);
    timers.chain(held).chain(wake_at(plan)).chain(silent).min()
}

/// When something that is held may be released.
fn release(held: &Held, now: Timestamp) -> Option<Timestamp> {
    match held {
        Held::Limit(until) | Held::Paused { until, why: _ } => *until,
        Held::Attached(_)
        | Held::Busy
        | Held::Draft
        | Held::Shell(_)
        | Held::Unclear
        | Held::Waiting { .. }
        | Held::NotReading
        | Held::Suspended(_) => Some(now + LOOK_AGAIN),
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
