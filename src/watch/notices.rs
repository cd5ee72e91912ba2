//! Notices of what has happened. Each change is sent once, in the order of the journal; what several agents have for one reason is
//! told as one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Event;
use crate::desired::{AgentName, Desired, Notice, Occasion};
use crate::event::{Entry, What, Word};
use crate::host::Host;
use crate::observe::Seen;
use crate::plan::MANY;
use crate::time::{Duration, Timestamp};

/// What several agents may have for one reason is sent after this time: by then the number of agents is known.
const TOGETHER: Duration = Duration::from_secs(1);

/// How many agents a notice about several names.
const NAMED: usize = 3;

/// What is to be told, oldest first.
#[derive(Debug, Default)]
pub(super) struct Notices {
    pending: Vec<Pending>,
}

#[derive(Debug)]
struct Pending {
    due: Timestamp,
    /// Its place in the journal; 0 if it has none.
    number: u64,
    on: Occasion,
    event: Event,
}

/// One notice: an event, or those of several agents for one reason.
#[derive(Debug, PartialEq)]
pub(super) struct Told {
    on: Occasion,
    events: Vec<Event>,
}

/// Who of those whose end is news crashed.
pub(super) fn crashed(news: &[Event], desired: &Desired, seen: &Seen) -> BTreeSet<AgentName> {
    let crashed = |agent: &&AgentName| {
        let record = seen.records.get(*agent);
        let care = desired.agents.get(*agent).map(|declared| &declared.spec.care);
        let care = care.or(record.and_then(|record| record.spec.as_ref()).map(|spec| &spec.care));
        let ended = record.and_then(|record| record.ended.as_ref());
        ended.is_some_and(|ended| ended.is_crash(care.map(|care| &care.restart)))
    };
    news.iter().filter(|event| event.what == What::Exited).filter_map(|event| event.agent.as_ref()).filter(crashed).cloned().collect()
}

impl Notices {
    /// Takes note of what somebody wants to hear of. Where ends are some of `many`, they are told as one.
    pub(super) fn hear(&mut self, entries: &[Entry], crashed: &BTreeSet<AgentName>, many: bool, desired: &Desired, now: Timestamp) {
        for Entry { number, event } in entries {
            let crash = event.agent.as_ref().is_some_and(|agent| crashed.contains(agent));
            let Some(on) = occasion(event.what, crash) else { continue };
            if desired.notify.iter().any(|notice| hears(notice, on)) {
                let due = if waits_for_others(on) { now + TOGETHER } else { now };
                self.pending.push(Pending { due, number: *number, on, event: event.clone() });
            }
        }
        if many {
            self.pending.retain(|pending| pending.on != Occasion::Crash);
        }
    }

    /// When the next one is to be told.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.pending.first().map(|pending| pending.due)
    }

    /// The first entry of the journal that is still to be told, of those that have a place there.
    pub(super) fn first(&self) -> Option<u64> {
        self.pending.iter().map(|pending| pending.number).filter(|number| *number > 0).min()
    }

    /// Tells what was due.
    pub(super) fn send(due: Vec<Told>, desired: &Desired, host: &mut dyn Host) {
        for told in due {
            let text = text(desired, &told);
            for Notice { to, .. } in desired.notify.iter().filter(|notice| hears(notice, told.on)) {
                host.notify(to, &text);
            }
        }
    }

    /// What is due, in the order in which it happened.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<Told> {
        // What is due later than ever was meant was written down before the clock was set back.
        let is_due = |pending: &&Pending| pending.due <= now || pending.due > now + TOGETHER;
        let count = self.pending.iter().take_while(is_due).count();
        gather(self.pending.drain(..count))
    }
}

/// Puts together what several agents have for one reason, in the place of the first.
fn gather(due: impl Iterator<Item = Pending>) -> Vec<Told> {
    let due: Vec<Pending> = due.collect();
    let key = |pending: &Pending| (pending.on, pending.event.reason);
    let mut counts: BTreeMap<(Occasion, Option<Word>), usize> = BTreeMap::new();
    for pending in due.iter().filter(|pending| is_gathered(pending.on)) {
        *counts.entry(key(pending)).or_default() += 1;
    }
    let mut told: Vec<Told> = Vec::new();
    let mut places: BTreeMap<(Occasion, Option<Word>), usize> = BTreeMap::new();
    for pending in due {
        let key = key(&pending);
        let is_many = counts.get(&key).is_some_and(|count| *count >= MANY);
        if let (true, Some(place)) = (is_many, places.get(&key)) {
            told[*place].events.push(pending.event);
            continue;
        }
        places.insert(key, told.len());
        told.push(Told { on: pending.on, events: vec![pending.event] });
    }
    told
}

