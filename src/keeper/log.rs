//! A log: what a program prints, in whole lines per file, moved aside by size. It never makes the program wait:
//! what cannot be written is dropped, and the log says so when it can be written again.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::begin::LifeBegin;
use super::file;
use super::life::now;
use super::times::{Times, beside};
use crate::desired::Log;
use crate::safe_open::{self, Trust, read_trusted};

/// The open log.
pub(super) struct LogFile {
    path: PathBuf,
    max_size: u64,
    keep: u32,
    file: Option<File>,
    /// `/dev/null` under the log's name is written to and never moved.
    movable: bool,
    size: u64,
    at_line_start: bool,
    dropped: u64,
    times: Times,
}

impl LogFile {
    /// Opens the log for appending, and its folder if that is missing. A full disk is no error: the log is then tried again with each output.
    pub(super) fn open(path: &Path, settings: &Log) -> io::Result<Self> {
        let mut log = Self {
            path: path.to_owned(),
            max_size: settings.max_size,
            keep: settings.keep,
            file: None,
            movable: false,
            size: 0,
            at_line_start: true,
            dropped: 0,
            times: Times::none(),
        };
        match log.reopen() {
            Err(error) if !is_full(&error) => Err(error),
            Ok(()) | Err(_) => Ok(log),
        }
    }

    /// Notes that what is written from here on is the output of a new life.
    pub(super) fn begin_life(&self) {
        if let Some(facts) = self.file.as_ref().filter(|_| self.movable).and_then(|file| file.metadata().ok()) {
            LifeBegin::write(&self.path, &facts);
        }
    }

    /// Opens a log that belongs to a keeper, to add to it and never to move it.
    pub(super) fn beside_its_owner(path: &Path) -> io::Result<Self> {
        let mut log = Self::open(path, &Log { max_size: 0, ..Log::default() })?;
        log.times = Times::none();
        Ok(log)
    }

    /// Opens the file anew, with other settings if there are readable ones. On an error the old file stays in use.
    pub(super) fn renew(&mut self, settings: Option<&Path>) {
        let text = settings.and_then(|settings| read_trusted(settings, Trust::Own).ok());
        if let Some(new) = text.and_then(|text| serde_json::from_slice::<Log>(&text).ok()) {
            self.max_size = new.max_size;
            self.keep = new.keep;
            if let Some(path) = new.file {
                self.path = path;
            }
        }
        // Nobody is there to be told: the next output goes to the old file.
        let _ = self.reopen();
    }

