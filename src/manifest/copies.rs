//! One declared agent → its copies, by `replicas` or `for_each`, and their names.

use std::path::{Path, PathBuf};

use super::context::{Context, Fields};
use super::file::{Folders, MAX_AGENTS};
use super::layers::{self, Written};
use super::ours::ours;
use super::paths;
use super::read::At;
use super::report::Spot;
use super::sources::Kind;
use super::words::ForEach;
use crate::desired::{AgentName, is_name};
use crate::time::Timestamp;

/// A copy of an agent, or the only one.
#[derive(Debug)]
pub(crate) struct Copy {
    pub(crate) name: AgentName,
    pub(crate) index: Option<String>,
    pub(crate) each: Option<String>,
    pub(crate) each_path: Option<String>,
}

impl Copy {
    /// The reading of fields for this copy.
    pub(crate) fn fields<'f>(&'f self, context: &'f Context<'f>) -> Fields<'f> {
        let mut fields = context.fields();
        fields.scope.name = Some(self.name.as_str());
        fields.scope.index = self.index.as_deref();
        fields.scope.each = self.each.as_deref();
        fields.scope.each_path = self.each_path.as_deref();
        fields
    }
}

/// What tells a copy from the others.
#[derive(Default)]
struct Difference {
    index: Option<String>,
    each: Option<String>,
    path: Option<String>,
}

/// The copies of one of all agents. What is wrong is reported.
pub(crate) fn copies(agent: &Written<'_>, all: &[Written<'_>], context: &Context<'_>) -> Vec<Copy> {
    let report = context.report;
    let declared = agent.declared;
    let (replicas, for_each) = (agent.get(|agent| &agent.replicas), agent.get(|agent| &agent.for_each));
    if !layers::check_name(declared.value, declared.spot, "an agent", report) {
        return Vec::new();
    }
    let differences = match (replicas, for_each) {
        (Some(replicas), Some(for_each)) => {
            let spots = vec![(for_each.spot, String::new()), (replicas.spot, "and copies are asked for here".to_owned())];
            report.clash(spots, "`replicas` and `for_each` exclude each other", None);
            return Vec::new();
        }
        (Some(replicas), None) if replicas.value > MAX_AGENTS => {
            report.error(replicas.spot, format!("at most {MAX_AGENTS} copies of an agent are possible"), None);
            return Vec::new();
        }
        (Some(replicas), None) => {
            (1..=replicas.value).map(|index| Difference { index: Some(index.to_string()), ..Difference::default() }).collect()
        }
        (None, Some(for_each)) => each(for_each, all, context),
        (None, None) => vec![Difference::default()],
    };
    let several = replicas.is_some() || for_each.is_some();
    if let Some(name) = agent.get(|agent| &agent.name)
        && several
        && differences.len() > 1
        && !name.value.contains("${index}")
        && !name.value.contains("${each}")
    {
        let hint = if replicas.is_some() { "put `${index}` into it" } else { "put `${each}` into it" };
        report.error(name.spot, "all copies would have the same name", Some(hint.to_owned()));
        return Vec::new();
    }
    let mut copies = Vec::with_capacity(differences.len());
    for difference in differences {
        let errors = report.errors();
        copies.extend(copy(agent, difference, context));
        // What is wrong with one is wrong with all of them.
        if report.errors() > errors {
            break;
        }
    }
    copies
}

fn copy(agent: &Written<'_>, difference: Difference, context: &Context<'_>) -> Option<Copy> {
    let declared = agent.declared;
    let Difference { index, each, path } = difference;
    let name = match agent.get(|agent| &agent.name) {
        Some(name) => {
            let mut fields = context.fields();
            fields.scope.name = Some(declared.value);
            fields.scope.index = index.as_deref();
            fields.scope.each = each.as_deref();
            fields.scope.each_path = path.as_deref();
            fields.name(*name)?
        }
        None => {
            let name = match index.as_ref().or(each.as_ref()) {
                Some(part) => format!("{}-{part}", declared.value),
                None => declared.value.to_owned(),
            };
            match name.parse() {
                Ok(name) => name,
                Err(why) => {
                    let spot = agent.get(|agent| &agent.for_each).map_or(declared.spot, |for_each| for_each.spot);
                    context.report.error(spot, why, Some("shorten it, or give it another one by `name`".to_owned()));
                    return None;
                }
            }
        }
    };
    Some(Copy { name, index, each, each_path: path })
}

fn each(for_each: &At<ForEach<'_>>, all: &[Written<'_>], context: &Context<'_>) -> Vec<Difference> {
    let mut found: Vec<Difference> = match &for_each.value {
        ForEach::List(words) => words.iter().filter_map(|word| listed(*word, context)).collect(),
        ForEach::Folders(Folders { dirs: Some(dirs), active_within, activity, keep_if, file: None, pointer: None }) => {
            let age = Age {
                since: active_within
                    // Zero: all of them are.
                    .filter(|age| age.value > crate::time::Duration::ZERO)
                    .map(|age| At { value: context.sources.now().as_millis().saturating_sub(millis(age.value)), spot: age.spot }),
                activity: activity.as_ref().map_or(&[], |activity| &activity.value),
                keep_if: keep_if.as_ref().map_or(&[], |keep_if| &keep_if.value),
                all,
            };
            if active_within.is_none() && (activity.is_some() || keep_if.is_some()) {
                context.report.error(for_each.spot, "`activity` and `keep_if` say nothing without `active_within`", None);
            }
            let folders = folders(*dirs, context).into_iter().filter(|folder| is_active(folder, &age, context));
            folders.filter_map(|folder| named_folder(&folder, *dirs, context)).collect()
        }
        ForEach::Folders(Folders { file: Some(file), pointer, dirs: None, active_within: None, activity: None, keep_if: None }) => {
            in_file(*file, *pointer, context)
        }
        ForEach::Folders(_) => {
            let hint = "`dirs` goes with `active_within`, `activity` and `keep_if`; `file` goes with `pointer`";
            context.report.error_unless_inside(for_each.spot, "`for_each` needs either `dirs` or `file`", Some(hint.to_owned()));
            Vec::new()
        }
    };
    if found.len() > MAX_AGENTS as usize {
        context.report.error(for_each.spot, format!("at most {MAX_AGENTS} copies of an agent are possible"), None);
        found.clear();
    }
    found
}

