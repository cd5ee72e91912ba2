//! Rounds for ever: what `watch` does. Decides nothing that the planner does not; it only chooses when to look again, and whom to tell.
//!
//! Three depths of a round: where only the machine could have changed and has not, nothing is done at all; who ended is seen to at once, with those
//! that it concerns; everything else, and everything after that, is a round of all.
//!
//! A watcher owns nothing. All that it must not forget is in the records, so it can be killed at any time, and another one goes on where it was.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::converge::{Audience, Patience, Round, processes, take_requests};
use crate::desired::{AgentName, Auto, Desired, Generation};
use crate::event::{Entry, Event, What};
use crate::host::Host;
use crate::intent::Intent;
use crate::observe::{Memory, Seen, observe, observe_again, observe_closely};
use crate::observed::Observed;
use crate::plan::{Plan, Terms, plan};
use crate::process::ProcId;
use crate::state::{AtWork, Claim, Fleet, Holder, NoLock, Standings, Unremembered};
use crate::time::{Duration, Timestamp};

mod deaths;
mod last;
mod notices;
mod rest;
mod shadow;
mod standing;
mod told;
#[cfg(test)]
mod told_once;

use deaths::Deaths;
use last::{Ended, Last};
use notices::Notices;
use told::Heard;

/// A source of a note, or a request, that was changed a shorter time ago may still be being written.
const SETTLED: Duration = Duration::from_secs(1);

/// How soon it is checked again whether a command is still running.
const BESIDE: Duration = Duration::from_secs(2);

/// After so long, a step that had no effect again and again is tried again.
const RETRY: Duration = Duration::from_secs(10 * 60);

/// What a watcher knows between two rounds.
#[derive(Debug)]
pub struct Watch {
    manifest: PathBuf,
    terms: Terms,
    patience: Patience,
    patient_since: Timestamp,
    deaths: Deaths,
    notices: Notices,
    /// What a shadow said last that it would do.
    said: BTreeMap<AgentName, String>,
    last: Option<Last>,
    /// The last entry of the journal that was read, and those since that this watcher wrote itself.
    heard: Option<u64>,
    own: BTreeSet<u64>,
    /// Up to which entry everything has been told, as far as anybody is to hear of it. Written down before it is.
    told: Option<u64>,
    /// The last life of each agent whose end was heard of.
    ends: BTreeMap<AgentName, Generation>,
}

/// What came of one round.
#[derive(Debug)]
pub enum Turn {
    /// It was done.
    Done(Box<Rest>),
    /// Everything is as it was after the last one that was done, whose rest goes on until this time at the latest.
    Still(Timestamp),
    /// What could not wait was done: the round itself comes next.
    Begun,
    /// Somebody else acts at this moment.
    Busy(Option<Holder>),
    /// The fleet belongs to another manifest now: there is nothing to watch any more.
    Displaced(PathBuf),
}

/// What is waited for after a round.
#[derive(Clone, Debug)]
pub struct Rest {
    /// When to look again at the latest.
    pub until: Timestamp,
    /// Whose end is news.
    pub watched: Vec<ProcId>,
    /// What is due.
    pub plan: Plan,
    /// What was seen.
    pub observed: Observed,
}

impl Watch {
    /// A watcher of the fleet of this manifest that goes so far by itself.
    pub fn new(manifest: &Path, auto: Auto, now: Timestamp) -> Self {
        let terms = Terms { watch: Some(auto), begun: Some(now), ..Terms::default() };
        Self {
            manifest: manifest.to_owned(),
            terms,
            patience: Patience::default(),
            patient_since: now,
            deaths: Deaths::default(),
            notices: Notices::default(),
            said: BTreeMap::new(),
            last: None,
            heard: None,
            own: BTreeSet::new(),
            told: None,
            ends: BTreeMap::new(),
        }
    }

    /// From now on it goes so far by itself, another manifest may be in force, and steps that had no effect are tried again.
    pub fn renew(&mut self, auto: Auto) {
        self.terms.watch = Some(auto);
        self.patience = Patience::default();
        self.last.iter_mut().for_each(Last::unsettle);
    }

