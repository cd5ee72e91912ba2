//! Starts that another run has written down and not done yet: they are no ends. Where nobody is at work, whoever wrote them was killed.

use std::collections::BTreeMap;

use anyhow::Result;

use super::{AgentName, Fleet, Record, Sighting};
use crate::host::START_PATIENCE;
use crate::observed::{Exit, Health, Phase};
use crate::time::Timestamp;

/// Whose start is written down, not seen, and may still be done by another run, and since when. To be asked before the look: what was done by then is seen.
pub(super) fn elsewhere(records: &BTreeMap<AgentName, Record>, fleet: &Fleet, now: Timestamp) -> Result<BTreeMap<AgentName, Timestamp>> {
    let is_unseen = |record: &Record| record.mark.is_some() && record.instance.is_none() && record.ended.is_none();
    let in_time = |record: &Record| record.leaving.is_none() && now.since(record.asked_at) < START_PATIENCE;
    let begun = records.iter().filter(|(_, record)| is_unseen(record) && in_time(record));
    let begun: BTreeMap<AgentName, Timestamp> = begun.map(|(name, record)| (name.clone(), record.asked_at)).collect();
    Ok(if !begun.is_empty() && fleet.has_others_at_work()? { begun } else { BTreeMap::new() })
}

/// Takes those of which nothing was found for what they are.
pub(super) fn wait_for(begun: &BTreeMap<AgentName, Timestamp>, sightings: &mut BTreeMap<AgentName, Sighting>) {
    for (name, asked_at) in begun {
        let Some(sighting) = sightings.get_mut(name) else { continue };
        let nothing = sighting.instance.is_none() && sighting.remains.is_empty();
        let is_unseen = match &sighting.phase {
            Phase::Absent => true,
            Phase::Exited(ended) => ended.exit == Exit::Unseen,
            Phase::Running { .. } | Phase::Leaving(_) | Phase::Unknown { .. } => false,
        };
        if nothing && is_unseen {
            sighting.phase = Phase::Running { since: *asked_at, health: Health::Starting };
        }
    }
}
