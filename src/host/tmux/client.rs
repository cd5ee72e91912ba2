//! One run of a tmux client: with a minimal environment, over before a deadline, its answer whole or an error.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::MemfdFlags;

use super::socket::ServerAt;
use crate::desired::DEFAULT_PATH;
use crate::process;
use crate::quit;

/// How long a client may take: a server at rest answers in milliseconds, one that takes longer is stuck or stopped.
pub(in crate::host) const PATIENCE: Duration = Duration::from_secs(5);

/// What a script may have at most, so that it fits into a pipe before anybody reads.
pub(in crate::host) const SCRIPT_LIMIT: usize = 48 * 1024;

/// How clients of one server are started.
#[derive(Clone, Debug)]
pub(in crate::host) struct Client {
    binary: PathBuf,
    socket: PathBuf,
    environment: Vec<(OsString, OsString)>,
    patience: Duration,
}

/// What a client printed, and whether it was content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::host) struct Output {
    /// Whether it exited with 0.
    pub(in crate::host) success: bool,
    /// What it printed.
    pub(in crate::host) stdout: Vec<u8>,
    /// Its complaints, in one line.
    pub(in crate::host) complaint: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::host) enum Trouble {
    /// The client could not be started.
    NotStarted(String),
    /// It had no answer in time: the server may still do what it was asked.
    Timeout,
    /// The answer could not be read.
    Broken(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(why) => write!(f, "the tmux client could not be started: {why}"),
            Self::Timeout => f.write_str("the tmux server did not answer"),
            Self::Broken(why) => write!(f, "the answer of tmux could not be read: {why}"),
        }
    }
}

impl Client {
    /// Clients of a running server.
    pub(in crate::host) fn of(server: &ServerAt) -> Self {
        Self::with(server.binary.clone(), &server.socket)
    }

    /// Clients that run `binary` and talk to whatever listens at `socket`.
    pub(super) fn with(binary: PathBuf, socket: &Path) -> Self {
        Self { binary, socket: socket.to_owned(), environment: minimal_environment(), patience: PATIENCE }
    }

    /// Clients that may take so long, and not as long as others.
    pub(super) fn within(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Starts a client with these arguments and this text as its standard input, at most [`SCRIPT_LIMIT`] of it.
    pub(in crate::host) fn start<A: AsRef<OsStr>>(&self, arguments: &[A], input: &str) -> Result<Running, Trouble> {
        let mut command = Command::new(&self.binary);
        command.arg("-u").arg("-S").arg(&self.socket).args(arguments);
        self.start_command(command, input)
    }

    /// Runs tmux commands, each on its line, in one client.
    pub(in crate::host) fn start_script(&self, script: &str) -> Result<Running, Trouble> {
        self.start(&["source-file", "-"], script)
    }

    /// Starts a client and waits for it.
    pub(in crate::host) fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<Output, Trouble> {
        self.start(arguments, "")?.finish()
    }

    /// As [`Self::start_script`], and waits for it.
    pub(in crate::host) fn run_script(&self, script: &str) -> Result<Output, Trouble> {
        self.start_script(script)?.finish()
    }

    /// The environment, the streams and the deadline of a client for a command that leads to one. Its folder is the caller's: with another, the
    /// standard library would copy the whole process for the start. Where the folder matters, commands name it.
    pub(super) fn start_command(&self, mut command: Command, input: &str) -> Result<Running, Trouble> {
        debug_assert!(input.len() <= SCRIPT_LIMIT, "a script must fit into a pipe");
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        let stdin = if input.is_empty() { Stdio::null() } else { Stdio::piped() };
        let not_started = |error: std::io::Error| Trouble::NotStarted(error.to_string());
        let (stdout, stderr) = (page().map_err(not_started)?, page().map_err(not_started)?);
        let (out, err) = (stdout.try_clone().map_err(not_started)?, stderr.try_clone().map_err(not_started)?);
        let started = command.stdin(stdin).stdout(out).stderr(err).spawn();
        let mut child = started.map_err(|error| Trouble::NotStarted(format!("{}: {error}", self.binary.display())))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A client that died at once says why on its standard error.
            let _ = stdin.write_all(input.as_bytes());
        }
        Ok(Running { child, stdout, stderr, deadline: Instant::now() + quit::patience(self.patience) })
    }
}

/// What a client needs and nothing of what the caller has.
pub(super) fn minimal_environment() -> Vec<(OsString, OsString)> {
    let own = |name: &str, default: &str| (OsString::from(name), std::env::var_os(name).unwrap_or_else(|| default.into()));
    vec![own("PATH", DEFAULT_PATH), own("HOME", "/"), ("LANG".into(), "C.UTF-8".into()), ("TERM".into(), "screen".into())]
}

/// Where a client writes: nobody has to read while it does, and it never waits for a reader.
fn page() -> std::io::Result<File> {
    let make = |flags| rustix::fs::memfd_create("tmux", MemfdFlags::CLOEXEC | flags);
    // Some machines want it to be said that it is no program; older ones do not know how (Linux 6.3).
    Ok(make(MemfdFlags::NOEXEC_SEAL).or_else(|_| make(MemfdFlags::empty()))?.into())
}

/// A client at work; killed when it is dropped before its end.
#[derive(Debug)]
pub(in crate::host) struct Running {
    child: Child,
    stdout: File,
    stderr: File,
    deadline: Instant,
}

impl Running {
    /// Its answer.
    pub(in crate::host) fn finish(mut self) -> Result<Output, Trouble> {
        let broken = |error: std::io::Error| Trouble::Broken(error.to_string());
        let in_time = process::child_ends_by(&mut self.child, self.deadline);
        if !matches!(in_time, Ok(true)) {
            // Only this client: what the server does with its request is for the next look to see.
            let _ = self.child.kill();
        }
        let status = self.child.wait().map_err(broken)?;
        if !in_time.map_err(broken)? {
            return Err(Trouble::Timeout);
        }
        let (stdout, stderr) = (written(&mut self.stdout).map_err(broken)?, written(&mut self.stderr).map_err(broken)?);
        Ok(Output { success: status.success(), stdout, complaint: one_line(&stderr) })
    }
}

fn written(page: &mut File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    page.seek(SeekFrom::Start(0))?;
    page.read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Drop for Running {
    fn drop(&mut self) {
        // After `finish` it is reaped and both do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn one_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.dedup();
    lines.join("; ").chars().take(500).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(line: &str) -> Result<Output, Trouble> {
        let client = Client::with("/bin/sh".into(), Path::new("/nowhere"));
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(line);
        let mut running = client.start_command(command, "")?;
        running.deadline = Instant::now() + Duration::from_millis(300);
        running.finish()
    }

    #[test]
    fn an_answer_is_whole_or_an_error() {
        let output = shell("head -c 300000 /dev/zero; echo wrong >&2; echo wrong >&2; exit 1").unwrap();
        assert_eq!((output.success, output.stdout.len(), output.complaint.as_str()), (false, 300_000, "wrong"));
        assert_eq!(shell("echo half; exec sleep 1000"), Err(Trouble::Timeout));
    }

    #[test]
    fn a_client_gets_four_variables_and_nothing_else() {
        let output = shell("env | cut -d= -f1 | grep -v -e _ -e PWD -e SHLVL | sort").unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "HOME\nLANG\nPATH\nTERM\n");
    }
}
