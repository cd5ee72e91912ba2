//! Rounds until at rest, or until time, a signal or a guard ends them: what `apply` does once it may.
//!
//! Level-triggered: every round begins with a look, so it does not matter what came of the round before.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::desired::{AgentName, Desired};
use crate::event::{Entry, Event};
use crate::execute::execute;
use crate::host::{Host, Wake};
use crate::observe::{Seen, observe, observe_again};
use crate::observed::{Instance, Observed};
use crate::plan::{Action, Change, GuardCheck, Held, KILL_PATIENCE, Next, Plan, Reason, Terms, Wait, plan};
use crate::process::ProcId;
use crate::state::{Fleet, Journal};
use crate::time::{Duration, Timestamp};

mod send;

pub use send::{Attempt, send};

/// The pause before the same step is taken again, where one look later it is still due.
const AGAIN: Duration = Duration::from_millis(50);

/// The pause before another look where a screen says that a person is needed: it may have been seen while it was being drawn.
const DRAWN: Duration = Duration::from_millis(500);

/// The pause before another look where something is waited for that no clock and no death announces.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Who is told what happens.
pub trait Audience {
    /// Something happened; it is in the journal.
    fn event(&mut self, entry: &Entry);
    /// A round begins with this plan.
    fn round(&mut self, plan: &Plan, observed: &Observed);
}

/// How it ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// Nothing is due.
    AtRest,
    /// What is due is held, blocked or does not get on.
    Stuck,
    /// The time is over.
    TimedOut,
    /// A signal asked to stop.
    Interrupted,
    /// A guard refused what would have been next.
    Refused(Vec<GuardCheck>),
}

/// What rounds came to.
#[derive(Debug)]
pub struct Converged {
    /// How it ended.
    pub ending: Ending,
    /// What is still due.
    pub plan: Plan,
    /// What was seen last.
    pub observed: Observed,
    /// Agents whose steps were given up in this run, and the step.
    pub stalled: BTreeMap<AgentName, Action>,
}

/// Works towards what is desired, from a look that was just taken or from a new one.
///
/// # Errors
///
/// If the state folder cannot be read or written.
pub fn converge(
    desired: &Desired,
    fleet: &Fleet,
    host: &mut dyn Host,
    terms: &Terms,
    deadline: Timestamp,
    first: Option<Seen>,
    audience: &mut dyn Audience,
) -> Result<Converged> {
    let mut journal = fleet.journal()?;
    let mut patience = Patience::default();
    // Even without any time, what can be begun is begun.
    let mut has_acted = false;
    // Whose changes were due when nothing could be done, in the look before this one.
    let mut stuck: Option<BTreeSet<AgentName>> = None;
    let mut seen = match first {
        Some(seen) => seen,
        None => observe(desired, fleet, host)?,
    };
    let terms = &Terms { begun: terms.begun.or_else(|| Some(host.now())), ..terms.clone() };
    loop {
        tell(&std::mem::take(&mut seen.events), &mut journal, audience)?;
        let mut plan = plan(desired, &seen.observed, terms);
        audience.round(&plan, &seen.observed);
        let broken: Vec<GuardCheck> = plan.broken_guards().cloned().collect();
        let again = patience.try_on(&mut plan, seen.observed.at);
        let ending = if plan.is_empty() {
            Some(Ending::AtRest)
        } else if !broken.is_empty() {
            Some(Ending::Refused(broken))
        } else if !plan.has_acts() && !plan.has_waits() && (!depends_on_screens(&plan) || stuck == Some(names(&plan))) {
            Some(Ending::Stuck)
        } else if has_acted && host.now() >= deadline {
            Some(Ending::TimedOut)
        } else {
            None
        };
        remember(&mut seen, ending.is_none().then_some(&plan), fleet)?;
        if let Some(ending) = ending {
            return Ok(Converged { ending, plan, observed: seen.observed, stalled: patience.stalled });
        }
        let wake = if plan.has_acts() {
            has_acted = true;
            let events = execute(&plan, desired, &mut seen, fleet, host)?;
            tell(&events, &mut journal, audience)?;
            let leaving = leaving(&plan, &seen.observed);
            let pause = if again || !leaving.is_empty() { AGAIN } else { Duration::ZERO };
            host.wait(&leaving, host.now() + pause)
        } else {
            let watched = watched(&plan, &seen.observed);
            stuck = (!plan.has_waits()).then(|| names(&plan));
            let until = if stuck.is_some() {
                host.now() + DRAWN
            } else if has_silent_waits(&plan) {
                host.now() + LOOK_AGAIN
            } else {
                deadline
            };
            has_acted = true;
            host.wait(&watched, wake_at(&plan).unwrap_or(deadline).min(until).min(deadline))
        };
        if wake == Wake::Signal {
            return Ok(Converged { ending: Ending::Interrupted, plan, observed: seen.observed, stalled: patience.stalled });
        }
        seen = observe_again(desired, fleet, host, seen)?;
    }
}

/// Writes down what a look brought, where nothing is to be done.
///
/// # Errors
///
/// If the state folder cannot be written.
pub fn note(seen: &mut Seen, fleet: &Fleet) -> Result<()> {
    if !seen.events.is_empty() {
        fleet.journal()?.append(&std::mem::take(&mut seen.events))?;
    }
    remember(seen, None, fleet)
}

