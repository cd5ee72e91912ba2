//! The counters by which pauses get longer and an agent is given up.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// How often an agent failed. Cleared by health only, never by a mere start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// Failures in a row without a healthy life between them: the exponent of the backoff.
    pub streak: u32,
    /// When the failures were that count for giving up, oldest first.
    pub recent: Vec<Timestamp>,
    /// All restarts after failures so far.
    pub restarts: u32,
}
