//! How an agent fared, from the lives that it had.

use std::collections::BTreeMap;

use crate::desired::AgentName;
use crate::host::sim::LifeSpan;
use crate::observed::Exit;
use crate::time::{Duration, Timestamp};

/// How an agent fared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fate {
    /// Its lives.
    pub starts: u32,
    /// Those of them that ended.
    pub ends: u32,
    /// Those of them that hung.
    pub hangs: u32,
    /// How long nothing of it ran that does its work, after its first start; all the time if there was none.
    pub down: Duration,
    /// The longest time of that without a break.
    pub worst: Option<Outage>,
    /// When it had failed too often to be started again, if it did.
    pub failed_after: Option<Duration>,
    /// Since when it hung at the end, if it did: nobody had noticed.
    pub unnoticed_since: Option<Duration>,
    /// How long it stood still, by what for.
    pub waits: BTreeMap<&'static str, Duration>,
}

/// A time in which nothing of an agent ran that does its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When it began, after the beginning.
    pub after: Duration,
    /// How long it was.
    pub length: Duration,
}

/// How this agent fared, but for what it waited for.
pub(super) fn fate(agent: &AgentName, lives: &[LifeSpan], start: Timestamp, end: Timestamp) -> Fate {
    let mut own: Vec<&LifeSpan> = lives.iter().filter(|life| life.mark.agent == *agent).collect();
    own.sort_by_key(|life| life.since);
    let mut fate = Fate { starts: u32::try_from(own.len()).unwrap_or(u32::MAX), ..Fate::default() };
    // Until when something has run that does its work.
    let mut well_until = own.first().map_or(start, |life| life.since);
    // One that ended with success has done what it is for.
    let is_done = own.last().is_some_and(|life| matches!(life.ended, Some((_, Exit::Code(0)))));
    for life in own {
        fate.outage(well_until, life.since.min(end), start);
        let ended = life.ended.as_ref().map(|(at, _)| *at);
        fate.ends += u32::from(ended.is_some());
        fate.hangs += u32::from(life.hung.is_some());
        if ended.is_none() {
            fate.unnoticed_since = life.hung.map(|at| at.since(start));
        }
        let well = [ended, life.hung].into_iter().flatten().fold(end, Timestamp::min);
        well_until = well_until.max(well.max(life.since));
    }
    if !is_done {
        fate.outage(well_until, end, start);
    }
    fate
}

impl Fate {
    fn outage(&mut self, from: Timestamp, to: Timestamp, start: Timestamp) {
        let outage = Outage { after: from.since(start), length: to.since(from) };
        if from < to && outage.length > Duration::ZERO {
            self.down = self.down + outage.length;
            if self.worst.is_none_or(|worst| worst.length < outage.length) {
                self.worst = Some(outage);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::sim::Viewer;

    fn life(generation: u64, since: i64, ended: Option<i64>, hung: Option<i64>) -> LifeSpan {
        LifeSpan {
            mark: format!("v1/f/a/{generation}/{}/{}", "0".repeat(32), "0".repeat(16)).parse().unwrap(),
            since: at(since),
            ended: ended.map(|at_| (at(at_), Exit::Code(1))),
            hung: hung.map(at),
            home: Viewer::default(),
            orphaned: None,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1000)
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn what_is_down_is_what_lies_between_lives_that_work() {
        let name: AgentName = "a".parse().unwrap();
        let lives = [life(1, 2, Some(10), None), life(2, 11, Some(40), Some(20)), life(3, 41, None, Some(90))];
        let fate = fate(&name, &lives, at(0), at(100));
        let expected = Fate {
            starts: 3,
            ends: 2,
            hangs: 2,
            down: seconds(1 + 21 + 10),
            worst: Some(Outage { after: seconds(20), length: seconds(21) }),
            unnoticed_since: Some(seconds(90)),
            ..Fate::default()
        };
        assert_eq!(fate, expected);
    }

    #[test]
    fn one_that_has_done_its_work_is_not_down() {
        let done = LifeSpan { ended: Some((at(10), Exit::Code(0))), ..life(1, 0, None, None) };
        assert_eq!(fate(&"a".parse().unwrap(), &[done], at(0), at(100)).down, Duration::ZERO);
    }

    #[test]
    fn one_that_never_ran_was_down_all_the_time() {
        let fate = fate(&"a".parse().unwrap(), &[], at(0), at(100));
        assert_eq!((fate.starts, fate.down), (0, seconds(100)));
    }
}
