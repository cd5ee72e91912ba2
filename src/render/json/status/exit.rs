//! How a life ended, for programs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::observed::{DrainOutcome, Exit, Phase};
use crate::time::Timestamp;

/// How a life ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExitStatus {
    /// The exit code; null if it did not exit by itself, or its end was not seen.
    pub code: Option<i32>,
    /// The signal that ended it; null if none did, or its end was not seen.
    pub signal: Option<i32>,
    /// When.
    pub at: Timestamp,
    /// Whether it was asked for.
    pub asked: bool,
    /// What came of asking for it; null if it was not asked for, or that is not known.
    pub outcome: Option<DrainOutcome>,
    /// The same in words.
    pub how: String,
}

/// How the last life ended; none while it lives.
pub(super) fn exit(phase: &Phase) -> Option<ExitStatus> {
    let Phase::Exited(ended) = phase else { return None };
    let (code, signal) = match &ended.exit {
        Exit::Code(code) => (Some(*code), None),
        Exit::Signal(signal) => (None, Some(*signal)),
        Exit::Backgrounded(_) => (Some(0), None),
        Exit::Failed(_) | Exit::Unseen => (None, None),
    };
    Some(ExitStatus { code, signal, at: ended.at, asked: ended.asked.is_some(), outcome: ended.outcome, how: ended.exit.to_string() })
}
