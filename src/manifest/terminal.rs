//! How the terminal of one copy of an agent is read, and what it is given to read.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::context::Fields;
use super::file::{self, Runtime};
use super::layers::Written;
use super::read::At;
use super::suggest;
use super::words::NameOrNames;
use crate::desired::{DialogAnswer, DialogRule, Idle, Preset, Text};
use crate::screen::{Pattern, Rules};

/// What the care of an agent says of its terminal. Nothing for a daemon.
#[derive(Debug, Default)]
pub(crate) struct Terminal {
    pub(crate) preset: Vec<Preset>,
    pub(crate) accept: BTreeSet<String>,
    pub(crate) dialogs: Vec<DialogRule>,
    pub(crate) idle: Option<Idle>,
    pub(crate) prompt: Option<Text>,
}

/// Reads those fields. What is wrong is reported.
pub(crate) fn terminal(agent: &Written<'_>, runtime: Runtime, fields: &Fields<'_>) -> Terminal {
    if runtime == Runtime::Daemon {
        // What a daemon's own tables say of a terminal was reported; from the defaults it falls away.
        return Terminal::default();
    }
    let (preset, known) = presets(agent.get(|agent| &agent.preset), fields);
    let dialogs: Vec<DialogRule> =
        agent.get(|agent| &agent.dialogs).into_iter().flatten().filter_map(|written| dialog(written, fields)).collect();
    Terminal {
        accept: accept(agent, &known, &dialogs, fields),
        idle: agent.get(|agent| &agent.idle).map(|idle| self::idle(idle, !preset.is_empty(), fields)),
        prompt: prompt(agent, fields),
        preset,
        dialogs,
    }
}

/// The presets, and the names of their dialogs.
fn presets(written: Option<&At<NameOrNames<'_>>>, fields: &Fields<'_>) -> (Vec<Preset>, BTreeSet<String>) {
    let names = match written {
        None => Vec::new(),
        Some(At { value: NameOrNames::Name(name), spot }) => vec![At { value: *name, spot: *spot }],
        Some(At { value: NameOrNames::Names(names), .. }) => names.clone(),
    };
    let mut presets = Vec::new();
    let mut dialogs = BTreeSet::new();
    for (preset, names) in names.into_iter().filter_map(|name| preset(name, fields)) {
        presets.push(preset);
        dialogs.extend(names);
    }
    (presets, dialogs)
}

fn preset(written: At<&str>, fields: &Fields<'_>) -> Option<(Preset, BTreeSet<String>)> {
    let report = fields.context.report;
    let errors = report.errors();
    let name = fields.word(written).into_owned();
    if report.errors() > errors {
        return None;
    }
    let shown = name.escape_debug();
    let is_path = name.contains(['/', '.', '~']);
    let key = if is_path { fields.file(written) } else { PathBuf::from(&name) };
    if let Some(known) = fields.context.presets.borrow().get(&key) {
        return Some(known.clone());
    }
    let names = |rules: &Rules| rules.dialogs.iter().map(|dialog| dialog.name.clone()).collect();
    let found = if is_path {
        let wrong = |why: String| {
            report.error_unless_inside(written.spot, why, None);
            None
        };
        let text = match fields.context.text(&key) {
            Ok(Some(text)) => text,
            Ok(None) => return wrong(format!("the rules {shown} do not exist")),
            Err(why) => return wrong(format!("the rules {shown} could not be read: {why}")),
        };
        match Rules::parse(&text) {
            Ok(rules) => (Preset::File { path: key.clone(), text }, names(&rules)),
            Err(why) => return wrong(format!("the rules {shown} are not usable: {}", why.replace('\n', " ").trim_end())),
        }
    } else {
        let Some(rules) = Rules::preset(&name) else {
            let hint = suggest::did_you_mean(&name, Rules::names()).unwrap_or_else(|| {
                let names = suggest::list(Rules::names());
                format!("there are {names}; a file of your own rules is written as a path such as \"./rules.toml\"")
            });
            report.error(written.spot, format!("there is no preset `{shown}`"), Some(hint));
            return None;
        };
        (Preset::Named(name), names(rules))
    };
    fields.context.presets.borrow_mut().insert(key, found.clone());
    Some(found)
}

/// The names of dialogs that may be answered. One that neither these rules nor any others know is a slip of the finger.
fn accept(agent: &Written<'_>, known: &BTreeSet<String>, dialogs: &[DialogRule], fields: &Fields<'_>) -> BTreeSet<String> {
    let report = fields.context.report;
    let mut accepted = BTreeSet::new();
    for written in agent.get(|agent| &agent.accept).into_iter().flatten() {
        let name = fields.word(*written).into_owned();
        let own = || known.iter().map(String::as_str).chain(dialogs.iter().map(|rule| rule.name.as_str()));
        if !written.spot.defaults && !own().any(|own| own == name) {
            let shown = name.escape_debug();
            if known.is_empty() && dialogs.is_empty() {
                let hint = Some("say which program it is: preset = \"claude\"".to_owned());
                report.error(written.spot, format!("nothing here knows a dialog `{shown}`: there is no `preset`"), hint);
            } else if !Rules::names().filter_map(Rules::preset).any(|rules| rules.dialog(&name).is_some()) {
                let names = suggest::list(own());
                let hint = suggest::did_you_mean(&name, own()).unwrap_or_else(|| format!("there are {names}"));
                report.error(written.spot, format!("no dialog is called `{shown}`"), Some(hint));
            }
        }
        accepted.insert(name);
    }
    accepted
}

