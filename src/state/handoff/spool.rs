//! The folder of notes that were put aside for one agent: `STAMP-ID.note`. Each is a source of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::super::files::{Folder, Purpose};
use super::{NoteId, archive, source};
use crate::time::Timestamp;

/// A note that waits, or that was claimed and is not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spooled {
    /// The id to claim it with.
    pub id: NoteId,
    /// Where it is, or was before it was claimed: the source of its route.
    pub source: PathBuf,
}

/// Puts a note there, whole or not at all, and returns its source. The folder is made if there is none.
pub fn put(folder: &Path, id: NoteId, text: &str, now: Timestamp) -> Result<PathBuf> {
    let path = folder.join(name(id, now));
    if super::put(&path, text)? { Ok(path) } else { bail!("there is a note {} already", path.display()) }
}

/// All notes there, oldest first.
pub fn list(folder: &Path) -> Result<Vec<Spooled>> {
    let Some(folder) = Folder::open_for(Purpose::Notes, folder)? else { return Ok(Vec::new()) };
    let mut notes = BTreeMap::new();
    for file in folder.all_names()? {
        let name = source::source_of(&file).unwrap_or(&file);
        if let Some((stamp, id)) = parts(name) {
            let stat = folder.stat(&file).with_context(|| format!("cannot look at {}", folder.path_of(&file).display()))?;
            // Of those of the same second, the one that was written first.
            let written = stat.map(|stat| (stat.st_mtime, stat.st_mtime_nsec));
            notes.insert((stamp.to_owned(), written, id), folder.path_of(name));
        }
    }
    Ok(notes.into_iter().map(|((_, _, id), source)| Spooled { id, source }).collect())
}

/// Where the note with this id is, or was before it was claimed; none if there is none.
pub(super) fn find(folder: &Path, id: NoteId) -> Result<Option<PathBuf>> {
    Ok(list(folder)?.into_iter().find(|note| note.id == id).map(|note| note.source))
}

pub(super) fn name(id: NoteId, now: Timestamp) -> String {
    format!("{}-{id}.note", now.compact())
}

fn parts(name: &str) -> Option<(&str, NoteId)> {
    let (stamp, id) = name.strip_suffix(".note")?.split_once('-')?;
    if archive::is_stamp(stamp) { Some((stamp, id.parse().ok()?)) } else { None }
}
