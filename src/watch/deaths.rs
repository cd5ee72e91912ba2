//! Several ends at about the same time have one reason, and are told of as one.

use std::collections::{BTreeMap, BTreeSet};

use super::of_fleet;
use crate::desired::AgentName;
use crate::event::{Event, What};
use crate::observe::Seen;
use crate::plan::{AT_ONCE, MANY};
use crate::time::Timestamp;

/// Who ended by himself not long ago.
#[derive(Debug, Default)]
pub(super) struct Deaths {
    recent: BTreeMap<AgentName, Timestamp>,
    /// Who is a part of what was told.
    told: BTreeSet<AgentName>,
}

impl Deaths {
    /// Takes note of ends, and says so if they have become many.
    pub(super) fn count(&mut self, news: &[Event], seen: &Seen, now: Timestamp) -> Vec<Event> {
        let unasked = |agent: &&AgentName| {
            let ended = seen.records.get(*agent).and_then(|record| record.ended.as_ref());
            ended.is_some_and(|ended| ended.asked.is_none() && ended.excuse.is_none())
        };
        let ended = news.iter().filter(|event| event.what == What::Exited).filter_map(|event| event.agent.as_ref()).filter(unasked);
        // One from later than now is from before the clock was set back.
        self.recent.values_mut().for_each(|at| *at = now.min(*at));
        let before = self.recent.len();
        self.recent.extend(ended.map(|agent| (agent.clone(), now)));
        let grown = self.recent.len() > before;
        self.recent.retain(|_, at| now.since(*at) < AT_ONCE);
        if self.recent.len() < MANY {
            self.told.clear();
            return Vec::new();
        }
        let new = self.recent.keys().filter(|agent| !self.told.contains(*agent)).count();
        if !grown || !self.told.is_empty() && new < self.told.len() {
            return Vec::new();
        }
        self.told = self.recent.keys().cloned().collect();
        let names: Vec<&str> = self.told.iter().take(3).map(AgentName::as_str).collect();
        let more = match self.told.len() - names.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let why = format!("{} agents ended within {AT_ONCE}: {}{more}; they are started again in waves", self.told.len(), names.join(", "));
        vec![of_fleet(now, What::MassDeath, why)]
    }

    /// Whether ends are some of many at this time.
    pub(super) fn are_many(&self) -> bool {
        !self.told.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::{Ended, Exit, Observed};
    use crate::state::Record;
    use crate::time::Duration;

    fn seen(names: &[&str]) -> Seen {
        let at = Timestamp::default();
        let observed = Observed::nothing("f".parse().unwrap(), at);
        let ended = Ended { at, since: at, was_ready: true, exit: Exit::Code(1), asked: None, outcome: None, excuse: None };
        let record = |name: &&str| {
            let agent: AgentName = name.parse().unwrap();
            (agent.clone(), Record { ended: Some(ended.clone()), ..Record::new(agent) })
        };
        Seen {
            observed,
            records: names.iter().map(record).collect(),
            unreadable: BTreeMap::new(),
            learned: BTreeSet::new(),
            events: Vec::new(),
            messages: BTreeMap::new(),
            about: None,
            undone: BTreeMap::new(),
        }
    }

    #[test]
    fn three_within_half_a_minute_are_one_event_and_the_same_one_three_times_is_none() {
        let mut deaths = Deaths::default();
        let mut count = |names: &[&str], second: i64| {
            let now = Timestamp::from_millis(second * 1000);
            let event = |name: &&str| Event { agent: Some(name.parse().unwrap()), ..of_fleet(now, What::Exited, String::new()) };
            let events: Vec<Event> = names.iter().map(event).collect();
            let told = deaths.count(&events, &seen(names), now);
            (told.iter().map(|event| event.why.clone()).collect::<Vec<_>>().join("|"), deaths.are_many())
        };
        assert_eq!(count(&["a"], 0), (String::new(), false));
        assert_eq!(count(&["a"], 5), (String::new(), false));
        assert_eq!(count(&["a", "b"], 10), (String::new(), false));
        assert_eq!(count(&["c"], 39).0, "3 agents ended within 30s: a, b, c; they are started again in waves");
        assert_eq!(count(&["a"], 39), (String::new(), true));
        assert_eq!(count(&["d"], 39).0, "");
        assert_eq!(count(&["e", "f", "g"], 39).0, "7 agents ended within 30s: a, b, c and 4 more; they are started again in waves");
        let later = Timestamp::from_millis(0) + Duration::from_secs(120);
        assert_eq!(count(&["h"], later.as_millis() / 1000), (String::new(), false));
        // The clock is set back.
        assert_eq!(count(&["i"], -90_000), (String::new(), false));
        assert_eq!(count(&["j"], -89_000), (String::new(), false));
    }
}
