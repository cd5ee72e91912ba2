//! What a command asks of agents becomes a fact in their records.

use anyhow::{Result, bail};

use crate::intent::{Intent, Request};
use crate::observe::Seen;
use crate::state::{Fleet, Record, Unremembered};

/// Writes down what is asked of agents, before anything is done for it, so that it outlives this run. What a look has learned is not written with it:
/// that is told first.
///
/// # Errors
///
/// If a record cannot be read or written. A stop goes on where the disk is full, and the fleet takes note that it is not remembered.
pub fn write_down(fleet: &Fleet, seen: &mut Seen, intent: &Intent) -> Result<()> {
    for (agent, asked) in &intent.requests {
        let Some(sighting) = seen.observed.agents.get(agent) else { continue };
        if let Some(why) = seen.unreadable.get(agent) {
            bail!("what was asked of {agent} cannot be remembered: {why}");
        }
        let stored = fleet.record(agent)?.transpose().map_err(anyhow::Error::msg)?;
        let mut stored = stored.unwrap_or_else(|| Record::new(agent.clone()));
        let learned = seen.records.entry(agent.clone()).or_insert_with(|| stored.clone());
        for record in [&mut stored, learned] {
            record.wanted = sighting.wanted;
            record.replace_up_to = sighting.replace_up_to;
            record.failures = sighting.failures.clone();
        }
        let written = fleet.write_wish(&stored);
        match asked {
            // It is stopped all the same.
            Request::Stop => drop(fleet.or_unremembered(Unremembered::Stopped(agent.clone()), written)?),
            Request::Start | Request::Restart | Request::Replace | Request::Reset => written?,
        }
    }
    Ok(())
}
