//! Finding the values of secrets. No message of this module contains a value, nor what a command wrote about one.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::program;
use super::signals::Signals;
use super::spec::Secret;
use super::status::{StartError, StartErrorKind};
use crate::desired::SECRET_PATIENCE;
use crate::process::{ProcId, death_notice, wait_any};
use crate::safe_open::{Trust, read_trusted};

/// The longest secret in bytes: what one variable can hold on Linux.
const MAX_SIZE: u64 = 128 * 1024;

/// The value of the secret `name`; its command gets `environment`.
pub(super) fn resolve(
    name: &str,
    source: &Secret,
    environment: &BTreeMap<String, String>,
    signals: &mut Signals,
) -> Result<String, StartError> {
    let wrong = |why: String| StartError::new(StartErrorKind::Secret, format!("secret {name}: {why}"));
    let value = match source {
        Secret::Value(value) => return Ok(value.clone()),
        Secret::File(path) => read_trusted(path, Trust::System).map_err(|error| wrong(format!("{}: {error}", path.display())))?,
        Secret::Command(argv) => output(argv, environment, signals).map_err(|failure| match failure {
            Failure::Why(why) => wrong(format!("its command {} {why}", argv.first().map_or("", String::as_str))),
            Failure::Asked => StartError::new(StartErrorKind::Asked, "it was asked to end while a secret was looked up"),
        })?,
    };
    let mut value = String::from_utf8(value).map_err(|_| wrong("its value is not UTF-8".to_owned()))?;
    if value.ends_with('\n') {
        value.pop();
    }
    if value.contains('\0') || value.len() as u64 >= MAX_SIZE {
        return Err(wrong("its value cannot be the value of a variable".to_owned()));
    }
    Ok(value)
}

enum Failure {
    Why(String),
    Asked,
}

fn output(argv: &[String], environment: &BTreeMap<String, String>, signals: &mut Signals) -> Result<Vec<u8>, Failure> {
    let mut child = program::spawn(
        argv,
        environment,
        |command| {
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
            Ok(())
        },
        || false,
    )
    .map_err(|why| Failure::Why(format!("was not started: {why}")))?;
    let printed = read_until_exit(&mut child, signals);
    if printed.is_err() {
        let _ = child.kill();
    }
    let status = child.wait();
    let printed = printed?;
    match status {
        Ok(status) if status.success() => Ok(printed),
        Ok(status) => Err(Failure::Why(format!("failed: {status}"))),
        Err(error) => Err(Failure::Why(format!("was lost: {error}"))),
    }
}

/// What the child prints until it ends; what it leaves running in the background is not waited for.
fn read_until_exit(child: &mut Child, signals: &mut Signals) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| Failure::Why(format!("was lost: {error}"));
    let until = Instant::now() + SECRET_PATIENCE.std();
    let Some(mut stdout) = child.stdout.take() else { return Ok(Vec::new()) };
    rustix::io::ioctl_fionbio(&stdout, true).map_err(|error| failed(error.into()))?;
    let death = match ProcId::of(child.id()).map_err(failed)? {
        Some(process) => death_notice(&process).map_err(failed)?,
        None => None,
    };
    let mut printed = Vec::new();
    let mut is_over = death.is_none();
    loop {
        match stdout.by_ref().take(MAX_SIZE).read_to_end(&mut printed) {
            Ok(_) => is_over |= death.is_none(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(failed(error)),
        }
        if printed.len() as u64 > MAX_SIZE {
            return Err(Failure::Why("printed too much".to_owned()));
        }
        if is_over {
            return Ok(printed);
        }
        if Instant::now() >= until {
            return Err(Failure::Why(format!("took longer than {} s", SECRET_PATIENCE.std().as_secs())));
        }
        if signals.ends_before_start() {
            return Err(Failure::Asked);
        }
        // The end of the command is waited for, not the end of its output; its last words are read once more after it.
        let death = death.as_ref().map(AsFd::as_fd);
        let waited: Vec<_> = [signals.as_fd()].into_iter().chain(death).collect();
        let step = until.saturating_duration_since(Instant::now()).min(Duration::from_millis(100));
        is_over = wait_any(&waited, Some(step)).map_err(failed)?.contains(&1);
    }
}
