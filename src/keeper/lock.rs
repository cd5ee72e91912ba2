//! The lock of an agent: whoever holds it is its keeper, and there is no second one. The file is never deleted.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use super::file;
use crate::safe_open;

/// [`is_locked`] holds the lock for an instant: a keeper that meets it tries again, for 50 ms in all.
const TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(5);

/// A lock that was taken.
#[derive(Debug)]
pub(super) struct Taken {
    /// Held until this is dropped.
    pub(super) file: File,
    /// Whether another process had it meanwhile, if only to look.
    pub(super) contested: bool,
}

/// The lock; `None` if another holds it. Errors if the file cannot be opened or is not ours.
pub(super) fn take(path: &Path) -> io::Result<Option<Taken>> {
    let file = open(path)?;
    for attempt in 0..TRIES {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(Taken { file, contested: attempt > 0 })),
            Err(Errno::WOULDBLOCK) => std::thread::sleep(BETWEEN_TRIES),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Whether a keeper holds the lock at `path`. Errors when that cannot be told.
///
/// To look takes the lock for an instant, but only shared: two looks do not disturb each other, and a keeper that is just starting tries again.
pub fn is_locked(path: &Path) -> io::Result<bool> {
    let file = match safe_open::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(Errno::WOULDBLOCK) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn open(path: &Path) -> io::Result<File> {
    // A pipe in its place is not waited for.
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).map_err(io::Error::other)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
    let file = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => file::make_parent(path).and_then(|()| options.open(path)),
        result => result,
    }?;
    let facts = file.metadata()?;
    if facts.is_file() && facts.uid() == rustix::process::geteuid().as_raw() {
        Ok(file)
    } else {
        Err(io::Error::other("it is not a regular file of ours: move it away"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_in_its_place_is_named_and_never_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR, 0)
            .unwrap();
        assert_eq!(is_locked(&path).unwrap_err().to_string(), "it is not a regular file but a named pipe");
        assert!(take(&path).unwrap_err().to_string().contains("it is not a regular file of ours"));
    }
}
