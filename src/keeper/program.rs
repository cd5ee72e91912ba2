//! Finding a program and starting it. It is found as a shell in the declared environment would find it, never by the keeper's own PATH.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use rustix::fs::{Access, access};
use rustix::io::Errno;

/// Where programs are looked for if the environment declares no PATH: the C library's own answer.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Starts `argv` with exactly this environment in the current folder; `prepare` sets its input and output. The error says why it was not started.
///
/// A script without a first line that says by what is run by `/bin/sh`, as a shell would.
pub(super) fn spawn(
    argv: &[String],
    environment: &BTreeMap<String, String>,
    prepare: impl Fn(&mut Command) -> io::Result<()>,
) -> Result<Child, String> {
    let (name, arguments) = argv.split_first().filter(|(name, _)| !name.is_empty()).ok_or("no program is named")?;
    let path = find(name, environment.get("PATH").map_or(DEFAULT_PATH, String::as_str))?;
    // A path and no preparations of our own: the standard library then takes the cheap way, posix_spawn.
    let start = |mut command: Command| {
        prepare(command.env_clear().envs(environment))?;
        command.spawn()
    };
    let mut command = Command::new(&path);
    command.arg0(name).args(arguments);
    let started = match start(command) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOEXEC) => {
            let mut command = Command::new("/bin/sh");
            command.arg(&path).args(arguments);
            start(command)
        }
        result => result,
    };
    started.map_err(|error| format!("{name}: {error}"))
}

fn find(name: &str, path: &str) -> Result<PathBuf, String> {
    if name.contains('/') {
        let file = Path::new(name);
        return is_program(file).map(|()| file.to_owned()).map_err(|errno| format!("{name}: {}", why(errno)));
    }
    let mut forbidden = None;
    for folder in path.split(':') {
        let file = Path::new(if folder.is_empty() { "." } else { folder }).join(name);
        match is_program(&file) {
            Ok(()) => return Ok(file),
            Err(Errno::ACCESS) => forbidden = forbidden.or(Some(file)),
            Err(_) => {}
        }
    }
    match forbidden {
        Some(file) => Err(format!("{}: it is not executable", file.display())),
        None => Err(format!("{name} is not in the PATH of the agent: {path}")),
    }
}

fn is_program(file: &Path) -> Result<(), Errno> {
    let facts = std::fs::metadata(file).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    if facts.is_file() { access(file, Access::EXEC_OK) } else { Err(Errno::ACCESS) }
}

fn why(errno: Errno) -> String {
    match errno {
        Errno::NOENT => "there is no such file".to_owned(),
        Errno::ACCESS => "it is not executable".to_owned(),
        other => other.to_string(),
    }
}
