//! What is left alone although it is due: what a person paused, what a watcher does not do by itself, and what would be too much at once.

use std::collections::BTreeMap;

use super::local::Agent;
use super::{Action, Cause, Change, GuardCheck, Held, Kind, Next, ServerChange, Terms, Wait, guard, leave};
use crate::desired::{AgentName, Auto, Desired, Wish};
use crate::observed::{Observed, Phase, Sighting};
use crate::time::{Duration, Timestamp};

type Changes = BTreeMap<AgentName, Change>;

/// So many agents that ended within [`AT_ONCE`] ended for one reason.
pub(crate) const MANY: usize = 3;

/// How near to each other ends are that have one reason.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(30);

/// So many are started again at most in each [`WAVE`] then: what ended them may be that there was too much of everything.
const STARTS: usize = 10;

const WAVE: Duration = Duration::from_secs(1);

/// Holds what a person paused, and what a watcher does not do by itself.
pub(super) fn leave_alone(changes: &mut Changes, desired: &Desired, observed: &Observed, terms: &Terms) {
    if terms.only_restarts {
        changes.retain(|_, change| change.kind == Kind::Restart);
    }
    let never_seen = Sighting::default();
    for (name, change) in changes {
        let sighting = observed.agents.get(name).unwrap_or(&never_seen);
        let agent = Agent { name, sighting, now: observed.at, terms, conditions: &observed.conditions };
        if matches!(change.next, Next::Wait(Wait::Ready { .. } | Wait::Read { .. })) {
            // Nothing is done to it, and it gets on by itself.
            continue;
        }
        if is_halted(observed, terms) {
            change.next = Next::Held(Held::Halted);
        } else if let Some(pause) = sighting.paused.as_ref().filter(|pause| pause.holds(observed.at)) {
            change.next = Next::Held(Held::Paused { until: pause.until, why: pause.why.clone() });
        } else if let Some(held) = terms.watch.and_then(|auto| beyond(auto, change, &agent, desired)) {
            change.next = Next::Held(held);
        }
    }
}

/// Whether the fleet is halted for this run: what only ends agents does not stop at a halt of which nobody knows.
fn is_halted(observed: &Observed, terms: &Terms) -> bool {
    observed.halted.as_ref().is_some_and(|halt| !(terms.only_ends && halt.doubt.is_some()))
}

/// What holds a change that is more than a watcher of this level does by itself.
fn beyond(auto: Auto, change: &Change, agent: &Agent<'_>, desired: &Desired) -> Option<Held> {
    match change.next {
        Next::Act(_) | Next::Wait(_) => {}
        Next::Held(_) | Next::Blocked(_) => return None,
    }
    // What was begun is brought to its end.
    if matches!(agent.sighting.phase, Phase::Leaving(_)) {
        return None;
    }
    let is_drift = matches!(change.cause, Cause::LaunchChanged | Cause::LaunchUnknown | Cause::SecretChanged(_));
    let least = match change.kind {
        Kind::Spawn | Kind::Restart | Kind::Deliver | Kind::Adopt => Auto::Heal,
        Kind::Amend if change.cause == Cause::LogClosed => Auto::Heal,
        Kind::Amend => Auto::Safe,
        Kind::Replace if is_drift => Auto::Safe,
        Kind::Replace => Auto::Heal,
        Kind::Stop if change.cause == Cause::Remains => Auto::Heal,
        // A task that has failed is ended, as another agent is replaced for the same.
        Kind::Stop if matches!(change.cause, Cause::Faulty(_)) => Auto::Heal,
        // That a person stopped it is no decision of the watcher's.
        Kind::Stop if agent.sighting.wanted == Wish::Stopped => Auto::Heal,
        Kind::Stop if desired.agents.contains_key(agent.name) => Auto::Safe,
        Kind::Stop | Kind::Forget => Auto::All,
    };
    if auto < least {
        return Some(Held::Auto(auto));
    }
    // At this level only what rests is replaced, whatever its `hold` says.
    let careful = auto == Auto::Safe && change.kind == Kind::Replace && is_drift;
    if careful && agent.sighting.attached > 0 {
        return Some(Held::Attached(agent.sighting.attached));
    }
    let care = desired.agents.get(agent.name).map(|declared| &*declared.spec.care);
    if careful { leave::at_work(agent, care) } else { None }
}

/// Whether what is due for the tmux server may be done.
pub(super) fn may_change(change: &ServerChange, observed: &Observed, terms: &Terms) -> bool {
    let least = match change {
        ServerChange::Set { .. } => Auto::Safe,
        ServerChange::Close(_) => Auto::All,
    };
    // Whether the server is as it should be, and needed, depends on all.
    !terms.is_partial && !is_halted(observed, terms) && terms.watch.is_none_or(|auto| auto >= least)
}

/// Holds what the guards refuse, where nobody is there to be asked: the rest goes on.
pub(super) fn keep_to_guards(changes: &mut Changes, guards: &[GuardCheck], observed: &Observed, terms: &Terms) {
    let Some(broken) = guards.iter().find(|guard| !guard.pass).filter(|_| terms.watch.is_some()) else { return };
    for (name, change) in changes {
        let begun = observed.agents.get(name).is_some_and(|sighting| matches!(sighting.phase, Phase::Leaving(_)));
        if guard::interrupts(change) && !begun {
            change.next = Next::Held(Held::Guard(broken.name));
        }
    }
}

/// Lets a watcher start again in waves what ended at about the same time.
pub(super) fn start_in_waves(changes: &mut Changes, observed: &Observed, terms: &Terms) {
    if terms.watch.is_none() || !ended_together(changes, observed) {
        return;
    }
    let begun = |sighting: &Sighting| match sighting.phase {
        Phase::Running { since, .. } => Some(since),
        Phase::Absent | Phase::Leaving(_) | Phase::Exited(_) | Phase::Unknown { .. } => None,
    };
    let recent: Vec<Timestamp> = observed.agents.values().filter_map(begun).filter(|since| observed.at.since(*since) < WAVE).collect();
    let until = recent.iter().min().copied().unwrap_or(observed.at) + WAVE;
    let mut free = STARTS.saturating_sub(recent.len());
    for change in changes.values_mut().filter(|change| matches!(change.next, Next::Act(Action::Spawn { .. }))) {
        match free {
            0 => change.next = Next::Wait(Wait::Wave { until }),
            _ => free -= 1,
        }
    }
}

/// Whether several of those that are to be started again ended by themselves at about the same time.
fn ended_together(changes: &Changes, observed: &Observed) -> bool {
    let end = |(name, change): (&AgentName, &Change)| match &observed.agents.get(name)?.phase {
        Phase::Exited(ended) if ended.asked.is_none() && matches!(change.next, Next::Act(Action::Spawn { .. })) => Some(ended.at),
        Phase::Exited(_) | Phase::Absent | Phase::Running { .. } | Phase::Leaving(_) | Phase::Unknown { .. } => None,
    };
    let mut ends: Vec<Timestamp> = changes.iter().filter_map(end).collect();
    ends.sort_unstable();
    ends.windows(MANY).any(|ends| ends[MANY - 1].since(ends[0]) < AT_ONCE)
}
