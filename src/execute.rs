//! Does the steps of one round. Decides nothing: what to do, to whom and in which order is in the plan.
//!
//! Write, then act: each record tells of a step before the machine is asked for it, and all steps of a round go to the machine as one
//! batch. So the tool can be killed between any two instructions, and the next round finds where it was. One exception: where the disk is full or
//! read-only, what ends an instance is done without being written down, and the fleet takes note of what is not remembered.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use crate::desired::{AgentName, AgentSpec, Desired, Generation, Mark, OnRemove, Place, Server, SignalTo, canonical_digest};
use crate::event::{Event, What};
use crate::host::{Act, Host, Outcome, START_PATIENCE, Spawn};
use crate::observe::{Seen, has_slow_secrets, secret_digests};
use crate::observed::{Leaving, MessageKind, Phase, Purpose, Receipt, Received, Seat, Sighting, Step, Undelivered};
use crate::plan::{Action, Cause, Change, Next, Plan, ServerChange, starts_in_tmux};
use crate::state::{Claim, Fleet, Record, Unremembered, full};
use crate::time::Timestamp;

mod drain;
mod hooks;
mod notes;
mod outcome;
mod reason;
mod rename;
mod terminal;

pub use drain::take_back_requests;
pub use hooks::greet;
use outcome::told_once;
use reason::reason;

/// What is to be done for one agent: what is told of it, and the acts.
struct Task<'a> {
    agent: &'a AgentName,
    acts: Vec<Act>,
    event: Event,
    /// The record as it was, where the step is a start: it is true again if nothing came of that and it is no fault of the agent's.
    before: Option<Box<Record>>,
}

/// Writes down and does every step of a plan that can be taken, and returns what was done.
///
/// # Errors
///
/// If the state folder cannot be written: then nothing was asked of the machine that is not written down, but for ends where the disk is full. That
/// the machine did not do as asked is no error but an event.
pub fn execute(plan: &Plan, desired: &Desired, seen: &mut Seen, fleet: &Fleet, host: &mut dyn Host) -> Result<Vec<Event>> {
    let mut round = Round { desired, seen, fleet, host, forgotten: Vec::new(), digests: BTreeMap::new() };
    let due = plan.changes.iter().filter_map(|(agent, change)| match &change.next {
        Next::Act(action) => Some((agent, change, action)),
        Next::Wait(_) | Next::Held(_) | Next::Blocked(_) => None,
    });
    // Whoever has to be asked for a secret first is started after all others.
    let is_late = |agent: &AgentName, action: &Action| {
        matches!(action, Action::Spawn { .. }) && desired.agents.get(agent).is_some_and(|declared| has_slow_secrets(&declared.spec))
    };
    let (late, first): (Vec<Due<'_>>, Vec<_>) = due.partition(|(agent, _, action)| is_late(agent, action));
    let set_up = round.server(plan);
    let mut events = round.take(&first, set_up)?;
    if !late.is_empty() {
        events.extend(round.take(&late, None)?);
    }
    Ok(events)
}

/// A step that is due.
type Due<'a> = (&'a AgentName, &'a Change, &'a Action);

struct Round<'a> {
    desired: &'a Desired,
    seen: &'a mut Seen,
    fleet: &'a Fleet,
    host: &'a mut dyn Host,
    /// Whose records go, together: to make that last takes the disk its time.
    forgotten: Vec<AgentName>,
    /// What the secrets are of those that are started.
    digests: BTreeMap<AgentName, BTreeMap<String, String>>,
}

