//! What is wrong with the ground that all agents stand on. It is no agent's fault: nothing is started on it and nothing is counted because of it.

use std::fmt;
use std::path::PathBuf;

use crate::time::Timestamp;

/// A trouble of the machine or of the fleet as a whole. Starts wait for its end, also those that would follow a replacement; ends go on. It is
/// found by each look, so it heals by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// No tmux server runs, and there is no tmux to start one with.
    NoTmux {
        /// Where it was looked for.
        path: String,
    },
    /// The tmux server of the fleet cannot be asked.
    ServerUnreachable {
        /// The path of its socket.
        socket: PathBuf,
        /// Why not.
        why: String,
    },
    /// No server or pane came of the last attempt to start agents in tmux.
    TmuxFails {
        /// What tmux said.
        why: String,
        /// Nothing is tried again before this time.
        until: Timestamp,
    },
    /// No process came of the last attempt to start a daemon.
    MachineFails {
        /// What the system said.
        why: String,
        /// Nothing is tried again before this time.
        until: Timestamp,
    },
    /// Not all panes fit. Those that do are started.
    NoRoom {
        /// What is scarce.
        why: String,
    },
    /// What is done could not be remembered.
    StateUnwritable {
        /// The state folder.
        folder: PathBuf,
        /// Why not.
        why: String,
    },
}

impl Condition {
    /// Whether it is that not all panes fit.
    pub fn is_of_room(&self) -> bool {
        matches!(self, Self::NoRoom { .. })
    }

    /// Whether it only concerns agents in tmux.
    pub fn is_of_tmux(&self) -> bool {
        match self {
            Self::NoTmux { .. } | Self::ServerUnreachable { .. } | Self::TmuxFails { .. } | Self::NoRoom { .. } => true,
            Self::MachineFails { .. } | Self::StateUnwritable { .. } => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoTmux { .. } => "install tmux 3.2 or newer, or correct PATH",
            Self::ServerUnreachable { .. } => "if it hangs, end it: agents start again in a new server",
            Self::TmuxFails { .. } | Self::MachineFails { .. } => "the next attempt is automatic",
            Self::NoRoom { .. } => "raise the limit, or declare fewer agents",
            Self::StateUnwritable { .. } => "free space, or make it writable for your user",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTmux { path } => write!(f, "tmux is not in PATH ({path})"),
            Self::ServerUnreachable { socket, why } => write!(f, "tmux server {}: {why}", socket.display()),
            Self::TmuxFails { why, until } | Self::MachineFails { why, until } => {
                write!(f, "nothing could be started; next attempt at {}: {why}", until.clock())
            }
            Self::NoRoom { why } => f.write_str(why),
            Self::StateUnwritable { folder, why } => write!(f, "the state folder {} cannot be written: {why}", folder.display()),
        }
    }
}
