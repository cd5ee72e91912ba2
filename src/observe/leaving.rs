//! Whether those that were asked to end have acknowledged it, and whether they have done what they were asked to do first.

use std::collections::{BTreeMap, BTreeSet};

use super::{Desired, Seen, care_of};
use crate::desired::{AgentName, DrainAsk, Owner};
use crate::event::{Event, What};
use crate::host::{Answer, Host, Query};
use crate::observed::{DrainOutcome, Phase, Sighting, Step};
use crate::state::Record;
use crate::state::handoff::shutdown;
use crate::time::Timestamp;

/// Asks those that are asked to end, and takes into their records who has acknowledged it.
pub(super) fn look(
    desired: &Desired,
    sightings: &mut BTreeMap<AgentName, Sighting>,
    records: &mut BTreeMap<AgentName, Record>,
    asked: &dyn Fn(&AgentName) -> bool,
    host: &mut dyn Host,
    seen: &mut Seen,
) {
    let now = seen.observed.at;
    for name in ask(desired, sightings, records, asked, host) {
        if let (Some(record), Some(sighting)) = (records.get_mut(&name), sightings.get_mut(&name))
            && learn(record, sighting, &mut seen.events, now)
        {
            seen.learned.insert(name);
        }
    }
}

/// Asks the probe of the step that each was asked by, where that has one, and looks whether a message without one was taken. Returns who has
/// acknowledged the step.
fn ask(
    desired: &Desired,
    sightings: &mut BTreeMap<AgentName, Sighting>,
    records: &BTreeMap<AgentName, Record>,
    asked: &dyn Fn(&AgentName) -> bool,
    host: &mut dyn Host,
) -> BTreeSet<AgentName> {
    let mut acknowledged = BTreeSet::new();
    let mut names = Vec::new();
    let mut questions = Vec::new();
    for (name, sighting) in sightings.iter().filter(|(name, _)| asked(name)) {
        let Phase::Leaving(leaving) = &sighting.phase else { continue };
        let (Step::Drain(step), Some(instance)) = (leaving.step, &sighting.instance) else { continue };
        let Some(step) = care_of(name, desired, sighting.spec.as_ref()).and_then(|care| care.drain.get(step)) else { continue };
        match (&step.until, &step.ask) {
            (Some(probe), _) => {
                names.push(name.clone());
                questions.push(Query {
                    instance: instance.clone(),
                    probe: probe.clone(),
                    owner: Owner::Any,
                    cwd: None,
                    since: Some(leaving.since),
                });
            }
            (None, DrainAsk::Message(_)) if was_taken(records.get(name)) => _ = acknowledged.insert(name.clone()),
            (None, DrainAsk::Message(_) | DrainAsk::Ask(_) | DrainAsk::Command(_) | DrainAsk::Keys(_) | DrainAsk::Signal { .. }) => {}
        }
    }
    if questions.is_empty() {
        return acknowledged;
    }
    for (name, answer) in names.into_iter().zip(host.probe(&questions)) {
        if let Some(sighting) = sightings.get_mut(&name) {
            sighting.drained = answer == Answer::Yes;
            if sighting.drained {
                acknowledged.insert(name);
            }
        }
    }
    acknowledged
}

/// Whether the last message that was laid into its inbox is there no more. What cannot be looked at was not taken.
fn was_taken(record: Option<&Record>) -> bool {
    let last = record.and_then(|record| record.requested.last());
    last.is_some_and(|message| message.laid && matches!(shutdown::is_there(message), Ok(false)))
}

/// Takes into the record that a step was acknowledged, which is told once; says whether that changed it.
fn learn(record: &mut Record, sighting: &mut Sighting, events: &mut Vec<Event>, now: Timestamp) -> bool {
    let Some(leaving) = record.leaving.as_mut().filter(|leaving| leaving.if_killed != DrainOutcome::Acknowledged) else { return false };
    let Step::Drain(step) = leaving.step else { return false };
    leaving.if_killed = DrainOutcome::Acknowledged;
    sighting.phase = Phase::Leaving(leaving.clone());
    let why = format!("request to end acknowledged (step {})", step + 1);
    let (agent, generation) = (Some(record.agent.clone()), Some(record.generation));
    events.push(Event { at: now, agent, generation, what: What::Asked, reason: None, why });
    true
}