/// Whether a listener gets a notice. A mass death is a notice about crashes too.
fn hears(notice: &Notice, on: Occasion) -> bool {
    notice.on.contains(&on) || on == Occasion::MassDeath && notice.on.contains(&Occasion::Crash)
}

/// Whether several agents that have it at about the same time have it for one reason: one server, one guard, one account.
fn is_gathered(on: Occasion) -> bool {
    match on {
        Occasion::Blocked | Occasion::FailedRepeatedly | Occasion::Held | Occasion::HeldOverdue | Occasion::Limit | Occasion::NotReady => {
            true
        }
        // Crashes are counted as they come: see `deaths`.
        Occasion::Crash
        | Occasion::MassDeath
        | Occasion::Unchanged
        | Occasion::LogTaken
        | Occasion::Undelivered
        | Occasion::Ready
        | Occasion::Manifest => false,
    }
}

/// Whether it waits until the number of agents is known.
fn waits_for_others(on: Occasion) -> bool {
    on == Occasion::Crash || is_gathered(on)
}

/// A notice as one line of JSON.
fn text(desired: &Desired, told: &Told) -> String {
    let Told { on, events } = told;
    let Some(Event { at, agent, generation, what, reason, why }) = events.first() else { return String::new() };
    let mut document = json!({
        "format_version": "1.0",
        "fleet": desired.fleet,
        "on": on,
        "at": at,
        "agent": agent,
        "generation": generation,
        "what": what,
        "reason": reason,
        "why": why,
    });
    if let (true, Some(fields)) = (events.len() > 1, document.as_object_mut()) {
        let one = |event: &Event| json!({ "agent": event.agent, "generation": event.generation, "why": event.why });
        let names: Vec<&str> = events.iter().filter_map(|event| event.agent.as_ref()).map(AgentName::as_str).collect();
        let more = names.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let all = format!("{} agents: {}{more}: {why}", events.len(), names[..names.len().min(NAMED)].join(", "));
        fields.insert("agent".to_owned(), Value::Null);
        fields.insert("generation".to_owned(), Value::Null);
        fields.insert("agents".to_owned(), events.iter().map(one).collect());
        fields.insert("why".to_owned(), all.into());
    }
    document.to_string()
}

