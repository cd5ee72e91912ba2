//! Why a change is not carried out now, as one word each: what it waits for, what holds it, what needs a person. Programs act on these words, so
//! each means one fact.

/// Defines a closed set of words, each with its fact; the word is that of the JSON documents.
macro_rules! words {
    ($(#[$about:meta])* $type:ident { $($(#[$fact:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        pub enum $type {
            $($(#[$fact])* #[serde(rename = $word)] $variant,)*
        }

        impl $type {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

pub(crate) use words;

words! {
    /// Why a change needs a person.
    Reason {
        /// Another process has the place.
        PlaceTaken = "place_taken",
        /// The folder does not exist.
        CwdMissing = "cwd_missing",
        /// The program does not exist.
        CommandMissing = "command_missing",
        /// What it waits for will not come.
        DependencyEnded = "dependency_ended",
        /// It waits for itself in a circle of `after`.
        DependencyCycle = "dependency_cycle",
        /// It failed, and `restart.policy` is `never`.
        Failed = "failed",
        /// It failed too often, and is not started again.
        FailedRepeatedly = "failed_repeatedly",
        /// It is not alive or over its limits, and so were the instances before it: it is left running.
        Unhealthy = "unhealthy",
        /// It was not ready in time, and is left running.
        NotReady = "not_ready",
        /// It did not acknowledge a note in time.
        NotAcknowledged = "not_acknowledged",
        /// The context of its model is full.
        ContextFull = "context_full",
        /// Its program crashed and left its screen behind.
        Crashed = "crashed",
        /// Processes of it are there after its tree was killed.
        KillFailed = "kill_failed",
        /// A step was taken again and again without an effect.
        NoEffect = "no_effect",
        /// It asks something that is not accepted or that no rule knows.
        Dialog = "dialog",
        /// A person must log in.
        Login = "login",
        /// It asks whether it may do something.
        Permission = "permission",
        /// A text that was typed is in its input box and could not be submitted.
        Stranded = "stranded",
        /// A text that was typed was not confirmed and may wait in its terminal: nothing is typed behind it.
        Unconfirmed = "unconfirmed",
        /// Another state folder has its record.
        OtherStateFolder = "other_state_folder",
        /// A text has a line that its terminal cannot take.
        Untypable = "untypable",
        /// Record and mark contradict each other.
        RecordMismatch = "record_mismatch",
        /// The tmux server cannot hold more panes.
        TooManyPanes = "too_many_panes",
        /// There is no tmux to start a server with.
        NoTmux = "no_tmux",
        /// The tmux server cannot be asked.
        ServerUnreachable = "server_unreachable",
        /// The state folder cannot be written.
        StateUnwritable = "state_unwritable",
        /// It could not be observed.
        Unknown = "unknown",
        /// A file that it needs could not be read.
        Unreadable = "unreadable",
        /// A note could not be delivered.
        Undelivered = "undelivered",
        /// `restart.only_if` gave no answer.
        ConditionUnknown = "condition_unknown",
    }
}

impl Reason {
    /// The reason in a few words, where the whole message is shown elsewhere.
    pub fn in_short(self) -> String {
        self.as_str().replace('_', " ")
    }

    /// Whether it is a reason of the machine or the whole fleet: many agents have it at once, and it is reported once for all of them.
    pub fn is_shared(self) -> bool {
        match self {
            Self::TooManyPanes | Self::NoTmux | Self::ServerUnreachable | Self::StateUnwritable => true,
            Self::PlaceTaken
            | Self::CwdMissing
            | Self::CommandMissing
            | Self::DependencyEnded
            | Self::DependencyCycle
            | Self::Failed
            | Self::FailedRepeatedly
            | Self::Unhealthy
            | Self::NotReady
            | Self::NotAcknowledged
            | Self::ContextFull
            | Self::Crashed
            | Self::KillFailed
            | Self::NoEffect
            | Self::Dialog
            | Self::Login
            | Self::Permission
            | Self::Stranded
            | Self::Unconfirmed
            | Self::OtherStateFolder
            | Self::Untypable
            | Self::RecordMismatch
            | Self::Unknown
            | Self::Unreadable
            | Self::Undelivered
            | Self::ConditionUnknown => false,
        }
    }
}

words! {
    /// Why a change that is due is held.
    HoldReason {
        /// A client is attached to its session.
        Attached = "attached",
        /// `protect` is set.
        Protected = "protected",
        /// It is working.
        Busy = "busy",
        /// A draft is in its composer.
        Draft = "draft",
        /// A shell reads its terminal and would run what is typed.
        Shell = "shell",
        /// `handoff.require` asks for a note for its successor, and there is none.
        NoNote = "no_note",
        /// Its screen does not say whether it is working.
        Unclear = "unclear",
        /// It waits for a person: a permission, a dialog, a login.
        Waiting = "waiting",
        /// Its terminal echoes what is typed, and nothing says that its program reads it.
        NotReading = "not_reading",
        /// A signal has stopped its program (state T), which reads nothing.
        Suspended = "suspended",
        /// Its usage limit is reached.
        Limit = "limit",
        /// The plan that was approved did not show that it would be interrupted.
        NotShown = "not_shown",
        /// A person paused it.
        Paused = "paused",
        /// A person halted the fleet.
        Halted = "halted",
        /// A watcher of this level does not do it by itself.
        Auto = "auto",
        /// A guard does not allow it to a watcher.
        Guard = "guard",
        /// An agent that depends on it is held or blocked.
        Dependant = "dependant",
    }
}

words! {
    /// What a change waits for. Every wait ends by itself.
    WaitReason {
        /// The pause before the next restart.
        Backoff = "backoff",
        /// The answer of `restart.only_if`.
        Condition = "condition",
        /// Its readiness.
        Ready = "ready",
        /// The effect of a key that answers a dialog.
        Answer = "answer",
        /// Its terminal, for what is typed into it.
        Screen = "screen",
        /// That it acknowledges a note.
        Acknowledgement = "acknowledgement",
        /// The end that it was asked for.
        Drain = "drain",
        /// The end of its tree, which was killed.
        Kill = "kill",
        /// Another agent's milestone.
        After = "after",
        /// The end of the agents that depend on it.
        Dependants = "dependants",
        /// Its turn: `parallelism` agents are on their way.
        Turn = "turn",
        /// Its turn after a mass death.
        Wave = "wave",
    }
}

words! {
    /// A limit on what a plan may do.
    GuardName {
        /// How many agents may be stopped or replaced.
        MaxStop = "max_stop",
        /// Whether a manifest without agents stops everything.
        AllowEmpty = "allow_empty",
        /// Whether the fleet belongs to another manifest.
        Moved = "moved",
        /// Another state folder has the records of what runs.
        StateFolder = "state_folder",
    }
}
