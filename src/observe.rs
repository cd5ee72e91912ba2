//! One look at the machine, joined with the records: [`Observed`].
//!
//! Changes nothing. What was learned and is worth remembering is a part of the answer; who acts also writes it down
//! ([`Seen::learned`]), who only plans does not.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::desired::{AgentName, AgentSpec, Desired, OnChange, Place, Ready, Server};
use crate::event::{Event, What};
use crate::host::{Found, Gap, Host, Look, Successor};
use crate::intent::Intent;
use crate::observed::{Condition, Message, Observed, Obstacle, Phase, Seat, Sighting};
use crate::plan;
use crate::process::ProcId;
use crate::state::{Fleet, Record};
use crate::time::Timestamp;

mod before;
mod begun;
mod clock;
mod dialogs;
mod health;
mod join;
mod leaving;
mod left;
mod limit;
mod live;
mod lives;
mod notes;
mod question;
mod screens;
mod secrets;
mod spelling;

pub use screens::{commands, rules};
pub use secrets::{await_secrets, has_slow_secrets, secret_digests, watches_secrets};

/// What a look brought.
#[derive(Debug)]
pub struct Seen {
    /// What is there.
    pub observed: Observed,
    /// What is remembered, with what was learned just now.
    pub records: BTreeMap<AgentName, Record>,
    /// Records that are of no use, and why.
    pub unreadable: BTreeMap<AgentName, String>,
    /// Whose record was changed by what was learned.
    pub learned: BTreeSet<AgentName>,
    /// What happened since the records were written.
    pub events: Vec<Event>,
    /// What this run types into terminals ([`Intent::messages`]).
    pub messages: BTreeMap<AgentName, Message>,
    /// Who is asked anything ([`Intent::about`]).
    pub about: Option<BTreeSet<AgentName>>,
    /// Whose step of this round was not done, for it could not be written down, and why not.
    pub undone: BTreeMap<AgentName, String>,
}

/// Looks at every agent that is declared, remembered or found, and folds in what is asked for.
///
/// # Errors
///
/// If the state folder cannot be read. A machine that cannot be looked at is no error but a gap in [`Observed::gaps`].
pub fn observe(desired: &Desired, fleet: &Fleet, host: &mut dyn Host, intent: &Intent) -> Result<Seen> {
    if let Some(server) = server(desired) {
        host.expect(server);
    }
    look(
        desired,
        fleet,
        host,
        intent,
        Remembered { messages: intent.messages.clone(), about: intent.about.clone(), ..remembered(desired, fleet)? },
    )
}

/// What the records alone tell, without a look at the machine: the names that are known, their specs, and what was asked of them.
///
/// # Errors
///
/// If the state folder cannot be read.
pub fn recall(desired: &Desired, fleet: &Fleet, at: Timestamp) -> Result<Observed> {
    let Remembered { mut records, .. } = remembered(desired, fleet)?;
    records.values_mut().for_each(|record| _ = clock::bring_down(record, at));
    let agents = records.iter().map(|(name, record)| (name.clone(), join::recalled(record, at))).collect();
    Ok(Observed { agents, ..Observed::nothing(desired.fleet.clone(), at) })
}

/// What a look leaves to the next one.
#[derive(Debug)]
pub struct Memory {
    records: BTreeMap<AgentName, Record>,
    messages: BTreeMap<AgentName, Message>,
    about: Option<BTreeSet<AgentName>>,
    /// Whether there are records of no use: they are read again.
    is_partial: bool,
    /// Whether something was left of earlier lives, which no record may know.
    has_remains: bool,
    /// Whose record could not be written: it is tried again.
    owed: BTreeSet<AgentName>,
}

impl Seen {
    /// What it leaves to the next look, and what was seen.
    pub fn into_memory(self) -> (Memory, Observed) {
        let has_remains = self.observed.agents.values().any(|sighting| !sighting.remains.is_empty());
        let Self { records, messages, about, learned: owed, unreadable, .. } = self;
        let memory = Memory { records, messages, about, is_partial: !unreadable.is_empty(), has_remains, owed };
        (memory, self.observed)
    }
}

impl Memory {
    /// Whether it holds every record.
    pub fn is_whole(&self) -> bool {
        !self.is_partial
    }

