//! What came of asking an agent to end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What came of asking an agent to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DrainOutcome {
    /// It ended by itself after a drain step.
    Graceful,
    /// It acknowledged a drain step, did not end, and was killed.
    Acknowledged,
    /// It gave no answer to any drain step in time, and was killed.
    TimedOut,
    /// It was killed without being asked.
    #[default]
    Killed,
}

impl DrainOutcome {
    /// Each of them.
    pub const ALL: &[Self] = &[Self::Graceful, Self::Acknowledged, Self::TimedOut, Self::Killed];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Graceful => "graceful",
            Self::Acknowledged => "acknowledged",
            Self::TimedOut => "timed_out",
            Self::Killed => "killed",
        }
    }
}
