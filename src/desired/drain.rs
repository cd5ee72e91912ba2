//! How an agent is asked to end.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Probe;
use crate::time::Duration;

/// One way of asking an agent to end, and how long to wait for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainStep {
    /// How it is asked.
    pub ask: DrainAsk,
    /// How long it is waited for; zero is one look.
    pub wait: Duration,
    /// What ends the step before its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Probe>,
}

impl DrainStep {
    /// How long a step waits where the manifest does not say.
    pub const USUAL_WAIT: Duration = Duration::from_secs(10);

    /// Ctrl-C in its pane.
    pub fn interrupt() -> Self {
        Self { ask: DrainAsk::Keys(vec!["C-c".to_owned()]), wait: Self::USUAL_WAIT, until: None }
    }

    /// A text in its terminal.
    pub fn ask(text: String) -> Self {
        Self { ask: DrainAsk::Ask(text), wait: Self::USUAL_WAIT, until: None }
    }

    /// TERM to its program.
    pub const fn term() -> Self {
        Self { ask: DrainAsk::Signal { signal: Signal::Term, to: SignalTo::Main }, wait: Self::USUAL_WAIT, until: None }
    }
}

/// How an agent is asked to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DrainAsk {
    /// A text is typed into its terminal and submitted.
    Ask(String),
    /// A note is laid into its inbox.
    Message(String),
    /// A command is run.
    Command(Vec<String>),
    /// Keys are sent to its pane, by tmux's names for them.
    Keys(Vec<String>),
    /// A signal is sent.
    Signal {
        /// Which.
        signal: Signal,
        /// To whom.
        to: SignalTo,
    },
}

/// The signals that a drain may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Signal {
    /// SIGTERM.
    Term,
    /// SIGINT.
    Int,
    /// SIGHUP.
    Hup,
    /// SIGQUIT.
    Quit,
    /// SIGUSR1.
    Usr1,
    /// SIGUSR2.
    Usr2,
    /// SIGKILL.
    Kill,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Term => "TERM",
            Self::Int => "INT",
            Self::Hup => "HUP",
            Self::Quit => "QUIT",
            Self::Usr1 => "USR1",
            Self::Usr2 => "USR2",
            Self::Kill => "KILL",
        })
    }
}

/// Who gets a signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignalTo {
    /// The program and all its descendants.
    Tree,
    /// The processes of the program's process group that are its descendants.
    Group,
    /// The program.
    #[default]
    Main,
}