impl Round<'_> {
    /// Writes down and does some steps, after what is asked of the tmux server.
    fn take(&mut self, due: &[Due<'_>], set_up: Option<(Act, Option<Server>)>) -> Result<Vec<Event>> {
        let spawns = due.iter().filter(|(_, _, action)| matches!(action, Action::Spawn { .. }));
        let starts = spawns.filter_map(|(agent, ..)| Some((*agent, &self.desired.agents.get(*agent)?.spec)));
        self.digests = secret_digests(starts, self.fleet, self.host);
        let mut tasks = Vec::new();
        for (agent, change, action) in due {
            tasks.push(match self.prepare(agent, change, action) {
                Ok(task) => task,
                // The others go on. What was not written down was not asked of the machine.
                Err(error) => {
                    let cause = full(&error).unwrap_or_else(|| format!("{error:#}"));
                    let why = format!("nothing was done to it in this round: {cause}");
                    self.seen.undone.insert((*agent).clone(), cause);
                    let generation = self.seen.records.get(*agent).map(|record| record.generation);
                    let event =
                        Event { at: self.host.now(), agent: Some((*agent).clone()), generation, what: What::Failed, reason: None, why };
                    Task { agent, acts: Vec::new(), event, before: None }
                }
            });
        }
        if !self.forgotten.is_empty() {
            let forgotten = std::mem::take(&mut self.forgotten);
            let removed = self.fleet.remove_all(&forgotten);
            self.fleet.or_all_unremembered(forgotten.into_iter().map(Unremembered::Forgotten), removed)?;
        }
        let mut batch: Vec<Act> = set_up.iter().map(|(act, _)| act.clone()).collect();
        let first = batch.len();
        batch.extend(tasks.iter().flat_map(|task| task.acts.iter().cloned()));
        let mut outcomes = self.host.act(&batch).into_iter();
        let of_server = outcomes.by_ref().take(first).all(|outcome| outcome == Outcome::Done);
        if let (Some((_, server)), true) = (set_up, of_server) {
            let claim = self.fleet.claim()?.context("the fleet was claimed before anything was done to it")?;
            let written = self.fleet.write_claim(&Claim { server: server.clone(), ..claim });
            self.fleet.or_unremembered(Unremembered::Claim, written)?;
            self.seen.observed.server = server;
        }
        let mut events = Vec::new();
        let mut hindered = BTreeMap::new();
        for task in tasks {
            let outcomes: Vec<Outcome> = outcomes.by_ref().take(task.acts.len()).collect();
            self.conclude(task, &outcomes, &mut events, &mut hindered)?;
        }
        let at = self.host.now();
        events.extend(hindered.into_iter().map(|(why, agents)| told_once(at, &agents, &why)));
        Ok(events)
    }

    /// What is asked of the tmux server itself, and what is remembered of it then. The first session brings the server's options with it.
    fn server(&self, plan: &Plan) -> Option<(Act, Option<Server>)> {
        let set = |server: &Server| Some((Act::SetServer(server.clone()), Some(server.clone())));
        match &plan.server {
            Some(ServerChange::Set { after, .. }) => return set(after),
            Some(ServerChange::Close(server)) => return Some((Act::CloseServer(server.clone()), None)),
            None => {}
        }
        let unknown = self.seen.observed.server.as_ref() != Some(&self.desired.server);
        let starts = plan.changes.iter().any(|(agent, change)| starts_in_tmux(agent, change, self.desired));
        if unknown && starts { set(&self.desired.server) } else { None }
    }

    /// Writes down a step and says what to ask of the machine.
    fn prepare<'a>(&mut self, agent: &'a AgentName, change: &Change, action: &Action) -> Result<Task<'a>> {
        let now = self.host.now();
        let mut record = self.seen.records.get(agent).cloned().unwrap_or_else(|| Record::new(agent.clone()));
        if let (Action::Drain { .. } | Action::Kill { .. }, Cause::Faulty(fault)) = (action, &change.cause) {
            record.live.fault = Some(fault.clone());
        }
        let sighting = self.seen.observed.agents.get(agent).cloned().unwrap_or_default();
        let before = matches!(action, Action::Spawn { .. }).then(|| Box::new(record.clone()));
        let (what, acts) = match action {
            Action::Spawn { generation: _, failures: _ } => (What::Spawn, self.spawn(action, record, &sighting, now)?),
            Action::Deliver { note, .. } => {
                let event = match self.deliver(agent, record.clone(), &sighting, note, now) {
                    Ok(event) => event,
                    // What is wrong with one agent's folders is nothing to the others.
                    Err(error) => {
                        let (why, generation) = (format!("{error:#}"), Some(sighting.generation));
                        let undelivered = Some(Undelivered { source: note.source.clone(), at: now, why: why.clone() });
                        let record = self.seen.records.get(agent).cloned().unwrap_or(record);
                        self.write(Record { undelivered, ..record })?;
                        Event { at: now, agent: Some(agent.clone()), generation, what: What::Failed, reason: None, why }
                    }
                };
                return Ok(Task { agent, acts: Vec::new(), event, before: None });
            }
            Action::Answer { dialog, press, presses, .. } => (What::Answer, self.answer(record, sighting, dialog, press, *presses, now)?),
            Action::Type { message, .. } => match self.end_its_request(&record, message) {
                Ok(()) => (What::Type, self.begin_typing(record, sighting, message, now)?),
                Err(error) => {
                    let (why, generation) = (format!("{error:#}"), Some(sighting.generation));
                    let event = Event { at: now, agent: Some(agent.clone()), generation, what: What::Failed, reason: None, why };
                    return Ok(Task { agent, acts: Vec::new(), event, before: None });
                }
            },
            Action::Submit { enters, .. } => (What::Submit, self.submit(record, sighting, *enters, now)?),
            Action::Receive { id, kind, receipt, .. } => {
                let received = Received { id: id.clone(), kind: *kind, at: now, receipt: receipt.clone(), earlier: Vec::new() };
                let received = received.after(record.received.as_deref());
                let unsettled = terminal::unsettled(&record, id, receipt, now);
                let untyped = record.untyped.iter().filter(|note| note.id.to_string() != *id).cloned().collect();
                let posted = record.posted.iter().filter(|posted| posted.message_id() != *id).cloned().collect();
                self.write(Record { typing: None, received: Some(Box::new(received)), unsettled, untyped, posted, ..record })?;
                let what = match (kind, receipt) {
                    (MessageKind::Ask, _) => What::Asked,
                    (_, Receipt::Confirmed) => What::Receipt,
                    (_, Receipt::Unconfirmed(_) | Receipt::Stranded(_) | Receipt::Refused(_)) => What::Undelivered,
                };
                (what, Vec::new())
            }
            Action::Drain { step, ask, purpose, .. } => {
                let before = hooks::before_stop(self.desired, &record, &sighting);
                self.leave(record, &sighting, Step::Drain(*step), *purpose, now)?;
                let asks = self.drain(agent, sighting, *step, ask, now);
                // A message that cannot be written is not sent: the next step comes in its time.
                let asks = self.fleet.or_unremembered(Unremembered::Message(agent.clone()), asks)?.unwrap_or_default();
                (What::Drain, before.into_iter().chain(asks).collect())
            }
            Action::Stay { .. } => {
                self.write(Record { leaving: None, ..record })?;
                (What::Stay, Vec::new())
            }
            Action::Kill { purpose, .. } => {
                self.leave(record, &sighting, Step::Kill, *purpose, now)?;
                (What::Kill, sighting.instance.into_iter().map(|only| Act::Kill { only }).collect())
            }
            Action::Sweep { ask: None } => (What::Sweep, sighting.remains.into_iter().map(|only| Act::Kill { only }).collect()),
            Action::Sweep { ask: Some(signal) } => {
                self.write_end(Record { sweeping: Some(now), ..record })?;
                let ask = |only| Act::Signal { only, signal: *signal, to: SignalTo::Tree };
                (What::Sweep, sighting.remains.into_iter().filter(|remains| remains.program.is_some()).map(ask).collect())
            }
            Action::Amend => (What::Amend, self.amend(record, sighting)?),
            Action::Rename { from } => (What::Rename, self.rename(agent, from)?),
            Action::Adopt { generation } => {
                let spec = self.spec(agent)?;
                let instance = sighting.instance.clone();
                let mark = instance.as_ref().and_then(|instance| instance.mark.clone());
                let predecessor_unproven = record.may_have_left(mark.as_ref());
                self.write(Record {
                    predecessor_unproven,
                    generation: *generation,
                    spent: sighting.spent,
                    clean: None,
                    mark,
                    spec: Some(spec.clone()),
                    asked_at: since(&sighting).unwrap_or(now),
                    instance: instance.clone(),
                    leaving: None,
                    ended: None,
                    released: false,
                    ..record
                })?;
                (What::Adopt, instance.into_iter().map(|only| Act::Dress { only, spec: Box::new(spec.clone()) }).collect())
            }
            Action::Forget => (What::Forget, self.forget(record, sighting)?),
        };
        let generation = self.seen.records.get(agent).map(|record| record.generation);
        let event = Event { at: now, agent: Some(agent.clone()), generation, what, reason: None, why: reason(change, action) };
        Ok(Task { agent, acts, event, before })
    }

    fn spec(&self, agent: &AgentName) -> Result<AgentSpec> {
        let declared = self.desired.agents.get(agent).with_context(|| format!("{agent} is not declared"))?;
        Ok(declared.spec.clone())
    }

    fn write(&mut self, record: Record) -> Result<()> {
        self.fleet.write(&record)?;
        self.seen.records.insert(record.agent.clone(), record);
        Ok(())
    }

    /// As [`Self::write`], for what ends an instance: on a full disk it is done all the same, and this run at least remembers it.
    fn write_end(&mut self, record: Record) -> Result<()> {
        let written = self.fleet.write(&record);
        if self.fleet.or_unremembered(Unremembered::State(record.agent.clone()), written)?.is_none() {
            self.seen.learned.insert(record.agent.clone());
        }
        self.seen.records.insert(record.agent.clone(), record);
        Ok(())
    }

    fn spawn(&mut self, action: &Action, mut record: Record, sighting: &Sighting, now: Timestamp) -> Result<Vec<Act>> {
        let Action::Spawn { generation, failures } = action else { return Ok(Vec::new()) };
        let spec = self.spec(&record.agent)?;
        let mark = Mark {
            fleet: self.desired.fleet.clone(),
            agent: record.agent.clone(),
            generation: *generation,
            digest: canonical_digest(&spec.launch),
            id: self.host.fresh_id().into(),
        };
        drain::take_back(&mut record)?;
        self.crash_note(&record, sighting, &spec, now)?;
        let old = sighting.instance.clone();
        // A dead pane keeps its place in layout and in the eyes of those who look at it, if that is still the place.
        let stays = record.spec.as_ref().is_some_and(|before| before.launch.place == spec.launch.place);
        let instead_of = old.clone().filter(|old| stays && is_at(&old.seat, &spec.launch.place));
        let secrets = self.digests.remove(&record.agent).unwrap_or_default();
        self.write(Record {
            generation: *generation,
            mark: Some(mark.clone()),
            spec: Some(spec.clone()),
            asked_at: now,
            instance: None,
            ready_at: None,
            leaving: None,
            ended: None,
            failures: failures.clone(),
            released: false,
            prompt_due: spec.care.prompt.is_some(),
            answering: None,
            answered: Default::default(),
            typing: None,
            unsettled: None,
            limit_seen: None,
            unread: None,
            live: Default::default(),
            namespace: None,
            clean: None,
            predecessor_unproven: record.may_have_left(None),
            spent: Generation(0),
            secrets,
            ..record
        })?;
        let clear = old.filter(|_| instead_of.is_none()).map(|only| Act::Clear { only });
        let server = self.desired.server.clone();
        let spawn = Act::Spawn(Box::new(Spawn { mark, spec, server, instead_of, not_after: now + START_PATIENCE }));
        Ok(clear.into_iter().chain([spawn]).collect())
    }

    fn leave(&mut self, record: Record, sighting: &Sighting, step: Step, purpose: Purpose, now: Timestamp) -> Result<()> {
        let since = since(sighting).unwrap_or(record.asked_at);
        let leaving = Some(Leaving::next(record.leaving.as_ref(), step, now, since, purpose));
        let Some(instance) = sighting.instance.clone() else { return self.write_end(Record { leaving, ..record }) };
        if record.mark == instance.mark && record.generation == sighting.generation {
            return self.write_end(Record { leaving, instance: Some(instance), ..record });
        }
        // A life that no record tells of is remembered from here on, so that its end is known for an asked one.
        let predecessor_unproven = record.may_have_left(instance.mark.as_ref());
        let wishes = Record {
            wanted: record.wanted,
            replace_up_to: record.replace_up_to,
            posted: record.posted,
            requested: record.requested,
            ..Record::new(record.agent)
        };
        self.write_end(Record {
            predecessor_unproven,
            generation: sighting.generation,
            mark: instance.mark.clone(),
            asked_at: since,
            instance: Some(instance),
            leaving,
            failures: record.failures,
            ..wishes
        })
    }

    fn amend(&mut self, record: Record, sighting: Sighting) -> Result<Vec<Act>> {
        let declared = self.spec(&record.agent)?;
        let spec = record.spec.clone().map(|spec| AgentSpec { care: declared.care.clone(), ..spec });
        self.write(Record { spec: spec.clone(), ..record })?;
        let runs = matches!(sighting.phase, Phase::Running { .. });
        let dress = |(only, spec)| Act::Dress { only, spec: Box::new(spec) };
        Ok(sighting.instance.filter(|_| runs).zip(spec).map(dress).into_iter().collect())
    }

    fn forget(&mut self, mut record: Record, sighting: Sighting) -> Result<Vec<Act>> {
        let runs = matches!(sighting.phase, Phase::Running { .. });
        let leaves = record.spec.as_ref().is_some_and(|spec| spec.care.on_remove == OnRemove::Leave);
        if runs && leaves {
            self.write(Record { released: true, ..record })?;
            return Ok(Vec::new());
        }
        // An end goes on where the disk is read-only.
        let _ = drain::take_back(&mut record);
        if record.untyped.is_empty() {
            self.seen.records.remove(&record.agent);
            self.forgotten.push(record.agent);
        } else {
            // Nothing is remembered but the notes that nobody has got yet.
            self.write_end(Record { untyped: record.untyped, ..Record::new(record.agent) })?;
        }
        Ok(sighting.instance.into_iter().map(|only| Act::Clear { only }).collect())
    }
}

/// Whether a pane is where this place is. One that was adopted may have another name, and anybody can rename a window.
fn is_at(seat: &Seat, place: &Place) -> bool {
    match (seat, place) {
        (Seat::Pane { session, window, .. }, Place::Tmux { session: of_place, window: in_place, .. }) => {
            session == of_place.as_str() && window == in_place.as_str()
        }
        (Seat::Pane { .. } | Seat::Detached { .. } | Seat::Adrift { .. }, Place::Tmux { .. } | Place::Daemon { .. }) => false,
    }
}

fn since(sighting: &Sighting) -> Option<Timestamp> {
    match &sighting.phase {
        Phase::Running { since, .. } => Some(*since),
        Phase::Leaving(leaving) => Some(leaving.since),
        Phase::Exited(ended) => Some(ended.since),
        Phase::Absent | Phase::Unknown { .. } => None,
    }
}