fn millis(length: crate::time::Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

fn listed(word: At<&str>, context: &Context<'_>) -> Option<Difference> {
    let each = context.fields().text(word).into_owned();
    if !is_name(&each) {
        let rule = "a name is made of it: use a-z, 0-9, `_` and `-`, beginning with a letter or digit";
        context.report.error(word.spot, format!("`{}` cannot be part of a name", each.escape_debug()), Some(rule.to_owned()));
        return None;
    }
    Some(Difference { each: Some(each), ..Difference::default() })
}

fn folders(dirs: At<&str>, context: &Context<'_>) -> Vec<PathBuf> {
    let pattern = context.fields().path(dirs);
    match paths::glob(&pattern, Kind::Folder, context.sources) {
        Ok((folders, listed)) => {
            context.depends_on.borrow_mut().folders.extend(listed);
            folders
        }
        Err(why) => {
            context.report.error(dirs.spot, format!("it is not known which folders there are: {why}"), None);
            Vec::new()
        }
    }
}

/// Which folders count as active.
struct Age<'a> {
    since: Option<At<i64>>,
    activity: &'a [At<&'a str>],
    keep_if: &'a [At<&'a str>],
    /// What is written for these is no activity.
    all: &'a [Written<'a>],
}

fn is_active(folder: &Path, age: &Age<'_>, context: &Context<'_>) -> bool {
    let Some(since) = age.since else { return true };
    let ours = ours(age.all, folder, context);
    let changed = |path: PathBuf, since: i64, asked: Spot| {
        let answer = context.sources.changed_since(&path, Timestamp::from_millis(since), &ours).unwrap_or_else(|why| {
            let message = format!("it is not known whether {} is active: {why}", path.display().to_string().escape_debug());
            context.report.error(asked, message, None);
            None
        });
        context.depends_on.borrow_mut().activity.insert(path);
        answer
    };
    let inside = |path: &At<&str>| paths::clean(&folder.join(context.fields().word(*path).as_ref()));
    // A file that was changed at any time is there.
    if age.keep_if.iter().any(|path| changed(inside(path), i64::MIN, path.spot).is_some()) {
        return true;
    }
    if age.activity.is_empty() {
        return changed(folder.to_owned(), since.value, since.spot).unwrap_or(false);
    }
    age.activity.iter().any(|path| changed(inside(path), since.value, path.spot).unwrap_or(false))
}

fn named_folder(folder: &Path, dirs: At<&str>, context: &Context<'_>) -> Option<Difference> {
    let name = folder.file_name()?.to_str()?.to_owned();
    let path = folder.to_str()?.to_owned();
    if !is_name(&name) || path.chars().any(char::is_control) {
        skipped(&path, dirs, context);
        return None;
    }
    Some(Difference { each: Some(name), path: Some(path), index: None })
}

fn skipped(what: &str, asked: At<&str>, context: &Context<'_>) {
    let rule = "only names of a-z, 0-9, `_` and `-`, beginning with a letter or digit, are used";
    context.report.warning(
        asked.spot,
        format!("`{}` is left out: it cannot be part of a name", what.escape_debug()),
        Some(rule.to_owned()),
    );
}

fn in_file(file: At<&str>, pointer: Option<At<&str>>, context: &Context<'_>) -> Vec<Difference> {
    let path = context.fields().file(file);
    context.depends_on.borrow_mut().files.insert(path.clone());
    let unknown = |why: String| {
        context.report.error(file.spot, format!("it is not known which copies there are: {why}"), None);
        Vec::new()
    };
    let shown = path.display().to_string();
    let shown = shown.escape_debug();
    let text = match context.sources.text(&path) {
        Ok(Some(text)) => text,
        Ok(None) => return unknown(format!("{shown} does not exist")),
        Err(why) => return unknown(format!("{shown} could not be read: {why}")),
    };
    let value: serde_json::Value = match serde_json::from_str(&text) {
        Ok(value) => value,
        Err(why) => return unknown(format!("{shown} is not JSON: {why}")),
    };
    let pointed = pointer.map_or("", |pointer| pointer.value);
    let Some(items) = value.pointer(pointed).and_then(serde_json::Value::as_array) else {
        let spot = pointer.map_or(file.spot, |pointer| pointer.spot);
        let hint = "a pointer looks like `/teams` and leads to an array of strings".to_owned();
        context.report.error(spot, format!("there is no array at `{}` in {shown}", pointed.escape_debug()), Some(hint));
        return Vec::new();
    };
    let mut found = Vec::new();
    for item in items {
        match item.as_str() {
            Some(name) if is_name(name) => found.push(Difference { each: Some(name.to_owned()), ..Difference::default() }),
            Some(name) => skipped(name, file, context),
            // What is meant by it is not known, and to leave it out would stop what runs for it.
            None => {
                let shown: String = item.to_string().chars().take(60).collect();
                return unknown(format!(
                    "`{}` in {path} is not a string",
                    shown.escape_debug(),
                    path = path.display().to_string().escape_debug()
                ));
            }
        }
    }
    found
}
