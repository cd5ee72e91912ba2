//! What was found, joined with what is remembered: one sighting per agent.

use std::collections::{BTreeMap, HashSet};

use super::{AgentName, Desired, Found, Gap, Look, Place, Record, Seat, Sighting, clock, dialogs, left, lives};
use crate::desired::Generation;
use crate::event::{Event, What, Word};
use crate::host::Life;
use crate::observed::{Activity, Ended, Exit, Health, Leaving, MessageKind, Phase, Receipt, Received, Typing, Unread, Vitals};
use crate::state::Posted;
use crate::state::request::STALE;
use crate::time::Timestamp;

/// One sighting for each agent that is declared, remembered or found.
pub(super) fn join(
    desired: &Desired,
    records: &BTreeMap<AgentName, Record>,
    unreadable: &BTreeMap<AgentName, String>,
    look: &Look,
) -> BTreeMap<AgentName, Sighting> {
    let mut found = by_agent(records, &look.found);
    let names = desired.agents.keys().chain(records.keys()).chain(unreadable.keys());
    let mut names: Vec<AgentName> = names.chain(found.keys()).cloned().collect();
    names.sort_unstable();
    names.dedup();
    let sighted = |name: AgentName| {
        let mut lives = found.remove(&name).unwrap_or_default();
        left::let_stay(&name, &mut lives, records.get(&name), desired);
        let mut sighting = sight(&name, records.get(&name), lives, look);
        sighting.left = look.left.get(&name).cloned().unwrap_or_default();
        sighting.complaints = look.complaints.get(&name).cloned().unwrap_or_default();
        if let Some(why) = unreadable.get(&name).cloned().or_else(|| unseen(&name, desired, records, look)) {
            sighting.phase = Phase::Unknown { why };
        }
        (name, sighting)
    };
    // In their order, and all at once: sightings are large, and to make room for one among others takes long.
    names.into_iter().map(sighted).collect()
}

/// Whether a record tells of an instance that could be found, and not only of counters and wishes.
pub(super) fn knows_a_life(record: &Record) -> bool {
    record.mark.is_some() || record.instance.is_some()
}

/// Takes the life out of records that share it with another, as an interrupted rename leaves them: an instance is one agent's. It is that of
/// the name that is declared, else of the one that the mark was not given under.
pub(super) fn disown_copies(desired: &Desired, records: &mut BTreeMap<AgentName, Record>) {
    // One that was adopted is known by its process.
    let adopted =
        |record: &Record| record.instance.as_ref()?.program.as_ref().map(|it| format!("{}/{}/{}", it.pid, it.start_time, it.boot_id));
    let owned = |record: &Record| record.mark.as_ref().map(|mark| mark.id.to_string()).or_else(|| adopted(record));
    let mut seen = HashSet::with_capacity(records.len());
    if records.values().filter_map(owned).all(|owned| seen.insert(owned)) {
        return;
    }
    let mut owners: BTreeMap<String, Vec<AgentName>> = BTreeMap::new();
    for (name, record) in &*records {
        if let Some(owned) = owned(record) {
            owners.entry(owned).or_default().push(name.clone());
        }
    }
    for mut names in owners.into_values().filter(|names| names.len() > 1) {
        let is_born = |name: &AgentName| records[name].mark.as_ref().is_some_and(|mark| mark.agent == *name);
        names.sort_by_key(|name| (!desired.agents.contains_key(name), is_born(name)));
        for name in &names[1..] {
            let Some(record) = records.get_mut(name) else { continue };
            *record = Record { mark: None, instance: None, leaving: None, ended: None, ready_at: None, ..record.clone() };
        }
    }
}

