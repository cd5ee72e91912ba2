//! How an agent is looked after.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{AgentName, DialogAnswer, DialogRule, DrainStep, Handoff, Hooks, Idle, Leftovers, Limits, Live, Preset, Ready, Restart, Text};
use crate::time::Duration;

/// How an agent is looked after. A change here is applied in place and touches no process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Care {
    /// Whom it waits for before it starts, and for what.
    pub after: BTreeMap<AgentName, Milestone>,
    /// By which rules its screen is read; of several, the later ones count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub preset: Vec<Preset>,
    /// The names of the preset's dialogs that are answered.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub accept: BTreeSet<String>,
    /// Dialogs on top of the preset; all of them are answered as they say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dialogs: Vec<DialogRule>,
    /// How it is told to be at work, on top of the preset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Idle>,
    /// A text that each instance is given once, when it is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Text>,
    /// How notes reach it.
    #[serde(skip_serializing_if = "Handoff::is_default")]
    pub handoff: Handoff,
    /// When it counts as ready.
    pub ready: Ready,
    /// By what it is seen to be alive.
    #[serde(skip_serializing_if = "Live::is_default")]
    pub live: Live,
    /// How much it may use.
    #[serde(skip_serializing_if = "Limits::is_default")]
    pub limits: Limits,
    /// What happens when it ends by itself.
    pub restart: Restart,
    /// How it is asked to end, step by step; a kill of the whole tree follows.
    pub drain: Vec<DrainStep>,
    /// Never stopped by a plan.
    pub protect: bool,
    /// What happens when it leaves the manifest.
    pub on_remove: OnRemove,
    /// Whether it should run.
    pub desired: Wish,
    /// What holds a change that would interrupt it.
    pub hold: BTreeSet<HoldOn>,
    /// After so long, a change that is held is reported as overdue. It is held all the same.
    pub hold_max: Duration,
    /// Where a daemon's output goes.
    pub log: Log,
    /// Where what a pane's terminal gets is written, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pane_log: Option<Log>,
    /// Commands at the turns of its life.
    #[serde(skip_serializing_if = "Hooks::is_empty")]
    pub hooks: Hooks,
    /// What becomes of descendants that outlive its program.
    #[serde(skip_serializing_if = "Leftovers::is_default")]
    pub leftovers: Leftovers,
    /// The layout of the window that it shares, a name that `tmux select-layout` knows.
    pub layout: Option<String>,
    /// Options of its session.
    pub session_options: BTreeMap<String, String>,
    /// Shown as the pane's title and in the status.
    pub title: Option<String>,
    /// For people and `--target label:k=v`.
    pub labels: BTreeMap<String, String>,
    /// For people.
    pub description: Option<String>,
}

impl Default for Care {
    /// The care of a daemon of which nothing is known; the loader fills in what depends on the runtime.
    fn default() -> Self {
        Self {
            after: BTreeMap::new(),
            preset: Vec::new(),
            accept: BTreeSet::new(),
            dialogs: Vec::new(),
            idle: None,
            prompt: None,
            handoff: Handoff::default(),
            ready: Ready::default(),
            live: Live::default(),
            limits: Limits::default(),
            restart: Restart::default(),
            drain: vec![DrainStep::term()],
            protect: false,
            on_remove: OnRemove::Drain,
            desired: Wish::Running,
            hold: BTreeSet::from([HoldOn::Busy, HoldOn::Attached]),
            hold_max: Duration::from_secs(30 * 60),
            log: Log::default(),
            pane_log: None,
            hooks: Hooks::default(),
            leftovers: Leftovers::Kill,
            layout: None,
            session_options: BTreeMap::new(),
            title: None,
            labels: BTreeMap::new(),
            description: None,
        }
    }
}

impl Care {
    /// Whether something says how its screen is to be read.
    pub fn reads_screen(&self) -> bool {
        let Self { preset, dialogs, idle, .. } = self;
        !preset.is_empty() || !dialogs.is_empty() || idle.is_some()
    }

    /// Whether a dialog of this name is answered.
    pub fn accepts(&self, dialog: &str) -> bool {
        match self.dialogs.iter().find(|rule| rule.name == dialog) {
            Some(rule) => rule.answer != DialogAnswer::Stop,
            None => self.accept.contains(dialog),
        }
    }
}

/// What one agent waits for in the life of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Milestone {
    /// Its instance runs.
    Started,
    /// Its instance is ready, or has ended with success.
    Ready,
    /// Its instance has ended, however.
    Exited,
    /// Its instance has ended with success.
    Succeeded,
}

impl Milestone {
    /// As it is waited for: `to be ready`.
    pub fn awaited(self) -> &'static str {
        match self {
            Self::Started => "to be started",
            Self::Ready => "to be ready",
            Self::Exited => "to have exited",
            Self::Succeeded => "to have succeeded",
        }
    }
}

impl fmt::Display for Milestone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Started => "started",
            Self::Ready => "ready",
            Self::Exited => "exited",
            Self::Succeeded => "succeeded",
        })
    }
}

/// What happens to an agent that leaves the manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnRemove {
    /// It is drained.
    #[default]
    Drain,
    /// It is killed.
    Kill,
    /// It is left running and is ours no more.
    Leave,
}

/// Whether an agent should run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Wish {
    /// It should.
    #[default]
    Running,
    /// It should not.
    Stopped,
}

/// What holds a change that would interrupt an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HoldOn {
    /// It is working.
    Busy,
    /// A person is attached to its session.
    Attached,
}

/// Where the output of an agent goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    /// The file; without it, one in the state folder.
    pub file: Option<PathBuf>,
    /// The size in bytes at which it is moved aside.
    pub max_size: u64,
    /// How many moved-aside files are kept.
    pub keep: u32,
}

impl Default for Log {
    fn default() -> Self {
        Self { file: None, max_size: 20 * 1024 * 1024, keep: 3 }
    }
}
