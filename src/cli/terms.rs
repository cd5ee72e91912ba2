//! The flags that `plan` and `apply` share, and what they mean for a run.

use std::collections::BTreeSet;

use anyhow::Result;
use clap::ValueEnum;

use super::order::Order;
use super::select::{select_all, with_dependencies};
use super::setup::Setup;
use crate::desired::{AgentName, Desired, Limit};
use crate::host::{Host, Live};
use crate::intent::{Intent, Request};
use crate::observe::{Seen, await_secrets, has_slow_secrets, observe, recall};
use crate::observed::Observed;
use crate::plan::Terms;

/// Flags shared by `plan` and `apply`.
#[derive(Debug, Default, clap::Args)]
pub(super) struct TermFlags {
    /// Only these agents and what they wait for: a name, a glob or label:key=value
    #[arg(long, value_name = "AGENT")]
    target: Vec<String>,
    /// Not these agents
    #[arg(long, value_name = "AGENT")]
    exclude: Vec<String>,
    /// Replace these agents, whether or not they changed
    #[arg(long, value_name = "AGENT")]
    replace: Vec<String>,
    /// Stop everything that the manifest declares
    #[arg(long)]
    destroy: bool,
    /// Carry out held changes, even if that interrupts work or a person
    ///
    /// Releases changes held as attached, busy, draft, unclear, waiting or no_note. Protection, pause, halt and guards still apply.
    #[arg(long)]
    now: bool,
    /// Allow that a protected agent is stopped
    #[arg(long, value_name = "AGENT")]
    allow_kill: Vec<String>,
    /// Stop or replace so many running agents at most, a number or a share like 30%
    #[arg(long, value_name = "N|P%")]
    max_stop: Option<Limit>,
    /// Carry out a manifest without agents
    #[arg(long)]
    allow_empty: bool,
    /// Let so many agents at most be on their way in or out at a time
    #[arg(long, value_name = "N")]
    parallelism: Option<usize>,
    /// What a command about single agents asks of them.
    #[arg(skip)]
    order: Option<Order>,
}

/// How a plan is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Human,
    /// For programs.
    Json,
    /// For pull requests.
    Markdown,
}

impl TermFlags {
    /// The flags of a run that stops everything.
    pub(super) fn destroying() -> Self {
        Self { destroy: true, ..Self::default() }
    }

    /// The flags of a run that does what is asked of single agents.
    pub(super) fn ordering(order: Order, max_stop: Option<Limit>) -> Self {
        Self { order: Some(order), max_stop, ..Self::default() }
    }