    /// Whether every record is on the disk as it is here.
    pub fn is_written(&self) -> bool {
        self.owed.is_empty()
    }

    /// Whether a note of somebody's is still to be typed: what is kept for that depends on all records.
    pub fn owes_notes(&self) -> bool {
        self.records.values().any(|record| !record.untyped.is_empty())
    }

    /// With what a look at some more brought.
    pub fn with(mut self, seen: Seen) -> Self {
        self.records.extend(seen.records);
        self.owed.extend(seen.learned);
        self
    }

    /// The agents that run, as far as is remembered, under these keepers.
    pub fn kept_by(&self, keepers: &BTreeSet<ProcId>) -> BTreeSet<AgentName> {
        let keeper = |record: &Record| {
            record.instance.as_ref().filter(|instance| instance.mark == record.mark)?.keeper.as_ref().map(|keeper| keepers.contains(keeper))
        };
        let runs = |record: &Record| record.mark.is_some() && record.ended.is_none() && record.leaving.is_none();
        let kept = self.records.iter().filter(|(_, record)| runs(record) && keeper(record) == Some(true));
        kept.map(|(name, _)| name.clone()).collect()
    }
}

/// As [`observe`], for who knows that nobody else wrote records since `before`: they are as this process left them.
///
/// # Errors
///
/// As [`observe`].
pub fn observe_again(desired: &Desired, fleet: &Fleet, host: &mut dyn Host, before: Memory) -> Result<Seen> {
    let Memory { records, messages, about, is_partial, has_remains, owed } = before;
    let depth = if has_remains { Depth::Everything } else { Depth::Known };
    let remembered = match is_partial {
        false => Remembered { records, unreadable: BTreeMap::new(), messages, about, owed, depth },
        true => Remembered { messages, about, ..remembered(desired, fleet)? },
    };
    look(desired, fleet, host, &Intent::default(), remembered)
}

/// A look at some agents only, the same that are declared in `desired`, by their processes: whoever is in a pane is taken to be where it was. And
/// what is remembered of the others.
///
/// # Errors
///
/// As [`observe`].
pub fn observe_closely(
    desired: &Desired,
    fleet: &Fleet,
    host: &mut dyn Host,
    before: Memory,
    some: &BTreeSet<AgentName>,
) -> Result<(Seen, Memory)> {
    let mut others = before;
    let few = Remembered {
        records: some.iter().filter_map(|name| others.records.remove_entry(name)).collect(),
        unreadable: BTreeMap::new(),
        messages: BTreeMap::new(),
        owed: BTreeSet::new(),
        about: None,
        depth: Depth::Processes,
    };
    Ok((look(desired, fleet, host, &Intent::default(), few)?, others))
}

/// What a look begins with.
struct Remembered {
    records: BTreeMap<AgentName, Record>,
    /// Records that are of no use, and why.
    unreadable: BTreeMap<AgentName, String>,
    messages: BTreeMap<AgentName, Message>,
    /// Whose record is not yet on the disk as it is here.
    owed: BTreeSet<AgentName>,
    about: Option<BTreeSet<AgentName>>,
    depth: Depth,
}

/// How far a look goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    /// Something of the fleet may run that no record knows.
    Everything,
    /// Nothing of the fleet can run that no record knows.
    Known,
    /// And no tmux server is asked.
    Processes,
}

/// The records as they are written.
fn remembered(desired: &Desired, fleet: &Fleet) -> Result<Remembered> {
    let mut unreadable = BTreeMap::new();
    let mut readable = |(name, record)| match record {
        Ok(record) => Some((name, record)),
        Err(why) => {
            unreadable.insert(name, why);
            None
        }
    };
    let mut records: BTreeMap<AgentName, Record> = fleet.records()?.into_iter().filter_map(&mut readable).collect();
    for (name, declared) in &desired.agents {
        // What is equal is one and the same from here on: it takes the room of one, and is compared at a glance.
        if let Some(spec) = records.get_mut(name).and_then(|record| record.spec.as_mut()) {
            spec.launch.share(&declared.spec.launch);
            spec.care.share(&declared.spec.care);
        }
    }
    let (about, owed) = (None, BTreeSet::new());
    Ok(Remembered { records, unreadable, messages: BTreeMap::new(), about, owed, depth: Depth::Everything })
}

