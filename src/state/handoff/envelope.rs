//! The envelope of a note in an inbox: whole under a name that readers pass over, then given its own in one step. The inbox belongs to its reader,
//! who may take an envelope at any moment; what is there is never overwritten.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::super::files::{Folder, Lasting};
use super::archive::is_stamp;
use super::{Note, NoteId, Route};
use crate::desired::AgentName;
use crate::time::Timestamp;

/// The most characters of a sender in the name of an envelope; all of them are inside.
const LONGEST_SENDER: usize = 64;

/// Between the stamps and the sender in the name of an envelope.
const FROM: &str = "-from-";

/// Ends its name.
const END: &str = ".json";

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    version: u32,
    id: NoteId,
    from: Cow<'a, str>,
    to: AgentName,
    text: Cow<'a, str>,
    /// In whole seconds.
    ts: Timestamp,
}

/// The name and the content of the envelope of a note.
pub(super) fn compose(route: &Route<'_>, note: &Note, now: Timestamp) -> Result<(String, Vec<u8>)> {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let seconds = Timestamp::from_millis(now.as_millis().div_euclid(1_000) * 1_000);
    let envelope =
        Envelope { version: 1, id: note.id, from: route.from.into(), to: route.to.clone(), text: note.text.as_str().into(), ts: seconds };
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{}-{}-{count}{FROM}{}{END}", now.compact(), std::process::id(), plain(route.from));
    Ok((name, serde_json::to_vec(&envelope)?))
}

/// The note that a content is the envelope of, if it is one.
pub(super) fn read(content: &[u8]) -> Option<Note> {
    let Envelope { version, id, text, .. } = serde_json::from_slice(content).ok()?;
    (version == 1).then(|| Note { id, text: text.into_owned() })
}

/// Whether this can be the name of an envelope.
pub(super) fn is_name(name: &str) -> bool {
    let stamp = name.split('-').next().unwrap_or_default();
    is_stamp(stamp) && name.ends_with(END) && next(name).is_some()
}

/// Whether it is the name of an envelope from this sender.
pub(super) fn is_from(name: &str, sender: &str) -> bool {
    name.strip_suffix(END).and_then(|name| name.split_once(FROM)).is_some_and(|(_, from)| from == plain(sender))
}

/// Writes the envelope under a hidden name, in place of what a crash left of it. The final name is part of the hidden one.
pub(super) fn write(inbox: &Folder, id: NoteId, name: &str, content: &[u8]) -> Result<()> {
    withdraw(inbox, id)?;
    let unseen = format!(".{id}.{name}.tmp");
    inbox
        .write_at_once(&unseen, content, Lasting::ForGood)
        .with_context(|| format!("cannot write {}", inbox.path_of(&unseen).display()))?;
    Ok(inbox.sync()?)
}

/// The final name and the content of the envelope that is still hidden, if there is one.
pub(super) fn waiting(inbox: &Folder, id: NoteId) -> Result<Option<(String, Vec<u8>)>> {
    let Some((unseen, name)) = unseen(inbox, id)?.pop() else { return Ok(None) };
    let mut content = Vec::new();
    Ok(inbox.read(&unseen, &mut content)?.then_some((name, content)))
}

/// Shows the envelope to its reader and returns where it was put; none if that was done before.
pub(super) fn publish(inbox: &Folder, id: NoteId) -> Result<Option<PathBuf>> {
    let Some((unseen, mut name)) = unseen(inbox, id)?.pop() else {
        // Done before a crash, perhaps not for good.
        inbox.sync()?;
        return Ok(None);
    };
    while !inbox.move_to_free(&unseen, inbox, &name).with_context(|| format!("cannot write {}", inbox.path_of(&name).display()))? {
        name = next(&name).with_context(|| format!("{} is not the name of an envelope", inbox.path_of(&unseen).display()))?;
    }
    inbox.sync()?;
    Ok(Some(inbox.path_of(&name)))
}

/// Removes the envelope that nobody has seen.
pub(super) fn withdraw(inbox: &Folder, id: NoteId) -> Result<()> {
    for (unseen, _) in unseen(inbox, id)? {
        inbox.remove(&unseen)?;
    }
    Ok(())
}

/// The envelopes of a note that nobody has seen, each with the name that it is to have. There is one at most.
fn unseen(inbox: &Folder, id: NoteId) -> Result<Vec<(String, String)>> {
    let prefix = format!(".{id}.");
    let name = |unseen: &String| unseen.strip_prefix(&prefix)?.strip_suffix(".tmp").filter(|name| next(name).is_some()).map(str::to_owned);
    Ok(inbox.all_names()?.into_iter().filter_map(|unseen| name(&unseen).map(|name| (unseen, name))).collect())
}

/// The name after this one: with the next number.
pub(super) fn next(name: &str) -> Option<String> {
    let (head, sender) = name.split_once(FROM)?;
    let (head, count) = head.rsplit_once('-')?;
    let count = count.parse::<u64>().ok()?.wrapping_add(1);
    Some(format!("{head}-{count}{FROM}{sender}"))
}

/// A sender as it can stand in the name of a file.
fn plain(sender: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    sender.chars().take(LONGEST_SENDER).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_can_stand_in_a_name() {
        assert_eq!(plain("lead"), "lead");
        assert_eq!(plain("../a b/ö"), ".._a_b__");
        assert_eq!(plain(&"x".repeat(500)).len(), LONGEST_SENDER);
    }

    #[test]
    fn the_next_name_has_the_next_number() {
        assert_eq!(next("20261120T140211Z-7-9-from-a-from-1.json").unwrap(), "20261120T140211Z-7-10-from-a-from-1.json");
        assert_eq!(next("why"), None);
    }
}
