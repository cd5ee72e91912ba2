//! Whether those that were asked to end have done what they were asked to do first.

use std::collections::BTreeMap;

use super::{Desired, care_of};
use crate::desired::{AgentName, Owner};
use crate::host::{Answer, Host, Query};
use crate::observed::{Phase, Sighting, Step};

/// Asks the probe of the step that each was asked by, where that has one.
pub(super) fn ask(
    desired: &Desired,
    sightings: &mut BTreeMap<AgentName, Sighting>,
    asked: &dyn Fn(&AgentName) -> bool,
    host: &mut dyn Host,
) {
    let mut names = Vec::new();
    let mut questions = Vec::new();
    for (name, sighting) in sightings.iter().filter(|(name, _)| asked(name)) {
        let Phase::Leaving(leaving) = &sighting.phase else { continue };
        let (Step::Drain(step), Some(instance)) = (leaving.step, &sighting.instance) else { continue };
        let care = care_of(name, desired, sighting.spec.as_ref());
        if let Some(probe) = care.and_then(|care| care.drain.get(step)?.until.clone()) {
            names.push(name.clone());
            questions.push(Query { instance: instance.clone(), probe, owner: Owner::Any, cwd: None, since: Some(leaving.since) });
        }
    }
    if questions.is_empty() {
        return;
    }
    for (name, answer) in names.into_iter().zip(host.probe(&questions)) {
        if let Some(sighting) = sightings.get_mut(&name) {
            sighting.drained = answer == Answer::Yes;
        }
    }
}