/// Who each found instance is: by the record that knows its mark, else by the name in the mark.
fn by_agent<'a>(records: &BTreeMap<AgentName, Record>, found: &'a [Found]) -> BTreeMap<AgentName, Vec<&'a Found>> {
    let renamed: BTreeMap<&str, &AgentName> = records
        .iter()
        .filter_map(|(name, record)| record.mark.as_ref().map(|mark| (name, mark)))
        .filter(|(name, mark)| **name != mark.agent)
        .map(|(name, mark)| (&*mark.id, name))
        .collect();
    let mut lives: BTreeMap<AgentName, Vec<&Found>> = BTreeMap::new();
    for one in found {
        let mark = one.instance.mark.as_ref();
        let name = mark.and_then(|mark| renamed.get(&*mark.id).copied()).unwrap_or(&one.instance.agent);
        lives.entry(name.clone()).or_default().push(one);
    }
    lives
}

/// What a record alone tells of its agent.
pub(super) fn recalled(record: &Record, now: Timestamp) -> Sighting {
    Sighting { phase: remembered(Some(record), now), instance: record.instance.clone(), ..of_record(record) }
}

/// What a record tells that no look can.
fn of_record(record: &Record) -> Sighting {
    Sighting {
        generation: record.generation,
        spec: record.spec.clone(),
        digest: record.mark.as_ref().map(|mark| mark.digest.clone()),
        failures: record.failures.clone(),
        wanted: record.wanted,
        paused: record.paused.clone(),
        replace_up_to: record.replace_up_to,
        released: record.released,
        sweeping: record.sweeping,
        answering: record.answering.clone(),
        answered: record.answered.clone(),
        typing: record.typing.clone(),
        received: record.received.clone(),
        unsettled: record.unsettled.clone(),
        untyped: record.untyped.len(),
        undelivered: record.undelivered.clone(),
        unread: record.unread.clone(),
        vitals: Vitals { pulse: record.live.clone(), ..Vitals::default() },
        ..Sighting::default()
    }
}

fn sight(name: &AgentName, record: Option<&Record>, lives: Vec<&Found>, look: &Look) -> Sighting {
    let mut sighting = record.map(of_record).unwrap_or_default();
    let current = match lives::present(record, &lives) {
        Ok(current) => current,
        Err(why) => {
            sighting.phase = Phase::Unknown { why };
            return sighting;
        }
    };
    for other in lives.iter().filter(|other| !current.is_some_and(|current| std::ptr::eq(current, **other))) {
        if !matches!(other.life, Life::Ended { .. }) && !is_nothing(other) {
            sighting.remains.push(other.instance.clone());
            sighting.elsewhere = sighting.elsewhere.or_else(|| other.elsewhere.clone());
        }
    }
    match current {
        Some(found) => see(&mut sighting, found, record, look.at),
        None => sighting.phase = remembered(record, look.at),
    }
    if let Some(instance) = &mut sighting.instance {
        instance.agent = name.clone();
        instance.generation = sighting.generation;
    }
    sighting.spent = lives::spent(record, &sighting);
    if !sighting.remains.is_empty() {
        sighting.attached = lives::attached(&lives);
    }
    sighting
}

/// Whether not even a dead pane is left of a lost instance.
pub(super) fn is_gone(found: &Found) -> bool {
    is_nothing(found) && !matches!(found.instance.seat, Seat::Pane { .. })
}

/// Whether nothing is left of a lost instance, or known of one that was not seen yet, but its name.
pub(super) fn is_nothing(found: &Found) -> bool {
    match (&found.life, &found.instance.seat) {
        (Life::Lost | Life::Unknown(_), Seat::Adrift { processes }) => processes.is_empty(),
        (Life::Lost, Seat::Pane { .. } | Seat::Detached { .. }) => true,
        (Life::Alive { .. } | Life::Ended { .. } | Life::Unknown(_), _) => false,
    }
}

