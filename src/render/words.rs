//! The fixed words of the contract for what a plan says, and what follows from them; the sentences are with the plan itself.

use super::text::count;
use crate::desired::AgentName;
use crate::observed::{Activity, Note, Phase, Sighting};
use crate::plan::{Action, Cause, Change, Held, Kind, Next, Wait};
use crate::time::{Duration, Timestamp};

/// The cause in short, naming whole fields: `command changed`.
pub(super) fn cause_in_short(change: &Change) -> String {
    let mut names: Vec<&str> = change.fields.iter().filter_map(|field| field.path.first()?.as_str()).collect();
    names.dedup();
    let is_about_fields = matches!(change.cause, Cause::LaunchChanged | Cause::CareChanged);
    if is_about_fields && !names.is_empty() { format!("{} changed", names.join(", ")) } else { change.cause.to_string() }
}

/// What releases a change that is held.
pub(super) fn release(held: &Held, agent: &AgentName) -> String {
    match held {
        Held::Attached(_) => "detached, or --now".to_owned(),
        Held::Protected => format!("--allow-kill {agent}"),
        Held::Busy => "it rests, or --now".to_owned(),
        Held::Draft => "the draft is submitted or gone, or --now".to_owned(),
        Held::Shell(_) => "its program reads its terminal again".to_owned(),
        Held::NoNote => "a note for the successor, or --now".to_owned(),
        Held::Unclear => "its screen can be read, or --now".to_owned(),
        Held::Waiting { .. } => format!("`reconcile attach {agent} --rw`, or --now"),
        Held::NotReading => "it takes its terminal over, or a `ready` probe".to_owned(),
        Held::Suspended(pid) => format!("its program goes on: `kill -CONT {pid}`"),
        Held::Limit(Some(until)) => format!("at {}", until.clock()),
        Held::Limit(None) => "its usage is renewed".to_owned(),
        Held::Dependant(other) => format!("{other} is released"),
        Held::NotShown => "another plan, shown and approved".to_owned(),
        Held::Paused { until: None, .. } => format!("`reconcile resume {agent}`"),
        Held::Paused { until: Some(until), .. } => format!("at {}, or `reconcile resume {agent}`", until.clock()),
        Held::Halted => "`reconcile resume`".to_owned(),
        Held::Auto(_) | Held::Guard(_) => "`reconcile apply`".to_owned(),
    }
}

/// The first of some names, and how many more there are.
pub(super) fn some_of(names: &[&AgentName]) -> String {
    const NAMED: usize = 3;
    let named: Vec<&str> = names.iter().take(NAMED).map(|name| name.as_str()).collect();
    let more = names.len().saturating_sub(NAMED);
    if more > 0 { format!("{} and {more} more", named.join(", ")) } else { named.join(", ") }
}

/// Where a change stands in a listing, from what begins to what is stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Begins,
    Replaced,
    Delivers,
    Amended,
    Ends,
    Starting,
    Held,
    Blocked,
}

/// The class of a change.
pub(super) fn class(change: &Change) -> Class {
    match (&change.next, change.kind) {
        (Next::Held(_), _) => Class::Held,
        (Next::Blocked(_), _) => Class::Blocked,
        (Next::Wait(Wait::Ready { .. } | Wait::Dialog { .. } | Wait::Screen { .. }) | Next::Act(Action::Answer { .. }), Kind::Spawn) => {
            Class::Starting
        }
        (Next::Wait(Wait::Ready { .. }), _) => Class::Starting,
        (Next::Act(_) | Next::Wait(_), Kind::Spawn | Kind::Restart) => Class::Begins,
        (Next::Act(_) | Next::Wait(_), Kind::Replace) => Class::Replaced,
        (Next::Act(_) | Next::Wait(_), Kind::Deliver) => Class::Delivers,
        (Next::Act(_) | Next::Wait(_), Kind::Amend | Kind::Adopt) => Class::Amended,
        (Next::Act(_) | Next::Wait(_), Kind::Stop | Kind::Forget) => Class::Ends,
    }
}

/// What an end costs: how long the instance has been up, if that is known, and how many clients are attached. None if nothing that works ends.
pub(super) fn interrupted(change: &Change, sighting: &Sighting, now: Timestamp) -> Option<(Option<Duration>, u32)> {
    let leftovers_end = change.cause == Cause::Remains && sighting.has_working_remains();
    let instance_ends = match change.kind {
        Kind::Replace | Kind::Stop => true,
        Kind::Spawn | Kind::Restart | Kind::Amend | Kind::Deliver | Kind::Adopt | Kind::Forget => false,
    };
    let since = match &sighting.phase {
        Phase::Running { since, .. } if instance_ends || leftovers_end => Some(*since),
        Phase::Leaving(leaving) if instance_ends || leftovers_end => Some(leaving.since),
        Phase::Exited(ended) if leftovers_end => Some(ended.since),
        Phase::Absent | Phase::Unknown { .. } if leftovers_end => None,
        Phase::Running { .. } | Phase::Leaving(_) | Phase::Exited(_) | Phase::Absent | Phase::Unknown { .. } => return None,
    };
    Some((since.map(|since| now.since(since)), sighting.attached))
}

/// What an end costs, in words.
pub(super) fn interrupts(change: &Change, sighting: &Sighting, now: Timestamp) -> Option<String> {
    let (up, attached) = interrupted(change, sighting, now)?;
    let rests =
        sighting.screen.written_at.filter(|_| sighting.is_busy() == Some(false)).map(|at| format!(", idle {}", now.since(at).rough()));
    let work = match &sighting.screen.activity {
        Activity::Permission | Activity::Asks(_) | Activity::Login => ", waits for an answer".to_owned(),
        Activity::Unwatched
        | Activity::Unclear
        | Activity::Starting
        | Activity::Idle
        | Activity::Draft
        | Activity::Busy
        | Activity::Limit { .. }
        | Activity::Exhausted
        | Activity::Crashed => {
            if sighting.is_busy() == Some(true) {
                ", at work".to_owned()
            } else {
                rests.unwrap_or_default()
            }
        }
    };
    let people = if attached > 0 { format!(", {} attached", count(attached as usize, "client")) } else { String::new() };
    let up = up.map_or_else(|| "a process of an earlier life".to_owned(), |up| format!("up {}", up.rough()));
    Some(format!("interrupts: {up}{work}{people}"))
}

/// The notes that an agent gets with a change.
pub(super) fn deliveries<'a>(change: &Change, sighting: Option<&'a Sighting>) -> impl Iterator<Item = &'a Note> + use<'a> {
    let gets = matches!(change.next, Next::Act(_) | Next::Wait(_))
        && matches!(change.kind, Kind::Spawn | Kind::Replace | Kind::Restart | Kind::Deliver);
    sighting.filter(|_| gets).into_iter().flat_map(|sighting| &sighting.notes).filter(|note| note.unusable.is_none())
}
