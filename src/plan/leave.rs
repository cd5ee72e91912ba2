//! The ways out: what holds the first step, and when the next one is due. Steps only go forward.

use super::local::{Agent, blocked};
use super::{Action, Held, KILL_PATIENCE, Next, Reason, Wait, dialogs, notes, talk, unconfirmed, waiting};
use crate::desired::{Care, Declared, DrainAsk, DrainStep, HoldOn, OnRemove};
use crate::observed::{Activity, Health, Instance, Leaving, Phase, Purpose, Seat, Step};
use crate::time::{Duration, Timestamp};

/// The first step of an end, unless something holds it.
pub(super) fn first_step(agent: &Agent<'_>, purpose: Purpose, declared: Option<&Declared>, recorded: Option<&Care>) -> Next {
    let care = in_force(declared, recorded);
    if care.is_some_and(|care| care.protect) && !agent.terms.allow_kill.contains(agent.name) {
        return Next::Held(Held::Protected);
    }
    let attached = agent.sighting.attached;
    if attached > 0 && !agent.terms.now && care.is_none_or(|care| care.hold.contains(&HoldOn::Attached)) {
        return Next::Held(Held::Attached(attached));
    }
    if purpose == Purpose::Replace && !agent.terms.now && notes::is_missing(agent, declared.map(|declared| &*declared.spec.care)) {
        return Next::Held(Held::NoNote);
    }
    if !agent.terms.now
        && !agent.terms.kill.contains(agent.name)
        && let Some(next) = talk::unfinished(agent)
    {
        return next;
    }
    if !agent.terms.now
        && care.is_none_or(|care| care.hold.contains(&HoldOn::Busy))
        && let Some(held) = at_work(agent, care)
    {
        return Next::Held(held);
    }
    step(agent, 0, purpose, steps(agent, declared, recorded))
}

/// What an interruption would cost one that is ready: its work, something that a person began, or what it asks a person in the middle of its work.
/// One that is not ready yet has done nothing; for one that crashed or whose context is full, another life is the way out.
pub(super) fn at_work(agent: &Agent<'_>, care: Option<&Care>) -> Option<Held> {
    if !matches!(agent.sighting.phase, Phase::Running { health: Health::Ready(_), .. }) {
        return None;
    }
    let waits = || waiting::needs(agent, care).map(|on| Held::Waiting { on, shows: dialogs::said(&agent.sighting.screen) });
    match &agent.sighting.screen.activity {
        Activity::Busy => Some(Held::Busy),
        Activity::Permission | Activity::Asks(_) | Activity::Login => waits(),
        // What we could not submit is no person's.
        Activity::Draft if unconfirmed::stranded(agent.sighting).is_some() => None,
        Activity::Draft => Some(Held::Draft),
        Activity::Unclear | Activity::Starting => Some(Held::Unclear),
        Activity::Unwatched | Activity::Idle | Activity::Limit { .. } | Activity::Exhausted | Activity::Crashed => None,
    }
}

/// How soon it is looked again whether a step is done before its time.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The step after the one that was asked last, once that one had its time or is done.
pub(super) fn next_step(
    agent: &Agent<'_>,
    leaving: &Leaving,
    purpose: Purpose,
    declared: Option<&Declared>,
    recorded: Option<&Care>,
) -> Next {
    let steps = steps(agent, declared, recorded);
    let asked = match leaving.step {
        Step::Drain(asked) => steps.get(asked),
        Step::Kill => None,
    };
    if leaving.step == Step::Kill && agent.terms.begun.is_some_and(|begun| leaving.asked_at < begun) {
        return Next::Act(Action::Kill { generation: agent.sighting.generation, purpose });
    }
    if leaving.step != Step::Kill
        && let Some(next) = talk::request(agent, purpose, declared.map(|declared| &*declared.spec.care).or(recorded))
    {
        return next;
    }
    let until = patience(leaving, asked, in_force(declared, recorded));
    let is_vain = leaving.step != Step::Kill && is_not_started(agent);
    if agent.now < until && !agent.sighting.drained && !is_vain {
        return waits(agent, leaving, asked, until);
    }
    match leaving.step {
        Step::Drain(asked) => step(agent, asked + 1, purpose, steps),
        Step::Kill => blocked(
            Reason::KillFailed,
            format!("still there {KILL_PATIENCE} after the kill of its whole tree: {}", survivors(agent.sighting.instance.as_ref())),
        ),
    }
}

