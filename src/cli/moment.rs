//! A time as people name it.

use std::str::FromStr;

use crate::time::{Duration, Timestamp};

/// A time: how far from now, or when.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moment {
    /// So far from now.
    Away(Duration),
    /// Then.
    At(Timestamp),
}

impl FromStr for Moment {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(length) = text.parse() {
            return Ok(Self::Away(length));
        }
        text.parse().map(Self::At).map_err(|why: String| format!("{why}, or a length of time like \"10m\""))
    }
}

impl Moment {
    /// The time that is meant, where a length is one of the past.
    pub(super) fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Away(length) => {
                Timestamp::from_millis(now.as_millis().saturating_sub(i64::try_from(length.as_millis()).unwrap_or(i64::MAX)))
            }
        }
    }

    /// The time that is meant, where a length is one to come.
    pub(super) fn after(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Away(length) => now + length,
        }
    }
}
