//! Notes that are given with a restart: each is read once, before anything is done, and its file is removed when the note is delivered.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::setup::Setup;
use super::terminal::Terminal;
use crate::desired::AgentName;
use crate::render;
use crate::safe_open::read_text;
use crate::state::handoff::{NoteId, archive};

/// The name that means standard input.
const STDIN: &str = "-";

/// A note for the successor of an agent.
#[derive(Clone, Debug)]
pub(super) struct Handed {
    /// The agent.
    pub(super) agent: AgentName,
    /// What it says.
    pub(super) text: String,
    /// The file that it came in, and how that looked.
    file: Option<(PathBuf, Looks)>,
}

/// What changes when a file is written, or another takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Looks {
    identity: (u64, u64),
    size: u64,
    changed: (i64, i64),
}

/// The note in this file, or none, with a word, if nothing is there or can be read.
///
/// # Errors
///
/// If what is there cannot be a note: it is too long, or not text.
pub(super) fn read(agent: AgentName, name: &str, terminal: &Terminal) -> Result<Option<Handed>> {
    let none = |why: &str| {
        terminal.say(&format!("note: {} {why}: {agent} gets no note\n", render::plain(name)));
        Ok(None)
    };
    let (text, file) = if name == STDIN {
        (read_text(std::io::stdin()).context("the note cannot be read from the standard input")?, None)
    } else {
        let path = std::path::absolute(name).with_context(|| format!("cannot tell where {name} is"))?;
        let file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return none("does not exist"),
            Err(error) => return none(&format!("cannot be read ({error})")),
        };
        let looks = looks(&path);
        (read_text(file).with_context(|| format!("the note {name} cannot be read"))?, looks.map(|looks| (path, looks)))
    };
    if text.trim().is_empty() {
        return none("is empty");
    }
    Ok(Some(Handed { agent, text, file }))
}

/// How a regular file looks from outside; none of anything else.
fn looks(path: &Path) -> Option<Looks> {
    let facts = std::fs::symlink_metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some(Looks { identity: (facts.dev(), facts.ino()), size: facts.size(), changed: (facts.ctime(), facts.ctime_nsec()) })
}

impl Handed {
    /// Removes the file of a note that was put aside under this id, once that is delivered: as with a source, what is delivered is gone. A file that
    /// was written to meanwhile stays.
    pub(super) fn consume(&self, id: NoteId, setup: &Setup, terminal: &Terminal) {
        let Some((path, before)) = &self.file else { return };
        let declared = setup.desired.agents.get(&self.agent).and_then(|declared| declared.spec.care.handoff.archive.clone());
        let folder = declared.unwrap_or_else(|| setup.fleet.paths().archive(&self.agent));
        let is_delivered = archive::find(&folder, id).is_ok_and(|copy| copy.is_some());
        if is_delivered
            && looks(path) == Some(*before)
            && let Err(error) = std::fs::remove_file(path)
        {
            terminal.say(&format!(
                "warning: the note {} was delivered and could not be removed: {error}\n",
                render::plain(&path.to_string_lossy())
            ));
        }
    }
}
