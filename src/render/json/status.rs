//! `status --json`.

use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::super::{LostWatcher, Watcher};
use super::condition::ConditionEntry;
use super::plan::WaitEntry;
use super::words::Runtime;
use crate::desired::Wish;
use crate::plan::{HoldReason, Reason, WaitingFor};
use crate::time::Timestamp;

mod doing;
mod exit;
mod fill;
mod pause;

pub(super) use fill::state;
pub use fill::status_document;
pub(super) use pause::{HaltEntry, PauseEntry};

pub use doing::Doing;
pub use exit::ExitStatus;

/// How a fleet does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatusDocument {
    /// The version of this form.
    pub format_version: String,
    /// The fleet's name.
    pub fleet: String,
    /// When the machine was looked at.
    pub observed_at: Timestamp,
    /// Whether nothing is due.
    pub at_rest: bool,
    /// Whether everything could be looked at.
    pub complete: bool,
    /// What could not be looked at.
    pub gaps: Vec<String>,
    /// What is odd about the tmux server, such as a line of its configuration that it did not take.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What keeps agents from being started and is no agent's fault.
    #[serde(default)]
    pub conditions: Vec<ConditionEntry>,
    /// Every agent that is declared or remembered.
    pub agents: Vec<AgentStatus>,
    /// What is there and is not ours. It is never touched.
    pub strangers: Vec<StrangerEntry>,
    /// That the whole fleet is to be left alone; null if it is not.
    #[serde(default)]
    pub halted: Option<HaltEntry>,
    /// The watcher; null if there is none.
    pub watcher: Option<Watcher>,
    /// The last watcher, if it was killed and none took its place; null otherwise.
    #[serde(default)]
    pub lost_watcher: Option<LostWatcher>,
    /// The other manifest that the fleet belongs to, so that this one needs `--moved`; null if the fleet belongs to this one.
    #[serde(default)]
    pub claimed_by: Option<String>,
}

/// How one agent does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentStatus {
    /// Its name.
    pub name: String,
    /// Where it stands in its life.
    pub state: State,
    /// How it is run; null if that is not known.
    pub runtime: Option<Runtime>,
    /// `socket:session pane`, or the pidfile; null if that is not known.
    pub place: Option<String>,
    /// Its own program; null if it does not run.
    pub pid: Option<u32>,
    /// Its keeper; null for an adopted instance, whose end nobody sees.
    pub keeper: Option<u32>,
    /// Its newest life; 0 if there was none.
    pub generation: u64,
    /// Since when it has lived, or when it ended; null if neither.
    pub since: Option<Timestamp>,
    /// Whether it is working; null if that cannot be told.
    pub busy: Option<bool>,
    /// What its program does, by its screen; null if nothing tells.
    #[serde(default)]
    pub activity: Option<Doing>,
    /// What it waits for, with `activity = "waiting"`; else null.
    #[serde(default)]
    pub waiting_for: Option<WaitingFor>,
    /// How many people are attached.
    pub attached: u32,
    /// How often it was started again after a failure.
    pub restarts: u32,
    /// When it is started again; null if no pause is on.
    pub next_try: Option<Timestamp>,
    /// How its last life ended; null while it lives.
    pub exit: Option<ExitStatus>,
    /// What outlived its lives and was left running, with `leftovers = "report"`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<LeftEntry>,
    /// That a person wants it to be left alone; null if nobody does.
    #[serde(default)]
    pub paused: Option<PauseEntry>,
    /// What a change that is due waits for; null if it waits for nothing.
    #[serde(default)]
    pub wait: Option<WaitEntry>,
    /// What holds a change that is due; null if nothing does.
    pub held: Option<Hold>,
    /// What needs a person; null if nothing does.
    pub blocked: Option<Blocker>,
    /// Whether it should run.
    pub wanted: Wish,
    /// Processor time of its program in seconds; null if not known.
    pub cpu_s: Option<f64>,
    /// Resident memory of its program in bytes; null if not known.
    pub rss_bytes: Option<u64>,
    /// Whether its executable file on the disk is another one than it runs, or was written to since it was started; null if that cannot be told. Of a
    /// script, that is the interpreter. It is told and leads to nothing: `replace_on = ["exe"]` does.
    pub stale: Option<bool>,
    /// Whether a signal has stopped its program (state T), which does nothing until CONT continues it. Its `state` stays what it was.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
    /// Notes that wait for it.
    pub handoffs_waiting: u32,
    /// When its usage limit ends; null if it is in none, or that is not known.
    pub usage_limit: Option<Timestamp>,
    /// What was missing when an agent counted as ready after its timeout, with `on_timeout = "proceed"`; null if it did not.
    #[serde(default)]
    pub ready_assumed: Option<String>,
    /// Its labels, by which commands can choose it.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What is worth a look though nothing is due for it; null if nothing is.
    pub note: Option<String>,
}

/// Where an agent stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Never started, or forgotten.
    Absent,
    /// Running, and not ready.
    Starting,
    /// Running and ready.
    Ready,
    /// Asked to end.
    Leaving,
    /// Ended.
    Exited,
    /// It could not be told.
    Unknown,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Absent => "absent",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Leaving => "leaving",
            Self::Exited => "exited",
            Self::Unknown => "unknown",
        })
    }
}

/// A process that was left running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftEntry {
    /// Its number.
    pub pid: u32,
    /// Its command line, shortened.
    pub command: String,
}

/// Why a change that is due is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    /// The reason as one word.
    pub reason: HoldReason,
    /// What releases it.
    pub release: String,
    /// Since when it is held, as a watcher saw it; null if none did.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// Whether that is longer than `hold_max`.
    #[serde(default)]
    pub overdue: bool,
}

/// What needs a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Blocker {
    /// The reason as one word.
    pub reason: Reason,
    /// What is wrong and what to do.
    pub message: String,
}

/// Something that is not ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StrangerEntry {
    /// Where.
    pub place: String,
    /// Its process; null if that is not known.
    pub pid: Option<u32>,
    /// Why it is a stranger.
    pub why: String,
}

/// The schema of a status.
pub fn status_schema() -> Schema {
    super::schema_of::<StatusDocument>()
}
