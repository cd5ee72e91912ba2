//! Every event, numbered, a line each: `journal.jsonl`. Only the holder of the fleet's lock appends; anybody may read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use anyhow::{Context, Result};
use rustix::fs::OFlags;
use serde::Deserialize;

use super::crash;
use super::files::Folder;
use super::unremembered::is_full;
use crate::desired::{AgentName, Generation};
use crate::event::{Entry, Event, What};
use crate::quit;
use crate::safe_open::MAX_SIZE;
use crate::time::Timestamp;

const NAME: &str = "journal.jsonl";

/// The size in bytes at which the journal is moved aside: about thirty thousand events.
const FULL: u64 = 4 * 1024 * 1024;

/// How many journals that were moved aside are kept.
const KEEP: usize = 3;

/// How much of a journal's end is read first in search of its last number.
const TAIL: u64 = 64 * 1024;

/// The journal, open for appending.
#[derive(Debug)]
pub struct Journal {
    folder: Folder,
    /// Or why nothing can be written to it.
    file: Result<File, io::Error>,
    size: u64,
    full: u64,
    next: u64,
}

impl Journal {
    /// Opens the journal after its last whole line; half a line, left by a crash, is removed. Where it cannot be written to, what is to be told is told
    /// all the same.
    pub(super) fn open(folder: Folder, full: u64) -> Self {
        let (file, size, mut last) = match append(&folder).and_then(at_its_end) {
            Ok((file, end, last)) => (Ok(file), end, last),
            // It may be read all the same.
            Err(why) => (Err(why), 0, number_in(&folder, NAME)),
        };
        for age in 1..=KEEP {
            last = last.or_else(|| number_in(&folder, &aside(age)));
        }
        Self { folder, file, size, full, next: last.unwrap_or(0) + 1 }
    }

    /// The number of the last entry; 0 if there is none.
    pub fn last(&self) -> u64 {
        self.next - 1
    }

