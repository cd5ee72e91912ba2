//! The present value of a secret, to compare its digest with that of the spawn. What an instance gets is looked up by its keeper, not here.

use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::desired::SecretSource;
use crate::process::{self, ProcId};

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest value in bytes: what one variable can hold on Linux.
const LONGEST: u64 = 128 * 1024;

pub(super) fn secret(source: &SecretSource, cwd: &Path) -> Result<String, String> {
    let value = match source {
        SecretSource::Env(name) => return std::env::var(name).map_err(|_| format!("{name} is not set")),
        SecretSource::File(path) => {
            let file = std::fs::File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
            text(file).map_err(|error| format!("{}: {error}", path.display()))?
        }
        SecretSource::Command(argv) => printed(argv, cwd).map_err(|why| format!("its command {why}"))?,
    };
    Ok(value.strip_suffix('\n').map_or(value.clone(), str::to_owned))
}

fn text(source: impl Read) -> Result<String, String> {
    let mut text = String::new();
    source.take(LONGEST).read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

fn printed(argv: &[String], cwd: &Path) -> Result<String, String> {
    let (program, arguments) = argv.split_first().ok_or("is empty")?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(cwd).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| format!("was not started: {error}"))?;
    // Read beside the wait: a command that prints more than a pipe holds would never end.
    let reader = child.stdout.take().map(|output| std::thread::spawn(move || text(output)));
    let in_time = match ProcId::of(child.id()) {
        Ok(Some(id)) => match process::death_notice(&id) {
            Ok(Some(notice)) => process::wait_any(&[notice.as_fd()], Some(PATIENCE)).is_ok_and(|ready| !ready.is_empty()),
            Ok(None) => true,
            Err(_) => false,
        },
        Ok(None) => true,
        Err(_) => false,
    };
    if !in_time {
        child.kill().map_err(|error| error.to_string())?;
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    match (in_time, status.success(), reader) {
        (false, ..) => Err(format!("took longer than {} s", PATIENCE.as_secs())),
        (true, false, _) => Err(format!("ended with {status}")),
        (true, true, Some(reader)) => reader.join().map_err(|_| "could not be read".to_owned())?,
        (true, true, None) => Ok(String::new()),
    }
}