    /// The name of the command that acts, for who finds the lock taken.
    pub(super) fn command(&self) -> &'static str {
        match &self.order {
            Some(order) => order.command(),
            None if self.destroy => "down",
            None => "apply",
        }
    }

    /// Whether programs may be started, and not only ended.
    pub(super) fn may_start(&self) -> bool {
        self.order.as_ref().map_or(!self.destroy, Order::may_start)
    }

    /// Whether all of the fleet is to end.
    pub(super) fn destroys(&self) -> bool {
        self.destroy
    }

    /// Whether it brings agents to what the manifest says, and not only to what a person asked of them.
    pub(super) fn needs_its_manifest(&self) -> bool {
        !self.destroy && self.order.is_none()
    }

    /// Whether it only ends agents, by name or by a pattern, and starts none.
    pub(super) fn only_ends(&self) -> bool {
        self.order.as_ref().is_some_and(Order::only_ends)
    }

    /// What is asked of single agents, if that is what the run is about.
    pub(super) fn order(&self) -> Option<&Order> {
        self.order.as_ref()
    }

    /// Held changes are carried out too.
    pub(super) fn with_now(self, now: bool) -> Self {
        Self { now, ..self }
    }

    /// Protected agents that may be stopped.
    pub(super) fn with_allow_kill(self, allow_kill: Vec<String>) -> Self {
        Self { allow_kill, ..self }
    }

    /// What is desired under these flags.
    pub(super) fn desired(&self, desired: Desired) -> Desired {
        if self.destroy { Desired { agents: Default::default(), ..desired } } else { desired }
    }

    /// What the run may do. `declared` is the manifest as it stands.
    ///
    /// # Errors
    ///
    /// If a flag names an agent that does not exist.
    pub(super) fn terms(&self, declared: &Desired, seen: &Seen) -> Result<Terms> {
        let select = |patterns: &[String]| select_all(patterns, declared, &seen.observed);
        Ok(Terms {
            only_messages: false,
            only_ends: !self.may_start(),
            is_partial: false,
            only_restarts: false,
            now: self.now,
            allow_kill: select(&self.allow_kill)?,
            kill: self.order.as_ref().map(|order| order.killed(declared, seen)).transpose()?.unwrap_or_default(),
            scope: self.scope(declared, &seen.observed)?,
            max_stop: self.max_stop,
            claimed_by: None,
            unbound: self.destroy || self.order.as_ref().is_some_and(Order::names_its_number),
            allow_empty: self.allow_empty,
            shown: None,
            parallelism: self.parallelism,
            watch: None,
            begun: Some(seen.observed.at),
        })
    }

    fn scope(&self, declared: &Desired, observed: &Observed) -> Result<Option<BTreeSet<AgentName>>> {
        if let Some(order) = &self.order {
            return order.scope(declared, observed).map(Some);
        }
        if self.target.is_empty() && self.exclude.is_empty() {
            return Ok(None);
        }
        let all = || declared.agents.keys().chain(observed.agents.keys()).cloned().collect();
        let excluded = select_all(&self.exclude, declared, observed)?;
        let mut scope = match &self.target[..] {
            [] => all(),
            targets => with_dependencies(select_all(targets, declared, observed)?, declared),
        };
        scope.retain(|agent| !excluded.contains(agent));
        Ok(Some(scope))
    }

    /// What a person asks beyond the manifest. The manifest and the records name the agents; only if that is not enough, the machine
    /// is observed for them.
    ///
    /// # Errors
    ///
    /// If a flag names an agent that does not exist, or the state folder cannot be read.
    pub(super) fn intent(&self, setup: &Setup, host: &mut dyn Host) -> Result<Intent> {
        if self.order.is_none() && self.replace.is_empty() && self.target.is_empty() && self.exclude.is_empty() {
            return Ok(Intent::default());
        }
        let recalled = recall(&setup.desired, &setup.fleet, host.now())?;
        let intent = match self.asked_of(&setup.desired, &recalled) {
            Ok(intent) => intent,
            Err(_) => self.asked_of(&setup.desired, &observe(&setup.desired, &setup.fleet, host, &Intent::only_look())?.observed)?,
        };
        // Whose trouble is no matter of this run delays nothing of it.
        let scope = self.scope(&setup.desired, &recalled).ok().flatten();
        Ok(Intent { about: scope.map(|scope| with_dependencies(scope, &setup.desired)), ..intent })
    }

    /// Waits for the secrets of those that the run may start, before anybody waits for the run.
    ///
    /// # Errors
    ///
    /// If the state folder cannot be read.
    pub(super) fn await_secrets(&self, setup: &Setup, host: &mut Live) -> Result<()> {
        host.wait_for_secrets();
        // Whom it is about is said with all that is wrong once it has begun.
        let about = if setup.desired.agents.values().any(|declared| has_slow_secrets(&declared.spec)) {
            self.intent(setup, host).unwrap_or_default().about
        } else {
            Some(BTreeSet::new())
        };
        let awaited = await_secrets(&setup.desired, about.as_ref(), &setup.fleet, host);
        host.be_brief();
        awaited
    }

    fn asked_of(&self, declared: &Desired, observed: &Observed) -> Result<Intent> {
        match &self.order {
            Some(order) => order.intent(declared, observed),
            None => Ok(Intent::of(Request::Replace, &select_all(&self.replace, declared, observed)?)),
        }
    }
}
