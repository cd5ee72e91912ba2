//! Notes that wait for agents, and whether those that were delivered have been read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::Result;

use super::{Desired, care_of};
use crate::desired::{AgentName, Probe};
use crate::host::{Answer, Host, Query};
use crate::observed::{Health, Note, Phase, Sighting, Unread};
use crate::state::handoff::{Look, Stage, look, spool};
use crate::state::{Fleet, Record};
use crate::time::{Duration, Timestamp};

/// Older than any file.
const FOR_EVER: Duration = Duration::from_secs(1_000_000_000);

/// Fills in what waits for each agent: first what was begun, then what its own source has, then what was put aside for it.
///
/// Notes that this run brings come last: they are put aside once it may begin.
pub(super) fn find(
    desired: &Desired,
    fleet: &Fleet,
    sightings: &mut BTreeMap<AgentName, Sighting>,
    brought: &BTreeMap<AgentName, Vec<u64>>,
    now: Timestamp,
) -> Result<()> {
    let spooled: BTreeSet<AgentName> = fleet.spooled()?;
    for (name, sighting) in sightings {
        let care = care_of(name, desired, sighting.spec.as_ref());
        let source = care.and_then(|care| care.handoff.source.clone());
        let oldest = care.and_then(|care| care.handoff.expires);
        let note = |source, id| note(source, id, oldest, now);
        let own = source.into_iter().filter_map(|source| note(source, None));
        // What is wrong with one agent's folder is nothing to the others.
        let put = if spooled.contains(name) { fleet.or_unread(spool::list(&fleet.paths().spool(name))) } else { None };
        let put = put.into_iter().flatten().filter_map(|put| note(put.source, Some(put.id.to_string())));
        let brought = brought.get(name).into_iter().flatten().map(|bytes| Note {
            id: None,
            source: PathBuf::from("--handoff"),
            bytes: *bytes,
            unusable: None,
            written_at: None,
            expired: false,
        });
        sighting.notes = own.chain(put).chain(brought).collect();
        sighting.notes.sort_by_key(|note| note.unusable.is_some());
    }
    Ok(())
}

fn note(source: PathBuf, id: Option<String>, oldest: Option<Duration>, now: Timestamp) -> Option<Note> {
    match look(&source) {
        Look::Nothing => None,
        Look::Note { stage, bytes, modified_at } => {
            let begun = match stage {
                Stage::Written(id) | Stage::Claimed(id) => Some(id.to_string()),
                Stage::Waiting => None,
            };
            let expired = begun.is_none() && oldest.is_some_and(|oldest| now.since(modified_at) > oldest);
            // What was put aside was put there whole.
            let written_at = (begun.is_none() && id.is_none()).then_some(modified_at);
            Some(Note { id: begun.or(id), source, bytes, unusable: None, written_at, expired })
        }
        Look::Unusable(why) => Some(Note { id, source, bytes: 0, unusable: Some(why), written_at: None, expired: false }),
    }
}

/// Asks those that run whether they have read what was delivered to them.
pub(super) fn ask(
    desired: &Desired,
    sightings: &mut BTreeMap<AgentName, Sighting>,
    records: &BTreeMap<AgentName, Record>,
    asked: &dyn Fn(&AgentName) -> bool,
    host: &mut dyn Host,
) {
    let mut names = Vec::new();
    let mut questions = Vec::new();
    for (name, sighting) in sightings.iter().filter(|(name, _)| asked(name)) {
        let Some(unread) = sighting.unread.clone().filter(|_| records.contains_key(name)) else { continue };
        let ack = care_of(name, desired, sighting.spec.as_ref()).and_then(|care| care.handoff.ack.as_ref());
        let Phase::Running { since, health: Health::Ready(_) } = sighting.phase else { continue };
        if let (Some(ack), Some(instance)) = (ack, &sighting.instance) {
            // A file that was there before says nothing about this note.
            let owner = ack.owner;
            let (probe, since) = if let Probe::File(file) = &ack.probe {
                (Probe::Heartbeat { file: file.clone(), max_age: FOR_EVER }, unread.since)
            } else {
                (ack.probe.clone(), since)
            };
            names.push((name.clone(), unread));
            questions.push(Query { instance: instance.clone(), probe, owner, cwd: None, since: Some(since) });
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
            Answer::Pending => Err("it has not answered yet".to_owned()),
        };
        if let Some(sighting) = sightings.get_mut(&name) {
            sighting.unread = Some(Unread { answer: Some(answer), ..unread });
        }
    }
}
