//! Errors with a code for programs. An error without one gets the code of its exit status.

use std::fmt;
use std::io;

use super::ExitStatus;
use crate::render::json::ErrorCode;

/// An error whose code is known where it arises.
#[derive(Debug)]
pub(super) struct Coded {
    code: ErrorCode,
    message: String,
}

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Coded {}

/// An error with this code.
pub(super) fn coded(code: ErrorCode, message: impl fmt::Display) -> anyhow::Error {
    Coded { code, message: message.to_string() }.into()
}

/// The code that an error carries, if it carries one. What the system refused is the machine's.
pub(super) fn code_of(error: &anyhow::Error) -> Option<ErrorCode> {
    let carried = error.chain().find_map(|cause| cause.downcast_ref::<Coded>()).map(|coded| coded.code);
    carried.or_else(|| error.chain().any(|cause| cause.is::<io::Error>()).then_some(ErrorCode::Machine))
}

/// The code of what went wrong where nothing says more than the exit status; none where nothing did.
pub(super) fn code_for(status: ExitStatus) -> Option<ErrorCode> {
    match status {
        ExitStatus::Done | ExitStatus::Due => None,
        ExitStatus::Failed => Some(ErrorCode::Failed),
        ExitStatus::NotAtRest => Some(ErrorCode::NotConverged),
        ExitStatus::Refused => Some(ErrorCode::Refused),
        ExitStatus::Locked => Some(ErrorCode::Locked),
        ExitStatus::Interrupted => Some(ErrorCode::Interrupted),
    }
}

/// What to do about an error, where the message does not say it.
pub(super) fn hint(code: ErrorCode) -> Option<&'static str> {
    match code {
        ErrorCode::Locked => Some("wait for it with --lock-timeout 60s"),
        ErrorCode::Interrupted | ErrorCode::TimedOut => Some("run it again: it continues where it stopped"),
        ErrorCode::ManifestInvalid => Some("see all errors with `reconcile validate`"),
        ErrorCode::Held | ErrorCode::Blocked | ErrorCode::NotReady | ErrorCode::NotConverged => Some("see why with `reconcile status`"),
        ErrorCode::Usage
        | ErrorCode::ManifestMissing
        | ErrorCode::AgentUnknown
        | ErrorCode::Machine
        | ErrorCode::Failed
        | ErrorCode::Guard
        | ErrorCode::ApprovalNeeded
        | ErrorCode::OtherManifest
        | ErrorCode::InsideAgent
        | ErrorCode::WatcherRunning
        | ErrorCode::Refused => None,
    }
}
