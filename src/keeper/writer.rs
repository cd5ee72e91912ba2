//! The process that tmux pipes a pane's output to: this same binary, started as `reconcile keep-log SETTINGS`. It writes the log and nothing else,
//! and ends with the pane, whatever becomes of the keeper and of the tool.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
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

/// The file by which a writer tells that its input came to an end: tmux closed it, or gave the output to another program. One that was killed
/// leaves none.
pub fn end_of_input(settings: &Path) -> PathBuf {
    settings.with_extension("ended")
}

/// Writes standard input to the log until its end, and returns the exit code. What cannot be written is dropped: the pane never waits.
pub fn write_log(settings: &Path) -> u8 {
    // Shared: that of the pane's life before may have its last words still to write.
    let path = settings;
    let lives = safe_open::open(path).and_then(|file| Ok(flock(&file, FlockOperation::LockShared).map(|()| file)?));
    let _ = std::fs::remove_file(end_of_input(path));
    let settings = read_trusted(path, Trust::Own).ok().and_then(|text| serde_json::from_slice::<Log>(&text).ok());
    let Some((log, settings)) = settings.and_then(|settings| Some((settings.file.clone()?, settings))) else { return NO_SPEC };
    // Nobody would see why; tmux closes the pipe and the pane goes on.
    let Ok(mut log) = LogFile::open(&log, &settings) else { return NO_SPEC };
    let mut buffer = [0; 16 * 1024];
    loop {
        match std::io::stdin().read(&mut buffer) {
            Ok(0) => {
                if lives.is_ok_and(|file| is_last(&file, path)) {
                    let _ = File::create(end_of_input(path));
                }
                return 0;
            }
            Ok(length) => log.write(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return 0,
        }
    }
}

/// Whether no other writer was started with these settings since: that one goes on with the log.
fn is_last(settings: &File, path: &Path) -> bool {
    let is_same = |there: Metadata| settings.metadata().is_ok_and(|own| (own.dev(), own.ino()) == (there.dev(), there.ino()));
    std::fs::metadata(path).is_ok_and(is_same) && flock(settings, FlockOperation::NonBlockingLockExclusive).is_ok()
}
