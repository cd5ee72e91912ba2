//! The only door to clock, tmux, processes and probes.
//!
//! Two implementations: the live machine and a simulated one with a virtual clock and faults. A host decides nothing: it
//! says what it sees and does what it is told, and only to exactly the instance that it is told about.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::desired::{AgentName, AgentSpec, Hook, Mark, NoticeChannel, Owner, Probe, Server, Signal, SignalTo};
use crate::observed::{Instance, Obstacle};
use crate::process::ProcId;
use crate::time::{Duration, Timestamp};

mod act;
mod adopted;
mod ask;
mod attach;
mod candidate;
mod clear;
mod closed;
mod conditions;
mod daemon;
mod dress;
mod errand;
mod freeze;
mod heart;
mod helpers;
mod inquiry;
mod interrupts;
mod launch;
mod limits;
mod live;
mod logs;
mod look;
mod news;
mod notice;
mod obstacle;
mod output;
mod owner;
mod panes;
mod port_owner;
mod probe;
mod run;
mod screens;
mod secret;
pub mod sim;
mod since;
mod story;
mod strangers;
pub mod supervisor;
mod survey;
mod tmux;
mod trace;
mod typing;
mod usage;
mod wait;

pub use ask::{Ask, Found, Gap, Known, Life, Look, Successor, Unproven};
pub use attach::{Way, attach_command};
pub use candidate::{Candidate, Pointer, ProgramIs};
pub use interrupts::Interrupts;
pub use limits::room_for_panes;
pub use live::{Live, Setup, now};
pub use output::{LogReader, terminal_text, without_death};
pub use screens::{Reach, Shown};
pub use secret::{Seal, SecretQuery};
pub use since::Since;
pub use strangers::strangers;
pub use tmux::version as tmux_version;
pub use usage::{attributes, is_stale, is_stopped, usage};

/// Whatever is not a function of its arguments.
pub trait Host {
    /// The time of this machine.
    fn now(&self) -> Timestamp;

    /// A look at this server will be asked for next: what takes long may begin.
    fn expect(&mut self, _server: &Server) {}

