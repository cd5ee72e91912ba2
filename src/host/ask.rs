//! What a look is asked for, and its answer.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::desired::{AgentName, AgentSpec, FleetName, Mark, Server};
use crate::observed::{Condition, Exit, Instance, LogPipe, Stranger};
use crate::process::{ProcId, Remnant};
use crate::time::Timestamp;

/// What is looked at.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// Whose marks are ours.
    pub fleet: &'a FleetName,
    /// The declared tmux server; none if the manifest has no agent in tmux.
    pub server: Option<&'a Server>,
    /// Paths of sockets where instances were seen before.
    pub sockets: Vec<PathBuf>,
    /// Instances that are remembered and whose end is not.
    pub known: Vec<Known>,
    /// Agents that are likely to be started: what runs already just as declared is found too.
    pub starts: Vec<(AgentName, &'a AgentSpec)>,
    /// What earlier lives were allowed to leave running: whether it still does.
    pub left: BTreeMap<AgentName, Vec<Remnant>>,
    /// Lives that ended, and of which it is not proven that nothing is left.
    pub unproven: Vec<Unproven>,
    /// Agents of which nothing should live, by the names under which their instances were started: whether a fence says otherwise.
    pub silent: BTreeMap<AgentName, AgentName>,
    /// Whether the list of processes is searched for keepers of this fleet that no record knows.
    pub search: bool,
    /// Whether only the processes of `known` are looked at: no tmux server is asked, and who is in a pane is taken to be where it was.
    pub closely: bool,
}

/// An instance as the record knows it; what was not known when the record was written is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The agent as it is called now.
    pub agent: AgentName,
    /// Its mark; none for one that was adopted.
    pub mark: Option<Mark>,
    /// What was seen of it before.
    pub instance: Option<Instance>,
    /// Whether it was started as a daemon, so that no tmux server knows of it.
    pub is_daemon: bool,
    /// The pid namespace in which its processes have their numbers; none if the record does not say.
    pub namespace: Option<u64>,
}

/// A life that ended, and of which something may be left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unproven {
    /// The agent as it is called now.
    pub agent: AgentName,
    /// Its mark.
    pub mark: Mark,
    /// Its program, if that was seen: what else is left of it is no program.
    pub program: Option<ProcId>,
    /// The pid namespace in which its processes had their numbers.
    pub namespace: Option<u64>,
}

/// An instance that would be started.
#[derive(Clone, Debug)]
pub struct Successor<'a> {
    /// Whose.
    pub agent: AgentName,
    /// What it would be started with.
    pub spec: &'a AgentSpec,
    /// The instance that it would follow, if something of one is there.
    pub of: Option<Instance>,
}

/// The answer to one look.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// When it was.
    pub at: Timestamp,
    /// Every instance that was asked for or bears a mark of the fleet: living, dead or lost.
    pub found: Vec<Found>,
    /// What is in the fleet's tmux server and not ours.
    pub strangers: Vec<Stranger>,
    /// Parts of the machine that could not be looked at.
    pub gaps: Vec<Gap>,
    /// What is odd about the tmux server: it is reported, and blocks no start.
    pub warnings: Vec<String>,
    /// Whether the tmux server ran before the fleet came: only what is in it of the fleet is ours.
    pub foreign_server: bool,
    /// What keeps agents from being started and is no agent's fault.
    pub conditions: Vec<Condition>,
    /// What instances left running as declared and is to be named, as far as it still runs.
    pub left: BTreeMap<AgentName, Vec<Remnant>>,
    /// What went wrong with the hooks of instances that have ended, in words.
    pub complaints: BTreeMap<AgentName, Vec<String>>,
    /// The pid namespace of this look; none if it cannot be told.
    pub namespace: Option<u64>,
    /// Which boot of the machine this is, if all processes were searched for what bears a mark of the fleet.
    pub searched: Option<Arc<str>>,
    /// Agents of which no instance was found although their fence or lock is held, and by which process.
    pub fenced: BTreeMap<AgentName, String>,
}

/// A part of the machine that could not be looked at: of what is there, nothing is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gap {
    /// A tmux server, by the path of its socket.
    Server(PathBuf, String),
    /// What concerns one agent.
    Agent(AgentName, String),
    /// The list of processes.
    Processes(String),
}

/// An instance that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// What is known of it now. Its agent is the name in its mark, or the one under which it was asked for.
    pub instance: Instance,
    /// Whether it lives.
    pub life: Life,
    /// People attached to its session.
    pub attached: u32,
    /// Where the output of its pane goes, if it has a log. None: it cannot be told.
    pub log_pipe: Option<LogPipe>,
    /// Another state folder, for which its keeper works and which has a record of its agent.
    pub elsewhere: Option<PathBuf>,
}

/// Whether an instance lives.
#[derive(Clone, Debug, PartialEq)]
pub enum Life {
    /// It does.
    Alive {
        /// Since when, if its keeper said so.
        since: Option<Timestamp>,
    },
    /// Its keeper wrote how it ended.
    Ended {
        /// Since when it had lived, if it had.
        since: Option<Timestamp>,
        /// When it ended.
        at: Timestamp,
        /// How.
        exit: Exit,
        /// Whether its keeper, which held the fence, saw that nothing of it was left.
        clean: bool,
    },
    /// It is gone, and nobody saw how.
    Lost,
    /// It could not be told.
    Unknown(String),
}
