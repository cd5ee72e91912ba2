//! `reconcile status`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::Result;

use super::ExitStatus;
use super::setup::Global;
use super::terminal::Terminal;
use super::watch::watcher;
use crate::desired::{AgentName, Desired};
use crate::host::{is_stale, strangers, usage};
use crate::observe::observe;
use crate::observed::Observed;
use crate::plan::{Plan, Terms, plan};
use crate::render::{self, StatusView, Usage, json};
use crate::state::Fleet;
use crate::time::Timestamp;

/// Show what runs beside what should run
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The manifest
    manifest: Option<PathBuf>,
    /// Write JSON
    #[arg(long)]
    json: bool,
    /// Exit with 2 unless everything is at rest
    #[arg(long)]
    exit_code: bool,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let Some(setup) = global.setup(args.manifest.as_deref(), terminal)? else { return Ok(ExitStatus::Failed) };
    let desired = &setup.desired;
    let mut seen = observe(desired, &setup.fleet, &mut setup.machine()?)?;
    match strangers(&desired.strangers, &seen.observed) {
        Ok(more) => seen.observed.strangers.extend(more),
        Err(why) => seen.observed.gaps.push(why),
    }
    let watcher = watcher(&setup.fleet, seen.observed.at)?;
    // What a watcher leaves to a person is held, and not about to be done.
    let terms = Terms { watch: watcher.as_ref().and_then(|watcher| watcher.auto), ..Terms::default() };
    let plan = plan(desired, &seen.observed, &terms);
    let usage = usage_of(&seen.observed);
    let held_since = held_since(&setup.fleet)?;
    let view =
        StatusView { desired, observed: &seen.observed, plan: &plan, usage: &usage, held_since: &held_since, watcher: watcher.as_ref() };
    terminal.print(&if args.json { json::pretty(&json::status_document(&view)) } else { render::status_human(&view, terminal.out()) })?;
    Ok(if args.exit_code && !plan.is_empty() { ExitStatus::Due } else { ExitStatus::Done })
}

/// What is known of some agents, as far as a status tells it.
pub(super) struct About {
    desired: Desired,
    observed: Observed,
    usage: BTreeMap<AgentName, Usage>,
    held_since: BTreeMap<AgentName, Timestamp>,
}

impl About {
    /// These agents, and no strangers.
    pub(super) fn of(agents: &BTreeSet<AgentName>, desired: &Desired, observed: &Observed) -> Self {
        let (mut desired, mut observed) = (desired.clone(), observed.clone());
        desired.agents.retain(|agent, _| agents.contains(agent));
        observed.agents.retain(|agent, _| agents.contains(agent));
        observed.strangers.clear();
        let usage = usage_of(&observed);
        Self { desired, observed, usage, held_since: BTreeMap::new() }
    }

    /// Their names.
    pub(super) fn agents(&self) -> impl Iterator<Item = &AgentName> {
        self.observed.agents.keys()
    }

    /// Their status beside what is due for them.
    pub(super) fn view<'a>(&'a self, plan: &'a Plan) -> StatusView<'a> {
        StatusView {
            desired: &self.desired,
            observed: &self.observed,
            plan,
            usage: &self.usage,
            held_since: &self.held_since,
            watcher: None,
        }
    }
}

/// Since when changes are held, as a watcher saw it.
fn held_since(fleet: &Fleet) -> Result<BTreeMap<AgentName, Timestamp>> {
    let held = fleet.standings()?.into_iter().filter(|(_, standing)| standing.state == "held");
    Ok(held.map(|(agent, standing)| (agent, standing.since)).collect())
}

/// What is known of each agent's program, as far as it is there.
fn usage_of(observed: &Observed) -> BTreeMap<AgentName, Usage> {
    let instances = observed.agents.iter().filter_map(|(name, sighting)| Some((name, sighting.instance.as_ref()?)));
    let used = instances.filter_map(|(name, instance)| Some((name.clone(), usage(instance)?, is_stale(instance))));
    used.map(|(name, (cpu_s, rss_bytes), stale)| (name, Usage { cpu_s, rss_bytes, stale })).collect()
}