    /// One look at all that `ask` names. What could not be looked at is a part of the answer.
    fn look(&mut self, ask: &Ask<'_>) -> Look;

    /// What stands in the way of instances that would be started, found out before anything is ended for them. It belongs to the last look.
    fn preflight(&mut self, successors: &[Successor<'_>]) -> BTreeMap<AgentName, Obstacle>;

    /// One answer for each question, in their order.
    fn probe(&mut self, questions: &[Query]) -> Vec<Answer>;

    /// When the heart of an instance beat last: the last change of this file, or of the one that the instance was given for it. None if it
    /// is not there.
    ///
    /// # Errors
    ///
    /// If it could not be looked at.
    fn beat(&mut self, instance: &Instance, file: Option<&Path>) -> Result<Option<Timestamp>, String>;

    /// Resident memory in bytes of the program of an instance and all its descendants; none if that cannot be told.
    fn memory(&mut self, instance: &Instance) -> Option<u64>;

    /// What the terminals of these instances show, in their order, line by line as it is drawn. Errors say why one could not be read.
    fn screens(&mut self, instances: &[&Instance]) -> Vec<Result<Shown, String>>;

    /// The last lines that an instance printed, as far as they can be read.
    fn last_lines(&mut self, instance: &Instance, spec: &AgentSpec) -> Vec<String>;

    /// What stands in a file that is to be typed.
    ///
    /// # Errors
    ///
    /// If it is no file that can be read, not UTF-8, or too large.
    fn text(&mut self, path: &Path) -> Result<String, String>;

    /// What `seal` makes of the present values of secrets, one answer for each question, in their order; none for one that cannot be had, or not
    /// yet. Values are never stored, printed or returned.
    fn secrets(&mut self, questions: &[SecretQuery<'_>], seal: &Seal) -> Vec<Option<String>>;

    /// Whether two paths mean the same place now: the same folder, or files of one name in the same folder.
    fn is_same_place(&mut self, _one: &Path, _other: &Path) -> bool {
        false
    }

    /// 16 hexadecimal digits that no instance had before.
    fn fresh_id(&mut self) -> String;

    /// Does all acts of one round and says of each, in their order, what came of it. Waits for none of their effects.
    fn act(&mut self, batch: &[Act]) -> Vec<Outcome>;

    /// Tells somebody of an event, a line of JSON. Waits for nobody, and tries again where that may help.
    fn notify(&mut self, to: &NoticeChannel, text: &str);

    /// From now on, a change of one of these files, or of what is in one of these folders, ends a wait. Replaces what was said before.
    fn attend(&mut self, _files: &BTreeSet<PathBuf>, _folders: &BTreeSet<PathBuf>) {}

    /// From now on, that a client detaches from this tmux server, or that a session comes or goes there, ends a wait too; without a server, none
    /// of this does. The path of the server's socket, if it will be told; else only a look tells.
    fn listen(&mut self, _server: Option<&Server>) -> Option<PathBuf> {
        None
    }

    /// The processes among those watched whose end the last wait saw, or found.
    fn ended(&self) -> Vec<ProcId> {
        Vec::new()
    }

    /// Whether a look would find the machine just as the last one did, where that can be told at less cost than by a look. Nothing was done since,
    /// nobody watched has ended, no news has come, and every tmux server says what it said.
    fn is_unchanged(&mut self) -> bool {
        false
    }

    /// Waits until one of `watched` is gone, something that is attended to changes, a signal came, or `until`.
    fn wait(&mut self, watched: &[ProcId], until: Timestamp) -> Wake;
}

/// A probe, and whom it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// About whom.
    pub instance: Instance,
    /// What is asked.
    pub probe: Probe,
    /// Whose server may answer where a port of this machine is asked.
    pub owner: Owner,
    /// Where a command runs if the instance has ended.
    pub cwd: Option<PathBuf>,
    /// When the life began, if that is known.
    pub since: Option<Timestamp>,
}

/// An answer to a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Yes,
    /// No, with what was seen instead.
    No(String),
    /// It could not be asked.
    Unknown(String),
    /// It was asked, and has not answered yet: ask again.
    Pending,
}

/// One thing to do. Conditional: where `only` is not found exactly as it says, nothing is done and the outcome is [`Outcome::Refused`].
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Start an instance, if no instance of the agent lives.
    Spawn(Box<Spawn>),
    /// Send keys to its pane.
    Keys {
        /// To whom.
        only: Instance,
        /// By tmux's names.
        keys: Vec<String>,
    },
    /// Press Enter in its pane after a text, unless a shell reads it there.
    Enter {
        /// To whom.
        only: Instance,
    },
    /// Give its terminal a text as if it had been pasted, without the key that submits it.
    Paste {
        /// To whom.
        only: Instance,
        /// What.
        text: String,
    },
    /// Send a signal.
    Signal {
        /// To whom.
        only: Instance,
        /// Which.
        signal: Signal,
        /// To which of its processes.
        to: SignalTo,
    },
    /// Run a command about it, with the names of the agent in its environment.
    Run {
        /// About whom.
        only: Instance,
        /// The program and its arguments.
        argv: Vec<String>,
        /// Where it is run.
        cwd: PathBuf,
        /// Where the agent finds its notes.
        inbox: PathBuf,
        /// It is ended when it takes longer.
        patience: Duration,
    },
    /// End the whole tree.
    Kill {
        /// Of whom.
        only: Instance,
    },
    /// Stop its processes where they are.
    Freeze {
        /// Of whom.
        only: Instance,
    },
    /// Set them going again.
    Thaw {
        /// Of whom.
        only: Instance,
    },
    /// Remove what a dead instance left: its pane, its pidfile, its status.
    Clear {
        /// Whose.
        only: Instance,
    },
    /// Apply the part of the care that the machine knows: title, layout, session options, log.
    Dress {
        /// Whose.
        only: Instance,
        /// The care.
        spec: Box<AgentSpec>,
    },
    /// Take the mark of an adopted instance from its pane, and the log that it was given. Nothing else of it is touched.
    Release {
        /// Whose.
        only: Instance,
    },
    /// Start a hook beside it.
    Hook {
        /// Whose.
        only: Instance,
        /// Which.
        name: &'static str,
        /// The command.
        hook: Hook,
        /// The spec whose environment, folder and log it gets.
        spec: Box<AgentSpec>,
    },
    /// Give the session or pidfile that is named after the agent its new name.
    Rename {
        /// Whose.
        only: Instance,
        /// The spec under the new name.
        spec: Box<AgentSpec>,
        /// The new name.
        to: AgentName,
    },
    /// Set the options of the tmux server, if it runs.
    SetServer(Server),
    /// Have the tmux server end as soon as it holds no session.
    CloseServer(Server),
}

/// How long after it was asked for an instance may still start: a late starter must not come upon its successor.
pub const START_PATIENCE: Duration = Duration::from_secs(30);

/// What is started.
#[derive(Clone, Debug, PartialEq)]
pub struct Spawn {
    /// The mark of the new instance.
    pub mark: Mark,
    /// What it is started with, and the care that matters at the start.
    pub spec: AgentSpec,
    /// The tmux server, started if it does not run.
    pub server: Server,
    /// A dead pane of an earlier life, whose place it takes.
    pub instead_of: Option<Instance>,
    /// Later than this, it must not start.
    pub not_after: Timestamp,
}

/// What came of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done; its effect is for the next look to see.
    Done,
    /// Its condition did not hold; nothing was done.
    Refused(String),
    /// It was tried and did not work.
    Failed(String),
    /// A start was tried, nothing came of it, and that is the fault of the machine and not of the agent: see [`Condition`](crate::observed::Condition).
    Hindered(String),
    /// It cannot be told whether it was done.
    Unknown(String),
    /// It was not tried, because a signal asked to stop.
    Skipped,
}

/// Why a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// It is time.
    Time,
    /// Something that was watched is gone.
    Death,
    /// Something that is attended to has changed, or an answer has come that was not there yet.
    News,
    /// A signal asks to stop.
    Signal,
}
