//! The folder of a source, the names that a note has in it from claim to end, and what may be a note at all.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{FileType, OFlags, Stat};

use super::super::files::{Folder, Purpose};
use super::{NoteId, Stage, dead};
use crate::safe_open::{WrittenBy, written_by};
use crate::time::Timestamp;

/// The longest name of a source in bytes: with stamp and id it must still be the name of a file, which has at most 255.
const LONGEST_NAME: usize = 200;

const CLAIMED: &str = "claimed";
const WRITTEN: &str = "written";

/// A source with the handle of its folder.
pub(super) struct Source {
    folder: Folder,
    name: String,
}

/// What has a name in the folder.
pub(super) enum Found {
    Missing,
    Empty,
    Note {
        file: File,
        bytes: u64,
        modified_at: Timestamp,
    },
    /// With the reason, for people.
    Unusable(String),
}

impl Source {
    /// The source, or none if its folder is not there. An error if there can be no note that we may trust.
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        let (folder, name) = split(path)?;
        Ok(Folder::open_for(Purpose::Notes, folder)?.map(|folder| Self { folder, name: name.to_owned() }))
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn claimed(&self, id: NoteId) -> String {
        format!(".{}.{id}.{CLAIMED}", self.name)
    }

    pub(super) fn written(&self, id: NoteId) -> String {
        format!(".{}.{id}.{WRITTEN}", self.name)
    }

    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        self.folder.path_of(name)
    }

    /// The note that was claimed and not finished, with the name that it has now: of several, the one that is furthest.
    pub(super) fn begun(&self) -> Result<Option<(Stage, String)>> {
        let names = self.folder.all_names()?;
        Ok(names.into_iter().filter_map(|name| Some((stage(name.strip_prefix('.')?, &self.name)?, name))).min())
    }

    /// What has a name: decided without opening what could keep us waiting, and again by the handle.
    pub(super) fn find(&self, name: &str) -> Result<Found> {
        let path = self.folder.path_of(name);
        let unusable = |why: &str| Ok(Found::Unusable(format!("{} {why}: it was left alone", path.display())));
        let Some(stat) = self.folder.stat(name).with_context(|| format!("cannot look at {}", path.display()))? else {
            return Ok(Found::Missing);
        };
        if let Some(why) = fault(&stat) {
            return unusable(why);
        }
        let file = match self.folder.open_file(name, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Missing),
            Err(error) => return unusable(&format!("cannot be read ({error})")),
        };
        let stat = rustix::fs::fstat(&file).with_context(|| format!("cannot look at {}", path.display()))?;
        if let Some(why) = fault(&stat) {
            return unusable(why);
        }
        Ok(match u64::try_from(stat.st_size) {
            Ok(bytes) if bytes > 0 => Found::Note { file, bytes, modified_at: modified_at(&stat) },
            Ok(_) | Err(_) => Found::Empty,
        })
    }

    /// Makes the note ours; false if it vanished.
    pub(super) fn take(&self, id: NoteId) -> Result<bool> {
        match self.folder.move_to_free(&self.name, &self.folder, &self.claimed(id)) {
            Ok(true) => {}
            Ok(false) => bail!("there is a note with the id {id} already"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        self.folder.sync()?;
        Ok(true)
    }

    /// Gives what was claimed its own name again. If something else has that name, it stays where it is.
    pub(super) fn give_back(&self, id: NoteId) -> Result<()> {
        self.folder.move_to_free(&self.claimed(id), &self.folder, &self.name)?;
        Ok(self.folder.sync()?)
    }

    /// The same for an empty file, so that a writer that only began can go on; it is removed if there is a newer one.
    pub(super) fn give_back_empty(&self, id: NoteId) -> Result<()> {
        if !self.folder.move_to_free(&self.claimed(id), &self.folder, &self.name)? {
            self.folder.remove(&self.claimed(id))?;
        }
        Ok(self.folder.sync()?)
    }

    /// Says that envelope and copy are on the disk. From here on, the note is not delivered again.
    pub(super) fn mark_written(&self, id: NoteId) -> Result<()> {
        self.folder.rename(&self.claimed(id), &self.written(id))?;
        // Before anybody can see the envelope: after a power failure, a note that was seen must not be merely claimed.
        Ok(self.folder.sync()?)
    }

    /// Removes the last name of a note that is delivered.
    pub(super) fn forget(&self, id: NoteId) -> Result<()> {
        self.folder.remove(&self.written(id))?;
        Ok(self.folder.sync()?)
    }

    /// Moves what was claimed to a name in another folder, which is lost if it is there already: after a crash, it is the same file.
    pub(super) fn move_out(&self, id: NoteId, folder: &Folder, name: &str) -> Result<()> {
        let claimed = self.claimed(id);
        match self.folder.move_to(&claimed, folder, name) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                let unfinished = format!(".{id}.tmp");
                let mut copy = folder.create_anew(&unfinished)?;
                io::copy(&mut self.folder.open_file(&claimed, OFlags::RDONLY | OFlags::NONBLOCK)?, &mut copy)?;
                copy.sync_all()?;
                folder.rename(&unfinished, name)?;
                folder.sync()?;
                self.folder.remove(&claimed)?;
            }
            outcome => outcome?,
        }
        folder.sync()?;
        Ok(self.folder.sync()?)
    }
}

