//! What a screen means, and by which rule.

use serde_json::{Value, json};

use super::Style;
use super::text::{BOLD, DIM, line, paint, plain};
use std::path::Path;

use crate::desired::AgentName;
use crate::event::{Event, What, Word};
use crate::observed::Receipt;
use crate::screen::{Answer, Meaning, Reading, Rules, Until};
use crate::time::Timestamp;

/// The meaning, the rule, and the lines that show it; for a dialog its rows and the key that would be pressed next, if it may be answered.
pub fn screen_human(reading: &Reading, answer: Option<&Answer>, style: Style) -> String {
    let mut out = String::new();
    line(&paint(&meaning(&reading.meaning), BOLD, style.color), &mut out);
    if let Meaning::Dialog { choices, selected, .. } = &reading.meaning {
        for (place, choice) in choices.iter().enumerate() {
            let mark = if *selected == Some(place) { "›" } else { " " };
            line(&format!("  {mark} {}", plain(&choice.label)), &mut out);
        }
    }
    match answer {
        Some(Answer::Refuse(why)) => line(&format!("no key would answer it: {}", plain(why)), &mut out),
        Some(Answer::Move(key)) => line(&format!("accepted, the next key would be {key}"), &mut out),
        Some(Answer::Confirm) => line("accepted, the next key would be Enter", &mut out),
        Some(Answer::Press(keys)) => line(&format!("accepted, the next keys would be {}", plain(&keys.join(" "))), &mut out),
        None => {}
    }
    if let Some(composer) = &reading.composer {
        let pasted = if composer.pasted { ", with a paste in it" } else { "" };
        line(&format!("composer: \"{}\"{pasted}", composer.text.escape_debug()), &mut out);
    }
    let rule = if reading.evidence.rule.is_empty() { "no rule matched" } else { &reading.evidence.rule };
    line(&paint(&format!("by {}", plain(rule)), DIM, style.color), &mut out);
    for shown in &reading.evidence.lines {
        line(&paint(&format!("  | {}", plain(shown)), DIM, style.color), &mut out);
    }
    out
}

/// The same for programs.
pub fn screen_document(reading: &Reading, answer: Option<&Answer>) -> Value {
    let dialog = if let Meaning::Dialog { name, choices, selected } = &reading.meaning {
        let rows: Vec<Value> = choices.iter().map(|choice| json!({ "label": choice.label, "number": choice.number })).collect();
        Some(json!({ "name": name, "choices": rows, "selected": selected }))
    } else {
        None
    };
    let until = if let Meaning::Limit { until: Some(until) } = &reading.meaning { Some(until_document(until)) } else { None };
    let composer = reading.composer.as_ref().map(|composer| json!({ "text": composer.text, "pasted": composer.pasted }));
    let refused = match answer {
        Some(Answer::Refuse(why)) => Some(why),
        Some(Answer::Move(_) | Answer::Confirm | Answer::Press(_)) | None => None,
    };
    json!({
        "format_version": "1.0", "meaning": word(&reading.meaning), "dialog": dialog, "until": until, "composer": composer,
        "next_keys": answer.map(Answer::keys).unwrap_or_default(), "refused": refused, "rule": reading.evidence.rule, "lines": reading.evidence.lines,
    })
}

/// The presets for people: on which versions each was tried, and its dialogs.
pub fn presets_human(presets: &[&Rules]) -> String {
    let mut out = String::new();
    for Rules { name, tried, dialogs, .. } in presets {
        line(&format!("{name}  tried on {}", tried.join(", ")), &mut out);
        let names: Vec<&str> = dialogs.iter().map(|dialog| dialog.name.as_str()).collect();
        if !names.is_empty() {
            line(&format!("  dialogs: {}", names.join(", ")), &mut out);
        }
    }
    out
}

/// The same for programs.
pub fn presets_document(presets: &[&Rules]) -> Value {
    let one = |rules: &&Rules| {
        let dialogs: Vec<&str> = rules.dialogs.iter().map(|dialog| dialog.name.as_str()).collect();
        json!({ "name": rules.name, "tried": rules.tried, "dialogs": dialogs })
    };
    json!({ "format_version": "1.0", "presets": presets.iter().map(one).collect::<Vec<_>>() })
}

