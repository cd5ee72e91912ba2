//! Events for programs: JSON lines, the same in the journal and in `--json`.

use schemars::{JsonSchema, Schema};

use crate::event::{Entry, Event, What, Word};
use crate::time::Timestamp;

/// An event that has no number, on a line of its own.
pub fn event_line(event: &Event) -> String {
    super::compact(event)
}

/// An event as the journal has it, on a line of its own.
pub fn entry_line(entry: &Entry) -> String {
    super::compact(entry)
}

/// One line of the journal, or of the `--json` of `apply`, `watch` and `events`.
#[derive(JsonSchema)]
#[schemars(rename = "Event")]
#[expect(dead_code, reason = "it tells the form of the lines, which are written from the events themselves")]
struct Line {
    /// Its place in the journal, from 1. Absent where it is told before it is written.
    #[schemars(with = "u64", skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    /// When it was.
    at: Timestamp,
    /// Whom it concerns. Absent: the whole fleet.
    #[schemars(with = "String", skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    /// Which life of the agent.
    #[schemars(with = "u64", skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    /// What it tells of.
    what: What,
    /// Why, as one word. Of an end that was asked for: what came of asking.
    #[schemars(with = "Word", skip_serializing_if = "Option::is_none")]
    reason: Option<Word>,
    /// Why, or with what result, in plain words.
    #[schemars(with = "String", skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// The schema of one line.
pub fn event_schema() -> Schema {
    super::schema_of::<Line>()
}
