//! Agents that another command is at work on: what starts, changes or replaces agents has them for itself. To end something is possible beside every
//! other command.

use anyhow::Result;

use super::Run;
use crate::cli::ExitStatus;
use crate::host::{Host, Wake};
use crate::plan::{Plan, Terms};
use crate::quit;
use crate::state::{AtWork, Hold, Unremembered};
use crate::time::Duration;

/// How soon it is looked again whether the other command has ended.
const AGAIN: Duration = Duration::from_millis(100);

/// Whether a plan asks for nothing that can be done or waited for now.
pub(super) fn is_idle(plan: &Plan) -> bool {
    plan.is_empty() || !plan.has_acts() && !plan.has_waits()
}

impl Run<'_> {
    /// Whether the run does what no other command may do to the same agents at the same time.
    pub(super) fn has_to_share(&self, plan: &Plan) -> bool {
        !is_idle(plan) && !self.args.terms.only_ends()
    }

    /// Notes that this command is at work on its agents, or says which other one is.
    pub(super) fn hold(&self, terms: &Terms) -> Result<Result<Option<Hold>, AtWork>> {
        if self.args.terms.only_ends() {
            return Ok(Ok(None));
        }
        let fleet = &self.setup.fleet;
        let held = fleet.hold(self.args.terms.command(), terms.scope.as_ref(), self.host.now());
        Ok(fleet.or_unremembered(Unremembered::Hold, held)?.transpose())
    }

    /// Waits until no other command is at work on these agents, for as long as this run may wait for a lock; says whether it waited. The time that this
    /// takes is no part of the run.
    pub(super) fn waits_for_others(&mut self, terms: &Terms) -> Result<bool> {
        let setup = self.setup;
        let fleet = &setup.fleet;
        let is_held = || Ok::<_, anyhow::Error>(fleet.at_work()?.iter().any(|other| other.overlaps(terms.scope.as_ref())));
        let until = self.begun + self.args.run.lock.lock_timeout;
        if self.host.now() >= until || !is_held()? {
            return Ok(false);
        }
        quit::within(std::time::Duration::ZERO, 0);
        self.turns.release(fleet)?;
        while is_held()? && self.host.now() < until {
            if self.host.wait(&[], (self.host.now() + AGAIN).min(until)) == Wake::Signal {
                break;
            }
        }
        quit::within(self.args.run.timeout.std(), i32::from(ExitStatus::NotAtRest.code()));
        Ok(self.turns.resume(fleet, &mut self.host)?.is_none())
    }
}