/// What came of something that was typed, for programs.
pub fn receipt_document(agent: &AgentName, id: &str, receipt: &Receipt) -> Value {
    let (word, reason) = match receipt {
        Receipt::Confirmed => ("confirmed", None),
        Receipt::Unconfirmed(why) => ("unconfirmed", Some(why)),
        Receipt::Stranded(why) => ("stranded", Some(why)),
        Receipt::Refused(why) => ("refused", Some(why)),
    };
    json!({ "format_version": "1.0", "agent": agent, "id": id, "receipt": word, "reason": reason })
}

/// What a run did to one agent, for programs: how it ended, what followed, how long each took, and what it printed last.
pub fn outcome_document(agent: &AgentName, events: &[Event], log: Option<&Path>, printed: &[String]) -> Value {
    let own = || events.iter().filter(|event| event.agent.as_ref() == Some(agent));
    let at = |wanted: &[What]| own().find(|event| wanted.contains(&event.what)).map(|event| event.at);
    let took = |from: Option<Timestamp>, to: Option<Timestamp>| Some(to?.since(from?).as_millis());
    let (asked, ended) = (at(&[What::Drain, What::Kill]), at(&[What::Exited]));
    let (started, ready) = (at(&[What::Spawn]), at(&[What::Ready]));
    let end = own().find(|event| event.what == What::Exited);
    let how = end.map(|event| event.why.as_str());
    let outcome = end.and_then(|event| match event.reason {
        Some(Word::Ended(outcome)) => Some(outcome),
        Some(Word::Waits(_) | Word::Held(_) | Word::Blocked(_)) | None => None,
    });
    json!({
        "name": agent, "ended": how, "outcome": outcome, "end_ms": took(asked, ended), "started_at": started, "ready_ms": took(started, ready),
        "log": log, "printed": printed,
    })
}

fn meaning(meaning: &Meaning) -> String {
    match meaning {
        Meaning::Unclear => "unclear: no rule knows this screen".to_owned(),
        Meaning::Starting => "starting: it takes no input yet".to_owned(),
        Meaning::Ready => "ready".to_owned(),
        Meaning::Draft => "ready, with a draft in its composer".to_owned(),
        Meaning::Busy => "busy".to_owned(),
        Meaning::Dialog { name, .. } => format!("dialog {}", plain(name)),
        Meaning::UnknownDialog => "a dialog that no rule knows".to_owned(),
        Meaning::Permission => "waits for a permission".to_owned(),
        Meaning::Login => "waits for a login".to_owned(),
        Meaning::Limit { until: Some(until) } => format!("usage limit {}", plain(&end(until))),
        Meaning::Limit { until: None } => "usage limit".to_owned(),
        Meaning::ContextExhausted => "its context is full".to_owned(),
        Meaning::Crashed => "crashed".to_owned(),
    }
}

fn until_document(until: &Until) -> Value {
    match until {
        Until::Clock { hour, minute, day, zone } => {
            let day = day.map(|(month, day)| json!({ "month": month, "day": day }));
            json!({ "hour": hour, "minute": minute, "date": day, "zone": zone })
        }
        Until::After(wait) => json!({ "after": wait.to_string() }),
    }
}

/// When a limit ends, as far as the screen tells.
fn end(until: &Until) -> String {
    match until {
        Until::Clock { hour, minute, day, zone } => {
            let day = day.map_or(String::new(), |(month, day)| format!(" on {month:02}-{day:02}"));
            let zone = zone.as_ref().map_or(String::new(), |zone| format!(" ({zone})"));
            format!("until {hour:02}:{minute:02}{day}{zone}")
        }
        Until::After(wait) => format!("for {wait} at most"),
    }
}

fn word(meaning: &Meaning) -> &'static str {
    match meaning {
        Meaning::Unclear => "unclear",
        Meaning::Starting => "starting",
        Meaning::Ready => "ready",
        Meaning::Draft => "draft",
        Meaning::Busy => "busy",
        Meaning::Dialog { .. } => "dialog",
        Meaning::UnknownDialog => "unknown_dialog",
        Meaning::Permission => "permission",
        Meaning::Login => "login",
        Meaning::Limit { .. } => "limit",
        Meaning::ContextExhausted => "context_exhausted",
        Meaning::Crashed => "crashed",
    }
}
