//! Ending what earlier lives left behind. It is an interruption like any other: held where an end would be, and asked for before it is forced.

use super::local::Agent;
use super::{Action, Cause, Change, Held, Kind, Next, Wait};
use crate::desired::{Care, Declared, DrainAsk, DrainStep, HoldOn, Signal};
use crate::observed::{Phase, Step};
use crate::time::Duration;

/// What must be gone before anything else happens to an agent; none if nothing is left of earlier lives.
pub(super) fn due(agent: &Agent<'_>, kind: Kind, declared: Option<&Declared>) -> Option<Change> {
    if agent.sighting.remains.is_empty() {
        return None;
    }
    let recorded = agent.sighting.spec.as_ref().map(|spec| &*spec.care);
    let care = declared.map(|declared| &*declared.spec.care).or(recorded);
    let next = held(agent, care).map(Next::Held).or_else(|| hopeless(agent, kind, declared)).unwrap_or_else(|| step(agent, care));
    Some(Change { kind, cause: Cause::Remains, fields: Vec::new(), next })
}

fn held(agent: &Agent<'_>, care: Option<&Care>) -> Option<Held> {
    if care.is_some_and(|care| care.protect) && !agent.terms.allow_kill.contains(agent.name) {
        return Some(Held::Protected);
    }
    let attached = agent.sighting.attached;
    let is_alone = !matches!(agent.sighting.phase, Phase::Running { .. } | Phase::Leaving(_));
    let holds = is_alone && attached > 0 && !agent.terms.now && care.is_none_or(|care| care.hold.contains(&HoldOn::Attached));
    holds.then_some(Held::Attached(attached))
}

/// What is left of an agent goes on working until its successor could start.
fn hopeless(agent: &Agent<'_>, kind: Kind, declared: Option<&Declared>) -> Option<Next> {
    let starts = kind != Kind::Stop && !matches!(agent.sighting.phase, Phase::Running { .. } | Phase::Leaving(_));
    declared.filter(|_| starts).and_then(|declared| agent.kept_back(declared))
}

fn step(agent: &Agent<'_>, care: Option<&Care>) -> Next {
    let kill = Next::Act(Action::Sweep { ask: None });
    if !agent.sighting.has_working_remains() || agent.terms.kill.contains(agent.name) {
        return kill;
    }
    let (signal, wait) = request(care);
    match agent.sighting.sweeping {
        None => Next::Act(Action::Sweep { ask: Some(signal) }),
        Some(asked) if agent.now < asked + wait => {
            Next::Wait(Wait::Leave { step: Step::Drain(0), look_at: asked + wait, until: asked + wait })
        }
        Some(_) => kill,
    }
}

/// How what has no keeper can be asked: by the first signal of its drain, else by TERM.
fn request(care: Option<&Care>) -> (Signal, Duration) {
    let signal = |step: &DrainStep| match &step.ask {
        DrainAsk::Signal { signal, .. } if *signal != Signal::Kill => Some((*signal, step.wait)),
        DrainAsk::Signal { .. } | DrainAsk::Keys(_) | DrainAsk::Command(_) | DrainAsk::Ask(_) | DrainAsk::Message(_) => None,
    };
    let usual = DrainStep::term();
    care.and_then(|care| care.drain.iter().find_map(signal)).or_else(|| signal(&usual)).unwrap_or((Signal::Term, usual.wait))
}
