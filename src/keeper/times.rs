//! When the bytes of a log were written. Beside a log `X` lies `X.times`: notes of 16 bytes, each a place in the log and a time, made at most once a
//! second or every 64 KiB. Lines carry no time of their own, so this is all that is known; without notes nothing is guessed.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::safe_open::{self, Trust, read_trusted};
use crate::time::Timestamp;

/// The length of a note: the place as a `u64`, then milliseconds since 1970 as an `i64`, little end first.
const LENGTH: usize = 16;

/// Notes closer to each other than this, in milliseconds and in bytes, are left out.
const INTERVAL: u64 = 1_000;
const STRIDE: u64 = 64 << 10;

/// Up to this time the byte at this place of a log, and none after it, had not been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// Bytes from the beginning of the log.
    pub place: u64,
    /// When the byte there was written.
    pub at: Timestamp,
}

/// How exact notes are: a byte was written no later than this after the last note before it, or the next note is its own.
pub const EXACTNESS: crate::time::Duration = crate::time::Duration::from_millis(INTERVAL);

/// The notes of a log; none if there are no readable ones, or if they are not of this log.
pub fn notes(log: &Path, length: u64) -> Vec<Note> {
    let bytes = read_trusted(&beside(log), Trust::Own).unwrap_or_default();
    let notes: Vec<Note> = bytes.chunks_exact(LENGTH).filter_map(note).collect();
    if notes.iter().any(|note| note.place > length) { Vec::new() } else { notes }
}

fn note(bytes: &[u8]) -> Option<Note> {
    let (place, at) = bytes.split_at_checked(8)?;
    let at = Timestamp::from_millis(i64::from_le_bytes(at.try_into().ok()?));
    Some(Note { place: u64::from_le_bytes(place.try_into().ok()?), at })
}

/// Why a keeper would not write a log there: the log or the notes of its times are a link, no file, or not ours. None if it would.
pub fn log_fault(log: &Path) -> Option<String> {
    let fault = |path: PathBuf| safe_open::may_append(&path, Trust::Own).err().map(|error| format!("{}: {error}", path.display()));
    fault(log.to_owned()).or_else(|| fault(beside(log)))
}

/// Where the notes of a log lie.
pub(super) fn beside(log: &Path) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(".times");
    PathBuf::from(name)
}

/// The notes of a log that is being written. What cannot be noted is left out: a log matters more than its times.
#[derive(Debug)]
pub(super) struct Times {
    file: Option<File>,
    last: Option<Note>,
}

impl Times {
    /// Goes on with the notes of a log that has this length now.
    pub(super) fn open(log: &Path, length: u64) -> Self {
        let path = beside(log);
        let last = if length > 0 { notes(log, length).last().copied() } else { None };
        if last.is_none() {
            // Of an earlier log under this name.
            let _ = std::fs::remove_file(&path);
        }
        Self { file: append(&path).ok(), last }
    }

    /// No notes: what is written to is no file.
    pub(super) const fn none() -> Self {
        Self { file: None, last: None }
    }

    /// Notes that what is written now begins at this place.
    pub(super) fn note(&mut self, place: u64, now: Timestamp) {
        let Some(file) = &mut self.file else { return };
        let far = |last: &Note| place.saturating_sub(last.place) >= STRIDE || now.as_millis().abs_diff(last.at.as_millis()) >= INTERVAL;
        if !self.last.as_ref().is_none_or(far) {
            return;
        }
        let mut bytes = [0; LENGTH];
        bytes[..8].copy_from_slice(&place.to_le_bytes());
        bytes[8..].copy_from_slice(&now.as_millis().to_le_bytes());
        // Half a note would make nonsense of all that follow.
        match file.write(&bytes) {
            Ok(LENGTH) => self.last = Some(Note { place, at: now }),
            Ok(_) | Err(_) => self.file = None,
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    let file = safe_open::append(path, Trust::Own)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let length = file.metadata()?.len();
    file.set_len(length - length % LENGTH as u64)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_noted_once_a_second_and_only_of_this_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("x.log");
        let at = Timestamp::from_millis;
        let mut times = Times::open(&log, 0);
        for (place, now) in [(0, 1_000), (10, 1_999), (20, 2_000), (30, 2_001), (20 + STRIDE, 2_002)] {
            times.note(place, at(now));
        }
        let expected = [(0, 1_000), (20, 2_000), (20 + STRIDE, 2_002)].map(|(place, now)| Note { place, at: at(now) });
        assert_eq!(notes(&log, 1 << 20), expected);
        assert_eq!(notes(&log, 100), [], "of a log that was longer");
        // Half a note, and a second writer.
        std::fs::OpenOptions::new().append(true).open(beside(&log)).unwrap().write_all(b"half").unwrap();
        Times::open(&log, 1 << 20).note(1 << 20, at(9_000));
        assert_eq!(notes(&log, 1 << 20).len(), 4);
        Times::open(&log, 5).note(5, at(9_000));
        assert_eq!(notes(&log, 5), [Note { place: 5, at: at(9_000) }]);
    }
}
