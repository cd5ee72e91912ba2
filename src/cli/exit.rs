//! What the exit codes mean.

use std::process::ExitCode;

/// What a command came to. The numbers are a part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitStatus {
    /// Done; also a plan with changes, unless asked otherwise.
    Done = 0,
    /// Wrong usage, an invalid manifest, or nothing of the machine could be looked at.
    Failed = 1,
    /// `plan --detailed-exitcode`, `status --exit-code`: changes are due, held or blocked.
    Due = 2,
    /// `apply` ran and is not at rest; `service` is not installed and current, or was not obeyed.
    NotAtRest = 3,
    /// Refused before anything was done.
    Refused = 4,
    /// Another writer holds the lock.
    Locked = 5,
    /// A signal asked to stop; nothing is half-written.
    Interrupted = 130,
}

impl ExitStatus {
    /// The number.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}
