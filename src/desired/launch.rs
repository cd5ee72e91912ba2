//! What an instance is started with.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Attributes, DrainStep, SessionName, Socket};
use crate::time::Duration;

/// What an instance is started with. A change here replaces the instance.
///
/// Serialised without what equals the default, so that a field added later changes no digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The program and its arguments.
    pub command: Command,
    /// Where it runs.
    pub place: Place,
    /// The working folder, absolute.
    pub cwd: PathBuf,
    /// Variables set for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Files of variables, read at the spawn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_file: Vec<PathBuf>,
    /// What it gets of the acting process's environment.
    #[serde(default, skip_serializing_if = "Inherit::is_default")]
    pub inherit_env: Inherit,
    /// Names or globs taken from what is inherited; what is declared stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unset_env: Vec<String>,
    /// Variables whose values are found at the spawn and never stored.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, Secret>,
    /// Standard input of a daemon; `/dev/null` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin_file: Option<PathBuf>,
    /// Files whose content counts as part of the launch, with the `blake3:` digest of that content.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub replace_on: BTreeMap<PathBuf, String>,
    /// What it has of the kernel.
    #[serde(default, skip_serializing_if = "Attributes::is_default")]
    pub attributes: Attributes,
    /// Whether the program of a daemon puts itself into the background and writes its pidfile itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub daemonizes: bool,
}

/// The program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Started as it stands. Never empty.
    Argv(Vec<String>),
    /// Run by `sh -c`.
    Shell(String),
}

impl Command {
    /// The words that are executed.
    pub fn argv(&self) -> Vec<String> {
        match self {
            Self::Argv(words) => words.clone(),
            Self::Shell(line) => vec!["sh".to_owned(), "-c".to_owned(), line.clone()],
        }
    }

    /// The program that is executed: a path if it contains a slash, else a name to be found in PATH.
    pub fn program(&self) -> &str {
        match self {
            Self::Argv(words) => words.first().map_or("", String::as_str),
            Self::Shell(_) => "sh",
        }
    }
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Argv(words) => words.serialize(serializer),
            Self::Shell(line) => line.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> de::Visitor<'de> for Words {
            type Value = Command;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of words like [\"claude\", \"--model\", \"opus\"], or one string for `sh -c`")
            }
            fn visit_str<E: de::Error>(self, line: &str) -> Result<Command, E> {
                Ok(Command::Shell(line.to_owned()))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, words: A) -> Result<Command, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(words)).map(Command::Argv)
            }
        }
        deserializer.deserialize_any(Words)
    }
}

/// Where an agent runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "runtime", rename_all = "lowercase")]
pub enum Place {
    /// A pane of a tmux server.
    Tmux {
        /// The server.
        socket: Socket,
        /// The session.
        session: SessionName,
        /// The window in it.
        window: SessionName,
    },
    /// A detached process.
    Daemon {
        /// Its pidfile; without it, one in the state folder.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pidfile: Option<PathBuf>,
    },
}

impl Place {
    /// How an agent in such a place is asked to end where the manifest does not say: Ctrl-C in a pane, then TERM, 10 s each.
    pub fn usual_drain(&self) -> Vec<DrainStep> {
        match self {
            Self::Tmux { .. } => vec![DrainStep::interrupt(), DrainStep::term()],
            Self::Daemon { .. } => vec![DrainStep::term()],
        }
    }
}

/// What an instance gets of the acting process's environment. The values are never part of a digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Inherit {
    /// What a login gives: see [`MINIMAL_ENV`].
    #[default]
    Minimal,
    /// Everything but what is always removed.
    All,
    /// Nothing.
    None,
    /// The variables of these names or globs.
    Only(Vec<String>),
}

impl Inherit {
    fn is_default(&self) -> bool {
        *self == Self::Minimal
    }
}

/// Names and globs of `inherit_env = "minimal"`.
pub const MINIMAL_ENV: [&str; 10] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_*", "TZ", "TMPDIR", "XDG_*"];

/// Where programs are looked for if the environment has no PATH.
pub const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Variables that no agent gets from outside, whatever is inherited: they would point it at the caller's own tmux or agent.
pub const NEVER_INHERITED: [&str; 3] = ["TMUX", "TMUX_PANE", "CLAUDECODE"];

/// A variable whose value is found at the spawn and never stored, printed or put on a command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Where the value is.
    pub from: SecretSource,
    /// Whether another value is a reason to replace the instance.
    #[serde(default, skip_serializing_if = "OnChange::is_default")]
    pub on_change: OnChange,
}

/// How long a command may take to print a secret to a keeper.
pub const SECRET_PATIENCE: Duration = Duration::from_secs(30);

/// Where the value of a secret is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretSource {
    /// The content of a file, without one newline at its end.
    File(PathBuf),
    /// What a command prints, without one newline at its end.
    Command(Vec<String>),
    /// A variable of the acting process.
    Env(String),
}

/// What another value of a secret means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnChange {
    /// Nothing; the next instance gets it.
    #[default]
    Ignore,
    /// The instance is replaced.
    Replace,
}

impl OnChange {
    fn is_default(&self) -> bool {
        *self == Self::Ignore
    }
}
