//! What a watcher begins with while somebody edits the manifest: what it asked for when a watcher found it valid last.

use std::path::Path;

use anyhow::{Context, Result};

use crate::cli::setup::{Global, Read, Setup};
use crate::cli::terminal::Terminal;
use crate::render;

impl Global {
    /// The fleet that is meant, and why the manifest as it stands is not in force, if it is not. None if there is nothing to go by.
    pub(super) fn setup_or_former(&self, positional: Option<&Path>, terminal: &Terminal) -> Result<Option<(Setup, Option<String>)>> {
        let named = self.manifest(positional)?;
        // It will be read again by this name, wherever this process then is.
        let path = std::path::absolute(&named).with_context(|| format!("cannot tell where {} is", named.display()))?;
        let read = self.read_at(path.clone())?;
        if read.loaded.desired.is_some() {
            return Ok(self.set_up(read, terminal)?.map(|setup| (setup, None)));
        }
        let fleets = read.state.fleets_of(&path)?;
        // Of none or of several, nobody can say which is meant.
        let former = match &fleets[..] {
            [fleet] => fleet.in_force()?.map(|desired| (fleet.clone(), desired)),
            _ => None,
        };
        let Some((fleet, desired)) = former else {
            self.set_up(read, terminal)?;
            return Ok(None);
        };
        let Read { loaded, doubt, vars, .. } = read;
        terminal.say(&render::diagnostics(&loaded.diagnostics, &loaded.texts, terminal.err()));
        let warnings = render::warnings(&loaded.diagnostics, &loaded.texts);
        let why = render::first_error(&loaded.diagnostics, &loaded.texts).unwrap_or_else(|| "it is not valid".to_owned());
        let setup =
            Setup { manifest: named.display().to_string(), path, desired, depends_on: loaded.depends_on, fleet, doubt, vars, warnings };
        Ok(Some((setup, Some(why))))
    }
}
