//! Events for people, a line each.

use anstyle::Style as Ink;

use super::Style;
use super::text::{BOLD, DIM, GREEN, RED, YELLOW, line, paint, plain};
use crate::event::{Event, What};
use crate::time::Timestamp;

/// `14:02:11  builder  spawn  command changed`, with the agents in a column of `names` characters. Ends with a newline.
pub fn event_human(event: &Event, names: usize, style: Style) -> String {
    told(event, &event.at.clock(), names, style)
}

/// Events with their dates, oldest first, a line each.
pub fn history_human<'a>(events: impl Iterator<Item = &'a Event> + Clone, style: Style) -> String {
    let name = |event: &Event| event.agent.as_ref().map_or(0, |agent| agent.as_str().len());
    let names = events.clone().map(name).max().unwrap_or(0);
    events.map(|event| told(event, &event.at.date_and_clock(), names, style)).collect()
}

/// Events with the time since a beginning, oldest first, a line each; and an empty line.
pub fn events_after(events: &[Event], start: Timestamp, style: Style) -> String {
    let names = events.iter().map(|event| event.agent.as_ref().map_or(0, |agent| agent.as_str().len())).max().unwrap_or(0).max(7);
    let told = |event: &Event| told(event, &format!("{:>9}", event.at.since(start).rough()), names, style);
    events.iter().map(told).chain(["\n".to_owned()]).collect()
}

fn told(event: &Event, time: &str, names: usize, style: Style) -> String {
    let Event { at: _, agent, generation: _, what, reason: _, why } = event;
    let agent = agent.as_ref().map_or("(fleet)", |agent| agent.as_str());
    let (word, ink) = word(*what);
    let time = paint(time, DIM, style.color);
    let mut out = String::new();
    line(&format!("{time}  {agent:names$}  {}  {}", paint(&format!("{word:7}"), ink, style.color), plain(why)), &mut out);
    out
}

fn word(what: What) -> (&'static str, Ink) {
    match what {
        What::Began => ("began", BOLD),
        What::Planned => ("planned", Ink::new()),
        What::Spawn => ("spawn", GREEN),
        What::Drain => ("drain", YELLOW),
        What::Stay => ("stay", GREEN),
        What::Kill => ("kill", RED),
        What::Sweep => ("sweep", RED),
        What::Amend => ("amend", YELLOW),
        What::Rename => ("rename", YELLOW),
        What::Adopt => ("adopt", YELLOW),
        What::Forget => ("forget", YELLOW),
        What::Started => ("started", GREEN),
        What::Ready => ("ready", GREEN),
        What::Overdue => ("overdue", YELLOW),
        What::Answer => ("answer", YELLOW),
        What::Answered => ("answered", GREEN),
        What::Limit => ("limit", YELLOW),
        What::Unchanged => ("unchanged", YELLOW),
        What::LogTaken => ("log taken", YELLOW),
        What::Type => ("type", YELLOW),
        What::Submit => ("submit", YELLOW),
        What::Receipt | What::Asked => ("receipt", GREEN),
        What::Undelivered => ("receipt", RED),
        What::Claimed => ("claim", YELLOW),
        What::Delivered => ("deliver", GREEN),
        What::DeadLetter => ("dead letter", RED),
        What::Acknowledged => ("read", GREEN),
        What::Exited => ("exited", YELLOW),
        What::Left => ("left", YELLOW),
        What::Held => ("held", YELLOW),
        What::Blocked => ("blocked", RED),
        What::FailedRepeatedly => ("failed repeatedly", RED),
        What::HeldOverdue => ("overdue", RED),
        What::MassDeath => ("many ended", RED),
        What::Requested => ("request", YELLOW),
        What::Ignored => ("ignored", YELLOW),
        What::Manifest => ("manifest", YELLOW),
        What::Failed => ("failed", RED),
        What::Done => ("done", BOLD),
    }
}