    /// One round, if nobody else acts.
    ///
    /// # Errors
    ///
    /// If the state folder cannot be read or written.
    pub fn round(&mut self, desired: &Desired, fleet: &Fleet, host: &mut dyn Host, audience: &mut dyn Audience) -> Result<Turn> {
        let last = self.last.take();
        if let Some(until) = last.as_ref().map_or(Ok(None), |last| last.still(desired, fleet, host))? {
            self.last = last;
            return Ok(Turn::Still(until.min(host.now() + desired.watch.resync)));
        }
        // Where something was left unfinished, the last round did not come to its end.
        let taken = if last.is_some() { fleet.lock_again("watch", Duration::ZERO) } else { fleet.lock("watch", Duration::ZERO) };
        let lock = match taken {
            Ok(lock) => lock,
            Err(NoLock::Held(holder)) => return Ok(Turn::Busy(holder)),
            Err(NoLock::Failed(error)) => return Err(error),
        };
        if let Some(other) = fleet.claimed_by_another(&self.manifest)? {
            return Ok(Turn::Displaced(other));
        }
        if lock.holder_died() {
            // What it had written down it may not have done.
            self.terms.begun = Some(host.now());
        }
        self.patient_since = self.patient_since.min(host.now());
        if host.now().since(self.patient_since) > RETRY {
            (self.patience, self.patient_since) = (Patience::default(), host.now());
        }
        // Requests are written into records, and a person may edit them by hand.
        let follows = last.as_ref().map_or(Ok(false), |last| last.follows(&lock, fleet))?;
        let last = last.filter(|_| follows);
        let requests = fleet.requests_stamp()?;
        let is_asked = fleet.has_requests()?;
        claim(&self.manifest, desired, fleet)?;
        let at_work = fleet.at_work()?;
        self.hear_others(desired, fleet, host, audience)?;
        let mut heard = Heard { audience, entries: Vec::new() };
        let mut journal = fleet.journal()?;
        let ended = last.as_ref().filter(|_| !is_asked && at_work.is_empty()).and_then(|last| last.ended(desired, host));
        let ended = ended.filter(|Ended { ended, .. }| !ended.iter().any(|agent| self.patience.stalled.contains_key(agent)));
        let last = match (ended, last) {
            (Some(ended), Some(last)) => {
                let terms = Terms { scope: Some(ended.ended), is_partial: true, ..self.terms.clone() };
                let desired = &desired.only(&ended.concerned);
                let mut round = Round { desired, fleet, terms: &terms, audience: &mut heard, journal: &mut journal };
                let (done, memory) = see_to(&mut round, last.memory, &ended.concerned, &mut self.deaths, host)?;
                self.tell_of(heard, &done.crashed, desired, fleet, host)?;
                self.last = Some(Last::after(&lock, fleet, requests, memory)?.owing_a_whole());
                return Ok(Turn::Begun);
            }
            (_, last) => last,
        };
        let terms = beside(&self.terms, &at_work, desired, fleet)?;
        let mut round = Round { desired, fleet, terms: &terms, audience: &mut heard, journal: &mut journal };
        let taken = take_requests(desired, fleet, host, &mut |event| {
            round.tell(&[event]);
            Ok(())
        });
        fleet.or_noted(Unremembered::Requests, taken);
        let unfinished = fleet.has_requests()?.then(|| host.now() + SETTLED);
        let follows = last.as_ref().map_or(Ok(false), |last| last.follows(&lock, fleet))?;
        let mut seen = match last.filter(|_| follows) {
            Some(last) => observe_again(desired, fleet, host, last.memory)?,
            None => observe(desired, fleet, host, &Intent::default())?,
        };
        let settled = keep_unsettled_back(&mut seen);
        let done = carry_out(&mut round, &mut seen, &mut self.patience, &mut self.deaths, host)?;
        self.tell_of(heard, &done.crashed, desired, fleet, host)?;
        let (memory, observed) = seen.into_memory();
        let left = Last::after(&lock, fleet, requests, memory)?;
        if let Some((leaving, pause)) = done.pause {
            let watched = if leaving.is_empty() { everybody(&observed) } else { leaving };
            self.last = Some(left);
            return Ok(Turn::Done(Box::new(Rest { until: host.now() + pause, watched, plan: done.plan, observed })));
        }
        let due = due(desired, &done.plan, &observed, &done.standings, host);
        let due = [due, settled, unfinished, self.notices.due()].into_iter().flatten().min();
        // A command that is killed says nothing of its end.
        let due = if at_work.is_empty() { due } else { due.into_iter().chain([host.now() + BESIDE]).min() };
        let is_settled = at_work.is_empty() && rest::is_settled(desired, &done.plan, &observed);
        self.last = Some(if is_settled { left.settled(observed.at, due) } else { left });
        let until = due.into_iter().fold(observed.at + desired.watch.resync, Timestamp::min);
        Ok(Turn::Done(Box::new(Rest { until, watched: everybody(&observed), plan: done.plan, observed })))
    }

