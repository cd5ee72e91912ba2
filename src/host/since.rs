//! The part of a log that was written since some time, as far as its notes of times tell.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::keeper::{EXACTNESS, Note, notes};
use crate::safe_open;
use crate::time::Timestamp;

/// What was written to a log since some time.
#[derive(Debug, PartialEq, Eq)]
pub struct Since {
    /// The bytes, from the beginning of a line.
    pub bytes: Vec<u8>,
    /// Whether there was more than was asked for: this is the end of it.
    pub is_cut: bool,
    /// Where the asked time lies before all times that are known: the first that is, if there is one. Of what lies before it nothing can be said.
    pub unknown_before: Option<Option<Timestamp>>,
}

/// Reads the log at `path` and those that were moved aside before it, `most` bytes at most and the last of them.
///
/// # Errors
///
/// If one of them cannot be read.
pub(super) fn since(path: &Path, time: Timestamp, most: u64) -> io::Result<Since> {
    let mut parts = Vec::new();
    let mut rest = most;
    let mut first_known = None;
    let mut found = Since { bytes: Vec::new(), is_cut: false, unknown_before: None };
    for number in 0.. {
        let name = if number == 0 { path.to_owned() } else { aside(path, number) };
        let mut file = match safe_open::open(&name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound && number == 0 => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error),
        };
        let length = file.metadata()?.len();
        if length == 0 {
            continue;
        }
        let notes = notes(&name, length);
        first_known = notes.first().map(|note| note.at).or(first_known);
        let (start, goes_on) = match begin(&notes, length, time) {
            Begin::At(start) => (start, false),
            Begin::Before => (0, true),
            Begin::Unknown => {
                found.unknown_before = Some(first_known);
                break;
            }
        };
        let start = line_start(&mut file, start)?;
        let from = start.max(length.saturating_sub(rest));
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(rest).read_to_end(&mut bytes)?;
        rest -= bytes.len() as u64;
        parts.push(bytes);
        if from > start {
            found.is_cut = true;
            break;
        }
        if !goes_on {
            break;
        }
    }
    found.bytes = parts.into_iter().rev().flatten().collect();
    if found.is_cut {
        let end = found.bytes.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        found.bytes.drain(..end);
    }
    Ok(found)
}

enum Begin {
    /// At this byte, or up to a second before the time.
    At(u64),
    /// In an earlier file, or with this one.
    Before,
    /// Among bytes of which no time is known.
    Unknown,
}

fn begin(notes: &[Note], length: u64, time: Timestamp) -> Begin {
    let Some(later) = notes.iter().position(|note| note.at >= time) else {
        return notes.last().map_or(Begin::Unknown, |last| Begin::At(if last.at + EXACTNESS > time { last.place } else { length }));
    };
    match later.checked_sub(1).and_then(|before| notes.get(before)) {
        Some(before) if before.at + EXACTNESS > time => Begin::At(before.place),
        Some(_) => Begin::At(notes[later].place),
        None if notes[later].place == 0 => Begin::Before,
        None => Begin::Unknown,
    }
}

/// The beginning of the line that this byte is in, if that is not too far away.
fn line_start(file: &mut File, place: u64) -> io::Result<u64> {
    const REACH: u64 = 64 << 10;
    let from = place.saturating_sub(REACH);
    file.seek(SeekFrom::Start(from))?;
    let mut before = Vec::new();
    file.take(place - from).read_to_end(&mut before)?;
    Ok(match before.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => from + end as u64 + 1,
        None if from == 0 => 0,
        None => place,
    })
}

/// The name of a log that was moved aside: 1 is the newest.
pub(super) fn aside(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str, notes: &[(u64, i64)]) {
        std::fs::write(path, text).unwrap();
        let note = |(place, at): &(u64, i64)| [place.to_le_bytes(), at.to_le_bytes()].concat();
        let mut times = path.as_os_str().to_owned();
        times.push(".times");
        std::fs::write(times, notes.iter().flat_map(note).collect::<Vec<u8>>()).unwrap();
    }

    fn check(path: &Path, time: i64, most: u64, expected: &str) {
        let since = since(path, Timestamp::from_millis(time), most).unwrap();
        let unknown = since.unknown_before.map_or(String::new(), |first| format!(" ?{}", first.map_or(-1, Timestamp::as_millis)));
        assert_eq!(format!("{}{}{unknown}", String::from_utf8(since.bytes).unwrap(), if since.is_cut { " cut" } else { "" }), expected);
    }

    #[test]
    fn a_log_is_read_from_a_time_on_across_its_moves() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        check(&path, 0, 99, "");
        write(&aside(&path, 1), "a\nb\n", &[(0, 10_000), (2, 20_000)]);
        write(&path, "c\nd\nlong\n", &[(0, 30_000), (2, 40_000), (6, 50_000)]);
        check(&path, 60_000, 99, "");
        check(&path, 50_500, 99, "long\n");
        check(&path, 45_000, 99, "long\n");
        check(&path, 40_000, 99, "d\nlong\n");
        check(&path, 30_000, 99, "c\nd\nlong\n");
        check(&path, 15_000, 99, "b\nc\nd\nlong\n");
        check(&path, 1, 99, "a\nb\nc\nd\nlong\n");
        check(&path, 1, 8, "d\nlong\n cut");
        check(&path, 1, 11, "c\nd\nlong\n cut");
        // A log of which only the end has times, and one that has none.
        write(&aside(&path, 2), "0\n1\n", &[(2, 5_000)]);
        check(&path, 5_500, 99, "1\na\nb\nc\nd\nlong\n");
        check(&path, 4_000, 99, "a\nb\nc\nd\nlong\n ?5000");
        write(&path, "c\n", &[]);
        check(&path, 60_000, 99, " ?-1");
        // Notes of another log.
        write(&path, "c\n", &[(9, 1)]);
        check(&path, 60_000, 99, " ?-1");
    }
}
