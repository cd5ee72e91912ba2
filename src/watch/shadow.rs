//! What a watcher would do, said and not done.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::converge::Audience;
use crate::desired::AgentName;
use crate::event::{Entry, Event, What};
use crate::plan::{Next, Plan};
use crate::state::{Fleet, NoLock};
use crate::time::{Duration, Timestamp};

/// Says what would be done now and was not said before.
pub(super) fn say(
    plan: &Plan,
    said: &mut BTreeMap<AgentName, String>,
    fleet: &Fleet,
    at: Timestamp,
    audience: &mut dyn Audience,
) -> Result<()> {
    let mut now = BTreeMap::new();
    let mut events = Vec::new();
    for (agent, change) in &plan.changes {
        let Next::Act(action) = &change.next else { continue };
        let text = format!("{action}: {}", change.why());
        if said.get(agent) != Some(&text) {
            let why = format!("a shadow would {text}");
            events.push(Event { at, agent: Some(agent.clone()), generation: None, what: What::Planned, reason: None, why });
        }
        now.insert(agent.clone(), text);
    }
    *said = now;
    if events.is_empty() {
        return Ok(());
    }
    match fleet.lock("watch --dry-run", Duration::ZERO) {
        Ok(_lock) => fleet.journal()?.append(&events)?.iter().for_each(|entry| audience.event(entry)),
        // Who acts just now has the journal; what would be done is said all the same.
        Err(NoLock::Held(_)) => events.into_iter().for_each(|event| audience.event(&Entry { number: 0, event })),
        Err(NoLock::Failed(error)) => return Err(error),
    }
    Ok(())
}