fn look(
    desired: &Desired,
    fleet: &Fleet,
    host: &mut dyn Host,
    intent: &Intent,
    Remembered { mut records, unreadable, messages, about, owed, depth }: Remembered,
) -> Result<Seen> {
    let asks = |agent: &AgentName| about.as_ref().is_none_or(|about| about.contains(agent));
    join::disown_copies(desired, &mut records);
    let now = host.now();
    let set_back: BTreeSet<AgentName> =
        records.iter_mut().filter_map(|(name, record)| clock::bring_down(record, now).then(|| name.clone())).collect();
    let claim = fleet.claim()?;
    let halted = fleet.halted()?;
    // Who is stopped cannot answer: nothing is asked of it, and nothing counted.
    let is_frozen = halted.as_ref().is_some_and(|halt| halt.frozen);
    let begun = begun::elsewhere(&records, fleet, now)?;
    let look = host.look(&question::question(desired, &records, claim.is_none(), depth));
    let mut secrets = secrets::ask(desired, &records, &asks, fleet, host);
    let mut sightings = join::join(desired, &records, &unreadable, &look);
    begun::wait_for(&begun, &mut sightings);
    for (name, request) in &intent.requests {
        request.fold_into(sightings.entry(name.clone()).or_default());
    }
    notes::find(desired, fleet, &mut sightings, &intent.notes, look.at)?;
    if !is_frozen {
        live::feel(desired, &mut sightings, host, look.at);
    }
    for (name, sighting) in &mut sightings {
        let care = care_of(name, desired, sighting.spec.as_ref());
        sighting.messages = screens::messages(sighting, records.get(name), care, messages.get(name), host, look.at);
        sighting.messages.extend(live::nudge(sighting, records.get(name), care, look.at));
    }
    screens::look(desired, &mut sightings, &records, host, look.at);
    let answers = health::ask(desired, &sightings, &records, &asks, host);
    if !is_frozen {
        live::ask(desired, &mut sightings, &records, &asks, host, look.at);
    }

    let mut seen = Seen {
        observed: Observed {
            fleet: desired.fleet.clone(),
            at: look.at,
            agents: BTreeMap::new(),
            strangers: look.strangers.clone(),
            halted,
            server: claim.and_then(|claim| claim.server),
            gaps: look.gaps.iter().map(gap).collect(),
            warnings: look.warnings.clone(),
            foreign_server: look.foreign_server,
            conditions: look.conditions.iter().filter(|condition| server(desired).is_some() || !condition.is_of_tmux()).cloned().collect(),
        },
        records: BTreeMap::new(),
        unreadable,
        learned: &set_back | &owed,
        events: Vec::new(),
        messages,
        about: about.clone(),
        undone: BTreeMap::new(),
    };
    let (usual, none) = (Ready::default(), BTreeMap::new());
    for (name, sighting) in &mut sightings {
        let secrets::Secrets { changed, learned: secrets } = secrets.remove(name).unwrap_or_default();
        sighting.changed_secrets = changed;
        let mut record = records.get_mut(name);
        if let (Some(record), false) = (&mut record, secrets.is_empty()) {
            record.secrets.extend(secrets);
            seen.learned.insert(name.clone());
        }
        let ready_at = record.as_ref().and_then(|record| record.ready_at);
        if let (Some(spec), Some(declared)) = (&mut sighting.spec, desired.agents.get(name)) {
            spelling::respell(spec, &declared.spec, host);
        }
        // Both parts are shared: this is no copy.
        let spec = sighting.spec.clone();
        let care = care_of(name, desired, spec.as_ref());
        let secrets = spec.as_ref().or(desired.agents.get(name).map(|declared| &declared.spec)).map_or(&none, |spec| &spec.launch.secrets);
        let allowance = before::allowance(care, secrets);
        let ready = care.map_or(&usual, |care| &care.ready);
        // Of one that was not asked, nothing is known that was not known before.
        if asks(name) || ready_at.is_some() || !health::asks(&ready.probe) {
            health::judge(sighting, ready, answers.get(name), ready_at, allowance, look.at);
        }
        sighting.vitals.unchanged_since = live::unchanged_since(sighting, care, look.at).filter(|_| !is_frozen);
        let had_ended = record.as_ref().is_none_or(|record| record.ended.is_some());
        let learned = match record {
            Some(record) => lives::take_up(record, sighting, &look, name) | join::learn(record, sighting, &mut seen.events, look.at),
            // What another state folder remembers is not remembered here too: then both would act.
            None if sighting.elsewhere.is_some() => false,
            // What was found without a record is remembered, or the next look might not find it again.
            None => join::rebuilt(name, sighting, look.at).is_some_and(|record| {
                let predecessor_unproven = !sighting.remains.is_empty();
                let record = Record { namespace: look.namespace, predecessor_unproven, ..record };
                records.insert(name.clone(), record).is_none()
            }),
        };
        if !had_ended {
            last_words(sighting, spec.as_ref(), &mut seen.events, host);
        }
        if learned {
            seen.learned.insert(name.clone());
        }
    }
    notes::ask(desired, &mut sightings, &records, &asks, host);
    leaving::look(desired, &mut sightings, &mut records, &asks, host, &mut seen);
    for (name, sighting) in sightings.iter().filter(|(_, sighting)| sighting.unread.is_some()) {
        if let Some(record) = records.get_mut(name)
            && join::learn_of_reading(record, sighting, &mut seen.events, look.at)
        {
            seen.learned.insert(name.clone());
        }
    }
    seen.observed.agents = sightings;
    seen.records = records;
    preflight(desired, &mut seen.observed, host);
    Ok(seen)
}

