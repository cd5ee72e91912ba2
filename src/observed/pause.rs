//! What people want to be left alone.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// An agent that is to be left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// Until when; without it, until it is resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Pause {
    /// Whether it is still in force.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// A whole fleet that is to be left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// Since when.
    pub since: Timestamp,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Whether its processes are stopped until it is resumed.
    #[serde(default)]
    pub frozen: bool,
    /// Why it is not known whether there is a halt, if it is not: then this counts as one, and keeps nothing from ending that is asked to by name.
    #[serde(skip)]
    pub doubt: Option<String>,
}
