//! Whose something is, as a person says it: what runs already becomes an agent's instance, or an instance is let go. No process notices either.
//!
//! For who holds the lock and has just looked. Nothing is planned here: what is said is written into the records and, where it is about a pane, onto the
//! pane; what follows from it is the planner's.

use crate::desired::AgentName;
use crate::event::{Event, What};
use crate::observe::Seen;
use crate::observed::{Instance, Phase, Sighting};
use crate::state::Record;

mod adopt;
mod forget;

pub use adopt::adopt;
pub use forget::{LetGo, forget};

/// Whether an instance was adopted: neither a keeper nor a mark of its own tells of it.
fn is_adopted(instance: &Instance) -> bool {
    instance.mark.is_none() && instance.keeper.is_none()
}

fn event(agent: &AgentName, record: &Record, what: What, why: String, seen: &Seen) -> Event {
    Event { at: seen.observed.at, agent: Some(agent.clone()), generation: Some(record.generation), what, reason: None, why }
}

/// Why nothing can be said of whose an agent's instance is.
fn unclear(agent: &AgentName, sighting: &Sighting, seen: &Seen) -> Option<String> {
    if let Some(why) = seen.unreadable.get(agent) {
        return Some(format!("{agent}: {why}"));
    }
    if let Phase::Unknown { why } = &sighting.phase {
        return Some(format!("{agent}: it cannot be told whether it runs: {why}"));
    }
    if let Some(folder) = &sighting.elsewhere {
        return Some(format!(
            "{agent}: the state folder {} has its record: use that one, or take it over with --take-over",
            folder.display()
        ));
    }
    let left = !sighting.remains.is_empty();
    left.then(|| format!("{agent}: what its earlier lives left still runs; an apply ends that first"))
}
