//! What is remembered of one agent: `agents/NAME.json`. A state and no history: every field is true until something newer is written.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::desired::{AgentName, AgentSpec, Generation, Mark, Wish};
use crate::observed::{
    Answering, Ended, Failures, Instance, Leaving, MessageKind, Pause, Pulse, Receipt, Received, Remnant, Typing, Undelivered, Unread,
};
use crate::time::Timestamp;

use super::files::{Folder, Lasting};
use super::handoff::NoteId;
use super::handoff::shutdown::ShutdownMessage;
use super::request::STALE;

/// The newest version of the format that this program knows.
const VERSION: u32 = 1;

/// From so many records on, a second thread is worth its start.
const WORTH_A_THREAD: usize = 128;

/// What the machine cannot tell of an agent. Written before the machine is asked for anything that it tells of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The version of this format: 1.
    pub version: u32,
    /// Whose it is.
    pub agent: AgentName,
    /// The newest life; 0 if there was none yet.
    pub generation: Generation,
    /// The mark of that life; none for an adopted one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// What that life was started with, and the care as last applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<AgentSpec>,
    /// When that life was asked for.
    pub asked_at: Timestamp,
    /// What was last seen of that life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Instance>,
    /// When it was seen to be ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<Timestamp>,
    /// The end that it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaving: Option<Leaving>,
    /// The end that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// Failures before that end.
    #[serde(default)]
    pub failures: Failures,
    /// What a person asked for.
    #[serde(default)]
    pub wanted: Wish,
    /// A person wants it to be left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
    /// Lives up to this one are to be replaced.
    #[serde(default)]
    pub replace_up_to: Generation,
    /// It left the manifest with `on_remove = "leave"`.
    #[serde(default)]
    pub released: bool,
    /// That life is still to be given its prompt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prompt_due: bool,
    /// The dialog that is being answered in that life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answering: Option<Answering>,
    /// How often each dialog was answered in that life.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answered: BTreeMap<String, u32>,
    /// What is being typed into its terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typing: Option<Box<Typing>>,
    /// What came of the last thing that was typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<Box<Received>>,
    /// The last text that was typed in that life and not confirmed, since when that is known: nothing more is typed as long as it may wait in the
    /// terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsettled: Option<Box<Typing>>,
    /// Notes that are delivered but for being typed into its terminal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untyped: Vec<Untyped>,
    /// Texts that were asked for by requests and are still to be typed into the terminal of that life.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub posted: Vec<Posted>,
    /// The messages that asked that life to end, until they are taken back or its reader has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requested: Vec<ShutdownMessage>,
    /// The note whose delivery failed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undelivered: Option<Undelivered>,
    /// The last note, until it says that it has read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<Unread>,
    /// When the usage limit that its screen shows was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_seen: Option<Timestamp>,
    /// What its lives left running as declared and is to be named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Remnant>,
    /// How alive that life showed itself to be.
    #[serde(default, skip_serializing_if = "Pulse::is_default")]
    pub live: Pulse,
    /// When what earlier lives left behind was asked to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweeping: Option<Timestamp>,
    /// The pid namespace in which the processes of that life have their numbers; none until they were seen, and in records of version 0.1.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<u64>,
    /// Set once it is proven that nothing is left of that life after its end: its keeper said so, which held the fence, or all processes were
    /// searched. The boot of the machine in which they were; empty where the keeper said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clean: Option<Arc<str>>,
    /// It is not proven that nothing is left of the lives before that one: something of them is looked for until a search of all processes finds
    /// nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub predecessor_unproven: bool,
    /// The highest generation that was given out, where that is not the one of that life.
    #[serde(default, skip_serializing_if = "Generation::is_none")]
    pub spent: Generation,
    /// Keyed digests of the secrets with `on_change = "replace"`, as of the spawn.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
}

/// A note that is still to be typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untyped {
    /// Its name.
    pub id: NoteId,
    /// The folder in which its copy is.
    pub archive: PathBuf,
}

/// A text that was asked for by a request, until it is known what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// What tells it from every other.
    pub id: NoteId,
    /// The name of its request, whose file is gone before the first key of it is pressed: else it would be asked for again.
    pub request: String,
    /// When it was asked for.
    pub at: Timestamp,
    /// The text.
    pub text: String,
    /// Whether it is typed while the agent works.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupts: bool,
    /// Whether it is typed as it is, also where the program takes it for a command.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub raw: bool,
}

impl Posted {
    /// The name of the message that it becomes.
    pub fn message_id(&self) -> String {
        format!("text-{}", self.id)
    }

    /// What is told of it where it is not typed.
    pub fn refused(&self, why: &str) -> String {
        let (kind, receipt) = (MessageKind::Sent.as_str(), Receipt::Refused(why.to_owned()));
        format!("{kind} {receipt} (request {})", self.request.escape_debug())
    }

    /// Whether it has waited for so long that it was meant for another day.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now.since(self.at) > STALE
    }
}

impl Record {
    /// The record of an agent that never ran.
    pub fn new(agent: AgentName) -> Self {
        Self {
            version: VERSION,
            agent,
            generation: Generation(0),
            mark: None,
            spec: None,
            asked_at: Timestamp::default(),
            instance: None,
            ready_at: None,
            leaving: None,
            ended: None,
            failures: Failures::default(),
            wanted: Wish::Running,
            paused: None,
            replace_up_to: Generation(0),
            released: false,
            prompt_due: false,
            answering: None,
            answered: BTreeMap::new(),
            typing: None,
            received: None,
            unsettled: None,
            untyped: Vec::new(),
            posted: Vec::new(),
            requested: Vec::new(),
            undelivered: None,
            unread: None,
            limit_seen: None,
            left: Vec::new(),
            live: Pulse::default(),
            sweeping: None,
            namespace: None,
            clean: None,
            predecessor_unproven: false,
            spent: Generation(0),
            secrets: BTreeMap::new(),
        }
    }

