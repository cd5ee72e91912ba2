//! What a plan may do at most.

use std::collections::BTreeMap;

use super::{Change, GuardCheck, GuardName, Kind, Next, Terms};
use crate::desired::{AgentName, Desired, Limit};
use crate::observed::{Observed, Phase, Sighting};

/// Each guard, and whether the changes keep to it.
pub(super) fn check(changes: &BTreeMap<AgentName, Change>, desired: &Desired, observed: &Observed, terms: &Terms) -> Vec<GuardCheck> {
    if terms.unbound {
        return Vec::new();
    }
    let running = observed.agents.values().filter(|sighting| lives(sighting)).count();
    let ends = changes.iter().filter(|(name, change)| interrupts(change) && observed.agents.get(*name).is_some_and(lives)).count();
    let limit = terms.max_stop.unwrap_or(desired.guard.max_stop);
    // One always may: else a fleet of one could never be changed.
    let most = match limit {
        Limit::Count(count) => count as usize,
        Limit::Percent(share) => running * share as usize / 100,
    }
    .max(1);
    let allow_empty = desired.guard.allow_empty || terms.allow_empty;
    let empties = desired.agents.is_empty() && ends > 0;
    vec![
        GuardCheck { name: GuardName::MaxStop, limit: limit.to_string(), value: ends, pass: ends <= most },
        GuardCheck {
            name: GuardName::AllowEmpty,
            limit: allow_empty.to_string(),
            value: if empties { ends } else { 0 },
            pass: allow_empty || !empties,
        },
    ]
}

fn lives(sighting: &Sighting) -> bool {
    match sighting.phase {
        Phase::Running { .. } | Phase::Leaving(_) => !sighting.released,
        Phase::Absent | Phase::Exited(_) | Phase::Unknown { .. } => false,
    }
}

/// Whether a change ends an instance, now or once its wait is over.
pub(super) fn interrupts(change: &Change) -> bool {
    let ends = match change.kind {
        Kind::Stop | Kind::Replace => true,
        Kind::Spawn | Kind::Restart | Kind::Amend | Kind::Deliver | Kind::Adopt | Kind::Forget => false,
    };
    match change.next {
        Next::Act(_) | Next::Wait(_) => ends,
        Next::Held(_) | Next::Blocked(_) => false,
    }
}
