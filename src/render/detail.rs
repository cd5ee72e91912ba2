//! What stands below a plan: for each changed agent what differs line by line, and its way out.

use serde_json::{Map, Value, json};
use similar::{ChangeTag, TextDiff};

use super::text::{BOLD, DIM, GREEN, RED, count, line, names, paint, plain};
use super::words::{Class, class};
use super::{Extent, PlanView, Style};
use crate::desired::{AgentName, AgentSpec, Attributes, Care, DrainStep, OnRemove, Place, care_fields, effective};
use crate::plan::{Action, Cause, Change, Kind, Next};

/// So many agents' details are read by people; agents with the same details count as one.
const AGENTS: usize = 10;

/// So many names of agents with the same details are read by people.
const NAMES: usize = 6;

/// An array that is longer has a line per item, so that one long command shows the one word that differs.
const ONE_LINE: usize = 90;

/// Lines around a change that stay the same.
const CONTEXT: usize = 1;

/// The details of all changes, agents with the same ones together.
pub(super) fn write(view: &PlanView<'_>, extent: Extent, style: Style, out: &mut String) {
    let (most_agents, most_names) = match extent {
        Extent::Readable => (AGENTS, NAMES),
        Extent::All => (usize::MAX, usize::MAX),
    };
    let mut groups: Vec<(Vec<&str>, String)> = Vec::new();
    let mut left = 0;
    for (name, change) in &view.plan.changes {
        let text = one(view, name, change, extent, style);
        match groups.iter().position(|(_, known)| *known == text) {
            _ if text.is_empty() => {}
            Some(index) => groups[index].0.push(name.as_str()),
            None if groups.len() < most_agents => groups.push((vec![name.as_str()], text)),
            None => left += 1,
        }
    }
    for (who, text) in groups {
        out.push('\n');
        line(&paint(&names(&who, most_names), BOLD, style.color), out);
        out.push_str(&text);
    }
    if left > 0 {
        out.push('\n');
        line(&format!("… the details of {} besides; --all shows them", count(left, "agent")), out);
    }
}

fn one(view: &PlanView<'_>, name: &AgentName, change: &Change, extent: Extent, style: Style) -> String {
    let mut out = String::new();
    if class(change) == Class::Starting {
        return out;
    }
    let before = view.observed.agents.get(name).and_then(|sighting| sighting.spec.as_ref());
    let after = view.desired.agents.get(name).map(|declared| &declared.spec);
    match change.kind {
        Kind::Replace | Kind::Restart | Kind::Amend => {
            if let (Some(before), Some(after)) = (before, after) {
                diff(&lines(&effective(before)), &lines(&effective(after)), style, &mut out);
            }
        }
        Kind::Spawn => {
            let begins = change.cause == Cause::New && class(change) != Class::Blocked;
            if let Some(after) = after.filter(|_| begins) {
                diff("", &lines(&new(name, after, extent)), style, &mut out);
            }
        }
        Kind::Deliver | Kind::Stop | Kind::Adopt | Kind::Forget => {}
    }
    if let Cause::SecretChanged(names) = &change.cause {
        for name in names {
            line(&paint(&format!("  - secrets.{} = (secret)", plain(name)), RED, style.color), &mut out);
            line(&paint(&format!("  + secrets.{} = (secret)", plain(name)), GREEN, style.color), &mut out);
        }
    }
    if matches!(change.kind, Kind::Replace | Kind::Stop) && change.cause != Cause::Remains {
        line(&paint(&format!("    way out: {}", way_out(change, before, after)), DIM, style.color), &mut out);
    }
    out
}

/// The steps by which an instance is asked to end, with their times.
fn way_out(change: &Change, before: Option<&AgentSpec>, after: Option<&AgentSpec>) -> String {
    let is_due = matches!(change.next, Next::Act(Action::Kill { .. }));
    let killed_at_once = is_due || after.is_none() && before.is_some_and(|spec| spec.care.on_remove == OnRemove::Kill);
    let steps: &[DrainStep] = after.or(before).filter(|_| !killed_at_once).map_or(&[], |spec| &spec.care.drain);
    let step = |DrainStep { ask, wait, until: _ }: &DrainStep| format!("{}, up to {wait}", plain(&ask.to_string()));
    steps.iter().map(step).chain(["kill of the whole tree".to_owned()]).collect::<Vec<_>>().join(" → ")
}

fn diff(before: &str, after: &str, style: Style, out: &mut String) {
    let diff = TextDiff::from_lines(before, after);
    let mut unified = diff.unified_diff();
    for (index, hunk) in unified.context_radius(CONTEXT).iter_hunks().enumerate() {
        if index > 0 {
            line("    …", out);
        }
        for change in hunk.iter_changes() {
            let text = change.value().trim_end();
            match change.tag() {
                ChangeTag::Delete => line(&paint(&format!("  - {text}"), RED, style.color), out),
                ChangeTag::Insert => line(&paint(&format!("  + {text}"), GREEN, style.color), out),
                ChangeTag::Equal => line(&format!("    {text}"), out),
            }
        }
    }
}

/// Of what begins, everything is new; people read what is not as always.
fn new(name: &AgentName, spec: &AgentSpec, extent: Extent) -> Map<String, Value> {
    let mut fields = effective(spec);
    if extent == Extent::Readable {
        let care = Care { drain: spec.launch.place.usual_drain(), ..Care::default() };
        let mut usual = care_fields(&care, &spec.launch.place);
        usual.insert("inherit_env".to_owned(), json!("minimal"));
        let Attributes { umask, nice, nofile: _ } = Attributes::default();
        usual.insert("umask".to_owned(), json!(umask));
        usual.insert("nice".to_owned(), json!(nice));
        usual.insert("daemonizes".to_owned(), json!(false));
        if matches!(spec.launch.place, Place::Tmux { .. }) {
            usual.extend(["session", "window"].map(|place| (place.to_owned(), json!(name))));
            usual.insert("runtime".to_owned(), json!("tmux"));
            // It is the fleet's, and the same for all.
            fields.remove("socket");
        }
        leave_out(&mut fields, &usual);
    }
    fields
}

/// Takes out what is the same in both, at any depth.
fn leave_out(fields: &mut Map<String, Value>, usual: &Map<String, Value>) {
    fields.retain(|name, value| match (value, usual.get(name)) {
        (value, Some(usual)) if value == usual => false,
        (Value::Object(fields), Some(Value::Object(usual))) => {
            leave_out(fields, usual);
            !fields.is_empty()
        }
        (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_), _) => true,
    });
}

/// A spec with a line per value, in the words and nearly in the form of the manifest.
fn lines(fields: &Map<String, Value>) -> String {
    let mut out = String::new();
    // What people look for first stands first.
    let first = ["command", "runtime", "session", "cwd"];
    let rest = fields.keys().map(String::as_str).filter(|name| !first.contains(name));
    for name in first.into_iter().chain(rest) {
        if let Some(value) = fields.get(name) {
            field(name, value, &mut out);
        }
    }
    out
}

fn field(path: &str, value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(name, value)| field(&format!("{path}.{}", plain(name)), value, out));
        }
        Value::Array(items) if items.len() > 1 && inline(value).chars().count() > ONE_LINE => {
            line(&format!("{path} = ["), out);
            items.iter().for_each(|item| line(&format!("  {},", inline(item)), out));
            line("]", out);
        }
        Value::Null => {}
        Value::Object(_) | Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            line(&format!("{path} = {}", inline(value)), out);
        }
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{} = {}", plain(name), inline(value)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => plain(&value.to_string()).into_owned(),
    }
}
