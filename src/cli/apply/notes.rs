//! The notes that are given with a run: put aside before anything is done, and consumed when they are delivered.

use std::collections::BTreeSet;

use anyhow::Result;

use super::Run;
use crate::cli::handoff;
use crate::desired::AgentName;

impl Run<'_> {
    /// From the moment on when it is remembered that lives are to be replaced, a note is for those that follow.
    pub(super) fn lay_down_notes(&mut self, hopeless: &BTreeSet<AgentName>) -> Result<()> {
        for note in self.args.notes.iter().filter(|note| !hopeless.contains(&note.agent)) {
            self.laid_down.push((note, handoff::lay_down(self.setup, &mut self.host, &note.agent, &note.text)?));
        }
        Ok(())
    }

    /// Removes the files of those that are delivered.
    pub(super) fn consume_notes(&self) {
        for (note, id) in &self.laid_down {
            note.consume(*id, self.setup, self.terminal);
        }
    }
}
