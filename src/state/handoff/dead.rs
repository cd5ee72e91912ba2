//! Notes that could not be delivered: `ID-NAME`, and in `ID-NAME.why.json` what is known of each. They stay until a person says otherwise.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration as Length, SystemTime};

use anyhow::{Context, Result, bail};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::super::crash;
use super::super::files::{Folder, Lasting, Purpose};
use super::source::{self, Source};
use super::{NoteId, Route, spool};
use crate::desired::AgentName;
use crate::time::Timestamp;

/// Ends the name of the file that tells of a dead letter.
pub(super) const WHY: &str = ".why.json";

/// The most bytes of a dead letter that are shown: one of them may be dead for its size.
const SHOWN: u64 = 64 * 1024;

/// What is known of a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// The version of this format: 1.
    pub version: u32,
    /// The note.
    pub id: NoteId,
    /// Whom it was for.
    pub to: AgentName,
    /// Who it was from.
    pub from: String,
    /// Where it was.
    pub source: PathBuf,
    /// Why it could not be delivered, for people.
    pub why: String,
    /// When that was found.
    pub at: Timestamp,
}

/// A note that could not be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its name.
    pub id: NoteId,
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// What is known of it; none if that is missing or of no use.
    pub why: Option<Why>,
}

/// Moves a note that was claimed to the dead. What tells of it comes first, so that none is there without a reason.
pub(super) fn bury(route: &Route<'_>, source: &Source, id: NoteId, why: &str, now: Timestamp) -> Result<()> {
    let folder = Folder::make_for(Purpose::Notes, route.dead)?;
    let name = format!("{id}-{}", source.name());
    let why = Why {
        version: 1,
        id,
        to: route.to.clone(),
        from: route.from.to_owned(),
        source: route.source.to_owned(),
        why: why.to_owned(),
        at: now,
    };
    let bury = || -> Result<()> {
        let unfinished = format!(".why.{id}.tmp");
        folder.write_at_once(&unfinished, &serde_json::to_vec(&why)?, Lasting::ForGood)?;
        folder.rename(&unfinished, &format!("{name}{WHY}"))?;
        folder.sync()?;
        source.move_out(id, &folder, &name)
    };
    bury().with_context(|| format!("cannot move it to {}", folder.path_of(&name).display()))
}

/// All dead letters of a folder, oldest first.
pub fn list(folder: &Path) -> Result<Vec<DeadLetter>> {
    let Some(folder) = Folder::open_for(Purpose::Notes, folder)? else { return Ok(Vec::new()) };
    let mut letters = Vec::new();
    let mut buffer = Vec::new();
    for name in folder.names()? {
        let Some(id) = letter(&name) else { continue };
        let path = folder.path_of(&name);
        let Some(stat) = folder.stat(&name).with_context(|| format!("cannot look at {}", path.display()))? else { continue };
        let known = folder.read(&format!("{name}{WHY}"), &mut buffer).unwrap_or(false);
        let why = if known { serde_json::from_slice::<Why>(&buffer).ok().filter(|why| why.version == 1) } else { None };
        letters.push(DeadLetter { id, path, bytes: u64::try_from(stat.st_size).unwrap_or(0), why });
    }
    letters.sort_by_key(|letter| (letter.why.as_ref().map(|why| why.at), letter.id));
    Ok(letters)
}

/// A dead letter and the beginning of its text; none if there is none with this id. What is not UTF-8 in it is replaced.
pub fn show(folder: &Path, id: NoteId) -> Result<Option<(DeadLetter, String)>> {
    let Some(letter) = list(folder)?.into_iter().find(|letter| letter.id == id) else { return Ok(None) };
    let read = || -> io::Result<Vec<u8>> {
        let file = rustix::fs::open(
            &letter.path,
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )?;
        source::read(&file.into(), SHOWN - 1)
    };
    let text = read().with_context(|| format!("cannot read {}", letter.path.display()))?;
    Ok(Some((letter, String::from_utf8_lossy(&text).into_owned())))
}

/// Moves a dead letter to the spool, as a note that was written just now, and returns its source there; none if there is none with this id. Again
/// after a crash, it does what is left to do.
pub fn retry(folder: &Path, id: NoteId, to: &Path, now: Timestamp) -> Result<Option<PathBuf>> {
    let Some(dead) = Folder::open_for(Purpose::Notes, folder)? else { return Ok(None) };
    retry_in(&dead, id, to, now).with_context(|| format!("cannot retry the dead letter {id}: it is kept"))
}

fn retry_in(dead: &Folder, id: NoteId, to: &Path, now: Timestamp) -> Result<Option<PathBuf>> {
    let source = match dead.names()?.into_iter().find(|name| letter(name) == Some(id)) {
        Some(name) => {
            let spool = Folder::make_for(Purpose::Notes, to)?;
            // Else it would be as old as it was, and expire again.
            let time = SystemTime::UNIX_EPOCH + Length::from_millis(u64::try_from(now.as_millis()).unwrap_or(0));
            crash::step()?;
            dead.open_file(&name, OFlags::RDONLY | OFlags::NONBLOCK)?.set_modified(time)?;
            let waiting = spool::name(id, now);
            // One rename and no copy: between the two of a copy, the note could be taken and then be put there again.
            if !dead.move_to_free(&name, &spool, &waiting)? {
                bail!("there is a note {} already", spool.path_of(&waiting).display());
            }
            spool.sync()?;
            Some(spool.path_of(&waiting))
        }
        None => spool::find(to, id)?,
    };
    remove_orphans(dead)?;
    dead.sync()?;
    Ok(source)
}

/// Removes all but the newest `keep` dead letters, and returns how many. Only for a person who asked for it.
pub fn prune(folder: &Path, keep: usize) -> Result<usize> {
    let letters = list(folder)?;
    let Some(folder) = Folder::open_for(Purpose::Notes, folder)? else { return Ok(0) };
    let old = letters.len().saturating_sub(keep);
    for letter in &letters[..old] {
        let name = letter.path.file_name().and_then(|name| name.to_str()).context("its name was text when it was listed")?;
        folder.remove(name).with_context(|| format!("cannot remove {}", letter.path.display()))?;
    }
    remove_orphans(&folder)?;
    Ok(old)
}

/// Removes what tells of letters that are not there any more.
fn remove_orphans(folder: &Folder) -> Result<()> {
    let names: BTreeSet<String> = folder.names()?.into_iter().collect();
    for name in &names {
        if let Some(of) = name.strip_suffix(WHY)
            && letter(of).is_some()
            && !names.contains(of)
        {
            folder.remove(name)?;
        }
    }
    Ok(())
}

/// The id in the name of a dead letter.
fn letter(name: &str) -> Option<NoteId> {
    let (id, source) = name.split_once('-')?;
    if source.is_empty() || source.ends_with(WHY) { None } else { id.parse().ok() }
}
