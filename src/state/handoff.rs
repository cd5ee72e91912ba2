//! A note on its way to an agent, exactly once across a crash at any point: files and their names, no record and no clock. Decides nothing about
//! when a note is due, and types nothing.
//!
//! How far a note is stands in its name, so that no lost record can lose or double it:
//!
//! | in the folder of the source | in the inbox | means |
//! |---|---|---|
//! | `NAME` | | it waits |
//! | `.NAME.ID.claimed` | perhaps `.ID.ENVELOPE.tmp` | it is ours; whatever else is there of it is made anew |
//! | `.NAME.ID.written` | `.ID.ENVELOPE.tmp` | archived; the envelope is whole and nobody has seen it |
//! | `.NAME.ID.written` | perhaps `ENVELOPE` | it is delivered; its reader may have taken it |
//!
//! Claims are renames inside the folder of the source; all else is copied, so that each folder may be on a filesystem of its own. Only one
//! process at a time claims, finishes, retries and prunes: the holder of the fleet's lock. Anybody may look, list and put.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::files::{Folder, Purpose};
use crate::desired::AgentName;
use crate::time::{Duration, Timestamp};

pub mod archive;
pub mod dead;
mod envelope;
mod id;
pub mod shutdown;
mod source;
pub mod spool;
#[cfg(test)]
mod tests;

pub use id::NoteId;
use source::{Found, Source};

/// From where to where a note goes, and what is asked of it.
#[derive(Clone, Debug)]
pub struct Route<'a> {
    /// The file that is a note as soon as it is there and not empty.
    pub source: &'a Path,
    /// The folder that gets an envelope; none if the text reaches the agent in another way.
    pub inbox: Option<&'a Path>,
    /// The folder that gets a copy of the envelope of every note that is finished.
    pub archive: &'a Path,
    /// The folder of notes that cannot be delivered.
    pub dead: &'a Path,
    /// Who the envelope says it is from.
    pub from: &'a str,
    /// The agent.
    pub to: &'a AgentName,
    /// How many notes the archive keeps.
    pub keep: usize,
    /// The most bytes that a note may have.
    pub max_size: u64,
    /// The age from which a note is delivered no more.
    pub expires: Option<Duration>,
}

/// What a look at a source finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// No file, or an empty one.
    Nothing,
    /// A note.
    Note {
        /// How far it is.
        stage: Stage,
        /// Its size; 0 for one that was emptied since it was claimed.
        bytes: u64,
        /// When it was last written to.
        modified_at: Timestamp,
    },
    /// Something that is left alone, and why.
    Unusable(String),
}

/// How far a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Its envelope is written and perhaps delivered.
    Written(NoteId),
    /// It is ours.
    Claimed(NoteId),
    /// Nobody took it yet.
    Waiting,
}

/// A note that is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Its name for ever: of two deliveries with the same id, one is too many.
    pub id: NoteId,
    /// What it says.
    pub text: String,
}

/// What became of an attempt to claim a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// There is none.
    Nothing,
    /// It is ours, and can be finished.
    Claimed(Note),
    /// It cannot be delivered and lies in the folder of the dead.
    Dead {
        /// Its name.
        id: NoteId,
        /// Why, for people.
        why: String,
    },
    /// Something that was left alone, and why.
    Unusable(String),
}

/// A note that is finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Its name.
    pub id: NoteId,
    /// The envelope; none without an inbox, or if it was delivered before a crash and only the rest was left to do.
    pub envelope: Option<PathBuf>,
    /// The copy in the archive.
    pub archived: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// What is at a source now. Changes nothing, follows no link, and waits for nobody.
pub fn look(source: &Path) -> Look {
    match look_at(source) {
        Ok(look) => look,
        Err(error) => Look::Unusable(format!("{error:#}")),
    }
}

fn look_at(path: &Path) -> Result<Look> {
    let Some(source) = Source::open(path)? else { return Ok(Look::Nothing) };
    // One that was claimed before comes first.
    let (stage, name) = source.begun()?.unwrap_or((Stage::Waiting, source.name().to_owned()));
    Ok(match source.find(&name)? {
        Found::Missing => Look::Nothing,
        Found::Empty if stage == Stage::Waiting => Look::Nothing,
        // Still something to clear away.
        Found::Empty => Look::Note { stage, bytes: 0, modified_at: Timestamp::default() },
        Found::Unusable(why) => Look::Unusable(why),
        Found::Note { bytes, modified_at, .. } => Look::Note { stage, bytes, modified_at },
    })
}

