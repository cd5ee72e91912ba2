//! What an instance has printed: its log, which is a file that is moved aside now and then, or the terminal in a pane.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::screens::{Reach, screens};
use super::since::{Since, aside, since};
use crate::desired::AgentSpec;
use crate::keeper::LifeBegin;
use crate::observed::{Instance, Seat};
use crate::paths::Paths;
use crate::safe_open;
use crate::time::Timestamp;

/// A log that is read while it is written.
#[derive(Debug)]
pub struct LogReader {
    path: PathBuf,
    file: Option<File>,
}

impl LogReader {
    /// The log at this path, which need not be there yet.
    ///
    /// # Errors
    ///
    /// If it is there and cannot be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: open(path)? })
    }

    /// The last bytes, `most` at most and from the beginning of a line if there are more; also those of the log that was moved aside last.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn last(&mut self, most: u64) -> io::Result<Vec<u8>> {
        let Some(file) = &mut self.file else { return Ok(Vec::new()) };
        let (mut bytes, mut is_cut) = tail(file, 0, most)?;
        if let (Some(rest), Some(mut older)) =
            (most.checked_sub(bytes.len() as u64).filter(|rest| *rest > 0 && !is_cut), open(&aside(&self.path, 1))?)
        {
            let older = tail(&mut older, 0, rest)?;
            (bytes, is_cut) = ([older.0, bytes].concat(), older.1);
        }
        Ok(if is_cut { from_next_line(bytes) } else { bytes })
    }

    /// As [`Self::last`], of what the present life has printed only, where its beginning is known.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn last_of_life(&mut self, most: u64) -> io::Result<Vec<u8>> {
        let Some(begin) = LifeBegin::of(&self.path) else { return self.last(most) };
        let mut bytes = Vec::new();
        for number in 0..=KEPT {
            let name = if number == 0 { self.path.clone() } else { aside(&self.path, number) };
            let Some(mut file) = open(&name)? else { break };
            let begins_here = begin.is_in(&file.metadata()?);
            let rest = most.saturating_sub(bytes.len() as u64);
            let (part, is_cut) = tail(&mut file, if begins_here { begin.place } else { 0 }, rest)?;
            bytes = [part, bytes].concat();
            if rest == 0 || begins_here && !is_cut {
                return Ok(bytes);
            }
            if is_cut {
                return Ok(from_next_line(bytes));
            }
        }
        self.last(most)
    }

    /// What was written since some time, the last `most` bytes of it at most; also of the logs that were moved aside.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn since(&mut self, time: Timestamp, most: u64) -> io::Result<Since> {
        if let Some(file) = &mut self.file {
            file.seek(SeekFrom::End(0))?;
        }
        since(&self.path, time, most)
    }

    /// What was written since the last call. A log that was moved aside meanwhile is read to its end, and then its successor.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn more(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let own = match &mut self.file {
            Some(file) => {
                // It was emptied, and all that is in it now is new.
                if file.stream_position()? > file.metadata()?.len() {
                    file.rewind()?;
                }
                file.read_to_end(&mut bytes)?;
                Some(identity(file)?)
            }
            None => None,
        };
        if let Some(mut file) = open(&self.path)?.filter(|file| identity(file).ok() != own) {
            file.read_to_end(&mut bytes)?;
            self.file = Some(file);
        }
        Ok(bytes)
    }
}

/// In how many of the logs that were moved aside the beginning of a life is searched for.
const KEPT: u32 = 9;

/// The last `most` bytes of what a file has from `begin` on, and whether it has more than these. The file is read no further than that.
fn tail(file: &mut File, begin: u64, most: u64) -> io::Result<(Vec<u8>, bool)> {
    let from = begin.max(file.metadata()?.len().saturating_sub(most));
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok((bytes, from > begin))
}

/// The same without the line that was cut.
fn from_next_line(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
        bytes.drain(..=end);
    }
    bytes
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match safe_open::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn identity(file: &File) -> io::Result<(u64, u64)> {
    let facts = file.metadata()?;
    Ok((facts.dev(), facts.ino()))
}

/// The text of the terminal of an instance; none if it is in no pane.
///
/// # Errors
///
/// If the pane is gone or tmux does not answer.
pub fn terminal_text(instance: &Instance, reach: Reach) -> Option<Result<String, String>> {
    matches!(instance.seat, Seat::Pane { .. }).then_some(())?;
    let shown = screens(&[instance], reach).pop()?;
    Some(shown.map(|shown| shown.text.trim_end().to_owned() + "\n"))
}

