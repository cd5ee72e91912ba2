//! The manifest in force: read anew when something that it depends on has changed, and kept as it was while it is not valid.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::cli::setup::{Global, Setup};
use crate::desired::Desired;
use crate::manifest::Dependencies;
use crate::render::{self, Style};
use crate::sources::Fingerprint;

/// The manifest in force, and how it is found out whether it still is.
pub(super) struct Follow<'a> {
    global: &'a Global,
    style: Style,
    /// The manifest in force.
    pub(super) setup: Setup,
    depends_on: Dependencies,
    fingerprint: Fingerprint,
    /// Why the manifest as it stands is not in force.
    pub(super) error: Option<String>,
    /// What is doubtful about the manifest, in a line each.
    warnings: BTreeSet<String>,
    /// What of that was not said yet.
    news: Vec<String>,
}

/// What reading the manifest anew came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reread {
    /// It means what it meant.
    Same,
    /// Something else is in force now.
    Changed,
    /// It is not valid, and it was not said before.
    Broken {
        /// In a line, with the place.
        why: String,
        /// All that is wrong with it.
        shown: String,
    },
    /// It is valid again, and means what it meant.
    Mended,
}

impl<'a> Follow<'a> {
    pub(super) fn new(global: &'a Global, style: Style, setup: Setup) -> Self {
        let error = setup.broken.clone();
        let depends_on = setup.depends_on.clone();
        let fingerprint = Fingerprint::take(&depends_on);
        let setup_warnings = setup.warnings.iter().cloned().collect();
        Self { global, style, setup, depends_on, fingerprint, error, warnings: setup_warnings, news: Vec::new() }
    }

    /// The manifest in force.
    pub(super) fn desired(&self) -> &Desired {
        &self.setup.desired
    }

    /// The files, and the folders, whose change is news to a watcher.
    pub(super) fn interest(&self) -> (BTreeSet<PathBuf>, BTreeSet<PathBuf>) {
        let sources = self.desired().agents.values().filter_map(|declared| declared.spec.care.handoff.source.clone());
        let files = self.depends_on.files.iter().cloned().chain(sources).collect();
        let requests = self.setup.fleet.paths().requests();
        let folders = self.depends_on.folders.iter().chain(&self.depends_on.activity).cloned().chain([requests]).collect();
        (files, folders)
    }

    /// Reads the manifest anew, if something that it depends on is not what it was, or in any case.
    pub(super) fn reread(&mut self, in_any_case: bool) -> Reread {
        let fingerprint = Fingerprint::take(&self.depends_on);
        // How old something may be changes with the time.
        if !in_any_case && fingerprint == self.fingerprint && self.depends_on.activity.is_empty() {
            return Reread::Same;
        }
        self.fingerprint = fingerprint;
        match self.read() {
            Ok(desired) => {
                let was_broken = self.error.take().is_some();
                let same = desired == self.setup.desired;
                self.setup.desired = desired;
                match (same, was_broken) {
                    (false, _) => Reread::Changed,
                    (true, true) => Reread::Mended,
                    (true, false) => Reread::Same,
                }
            }
            Err(Wrong { why, .. }) if self.error.as_ref() == Some(&why) => Reread::Same,
            Err(Wrong { why, shown }) => {
                self.error = Some(why.clone());
                Reread::Broken { why, shown }
            }
        }
    }

    /// What is doubtful about the manifest and was not said yet, in a line each.
    pub(super) fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.news)
    }

    /// The manifest as it stands now: the same file, whatever lies nearer to this process by now.
    fn read(&mut self) -> Result<Desired, Wrong> {
        let read = self.global.read_at(self.setup.path.clone()).map_err(|error| Wrong::plain(format!("{error:#}")))?;
        if let Some(doubt) = read.doubt {
            return Err(Wrong::plain(doubt));
        }
        // Of one that is broken, what it depended on before counts too: it may be what is missing.
        let Dependencies { files, folders, activity, variables } = read.loaded.depends_on;
        self.depends_on.files.extend(files.clone());
        self.depends_on.folders.extend(folders.clone());
        let warnings: BTreeSet<String> = render::warnings(&read.loaded.diagnostics, &read.loaded.texts).into_iter().collect();
        self.news.extend(warnings.difference(&self.warnings).cloned());
        self.warnings = warnings;
        let Some(desired) = read.loaded.desired else {
            self.fingerprint = Fingerprint::take(&self.depends_on);
            let why = render::first_error(&read.loaded.diagnostics, &read.loaded.texts);
            let shown = render::diagnostics(&read.loaded.diagnostics, &read.loaded.texts, self.style);
            return Err(Wrong { why: why.unwrap_or_else(|| "it is not valid".to_owned()), shown });
        };
        if desired.fleet != self.setup.desired.fleet {
            let why = format!("it is another fleet's now, {}; a watcher stays with the one that it began with", desired.fleet);
            return Err(Wrong::plain(why));
        }
        self.depends_on = Dependencies { files, folders, activity, variables };
        self.fingerprint = Fingerprint::take(&self.depends_on);
        Ok(desired)
    }

    /// The manifest, absolute.
    pub(super) fn path(&self) -> &Path {
        &self.setup.path
    }
}

/// What is wrong with a manifest: in a line, and all of it.
struct Wrong {
    why: String,
    shown: String,
}

impl Wrong {
    fn plain(why: String) -> Self {
        Self { why, shown: String::new() }
    }
}
