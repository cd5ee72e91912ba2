//! What a plan may do at most.

use std::collections::BTreeMap;

use super::{Cause, Change, GuardCheck, GuardName, Kind, Next, Terms};
use crate::desired::{AgentName, Desired, Limit};
use crate::observed::{Observed, Phase, Sighting};

/// Each guard, and whether the changes keep to it.
pub(super) fn check(changes: &BTreeMap<AgentName, Change>, desired: &Desired, observed: &Observed, terms: &Terms) -> Vec<GuardCheck> {
    let moved = terms.claimed_by.as_ref().map(|other| GuardCheck {
        name: GuardName::Moved,
        limit: other.display().to_string(),
        value: changes.len(),
        pass: false,
    });
    let elsewhere = elsewhere(changes, observed);
    if terms.unbound {
        return elsewhere.into_iter().chain(moved).collect();
    }
    let works = |sighting: &Sighting| lives(sighting) || sighting.has_working_remains();
    let running = observed.agents.values().filter(|sighting| works(sighting)).count();
    let ends = changes.iter().filter(|(name, change)| interrupts(change) && observed.agents.get(*name).is_some_and(works)).count();
    let (limit, most) = match terms.max_stop.or(desired.guard.max_stop) {
        Some(limit) => (limit, limit.of(running)),
        None if running < Limit::FEW => (Limit::USUAL, running),
        None => (Limit::USUAL, Limit::USUAL.of(running)),
    };
    let allow_empty = desired.guard.allow_empty || terms.allow_empty;
    let empties = desired.agents.is_empty() && ends > 0;
    let stops = [
        GuardCheck { name: GuardName::MaxStop, limit: limit.to_string(), value: ends, pass: ends <= most },
        GuardCheck {
            name: GuardName::AllowEmpty,
            limit: allow_empty.to_string(),
            value: if empties { ends } else { 0 },
            pass: allow_empty || !empties,
        },
    ];
    elsewhere.into_iter().chain(moved).chain(stops).collect()
}

/// Another state folder that remembers instances of the fleet: no plan of this one is carried out then, whichever agents it is about. One of which
/// nothing lives just now is that folder's too.
fn elsewhere(changes: &BTreeMap<AgentName, Change>, observed: &Observed) -> Vec<GuardCheck> {
    let folders: Vec<String> =
        observed.agents.values().filter_map(|sighting| Some(sighting.elsewhere.as_ref()?.display().to_string())).collect();
    let check = |folder: &String| GuardCheck { name: GuardName::StateFolder, limit: folder.clone(), value: folders.len(), pass: false };
    folders.first().filter(|_| !changes.is_empty()).map(check).into_iter().collect()
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
        // What is left of an earlier life may be at work.
        Kind::Spawn | Kind::Amend if change.cause == Cause::Remains => true,
        Kind::Spawn | Kind::Restart | Kind::Amend | Kind::Deliver | Kind::Adopt | Kind::Forget => false,
    };
    match change.next {
        Next::Act(_) | Next::Wait(_) => ends,
        Next::Held(_) | Next::Blocked(_) => false,
    }
}
