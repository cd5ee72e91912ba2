//! Copies of the envelopes of notes that were delivered, byte by byte and under the same name. Version 0.1.0 kept the text alone, as `STAMP-ID-NAME`,
//! which is found and pruned as well. Files with other names in the folder are another program's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::OFlags;

use super::super::files::{Folder, Lasting, Purpose};
use super::{NoteId, envelope};
use crate::safe_open::read_whole;

/// Where the copy of a note is; none if there is none.
pub fn find(folder: &Path, id: NoteId) -> Result<Option<PathBuf>> {
    let Some(folder) = Folder::open_for(Purpose::Notes, folder)? else { return Ok(None) };
    Ok(name_of(&folder, id)?.map(|name| folder.path_of(&name)))
}

/// The text of a note by its copy; none if there is none.
pub fn text(folder: &Path, id: NoteId) -> Result<Option<String>> {
    let Some(folder) = Folder::open_for(Purpose::Notes, folder)? else { return Ok(None) };
    let Some(name) = name_of(&folder, id)? else { return Ok(None) };
    let path = folder.path_of(&name);
    let content = content(&folder, &name).with_context(|| format!("cannot read {}", path.display()))?;
    let text = match envelope::read(&content).filter(|note| note.id == id) {
        Some(note) => note.text,
        None => String::from_utf8(content).map_err(|_| anyhow::anyhow!("{} is not UTF-8", path.display()))?,
    };
    Ok(Some(text))
}

/// Removes all but the newest `keep` copies, and returns how many. Never one of `pending`.
pub fn prune(folder: &Path, keep: usize, pending: &BTreeSet<NoteId>) -> Result<usize> {
    Folder::open_for(Purpose::Notes, folder)?.map_or(Ok(0), |folder| prune_folder(&folder, keep, pending))
}

pub(super) fn prune_folder(folder: &Folder, keep: usize, pending: &BTreeSet<NoteId>) -> Result<usize> {
    let mut copies = Vec::new();
    for name in folder.names()?.into_iter().filter(|name| is_copy(name)) {
        // Of those of the same second, the one that was written first is the older one.
        let stat = folder.stat(&name).with_context(|| format!("cannot look at {}", folder.path_of(&name).display()))?;
        let stamp = name.split('-').next().unwrap_or_default().to_owned();
        copies.push((stamp, stat.map(|stat| (stat.st_mtime, stat.st_mtime_nsec)), name));
    }
    copies.sort();
    let mut removed = 0;
    for (_, _, name) in copies.iter().rev().skip(keep) {
        if id_of(folder, name).is_some_and(|id| pending.contains(&id)) {
            continue;
        }
        folder.remove(name).with_context(|| format!("cannot remove {}", folder.path_of(name).display()))?;
        removed += 1;
    }
    Ok(removed)
}

/// Writes the copy of a note's envelope, in place of one that a crash left.
pub(super) fn keep(folder: &Folder, id: NoteId, name: &str, content: &[u8]) -> Result<()> {
    let write = || {
        let unfinished = unfinished(id);
        folder.write_at_once(&unfinished, content, Lasting::ForGood)?;
        folder.rename(&unfinished, name)?;
        folder.sync()
    };
    // Removes the copies of an attempt that a crash ended and that is repeated now: otherwise there would be two.
    remove(folder, id)?;
    write().with_context(|| format!("cannot write {}", folder.path_of(name).display()))
}

/// Removes the copy of a note that was not delivered after all.
pub(super) fn withdraw(folder: &Path, id: NoteId) -> Result<()> {
    let Some(folder) = Folder::open_for(Purpose::Notes, folder)? else { return Ok(()) };
    folder.remove(&unfinished(id))?;
    remove(&folder, id)
}

fn remove(folder: &Folder, id: NoteId) -> Result<()> {
    while let Some(name) = name_of(folder, id)? {
        folder.remove(&name).with_context(|| format!("cannot remove {}", folder.path_of(&name).display()))?;
    }
    Ok(())
}

/// The name of a note's copy; none if there is none.
pub(super) fn name_of(folder: &Folder, id: NoteId) -> Result<Option<String>> {
    Ok(folder.names()?.into_iter().find(|name| is_copy(name) && id_of(folder, name) == Some(id)))
}

fn is_copy(name: &str) -> bool {
    id_in(name).is_some() || envelope::is_name(name)
}

/// The id of the note that this is a copy of.
fn id_of(folder: &Folder, name: &str) -> Option<NoteId> {
    id_in(name).or_else(|| Some(envelope::read(&content(folder, name).ok()?)?.id))
}

/// What is in a copy, or in an envelope. Whatever else has such a name is not waited for.
pub(super) fn content(folder: &Folder, name: &str) -> std::io::Result<Vec<u8>> {
    let file = folder.open_file(name, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    read_whole(file)
}

fn unfinished(id: NoteId) -> String {
    format!(".{id}.tmp")
}

/// The id in the name of a copy that has the text alone.
fn id_in(name: &str) -> Option<NoteId> {
    let (stamp, rest) = name.split_once('-')?;
    let (id, source) = rest.split_once('-')?;
    if is_stamp(stamp) && !source.is_empty() { id.parse().ok() } else { None }
}

/// Whether it is a time as [`Timestamp::compact`](crate::time::Timestamp::compact) writes it.
pub(super) fn is_stamp(text: &str) -> bool {
    let digits = |part: &str, count: usize| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
    text.strip_suffix('Z').and_then(|text| text.split_once('T')).is_some_and(|(date, time)| digits(date, 8) && digits(time, 6))
}
