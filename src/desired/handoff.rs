//! How notes reach an agent.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Ready;
use crate::time::Duration;

/// How notes reach an agent. Every agent can be sent notes; what is written here says where else they come from and how they arrive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Handoff {
    /// A file that is a note as soon as it is there and not empty.
    pub source: Option<PathBuf>,
    /// The folder of envelopes; without it, one in the state folder.
    pub inbox: Option<PathBuf>,
    /// The folder of copies of what was delivered; without it, one in the state folder.
    pub archive: Option<PathBuf>,
    /// Who the envelopes say they are from; without it, the agent itself.
    pub from: Option<String>,
    /// In which ways a note arrives.
    pub deliver: BTreeSet<Channel>,
    /// How many notes the archive keeps.
    pub keep: u32,
    /// The most bytes that a note may have.
    pub max_size: u64,
    /// The age from which a note is delivered no more.
    pub expires: Option<Duration>,
    /// By what the agent says that it has read a note.
    pub ack: Option<Ready>,
    /// Whether a replacement waits for a note.
    pub require: bool,
    /// Whether the successor of one that ended unexpectedly gets a note about that.
    pub crash_note: bool,
}

impl Default for Handoff {
    fn default() -> Self {
        Self {
            source: None,
            inbox: None,
            archive: None,
            from: None,
            deliver: BTreeSet::from([Channel::Inbox]),
            keep: 100,
            max_size: 1024 * 1024,
            expires: None,
            ack: None,
            require: false,
            crash_note: false,
        }
    }
}

impl Handoff {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A way in which a note arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// As an envelope in the inbox.
    Inbox,
    /// Typed into the agent's terminal and submitted.
    Paste,
}
