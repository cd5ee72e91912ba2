//! How alive a running agent shows itself to be, and what is wrong with one that must be replaced for it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::desired::Bytes;
use crate::time::{Duration, Timestamp};

/// What one look shows of that, beside its terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// What its earlier answers come to.
    pub pulse: Pulse,
    /// Since when its heart is silent: its last beat, or the spawn if there was none. None: not looked at, or it cannot be told.
    pub silent_since: Option<Timestamp>,
    /// Resident memory in bytes of its program and all descendants. None: not looked at, or it cannot be told.
    pub memory: Option<u64>,
    /// Since when its screen is the same, where that is for longer than its care finds usual.
    pub unchanged_since: Option<Timestamp>,
    /// Whether one that has ended by itself may be started again. None: not asked.
    pub consent: Option<Consent>,
}

/// What is remembered of how alive one life showed itself to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pulse {
    /// When its `live` probe was asked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
    /// How many times in a row that was answered with no. An answer that could not be had counts neither way.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub noes: u32,
    /// What the last no said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub said: String,
    /// Whether it was told that another program has the output of its pane.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub log_taken: bool,
    /// Why the last question had no answer; empty if it had one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unheard: String,
    /// Whether this life gave a sign of life: a yes, or a beat of its heart.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub proven: bool,
    /// The silence, by its begin, for which it was nudged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nudged_for: Option<Timestamp>,
    /// The last change of the screen of which it was told that none followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_of: Option<Timestamp>,
    /// What was waited for in vain when its time to get ready was over. It stays where `on_timeout = "proceed"` counts it as ready all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<String>,
    /// When it was last set going again, after all its processes had been stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thawed_at: Option<Timestamp>,
    /// For what it was asked to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

impl Pulse {
    /// Whether it tells nothing.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// It was stopped until now: no answer and no silence before counts any more.
    pub fn thaw(&mut self, now: Timestamp) {
        (self.asked_at, self.noes, self.thawed_at) = (None, 0, Some(now));
        self.said.clear();
    }

    /// Since when silence counts that began then.
    pub fn awake_since(&self, since: Timestamp) -> Timestamp {
        self.thawed_at.map_or(since, |thawed| thawed.max(since))
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What is wrong with an instance that gives way to another for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// It shows no sign of life: what was looked for in vain.
    NotAlive(String),
    /// It uses more memory than it may, in bytes.
    Memory {
        /// What it uses.
        used: u64,
        /// What it may.
        limit: u64,
    },
    /// It has run for as long as it may.
    Runtime {
        /// How long it has run.
        ran: Duration,
        /// How long it may.
        limit: Duration,
    },
}

impl Fault {
    /// Whether that is a failure of the instance, and not only its time that is over.
    pub fn is_failure(&self) -> bool {
        match self {
            Self::NotAlive(_) | Self::Memory { .. } => true,
            Self::Runtime { .. } => false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAlive(why) => write!(f, "it is not alive: {why}"),
            Self::Memory { used, limit } => write!(f, "it uses {}, and limits.memory is {}", Bytes(*used), Bytes(*limit)),
            Self::Runtime { ran, limit } => write!(f, "it has run for {}, and limits.runtime is {limit}", ran.rough()),
        }
    }
}

/// The answer of `restart.only_if`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consent {
    /// It is started again.
    Yes,
    /// It is not: why.
    No(String),
    /// It could not be asked: why.
    Unknown(String),
    /// It was asked and has not answered yet.
    Pending,
}
