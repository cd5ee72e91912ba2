//! An agent goes on under another name: its record, its notes and what is named after it.

use anyhow::Result;

use super::{Round, since};
use crate::desired::{AgentName, AgentSpec};
use crate::host::Act;
use crate::plan::{started_as, under_new_name};
use crate::state::Record;

impl Round<'_> {
    pub(super) fn rename(&mut self, to: &AgentName, from: &AgentName) -> Result<Vec<Act>> {
        let sighting = self.seen.observed.agents.get(from).cloned().unwrap_or_default();
        let instance = sighting.instance.clone();
        let declared = self.spec(to)?;
        // Where the record is lost, the mark tells.
        let lost = || Record {
            generation: sighting.generation,
            mark: instance.as_ref().and_then(|instance| instance.mark.clone()),
            asked_at: since(&sighting).unwrap_or_default(),
            instance: instance.clone(),
            ..Record::new(from.clone())
        };
        let old = self.seen.records.get(from).cloned().unwrap_or_else(lost);
        let spec = match old.spec.clone() {
            Some(spec) => Some(AgentSpec { launch: under_new_name(&spec.launch, from, to, &declared.launch).into(), ..spec }),
            None => started_as(sighting.digest.as_ref(), from, to, &declared),
        };
        self.fleet.move_notes(from, to)?;
        let mut untyped = old.untyped.clone();
        for note in untyped.iter_mut().filter(|note| note.archive == self.fleet.paths().archive(from)) {
            note.archive = self.fleet.paths().archive(to);
        }
        self.write(Record { agent: to.clone(), spec: spec.clone(), untyped, ..old })?;
        self.fleet.remove(from)?;
        self.seen.records.remove(from);
        let rename = |(only, spec)| Act::Rename { only, spec: Box::new(spec), to: to.clone() };
        Ok(instance.zip(spec).map(rename).into_iter().collect())
    }
}
