//! What a keeper tells: one JSON file that is replaced as a whole, when the program has started and when all is over.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::file;
use crate::desired::Mark;
use crate::process::{ProcId, Remnant};
use crate::safe_open::{Trust, read_trusted};
use crate::time::Timestamp;

/// How an instance is or was. It is written only while the lock is held, so it never speaks over a living instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The form of this file: [`Status::VERSION`].
    pub version: u32,
    /// The mark of the instance.
    pub label: Mark,
    /// The keeper.
    pub keeper: ProcId,
    /// The program, once it was started.
    pub program: Option<ProcId>,
    /// When the program was started; when the start failed, that moment.
    pub started_at: Timestamp,
    /// How it ended; none while it runs, and for ever if the keeper was killed.
    pub ended: Option<End>,
    /// Whether the keeper holds the fence of its agent: those of version 0.1.0 did not.
    #[serde(default)]
    pub fenced: bool,
}

/// The end of an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// How.
    pub how: Exit,
    /// When the program was seen to have ended.
    pub at: Timestamp,
    /// Whether somebody had asked the keeper to end it, or its terminal went away.
    pub asked: Option<Asked>,
    /// Descendants that outlived the program and were killed.
    pub leftovers_killed: Vec<Remnant>,
    /// Processes below it that belong to somebody else and were left alone.
    pub spared: Vec<Remnant>,
    /// What should be gone and is not.
    pub survivors: Vec<Remnant>,
    /// Descendants that outlived the program, were left running as declared, and are to be named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Remnant>,
    /// Descendants that were killed although the program had put them into the background and then ended with success, as if it were a daemon by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub background: Vec<Remnant>,
    /// What went wrong with hooks, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub complaints: Vec<String>,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Exit {
    /// By itself, with this code.
    Code(u8),
    /// By the signal of this number.
    Signal(i32),
    /// It was never started.
    Failed(StartError),
}

/// What made a keeper end its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// A SIGTERM to the keeper.
    Term,
    /// The terminal went away: its window was closed or its tmux server ended.
    Hangup,
}

/// Why a program was not started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartError {
    /// What was wrong.
    pub kind: StartErrorKind,
    /// In words, with names and paths but no values.
    pub message: String,
}

/// What was wrong with a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartErrorKind {
    /// The working folder cannot be entered.
    Cwd,
    /// The program was not found or cannot be executed.
    Program,
    /// The program is being written. Only found before a start: a keeper waits for it.
    Unsettled,
    /// A secret was not found.
    Secret,
    /// A file of variables is missing or wrong.
    EnvFile,
    /// The hook before the spawn failed.
    Hook,
    /// Standard input cannot be opened.
    Stdin,
    /// The pidfile's place is taken.
    Pidfile,
    /// It should have put itself into the background and did not, or not so that it can be found there.
    Daemonize,
    /// The time to start was over.
    Late,
    /// It was asked to end before it had begun.
    Asked,
    /// The machine failed.
    Io,
}

impl Status {
    /// The only form there has been.
    pub const VERSION: u32 = 1;

    /// The status at `path`; none if there is no file. Errors if it cannot be read, understood or trusted.
    pub fn read(path: &Path) -> io::Result<Option<Self>> {
        match read_trusted(path, Trust::Own) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        file::replace(path, &serde_json::to_vec(self)?)
    }
}

impl StartError {
    pub(super) fn new(kind: StartErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// What a shell would exit with: 127 for a program that is not there, else 126.
    pub(super) fn exit_code(&self) -> u8 {
        if self.kind == StartErrorKind::Program { 127 } else { 126 }
    }
}