    /// One round of a shadow: it looks, and says what it would do. It touches neither the machine nor a record.
    ///
    /// # Errors
    ///
    /// If the state folder cannot be read, or the journal cannot be written.
    pub fn shadow(&mut self, desired: &Desired, fleet: &Fleet, host: &mut dyn Host, audience: &mut dyn Audience) -> Result<Rest> {
        let seen = observe(desired, fleet, host, &Intent::default())?;
        let plan = plan(desired, &seen.observed, &self.terms);
        audience.round(&plan, &seen.observed);
        shadow::say(&plan, &mut self.said, fleet, seen.observed.at, audience)?;
        let observed = seen.observed;
        let due = due(desired, &plan, &observed, &fleet.standings()?, host);
        let until = due.into_iter().fold(observed.at + desired.watch.resync, Timestamp::min).max(observed.at + SETTLED);
        Ok(Rest { until, watched: everybody(&observed), plan, observed })
    }

    /// Tells of something that is no agent's doing, such as a manifest that is not valid.
    ///
    /// # Errors
    ///
    /// If the journal cannot be written.
    pub fn tell(&mut self, event: Event, desired: &Desired, fleet: &Fleet, host: &mut dyn Host, audience: &mut dyn Audience) -> Result<()> {
        // Beside a run that acts just now, there is no line in the journal, and all the same somebody hears of it.
        let entries = match fleet.lock("watch", Duration::ZERO) {
            Ok(lock) => {
                // Its own turn is nobody else's.
                self.last = self.last.take().map(|last| if last.is_before(&lock) { last.in_turn(&lock) } else { last });
                fleet.tell(&mut fleet.journal()?, std::slice::from_ref(&event))
            }
            Err(NoLock::Held(_)) => vec![Entry { number: 0, event }],
            Err(NoLock::Failed(error)) => return Err(error),
        };
        entries.iter().for_each(|entry| audience.event(entry));
        self.own.extend(entries.iter().map(|entry| entry.number).filter(|number| *number > 0));
        self.notices.hear(&entries, &BTreeSet::new(), false, desired, host.now());
        // Before its first round it does not know yet what an earlier one told.
        if self.heard.is_some() { self.send(desired, fleet, host) } else { Ok(()) }
    }
}

/// What was planned and done.
struct Done {
    plan: Plan,
    standings: Standings,
    crashed: BTreeSet<AgentName>,
    /// Where something was done: who was asked to end, if nothing else was, and how long to wait before the next look.
    pause: Option<(Vec<ProcId>, Duration)>,
}