    /// Appends events in one write and returns them with their numbers.
    pub fn append(&mut self, events: &[Event]) -> Result<Vec<Entry>> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let numbered = |(number, event): (u64, &Event)| Entry { number, event: event.clone() };
        let entries: Vec<Entry> = (self.next..).zip(events).map(numbered).collect();
        let mut text = Vec::new();
        for entry in &entries {
            serde_json::to_writer(&mut text, entry)?;
            text.push(b'\n');
        }
        self.write(&text).with_context(|| format!("cannot write the journal {}", self.folder.path_of(NAME).display()))?;
        self.next += entries.len() as u64;
        Ok(entries)
    }

    /// When the ends of lives were told of last, as far as the last entries tell.
    ///
    /// # Errors
    ///
    /// If the journal cannot be read.
    pub fn last_ends(&self) -> Result<BTreeMap<(AgentName, Generation), Timestamp>> {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = match self.folder.open_file(NAME, OFlags::RDONLY) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                file => file?,
            };
            let start = file.metadata()?.len().saturating_sub(TAIL);
            file.seek(SeekFrom::Start(start))?;
            let mut text = Vec::new();
            file.take(2 * TAIL).read_to_end(&mut text)?;
            Ok(text)
        };
        let text = read().with_context(|| format!("cannot read the journal {}", self.folder.path_of(NAME).display()))?;
        let entries = lines(&text).filter_map(|line| serde_json::from_slice::<Entry>(line).ok());
        let end = |Entry { event, .. }: Entry| Some(((event.agent?, event.generation?), event.at)).filter(|_| event.what == What::Exited);
        Ok(entries.filter_map(end).collect())
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        let _whole = quit::writing();
        if self.size >= self.full {
            self.rotate()?;
        }
        crash::room()?;
        let file = self.file.as_mut().map_err(|why| same(why))?;
        if let Err(error) = file.write_all(text) {
            // Half a batch would be taken for the whole one by its first numbers.
            let _ = file.set_len(self.size);
            return Err(error);
        }
        self.size += text.len() as u64;
        Ok(())
    }

    /// From the oldest to the newest, so that an interruption loses only what was to go.
    fn rotate(&mut self) -> io::Result<()> {
        for age in (1..=KEEP).rev() {
            let newer = if age == 1 { NAME.to_owned() } else { aside(age - 1) };
            match self.folder.rename(&newer, &aside(age)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        self.file = Ok(append(&self.folder)?);
        self.size = 0;
        Ok(())
    }
}

/// The entries after `number`, oldest first. Lines that this version does not understand are left out.
pub(super) fn read_after(folder: &Folder, number: u64) -> Result<Vec<Entry>> {
    let mut files: Vec<Vec<Entry>> = Vec::new();
    let mut buffer = Vec::new();
    // The newest first, and no further back than needed.
    for name in std::iter::once(NAME.to_owned()).chain((1..=KEEP).map(aside)) {
        let there =
            folder.read(&name, &mut buffer).with_context(|| format!("cannot read the journal {}", folder.path_of(&name).display()))?;
        if !there {
            continue;
        }
        let entries: Vec<Entry> = lines(&buffer).filter_map(|line| serde_json::from_slice(line).ok()).collect();
        let enough = entries.first().is_some_and(|first| first.number <= number + 1);
        files.push(entries);
        if enough {
            break;
        }
    }
    let mut entries: Vec<Entry> = files.into_iter().rev().flatten().filter(|entry| entry.number > number).collect();
    // A rotation between two reads shows a file twice.
    entries.dedup_by_key(|entry| entry.number);
    Ok(entries)
}

fn lines(text: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

fn append(folder: &Folder) -> io::Result<File> {
    folder.open_file(NAME, OFlags::RDWR | OFlags::CREATE | OFlags::APPEND)
}

/// The journal without half a line at its end, how long it is, and its last number.
fn at_its_end(mut file: File) -> io::Result<(File, u64, Option<u64>)> {
    let size = file.metadata()?.len();
    if size > MAX_SIZE {
        return Err(io::Error::other("it is larger than 16 MiB: move it away"));
    }
    let (end, last) = last_line(&mut file)?;
    if end < size {
        file.set_len(end)?;
    }
    Ok((file, end, last))
}

/// The last number in one of the files, as far as it can be told.
fn number_in(folder: &Folder, name: &str) -> Option<u64> {
    let mut file = folder.open_file(name, OFlags::RDONLY).ok()?;
    file.metadata().ok().filter(|facts| facts.len() <= MAX_SIZE)?;
    last_line(&mut file).ok()?.1
}

/// The same error once more.
fn same(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error)
}

fn aside(age: usize) -> String {
    format!("{NAME}.{age}")
}

/// Where the last whole line ends, and the last number; none if there is no numbered line.
fn last_line(file: &mut File) -> io::Result<(u64, Option<u64>)> {
    #[derive(Deserialize)]
    struct Numbered {
        number: u64,
    }
    let size = file.metadata()?.len();
    let mut reach = TAIL;
    loop {
        let start = size.saturating_sub(reach);
        file.seek(SeekFrom::Start(start))?;
        let mut text = Vec::new();
        file.take(size - start).read_to_end(&mut text)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
        let number = lines(&text[..whole]).rev().find_map(|line| serde_json::from_slice::<Numbered>(line).ok());
        if number.is_some() || start == 0 {
            return Ok((start + whole as u64, number.map(|line| line.number)));
        }
        reach *= 8;
    }
}

/// Why the journal cannot be written to; none if it can, or the whole disk cannot.
pub(super) fn fault(folder: &Folder) -> Option<String> {
    let error = folder.open_file(NAME, OFlags::WRONLY | OFlags::APPEND).err()?;
    let is_told = error.kind() == io::ErrorKind::NotFound || is_full(&error);
    (!is_told).then(|| format!("the journal {}: {error}", folder.path_of(NAME).display()))
}

/// Opens the journal with the size at which it is moved aside in use.
pub(super) fn open(folder: Folder) -> Journal {
    Journal::open(folder, FULL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(why: &str) -> Event {
        Event { at: Timestamp::from_millis(0), agent: None, generation: None, what: What::Began, reason: None, why: why.to_owned() }
    }

    fn journal(root: &tempfile::TempDir, full: u64) -> Journal {
        Journal::open(Folder::make(root.path()).unwrap(), full)
    }

    fn numbers(root: &tempfile::TempDir, after: u64) -> Vec<u64> {
        read_after(&Folder::make(root.path()).unwrap(), after).unwrap().iter().map(|entry| entry.number).collect()
    }

    #[test]
    fn numbers_go_on_and_a_line_is_flat() {
        let root = tempfile::tempdir().unwrap();
        journal(&root, FULL).append(&[event("a"), event("")]).unwrap();
        journal(&root, FULL).append(&[event("c")]).unwrap();
        assert_eq!(
            std::fs::read_to_string(root.path().join(NAME)).unwrap(),
            "{\"number\":1,\"at\":\"1970-01-01T00:00:00Z\",\"what\":\"began\",\"why\":\"a\"}\n\
             {\"number\":2,\"at\":\"1970-01-01T00:00:00Z\",\"what\":\"began\"}\n\
             {\"number\":3,\"at\":\"1970-01-01T00:00:00Z\",\"what\":\"began\",\"why\":\"c\"}\n"
        );
        assert_eq!(numbers(&root, 1), [2, 3]);
    }

    #[test]
    fn half_a_line_is_removed_and_its_number_given_again() {
        let root = tempfile::tempdir().unwrap();
        journal(&root, FULL).append(&[event("a"), event("b")]).unwrap();
        let path = root.path().join(NAME);
        let whole = std::fs::read(&path).unwrap();
        // Longer than what is read first, so that the search goes on.
        for torn in [b"{\"number\":3,\"at\":\"19".to_vec(), vec![b'x'; 200_000]] {
            std::fs::write(&path, [whole.clone(), torn].concat()).unwrap();
            assert_eq!(numbers(&root, 0), [1, 2]);
            let entries = journal(&root, FULL).append(&[event("c")]).unwrap();
            assert_eq!(entries[0].number, 3);
            assert_eq!(numbers(&root, 0), [1, 2, 3]);
        }
    }

    #[test]
    fn a_full_journal_is_moved_aside_and_the_oldest_goes() {
        let root = tempfile::tempdir().unwrap();
        let mut open = journal(&root, 100);
        for _ in 0..20 {
            open.append(&[event("0123456789"), event("0123456789")]).unwrap();
        }
        let mut names = Folder::make(root.path()).unwrap().names().unwrap();
        names.sort();
        assert_eq!(names, ["journal.jsonl", "journal.jsonl.1", "journal.jsonl.2", "journal.jsonl.3"]);
        assert_eq!(numbers(&root, 0), (33..=40).collect::<Vec<_>>());
        assert_eq!(numbers(&root, 36), (37..=40).collect::<Vec<_>>());
        // A crash after the last rename: there is no journal but only what was moved aside.
        std::fs::remove_file(root.path().join(NAME)).unwrap();
        assert_eq!(journal(&root, 100).append(&[event("")]).unwrap()[0].number, 39);
    }
}
