//! The steps of a plan: what is done, waited for, held or blocked.

use super::{GuardName, Reason, WaitingFor};
use crate::desired::{AgentName, Auto, DrainAsk, Generation, Milestone, Signal};
use crate::observed::{Failures, Message, MessageKind, Note, Press, Purpose, Receipt, Step};
use crate::time::Timestamp;

/// The step of this round.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Do this.
    Act(Action),
    /// Nothing yet; it will go on by itself.
    Wait(Wait),
    /// Nothing until the condition that holds it ends.
    Held(Held),
    /// Nothing until a person does something.
    Blocked(Blocked),
}

/// What is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Start an instance.
    Spawn {
        /// Which life it is.
        generation: Generation,
        /// The failures to remember with it.
        failures: Failures,
    },
    /// Deliver a note.
    Deliver {
        /// To which life.
        generation: Generation,
        /// Which note.
        note: Note,
    },
    /// Press keys towards the answer of a dialog.
    Answer {
        /// Which life.
        generation: Generation,
        /// The dialog's name.
        dialog: String,
        /// The keys.
        press: Press,
        /// How many times keys were pressed for this dialog then.
        presses: u32,
    },
    /// Type a message into its terminal.
    Type {
        /// Which life.
        generation: Generation,
        /// What.
        message: Message,
    },
    /// Press Enter after it.
    Submit {
        /// Which life.
        generation: Generation,
        /// The message's.
        id: String,
        /// How many times Enter was pressed then.
        enters: u32,
    },
    /// Note what came of it.
    Receive {
        /// Which life.
        generation: Generation,
        /// The message's.
        id: String,
        /// What it was.
        kind: MessageKind,
        /// What came of it.
        receipt: Receipt,
    },
    /// Ask it to end.
    Drain {
        /// Which life.
        generation: Generation,
        /// The step, from 0.
        step: usize,
        /// How it is asked.
        ask: DrainAsk,
        /// What for.
        purpose: Purpose,
    },
    /// It is wanted again, and went on in spite of having been asked to end: it stays.
    Stay {
        /// Which life.
        generation: Generation,
    },
    /// End the whole tree.
    Kill {
        /// Which life.
        generation: Generation,
        /// What for.
        purpose: Purpose,
    },
    /// End what lives have left behind.
    Sweep {
        /// The signal by which it is asked; none where it is killed.
        ask: Option<Signal>,
    },
    /// Remember and apply the declared care.
    Amend,
    /// Take over the record, and the names by default, of an agent that was called otherwise.
    Rename {
        /// The old name.
        from: AgentName,
    },
    /// Remember a running instance as ours.
    Adopt {
        /// Which life it counts as.
        generation: Generation,
    },
    /// Let it go: remove the record and the dead pane. An instance that runs is left running.
    Forget,
}

impl Action {
    /// Whether it only goes on with what an earlier step began.
    pub(super) fn follows(&self) -> bool {
        matches!(self, Self::Submit { .. } | Self::Receive { .. })
    }
}

/// What a step waits for. Every wait ends by itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Wait {
    /// The pause after a failure.
    Backoff {
        /// Its end.
        until: Timestamp,
    },
    /// Its own readiness.
    Ready {
        /// When to look again.
        look_at: Timestamp,
        /// When it is overdue.
        until: Timestamp,
    },
    /// The answer of `restart.only_if`.
    Condition {
        /// When to look again.
        until: Timestamp,
    },
    /// The effect of a key that answers a dialog.
    Dialog {
        /// When to look again.
        until: Timestamp,
    },
    /// Its terminal, for what is typed into it.
    Screen {
        /// When to look again.
        until: Timestamp,
    },
    /// That it says that it has read a note.
    Read {
        /// When to look again.
        look_at: Timestamp,
        /// When it is overdue.
        until: Timestamp,
    },
    /// The end that it was asked for.
    Leave {
        /// The step that was asked.
        step: Step,
        /// When to look again.
        look_at: Timestamp,
        /// When the next step is due.
        until: Timestamp,
    },
    /// Another agent's milestone.
    After {
        /// The other.
        agent: AgentName,
        /// What it is to reach.
        milestone: Milestone,
    },
    /// The end of agents that depend on it.
    Dependants(Vec<AgentName>),
    /// Its turn: as many agents are on their way as may be.
    Turn,
    /// Its turn after many ended at about the same time.
    Wave {
        /// When the next ones are started.
        until: Timestamp,
    },
}

/// Why a change that is due is held.
#[derive(Clone, Debug, PartialEq)]
pub enum Held {
    /// People are attached to its session.
    Attached(u32),
    /// It is protected.
    Protected,
    /// It works.
    Busy,
    /// A text that nobody submitted stands where a person types.
    Draft,
    /// A shell waits for commands in its terminal, and would run what is typed.
    Shell(String),
    /// There is no note for its successor, which needs one.
    NoNote,
    /// It cannot be told whether it works.
    Unclear,
    /// It waits for a person.
    Waiting {
        /// What for.
        on: WaitingFor,
        /// What it shows, for that person.
        shows: String,
    },
    /// Nothing tells whether its program reads its terminal, which would echo what is typed all the same.
    NotReading,
    /// The program that would read its terminal is suspended; its process.
    Suspended(u32),
    /// Its usage limit is reached, until then.
    Limit(Option<Timestamp>),
    /// The plan as it was shown did not say that it would be interrupted.
    NotShown,
    /// A person wants it to be left alone.
    Paused {
        /// Until then; until it is resumed, without.
        until: Option<Timestamp>,
        /// Why, as that person said.
        why: Option<String>,
    },
    /// A person wants the whole fleet to be left alone.
    Halted,
    /// A watcher of this level does not do it by itself.
    Auto(Auto),
    /// A guard of this name refuses it to a watcher.
    Guard(GuardName),
    /// An agent that depends on it is held itself.
    Dependant(AgentName),
}

/// What needs a person.
#[derive(Clone, Debug, PartialEq)]
pub struct Blocked {
    /// One of the contract's reasons.
    pub reason: Reason,
    /// What is wrong and what to do.
    pub message: String,
}