    fn reopen(&mut self) -> io::Result<()> {
        let open = || safe_open::append(&self.path, Trust::Own);
        let file = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => file::make_parent(&self.path).and_then(|()| open()),
            result => result,
        }?;
        let facts = file.metadata()?;
        self.movable = facts.is_file();
        self.size = facts.len();
        self.times = if self.movable { Times::open(&self.path, self.size) } else { Times::none() };
        self.file = Some(file);
        Ok(())
    }

    /// Reopens the log if its path leads to another file by now, or to none: it was removed or moved aside. A removed file then frees its space, and
    /// the log is where its path says.
    fn follow_path(&mut self) {
        let Some(Ok(own)) = self.file.as_ref().filter(|_| self.movable).map(File::metadata) else { return };
        let is_own = |there: &std::fs::Metadata| (there.dev(), there.ino()) == (own.dev(), own.ino());
        if !std::fs::symlink_metadata(&self.path).as_ref().is_ok_and(is_own) {
            // On an error the old file stays in use.
            self.at_line_start |= self.reopen().is_ok();
        } else if own.len() < self.size {
            // It was truncated, as after a copy was made.
            self.size = own.len();
            self.times = Times::open(&self.path, self.size);
        }
    }

    /// Adds output. Lines are kept whole: a file may grow beyond its size by the rest of one line, at most to twice its size.
    pub(super) fn write(&mut self, mut output: &[u8]) {
        self.follow_path();
        while !output.is_empty() {
            let room = usize::try_from(self.max_size.saturating_sub(self.size)).unwrap_or(usize::MAX);
            if self.max_size == 0 || !self.movable || output.len() <= room {
                return self.append(output);
            }
            let end_of_line = |part: &[u8]| part.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
            let cut = match end_of_line(&output[..room]) {
                Some(cut) => cut,
                None if self.at_line_start && self.size > 0 => 0,
                None if self.size >= self.max_size.saturating_mul(2) => 0,
                None => match output.iter().position(|byte| *byte == b'\n') {
                    Some(at) => at + 1,
                    None => return self.append(output),
                },
            };
            let (now, later) = output.split_at(cut);
            self.append(now);
            self.move_aside();
            output = later;
        }
    }

    fn append(&mut self, output: &[u8]) {
        if output.is_empty() {
            return;
        }
        if self.dropped > 0 || self.file.is_none() {
            self.recover();
        }
        if self.dropped == 0 {
            self.times.note(self.size, now());
        }
        let mut rest = output;
        while !rest.is_empty() && self.dropped == 0 {
            match self.file.as_mut().map_or(Err(io::ErrorKind::NotConnected.into()), |file| file.write(rest)) {
                Ok(0) => break,
                Ok(written) => {
                    self.size += written as u64;
                    self.at_line_start = rest[written - 1] == b'\n';
                    rest = &rest[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.dropped += rest.len() as u64;
    }

    /// Tries to note what was lost; from then on output is written again.
    fn recover(&mut self) {
        if self.file.is_none() && self.reopen().is_err() {
            return;
        }
        if self.dropped == 0 {
            return;
        }
        let start = if self.at_line_start { "" } else { "\n" };
        let note = format!("{start}[reconcile: {} bytes of output could not be written and are lost]\n", self.dropped);
        // In one piece or not at all: a note cut by a full disk is worse than none.
        if let Some(file) = self.file.as_mut()
            && file.write_all(note.as_bytes()).is_ok()
        {
            self.size += note.len() as u64;
            self.at_line_start = true;
            self.dropped = 0;
        }
    }

    fn move_aside(&mut self) {
        let aside = |number: u32| {
            let mut path = self.path.clone().into_os_string();
            path.push(format!(".{number}"));
            PathBuf::from(path)
        };
        // Each with the notes of its times; most of them are not there yet.
        let shift = |from: &Path, to: &Path| {
            if std::fs::rename(beside(from), beside(to)).is_err() {
                let _ = std::fs::remove_file(beside(to));
            }
            std::fs::rename(from, to)
        };
        for number in (1..self.keep).rev() {
            let _ = shift(&aside(number), &aside(number + 1));
        }
        let moved = if self.keep == 0 { std::fs::remove_file(&self.path) } else { shift(&self.path, &aside(1)) };
        if moved.is_err() || self.reopen().is_err() {
            // The same file goes on and is tried again one size later.
            self.size = 0;
            self.times = Times::none();
        }
        self.at_line_start = true;
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOSPC | Errno::DQUOT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn everything(path: &Path, keep: u32) -> Vec<Vec<u8>> {
        let numbered = (1..=keep).rev().map(|number| PathBuf::from(format!("{}.{number}", path.display())));
        numbered.chain([path.to_owned()]).filter_map(|path| std::fs::read(path).ok()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn moving_aside_loses_no_byte_and_cuts_no_short_line(chunks in prop::collection::vec("[a-z\n]{0,40}", 0..60), max_size in 16..200u64) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("deep/x.log");
            let mut log = LogFile::open(&path, &Log { file: None, max_size, keep: 200 }).unwrap();
            for chunk in &chunks {
                log.write(chunk.as_bytes());
            }
            let files = everything(&path, 200);
            prop_assert_eq!(files.concat(), chunks.concat().into_bytes());
            let (_, finished) = files.split_last().unwrap();
            let longest = chunks.concat().lines().map(str::len).max().unwrap_or(0) as u64;
            for file in finished {
                prop_assert!(file.len() as u64 <= max_size + longest + 1);
                prop_assert!(longest >= max_size || file.ends_with(b"\n"));
            }
        }
    }

    #[test]
    fn only_so_many_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let mut log = LogFile::open(&path, &Log { file: None, max_size: 2, keep: 2 }).unwrap();
        for line in ["1\n", "2\n", "3\n", "4\n"] {
            log.write(line.as_bytes());
        }
        assert_eq!(everything(&path, 9), [b"2\n", b"3\n", b"4\n"]);
        let settings = folder.path().join("settings");
        file::replace(&settings, br#"{"max_size":100,"keep":0}"#).unwrap();
        std::fs::remove_file(&path).unwrap();
        log.renew(Some(&settings));
        log.write(b"5\n6\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"5\n6\n");
    }

    #[test]
    fn a_log_that_is_removed_moved_aside_or_emptied_goes_on_under_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let mut log = LogFile::open(&path, &Log::default()).unwrap();
        log.write(b"one\n");
        std::fs::remove_file(&path).unwrap();
        log.write(b"two\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"two\n");
        std::fs::rename(&path, folder.path().join("x.log.old")).unwrap();
        log.write(b"three\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"three\n");
        assert_eq!(std::fs::read(folder.path().join("x.log.old")).unwrap(), b"two\n");
        std::fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        log.write(b"four\n");
        assert_eq!((std::fs::read(&path).unwrap(), log.size), (b"four\n".to_vec(), 5));
    }

    #[test]
    fn a_full_disk_is_noted_when_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let mut log = LogFile::open(&path, &Log::default()).unwrap();
        log.write(b"half a line");
        // The file of its name is not checked.
        log.movable = false;
        log.file = Some(std::fs::OpenOptions::new().append(true).open("/dev/full").unwrap());
        log.write(b"lost");
        log.write(b"lost\n");
        log.reopen().unwrap();
        log.write(b"back\n");
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "half a line\n[reconcile: 9 bytes of output could not be written and are lost]\nback\n");
    }
}
