//! One run of a tmux client: with a minimal environment, over before a deadline, its answer whole or an error.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::socket::ServerAt;
use crate::process;

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
        let started = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = started.map_err(|error| Trouble::NotStarted(format!("{}: {error}", self.binary.display())))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A client that died at once says why on its standard error.
            let _ = stdin.write_all(input.as_bytes());
        }
        Ok(Running { child, deadline: Instant::now() + self.patience })
    }
}

/// What a client needs and nothing of what the caller has.
pub(super) fn minimal_environment() -> Vec<(OsString, OsString)> {
    let own = |name: &str, default: &str| (OsString::from(name), std::env::var_os(name).unwrap_or_else(|| default.into()));
    vec![own("PATH", "/usr/local/bin:/usr/bin:/bin"), own("HOME", "/"), ("LANG".into(), "C.UTF-8".into()), ("TERM".into(), "screen".into())]
}

/// A client at work; killed when it is dropped before its end.
#[derive(Debug)]
pub(in crate::host) struct Running {
    child: Child,
    deadline: Instant,
}

impl Running {
    /// Its answer.
    pub(in crate::host) fn finish(mut self) -> Result<Output, Trouble> {
        let mut stdout = Vec::new();
        let mut stderr = Vec::new();
        let read = self.drain(&mut stdout, &mut stderr);
        if !matches!(read, Ok(true)) {
            // Only this client: what the server does with its request is for the next look to see.
            let _ = self.child.kill();
        }
        let status = self.child.wait().map_err(|error| Trouble::Broken(error.to_string()))?;
        match read {
            Ok(true) => Ok(Output { success: status.success(), stdout, complaint: one_line(&stderr) }),
            Ok(false) => Err(Trouble::Timeout),
            Err(error) => Err(Trouble::Broken(error.to_string())),
        }
    }

    /// Reads both streams to their ends; false if the deadline came before.
    fn drain(&mut self, stdout: &mut Vec<u8>, stderr: &mut Vec<u8>) -> std::io::Result<bool> {
        let (mut out, mut err) = (self.child.stdout.take(), self.child.stderr.take());
        let mut buffer = vec![0; 64 * 1024];
        while out.is_some() || err.is_some() {
            let rest = self.deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Ok(false);
            }
            let open: Vec<(bool, BorrowedFd<'_>)> =
                out.iter().map(|out| (true, out.as_fd())).chain(err.iter().map(|err| (false, err.as_fd()))).collect();
            let fds: Vec<BorrowedFd<'_>> = open.iter().map(|(_, fd)| *fd).collect();
            let ready = process::wait_any(&fds, Some(rest))?;
            let ready: Vec<bool> = ready.into_iter().map(|position| open[position].0).collect();
            for is_out in ready {
                if is_out {
                    read_some(&mut out, stdout, &mut buffer)?;
                } else {
                    read_some(&mut err, stderr, &mut buffer)?;
                }
            }
        }
        Ok(true)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After `finish` it is reaped and both do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads what is there; at its end the stream is given up.
fn read_some(stream: &mut Option<impl Read>, into: &mut Vec<u8>, buffer: &mut [u8]) -> std::io::Result<()> {
    let Some(open) = stream else { return Ok(()) };
    match open.read(buffer) {
        Ok(0) => *stream = None,
        Ok(count) => into.extend_from_slice(&buffer[..count]),
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

fn one_line(text: &[u8]) -> String {
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