/// The stage that a name without its dot tells of, if it is one of this source.
fn stage(hidden: &str, source: &str) -> Option<Stage> {
    match hidden.strip_prefix(source)?.strip_prefix('.')?.split_once('.')? {
        (id, CLAIMED) => Some(Stage::Claimed(id.parse().ok()?)),
        (id, WRITTEN) => Some(Stage::Written(id.parse().ok()?)),
        (_, _) => None,
    }
}

/// The source whose note has this hidden name since it was claimed.
pub(super) fn source_of(name: &str) -> Option<&str> {
    let hidden = name.strip_prefix('.')?;
    let source = hidden.rsplitn(3, '.').nth(2)?;
    stage(hidden, source).map(|_| source)
}

/// The folder and the name of a source.
pub(super) fn split(path: &Path) -> Result<(&Path, &str)> {
    let name = path.file_name().with_context(|| format!("{} does not name a file", path.display()))?;
    let name = name.to_str().with_context(|| format!("the name of {} is not UTF-8", path.display()))?;
    if name.len() > LONGEST_NAME {
        bail!("the name of {} has more than {LONGEST_NAME} bytes", path.display());
    }
    if name.ends_with(dead::WHY) {
        bail!("the name of {} ends like the explanation of a dead letter ({})", path.display(), dead::WHY);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    Ok((folder.unwrap_or(Path::new(".")), name))
}

/// Why it is no note that we may trust; none if it is one.
fn fault(stat: &Stat) -> Option<&'static str> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Symlink => return Some("is a link"),
        FileType::Directory => return Some("is a folder"),
        FileType::Fifo | FileType::Socket | FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => {
            return Some("is not a regular file");
        }
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Some("belongs to another user");
    }
    match written_by(stat.st_uid, stat.st_gid, stat.st_mode) {
        WrittenBy::Us => None,
        WrittenBy::Owner(_) | WrittenBy::Group { .. } | WrittenBy::Everybody { .. } => {
            Some("can be written to by other users (run `chmod go-w` on it)")
        }
    }
}

fn modified_at(stat: &Stat) -> Timestamp {
    let millis = i64::try_from(stat.st_mtime_nsec / 1_000_000).unwrap_or(0);
    Timestamp::from_millis(stat.st_mtime.saturating_mul(1_000).saturating_add(millis))
}

/// The content of a note from its beginning: at most `most` bytes, and one more if there are more.
pub(super) fn read(mut file: &File, most: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.by_ref().take(most.saturating_add(1)).read_to_end(&mut content)?;
    Ok(content)
}

/// What changes when somebody writes to an open file.
pub(super) fn state(file: &File) -> io::Result<impl PartialEq + use<>> {
    let stat = rustix::fs::fstat(file)?;
    Ok((stat.st_size, stat.st_mtime, stat.st_mtime_nsec))
}
