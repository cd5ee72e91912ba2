//! Notes that wait for agents, and whether those that were delivered have been read.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::{Desired, care_of};
use crate::desired::AgentName;
use crate::host::{Answer, Host, Query};
use crate::observed::{Health, Note, Phase, Sighting, Unread};
use crate::state::handoff::{Look, Stage, look, spool};
use crate::state::{Fleet, Record};

/// Fills in what waits for each agent: first what was begun, then what its own source has, then what was put aside for it.
pub(super) fn find(desired: &Desired, fleet: &Fleet, sightings: &mut BTreeMap<AgentName, Sighting>) -> Result<()> {
    let spooled: BTreeSet<AgentName> = fleet.spooled()?;
    for (name, sighting) in sightings {
        let care = care_of(name, desired, sighting.spec.as_ref());
        let source = care.and_then(|care| care.handoff.source.clone());
        let own = source.into_iter().filter_map(|source| note(source, None));
        let put = if spooled.contains(name) { spool::list(&fleet.paths().spool(name))? } else { Vec::new() };
        let put = put.into_iter().filter_map(|put| note(put.source, Some(put.id.to_string())));
        sighting.notes = own.chain(put).collect();
        sighting.notes.sort_by_key(|note| note.unusable.is_some());
    }
    Ok(())
}

fn note(source: std::path::PathBuf, id: Option<String>) -> Option<Note> {
    match look(&source) {
        Look::Nothing => None,
        Look::Note { stage, bytes, modified_at: _ } => {
            let begun = match stage {
                Stage::Written(id) | Stage::Claimed(id) => Some(id.to_string()),
                Stage::Waiting => None,
            };
            Some(Note { id: begun.or(id), source, bytes, unusable: None })
        }
        Look::Unusable(why) => Some(Note { id, source, bytes: 0, unusable: Some(why) }),
    }
}

/// Asks those that run whether they have read what was delivered to them.
pub(super) fn ask(
    desired: &Desired,
    sightings: &mut BTreeMap<AgentName, Sighting>,
    records: &BTreeMap<AgentName, Record>,
    host: &mut dyn Host,
) {
    let mut names = Vec::new();
    let mut questions = Vec::new();
    for (name, sighting) in &*sightings {
        let Some(unread) = sighting.unread.clone().filter(|_| records.contains_key(name)) else { continue };
        let ack = care_of(name, desired, sighting.spec.as_ref()).and_then(|care| care.handoff.ack.as_ref());
        let Phase::Running { since, health: Health::Ready(_) } = sighting.phase else { continue };
        if let (Some(ack), Some(instance)) = (ack, &sighting.instance) {
            names.push((name.clone(), unread));
            questions.push(Query { instance: instance.clone(), probe: ack.probe.clone(), cwd: None, since: Some(since) });
        }
    }
    if questions.is_empty() {
        return;
    }
    for ((name, unread), answer) in names.into_iter().zip(host.probe(&questions)) {
        let answer = match answer {
            Answer::Yes => Ok(()),
            Answer::No(seen) => Err(seen),
            Answer::Unknown(why) => Err(format!("it could not be asked: {why}")),
        };
        if let Some(sighting) = sightings.get_mut(&name) {
            sighting.unread = Some(Unread { answer: Some(answer), ..unread });
        }
    }
}
