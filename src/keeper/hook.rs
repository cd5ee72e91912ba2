//! Running one hook to its end, or to the end of its time: whatever it started is gone then.

use std::collections::BTreeMap;
use std::io::{self, PipeReader, Read};
use std::os::fd::AsFd;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::log::LogFile;
use super::program;
use super::signals::Signals;
use crate::desired::Hook;
use crate::process::{ProcId, death_notice, descendants, end_tree, variable, wait_any};

/// The variable that tells a hook its name, and by which what it started is found.
const VARIABLE: &str = "RECONCILE_HOOK";

/// How long the end of a hook's tree is waited for.
const END: Duration = Duration::from_secs(1);

/// So much of the end of its output is looked at for what it said last.
const LAST_WORDS: usize = 2048;

/// The longest line that is quoted, in characters.
const LINE: usize = 300;

/// What ends a hook before its time.
pub(super) enum Heed<'a> {
    /// The wish that the instance ends.
    End(&'a mut Signals),
    /// Nothing: it belongs to the end.
    Nothing,
}

/// How a hook failed.
pub(super) enum Failure {
    /// Why.
    Why(String),
    /// The end was asked for meanwhile.
    Asked,
}

/// Runs `hook` in the current folder with this environment and waits for it; what it prints goes to `print`.
pub(super) fn run(
    name: &str,
    hook: &Hook,
    environment: &BTreeMap<String, String>,
    label: &str,
    heed: Heed<'_>,
    print: &mut dyn FnMut(&[u8]),
) -> Result<(), Failure> {
    let mut environment = environment.clone();
    environment.insert(VARIABLE.to_owned(), name.to_owned());
    let lost = |error: io::Error| Failure::Why(format!("was lost: {error}"));
    let (pipe, writer) = io::pipe().map_err(lost)?;
    rustix::io::ioctl_fionbio(&pipe, true).map_err(|error| lost(error.into()))?;
    let child = program::spawn(
        &hook.command,
        &environment,
        |command| {
            command.stdin(Stdio::null()).stdout(Stdio::from(writer.try_clone()?)).stderr(Stdio::from(writer.try_clone()?));
            Ok(())
        },
        || false,
    );
    drop(writer);
    let mut child = child.map_err(|why| Failure::Why(format!("was not started: {why}")))?;
    let mut output = Output { pipe: Some(pipe), said: Vec::new(), print };
    let ended = wait(&child, hook, heed, &mut output);
    end(&child, name, label);
    let status = child.wait();
    output.hear();
    ended?;
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::Why(format!("failed: {status}{}", last_line(&output.said)))),
        Err(error) => Err(lost(error)),
    }
}

/// What a hook prints.
struct Output<'a> {
    pipe: Option<PipeReader>,
    said: Vec<u8>,
    print: &'a mut dyn FnMut(&[u8]),
}

impl Output<'_> {
    /// Takes what is there, but not without end from one that never stops; at the end of all output the pipe is closed.
    fn hear(&mut self) {
        let mut buffer = [0; 4096];
        for _ in 0..64 {
            let Some(pipe) = &mut self.pipe else { return };
            match pipe.read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(length) => {
                    (self.print)(&buffer[..length]);
                    self.said.extend_from_slice(&buffer[..length]);
                    self.said.drain(..self.said.len().saturating_sub(LAST_WORDS));
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => return,
                Err(_) => self.pipe = None,
            }
        }
    }
}

fn wait(child: &Child, hook: &Hook, mut heed: Heed<'_>, output: &mut Output<'_>) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Why(format!("was lost: {error}"));
    let until = Instant::now() + hook.timeout.std();
    let death = match ProcId::of(child.id()).map_err(failed)? {
        Some(process) => death_notice(&process).map_err(failed)?,
        None => None,
    };
    let Some(death) = death else { return Ok(()) };
    loop {
        output.hear();
        let now = Instant::now();
        if now >= until {
            return Err(Failure::Why(format!("took longer than {}", hook.timeout)));
        }
        let mut waited = vec![death.as_fd()];
        if let Heed::End(signals) = &mut heed {
            if signals.ends_before_start() {
                return Err(Failure::Asked);
            }
            waited.push(signals.as_fd());
        }
        waited.extend(output.pipe.as_ref().map(AsFd::as_fd));
        if wait_any(&waited, Some(until - now)).map_err(failed)?.contains(&0) {
            return Ok(());
        }
    }
}

/// Kills the hook and whatever it started: found by its name in the environment, also where it left the hook's own tree.
fn end(child: &Child, name: &str, label: &str) {
    let is_its =
        |process: &ProcId| process.pid == child.id() || variable(process.pid, VARIABLE).ok().flatten().is_some_and(|value| value == name);
    let mut roots = descendants(std::process::id()).unwrap_or_default();
    roots.retain(is_its);
    if !roots.is_empty() {
        let _ = end_tree(&roots, label, END);
    }
}

/// What it said last, for people.
fn last_line(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let line: String = line.chars().filter(|letter| !letter.is_control()).take(LINE).collect();
    if line.is_empty() { line } else { format!(": {}", line.trim()) }
}

/// What is told of a hook that failed.
pub(super) fn complaint(name: &str, hook: &Hook, why: &str) -> String {
    format!("the hook {name}, {}, {why}", hook.command.first().map_or("", String::as_str))
}

/// Writes a complaint to where people look: the log, or the pane.
pub(super) fn note(complaint: &str, log: Option<&mut LogFile>) {
    match log {
        Some(log) => log.write(format!("[reconcile: {complaint}]\n").as_bytes()),
        None => super::tell(complaint),
    }
}