/// Looks at some agents only, and does what is due for those of them that the round is about: what takes the place of who ended need not wait for a
/// look at everybody.
fn see_to(
    round: &mut Round<'_>,
    memory: Memory,
    concerned: &BTreeSet<AgentName>,
    deaths: &mut Deaths,
    host: &mut dyn Host,
) -> Result<(Done, Memory)> {
    let (mut seen, others) = observe_closely(round.desired, round.fleet, host, memory, concerned)?;
    // What was tried in vain is known of whole rounds.
    let done = carry_out(round, &mut seen, &mut Patience::default(), deaths, host)?;
    Ok((done, others.with(seen)))
}

/// Tells what a look brought, plans, and does what is due.
fn carry_out(round: &mut Round<'_>, seen: &mut Seen, patience: &mut Patience, deaths: &mut Deaths, host: &mut dyn Host) -> Result<Done> {
    let (desired, fleet) = (round.desired, round.fleet);
    let begun = round.begin(seen, patience)?;
    let acts = begun.plan.has_acts();
    round.remember(&begun, acts.then_some(&begun.plan), seen, host)?;
    let told = deaths.count(&begun.news, seen, host.now());
    round.tell(&told);
    let crashed = notices::crashed(&begun.news, desired, seen);
    let standings = match round.terms.is_partial {
        false => standing::tell(&begun.plan, desired, &seen.observed, fleet, round)?,
        // Nothing is said of the others.
        true => Standings::new(),
    };
    let pause = if acts { Some(round.act(&begun, seen, patience, host)?) } else { None };
    Ok(Done { plan: begun.plan, standings, crashed, pause })
}

/// When something is due, or may be, that nothing announces. What a tmux server announces is listened to from here on.
fn due(desired: &Desired, plan: &Plan, observed: &Observed, standings: &Standings, host: &mut dyn Host) -> Option<Timestamp> {
    let heard = host.listen(rest::depends_on_server(desired, plan).then_some(&desired.server));
    rest::due(desired, plan, observed, standings, heard.as_deref())
}

/// What a watcher may do while commands are at work: it starts again what ended outside of their scopes, and nothing else.
fn beside(terms: &Terms, at_work: &[AtWork], desired: &Desired, fleet: &Fleet) -> Result<Terms> {
    if at_work.is_empty() {
        return Ok(terms.clone());
    }
    let names = desired.agents.keys().cloned().chain(fleet.records()?.into_keys());
    let is_free = |name: &AgentName| !at_work.iter().any(|other| other.overlaps(Some(&BTreeSet::from([name.clone()]))));
    Ok(Terms { scope: Some(names.filter(is_free).collect()), is_partial: true, only_restarts: true, ..terms.clone() })
}

/// Writes whose the fleet is and what is applied from here on.
fn claim(manifest: &Path, desired: &Desired, fleet: &Fleet) -> Result<()> {
    let before = fleet.claim()?;
    let claim = Claim {
        manifest: manifest.to_owned(),
        digest: Some(desired.digest.clone()),
        ..before.clone().unwrap_or_else(|| Claim::new(manifest.to_owned()))
    };
    if before.as_ref() == Some(&claim) {
        return Ok(());
    }
    fleet.or_unremembered(Unremembered::Claim, fleet.prepare().and_then(|()| fleet.write_claim(&claim))).map(drop)
}

/// Leaves out notes that may still be being written, and says when the first of them has settled.
fn keep_unsettled_back(seen: &mut Seen) -> Option<Timestamp> {
    let now = seen.observed.at;
    let mut first: Option<Timestamp> = None;
    for sighting in seen.observed.agents.values_mut() {
        sighting.notes.retain(|note| {
            let settled =
                note.written_at.map(|at| at + SETTLED).filter(|settled| *settled > now && note.written_at.is_some_and(|at| at <= now));
            first = first.into_iter().chain(settled).min();
            settled.is_none()
        });
    }
    first
}

/// The processes of everybody who lives.
fn everybody(observed: &Observed) -> Vec<ProcId> {
    processes(observed.agents.keys(), observed)
}

/// An event of the whole fleet.
fn of_fleet(at: Timestamp, what: What, why: String) -> Event {
    Event { at, agent: None, generation: None, what, reason: None, why }
}
