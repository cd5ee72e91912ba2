//! How many starts go to a server in one breath: while it starts panes it answers nobody, and people wait.

use std::time::Duration;

/// How long a server works before it looks after its other clients. One of them needs three or four looks to get an answer.
const BREATH: Duration = Duration::from_millis(20);

/// How long one client may take: between two of them a signal to stop is heard, and a server that became slow is noticed.
const CHUNK: Duration = Duration::from_millis(400);

/// The starts of the first chunk, when nothing is known: a server that holds gigabytes of history needs 120 ms for each.
const FIRST: usize = 25;

/// The starts of a breath when nothing is known: each took 2 to 4 ms where it was measured.
const FIRST_BREATH: usize = 5;

/// What one start takes, learnt from the last chunk; none before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::host) struct Pace(Option<Duration>);

impl Pace {
    /// How many starts the next client may ask for.
    pub(in crate::host) fn chunk(self) -> usize {
        self.fitting(CHUNK).unwrap_or(FIRST)
    }

    /// After how many of them the server is to look after others.
    pub(in crate::host) fn breath(self) -> usize {
        self.fitting(BREATH).unwrap_or(FIRST_BREATH)
    }

    fn fitting(self, time: Duration) -> Option<usize> {
        Some(((time.as_secs_f64() / self.0?.as_secs_f64()) as usize).max(1))
    }

    /// Learns from a chunk of `count` starts that took so long.
    pub(in crate::host) fn learn(&mut self, count: usize, took: Duration) {
        let each = (took / u32::try_from(count.max(1)).unwrap_or(u32::MAX)).max(Duration::from_micros(100));
        // In a short chunk the client itself is most of the time, and what starts are slowed by comes later.
        if count >= FIRST || self.0.is_none_or(|before| each > before) {
            self.0 = Some(each);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_server_gets_less_at_once_and_a_fast_one_more() {
        let mut pace = Pace::default();
        assert_eq!((pace.chunk(), pace.breath()), (25, 5));
        pace.learn(25, Duration::from_millis(50));
        assert_eq!((pace.chunk(), pace.breath()), (200, 10));
        pace.learn(25, Duration::from_secs(3));
        assert_eq!((pace.chunk(), pace.breath()), (3, 1));
        pace.learn(3, Duration::from_millis(3));
        assert_eq!((pace.chunk(), pace.breath()), (3, 1), "few say little");
        pace.learn(3, Duration::from_secs(3));
        assert_eq!((pace.chunk(), pace.breath()), (1, 1));
    }
}
