//! The hooks whose moment only the tool knows: when an agent is first seen to be ready, and when it is first asked to end.

use crate::desired::{AgentName, AgentSpec, Desired, Hook, Hooks};
use crate::event::{Event, What};
use crate::host::{Act, Host, Outcome};
use crate::observe::Seen;
use crate::observed::Sighting;
use crate::state::Record;

/// Starts the hooks of those that were just seen to be ready for the first time in their lives, and returns what did not work. To be called when that is
/// written down: a crash in between loses a hook and runs none twice.
pub fn greet(events: &[Event], desired: &Desired, seen: &Seen, host: &mut dyn Host) -> Vec<Event> {
    let ready = events.iter().filter(|event| event.what == What::Ready).filter_map(|event| event.agent.as_ref());
    let (agents, acts): (Vec<&AgentName>, Vec<Act>) = ready
        .filter_map(|agent| {
            let sighting = seen.observed.agents.get(agent)?;
            let act = hook(agent, desired, seen.records.get(agent), sighting, "after_ready", |hooks| hooks.after_ready.as_ref())?;
            Some((agent, act))
        })
        .unzip();
    if acts.is_empty() {
        return Vec::new();
    }
    let outcomes = host.act(&acts);
    let at = host.now();
    let failed = agents.into_iter().zip(outcomes).filter_map(|(agent, outcome)| match outcome {
        Outcome::Done | Outcome::Skipped => None,
        Outcome::Refused(why) | Outcome::Failed(why) | Outcome::Hindered(why) | Outcome::Unknown(why) => {
            let generation = seen.records.get(agent).map(|record| record.generation);
            Some(Event { at, agent: Some(agent.clone()), generation, what: What::Failed, reason: None, why })
        }
    });
    failed.collect()
}

/// The hook before an end that is asked for with this step, if it is the first one.
pub(super) fn before_stop(desired: &Desired, record: &Record, sighting: &Sighting) -> Option<Act> {
    if record.leaving.is_some() {
        return None;
    }
    hook(&record.agent, desired, Some(record), sighting, "before_stop", |hooks| hooks.before_stop.as_ref())
}

/// A hook of an instance: the care is the declared one, else the one as last applied; the environment is that of the instance.
fn hook(
    agent: &AgentName,
    desired: &Desired,
    record: Option<&Record>,
    sighting: &Sighting,
    name: &'static str,
    which: impl Fn(&Hooks) -> Option<&Hook>,
) -> Option<Act> {
    let declared = desired.agents.get(agent).map(|declared| &declared.spec);
    let applied = record.and_then(|record| record.spec.as_ref());
    let hook = which(&declared.or(applied)?.care.hooks)?.clone();
    let spec: Box<AgentSpec> = Box::new(applied.or(declared)?.clone());
    Some(Act::Hook { only: sighting.instance.clone()?, name, hook, spec })
}
