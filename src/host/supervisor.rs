//! The files that the system's own supervisor reads, and the commands by which it is told. Knows nothing of what stands in them.

use std::fs::DirBuilder;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The longest file that is read: ours are a few kilobytes.
const MAX_SIZE: u64 = 1024 * 1024;

/// The text at this path; none if nothing is there. Whatever this program does not write, a link, a folder or what is no text, is an empty one.
///
/// # Errors
///
/// If it cannot be read.
pub fn text_at(path: &Path) -> Result<Option<String>> {
    let read = || -> std::io::Result<Option<String>> {
        let facts = match path.symlink_metadata() {
            Ok(facts) => facts,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(error) => return Err(error),
        };
        let bytes = if facts.is_file() && facts.len() <= MAX_SIZE { std::fs::read(path)? } else { Vec::new() };
        Ok(Some(String::from_utf8(bytes).unwrap_or_default()))
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}

/// Puts a text at this path in one step, readable by its user only, and makes the folders above it if they are missing.
///
/// # Errors
///
/// If it cannot be written; then what was there is still there.
pub fn put(path: &Path, text: &str) -> Result<()> {
    let put = || -> Result<()> {
        let folder = path.parent().context("it is in no folder")?;
        DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
        let mut file = tempfile::Builder::new().prefix(".reconcile-").tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    put().with_context(|| format!("cannot write {}", path.display()))
}

/// Removes a file; it is no error if there is none.
///
/// # Errors
///
/// If it cannot be removed.
pub fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).with_context(|| format!("cannot remove {}", path.display())),
        _ => Ok(()),
    }
}

/// Removes a link to a file, whether or not that is still there; anything else at the link's place stays.
///
/// # Errors
///
/// If it cannot be removed.
pub fn remove_link(link: &Path, file: &Path) -> Result<()> {
    if std::fs::read_link(link).is_ok_and(|to| to == file) { remove(link) } else { Ok(()) }
}

/// What a command of a supervisor came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Whether it ended with 0.
    pub succeeded: bool,
    /// What it printed.
    pub printed: String,
    /// What it complained of.
    pub complaint: String,
}

/// Runs a command of a supervisor to its end. How long that may take is the supervisor's own affair, which gives up on what does not start.
///
/// # Errors
///
/// If it cannot be run.
pub fn tell(argv: &[String]) -> Result<Said> {
    let Some((program, arguments)) = argv.split_first() else { bail!("there is no command") };
    let output = match Command::new(program).args(arguments).stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => bail!("there is no {program} in PATH"),
        Err(error) => return Err(error).with_context(|| format!("{program} cannot be run")),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Ok(Said { succeeded: output.status.success(), printed: text(&output.stdout), complaint: text(&output.stderr) })
}

/// Whether what a user's systemd runs goes on after the last logout. Users without a name here have none.
pub fn lingers(user: &str) -> bool {
    !user.contains('/') && Path::new("/var/lib/systemd/linger").join(user).exists()
}

/// The number of the user who runs this.
pub fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}
