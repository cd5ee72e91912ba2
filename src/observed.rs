//! One look at the machine, joined with what is remembered. Plain data: nothing here looks.
//!
//! Time is part of the look: the planner knows no other clock than [`Observed::at`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::desired::{AgentName, AgentSpec, FleetName, Generation, LaunchDigest, Mark, Server, Wish};
use crate::process::ProcId;
pub use crate::process::Remnant;
use crate::time::Timestamp;

mod condition;
mod drain_outcome;
mod ended;
mod exit;
mod failures;
mod live;
mod log_pipe;
mod notes;
mod pause;
mod terminal;

pub use condition::Condition;
pub use drain_outcome::DrainOutcome;
pub use ended::{Ended, Excuse};
pub use exit::Exit;
pub use failures::Failures;
pub use live::{Consent, Fault, Pulse, Vitals};
pub use log_pipe::LogPipe;
pub use notes::{Note, Undelivered, Unread};
pub use pause::{Halt, Pause};
pub use terminal::{
    Activity, Answering, Body, Composed, Input, InputMode, Message, MessageKind, Press, Question, Receipt, Received, Screen, Typing,
    as_typed, without_blanks,
};

/// One look.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Whose agents were looked for.
    pub fleet: FleetName,
    /// When.
    pub at: Timestamp,
    /// Every agent that is declared or remembered, or of which something lives.
    pub agents: BTreeMap<AgentName, Sighting>,
    /// What is there and bears no mark of this fleet: in its tmux server, and for a status among the processes.
    pub strangers: Vec<Stranger>,
    /// A person wants the whole fleet to be left alone.
    pub halted: Option<Halt>,
    /// The tmux server as it was last set up by us; none if it was not.
    pub server: Option<Server>,
    /// What could not be looked at, and why. Empty: the look is complete.
    pub gaps: Vec<String>,
    /// What is odd about the tmux server: it is reported, and has no other effect.
    pub warnings: Vec<String>,
    /// Whether the tmux server ran before the fleet came: only what is in it of the fleet is ours.
    pub foreign_server: bool,
    /// What is wrong that is no agent's fault. Empty: agents can be started.
    pub conditions: Vec<Condition>,
}

impl Observed {
    /// A look at a machine on which there is nothing.
    pub fn nothing(fleet: FleetName, at: Timestamp) -> Self {
        Self {
            fleet,
            at,
            agents: BTreeMap::new(),
            strangers: Vec::new(),
            halted: None,
            server: None,
            gaps: Vec::new(),
            warnings: Vec::new(),
            foreign_server: false,
            conditions: Vec::new(),
        }
    }
}

/// What is seen and remembered of one agent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sighting {
    /// The newest life that is known; 0 if there was none.
    pub generation: Generation,
    /// The spec that this life was started with; none if there was no life or its record is lost.
    pub spec: Option<AgentSpec>,
    /// The digest of the launch in the mark, which is there even when the record is lost.
    pub digest: Option<LaunchDigest>,
    /// Where it stands in its life.
    pub phase: Phase,
    /// The processes and the place of this life, while there is something of it.
    pub instance: Option<Instance>,
    /// Older lives, or what a life left behind, that are still there and must be gone before another begins.
    pub remains: Vec<Instance>,
    /// When that was asked to end.
    pub sweeping: Option<Timestamp>,
    /// What its lives left running as declared and is to be named; it is in nobody's way.
    pub left: Vec<Remnant>,
    /// What went wrong with the hooks of a life that has just ended.
    pub complaints: Vec<String>,
    /// How often it failed before the end that `phase` may tell of.
    pub failures: Failures,
    /// What a person asked for with `stop` and `start`.
    pub wanted: Wish,
    /// A person wants it to be left alone.
    pub paused: Option<Pause>,
    /// Lives up to this one are to be replaced: a person asked for it.
    pub replace_up_to: Generation,
    /// The agent left the manifest with `on_remove = "leave"` and is ours no more.
    pub released: bool,
    /// People attached to its session.
    pub attached: u32,
    /// What its terminal shows.
    pub screen: Screen,
    /// Where the output of its pane goes, if it has a log. None: not looked at, or it cannot be told.
    pub log_pipe: Option<LogPipe>,
    /// The highest generation that was ever given out; the next instance gets the one after it.
    pub spent: Generation,
    /// Another state folder that has the record of its instance: this run leaves the agent alone.
    pub elsewhere: Option<PathBuf>,
    /// What it was asked to do by the last drain step is done, and it still runs.
    pub drained: bool,
    /// The dialog that is being answered.
    pub answering: Option<Answering>,
    /// How often each dialog was answered in this life.
    pub answered: BTreeMap<String, u32>,
    /// What waits to be typed, in this order.
    pub messages: Vec<Message>,
    /// What is being typed.
    pub typing: Option<Box<Typing>>,
    /// What came of the last thing that was.
    pub received: Option<Box<Received>>,
    /// The last text that was typed, if it was not confirmed: it may still wait in the terminal, and whatever is typed now would be one with it.
    pub unsettled: Option<Box<Typing>>,
    /// Notes that wait for it; what was begun and can go on comes first.
    pub notes: Vec<Note>,
    /// The note whose delivery failed last.
    pub undelivered: Option<Undelivered>,
    /// Notes that are delivered but for being typed.
    pub untyped: usize,
    /// The last note, if it is to say that it has read it and has not.
    pub unread: Option<Unread>,
    /// How alive it shows itself to be.
    pub vitals: Vitals,
    /// What stands in the way of the declared launch; looked for where the planner would start an instance of it.
    pub obstacle: Option<Obstacle>,
    /// Secrets with `on_change = "replace"` whose value is another than at the spawn.
    pub changed_secrets: Vec<String>,
}

