//! The process that tmux pipes a pane's output to: this same binary, started as `reconcile keep-log SETTINGS`. It writes the log and nothing else,
//! and ends with the pane, whatever becomes of the keeper and of the tool.

use std::ffi::OsString;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::NO_SPEC;
use super::log::LogFile;
use crate::desired::Log;
use crate::safe_open::{self, Trust, read_trusted};

/// The word that makes a process the writer of a log.
const KEEP_LOG: &str = "keep-log";

/// The words after the executable that make a process the writer of the log that these settings describe: a [`Log`] as JSON, its `file` given.
pub fn writer_arguments(settings: &Path) -> [OsString; 2] {
    [KEEP_LOG.into(), settings.into()]
}

/// The settings if the calling process was started as the writer of a log. `main` asks this before anything else, so that it stays small.
pub fn writer_asked_for() -> Option<PathBuf> {
    let mut words = std::env::args_os().skip(1);
    if words.next()? != KEEP_LOG {
        return None;
    }
    let settings = words.next()?;
    words.next().is_none().then(|| settings.into())
}

/// Whether a writer that was started with these settings lives: it holds a lock on the file. What cannot be told counts as a no.
pub fn is_writing(settings: &Path) -> bool {
    safe_open::open(settings).is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK))
}

/// Writes standard input to the log until its end, and returns the exit code. What cannot be written is dropped: the pane never waits.
pub fn write_log(settings: &Path) -> u8 {
    // Shared: that of the pane's life before may have its last words still to write.
    let _lives = safe_open::open(settings).and_then(|file| Ok(flock(&file, FlockOperation::LockShared).map(|()| file)?));
    let settings = read_trusted(settings, Trust::Own).ok().and_then(|text| serde_json::from_slice::<Log>(&text).ok());
    let Some((path, settings)) = settings.and_then(|settings| Some((settings.file.clone()?, settings))) else { return NO_SPEC };
    // Nobody would see why; tmux closes the pipe and the pane goes on.
    let Ok(mut log) = LogFile::open(&path, &settings) else { return NO_SPEC };
    let mut buffer = [0; 16 * 1024];
    loop {
        match std::io::stdin().read(&mut buffer) {
            Ok(0) => return 0,
            Ok(length) => log.write(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return 0,
        }
    }
}
