//! Rounds until at rest, or until time, a signal or a guard ends them: what `apply` does once it may.
//!
//! Level-triggered: every round begins with a look, so it does not matter what came of the round before.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::desired::{AgentName, Desired};
use crate::event::Entry;
use crate::host::{Host, Wake};
use crate::intent::Intent;
use crate::observe::{Seen, observe, observe_again};
use crate::observed::Observed;
use crate::plan::{Action, GuardCheck, Held, Next, Plan, Reason, Terms, Wait};
use crate::process::ProcId;
use crate::state::Fleet;
use crate::time::{Duration, Timestamp};

mod asked;
#[cfg(test)]
mod full_disk;
mod requests;
mod round;
mod send;
mod turns;

pub use asked::write_down;
pub use requests::take_requests;
use round::remember;
pub(crate) use round::{Patience, Round, has_silent_waits, processes, wake_at};
pub use send::{Attempt, send};
use turns::Taken;
pub use turns::Turns;

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

/// What a run begins with.
#[derive(Debug)]
pub struct Begin<'a> {
    /// What it may do.
    pub terms: &'a Terms,
    /// When its time is over.
    pub deadline: Timestamp,
    /// What was seen just now, under the lock that it has; without it, it looks.
    pub first: Option<Seen>,
}

/// Works towards what is desired, from a look that was just taken or from a new one. Between rounds others have their turns; what they wrote is read
/// before the next one.
///
/// # Errors
///
/// If the state folder cannot be read or written.
pub fn converge(
    desired: &Desired,
    fleet: &Fleet,
    host: &mut dyn Host,
    run: Begin<'_>,
    audience: &mut dyn Audience,
    turns: &mut Turns,
) -> Result<Converged> {
    let Begin { terms, deadline, first } = run;
    turns.take(fleet, host, deadline)?;
    let mut journal = fleet.journal()?;
    let mut patience = Patience::default();
    // Even without any time, what can be begun is begun.
    let mut has_acted = false;
    // Whose changes were due when nothing could be done, in the look before this one.
    let mut stuck: Option<BTreeSet<AgentName>> = None;
    let mut seen = match first {
        Some(seen) => seen,
        None => observe(desired, fleet, host, &Intent::default())?,
    };
    let (messages, about) = (seen.messages.clone(), seen.about.clone());
    let mut terms = Terms { begun: terms.begun.or_else(|| Some(host.now())), ..terms.clone() };
    loop {
        let mut round = Round { desired, fleet, terms: &terms, audience: &mut *audience, journal: &mut journal };
        let mut begun = round.begin(&mut seen, &mut patience)?;
        let plan = &begun.plan;
        let broken: Vec<GuardCheck> = plan.broken_guards().cloned().collect();
        let ending = if plan.is_empty() && patience.stalled_server.is_none() {
            Some(Ending::AtRest)
        } else if !broken.is_empty() {
            Some(Ending::Refused(broken))
        } else if !plan.has_acts() && !plan.has_waits() && (!depends_on_screens(plan) || stuck == Some(names(plan))) {
            Some(Ending::Stuck)
        } else if has_acted && host.now() >= deadline {
            Some(Ending::TimedOut)
        } else {
            None
        };
        round.remember(&begun, ending.is_none().then_some(plan), &mut seen, host)?;
        if let Some(ending) = ending {
            begun.plan.server = begun.plan.server.or(patience.stalled_server);
            return Ok(Converged { ending, plan: begun.plan, observed: seen.observed, stalled: patience.stalled });
        }
        let wake = if plan.has_acts() {
            has_acted = true;
            let (leaving, pause) = round.act(&begun, &mut seen, &mut patience, host)?;
            turns.release(fleet)?;
            host.wait(&leaving, host.now() + pause)
        } else {
            let watched = watched(plan, &seen.observed);
            stuck = (!plan.has_waits()).then(|| names(plan));
            let until = if stuck.is_some() {
                host.now() + DRAWN
            } else if has_silent_waits(plan) {
                host.now() + LOOK_AGAIN
            } else {
                deadline
            };
            has_acted = true;
            turns.release(fleet)?;
            host.wait(&watched, wake_at(plan).unwrap_or(deadline).min(until).min(deadline))
        };
        let ended = |ending, plan, observed| Ok(Converged { ending, plan, observed, stalled: patience.stalled.clone() });
        if wake == Wake::Signal {
            return ended(Ending::Interrupted, begun.plan, seen.observed);
        }
        seen = match turns.take(fleet, host, deadline)? {
            Taken::Never if host.now() >= deadline => return ended(Ending::TimedOut, begun.plan, seen.observed),
            Taken::Never => return ended(Ending::Interrupted, begun.plan, seen.observed),
            Taken::Follows => observe_again(desired, fleet, host, seen.into_memory().0)?,
            // What could not be written down is only known from what was seen.
            Taken::Anew if !fleet.remembers_all() => {
                // Others have written since.
                journal = fleet.journal()?;
                observe_again(desired, fleet, host, seen.into_memory().0)?
            }
            taken @ (Taken::Anew | Taken::AfterDeath) => {
                if taken == Taken::AfterDeath {
                    terms.begun = Some(host.now());
                }
                journal = fleet.journal()?;
                observe(desired, fleet, host, &Intent { messages: messages.clone(), about: about.clone(), ..Intent::default() })?
            }
        };
    }
}

/// Writes down what a look brought, where nothing is to be done.
///
/// # Errors
///
/// If the state folder cannot be written.
pub fn note(seen: &mut Seen, fleet: &Fleet) -> Result<()> {
    let mut news = std::mem::take(&mut seen.events);
    if !news.is_empty() {
        let mut journal = fleet.journal()?;
        round::leave_out_what_was_told(&mut news, seen, &journal);
        fleet.tell(&mut journal, &news);
    }
    remember(seen, None, fleet).map(drop)
}

fn names(plan: &Plan) -> BTreeSet<AgentName> {
    plan.changes.keys().cloned().collect()
}

/// Whether it is for what is seen on a screen that nothing can be done.
fn depends_on_screens(plan: &Plan) -> bool {
    plan.changes.values().any(|change| match &change.next {
        Next::Blocked(blocked) => {
            matches!(
                blocked.reason,
                Reason::Dialog | Reason::Login | Reason::Permission | Reason::Stranded | Reason::Unconfirmed | Reason::Untypable
            )
        }
        Next::Held(held) => {
            matches!(held, Held::Busy | Held::Draft | Held::Unclear | Held::Waiting { .. } | Held::NotReading | Held::Suspended(_))
        }
        Next::Act(_) | Next::Wait(_) => false,
    })
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