/// Where an agent stands in its life.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Phase {
    /// Never started, or forgotten.
    #[default]
    Absent,
    /// Its process runs.
    Running {
        /// Since the spawn.
        since: Timestamp,
        /// Whether it does what it is for.
        health: Health,
    },
    /// It was asked to end and still runs.
    Leaving(Leaving),
    /// It runs no more.
    Exited(Ended),
    /// It could not be told. Leads to nothing.
    Unknown {
        /// Why.
        why: String,
    },
}

/// Whether a running agent does what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Not ready yet.
    Starting,
    /// Ready since.
    Ready(Timestamp),
    /// It had its time and is not ready.
    Failing {
        /// What was waited for in vain.
        why: String,
    },
}

/// An end that was asked for and has not come yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaving {
    /// The step that was asked last.
    pub step: Step,
    /// When that was.
    pub asked_at: Timestamp,
    /// When the life began.
    pub since: Timestamp,
    /// What the end is for.
    pub purpose: Purpose,
    /// What came of the drain steps so far: how the end counts if it is killed.
    #[serde(default)]
    pub if_killed: DrainOutcome,
}

impl Leaving {
    /// The next step, after the ones before it.
    pub fn next(before: Option<&Self>, step: Step, asked_at: Timestamp, since: Timestamp, purpose: Purpose) -> Self {
        let so_far = before.map_or(DrainOutcome::Killed, |before| before.if_killed);
        let if_killed = match step {
            Step::Drain(_) if so_far == DrainOutcome::Killed => DrainOutcome::TimedOut,
            Step::Drain(_) | Step::Kill => so_far,
        };
        Self { step, asked_at, since, purpose, if_killed }
    }

    /// What came of it if it has ended now.
    pub fn outcome(&self) -> DrainOutcome {
        match self.step {
            Step::Drain(_) => DrainOutcome::Graceful,
            Step::Kill => self.if_killed,
        }
    }
}

/// A step on the way out. They only go forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The drain step of this index, from 0.
    Drain(usize),
    /// The kill of the whole tree.
    Kill,
}

impl Sighting {
    /// Whether a program of an earlier life still runs, with its keeper or without: to end it costs its work.
    pub fn has_working_remains(&self) -> bool {
        self.remains.iter().any(|instance| instance.keeper.is_some() || instance.program.is_some())
    }

    /// Whether it works, or has something on its screen that an interruption would lose; none if that cannot be told.
    pub fn is_busy(&self) -> Option<bool> {
        match (&self.phase, &self.screen.activity) {
            (Phase::Running { .. } | Phase::Leaving(_), Activity::Busy | Activity::Draft) => Some(true),
            (
                Phase::Running { .. } | Phase::Leaving(_),
                Activity::Unclear | Activity::Starting | Activity::Asks(Question { name: None, .. }),
            ) => None,
            (Phase::Running { .. } | Phase::Leaving(_), Activity::Unwatched) => None,
            (_, _) => Some(false),
        }
    }
}

/// What an end is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// The agent is to be gone.
    Stop,
    /// Another instance is to follow.
    Replace,
}

/// Something that bears no mark of this fleet. It is never touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Where: `socket:session`, or the folder in which a program runs.
    pub place: String,
    /// The process in its pane, or the program.
    pub pid: Option<u32>,
    /// Why it is one.
    pub why: String,
}

/// What stands in the way of a spawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The session, window or pidfile is in the hands of somebody else.
    PlaceTaken(String),
    /// The folder to start in does not exist.
    CwdMissing(PathBuf),
    /// The program is not there, or cannot be executed.
    CommandMissing(String),
    /// The tmux server cannot hold more panes.
    TooManyPanes(String),
    /// A file that the launch needs cannot be read.
    Unreadable(String),
    /// Record, mark and state folder contradict each other.
    RecordMismatch(String),
}

/// One life of an agent as acts name it: they do nothing unless exactly this is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// The agent as it is called now.
    pub agent: AgentName,
    /// Which life.
    pub generation: Generation,
    /// Its mark; none for one that was adopted.
    pub mark: Option<Mark>,
    /// Its keeper; none for one that was adopted or whose keeper is gone.
    pub keeper: Option<ProcId>,
    /// The agent's own program, once that is known.
    pub program: Option<ProcId>,
    /// Where it is.
    pub seat: Seat,
}

/// Where an instance is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seat {
    /// In a pane.
    Pane {
        /// The socket's path.
        socket: PathBuf,
        /// The server: pane ids mean something within its life only.
        server: ProcId,
        /// The session's name.
        session: String,
        /// The window's name.
        window: String,
        /// The pane's id, `%7`.
        pane: String,
    },
    /// Detached, with a pidfile.
    Detached {
        /// The pidfile's path.
        pidfile: PathBuf,
    },
    /// Nowhere: processes that lost their keeper, found by the mark in their environment.
    Adrift {
        /// The processes.
        processes: Vec<ProcId>,
    },
}
