//! How a process ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exit {
    /// With this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It could not be started.
    Failed(String),
    /// With status 0, after it had put itself into the background, from where it was ended: this names what was.
    Backgrounded(String),
    /// No process saw it: no result is invented.
    Unseen,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with status {code}"),
            Self::Signal(signal) => write!(f, "was ended by signal {signal}"),
            Self::Failed(why) => write!(f, "could not start: {why}"),
            Self::Backgrounded(left) => write!(
                f,
                "went into the background and exited with status 0; the processes that it left ({left}) were ended: run it in the foreground, or set \
                 daemonizes = true"
            ),
            Self::Unseen => f.write_str("ended unseen"),
        }
    }
}
