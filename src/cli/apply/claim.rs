//! Whose the fleet is, and what is in force: written when a run begins to act, and forgotten with the last agent.

use anyhow::Result;

use super::Run;
use crate::desired::Desired;
use crate::state::{Claim, Unremembered};

impl Run<'_> {
    /// Writes whose the fleet is, and what is declared from here on.
    pub(super) fn claim(&self, desired: &Desired) -> Result<()> {
        let before = self.setup.fleet.claim()?;
        let claim = Claim {
            manifest: self.setup.path.clone(),
            digest: Some(desired.digest.clone()),
            ..before.clone().unwrap_or_else(|| Claim::new(self.setup.path.clone()))
        };
        if before.as_ref() != Some(&claim) {
            self.forgive(Unremembered::Claim, self.setup.fleet.write_claim(&claim))?;
        }
        // What commands go by while the manifest is not valid.
        if self.args.terms.needs_its_manifest() && !self.setup.fleet.in_force().is_ok_and(|before| before.as_ref() == Some(desired)) {
            self.forgive(Unremembered::Claim, self.setup.fleet.write_in_force(desired))?;
        }
        Ok(())
    }

    /// Forgets whose the fleet was, where all of it was to end and has.
    pub(super) fn release(&self, is_over: bool) -> Result<()> {
        if is_over && self.args.terms.destroys() {
            self.forgive(Unremembered::Claim, self.setup.fleet.release_claim())?;
        }
        Ok(())
    }

    /// What came of writing something down beside the agents: where the disk is full, the run goes on without it, and one that only ends agents does so
    /// in any case. What is started is written down first or not started.
    pub(super) fn forgive<T>(&self, what: Unremembered, written: Result<T>) -> Result<Option<T>> {
        let fleet = &self.setup.fleet;
        if self.args.terms.may_start() { fleet.or_unremembered(what, written) } else { Ok(fleet.or_noted(what, written)) }
    }
}
