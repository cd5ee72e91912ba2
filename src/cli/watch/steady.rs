//! Whether the clock was set back: what is waited for by the clock would come later by as much.

use std::time::Instant;

use crate::time::{Duration, Timestamp};

/// How far a clock may fall behind between two readings.
const SLACK: Duration = Duration::from_secs(2);

/// A clock beside one that no one sets.
#[derive(Debug)]
pub(super) struct Steady {
    clock: Timestamp,
    steady: Instant,
}

impl Steady {
    /// From now on.
    pub(super) fn new(clock: Timestamp) -> Self {
        Self { clock, steady: Instant::now() }
    }

    /// Whether the clock, which says `now`, was set back since the last reading.
    pub(super) fn is_set_back(&mut self, now: Timestamp) -> bool {
        self.is_set_back_at(now, Instant::now())
    }

    fn is_set_back_at(&mut self, now: Timestamp, steady: Instant) -> bool {
        let passed = u64::try_from(steady.saturating_duration_since(self.steady).as_millis()).unwrap_or(u64::MAX);
        let should_be = self.clock + Duration::from_millis(passed);
        (self.clock, self.steady) = (now, steady);
        should_be.since(now) > SLACK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_is_seen_once_and_one_that_is_slow_or_set_ahead_is_not() {
        let at = |second: i64| Timestamp::from_millis(second * 1000);
        let mut steady = Steady::new(at(100_000));
        let begun = steady.steady;
        let mut look = |clock, passed| steady.is_set_back_at(at(clock), begun + std::time::Duration::from_secs(passed));
        assert!(!look(100_010, 10));
        assert!(!look(100_019, 20), "it is slow");
        assert!(look(13_620, 21), "by a day");
        assert!(!look(13_621, 22));
        assert!(!look(200_000, 23), "it is set ahead");
        assert!(look(199_990, 24), "by seconds");
    }
}
