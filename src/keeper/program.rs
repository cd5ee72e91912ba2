//! Finding a program and starting it. It is found as a shell in the declared environment would find it, never by the keeper's own PATH.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use rustix::io::Errno;

use super::exec_size;
use crate::process::find_program;

/// The pause before a file that was open for writing is tried again.
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// Starts `argv` with exactly this environment in the current folder; `prepare` sets its input and output. The error says why it was not started.
///
/// What the kernel does not take is not given to a shell. A program whose file somebody writes just now is tried again for as long as `is_patient` says.
pub(super) fn spawn(
    argv: &[String],
    environment: &BTreeMap<String, String>,
    prepare: impl Fn(&mut Command) -> io::Result<()>,
    mut is_patient: impl FnMut() -> bool,
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
    let started = loop {
        let mut command = Command::new(&path);
        command.arg0(name).args(arguments);
        match start(command) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::TXTBSY) && is_patient() => std::thread::sleep(BETWEEN_TRIES),
            result => break result,
        }
    };
    started.map_err(|error| named(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_open_for_writing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tool");
        std::fs::copy("/bin/sleep", &file).unwrap();
        let argv = [file.to_str().unwrap().to_owned(), "0".to_owned()];
        let mut writer = Some(std::fs::File::options().append(true).open(&file).unwrap());
        let refused = spawn(&argv, &BTreeMap::new(), |_| Ok(()), || false).unwrap_err();
        assert!(refused.contains("Text file busy"), "{refused}");
        let mut tries = 0;
        let is_patient = || {
            tries += 1;
            drop(writer.take());
            true
        };
        let mut child = spawn(&argv, &BTreeMap::new(), |_| Ok(()), is_patient).unwrap();
        assert!(child.wait().unwrap().success());
        assert!(tries > 0);
    }
}
