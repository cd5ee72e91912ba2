//! What a keeper is told: one JSON file, read and unlinked before the program starts. It never outlives that moment, for it may hold secrets.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::duties::Duties;
use super::file;
use crate::desired::{Log, Mark};
use crate::safe_open::{Trust, read_trusted};
use crate::time::Timestamp;

/// Everything a keeper needs to know to start one instance and look after it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The form of this file: [`Spec::VERSION`].
    pub version: u32,
    /// The mark of the instance; the same text as on the keeper's command line.
    pub label: Mark,
    /// The program and its arguments. A name without a slash is found in the PATH of the declared environment, never in the keeper's own.
    pub argv: Vec<String>,
    /// The working folder, absolute. A program named with a slash is relative to it.
    pub cwd: PathBuf,
    /// What the environment takes over from the acting process: the weakest part of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inherited: BTreeMap<String, String>,
    /// Files of variables in dotenv form, read at the start; a later one wins, and wins over `inherited`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_files: Vec<PathBuf>,
    /// The declared variables, and ours; they win over the files.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Variables whose values are found at the start; they win over all others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, Secret>,
    /// Names, or globs with `*` and `?`, that are taken from `inherited`. What is declared stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<String>,
    /// The soft limit of open files that the program gets; the keeper's own without it. Never above the hard limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nofile: Option<u64>,
    /// The permissions that new files of the program do not get; the keeper's own without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub umask: Option<u32>,
    /// The niceness of the program; the keeper's own without it, and where it may not be lowered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nice: Option<i32>,
    /// Up to where whoever asks for this start has ruled out that another instance lives; none where that was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ruled_out: Option<RuledOut>,
    /// On a clock of this machine: who comes later starts nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// The file whose lock is held as long as the keeper lives. Created when missing, never deleted.
    pub lock: PathBuf,
    /// Where the [`super::Status`] is written.
    pub status: PathBuf,
    /// Where the program's input and output are.
    pub stdio: Stdio,
    /// What is asked of the keeper besides.
    #[serde(default, skip_serializing_if = "Duties::is_usual")]
    pub duties: Duties,
    /// The file in which that is changed; it is read at each turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duties_file: Option<PathBuf>,
}

/// Up to where it is known that no process of another life of the agent lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuledOut {
    /// The newest number of a process at that moment.
    pub number: u32,
    /// The pid namespace in which it is one; none if that could not be told.
    pub namespace: Option<u64>,
}

/// Where the program's input and output are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Stdio {
    /// On the keeper's terminal, which is a pane's.
    Terminal,
    /// Nowhere near a terminal: a daemon.
    Detached {
        /// Its standard input; `/dev/null` without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stdin: Option<PathBuf>,
        /// Its standard output and error, mixed. `file` must be given.
        log: Log,
        /// A file with a [`Log`] as JSON that is read anew at SIGUSR1; without it the log is only opened anew.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log_settings: Option<PathBuf>,
        /// The pidfile to write; none if the program writes its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pidfile: Option<PathBuf>,
        /// The pidfile that the program itself writes once it has put itself into the background; none if it stays in the foreground.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        daemonizes: Option<PathBuf>,
    },
}

/// Where the value of a secret is found. It is never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Secret {
    /// The content of a file, without one newline at its end.
    File(PathBuf),
    /// What a command prints within 30 seconds, without one newline at its end. It runs in the folder and the environment of the program.
    Command(Vec<String>),
    /// The value itself, handed over.
    Value(String),
}

impl Spec {
    /// The only form there has been.
    pub const VERSION: u32 = 1;

    /// Writes the file that a keeper is started with; mode 0600. Errors if one is there already.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = file::create_new(path)?;
        let written = serde_json::to_vec(self).map_err(io::Error::other).and_then(|text| io::Write::write_all(&mut file, &text));
        if written.is_err() {
            let _ = std::fs::remove_file(path);
        }
        written
    }

    /// Reads a spec and unlinks it, also when it cannot be understood. Errors, and leaves it, if it could be another user's work or has been
    /// open to others' eyes; messages never quote it.
    pub fn take(path: &Path) -> io::Result<Self> {
        let text = read_trusted(path, Trust::Private)?;
        std::fs::remove_file(path)?;
        // The parser's message would quote what it found, which may be a secret.
        let spec: Self = serde_json::from_slice(&text).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidData, format!("it is no spec: line {} column {}", error.line(), error.column()))
        })?;
        if spec.version == Self::VERSION {
            Ok(spec)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, format!("it has version {} and not {}", spec.version, Self::VERSION)))
        }
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spec").field("label", &self.label).finish_non_exhaustive()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}