fn dialog(written: &At<file::DialogRule<'_>>, fields: &Fields<'_>) -> Option<DialogRule> {
    let file::DialogRule { name, question, choose, keys, stop, max, confirm_gone } = &written.value;
    let report = fields.context.report;
    let (Some(name), Some(question)) = (name, question) else {
        let hint = Some("write one such as { name = \"update\", match = \"Update available\", choose = \"Skip\" }".to_owned());
        report.error_unless_inside(written.spot, "a dialog needs a `name` and a `match`", hint);
        return None;
    };
    let answer = match (choose, keys, stop) {
        (Some(label), None, None) => DialogAnswer::Choose(loose_pattern(*label, fields)),
        (None, Some(keys), None) => DialogAnswer::Keys(fields.keys(keys)),
        (None, None, Some(At { value: true, .. })) => DialogAnswer::Stop,
        (None, None, Some(At { value: false, spot })) => {
            report.error(*spot, "`stop = false` says nothing", Some("say how it is answered: choose = \"Yes\"".to_owned()));
            return None;
        }
        (None, None, None) | (Some(_), Some(_), _) | (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
            let hint = Some("`choose` a row by its label, press `keys`, or `stop = true` for a person".to_owned());
            report.error_unless_inside(written.spot, "a dialog needs exactly one of `choose`, `keys` and `stop`", hint);
            return None;
        }
    };
    if let Some(max) = max.filter(|max| max.value == 0) {
        report.error(max.spot, "a dialog that is never answered is written `stop = true`", None);
    }
    Some(DialogRule {
        name: fields.word(*name).into_owned(),
        question: loose_pattern(*question, fields),
        answer,
        max: max.map_or(1, |max| max.value),
        confirm_gone: confirm_gone.unwrap_or(true),
    })
}

/// A regular expression in which blanks stand for any white space; one that is none is reported.
fn loose_pattern(written: At<&str>, fields: &Fields<'_>) -> String {
    let text = fields.text(written).into_owned();
    let mut known = fields.context.patterns.borrow_mut();
    // The same text may be a pattern in which blanks stand for themselves.
    if known.insert(format!("loose {text}"))
        && let Err(why) = Pattern::parse(&text)
    {
        let hint = Some("in a TOML string with '…' a backslash needs no doubling".to_owned());
        fields.context.report.error(written.spot, why, hint);
    }
    text
}

fn idle(written: &At<file::Idle<'_>>, has_preset: bool, fields: &Fields<'_>) -> Idle {
    let file::Idle { busy, idle, quiet } = &written.value;
    let report = fields.context.report;
    if let Some(quiet) = quiet.filter(|_| !written.spot.defaults && (has_preset || busy.is_some() || idle.is_some())) {
        let hint = Some("take it out, or take out the patterns".to_owned());
        report.error(quiet.spot, "`quiet` counts only where no pattern and no preset tells whether it works", hint);
    }
    if let Some(quiet) = quiet.filter(|quiet| quiet.value < crate::time::Duration::from_secs(2)) {
        report.error(quiet.spot, "tmux tells to the second when something was written: `quiet` is at least \"2s\"", None);
    }
    if busy.is_none() && idle.is_none() && quiet.is_none() {
        report.error_unless_inside(written.spot, "`idle` needs `busy`, `idle` or `quiet`", None);
    }
    Idle {
        busy: busy.map(|text| loose_pattern(text, fields)),
        idle: idle.map(|text| loose_pattern(text, fields)),
        quiet: quiet.map(|quiet| quiet.value),
    }
}

/// The text that each instance is given: that of the highest layer that has one.
fn prompt(agent: &Written<'_>, fields: &Fields<'_>) -> Option<Text> {
    let of = |layer: &file::Agent<'_>| match (layer.prompt, layer.prompt_file) {
        (Some(text), Some(file)) => {
            let spots = vec![(file.spot, String::new()), (text.spot, "and the text itself here".to_owned())];
            fields.context.report.clash(spots, "a prompt is written here or in a file, not both".to_owned(), None);
            None
        }
        (Some(text), None) => {
            let text = At { value: text.value, spot: text.spot };
            if text.value.chars().all(|letter| letter.is_whitespace() || letter.is_control()) {
                fields.context.report.error(text.spot, "an empty prompt", None);
            }
            Some(Text::Plain(fields.text(text).into_owned()))
        }
        (None, Some(file)) => Some(Text::File(fields.file(file))),
        (None, None) => None,
    };
    of(&agent.own).or_else(|| of(&agent.below.agent))
}
