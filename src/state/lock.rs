//! Locks that end with their holder, whatever becomes of it, and say who that is. Never deleted: who opened a deleted file would lock nothing.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::crash;
use super::files::Folder;
use super::unremembered::is_full;
use crate::time::Timestamp;

/// How long a lock is tried for at least: somebody who only looks whether it is free holds it for some microseconds.
const GLANCE: Duration = Duration::from_millis(10);

/// No more is read of what a holder wrote.
const LONGEST: u64 = 4096;

/// The longest pause between two tries: a watcher that has much to do lets go of it for some milliseconds only.
const BETWEEN_TRIES: Duration = Duration::from_millis(5);

/// A lock that is held until this is dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
    holder_died: bool,
    turn: u64,
}

impl Lock {
    /// How often it was taken so far. Between two turns that follow each other, nobody else had it.
    pub fn turn(&self) -> u64 {
        self.turn
    }

    /// Whether its file is not the one under its name any more, because the folder was removed, moved away or replaced by a copy: who takes it now
    /// takes another one.
    pub fn is_lost(&self) -> bool {
        let identity = |stat: std::fs::Metadata| (stat.dev(), stat.ino());
        match (self.file.metadata(), std::fs::symlink_metadata(&self.path)) {
            (Ok(held), Ok(there)) => identity(held) != identity(there),
            (_, Err(error)) => matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory),
            (Err(_), Ok(_)) => false,
        }
    }

    /// Whether the one who held it before died while it did.
    pub fn holder_died(&self) -> bool {
        self.holder_died
    }
}

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// What it does: `apply`, `watch`…
    pub command: String,
    /// Since when.
    pub started: Timestamp,
}

/// Why there is no lock.
#[derive(Debug)]
pub enum NoLock {
    /// Another process holds it; none if it did not say who it is.
    Held(Option<Holder>),
    /// It could not be tried.
    Failed(anyhow::Error),
}

impl fmt::Display for NoLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(Some(Holder { pid, command, started })) => {
                write!(f, "`reconcile {}` holds the lock of this fleet (pid {pid}, since {})", command.escape_debug(), started.clock())
            }
            Self::Held(None) => f.write_str("another process holds the lock of this fleet"),
            Self::Failed(error) => write!(f, "{error:#}"),
        }
    }
}

impl std::error::Error for NoLock {}

impl Drop for Lock {
    fn drop(&mut self) {
        // The name of a former holder would mislead; the lock itself goes with the handle.
        let _ = write(&mut self.file, &self.turn.to_string());
        // A child that was forked meanwhile, and has not become another program yet, has the handle too.
        let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
    }
}

/// Takes the lock `name`, trying for as long as `patience`.
pub(super) fn take(folder: &Folder, name: &str, command: &str, patience: Duration) -> Result<Lock, NoLock> {
    let failed = |error: std::io::Error| {
        let path = folder.path_of(name);
        NoLock::Failed(anyhow::Error::new(error).context(format!("cannot take the lock {}", path.display())))
    };
    let mut file = open(folder, name).map_err(failed)?;
    let end = Instant::now() + patience.max(GLANCE);
    let mut pause = Duration::from_millis(2);
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            // Somebody removed the whole folder in between: this handle is locked, but nobody else would find it.
            Ok(()) if !is_current(folder, name, &file) => file = open(folder, name).map_err(failed)?,
            Ok(()) => break,
            Err(Errno::WOULDBLOCK | Errno::INTR) if Instant::now() < end => {
                std::thread::sleep(pause.min(end.saturating_duration_since(Instant::now())));
                pause = (pause * 2).min(BETWEEN_TRIES);
            }
            Err(Errno::WOULDBLOCK | Errno::INTR) => return Err(NoLock::Held(holder(&mut file))),
            Err(error) => return Err(failed(error.into())),
        }
    }
    // Who lets go of it leaves the number of his turn alone.
    let mut text = String::new();
    let turn = match (&file).take(LONGEST).read_to_string(&mut text).ok().filter(|length| *length > 0) {
        Some(_) => text.trim().parse::<u64>().ok(),
        // A new one, or one that an earlier version let go of.
        None => Some(0),
    };
    let (holder_died, turn) = (turn.is_none(), turn.map_or_else(unheard_of, |turn| turn.wrapping_add(1)));
    let lock = Lock { file, path: folder.path_of(name), holder_died, turn };
    sign(lock, command).map_err(NoLock::Failed)
}

