//! The closed sets of words of the documents that are no part of the plan itself.

use crate::desired::Place;
use crate::observed::{Fault, MessageKind};
use crate::plan::{Action, Cause, Next, words};

words! {
    /// Why a change is due.
    CauseReason {
        /// It is declared and never ran.
        New = "new",
        /// Fields of the launch differ.
        LaunchChanged = "launch_changed",
        /// Its mark is of another launch, and its record is lost.
        LaunchUnknown = "launch_unknown",
        /// A secret with `on_change = "replace"` has another value.
        SecretChanged = "secret_changed",
        /// A person asked for it.
        Asked = "asked",
        /// It ended.
        Ended = "ended",
        /// Its start was interrupted.
        StartInterrupted = "start_interrupted",
        /// It was stopped, and should run.
        WantedAgain = "wanted_again",
        /// It runs, and is not ready yet.
        NotReady = "not_ready",
        /// Its live checks fail.
        NotAlive = "not_alive",
        /// It uses more memory than it may.
        Memory = "memory",
        /// It has run for longer than it may.
        Runtime = "runtime",
        /// Its screen needs an answer or a person.
        Screen = "screen",
        /// Its prompt waits.
        Prompt = "prompt",
        /// A text of `send` waits.
        Sent = "sent",
        /// A note is to be typed.
        Handoff = "handoff",
        /// A text of a drain step waits.
        Ask = "ask",
        /// A nudge waits.
        Nudge = "nudge",
        /// A note is to be delivered.
        Note = "note",
        /// A note is not acknowledged yet.
        Unread = "unread",
        /// Fields of its care differ.
        CareChanged = "care_changed",
        /// Something closed the pipe to its log.
        LogClosed = "log_closed",
        /// It runs as declared, and has no record.
        Unrecorded = "unrecorded",
        /// It has another name.
        Renamed = "renamed",
        /// It is not in the manifest.
        NotDeclared = "not_declared",
        /// It should be stopped.
        WantedStopped = "wanted_stopped",
        /// An earlier life left processes behind.
        Remains = "remains",
        /// It could not be observed.
        Unknown = "unknown",
    }
}

impl CauseReason {
    /// The word of a cause.
    pub fn of(cause: &Cause) -> Self {
        match cause {
            Cause::New => Self::New,
            Cause::LaunchChanged => Self::LaunchChanged,
            Cause::LaunchUnknown => Self::LaunchUnknown,
            Cause::SecretChanged(_) => Self::SecretChanged,
            Cause::Asked => Self::Asked,
            Cause::Ended(_) => Self::Ended,
            Cause::StartInterrupted => Self::StartInterrupted,
            Cause::WantedAgain => Self::WantedAgain,
            Cause::NotReady => Self::NotReady,
            Cause::Faulty(Fault::NotAlive(_)) => Self::NotAlive,
            Cause::Faulty(Fault::Memory { .. }) => Self::Memory,
            Cause::Faulty(Fault::Runtime { .. }) => Self::Runtime,
            Cause::Shows(_) => Self::Screen,
            Cause::Message(MessageKind::Prompt) => Self::Prompt,
            Cause::Message(MessageKind::Sent) => Self::Sent,
            Cause::Message(MessageKind::Handoff) => Self::Handoff,
            Cause::Message(MessageKind::Ask) => Self::Ask,
            Cause::Message(MessageKind::Nudge) => Self::Nudge,
            Cause::Note { .. } => Self::Note,
            Cause::Unread(_) => Self::Unread,
            Cause::CareChanged => Self::CareChanged,
            Cause::LogClosed => Self::LogClosed,
            Cause::Unrecorded => Self::Unrecorded,
            Cause::Renamed(_) => Self::Renamed,
            Cause::NotDeclared => Self::NotDeclared,
            Cause::WantedStopped => Self::WantedStopped,
            Cause::Remains => Self::Remains,
            Cause::Unknown => Self::Unknown,
        }
    }
}

words! {
    /// The step of this round.
    NextStep {
        /// An instance is started.
        Spawn = "spawn",
        /// A note is delivered.
        Deliver = "deliver",
        /// Keys are pressed to answer a dialog.
        Answer = "answer",
        /// A text is typed.
        Type = "type",
        /// Enter is pressed after a text.
        Submit = "submit",
        /// What came of a text is written down.
        Receive = "receive",
        /// It is asked to end.
        Drain = "drain",
        /// It was asked to end, is wanted again, and stays.
        Stay = "stay",
        /// Its tree is killed.
        Kill = "kill",
        /// Processes of earlier lives are killed.
        Sweep = "sweep",
        /// Care is applied in place.
        Amend = "amend",
        /// It gets its new name.
        Rename = "rename",
        /// A running instance is taken over.
        Adopt = "adopt",
        /// Its record is removed.
        Forget = "forget",
        /// Nothing yet: see `wait`.
        Wait = "wait",
        /// Nothing: see `held` of the plan.
        Held = "held",
        /// Nothing: see `blocked` of the plan.
        Blocked = "blocked",
    }
}

impl NextStep {
    /// The word of a step.
    pub fn of(next: &Next) -> Self {
        match next {
            Next::Act(Action::Spawn { .. }) => Self::Spawn,
            Next::Act(Action::Deliver { .. }) => Self::Deliver,
            Next::Act(Action::Answer { .. }) => Self::Answer,
            Next::Act(Action::Type { .. }) => Self::Type,
            Next::Act(Action::Submit { .. }) => Self::Submit,
            Next::Act(Action::Receive { .. }) => Self::Receive,
            Next::Act(Action::Drain { .. }) => Self::Drain,
            Next::Act(Action::Stay { .. }) => Self::Stay,
            Next::Act(Action::Kill { .. }) => Self::Kill,
            Next::Act(Action::Sweep { .. }) => Self::Sweep,
            Next::Act(Action::Amend) => Self::Amend,
            Next::Act(Action::Rename { .. }) => Self::Rename,
            Next::Act(Action::Adopt { .. }) => Self::Adopt,
            Next::Act(Action::Forget) => Self::Forget,
            Next::Wait(_) => Self::Wait,
            Next::Held(_) => Self::Held,
            Next::Blocked(_) => Self::Blocked,
        }
    }
}

words! {
    /// What is done to a resource, in the words of OpenTofu's plans.
    Act {
        /// It is started.
        Create = "create",
        /// It is changed in place.
        Update = "update",
        /// It is ended.
        Delete = "delete",
        /// Its record is removed.
        Forget = "forget",
        /// Nothing is done.
        NoOp = "no-op",
    }
}

words! {
    /// How an agent is run.
    Runtime {
        /// In a pane of a tmux session.
        Tmux = "tmux",
        /// As a process with a pidfile.
        Daemon = "daemon",
    }
}

impl Runtime {
    /// The runtime of a place.
    pub fn of(place: &Place) -> Self {
        match place {
            Place::Tmux { .. } => Self::Tmux,
            Place::Daemon { .. } => Self::Daemon,
        }
    }
}
