//! How programs are started: with nothing of this machine but its programs, in the background or to their end, and none for ever.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::violation::Violation;

/// A program with a clean environment. Every process that a soak starts begins here.
pub(crate) fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .env("TZ", "UTC")
        .env("LANG", "C.UTF-8")
        .stdin(Stdio::null());
    command
}

/// How the program that is tried is started.
#[derive(Clone, Debug)]
pub(crate) struct Tried {
    pub(crate) program: PathBuf,
    pub(crate) place: PathBuf,
}

/// From where a fleet is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// The folder that owns it.
    Here,
    /// Another state folder.
    Second,
    /// A pid namespace of its own.
    Namespace,
    /// Where `/proc` is empty.
    NoProc,
}

impl Tried {
    /// The program with these arguments.
    pub(crate) fn command(&self, from: From, arguments: &[&str]) -> Command {
        let mut command = match from {
            From::Here | From::Second => clean(&self.program),
            From::Namespace => {
                let mut command = clean("unshare");
                command.args(["--pid", "--fork", "--mount", "--mount-proc", "--kill-child"]).arg(&self.program);
                command
            }
            From::NoProc => {
                let mut command = clean("unshare");
                command.args(["--mount", "sh", "-c", "mount -t tmpfs none /proc && exec \"$0\" \"$@\""]).arg(&self.program);
                command
            }
        };
        let state = if from == From::Second { "second" } else { "small/state" };
        command.args(arguments).current_dir(&self.place).env("HOME", self.place.join("home"));
        command.env("TMUX_TMPDIR", &self.place).env("RECONCILE_STATE_DIR", self.place.join(state));
        command
    }

    /// Runs it to its end: the exit code, none if a signal ended it, and what it wrote.
    pub(crate) fn finish(&self, from: From, arguments: &[&str], limit: Duration) -> Result<(Option<i32>, String)> {
        let mut running = self.begin(from, arguments, "now", limit)?;
        loop {
            if let Some(ended) = running.ended()? {
                return Ok(ended);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts it in the background.
    pub(crate) fn begin(&self, from: From, arguments: &[&str], name: &str, limit: Duration) -> Result<Running> {
        let output = self.place.join("out").join(name);
        let file = File::create(&output)?;
        let mut command = self.command(from, arguments);
        let child = command.stdout(file.try_clone()?).stderr(file).spawn().with_context(|| format!("{command:?}"))?;
        let words = format!("{from:?}: {}", arguments.join(" "));
        Ok(Running { child, words, output, until: Instant::now() + limit })
    }
}

/// A command that runs.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) words: String,
    output: PathBuf,
    until: Instant,
}

impl Running {
    /// How it ended, if it has. It must not take longer than it may, and it must not panic.
    pub(crate) fn ended(&mut self) -> Result<Option<(Option<i32>, String)>> {
        match self.child.try_wait()? {
            Some(status) => {
                let text = read(&self.output);
                let code = status.code();
                let known = matches!(code, None | Some(0..=5 | 130));
                if !known || text.contains("panicked") {
                    return Err(Violation(format!("`{}` ended with {status}:\n{text}", self.words)).into());
                }
                Ok(Some((code, text)))
            }
            None if Instant::now() > self.until => {
                let pid = self.child.id();
                let stack = read(Path::new(&format!("/proc/{pid}/stack"))) + &read(Path::new(&format!("/proc/{pid}/wchan")));
                Err(Violation(format!("`{}` (pid {pid}) does not end:\n{}\n{stack}", self.words, read(&self.output))).into())
            }
            None => Ok(None),
        }
    }
}

/// What is in a file, as far as it can be read.
pub(crate) fn read(path: &Path) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
