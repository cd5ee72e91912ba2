//! The codes of errors, by which programs tell what went wrong and whether to try again.

use crate::plan::words;

words! {
    /// What went wrong.
    ErrorCode {
        /// The arguments are wrong. Not retryable.
        Usage = "usage",
        /// There is no manifest at the place that is meant. Not retryable.
        ManifestMissing = "manifest_missing",
        /// The manifest is not valid. Not retryable.
        ManifestInvalid = "manifest_invalid",
        /// No agent has the name, or several match where one is meant. Not retryable.
        AgentUnknown = "agent_unknown",
        /// The machine did not do what it was asked to: a file, a process or a tmux call failed. Retryable.
        Machine = "machine",
        /// Anything else, or several of these. Not retryable.
        Failed = "failed",
        /// The time was over; what was begun goes on. Retryable.
        TimedOut = "timed_out",
        /// What is left is held, and goes on when it is released. Retryable.
        Held = "held",
        /// What is left needs a person. Not retryable.
        Blocked = "blocked",
        /// An agent was not ready in time. Not retryable.
        NotReady = "not_ready",
        /// Something else is left to do. Retryable.
        NotConverged = "not_converged",
        /// A guard does not allow so much. Not retryable.
        Guard = "guard",
        /// The plan needs an approval, and there is no terminal to ask at. Not retryable.
        ApprovalNeeded = "approval_needed",
        /// The fleet belongs to another manifest. Not retryable.
        OtherManifest = "other_manifest",
        /// The command runs inside of an agent that it would end. Not retryable.
        InsideAgent = "inside_agent",
        /// A watcher of this fleet is at work and would undo it. Not retryable.
        WatcherRunning = "watcher_running",
        /// Refused for another reason, which the message tells. Not retryable.
        Refused = "refused",
        /// Another command holds the lock of the fleet. Retryable.
        Locked = "locked",
        /// A signal asked to stop; what was begun goes on. Retryable.
        Interrupted = "interrupted",
    }
}

impl ErrorCode {
    /// Whether the same command may succeed later though no person changed anything.
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::Machine | Self::TimedOut | Self::Held | Self::NotConverged | Self::Locked | Self::Interrupted => true,
            Self::Usage
            | Self::ManifestMissing
            | Self::ManifestInvalid
            | Self::AgentUnknown
            | Self::Failed
            | Self::Blocked
            | Self::NotReady
            | Self::Guard
            | Self::ApprovalNeeded
            | Self::OtherManifest
            | Self::InsideAgent
            | Self::WatcherRunning
            | Self::Refused => false,
        }
    }
}
