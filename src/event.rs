//! The one stream of what is decided and done: behind the journal, the progress on the terminal and `--json`.

use serde::{Deserialize, Serialize};

use crate::desired::{AgentName, Generation};
use crate::time::Timestamp;

mod error;

pub use crate::plan::Word;
pub use error::ErrorCode;

/// One thing that was decided, done or seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Whom it concerns; none for the whole fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub agent: Option<AgentName>,
    /// Which life of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<u64>")]
    pub generation: Option<Generation>,
    /// What.
    pub what: What,
    /// Why, as one word for programs, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Word>,
    /// Why, or with what result, in plain words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// An event with its place in the journal. One JSON object: the number, then the event's own fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Line", into = "Line")]
pub struct Entry {
    /// Counted from 1 without gaps; it only grows.
    pub number: u64,
    /// The event.
    pub event: Event,
}

/// An entry as it is written: flat, so that one filter fits journal and `--json`.
#[derive(Serialize, Deserialize)]
struct Line {
    number: u64,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<AgentName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    generation: Option<Generation>,
    what: What,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Word>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    why: String,
}

impl From<Line> for Entry {
    fn from(line: Line) -> Self {
        let Line { number, at, agent, generation, what, reason, why } = line;
        Self { number, event: Event { at, agent, generation, what, reason, why } }
    }
}

impl From<Entry> for Line {
    fn from(entry: Entry) -> Self {
        let Entry { number, event: Event { at, agent, generation, what, reason, why } } = entry;
        Self { number, at, agent, generation, what, reason, why }
    }
}

/// What an event tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A run of `apply` began.
    Began,
    /// A change was decided.
    Planned,
    /// An instance was asked for.
    Spawn,
    /// It was asked to end, by a drain step.
    Drain,
    /// It is wanted again and took no notice of having been asked to end.
    Stay,
    /// Its tree is being killed.
    Kill,
    /// What lives had left behind is being killed.
    Sweep,
    /// Care was applied.
    Amend,
    /// It goes on under another name.
    Rename,
    /// It was taken over.
    Adopt,
    /// It is remembered no more.
    Forget,
    /// It was seen to run.
    Started,
    /// It was seen to be ready.
    Ready,
    /// It was not ready in time.
    Overdue,
    /// Keys were pressed to answer a dialog.
    Answer,
    /// A dialog was answered and is gone.
    Answered,
    /// Its usage was seen to be used up.
    Limit,
    /// Its screen was seen to stay the same for long.
    Unchanged,
    /// Another program was seen to have the output of its pane, and its log ended.
    LogTaken,
    /// A text was typed into its terminal.
    Type,
    /// Enter was pressed after it.
    Submit,
    /// It was submitted.
    Receipt,
    /// What came of it otherwise.
    Undelivered,
    /// What came of a request to end.
    Asked,
    /// A note was taken from its place, and is to be typed.
    Claimed,
    /// A note was delivered.
    Delivered,
    /// A note could not be delivered and is a dead letter.
    DeadLetter,
    /// The agent has read a note.
    Acknowledged,
    /// It was seen to have ended.
    Exited,
    /// What outlived it was left running, as declared.
    Left,
    /// A change is due and held.
    Held,
    /// A change needs a person.
    Blocked,
    /// It failed too often, and is not started again.
    #[serde(alias = "gave_up")]
    FailedRepeatedly,
    /// A change is held for longer than it should be.
    HeldOverdue,
    /// Several ended at about the same time.
    MassDeath,
    /// Something was asked for by a file, or by a command that only writes down what is wanted.
    Requested,
    /// A request was not carried out.
    Ignored,
    /// The manifest was read anew.
    Manifest,
    /// An act did not work.
    Failed,
    /// A run ended.
    Done,
}
