//! Commands at the turns of an agent's life, and what becomes of what it leaves behind. Here they are only named; keepers and the host run them.

use serde::{Deserialize, Serialize};

use crate::time::Duration;

/// Commands at the turns of an agent's life.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hooks {
    /// Before its program is started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_spawn: Option<Hook>,
    /// When it is first seen to be ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_ready: Option<Hook>,
    /// When it is first asked to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_stop: Option<Hook>,
    /// After the end of its program and its tree, however it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_stop: Option<Hook>,
    /// After an end that nobody asked for and that was no success; before `after_stop`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_crash: Option<Hook>,
}

impl Hooks {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Each with its name.
    pub fn named(&self) -> [(&'static str, Option<&Hook>); 5] {
        let Self { before_spawn, after_ready, before_stop, after_stop, on_crash } = self;
        [
            ("before_spawn", before_spawn.as_ref()),
            ("after_ready", after_ready.as_ref()),
            ("before_stop", before_stop.as_ref()),
            ("after_stop", after_stop.as_ref()),
            ("on_crash", on_crash.as_ref()),
        ]
    }
}

/// A command and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// The program and its arguments. Never empty.
    pub command: Vec<String>,
    /// After this it is killed with its whole tree.
    #[serde(default = "usual_timeout")]
    pub timeout: Duration,
    /// What it means when it does not exit with 0 in time.
    #[serde(default)]
    pub on_fail: OnFail,
}

impl Hook {
    /// How long a hook may take where the manifest does not say.
    pub const USUAL_TIMEOUT: Duration = Duration::from_secs(30);

    /// The longest that a hook may take.
    pub const MAX_TIMEOUT: Duration = Duration::from_secs(600);
}

fn usual_timeout() -> Duration {
    Hook::USUAL_TIMEOUT
}

/// What it means when a hook fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnFail {
    /// Nothing but a line in the log.
    #[default]
    Ignore,
    /// The start fails. Only before a spawn.
    Fail,
}

/// What becomes of descendants that outlive the program's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Leftovers {
    /// They are killed.
    #[default]
    Kill,
    /// They are left running and named.
    Report,
    /// They are left running.
    Keep,
}

impl Leftovers {
    /// Whether it is as where nothing is written.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::Kill
    }
}