fn occasion(what: What, crash: bool) -> Option<Occasion> {
    Some(match what {
        What::Exited if crash => Occasion::Crash,
        What::MassDeath => Occasion::MassDeath,
        What::Limit => Occasion::Limit,
        What::Unchanged => Occasion::Unchanged,
        What::LogTaken => Occasion::LogTaken,
        What::Held => Occasion::Held,
        What::HeldOverdue => Occasion::HeldOverdue,
        What::Blocked => Occasion::Blocked,
        What::FailedRepeatedly => Occasion::FailedRepeatedly,
        What::Undelivered | What::DeadLetter => Occasion::Undelivered,
        What::Overdue => Occasion::NotReady,
        What::Ready => Occasion::Ready,
        What::Manifest => Occasion::Manifest,
        What::Began
        | What::Planned
        | What::Spawn
        | What::Drain
        | What::Stay
        | What::Kill
        | What::Sweep
        | What::Amend
        | What::Rename
        | What::Adopt
        | What::Forget
        | What::Started
        | What::Answer
        | What::Answered
        | What::Type
        | What::Submit
        | What::Receipt
        | What::Asked
        | What::Claimed
        | What::Delivered
        | What::Acknowledged
        | What::Exited
        | What::Left
        | What::Requested
        | What::Ignored
        | What::Failed
        | What::Done => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::NoticeChannel;
    use crate::plan::{HoldReason, Reason};

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn desired(on: &[Occasion]) -> Desired {
        let notice = Notice { on: on.iter().copied().collect(), to: NoticeChannel::File("/told".into()) };
        Desired { notify: vec![notice], ..Desired::nothing("f".parse().unwrap()) }
    }

    fn event(agent: &str, what: What, reason: Option<Word>) -> Event {
        Event { at: at(0), agent: agent.parse().ok(), generation: None, what, reason, why: format!("{agent}'s") }
    }

    fn entries(events: impl IntoIterator<Item = Event>) -> Vec<Entry> {
        events.into_iter().map(|event| Entry { number: 0, event }).collect()
    }

    /// What is sent after this many milliseconds: the occasions, and the agents.
    fn told(notices: &mut Notices, millis: i64) -> Vec<(Occasion, String)> {
        let name = |event: &Event| event.agent.as_ref().map(ToString::to_string);
        let names = |told: &Told| told.events.iter().filter_map(name).collect::<Vec<_>>().join(" ");
        notices.take_due(at(millis)).iter().map(|told| (told.on, names(told))).collect()
    }

    #[test]
    fn what_happened_before_is_told_before() {
        let desired = desired(&[Occasion::Crash, Occasion::FailedRepeatedly, Occasion::Manifest]);
        let mut notices = Notices::default();
        let crashed = BTreeSet::from(["a".parse().unwrap()]);
        notices.hear(&entries([event("a", What::Exited, None)]), &crashed, false, &desired, at(0));
        let last = event("a", What::FailedRepeatedly, Some(Word::Blocked(Reason::FailedRepeatedly)));
        notices.hear(&entries([last, event("", What::Manifest, None)]), &BTreeSet::new(), false, &desired, at(10));
        assert_eq!(told(&mut notices, 999), []);
        assert_eq!(notices.due(), Some(at(1000)));
        let a = || "a".to_owned();
        assert_eq!(told(&mut notices, 1000), [(Occasion::Crash, a())]);
        assert_eq!(told(&mut notices, 1010), [(Occasion::FailedRepeatedly, a()), (Occasion::Manifest, String::new())]);
    }

    #[test]
    fn what_many_agents_have_for_one_reason_is_told_as_one() {
        let desired = desired(&[Occasion::Held, Occasion::Blocked]);
        let mut notices = Notices::default();
        let names: Vec<String> = (0..48).map(|number| format!("a{number}")).collect();
        let unknown: Vec<Event> = names.iter().map(|name| event(name, What::Blocked, Some(Word::Blocked(Reason::Unknown)))).collect();
        let held = |name, reason| event(name, What::Held, Some(Word::Held(reason)));
        notices.hear(&entries([held("x", HoldReason::Busy)]), &BTreeSet::new(), false, &desired, at(0));
        notices.hear(&entries(unknown), &BTreeSet::new(), false, &desired, at(0));
        notices.hear(&entries([held("y", HoldReason::Busy), held("z", HoldReason::Draft)]), &BTreeSet::new(), false, &desired, at(0));
        let told = notices.take_due(at(1000));
        assert_eq!(told.iter().map(|told| told.events.len()).collect::<Vec<_>>(), [1, 48, 1, 1]);
        let text: Value = serde_json::from_str(&text(&desired, &told[1])).unwrap();
        assert_eq!((&text["on"], &text["agent"], &text["reason"]), (&json!("blocked"), &Value::Null, &json!("unknown")));
        assert_eq!(text["why"], "48 agents: a0, a1, a2 and 45 more: a0's");
        assert_eq!((text["agents"].as_array().unwrap().len(), &text["agents"][47]["why"]), (48, &json!("a47's")));
    }

    #[test]
    fn who_listens_for_crashes_hears_of_many_at_once() {
        let desired = desired(&[Occasion::Crash]);
        let mut notices = Notices::default();
        let crashed: BTreeSet<AgentName> = ["a", "b", "c"].iter().map(|name| name.parse().unwrap()).collect();
        let ends: Vec<Event> = ["a", "b", "c"].iter().map(|name| event(name, What::Exited, None)).collect();
        notices.hear(&entries([ends, vec![event("", What::MassDeath, None)]].concat()), &crashed, true, &desired, at(0));
        assert_eq!(told(&mut notices, 0), [(Occasion::MassDeath, String::new())]);
        assert_eq!(notices.due(), None);
    }

    #[test]
    fn a_clock_that_was_set_back_delays_nothing() {
        let desired = desired(&[Occasion::Held]);
        let mut notices = Notices::default();
        let day = 24 * 60 * 60 * 1000;
        notices.hear(&entries([event("a", What::Held, None)]), &BTreeSet::new(), false, &desired, at(day));
        assert_eq!(told(&mut notices, 0).len(), 1);
    }
}
