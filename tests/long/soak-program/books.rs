//! What the soak did and what the agents and the program wrote down of it: the evidence by which the laws are judged.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// Milliseconds of the clock by which the journal is written.
pub(crate) fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}

/// Something that was asked of an agent and may end it.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) agent: String,
    pub(crate) verb: &'static str,
    pub(crate) from: u64,
    /// When it was over; none as long as it is not.
    pub(crate) until: Option<u64>,
}

/// A text that was given to an agent.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) token: String,
    pub(crate) agent: String,
    pub(crate) way: Way,
    pub(crate) from: u64,
    pub(crate) until: Option<u64>,
    /// How the command ended; none if it was killed, or is no command.
    pub(crate) code: Option<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// `send`.
    Send,
    /// A request to type it.
    Request,
    /// `handoff put`.
    Put,
    /// The source of a note.
    Source,
}

/// An event of the journal.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) number: u64,
    pub(crate) at: u64,
    pub(crate) agent: String,
    pub(crate) generation: u64,
    pub(crate) what: String,
    pub(crate) reason: String,
    pub(crate) line: String,
}

/// A line of an agent's book.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) at: u64,
    pub(crate) agent: String,
    pub(crate) generation: u64,
    pub(crate) pid: u32,
    pub(crate) start: u64,
    pub(crate) what: String,
    pub(crate) text: String,
}

fn lines(path: &Path) -> Result<Vec<(Value, String)>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    // The last one may be half-written.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let parse = |line: &str| {
        let value = serde_json::from_str(line).with_context(|| format!("{}: {line}", path.display()))?;
        Ok((value, line.to_owned()))
    };
    whole.lines().map(parse).collect()
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn moment(value: &Value) -> u64 {
    let at = value.as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok()).map_or(0, jiff::Timestamp::as_millisecond);
    u64::try_from(at).unwrap_or_default()
}

/// The whole journal, with what was moved aside.
pub(crate) fn journal(folder: &Path) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    for name in ["journal.jsonl.3", "journal.jsonl.2", "journal.jsonl.1", "journal.jsonl"] {
        for (value, line) in lines(&folder.join(name))? {
            events.push(Event {
                number: value["number"].as_u64().unwrap_or_default(),
                at: moment(&value["at"]),
                agent: word(&value["agent"]),
                generation: value["generation"].as_u64().unwrap_or_default(),
                what: word(&value["what"]),
                reason: word(&value["reason"]),
                line,
            });
        }
    }
    Ok(events)
}

/// What was told by `[[notify]]`.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) on: String,
    pub(crate) at: u64,
    pub(crate) agent: String,
    pub(crate) generation: u64,
}

/// All that was told.
pub(crate) fn told(path: &Path) -> Result<Vec<Notice>> {
    let notice = |(value, _): (Value, String)| Notice {
        on: word(&value["on"]),
        at: moment(&value["at"]),
        agent: word(&value["agent"]),
        generation: value["generation"].as_u64().unwrap_or_default(),
    };
    Ok(lines(path)?.into_iter().map(notice).collect())
}

/// What all agents wrote down, by agent.
pub(crate) fn lives(folder: &Path) -> Result<BTreeMap<String, Vec<Line>>> {
    let mut books = BTreeMap::new();
    for entry in std::fs::read_dir(folder)?.flatten() {
        let mut book = Vec::new();
        for (value, _) in lines(&entry.path())? {
            book.push(Line {
                at: value["at"].as_u64().unwrap_or_default(),
                agent: word(&value["agent"]),
                generation: value["generation"].as_u64().unwrap_or_default(),
                pid: u32::try_from(value["pid"].as_u64().unwrap_or_default()).unwrap_or_default(),
                start: value["start"].as_u64().unwrap_or_default(),
                what: word(&value["what"]),
                text: word(&value["text"]),
            });
        }
        let name = entry.path().file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        books.insert(name, book);
    }
    Ok(books)
}
