//! The flags of commands that act.

use super::setup::LockFlags;
use crate::time::Duration;

/// The flag of commands that tell what happens while it happens.
#[derive(Debug, clap::Args)]
pub(super) struct EventFlags {
    /// Write events as JSON, a line each
    #[arg(long, requires = "auto_approve")]
    json: bool,
}

impl EventFlags {
    /// What goes to stdout.
    pub(super) fn output(&self) -> Output {
        if self.json { Output::Events } else { Output::Human }
    }
}

/// What goes to stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// The plan and what came of it, for people.
    Human,
    /// What happens, a line of JSON each.
    Events,
    /// How the agents that the run was about are in the end, as `status --json` tells it.
    Document,
}

/// Flags of every command that acts.
#[derive(Debug, clap::Args)]
pub(super) struct RunFlags {
    /// Do not ask
    #[arg(long)]
    pub(super) auto_approve: bool,
    /// End after this time, at rest or not
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    pub(super) timeout: Duration,
    #[command(flatten)]
    pub(super) lock: LockFlags,
    /// Reason to record in the history
    #[arg(short = 'm', long, value_name = "TEXT")]
    pub(super) message: Option<String>,
}

impl RunFlags {
    /// The same, with so much time.
    pub(super) fn with_timeout(&self, timeout: Duration) -> Self {
        let Self { auto_approve, timeout: _, lock, message } = self;
        Self { auto_approve: *auto_approve, timeout, lock: *lock, message: message.clone() }
    }

    /// The same in words, for a helper. Without a time of its own it gets more: an agent that asks for its own restart is at work just then.
    pub(super) fn said(&self) -> Vec<String> {
        let Self { auto_approve: _, timeout, lock: LockFlags { lock_timeout, moved, take_over }, message } = self;
        let usual = Duration::from_secs(5 * 60);
        let timeout = if *timeout == usual { Duration::from_secs(30 * 60) } else { *timeout };
        let mut words = vec![format!("--timeout={timeout}"), format!("--lock-timeout={lock_timeout}")];
        words.extend(moved.then(|| "--moved".to_owned()));
        words.extend(take_over.then(|| "--take-over".to_owned()));
        words.extend(message.iter().map(|message| format!("--message={message}")));
        words
    }

    /// How long it may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }
}
