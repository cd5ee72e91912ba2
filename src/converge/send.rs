//! One message for one agent, at once or not at all: what came of it is known when this is over.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::{Audience, Begin, Ending, Turns, converge};
use crate::desired::{AgentName, Desired};
use crate::event::Entry;
use crate::host::Host;
use crate::intent::Intent;
use crate::observe::observe;
use crate::observed::{Health, Message, Observed, Phase, Receipt};
use crate::plan::{Action, Held, Next, Plan, Terms, plan};
use crate::quit;
use crate::state::Fleet;
use crate::time::Duration;

/// How long one message may take from the first key to its receipt: longer than all patience with it together.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It is over.
    Over(Receipt),
    /// Nothing was typed, and it may be possible later.
    NotNow(String),
    /// A signal asked to stop.
    Interrupted,
}

/// Hears whether this run has begun to type a message: it is not typed again then, whatever has come between.
struct Listener<'a> {
    audience: &'a mut dyn Audience,
    agent: &'a AgentName,
    id: &'a str,
    began: bool,
}

impl Audience for Listener<'_> {
    fn event(&mut self, entry: &Entry) {
        self.audience.event(entry);
    }

    fn round(&mut self, plan: &Plan, observed: &Observed) {
        let next = plan.changes.get(self.agent).map(|change| &change.next);
        let is_due = matches!(next, Some(Next::Act(Action::Type { message, .. })) if message.id == self.id);
        self.began |= is_due && plan.broken_guards().next().is_none();
        self.audience.round(plan, observed);
    }
}

/// What keeps a text from being typed, in words that name no flag of a run that replaces something.
fn kept_from(agent: &AgentName, held: &Held) -> Attempt {
    let refused = |why: String| Attempt::Over(Receipt::Refused(why));
    match held {
        Held::Busy => Attempt::NotNow("it works".to_owned()),
        Held::Unclear => Attempt::NotNow("its screen does not say whether it is busy".to_owned()),
        Held::NotReading | Held::Suspended(_) => Attempt::NotNow(held.text(agent)),
        Held::Draft => refused("unsent text is in its input box".to_owned()),
        Held::Attached(_)
        | Held::Protected
        | Held::NotShown
        | Held::Dependant(_)
        | Held::NoNote
        | Held::Shell(_)
        | Held::Waiting { .. }
        | Held::Limit(_)
        | Held::Paused { .. }
        | Held::Halted
        | Held::Auto(_)
        | Held::Guard(_) => refused(held.text(agent)),
    }
}

/// Whether somebody who is not ready may get ready by himself.
fn not_ready(desired: &Desired, observed: &Observed, agent: &AgentName) -> Attempt {
    let terms = Terms { scope: Some(BTreeSet::from([agent.clone()])), ..Terms::default() };
    match plan(desired, observed, &terms).changes.get(agent).map(|change| &change.next) {
        Some(Next::Blocked(blocked)) => Attempt::Over(Receipt::Refused(blocked.message.clone())),
        Some(Next::Act(_) | Next::Wait(_) | Next::Held(_)) | None => Attempt::NotNow("it is not ready yet".to_owned()),
    }
}

/// Types a message now, if the agent takes it now. Whoever calls it holds the fleet's lock: that keeps two senders apart.
///
/// # Errors
///
/// If the state folder cannot be read or written.
pub fn send(
    desired: &Desired,
    fleet: &Fleet,
    host: &mut dyn Host,
    agent: &AgentName,
    message: &Message,
    audience: &mut dyn Audience,
    turns: &mut Turns,
) -> Result<Attempt> {
    let about = Some(BTreeSet::from([agent.clone()]));
    let intent = Intent { messages: BTreeMap::from([(agent.clone(), message.clone())]), about, ..Intent::default() };
    let seen = observe(desired, fleet, host, &intent)?;
    match seen.observed.agents.get(agent).map(|sighting| &sighting.phase) {
        Some(Phase::Running { health: Health::Ready(_), .. }) => {}
        Some(Phase::Running { .. }) => return Ok(not_ready(desired, &seen.observed, agent)),
        Some(Phase::Unknown { why }) => return Ok(Attempt::Over(Receipt::Refused(format!("it cannot be told how it is: {why}")))),
        Some(Phase::Leaving(_)) => return Ok(Attempt::Over(Receipt::Refused("it was asked to end".to_owned()))),
        Some(Phase::Exited(_) | Phase::Absent) | None => return Ok(Attempt::Over(Receipt::Refused("it does not run".to_owned()))),
    }
    let terms = Terms { only_messages: true, scope: Some(BTreeSet::from([agent.clone()])), ..Terms::default() };
    let before = plan(desired, &seen.observed, &terms);
    match before.changes.get(agent).map(|change| &change.next) {
        Some(Next::Held(held)) => return Ok(kept_from(agent, held)),
        Some(Next::Blocked(blocked)) => return Ok(Attempt::Over(Receipt::Refused(blocked.message.clone()))),
        Some(Next::Act(_) | Next::Wait(_)) => {}
        None => return Ok(Attempt::Over(Receipt::Refused("it is in no pane of its own".to_owned()))),
    }
    // What is known when the time of the run is over is told.
    let patience = quit::patience(PATIENCE.std()).as_millis().try_into().unwrap_or(u64::MAX);
    let deadline = host.now() + Duration::from_millis(patience);
    let mut listener = Listener { audience, agent, id: &message.id, began: false };
    let converged = converge(desired, fleet, host, Begin { terms: &terms, deadline, first: Some(seen) }, &mut listener, turns)?;
    let began = listener.began;
    let sighting = converged.observed.agents.get(agent);
    let received = sighting.and_then(|sighting| sighting.received.as_ref()?.of(&message.id));
    let begun = sighting.and_then(|sighting| sighting.typing.as_ref()).is_some_and(|typing| typing.id == message.id);
    if converged.ending == Ending::Interrupted && received.is_none() {
        return Ok(Attempt::Interrupted);
    }
    let stalled = converged.plan.changes.get(agent).filter(|_| converged.stalled.contains_key(agent));
    let stalled = stalled.and_then(|change| match &change.next {
        Next::Blocked(blocked) => Some(blocked.message.clone()),
        Next::Act(_) | Next::Wait(_) | Next::Held(_) => None,
    });
    Ok(match received {
        Some(receipt) => Attempt::Over(receipt.clone()),
        None if begun => Attempt::Over(Receipt::Unconfirmed("it was typed, and this run ended before more was known".to_owned())),
        None if sighting.is_none_or(|sighting| !matches!(sighting.phase, Phase::Running { .. })) => {
            Attempt::Over(Receipt::Unconfirmed("the agent ended meanwhile".to_owned()))
        }
        None if began && stalled.is_none() => {
            Attempt::Over(Receipt::Unconfirmed("it was typed, and another instance has the place of the one that got it".to_owned()))
        }
        None => match stalled {
            Some(why) => Attempt::Over(Receipt::Refused(why)),
            None => Attempt::NotNow("something came between".to_owned()),
        },
    })
}