/// Adds the first line that a program has printed to the event of its crash: its pane and its log are soon another life's.
fn last_words(sighting: &Sighting, spec: Option<&AgentSpec>, events: &mut [Event], host: &mut dyn Host) {
    let (Phase::Exited(ended), Some(instance), Some(spec)) = (&sighting.phase, &sighting.instance, spec) else { return };
    let told = events.iter_mut().rev().find(|event| event.what == What::Exited && event.agent.as_ref() == Some(&instance.agent));
    if let Some(event) = told.filter(|_| ended.is_crash(Some(&spec.care.restart)))
        && let Some(line) = host.last_lines(instance, spec).into_iter().next()
    {
        event.why = format!("{}: {line}", event.why);
    }
}

/// Looks for what stands in the way of each instance that the planner would start, whether it has to end another one first or not.
fn preflight(desired: &Desired, observed: &mut Observed, host: &mut dyn Host) {
    let names = plan::successors(desired, observed);
    let successor = |name: &AgentName| {
        let sighting = observed.agents.get(name);
        let of = sighting.and_then(|sighting| sighting.instance.as_ref());
        Some(Successor { agent: name.clone(), spec: &desired.agents.get(name)?.spec, of: of.cloned() })
    };
    let successors: Vec<Successor<'_>> = names.iter().filter_map(successor).collect();
    for (name, obstacle) in host.preflight(&successors) {
        if let (Obstacle::TooManyPanes(why), false) = (&obstacle, observed.conditions.iter().any(Condition::is_of_room)) {
            observed.conditions.push(Condition::NoRoom { why: why.clone() });
        }
        observed.agents.entry(name).or_default().obstacle = Some(obstacle);
    }
}

/// The care that counts for an agent: the declared one, else the one as last applied.
fn care_of<'a>(name: &AgentName, desired: &'a Desired, spec: Option<&'a AgentSpec>) -> Option<&'a crate::desired::Care> {
    desired.agents.get(name).map(|declared| &declared.spec).or(spec).map(|spec| &*spec.care)
}

/// The tmux server of the fleet, if an agent is declared to be in it.
fn server(desired: &Desired) -> Option<&Server> {
    desired.agents.values().any(|declared| in_tmux(&declared.spec)).then_some(&desired.server)
}

fn in_tmux(spec: &AgentSpec) -> bool {
    matches!(spec.launch.place, Place::Tmux { .. })
}

fn gap(gap: &Gap) -> String {
    match gap {
        Gap::Server(socket, why) => format!("tmux server {}: {why}", socket.display()),
        Gap::Agent(agent, why) => format!("{agent}: {why}"),
        Gap::Processes(why) => format!("the list of processes: {why}"),
    }
}