    /// Whether something of a life may be left that is forgotten once the record is that of the life with the mark `next`.
    pub fn may_have_left(&self, next: Option<&Mark>) -> bool {
        self.predecessor_unproven || (self.mark.is_some() && self.mark.as_ref() != next && self.clean.is_none())
    }

    /// Whether it holds a wish of a person's, or a promise to one, that is still in force.
    fn holds_a_wish(&self) -> bool {
        self.wanted != Wish::Running
            || self.paused.is_some()
            || self.released
            || (self.replace_up_to > Generation(0) && self.replace_up_to >= self.generation)
    }
}

/// Every record of the folder, or why it cannot be used: one that is broken hides no other.
pub(super) fn read_all(folder: &Folder) -> Result<BTreeMap<AgentName, Result<Record, String>>> {
    let names = folder.names()?;
    let mut agents: Vec<AgentName> = names.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect();
    // In the order of the map that they go into: what is sorted already need not be moved.
    agents.sort_unstable();
    let read = |agents: &[AgentName]| {
        let mut buffer = Vec::new();
        let mut records = Vec::with_capacity(agents.len());
        for agent in agents {
            records.extend(read(folder, agent, &mut buffer).map(|record| (agent.clone(), record)));
        }
        records
    };
    if agents.len() < WORTH_A_THREAD {
        return Ok(read(&agents).into_iter().collect());
    }
    let (one, other) = agents.split_at(agents.len() / 2);
    let (one, other) = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, || read(other));
        let one = read(one);
        match thread {
            Ok(thread) => (one, thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))),
            // No thread can be started.
            Err(_) => (one, read(other)),
        }
    });
    Ok(one.into_iter().chain(other).collect())
}

/// The record of one agent; none if there is none.
pub(super) fn read(folder: &Folder, agent: &AgentName, buffer: &mut Vec<u8>) -> Option<Result<Record, String>> {
    let name = file_name(agent);
    let mut attempt = || -> Result<Option<Record>, String> {
        match folder.read(&name, buffer) {
            Ok(true) => parse(buffer).map(Some),
            Ok(false) => Ok(None),
            Err(error) => Err(format!("it cannot be read: {error}")),
        }
    };
    // Our own writes are never seen half done; an editor's are.
    let record = match attempt().or_else(|_| attempt()) {
        Ok(record) => record?,
        Err(why) => return Some(Err(format!("the record {} is not usable: {why}", folder.path_of(&name).display()))),
    };
    Some(own(folder, agent, record))
}

fn parse(text: &[u8]) -> Result<Record, String> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let outcome = serde_json::from_slice::<Record>(text);
    let version = match &outcome {
        Ok(record) => record.version,
        // A newer one may lack what this program asks for: that it is newer says more than what it lacks.
        Err(_) => serde_json::from_slice::<Version>(text).map_or(VERSION, |head| head.version),
    };
    if version > VERSION {
        return Err(format!("a newer version of reconcile wrote it (format {version}, this one knows {VERSION}): update this one"));
    }
    outcome.map_err(|error| error.to_string())
}

/// The name of the file rules: a rename of a file that was interrupted has its new name and the old content.
fn own(folder: &Folder, agent: &AgentName, mut record: Record) -> Result<Record, String> {
    if record.agent != *agent {
        if folder.identity(&file_name(&record.agent)).is_some() {
            let path = folder.path_of(&file_name(agent));
            return Err(format!("the record {} is that of `{}`, which has its own: remove one of them", path.display(), record.agent));
        }
        record.agent = agent.clone();
    }
    Ok(record)
}

/// Replaces the record of its agent. A wish that it holds is on the disk afterwards.
pub(super) fn write(folder: &Folder, record: &Record) -> Result<()> {
    write_lasting(folder, record, if record.holds_a_wish() { Lasting::ForGood } else { Lasting::UntilBoot })
}

/// Replaces the record of its agent, for good: for the moment when a wish is written, or taken back.
pub(super) fn write_wish(folder: &Folder, record: &Record) -> Result<()> {
    write_lasting(folder, record, Lasting::ForGood)
}

fn write_lasting(folder: &Folder, record: &Record, lasting: Lasting) -> Result<()> {
    let text = serde_json::to_vec(record).with_context(|| format!("cannot write down the record of `{}`", record.agent))?;
    folder.replace(&file_name(&record.agent), &text, lasting)
}

/// Gives a record another name in one step; interrupted, the agent has either the old name or the new one.
pub(super) fn rename(folder: &Folder, from: &AgentName, to: &AgentName) -> Result<()> {
    let failed = || format!("cannot rename the record of `{from}` to `{to}`");
    folder.rename(&file_name(from), &file_name(to)).with_context(failed)?;
    if let Some(record) = read(folder, to, &mut Vec::new()) {
        write_wish(folder, &record.map_err(anyhow::Error::msg).with_context(failed)?)?;
    }
    Ok(())
}

/// Removes records, for good; it is no error if there is none.
pub(super) fn remove<'a>(folder: &Folder, agents: impl IntoIterator<Item = &'a AgentName>) -> Result<()> {
    for agent in agents {
        folder.remove(&file_name(agent)).with_context(|| format!("cannot remove the record of `{agent}`"))?;
    }
    folder.sync().context("cannot make the removal of records last")
}

fn file_name(agent: &AgentName) -> String {
    format!("{agent}.json")
}
