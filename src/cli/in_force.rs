//! What a fleet goes by while its manifest is not valid: for commands that must work while it is being edited.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use super::setup::{Global, Read, Setup};
use super::terminal::Terminal;
use crate::desired::{Declared, Desired, Source};
use crate::render::{self, Invocation};
use crate::state::Fleet;

/// From where the last valid state of a fleet is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    /// Only what a valid manifest asked for.
    Manifest,
    /// Else what the agents run, as their records say.
    Records,
}

impl Global {
    /// The fleet that is meant. Where its manifest is not valid, says so on one line and goes by what was in force before; none, with all that is
    /// wrong, if there is nothing to go by.
    pub(super) fn in_force(&self, positional: Option<&Path>, terminal: &Terminal) -> Result<Option<Setup>> {
        let read = self.read(positional)?;
        if read.loaded.desired.is_some() {
            return self.set_up(read, terminal);
        }
        match self.before(read, Memory::Records, terminal)? {
            Some(setup) => {
                let why = setup.broken.as_deref().unwrap_or_default();
                let manifest = render::plain(&setup.manifest.manifest).into_owned();
                terminal.say_once(&format!(
                    "warning: {manifest} is not valid, so the last valid declaration is used: {}\n",
                    render::plain(why)
                ));
                Ok(Some(setup))
            }
            None => Ok(None),
        }
    }

    /// The fleet that the manifest was that of, if that can be told without it being valid.
    pub(super) fn fleet_of(&self, positional: Option<&Path>) -> Option<Fleet> {
        let read = self.read(positional).ok()?;
        let mut fleets = read.state.fleets_of(&std::path::absolute(&read.path).ok()?).ok()?;
        fleets.pop().filter(|_| fleets.is_empty())
    }

    /// What was in force before the manifest got to be as it is. None, with all that is wrong, if nothing is remembered of it.
    pub(super) fn before(&self, read: Read, memory: Memory, terminal: &Terminal) -> Result<Option<Setup>> {
        let path: PathBuf = std::path::absolute(&read.path).with_context(|| format!("cannot tell where {} is", read.path.display()))?;
        let fleets = read.state.fleets_of(&path)?;
        let remembered = match &fleets[..] {
            [fleet] => remembered(fleet, memory)?.map(|desired| (fleet.clone(), desired)),
            // Of none or of several, it cannot be told which is meant.
            _ => None,
        };
        let Some((fleet, desired)) = remembered else {
            self.set_up(read, terminal)?;
            for fleet in fleets.iter().filter(|_| fleets.len() > 1) {
                terminal.error(&anyhow!("it was last used for several fleets, among them {}", fleet.name()));
            }
            return Ok(None);
        };
        let Read { path: named, words, loaded, state: _, doubt, vars } = read;
        let manifest = Invocation::new(named.display().to_string(), &words);
        terminal.is_about(&manifest);
        let why = render::first_error(&loaded.diagnostics, &loaded.texts).unwrap_or_else(|| "it is not valid".to_owned());
        let warnings = render::warnings(&loaded.diagnostics, &loaded.texts);
        let depends_on = loaded.depends_on;
        Ok(Some(Setup { manifest, path, desired, depends_on, fleet, doubt, vars, warnings, broken: Some(why) }))
    }
}

/// What is remembered of a fleet, as if a manifest had asked for it.
fn remembered(fleet: &Fleet, memory: Memory) -> Result<Option<Desired>> {
    match (fleet.in_force(), memory) {
        (Ok(Some(desired)), _) => return Ok(Some(desired)),
        (Err(error), Memory::Manifest) => return Err(error),
        (Ok(None), Memory::Manifest) => return Ok(None),
        (Ok(None) | Err(_), Memory::Records) => {}
    }
    let mut desired = Desired::nothing(fleet.name().clone());
    if let Some(server) = fleet.claim()?.and_then(|claim| claim.server) {
        desired.server = server;
    }
    for record in fleet.records()?.into_values().flatten().filter(|record| !record.released) {
        let Some(spec) = record.spec else { continue };
        let source = Source { file: "the record".into(), line: 1 };
        desired.agents.insert(record.agent, Declared { spec, source, renamed_from: None });
    }
    Ok(Some(desired))
}