fn see(sighting: &mut Sighting, found: &Found, record: Option<&Record>, now: Timestamp) {
    // A record of another life says nothing about this one.
    let record = record.filter(|record| record.mark == found.instance.mark && record.generation.0 > 0);
    if record.is_none() {
        // Rebuilt from the mark; one without a mark was found by its pidfile and is in its first life, or was adopted and its pane says in which.
        let mark = found.instance.mark.as_ref();
        sighting.generation = mark.map_or(found.instance.generation.max(Generation(1)), |mark| mark.generation);
        sighting.digest = mark.map(|mark| mark.digest.clone());
        sighting.spec = None;
        (sighting.answering, sighting.typing, sighting.received, sighting.unsettled) = (None, None, None, None);
        sighting.answered.clear();
        sighting.vitals = Vitals::default();
        // What was asked of another life is not asked of this one.
        sighting.replace_up_to = Generation(0);
    }
    sighting.attached = found.attached;
    sighting.log_pipe.clone_from(&found.log_pipe);
    sighting.elsewhere = found.elsewhere.clone().or(sighting.elsewhere.take());
    let asked_at = record.map_or(now, |record| record.asked_at);
    let leaving = record.and_then(|record| record.leaving.clone());
    let ended = |since: Option<Timestamp>, at, exit| {
        Phase::Exited(Ended {
            at,
            since: since.unwrap_or(asked_at),
            was_ready: record.is_some_and(|record| record.ready_at.is_some()),
            exit,
            asked: leaving.as_ref().map(|leaving| (leaving.purpose, leaving.step)),
            outcome: leaving.as_ref().map(Leaving::outcome),
            excuse: record.and_then(|record| record.ended.as_ref()?.excuse.clone()),
        })
    };
    sighting.phase = match (&clock::by_this_clock(&found.life, record, now), &leaving) {
        (Life::Alive { .. }, Some(leaving)) => Phase::Leaving(leaving.clone()),
        (Life::Alive { since }, None) => Phase::Running { since: since.unwrap_or(asked_at), health: Health::Starting },
        (Life::Unknown(why), _) => Phase::Unknown { why: why.clone() },
        (Life::Ended { since, at, exit, clean: _ }, _) => ended(*since, *at, exit.clone()),
        (Life::Lost, _) => match record.and_then(|record| record.ended.clone()) {
            Some(known) => Phase::Exited(known),
            None => ended(None, now, Exit::Unseen),
        },
    };
    if !is_gone(found) {
        match (&found.life, &found.instance.seat) {
            (Life::Lost, Seat::Adrift { .. }) => sighting.remains.push(found.instance.clone()),
            (Life::Lost | Life::Alive { .. } | Life::Ended { .. } | Life::Unknown(_), _) => {
                sighting.instance = Some(found.instance.clone())
            }
        }
    }
}

/// Where an agent stands of which nothing was found.
fn remembered(record: Option<&Record>, now: Timestamp) -> Phase {
    let Some(record) = record else { return Phase::Absent };
    match (&record.ended, &record.instance) {
        (Some(ended), _) => Phase::Exited(ended.clone()),
        // A start was written down, and nothing of it was ever seen: it did not take place.
        (None, None) => Phase::Absent,
        (None, Some(_)) => Phase::Exited(Ended {
            at: now,
            since: record.asked_at,
            was_ready: record.ready_at.is_some(),
            exit: Exit::Unseen,
            asked: record.leaving.as_ref().map(|leaving| (leaving.purpose, leaving.step)),
            outcome: record.leaving.as_ref().map(Leaving::outcome),
            excuse: None,
        }),
    }
}

