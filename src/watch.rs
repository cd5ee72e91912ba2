//! Rounds for ever: what `watch` does. Decides nothing that the planner does not; it only chooses when to look again, and whom to tell.
//!
//! A watcher owns nothing. All that it must not forget is in the records, so it can be killed at any time, and another one goes on where it was.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::converge::{Audience, Patience, Round, processes, take_requests};
use crate::desired::{AgentName, Auto, Desired};
use crate::event::{Entry, Event, What};
use crate::host::Host;
use crate::observe::{Memory, Seen, observe, observe_again};
use crate::observed::Observed;
use crate::plan::{Plan, Terms, plan};
use crate::process::ProcId;
use crate::state::{Claim, Fleet, Holder, NoLock, Stamp, Standings};
use crate::time::{Duration, Timestamp};

mod deaths;
mod notices;
mod rest;
mod shadow;
mod standing;

use deaths::Deaths;
use notices::Notices;

/// A source of a note, or a request, that was changed a shorter time ago may still be being written.
const SETTLED: Duration = Duration::from_secs(1);

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
}

/// What the last round left, for as long as nobody else had the lock.
#[derive(Debug)]
struct Last {
    turn: u64,
    stamp: Option<Stamp>,
    memory: Memory,
}

/// What came of one round.
#[derive(Debug)]
pub enum Turn {
    /// It was done.
    Done(Box<Rest>),
    /// Somebody else acts at this moment.
    Busy(Option<Holder>),
    /// The fleet belongs to another manifest now: there is nothing to watch any more.
    Displaced(PathBuf),
}

