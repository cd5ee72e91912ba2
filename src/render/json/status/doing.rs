//! What the program of an agent does, as one word for programs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::observed::{Activity, Phase, Sighting};
use crate::plan::WaitingFor;

/// What the program of an agent does, by its screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Doing {
    /// It still starts, answers a dialog that is accepted, or starts again.
    Starting,
    /// It rests and takes input.
    Idle,
    /// It is idle, and unsent text is in its input box.
    Draft,
    /// It works.
    Busy,
    /// It waits for a person.
    Waiting,
    /// Its usage limit is reached.
    Limit,
    /// Its screen does not tell.
    Unclear,
}

/// What the program of an agent does that waits for this; none if it does not run or nothing tells.
pub(super) fn doing(sighting: &Sighting, waiting_for: Option<WaitingFor>) -> Option<Doing> {
    match &sighting.phase {
        Phase::Running { .. } | Phase::Leaving(_) => {}
        Phase::Absent | Phase::Exited(_) | Phase::Unknown { .. } => return None,
    }
    if waiting_for.is_some() {
        return Some(Doing::Waiting);
    }
    match &sighting.screen.activity {
        Activity::Unwatched => None,
        Activity::Unclear => Some(Doing::Unclear),
        Activity::Starting | Activity::Asks(_) => Some(Doing::Starting),
        Activity::Idle => Some(Doing::Idle),
        Activity::Draft => Some(Doing::Draft),
        Activity::Busy => Some(Doing::Busy),
        Activity::Limit { .. } => Some(Doing::Limit),
        Activity::Permission | Activity::Login | Activity::Exhausted | Activity::Crashed => Some(Doing::Waiting),
    }
}
