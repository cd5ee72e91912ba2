//! A clock that was set back: what is remembered from later than now counts as from now, once, or it would be waited for until then.
//!
//! Times that a person or a screen named stay as they are: they mean the clock on the wall.

use super::Record;
use crate::host::Life;
use crate::observed::Ended;
use crate::time::Timestamp;

/// Brings every time of a record that lies after `now` down to it; says whether there was one.
pub(super) fn bring_down(record: &mut Record, now: Timestamp) -> bool {
    let mut changed = false;
    let mut down = |time: &mut Timestamp| {
        if *time > now {
            *time = now;
            changed = true;
        }
    };
    down(&mut record.asked_at);
    record.ready_at.iter_mut().for_each(&mut down);
    record.limit_seen.iter_mut().for_each(&mut down);
    record.failures.recent.iter_mut().for_each(&mut down);
    record.posted.iter_mut().map(|posted| &mut posted.at).for_each(&mut down);
    record.answering.iter_mut().map(|answering| &mut answering.at).for_each(&mut down);
    record.typing.iter_mut().map(|typing| &mut typing.at).for_each(&mut down);
    record.received.iter_mut().map(|received| &mut received.at).for_each(&mut down);
    record.unsettled.iter_mut().map(|typing| &mut typing.at).for_each(&mut down);
    record.undelivered.iter_mut().map(|undelivered| &mut undelivered.at).for_each(&mut down);
    record.unread.iter_mut().map(|unread| &mut unread.since).for_each(&mut down);
    record.live.asked_at.iter_mut().chain(&mut record.live.thawed_at).for_each(&mut down);
    if let Some(leaving) = &mut record.leaving {
        down(&mut leaving.asked_at);
        down(&mut leaving.since);
    }
    if let Some(ended) = record.ended.as_mut().filter(|ended| ended.at > now) {
        (ended.since, ended.at) = moved(ended.since, ended.at, now);
        changed = true;
    }
    changed
}

/// What was found of a life, by a clock that says `now`. Where its times are later than that, they are those that are remembered.
pub(super) fn by_this_clock(life: &Life, record: Option<&Record>, now: Timestamp) -> Life {
    match life {
        // When it was asked for is remembered, and was brought down once: from there on, time goes on.
        Life::Alive { since } => Life::Alive { since: since.filter(|since| *since <= now) },
        Life::Ended { since, at, exit, clean } if *at > now => {
            let known: Option<&Ended> = record.and_then(|record| record.ended.as_ref());
            let end = known.map_or(now, |known| known.at);
            let since = since.map(|since| moved(since, *at, end).0);
            Life::Ended { since, at: end, exit: exit.clone(), clean: *clean }
        }
        Life::Ended { .. } | Life::Lost | Life::Unknown(_) => life.clone(),
    }
}

/// The begin and the end of a life, moved so that it ended then and was as long as before.
fn moved(since: Timestamp, at: Timestamp, end: Timestamp) -> (Timestamp, Timestamp) {
    let length = i64::try_from(at.since(since).as_millis()).unwrap_or(i64::MAX);
    (Timestamp::from_millis(end.as_millis().saturating_sub(length)), end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::{DrainOutcome, Exit, Failures, Leaving, Purpose, Step};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1000)
    }

    fn ended(since: Timestamp, at: Timestamp) -> Ended {
        Ended { at, since, was_ready: true, exit: Exit::Code(1), asked: None, outcome: None, excuse: None }
    }

    #[test]
    fn what_is_remembered_from_tomorrow_is_from_now_once() {
        let mut record = Record::new("a".parse().unwrap());
        record.asked_at = at(900);
        record.ready_at = Some(at(2000));
        record.leaving =
            Some(Leaving { step: Step::Kill, asked_at: at(2000), since: at(900), purpose: Purpose::Stop, if_killed: DrainOutcome::Killed });
        record.ended = Some(ended(at(1500), at(2000)));
        record.failures = Failures { recent: vec![at(800), at(2000)], ..Failures::default() };
        record.live.asked_at = Some(at(2000));
        let untouched = record.clone();
        assert!(!bring_down(&mut record, at(2000)));
        assert_eq!(record, untouched);

        assert!(bring_down(&mut record, at(1000)));
        assert_eq!((record.asked_at, record.ready_at, record.live.asked_at), (at(900), Some(at(1000)), Some(at(1000))));
        assert_eq!(record.leaving.as_ref().map(|leaving| (leaving.asked_at, leaving.since)), Some((at(1000), at(900))));
        assert_eq!(record.failures.recent, [at(800), at(1000)]);
        assert_eq!(record.ended, Some(ended(at(500), at(1000))), "it lived for as long as it did");
        assert!(!bring_down(&mut record, at(1001)));
    }

    #[test]
    fn what_is_found_from_tomorrow_does_not_stay_now() {
        let life = Life::Ended { since: Some(at(1500)), at: at(2000), exit: Exit::Code(1), clean: true };
        let first = Life::Ended { since: Some(at(500)), at: at(1000), exit: Exit::Code(1), clean: true };
        assert_eq!(by_this_clock(&life, None, at(1000)), first);
        let record = Record { ended: Some(ended(at(500), at(1000))), ..Record::new("a".parse().unwrap()) };
        assert_eq!(by_this_clock(&life, Some(&record), at(1060)), first, "its end is not put off by each look");
        assert_eq!(by_this_clock(&life, Some(&record), at(2000)), life);
        let alive = |since| Life::Alive { since };
        assert_eq!(by_this_clock(&alive(Some(at(1500))), None, at(1000)), alive(None));
        assert_eq!(by_this_clock(&alive(Some(at(900))), None, at(1000)), alive(Some(at(900))));
    }
}
