//! The message that asks one life of an agent to end: it lies in the inbox for that life only, and is taken back when that life is over. Its id is
//! known before it is laid there, so that whoever was killed on the way leaves nothing that the next life would obey.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::super::files::{Folder, Purpose};
use super::{Note, NoteId, Route, archive, envelope};
use crate::time::Timestamp;

/// Who such a message is from.
pub const SENDER: &str = "reconcile";

/// A message that was laid into an inbox, or was about to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShutdownMessage {
    /// Its name.
    pub id: NoteId,
    /// The folder that it was meant for.
    pub inbox: PathBuf,
    /// Whether it is known to have lain there.
    #[serde(default)]
    pub laid: bool,
}

/// Lays a message into the inbox of the route, with a copy in the archive; its source is not looked at.
pub fn lay(route: &Route<'_>, inbox: &Path, message: &Note, now: Timestamp, pending: &BTreeSet<NoteId>) -> Result<()> {
    let inbox = Folder::make_for(Purpose::Notes, inbox)?;
    let archive = Folder::make_for(Purpose::Notes, route.archive)?;
    let (name, content) = envelope::compose(route, message, now)?;
    let name = super::free_name(name, Some(&inbox), &archive)?;
    envelope::write(&inbox, message.id, &name, &content)?;
    archive::keep(&archive, message.id, &name, &content)?;
    super::show(&inbox, &archive, message.id, &name)?;
    let mut kept = pending.clone();
    kept.insert(message.id);
    archive::prune_folder(&archive, route.keep, &kept)?;
    Ok(())
}

/// Whether it still lies where it was laid. One that was taken is its reader's, wherever that put it.
pub fn is_there(message: &ShutdownMessage) -> Result<bool> {
    let Some(inbox) = Folder::open_for(Purpose::Notes, &message.inbox)? else { return Ok(false) };
    Ok(find(&inbox, message.id)?.is_some())
}

/// Takes it out of the inbox, unless its reader took it; says whether it was there. What is not whole yet goes as well.
pub fn take_back(message: &ShutdownMessage) -> Result<bool> {
    let Some(inbox) = Folder::open_for(Purpose::Notes, &message.inbox)? else { return Ok(false) };
    envelope::withdraw(&inbox, message.id)?;
    let found = find(&inbox, message.id)?;
    if let Some(name) = &found {
        inbox.remove(name)?;
        inbox.sync()?;
    }
    Ok(found.is_some())
}

/// The name of the envelope with this id.
fn find(inbox: &Folder, id: NoteId) -> Result<Option<String>> {
    let mut names = inbox.names()?;
    names.retain(|name| envelope::is_name(name) && envelope::is_from(name, SENDER));
    let is_it =
        |name: &String| archive::content(inbox, name).is_ok_and(|content| envelope::read(&content).is_some_and(|note| note.id == id));
    Ok(names.into_iter().find(is_it))
}
