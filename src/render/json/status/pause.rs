//! What people want to be left alone, for programs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::observed::Halt;
use crate::time::Timestamp;

/// That something is to be left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PauseEntry {
    /// Since when.
    pub since: Timestamp,
    /// Until when; null if until it is resumed.
    pub until: Option<Timestamp>,
    /// Why; null if no reason was given.
    pub why: Option<String>,
}

/// That a whole fleet is to be left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HaltEntry {
    /// Since when.
    pub since: Timestamp,
    /// Why; null if no reason was given.
    pub why: Option<String>,
    /// Whether its processes are stopped where they are.
    pub frozen: bool,
}

impl HaltEntry {
    pub(in crate::render::json) fn of(halt: &Halt) -> Self {
        let Halt { since, why, frozen, doubt } = halt;
        Self { since: *since, why: doubt.clone().or_else(|| why.clone()), frozen: *frozen }
    }
}
