//! What keeps all agents of a place from being started. It is told in the words of the condition, the same for each of them, and counts for none.

use super::local::blocked;
use super::{Next, Reason, Wait};
use crate::desired::Place;
use crate::observed::Condition;
use crate::time::Timestamp;

/// What a start at this place waits for or is blocked by, if a condition of the whole fleet keeps it back.
pub(super) fn keeps_back(conditions: &[Condition], place: &Place, now: Timestamp) -> Option<Next> {
    let in_tmux = matches!(place, Place::Tmux { .. });
    conditions.iter().find_map(|condition| match condition {
        Condition::NoTmux { .. } => in_tmux.then(|| blocked(Reason::NoTmux, condition.to_string())),
        Condition::ServerUnreachable { .. } => in_tmux.then(|| blocked(Reason::ServerUnreachable, condition.to_string())),
        Condition::StateUnwritable { .. } => Some(blocked(Reason::StateUnwritable, condition.to_string())),
        Condition::TmuxFails { until, .. } => (in_tmux && *until > now).then_some(Next::Wait(Wait::Backoff { until: *until })),
        Condition::MachineFails { until, .. } => (!in_tmux && *until > now).then_some(Next::Wait(Wait::Backoff { until: *until })),
        // Some still fit: an agent that does not has an obstacle of its own.
        Condition::NoRoom { .. } => None,
    })
}

/// The reason why nothing is known of an agent, where that is a condition of the whole fleet.
pub(super) fn hides(conditions: &[Condition], why: &str) -> Option<Next> {
    conditions.iter().find_map(|condition| match condition {
        Condition::ServerUnreachable { why: known, .. } if known == why => Some(blocked(Reason::ServerUnreachable, condition.to_string())),
        Condition::ServerUnreachable { .. }
        | Condition::NoTmux { .. }
        | Condition::StateUnwritable { .. }
        | Condition::TmuxFails { .. }
        | Condition::MachineFails { .. }
        | Condition::NoRoom { .. } => None,
    })
}
