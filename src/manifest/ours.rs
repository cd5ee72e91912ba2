//! What this program itself writes for agents, as far as a manifest names it: it does not make a folder active.

use std::path::{Path, PathBuf};

use super::context::Context;
use super::interpolate::{self, Quoting};
use super::layers::Written;
use super::paths;
use super::read::At;

/// The files and folders that this program writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ours(Vec<PathBuf>);

impl Ours {
    /// These pidfiles, logs and folders, by absolute paths.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self(paths)
    }

    /// The same, each path as `change` makes it.
    pub fn map(&self, change: impl Fn(&Path) -> PathBuf) -> Self {
        Self(self.0.iter().map(|path| change(path)).collect())
    }

    /// With one path more.
    pub fn and(mut self, path: PathBuf) -> Self {
        self.0.push(path);
        self
    }

    /// Whether it is one of them, lies in one, or is made beside one: a log that was moved aside, the notes of its times and of its present life, a
    /// file that is not whole yet.
    pub fn has(&self, path: &Path) -> bool {
        self.0.iter().any(|own| path.starts_with(own) || is_beside(path, own))
    }

    /// Whether one of them is an entry of this folder, whose time of change then tells nothing.
    pub fn are_entries_of(&self, folder: &Path) -> bool {
        self.0.iter().any(|own| own.parent() == Some(folder))
    }
}

fn is_beside(path: &Path, own: &Path) -> bool {
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    let (Some(name), Some(own_name)) = (name(path), name(own)) else { return false };
    if path.parent() != own.parent() {
        return false;
    }
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_moved_aside = |rest: &str| rest.strip_prefix('.').is_some_and(is_number);
    let is_note = |rest: &str| matches!(rest, ".times" | ".life");
    // `.NAME.PID` until it is whole, also of the note of a life.
    let unfinished = |rest: &str| is_moved_aside(rest.strip_prefix(".life").unwrap_or(rest));
    name.strip_prefix('.').and_then(|name| name.strip_prefix(&own_name)).is_some_and(unfinished)
        || name.strip_prefix(&own_name).is_some_and(|rest| is_note(rest) || is_moved_aside(rest))
}

/// What is written for the fleet and for these agents, of those that have copies for folders for their copy of this one.
pub(crate) fn ours(agents: &[Written<'_>], folder: &Path, context: &Context<'_>) -> Ours {
    let mut found = vec![PathBuf::from(&context.state)];
    let (each, each_path) = (folder.file_name().and_then(|name| name.to_str()), folder.to_str());
    for agent in agents {
        let log = agent.get(|agent| &agent.log).and_then(|log| log.value.file);
        let handoff = agent.get(|agent| &agent.handoff).map(|handoff| &handoff.value);
        let folders = handoff.into_iter().flat_map(|handoff| [handoff.inbox, handoff.archive]).flatten();
        let written: Vec<At<&str>> = agent.get(|agent| &agent.pidfile).copied().into_iter().chain(log).chain(folders).collect();
        if written.is_empty() {
            continue;
        }
        let is_copied = agent.get(|agent| &agent.for_each).is_some();
        let name = each.filter(|_| is_copied).map(|each| format!("{}-{each}", agent.declared.value));
        let mut fields = context.fields();
        (fields.scope.each, fields.scope.each_path, fields.scope.name) = (each, each_path, Some(agent.declared.value));
        let pattern = agent.get(|agent| &agent.name).and_then(|name| interpolate::fill(name.value, &fields.scope, Quoting::None).ok());
        fields.scope.name = pattern.as_deref().or(name.as_deref()).or(fields.scope.name);
        // What is wrong is reported where the agent is read.
        let path = |written: At<&str>| {
            let text = interpolate::fill(written.value, &fields.scope, Quoting::None).ok()?;
            paths::absolute(&text, context.folder_of(written.spot), context.sources).ok()
        };
        found.extend(written.into_iter().filter_map(path));
    }
    Ours(found)
}