/// Why nothing can be said of an agent, if a gap of the look covers it.
fn unseen(name: &AgentName, desired: &Desired, records: &BTreeMap<AgentName, Record>, look: &Look) -> Option<String> {
    if let Some(why) = look.fenced.get(name) {
        return Some(why.clone());
    }
    let record = records.get(name);
    // An end that is remembered stays true, whatever can be looked at.
    if record.is_some_and(|record| record.ended.is_some()) && desired.agents.contains_key(name) {
        return None;
    }
    let seat = record.and_then(|record| record.instance.as_ref()).map(|instance| &instance.seat);
    let launch = record.and_then(|record| record.spec.as_ref()).or(desired.agents.get(name).map(|declared| &declared.spec));
    let place = launch.map(|spec| &spec.launch.place);
    look.gaps.iter().find_map(|gap| match gap {
        Gap::Server(socket, why) => match (seat, place) {
            (Some(Seat::Pane { socket: own, .. }), _) => (own == socket).then(|| why.clone()),
            (Some(Seat::Detached { .. } | Seat::Adrift { .. }), _) | (None, Some(Place::Daemon { .. })) => None,
            (None, Some(Place::Tmux { .. }) | None) => Some(why.clone()),
        },
        Gap::Agent(agent, why) => (agent == name).then(|| why.clone()),
        Gap::Processes(why) => match (seat, place) {
            (None, Some(Place::Daemon { .. }) | None) => Some(why.clone()),
            (Some(_), _) | (None, Some(Place::Tmux { .. })) => None,
        },
    })
}

/// What can be remembered of an instance that no record tells of: what its mark says, and when its end was first seen.
pub(super) fn rebuilt(name: &AgentName, sighting: &Sighting, now: Timestamp) -> Option<Record> {
    let (since, ended) = match &sighting.phase {
        Phase::Running { since, .. } => (*since, None),
        Phase::Exited(ended) => (ended.since, Some(ended.clone())),
        Phase::Absent | Phase::Leaving(_) | Phase::Unknown { .. } => return None,
    };
    let instance = sighting.instance.clone().filter(|instance| instance.mark.is_some())?;
    let (generation, mark, asked_at) = (sighting.generation, instance.mark.clone(), since.min(now));
    Some(Record { generation, mark, asked_at, ended, instance: Some(instance), ..Record::new(name.clone()) })
}

/// Takes into the record what the sighting shows; says whether that changed it.
pub(super) fn learn(record: &mut Record, sighting: &Sighting, events: &mut Vec<Event>, now: Timestamp) -> bool {
    let mut changed = false;
    let (agent, generation) = (record.agent.clone(), record.generation);
    events.extend(late(record, sighting, now));
    let of_the_end = match &sighting.phase {
        Phase::Exited(ended) if ended.is_crash(record.spec.as_ref().map(|spec| &spec.care.restart)) => Some(Word::FAILED),
        Phase::Exited(ended) => ended.outcome.map(Word::Ended),
        Phase::Absent | Phase::Running { .. } | Phase::Leaving(_) | Phase::Unknown { .. } => None,
    };
    let mut tell = |what, why: String| {
        let reason = of_the_end.filter(|_| what == What::Exited);
        events.push(Event { at: now, agent: Some(agent.clone()), generation: Some(generation), what, reason, why });
    };
    match &sighting.phase {
        Phase::Running { health, .. } => {
            if record.instance.is_none() && sighting.instance.is_some() {
                tell(What::Started, String::new());
            }
            if let (Health::Ready(at), None) = (health, record.ready_at) {
                tell(What::Ready, String::new());
                record.ready_at = Some(*at);
                changed = true;
            }
            changed |= dialogs::learn(record, sighting, &mut tell, now);
            changed |= learn_of_limits(record, &sighting.screen.activity, &mut tell, now);
            changed |= super::live::learn(record, sighting, &mut tell, now);
            changed |= learn_of_texts(record, &mut tell, now);
        }
        Phase::Exited(ended) if record.ended.is_none() => {
            tell(What::Exited, ended.story());
            if sighting.left != record.left && !sighting.left.is_empty() {
                tell(What::Left, left::named(&sighting.left));
            }
            sighting.complaints.iter().for_each(|complaint| tell(What::Failed, complaint.clone()));
            record.ended = Some(ended.clone());
            let begun = record.typing.as_ref().map(|typing| typing.id.clone());
            for posted in std::mem::take(&mut record.posted).iter().filter(|posted| Some(posted.message_id()) != begun) {
                tell(What::Undelivered, posted.refused("the agent ended before it took it"));
            }
            if let Some(typing) = record.typing.take() {
                let Typing { id, kind, .. } = *typing;
                // Who was asked to end and ended has heard it.
                let receipt = match kind {
                    MessageKind::Ask => Receipt::Confirmed,
                    MessageKind::Prompt | MessageKind::Sent | MessageKind::Handoff | MessageKind::Nudge => {
                        Receipt::Unconfirmed("the agent ended meanwhile".to_owned())
                    }
                };
                let what = if kind == MessageKind::Ask { What::Asked } else { What::Undelivered };
                tell(what, format!("{} {receipt}", kind.as_str()));
                let received = Received { id, kind, at: now, receipt, earlier: Vec::new() };
                record.received = Some(Box::new(received.after(record.received.as_deref())));
            }
            changed = true;
        }
        Phase::Absent | Phase::Leaving(_) | Phase::Exited(_) | Phase::Unknown { .. } => {}
    }
    if record.left != sighting.left {
        record.left.clone_from(&sighting.left);
        changed = true;
    }
    // What was seen of it beside a gap is not where it is.
    let is_known = !matches!(sighting.phase, Phase::Unknown { .. });
    if is_known && sighting.instance.is_some() && record.instance != sighting.instance {
        record.instance.clone_from(&sighting.instance);
        changed = true;
    }
    changed
}