/// Writes down what a look brought, but for the records that a step of this round writes or removes anyway.
fn remember(seen: &mut Seen, steps: Option<&Plan>, fleet: &Fleet) -> Result<()> {
    let writes = |change: &Change| match &change.next {
        Next::Act(Action::Sweep) | Next::Wait(_) | Next::Held(_) | Next::Blocked(_) => false,
        Next::Act(_) => true,
    };
    for name in std::mem::take(&mut seen.learned) {
        let is_written = steps.and_then(|plan| plan.changes.get(&name)).is_some_and(writes);
        if let (Some(record), false) = (seen.records.get(&name), is_written) {
            fleet.write(record)?;
        }
    }
    Ok(())
}

fn names(plan: &Plan) -> BTreeSet<AgentName> {
    plan.changes.keys().cloned().collect()
}

/// Whether it is for what is seen on a screen that nothing can be done.
fn depends_on_screens(plan: &Plan) -> bool {
    plan.changes.values().any(|change| match &change.next {
        Next::Blocked(blocked) => matches!(blocked.reason, Reason::Dialog | Reason::Login | Reason::Permission),
        Next::Held(held) => matches!(held, Held::Busy | Held::Draft | Held::Unclear),
        Next::Act(_) | Next::Wait(_) => false,
    })
}

/// Who was just asked to end, if nothing else was asked: before one of them has, or has taken its time, a look would show nothing new.
fn leaving(plan: &Plan, observed: &Observed) -> Vec<ProcId> {
    let acts = || plan.changes.iter().filter(|(_, change)| matches!(change.next, Next::Act(_)));
    let ends = |change: &Change| matches!(change.next, Next::Act(Action::Drain { .. } | Action::Kill { .. }));
    if plan.server.is_some() || !acts().all(|(_, change)| ends(change)) {
        return Vec::new();
    }
    processes(acts().map(|(name, _)| name), observed)
}

fn tell(events: &[Event], journal: &mut Journal, audience: &mut dyn Audience) -> Result<()> {
    for entry in journal.append(events)? {
        audience.event(&entry);
    }
    Ok(())
}

/// When the first of the plan's waits is over by the clock.
fn wake_at(plan: &Plan) -> Option<Timestamp> {
    let time = |change: &Change| match &change.next {
        Next::Wait(Wait::Backoff { until } | Wait::Screen { until }) => Some(*until),
        Next::Wait(Wait::Ready { look_at, until } | Wait::Read { look_at, until } | Wait::Leave { look_at, until, .. }) => {
            Some((*look_at).min(*until))
        }
        Next::Wait(Wait::After { .. } | Wait::Dependants(_) | Wait::Turn) | Next::Act(_) | Next::Held(_) | Next::Blocked(_) => None,
    };
    plan.changes.values().filter_map(time).min()
}

/// Whether somebody waits for an agent that gets on by itself, as one does that is held or left out of this run.
fn has_silent_waits(plan: &Plan) -> bool {
    let gets_a_step = |agent: &AgentName| plan.changes.get(agent).is_some_and(|change| matches!(change.next, Next::Act(_) | Next::Wait(_)));
    plan.changes.values().any(|change| matches!(&change.next, Next::Wait(Wait::After { agent, .. }) if !gets_a_step(agent)))
}

/// Whose death is news: those that are on their way, and those that others wait for.
fn watched(plan: &Plan, observed: &Observed) -> Vec<ProcId> {
    let mut names: Vec<&AgentName> = plan.changes.keys().collect();
    for change in plan.changes.values() {
        if let Next::Wait(Wait::After { agent, .. }) = &change.next {
            names.push(agent);
        }
    }
    names.sort_unstable();
    names.dedup();
    processes(names.into_iter(), observed)
}

/// The process of each agent that is the last to end.
fn processes<'a>(names: impl Iterator<Item = &'a AgentName>, observed: &Observed) -> Vec<ProcId> {
    let instance = |name: &AgentName| observed.agents.get(name)?.instance.as_ref();
    let process = |instance: &Instance| instance.keeper.clone().or_else(|| instance.program.clone());
    names.filter_map(instance).filter_map(process).collect()
}

/// Steps that are taken again and again without an effect are given up for this run, so that every run ends.
#[derive(Default)]
struct Patience {
    trying: BTreeMap<AgentName, (Action, Timestamp)>,
    stalled: BTreeMap<AgentName, Action>,
}

impl Patience {
    /// Takes stalled steps out of a plan, and says whether some step is tried again.
    fn try_on(&mut self, plan: &mut Plan, now: Timestamp) -> bool {
        let mut trying = BTreeMap::new();
        let mut again = false;
        for (name, change) in &mut plan.changes {
            let Next::Act(action) = &change.next else { continue };
            let since = match self.trying.get(name) {
                Some((before, since)) if before == action => *since,
                Some(_) | None => now,
            };
            again |= since < now;
            trying.insert(name.clone(), (action.clone(), since));
            if now.since(since) >= KILL_PATIENCE {
                self.stalled.insert(name.clone(), action.clone());
                let message = format!("{action} was asked for again and again for {KILL_PATIENCE} without an effect");
                change.next = Next::Blocked(crate::plan::Blocked { reason: crate::plan::Reason::GaveUp, message });
            }
        }
        self.trying = trying;
        again
    }
}
