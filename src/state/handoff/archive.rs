//! Copies of the notes that were delivered, byte by byte: `STAMP-ID-NAME`. Files with other names in the folder are somebody else's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::super::files::{Folder, Lasting, Purpose};
use super::NoteId;
use crate::time::Timestamp;

/// Where the copy of a note is; none if there is none.
pub fn find(folder: &Path, id: NoteId) -> Result<Option<PathBuf>> {
    let Some(folder) = Folder::open_for(Purpose::Notes, folder)? else { return Ok(None) };
    Ok(name_of(&folder, id)?.map(|name| folder.path_of(&name)))
}

/// Removes all but the newest `keep` copies, and returns how many. Never one of `pending`.
pub fn prune(folder: &Path, keep: usize, pending: &BTreeSet<NoteId>) -> Result<usize> {
    Folder::open_for(Purpose::Notes, folder)?.map_or(Ok(0), |folder| prune_folder(&folder, keep, pending))
}

pub(super) fn prune_folder(folder: &Folder, keep: usize, pending: &BTreeSet<NoteId>) -> Result<usize> {
    let mut copies: Vec<(String, NoteId)> = folder.names()?.into_iter().filter_map(|name| id_in(&name).map(|id| (name, id))).collect();
    copies.sort();
    let old = copies.iter().rev().skip(keep).filter(|(_, id)| !pending.contains(id));
    let mut removed = 0;
    for (name, _) in old {
        folder.remove(name).with_context(|| format!("cannot remove {}", folder.path_of(name).display()))?;
        removed += 1;
    }
    Ok(removed)
}

/// Writes the copy of a note, in place of one that a crash left, and returns its name.
pub(super) fn keep(folder: &Folder, id: NoteId, source: &str, content: &[u8], now: Timestamp) -> Result<String> {
    let name = name_of(folder, id)?.unwrap_or_else(|| format!("{}-{id}-{source}", now.compact()));
    let write = || {
        let unfinished = unfinished(id);
        folder.write_at_once(&unfinished, content, Lasting::ForGood)?;
        folder.rename(&unfinished, &name)?;
        folder.sync()
    };
    write().with_context(|| format!("cannot write {}", folder.path_of(&name).display()))?;
    Ok(name)
}

/// Removes the copy of a note that was not delivered after all.
pub(super) fn withdraw(folder: &Path, id: NoteId) -> Result<()> {
    let Some(folder) = Folder::open_for(Purpose::Notes, folder)? else { return Ok(()) };
    folder.remove(&unfinished(id))?;
    match name_of(&folder, id)? {
        Some(name) => Ok(folder.remove(&name)?),
        None => Ok(()),
    }
}

/// The name of a note's copy; none if there is none.
pub(super) fn name_of(folder: &Folder, id: NoteId) -> Result<Option<String>> {
    Ok(folder.names()?.into_iter().find(|name| id_in(name) == Some(id)))
}

fn unfinished(id: NoteId) -> String {
    format!(".{id}.tmp")
}

/// The id in the name of a copy.
fn id_in(name: &str) -> Option<NoteId> {
    let (stamp, rest) = name.split_once('-')?;
    let (id, source) = rest.split_once('-')?;
    if is_stamp(stamp) && !source.is_empty() { id.parse().ok() } else { None }
}

/// Whether it is a time as [`Timestamp::compact`] writes it.
pub(super) fn is_stamp(text: &str) -> bool {
    let digits = |part: &str, count: usize| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
    text.strip_suffix('Z').and_then(|text| text.split_once('T')).is_some_and(|(date, time)| digits(date, 8) && digits(time, 6))
}