/// The event that an agent was not ready in time: once, even if it counts as ready.
fn late(record: &Record, sighting: &Sighting, now: Timestamp) -> Option<Event> {
    let Phase::Running { health, .. } = &sighting.phase else { return None };
    let late = sighting.vitals.pulse.late.as_ref().filter(|_| record.live.late.is_none())?;
    let why = match health {
        Health::Ready(_) => format!("{late}; on_timeout = \"proceed\" counts it as ready"),
        Health::Starting | Health::Failing { .. } => late.clone(),
    };
    let (agent, generation) = (Some(record.agent.clone()), Some(record.generation));
    Some(Event { at: now, agent, generation, what: What::Overdue, reason: Some(Word::NOT_READY), why })
}

/// A text that nobody took for so long was meant for another day.
fn learn_of_texts(record: &mut Record, tell: &mut impl FnMut(What, String), now: Timestamp) -> bool {
    let begun = record.typing.as_ref().map(|typing| typing.id.clone());
    let is_over = |posted: &Posted| posted.is_over(now) && Some(posted.message_id()) != begun;
    let over: Vec<Posted> = record.posted.extract_if(.., |posted| is_over(posted)).collect();
    over.iter().for_each(|posted| tell(What::Undelivered, posted.refused(&format!("the agent did not take it for {STALE}"))));
    !over.is_empty()
}

/// A note that was read is waited for no more.
pub(super) fn learn_of_reading(record: &mut Record, sighting: &Sighting, events: &mut Vec<Event>, now: Timestamp) -> bool {
    let Some(Unread { id, answer: Some(Ok(())), .. }) = &sighting.unread else { return false };
    let agent = Some(record.agent.clone());
    events.push(Event {
        at: now,
        agent,
        generation: Some(record.generation),
        what: What::Acknowledged,
        reason: None,
        why: format!("note {id}"),
    });
    record.unread = None;
    true
}

/// When a limit was first seen tells which day the time on the screen means.
fn learn_of_limits(record: &mut Record, activity: &Activity, tell: &mut impl FnMut(What, String), now: Timestamp) -> bool {
    match (activity, record.limit_seen) {
        (Activity::Limit { until }, None) => {
            tell(What::Limit, until.map_or_else(|| "its end is not known".to_owned(), |until| format!("until {}", until.clock())));
            record.limit_seen = Some(now);
            true
        }
        (Activity::Limit { .. } | Activity::Unclear | Activity::Unwatched, _) | (_, None) => false,
        (_, Some(_)) => {
            record.limit_seen = None;
            true
        }
    }
}