/// A text of a terminal without the line that tmux writes into a pane whose program has ended.
pub fn without_death(text: &str) -> &str {
    let text = text.trim_end();
    let last = text.rfind('\n').map_or(0, |end| end + 1);
    if text[last..].starts_with("Pane is dead") { text[..last].trim_end() } else { text }
}

/// So many of the last lines are told, and so many bytes are read for them.
const LINES: usize = 20;
const BYTES: u64 = 8 * 1024;

/// The last lines that an instance printed: of its log, or of its terminal.
pub(super) fn last_lines(paths: &Paths, instance: &Instance, spec: &AgentSpec) -> Vec<String> {
    let bytes = match terminal_text(instance, Reach::Recent) {
        Some(text) => without_death(&text.unwrap_or_default()).as_bytes().to_vec(),
        None => {
            let name = instance.mark.as_ref().map_or(&instance.agent, |mark| &mark.agent);
            let path = spec.care.log.file.clone().unwrap_or_else(|| paths.log(name));
            LogReader::open(&path).and_then(|mut log| log.last_of_life(BYTES)).unwrap_or_default()
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    let plain =
        |line: &str| line.chars().filter(|letter| !letter.is_control() || *letter == '\t').collect::<String>().trim_end().to_owned();
    let lines: Vec<String> = text.lines().map(plain).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_whole_across_its_moves() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let mut log = LogReader::open(&path).unwrap();
        assert_eq!(log.last(100).unwrap(), b"");
        assert_eq!(log.more().unwrap(), b"");
        std::fs::write(&path, "one\ntwo\n").unwrap();
        assert_eq!(log.more().unwrap(), b"one\ntwo\n");
        assert_eq!(log.more().unwrap(), b"");
        // More is written, then it is moved aside, and its successor begins.
        std::fs::write(&path, "one\ntwo\nthree\n").unwrap();
        std::fs::rename(&path, aside(&path, 1)).unwrap();
        std::fs::write(&path, "four\n").unwrap();
        assert_eq!(log.more().unwrap(), b"three\nfour\n");

        let last = |most| String::from_utf8(LogReader::open(&path).unwrap().last(most).unwrap()).unwrap();
        assert_eq!(last(1000), "one\ntwo\nthree\nfour\n");
        assert_eq!(last(12), "three\nfour\n");
        assert_eq!(last(10), "four\n");
        assert_eq!(last(5), "four\n");
    }

    #[test]
    fn a_log_that_was_emptied_is_followed_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        std::fs::write(&path, "one\ntwo\n").unwrap();
        let mut log = LogReader::open(&path).unwrap();
        assert_eq!(log.more().unwrap(), b"one\ntwo\n");
        std::fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        assert_eq!(log.more().unwrap(), b"");
        std::fs::write(&path, "new\n").unwrap();
        assert_eq!(log.more().unwrap(), b"new\n");
    }

    #[test]
    fn of_a_long_life_only_the_end_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let begins_at = |path: &Path, place: u64| {
            let facts = std::fs::metadata(path).unwrap();
            let begin = serde_json::json!({ "device": facts.dev(), "inode": facts.ino(), "place": place });
            std::fs::write(folder.path().join("x.log.life"), begin.to_string()).unwrap();
        };
        let last = |most| String::from_utf8(LogReader::open(&path).unwrap().last_of_life(most).unwrap()).unwrap();
        std::fs::write(&path, "before\none\ntwo\n").unwrap();
        begins_at(&path, 7);
        assert_eq!([last(1000), last(8), last(7), last(4)], ["one\ntwo\n", "one\ntwo\n", "two\n", ""]);
        // It goes on in a second file.
        std::fs::rename(&path, aside(&path, 1)).unwrap();
        std::fs::write(&path, "three\n").unwrap();
        assert_eq!([last(1000), last(14), last(13), last(6)], ["one\ntwo\nthree\n", "one\ntwo\nthree\n", "two\nthree\n", "three\n"]);
        // Not all of it is read to find its end.
        let mut file = File::open(&path).unwrap();
        assert_eq!(tail(&mut file, 1, 3).unwrap(), (b"ee\n".to_vec(), true));
        assert_eq!(tail(&mut file, 1, 5).unwrap(), (b"hree\n".to_vec(), false));
    }
}
