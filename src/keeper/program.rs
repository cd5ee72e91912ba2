//! Finding a program and starting it. It is found as a shell in the declared environment would find it, never by the keeper's own PATH.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};

use rustix::io::Errno;

use super::exec_size;
use crate::process::find_program;

/// Starts `argv` with exactly this environment in the current folder; `prepare` sets its input and output. The error says why it was not started.
///
/// A script without a first line that says by what is run by `/bin/sh`, as a shell would.
pub(super) fn spawn(
    argv: &[String],
    environment: &BTreeMap<String, String>,
    prepare: impl Fn(&mut Command) -> io::Result<()>,
) -> Result<Child, String> {
    let (name, arguments) = argv.split_first().ok_or("no program is named")?;
    let named = |why: String| if name.is_empty() { why } else { format!("{}: {why}", name.escape_debug()) };
    // The current folder; a path that begins with it says what the program was called.
    let path = find_program(name, environment.get("PATH").map(String::as_str), Path::new("")).map_err(named)?;
    exec_size::check(argv, environment).map_err(named)?;
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
    started.map_err(|error| named(error.to_string()))
}
