//! Notes that wait for an agent.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A note that is not delivered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Its name for ever; none if nobody took it yet.
    pub id: Option<String>,
    /// Where it is.
    pub source: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Why it cannot be delivered, if it cannot.
    pub unusable: Option<String>,
    /// When it was written last, where the one who writes it may not have finished.
    pub written_at: Option<Timestamp>,
    /// It is older than a note may be, and becomes a dead letter.
    pub expired: bool,
}

/// A note whose delivery failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undelivered {
    /// Where it is.
    pub source: PathBuf,
    /// When it was tried last.
    pub at: Timestamp,
    /// Why it failed.
    pub why: String,
}

/// A note that was delivered and of which the agent has not said that it read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Its name.
    pub id: String,
    /// When it was delivered.
    pub since: Timestamp,
    /// What the probe said last; none if it was not asked.
    #[serde(skip)]
    pub answer: Option<Result<(), String>>,
}