/// What is waited for after a round.
#[derive(Debug)]
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
        }
    }

    /// From now on it goes so far by itself, and steps that had no effect are tried again.
    pub fn renew(&mut self, auto: Auto) {
        self.terms.watch = Some(auto);
        self.patience = Patience::default();
    }

    /// One round, if nobody else acts.
    ///
    /// # Errors
    ///
    /// If the state folder cannot be read or written.
    pub fn round(&mut self, desired: &Desired, fleet: &Fleet, host: &mut dyn Host, audience: &mut dyn Audience) -> Result<Turn> {
        let last = self.last.take();
        // Where something was left unfinished, the last round did not come to its end.
        let taken = if last.is_some() { fleet.lock_again("watch", Duration::ZERO) } else { fleet.lock("watch", Duration::ZERO) };
        let lock = match taken {
            Ok(lock) => lock,
            Err(NoLock::Held(holder)) => return Ok(Turn::Busy(holder)),
            Err(NoLock::Failed(error)) => return Err(error),
        };
        let memory = last.filter(|last| last.turn.wrapping_add(1) == lock.turn());
        if let Some(other) = fleet.claimed_by_another(&self.manifest)? {
            return Ok(Turn::Displaced(other));
        }
        if lock.holder_died() {
            // What it had written down it may not have done.
            self.terms.begun = Some(host.now());
        }
        if host.now().since(self.patient_since) > RETRY {
            (self.patience, self.patient_since) = (Patience::default(), host.now());
        }
        claim(&self.manifest, desired, fleet)?;
        let mut heard = Heard { audience, events: Vec::new() };
        let mut journal = fleet.journal()?;
        let mut round = Round { desired, fleet, terms: &self.terms, audience: &mut heard, journal: &mut journal };
        take_requests(desired, fleet, host, &mut |event| round.tell(&[event]))?;
        let unfinished = fleet.has_requests()?.then(|| host.now() + SETTLED);
        // Requests are written into records, and a person may edit them by hand.
        let stamp = fleet.records_stamp()?;
        let mut seen = match memory.filter(|last| last.stamp == stamp) {
            Some(last) => observe_again(desired, fleet, host, last.memory)?,
            None => observe(desired, fleet, host)?,
        };
        let settled = keep_unsettled_back(&mut seen);
        let begun = round.begin(&mut seen, &mut self.patience)?;
        let acts = begun.plan.has_acts();
        round.remember(&begun, acts.then_some(&begun.plan), &mut seen, host)?;
        let told = self.deaths.count(&begun.news, &seen, host.now());
        round.tell(&told)?;
        let crashed = notices::crashed(&begun.news, desired, &seen);
        let standings = standing::tell(&begun.plan, desired, &seen.observed, fleet, &mut round)?;
        let pause = if acts { Some(round.act(&begun, &mut seen, host)?) } else { None };
        self.notices.hear(&heard.events, &crashed, self.deaths.are_many(), desired, host.now());
        self.notices.send(desired, host);
        let (memory, observed) = seen.into_memory();
        self.last = Some(Last { turn: lock.turn(), stamp: fleet.records_stamp()?, memory });
        let (watched, until) = match pause {
            Some((leaving, pause)) if !leaving.is_empty() => (leaving, host.now() + pause),
            Some((_, pause)) => (everybody(&observed), host.now() + pause),
            None => {
                let until = rest(desired, &begun.plan, &observed, &standings, host);
                (everybody(&observed), [settled, unfinished, self.notices.due()].into_iter().flatten().fold(until, Timestamp::min))
            }
        };
        Ok(Turn::Done(Box::new(Rest { until, watched, plan: begun.plan, observed })))
    }

    /// One round of a shadow: it looks, and says what it would do. It touches neither the machine nor a record.
    ///
    /// # Errors
    ///
    /// If the state folder cannot be read, or the journal cannot be written.
    pub fn shadow(&mut self, desired: &Desired, fleet: &Fleet, host: &mut dyn Host, audience: &mut dyn Audience) -> Result<Rest> {
        let seen = observe(desired, fleet, host)?;
        let plan = plan(desired, &seen.observed, &self.terms);
        audience.round(&plan, &seen.observed);
        shadow::say(&plan, &mut self.said, fleet, seen.observed.at, audience)?;
        let until = rest(desired, &plan, &seen.observed, &fleet.standings()?, host).max(seen.observed.at + SETTLED);
        Ok(Rest { until, watched: everybody(&seen.observed), plan, observed: seen.observed })
    }

    /// Tells of something that is no agent's doing, such as a manifest that is not valid.
    ///
    /// # Errors
    ///
    /// If the journal cannot be written.
    pub fn tell(&mut self, event: Event, desired: &Desired, fleet: &Fleet, host: &mut dyn Host, audience: &mut dyn Audience) -> Result<()> {
        // Beside a run that acts just now, there is no line in the journal, and all the same somebody hears of it.
        match fleet.lock("watch", Duration::ZERO) {
            Ok(lock) => {
                // Its own turn is nobody else's.
                if let Some(last) = self.last.as_mut().filter(|last| last.turn.wrapping_add(1) == lock.turn()) {
                    last.turn = lock.turn();
                }
                fleet.journal()?.append(std::slice::from_ref(&event))?.iter().for_each(|entry| audience.event(entry));
            }
            Err(NoLock::Held(_)) => audience.event(&Entry { number: 0, event: event.clone() }),
            Err(NoLock::Failed(error)) => return Err(error),
        }
        self.notices.hear(&[event], &BTreeSet::new(), false, desired, host.now());
        self.notices.send(desired, host);
        Ok(())
    }
}

/// When to look again at the latest, where nothing is told before.
fn rest(desired: &Desired, plan: &Plan, observed: &Observed, standings: &Standings, host: &mut dyn Host) -> Timestamp {
    let heard = host.listen(rest::depends_on_server(desired, plan).then_some(&desired.server));
    rest::until(desired, plan, observed, standings, heard.as_deref())
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
    fleet.prepare()?;
    fleet.write_claim(&claim)
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

/// Passes on what happens, and keeps it.
struct Heard<'a> {
    audience: &'a mut dyn Audience,
    events: Vec<Event>,
}

impl Audience for Heard<'_> {
    fn event(&mut self, entry: &Entry) {
        self.events.push(entry.event.clone());
        self.audience.event(entry);
    }

    fn round(&mut self, plan: &Plan, observed: &Observed) {
        self.audience.round(plan, observed);
    }
}

/// An event of the whole fleet.
fn of_fleet(at: Timestamp, what: What, why: String) -> Event {
    Event { at, agent: None, generation: None, what, why }
}
