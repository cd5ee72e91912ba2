//! Starts that another run has written down and not done yet: they are no ends. Where nobody is at work, whoever wrote them was killed.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::{AgentName, Fleet, Record, Sighting};
use crate::host::START_PATIENCE;
use crate::observed::{Exit, Health, Phase};
use crate::time::Timestamp;

/// Whose start is written down, not seen, and may still be done by another run. To be asked before the look: what was done by then is seen.
pub(super) fn elsewhere(records: &BTreeMap<AgentName, Record>, fleet: &Fleet, now: Timestamp) -> Result<BTreeSet<AgentName>> {
    let is_unseen = |record: &Record| record.mark.is_some() && record.instance.is_none() && record.ended.is_none();
    let in_time = |record: &Record| record.leaving.is_none() && now.since(record.asked_at) < START_PATIENCE;
    let begun = records.iter().filter(|(_, record)| is_unseen(record) && in_time(record));
    let begun: BTreeSet<AgentName> = begun.map(|(name, _)| name.clone()).collect();
    Ok(if !begun.is_empty() && fleet.has_others_at_work()? { begun } else { BTreeSet::new() })
}

/// Takes those of which nothing was found for what they are.
pub(super) fn wait_for(begun: &BTreeSet<AgentName>, sightings: &mut BTreeMap<AgentName, Sighting>) {
    for name in begun {
        let Some(sighting) = sightings.get_mut(name) else { continue };
        let nothing = sighting.instance.is_none() && sighting.remains.is_empty();
        if let (Phase::Exited(ended), true) = (&sighting.phase, nothing)
            && ended.exit == Exit::Unseen
        {
            sighting.phase = Phase::Running { since: ended.since, health: Health::Starting };
        }
    }
}
