//! When an agent counts as ready, and the questions by which that and other things are told.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::time::Duration;

/// When an agent counts as ready.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ready {
    /// What is looked at. The default rule: it has lived for one second.
    pub probe: Probe,
    /// How long it may take.
    pub timeout: Duration,
    /// The time between two looks.
    pub interval: Duration,
    /// What it means when it took longer.
    pub on_timeout: OnTimeout,
    /// Which process must serve a port of this machine.
    pub owner: Owner,
}

impl Default for Ready {
    fn default() -> Self {
        Self {
            probe: Probe::Delay(Duration::from_secs(1)),
            timeout: Duration::from_secs(90),
            interval: Duration::from_millis(250),
            on_timeout: OnTimeout::Fail,
            owner: Owner::Tree,
        }
    }
}

/// What it means when an agent did not get ready in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnTimeout {
    /// It has failed: it is left as it is, shown, and what depends on it does not start.
    #[default]
    Fail,
    /// It counts as ready, with a warning.
    Proceed,
}

/// Which process must serve a port of this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// A process of the agent's own tree, or one whose owner is not known.
    #[default]
    Tree,
    /// Any.
    Any,
}

/// A question with a yes or no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Probe {
    /// The pane shows text that matches this regular expression.
    Screen(String),
    /// A file is there.
    File(PathBuf),
    /// `host:port` takes a connection.
    Tcp(String),
    /// A GET of an `http://` address answers with this status.
    Http {
        /// The address.
        url: String,
        /// The status, 200 without it.
        status: u16,
    },
    /// A command exits with 0.
    Command(Vec<String>),
    /// It has lived for this long.
    Delay(Duration),
    /// A file was changed not longer ago than this, and not before the spawn.
    Heartbeat {
        /// The file.
        file: PathBuf,
        /// The greatest age of its last change.
        max_age: Duration,
    },
    /// Its preset reads the screen as that of a program that takes input or works.
    Preset,
}
