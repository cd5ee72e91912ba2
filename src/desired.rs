//! What a fleet should be: the manifest with nothing left open.
//!
//! Every template is expanded, every variable filled in, every path absolute, every default written out. The class of a field is the type it
//! lives in: a change in [`Launch`] needs a new instance, a change in [`Care`] never touches the process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

mod attributes;
mod care;
mod drain;
mod effective;
mod glob;
mod guard;
mod handoff;
mod hooks;
mod launch;
mod live;
mod mark;
mod name;
mod ready;
mod restart;
mod server;
mod shared;
mod terminal;
mod watch;

pub use attributes::{Attributes, Umask};
pub use care::{Care, HoldOn, Log, Milestone, OnRemove, Wish};
pub use drain::{DrainAsk, DrainStep, Signal, SignalTo};
pub use effective::{canonical_digest, care_fields, effective, launch_fields};
pub use glob::{glob, is_glob};
pub use guard::{Guard, Limit};
pub use handoff::{Channel, Handoff};
pub use hooks::{Hook, Hooks, Leftovers, OnFail};
pub use launch::{
    Command, DEFAULT_PATH, Inherit, Launch, MINIMAL_ENV, NEVER_INHERITED, OnChange, Place, SECRET_PATIENCE, Secret, SecretSource,
};
pub use live::{Bytes, Heartbeat, Limits, Live};
pub use mark::{LaunchDigest, Mark};
pub use name::{AgentName, FleetName, Generation, SessionName, is_name};
pub use ready::{OnTimeout, Owner, Probe, Ready};
pub use restart::{Backoff, GiveUp, Policy, Restart};
pub use server::{Server, Size, Socket};
pub use shared::Shared;
pub use terminal::{DialogAnswer, DialogRule, Idle, MOST_TYPED, Preset, Text, is_key};
pub use watch::{Auto, Channel as NoticeChannel, Notice, Occasion, Watching};

/// All that one manifest asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Desired {
    /// Whose marks are ours.
    pub fleet: FleetName,
    /// The tmux server of the fleet.
    pub server: Server,
    /// The agents, copies expanded.
    pub agents: BTreeMap<AgentName, Declared>,
    /// What a plan may do at most.
    pub guard: Guard,
    /// Programs whose processes are named as strangers where nobody owns them: their names, with wildcards.
    pub strangers: Vec<String>,
    /// How a watcher goes about its work.
    pub watch: Watching,
    /// Who hears about what.
    pub notify: Vec<Notice>,
    /// `blake3:…` of all texts that the manifest consists of.
    pub digest: String,
}

impl Desired {
    /// What there is to look for where nobody can say what is declared. A plan of it would end everything.
    pub fn nothing(fleet: FleetName) -> Self {
        let server = Server { socket: Socket(fleet.to_string()), config: None, size: Size::default(), options: BTreeMap::new() };
        Self {
            fleet,
            server,
            agents: BTreeMap::new(),
            guard: Guard::default(),
            strangers: Vec::new(),
            watch: Watching::default(),
            notify: Vec::new(),
            digest: String::new(),
        }
    }

    /// The same with no other agents than these.
    pub fn only(&self, agents: &BTreeSet<AgentName>) -> Self {
        let Self { fleet, server, agents: all, guard, strangers, watch, notify, digest } = self;
        Self {
            fleet: fleet.clone(),
            server: server.clone(),
            agents: agents.iter().filter_map(|name| Some((name.clone(), all.get(name)?.clone()))).collect(),
            guard: *guard,
            strangers: strangers.clone(),
            watch: watch.clone(),
            notify: notify.clone(),
            digest: digest.clone(),
        }
    }
}

/// An agent as the manifest declares it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Declared {
    /// What it should be.
    pub spec: AgentSpec,
    /// Where that is written.
    pub source: Source,
    /// The name whose instance it takes over, if that one is still known.
    pub renamed_from: Option<AgentName>,
}

/// A place in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The file as it was named on the command line or in `include`.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: usize,
}

/// Everything about one agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentSpec {
    /// What an instance is started with.
    pub launch: Shared<Launch>,
    /// How it is looked after.
    pub care: Shared<Care>,
}