/// Makes the note at the source ours, under `id` if nobody claimed it before. What cannot be delivered goes to the dead. Again after a crash, it
/// answers with the same note. An error if the machine fails; the note is kept.
pub fn claim(route: &Route<'_>, id: NoteId, now: Timestamp) -> Result<Claim> {
    let source = match Source::open(route.source) {
        Ok(Some(source)) => source,
        Ok(None) => return Ok(Claim::Nothing),
        Err(error) => return Ok(Claim::Unusable(format!("{error:#}"))),
    };
    claim_in(&source, route, id, now).with_context(|| format!("cannot claim the note {} for {}", route.source.display(), route.to))
}

fn claim_in(source: &Source, route: &Route<'_>, id: NoteId, now: Timestamp) -> Result<Claim> {
    let (stage, name) = match source.begun()? {
        Some(begun) => begun,
        None => match source.find(source.name())? {
            Found::Missing | Found::Empty => return Ok(Claim::Nothing),
            Found::Unusable(why) => return Ok(Claim::Unusable(why)),
            Found::Note { .. } if source.take(id)? => (Stage::Claimed(id), source.claimed(id)),
            // It vanished meanwhile.
            Found::Note { .. } => return Ok(Claim::Nothing),
        },
    };
    // What counts is what has the new name, whatever had the old one when it was looked at.
    let found = source.find(&name)?;
    match stage {
        Stage::Written(id) => match found {
            Found::Missing => Ok(Claim::Nothing),
            Found::Unusable(why) => Ok(Claim::Unusable(why)),
            // Its envelope is out of our hands: nothing is asked of it any more.
            Found::Empty => Ok(Claim::Claimed(Note { id, text: String::new() })),
            Found::Note { file, .. } => {
                let text = String::from_utf8_lossy(&source::read(&file, u64::MAX)?).into_owned();
                Ok(Claim::Claimed(Note { id, text }))
            }
        },
        Stage::Claimed(id) => match found {
            Found::Missing => Ok(Claim::Nothing),
            Found::Empty => {
                withdraw(route, id)?;
                source.give_back_empty(id)?;
                Ok(Claim::Nothing)
            }
            Found::Unusable(why) => {
                withdraw(route, id)?;
                source.give_back(id)?;
                Ok(Claim::Unusable(why))
            }
            Found::Note { file, modified_at, .. } => match judge(&source::read(&file, route.max_size)?, modified_at, route, now) {
                Ok(text) => Ok(Claim::Claimed(Note { id, text })),
                Err(why) => {
                    withdraw(route, id)?;
                    dead::bury(route, source, id, &why, now)?;
                    Ok(Claim::Dead { id, why })
                }
            },
        },
        Stage::Waiting => Ok(Claim::Nothing),
    }
}

/// The text of a note that can be delivered, else why it cannot.
fn judge(content: &[u8], modified_at: Timestamp, route: &Route<'_>, now: Timestamp) -> Result<String, String> {
    if content.len() as u64 > route.max_size {
        return Err(format!("it is longer than {} bytes (`max_size`)", route.max_size));
    }
    let Ok(text) = str::from_utf8(content) else { return Err("it is not UTF-8 text".to_owned()) };
    let age = now.since(modified_at);
    match route.expires {
        Some(expires) if age > expires => Err(format!("it is {} old; notes expire after {expires}", age.rough())),
        Some(_) | None => Ok(text.to_owned()),
    }
}

/// Removes what a crash left of a note that nobody is to get now.
fn withdraw(route: &Route<'_>, id: NoteId) -> Result<()> {
    if let Some(inbox) = route.inbox
        && let Some(inbox) = Folder::open_for(Purpose::Notes, inbox)?
    {
        envelope::withdraw(&inbox, id)?;
    }
    archive::withdraw(route.archive, id)
}

/// Delivers a note that was claimed: the envelope first, the copy in the archive second, the source last. Again after a crash, it does what is left
/// to do. The archive is pruned, but for this note and those of `pending`, whose text is still to be read there; give those of all agents that
/// share the archive. An error if the machine fails; the note is kept.
pub fn finish(route: &Route<'_>, note: &Note, now: Timestamp, pending: &BTreeSet<NoteId>) -> Result<Delivered> {
    finish_in_steps(route, note, now, pending).with_context(|| format!("cannot deliver the note {} to {}: it is kept", note.id, route.to))
}

