//! A fleet that is known, whatever its manifest says at this moment: for commands that must not fail because somebody edits it. Nothing can be
//! planned with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use super::ExitStatus;
use super::setup::{self, Global, Read, Setup};
use super::terminal::Terminal;
use crate::desired::{AgentName, Desired};
use crate::host::{Host, Live};
use crate::intent::Intent;
use crate::observe::{Seen, observe};
use crate::render;
use crate::state::{Fleet, Lock};
use crate::time::Duration;

/// What is known of a fleet, with or without a valid manifest.
pub(super) struct Known {
    /// What is remembered.
    pub(super) fleet: Fleet,
    /// The manifest, absolute.
    path: PathBuf,
    /// What it asks for; nothing, if it is not valid.
    sought: Desired,
    /// The variables that it was read with.
    vars: BTreeMap<String, String>,
}

impl Global {
    /// The fleet that is meant. Where the manifest is not valid, says why, and goes by what is remembered of it; none if that is nothing.
    pub(super) fn known(&self, positional: Option<&Path>, terminal: &Terminal) -> Result<Option<Known>> {
        let read = self.read(positional)?;
        if read.loaded.desired.is_some() {
            let setup = self.set_up(read, terminal)?;
            return Ok(setup.map(|Setup { fleet, path, desired, vars, .. }| Known { fleet, path, sought: desired, vars }));
        }
        let path: PathBuf = std::path::absolute(&read.path).with_context(|| format!("cannot tell where {} is", read.path.display()))?;
        let fleets = read.state.fleets_of(&path)?;
        let [fleet] = &fleets[..] else {
            // Of none or of several, nobody can say which is meant.
            self.set_up(read, terminal)?;
            for fleet in &fleets {
                terminal.error(&anyhow!("it was that of the fleet {}, and there are several such", fleet.name()));
            }
            return Ok(None);
        };
        let Read { path: named, loaded, vars, .. } = read;
        terminal.say(&render::diagnostics(&loaded.diagnostics, &loaded.texts, terminal.err()));
        terminal.say(&format!("warning: the manifest {} is not valid; what is remembered of {} counts\n", named.display(), fleet.name()));
        Ok(Some(Known { fleet: fleet.clone(), path, sought: Desired::nothing(fleet.name().clone()), vars }))
    }
}

impl Global {
    /// The fleet that the manifest was that of, if that can be told without it being valid.
    pub(super) fn fleet_of(&self, positional: Option<&Path>) -> Option<Fleet> {
        let read = self.read(positional).ok()?;
        let mut fleets = read.state.fleets_of(&std::path::absolute(&read.path).ok()?).ok()?;
        fleets.pop().filter(|_| fleets.is_empty())
    }
}

impl Known {
    /// Looks at every agent that is remembered, and at those that are declared if that can be told.
    pub(super) fn observe(&self, host: &mut dyn Host) -> Result<Seen> {
        observe(&self.sought, &self.fleet, host, &Intent::default())
    }

    /// The agents that patterns mean.
    pub(super) fn select_all(&self, patterns: &[String], seen: &Seen) -> Result<Vec<AgentName>> {
        Ok(super::select::select_all(patterns, &self.sought, &seen.observed)?.into_iter().collect())
    }

    /// Whether an agent is declared whose name is meant, as far as that can be told.
    pub(super) fn declares(&self, meant: impl Fn(&str) -> bool) -> bool {
        self.sought.agents.keys().any(|agent| meant(agent.as_str()))
    }

    /// As [`Setup::lock`].
    pub(super) fn lock(&self, command: &str, patience: Duration, terminal: &Terminal) -> Result<Result<Lock, ExitStatus>> {
        setup::lock(&self.fleet, &self.path, command, patience, terminal)
    }

    /// As [`Setup::machine`].
    pub(super) fn machine(&self) -> Result<Live> {
        setup::machine_for(&self.fleet, &self.path, &self.vars)
    }
}