/// What follows for one that was asked to end and is wanted again as it is. What it was asked may be on its way, so it has its time; if it still
/// runs then, it took no notice, and stays.
pub(super) fn stay(agent: &Agent<'_>, leaving: &Leaving, declared: &Declared) -> Option<Next> {
    let Step::Drain(asked) = leaving.step else { return None };
    let asked = declared.spec.care.drain.get(asked);
    let until = patience(leaving, asked, Some(&declared.spec.care));
    if agent.now < until {
        return Some(waits(agent, leaving, asked, until));
    }
    Some(Next::Act(Action::Stay { generation: agent.sighting.generation }))
}

/// When a step has had its time. The hook after an end keeps its keeper beyond a kill.
fn patience(leaving: &Leaving, asked: Option<&DrainStep>, care: Option<&Care>) -> Timestamp {
    let hook = care.and_then(|care| care.hooks.after_stop.as_ref());
    leaving.asked_at
        + match leaving.step {
            Step::Drain(_) => asked.map_or(Duration::ZERO, |step| step.wait),
            Step::Kill => KILL_PATIENCE + hook.map_or(Duration::ZERO, |hook| hook.timeout),
        }
}

fn waits(agent: &Agent<'_>, leaving: &Leaving, asked: Option<&DrainStep>, until: Timestamp) -> Next {
    let is_probed = asked.is_some_and(|step| step.until.is_some());
    let look_at = if is_probed { (agent.now + LOOK_AGAIN).min(until) } else { until };
    Next::Wait(Wait::Leave { step: leaving.step, look_at, until })
}

/// The care that counts: the declared one, else the one as last applied.
fn in_force<'a>(declared: Option<&'a Declared>, recorded: Option<&'a Care>) -> Option<&'a Care> {
    declared.map(|declared| &*declared.spec.care).or(recorded)
}

fn steps<'a>(agent: &Agent<'_>, declared: Option<&'a Declared>, recorded: Option<&'a Care>) -> &'a [DrainStep] {
    match (declared, recorded) {
        _ if agent.terms.kill.contains(agent.name) => &[],
        (Some(declared), _) => &declared.spec.care.drain,
        (None, Some(care)) if care.on_remove == OnRemove::Kill => &[],
        (None, Some(care)) => &care.drain,
        // Nothing is known of how it wants to be asked, and TERM to its program is what any program must be ready for.
        (None, None) => UNKNOWN_CARE,
    }
}

const UNKNOWN_CARE: &[DrainStep] = &[DrainStep::term()];

fn step(agent: &Agent<'_>, wanted: usize, purpose: Purpose, steps: &[DrainStep]) -> Next {
    let generation = agent.sighting.generation;
    Next::Act(match steps.get(wanted) {
        // There is nobody to ask: its keeper ends what it is about to start, such as a hook.
        Some(_) if is_not_started(agent) => Action::Kill { generation, purpose },
        // What cannot be typed now is no way out: the next one is taken.
        Some(DrainStep { ask: DrainAsk::Ask(_), .. }) if !talk::takes_text(agent) => return step(agent, wanted + 1, purpose, steps),
        Some(step) => Action::Drain { generation, step: wanted, ask: step.ask.clone(), purpose },
        None => Action::Kill { generation, purpose },
    })
}

/// Whether its keeper has not started its program yet, or does not know it.
fn is_not_started(agent: &Agent<'_>) -> bool {
    let kept = |instance: &Instance| instance.keeper.is_some() && instance.mark.is_some() && instance.program.is_none();
    agent.sighting.instance.as_ref().is_some_and(kept)
}

fn survivors(instance: Option<&Instance>) -> String {
    let Some(instance) = instance else { return "its processes".to_owned() };
    let adrift: &[_] = match &instance.seat {
        Seat::Adrift { processes } => processes,
        Seat::Pane { .. } | Seat::Detached { .. } => &[],
    };
    let pids: Vec<String> =
        instance.keeper.iter().chain(&instance.program).chain(adrift).map(|process| format!("pid {}", process.pid)).collect();
    pids.join(", ")
}
