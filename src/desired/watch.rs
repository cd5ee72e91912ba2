//! What a watcher does by itself, and who hears about what.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::time::Duration;

/// How a watcher goes about its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watching {
    /// How far it goes without being asked.
    pub auto: Auto,
    /// After so much time without news it looks all the same.
    pub resync: Duration,
}

impl Default for Watching {
    fn default() -> Self {
        Self { auto: Auto::Safe, resync: Duration::from_secs(30) }
    }
}

/// How far a watcher goes without being asked. Each level does what the ones before it do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Auto {
    /// Starts what should run, starts again what ended, delivers.
    Heal,
    /// And changes in place, and replaces what rests and to which nobody is attached.
    Safe,
    /// And stops what left the manifest.
    All,
}

impl Auto {
    /// As the manifest writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Heal => "heal",
            Self::Safe => "safe",
            Self::All => "all",
        }
    }
}

/// Who hears about what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// About what.
    pub on: BTreeSet<Occasion>,
    /// How.
    pub to: Channel,
}

/// How somebody hears about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// A program gets it on its standard input, in this folder.
    Command {
        /// The program and its arguments.
        argv: Vec<String>,
        /// Where it runs.
        cwd: PathBuf,
    },
    /// A line is appended to this file.
    File(PathBuf),
}

/// What is worth telling somebody. Each is a change: what stays as it is, is told once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// An agent needs a person.
    Blocked,
    /// An agent failed too often and is not started again. Was `gave_up` before.
    #[serde(alias = "gave_up")]
    FailedRepeatedly,
    /// A change is held.
    Held,
    /// A change has been held for longer than `hold_max`.
    HeldOverdue,
    /// An agent ended by itself, and not with success.
    Crash,
    /// Several agents ended at about the same time.
    MassDeath,
    /// The usage of an agent is used up.
    Limit,
    /// A screen stays as it is for longer than usual.
    Unchanged,
    /// Another program took the output of a pane, and its log ended.
    LogTaken,
    /// A note or text could not be delivered.
    Undelivered,
    /// An agent was not ready in time, also where `on_timeout = "proceed"` counts it as ready.
    NotReady,
    /// An agent got ready.
    Ready,
    /// The manifest has changed, is not valid, or is valid again; while it is not, what was declared before is in force.
    Manifest,
}

impl Occasion {
    /// Every one.
    pub const ALL: [Self; 13] = [
        Self::Blocked,
        Self::FailedRepeatedly,
        Self::Held,
        Self::HeldOverdue,
        Self::Crash,
        Self::MassDeath,
        Self::Limit,
        Self::Unchanged,
        Self::LogTaken,
        Self::Undelivered,
        Self::NotReady,
        Self::Ready,
        Self::Manifest,
    ];
}