fn finish_in_steps(route: &Route<'_>, note: &Note, now: Timestamp, pending: &BTreeSet<NoteId>) -> Result<Delivered> {
    let id = note.id;
    let source = Source::open(route.source)?.with_context(|| format!("the folder of {} is gone", route.source.display()))?;
    let inbox = route.inbox.map(|path| Folder::make_for(Purpose::Notes, path)).transpose()?;
    let archive = Folder::make_for(Purpose::Notes, route.archive)?;

    match source.find(&source.claimed(id))? {
        // It is written already, or even finished.
        Found::Missing => {}
        Found::Empty => bail!("{} was emptied since it was claimed", source.path_of(&source.claimed(id)).display()),
        Found::Unusable(why) => bail!(why),
        Found::Note { file, .. } => {
            let before = source::state(&file)?;
            let content = source::read(&file, u64::MAX)?;
            let (name, envelope) = envelope::compose(route, note, now)?;
            let name = free_name(name, inbox.as_ref(), &archive)?;
            if let Some(inbox) = &inbox {
                envelope::write(inbox, id, &name, &envelope)?;
            }
            archive::keep(&archive, id, &name, &envelope)?;
            if content != note.text.as_bytes() || source::state(&file)? != before {
                bail!("somebody still writes to {}: it is taken again when they are done", route.source.display());
            }
            source.mark_written(id)?;
        }
    }
    let name = match (archive::name_of(&archive, id)?, source.find(&source.written(id))?) {
        (Some(name), _) => name,
        // Another archive than before the crash.
        (None, Found::Note { .. }) => {
            let waiting = inbox.as_ref().map_or(Ok(None), |inbox| envelope::waiting(inbox, id))?;
            let (name, envelope) = waiting.map_or_else(|| envelope::compose(route, note, now), Ok)?;
            archive::keep(&archive, id, &name, &envelope)?;
            name
        }
        (None, Found::Missing | Found::Empty | Found::Unusable(_)) => {
            bail!("{} vanished, and the archive has no copy", source.path_of(&source.claimed(id)).display())
        }
    };
    let (envelope, name) = match &inbox {
        Some(inbox) => show(inbox, &archive, id, &name)?,
        None => (None, name),
    };
    source.forget(id)?;
    let mut kept = pending.clone();
    kept.insert(id);
    archive::prune_folder(&archive, route.keep, &kept)?;
    Ok(Delivered { id, envelope, archived: archive.path_of(&name), bytes: note.text.len() as u64 })
}

/// The first name from this one on that neither an inbox nor the archive has.
fn free_name(mut name: String, inbox: Option<&Folder>, archive: &Folder) -> Result<String> {
    let is_taken = |name: &str| -> io::Result<bool> {
        let in_inbox = inbox.map_or(Ok(None), |inbox| inbox.stat(name))?;
        Ok(in_inbox.is_some() || archive.stat(name)?.is_some())
    };
    while is_taken(&name)? {
        name = envelope::next(&name).with_context(|| format!("{name} is not the name of an envelope"))?;
    }
    Ok(name)
}

/// Shows the envelope to its reader, and returns where it was put, if that was not done before, and the name of its copy in the archive.
fn show(inbox: &Folder, archive: &Folder, id: NoteId, name: &str) -> Result<(Option<PathBuf>, String)> {
    let envelope = envelope::publish(inbox, id)?;
    // Something took its name in the inbox meanwhile.
    if let Some(other) = envelope.as_ref().and_then(|path| path.file_name()?.to_str()).filter(|other| *other != name) {
        archive.rename(name, other)?;
        let other = other.to_owned();
        return Ok((envelope, other));
    }
    Ok((envelope, name.to_owned()))
}

/// Writes a new note to a path, whole or not at all. False if there is a file already, which is left as it is. A missing folder is made.
pub fn put(path: &Path, text: &str) -> Result<bool> {
    let (folder, name) = source::split(path)?;
    let folder = Folder::make_for(Purpose::Notes, folder)?;
    folder.create(name, text.as_bytes()).with_context(|| format!("cannot write the note {}", path.display()))
}
