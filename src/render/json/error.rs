//! Why a command did not do what it was asked to: the last line of `--json`, and the codes that programs act on.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

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

/// The last line of the `--json` of a command that could not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Error")]
pub struct ErrorDocument {
    /// What went wrong.
    pub error: ErrorEntry,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorEntry {
    /// What programs act on.
    pub code: ErrorCode,
    /// The same for people.
    pub message: String,
    /// Whether the same command may succeed later though no person changed anything.
    pub retryable: bool,
    /// What to do; null if the message says it.
    pub hint: Option<String>,
}

impl ErrorEntry {
    /// An error with this code.
    pub fn new(code: ErrorCode, message: String, hint: Option<String>) -> Self {
        Self { code, message, retryable: code.is_retryable(), hint }
    }
}

/// The schema of an error.
pub fn error_schema() -> Schema {
    super::schema_of::<ErrorDocument>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_tells_programs_whether_to_try_again() {
        let schema = serde_json::to_value(error_schema()).unwrap();
        let told = schema["$defs"]["ErrorCode"]["oneOf"].as_array().unwrap();
        assert_eq!(told.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            let told = told.iter().find(|told| told["const"] == code.as_str()).unwrap();
            let says = told["description"].as_str().unwrap();
            assert_eq!(says.ends_with(". Retryable."), code.is_retryable(), "{code}: {says}");
            assert_eq!(says.ends_with(". Not retryable."), !code.is_retryable(), "{code}: {says}");
        }
    }
}
