//! How agents stand once a person has said whose something is, and what is due for them now.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::Value;

use super::select::with_dependencies;
use super::setup::Setup;
use super::status::About;
use super::terminal::Terminal;
use crate::desired::AgentName;
use crate::host::Live;
use crate::intent::Intent;
use crate::observe::observe;
use crate::observed::Observed;
use crate::plan::{Plan, Terms, plan};
use crate::render::{self, Basis, Extent, PlanView, json};

/// A look at some agents, with the plan for them.
pub(super) struct After<'a> {
    setup: &'a Setup,
    agents: &'a BTreeSet<AgentName>,
    observed: Observed,
    plan: Plan,
}

impl<'a> After<'a> {
    /// Looks anew.
    pub(super) fn look(agents: &'a BTreeSet<AgentName>, setup: &'a Setup, host: &mut Live) -> Result<Self> {
        let observed =
            observe(&setup.desired, &setup.fleet, host, &Intent::about(Some(with_dependencies(agents.clone(), &setup.desired))))?.observed;
        let plan = plan(&setup.desired, &observed, &Terms { scope: Some(agents.clone()), ..Terms::default() });
        Ok(Self { setup, agents, observed, plan })
    }

    /// Says what is due, and who does it; nothing where nothing is.
    pub(super) fn say(&self, terminal: &Terminal) -> Result<()> {
        if self.plan.is_empty() {
            return Ok(());
        }
        let who = self.setup.next_to_act();
        let listing = render::plan_listing(&self.view(), terminal.out());
        terminal.print(&format!("\nAs the manifest is now, {who} finds this due:\n\n{listing}"))
    }

    /// The plan, for programs.
    pub(super) fn plan(&self) -> Result<Value> {
        Ok(serde_json::to_value(json::plan_document(&self.view(), Extent::Readable))?)
    }

    /// The status of these agents, for programs.
    pub(super) fn status(&self) -> Result<Value> {
        let about = About::of(self.agents, &self.setup.desired, &self.observed);
        Ok(serde_json::to_value(json::status_document(&about.view(&self.plan, &self.setup.manifest)))?)
    }

    fn view(&self) -> PlanView<'_> {
        let Setup { manifest, desired, .. } = self.setup;
        PlanView { manifest, desired, observed: &self.observed, plan: &self.plan, rounds: &[], basis: Basis::Live }
    }
}