/// A turn after one of which the number is lost: it follows none that anybody remembers.
fn unheard_of() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// The number of the last turn of the lock `name`, if nobody has it at this moment. Changes nothing.
pub(super) fn last_turn(folder: &Folder, name: &str) -> Option<u64> {
    let mut text = String::new();
    folder.open_file(name, OFlags::RDONLY).ok()?.take(LONGEST).read_to_string(&mut text).ok()?;
    // A holder writes who he is.
    text.trim().parse().ok()
}

/// Who holds the lock `name` at this moment; none if it is free. Changes nothing.
pub(super) fn look(folder: &Folder, name: &str) -> anyhow::Result<Option<Option<Holder>>> {
    let mut file = match folder.open_file(name, OFlags::RDONLY) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read the lock {}", folder.path_of(name).display())),
    };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(None),
        Err(Errno::WOULDBLOCK) => Ok(Some(holder(&mut file))),
        Err(error) => Err(error).with_context(|| format!("cannot try the lock {}", folder.path_of(name).display())),
    }
}

fn open(folder: &Folder, name: &str) -> std::io::Result<File> {
    match folder.open_file(name, OFlags::RDWR | OFlags::CREATE) {
        // It cannot be signed then. That it is held is what counts.
        Err(error) if is_full(&error) => folder.open_file(name, OFlags::RDONLY).map_err(|_| error),
        outcome => outcome,
    }
}

fn is_current(folder: &Folder, name: &str, file: &File) -> bool {
    file.metadata().is_ok_and(|stat| folder.identity(name) == Some((stat.dev(), stat.ino())))
}

fn sign(mut lock: Lock, command: &str) -> anyhow::Result<Lock> {
    let started = jiff::Timestamp::now().as_millisecond();
    let holder = Holder { pid: std::process::id(), command: command.to_owned(), started: Timestamp::from_millis(started) };
    let text = serde_json::to_string(&holder)?;
    match write(&mut lock.file, &text) {
        // The holder cannot be written down. The number of an earlier turn would mislead a process that counts turns.
        Err(error) if is_full(&error) || is_read_only(&lock.file) => drop(lock.file.set_len(0)),
        outcome => outcome.context("cannot write the holder into the lock")?,
    }
    Ok(lock)
}

/// Whether it was opened where nothing can be written.
fn is_read_only(file: &File) -> bool {
    rustix::fs::fcntl_getfl(file).is_ok_and(|flags| !flags.contains(OFlags::RDWR))
}

/// Over what is there, so that it needs no new room on a disk that is full.
fn write(file: &mut File, text: &str) -> std::io::Result<()> {
    crash::room()?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(format!("{text}\n").as_bytes())?;
    file.set_len(text.len() as u64 + 1)
}

/// What the holder wrote; it has the lock for a moment before it has said so.
fn holder(file: &mut File) -> Option<Holder> {
    for _ in 0..5 {
        let mut text = String::new();
        file.seek(SeekFrom::Start(0)).and_then(|_| (&*file).take(LONGEST).read_to_string(&mut text)).ok()?;
        if let Ok(holder) = serde_json::from_str(&text) {
            return Some(holder);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_lost_with_its_folder_however_that_went() {
        let root = tempfile::tempdir().unwrap();
        let (place, aside) = (root.path().join("f"), root.path().join("aside"));
        let ways: [&dyn Fn(); 3] = [&|| std::fs::remove_dir_all(&place).unwrap(), &|| std::fs::rename(&place, &aside).unwrap(), &|| {
            std::fs::rename(&place, &aside).unwrap();
            std::fs::create_dir(&place).unwrap();
            std::fs::copy(aside.join("lock"), place.join("lock")).unwrap();
        }];
        for (number, way) in ways.iter().enumerate() {
            let lock = take(&Folder::make(&place).unwrap(), "lock", "watch", Duration::ZERO).unwrap();
            assert!(!lock.is_lost());
            way();
            assert!(lock.is_lost(), "{number}");
            let _ = std::fs::remove_dir_all(&aside);
        }
    }

    #[test]
    fn who_lets_go_of_it_has_let_go_whoever_else_has_its_handle() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::make(root.path()).unwrap();
        let lock = take(&folder, "lock", "apply", Duration::ZERO).unwrap();
        let of_a_child = lock.file.try_clone().unwrap();
        let held = take(&folder, "lock", "watch", Duration::ZERO).unwrap_err();
        assert!(matches!(&held, NoLock::Held(Some(holder)) if holder.command == "apply"), "{held}");
        drop(lock);
        take(&folder, "lock", "watch", Duration::ZERO).unwrap();
        drop(of_a_child);
    }
}
