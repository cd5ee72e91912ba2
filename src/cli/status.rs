//! `reconcile status`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::Result;

use super::ExitStatus;
use super::setup::Global;
use super::terminal::Terminal;
use crate::desired::{AgentName, Desired};
use crate::host::{is_stale, strangers, usage};
use crate::observe::observe;
use crate::observed::Observed;
use crate::plan::{Plan, Terms, plan};
use crate::render::{self, StatusView, Usage, json};

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
    let plan = plan(desired, &seen.observed, &Terms::default());
    let usage = usage_of(&seen.observed);
    let view = StatusView { desired, observed: &seen.observed, plan: &plan, usage: &usage, watcher: None };
    terminal.print(&if args.json { json::pretty(&json::status_document(&view)) } else { render::status_human(&view, terminal.out()) })?;
    Ok(if args.exit_code && !plan.is_empty() { ExitStatus::Due } else { ExitStatus::Done })
}

/// What is known of some agents, as far as a status tells it.
pub(super) struct About {
    desired: Desired,
    observed: Observed,
    usage: BTreeMap<AgentName, Usage>,
}

impl About {
    /// These agents, and no strangers.
    pub(super) fn of(agents: &BTreeSet<AgentName>, desired: &Desired, observed: &Observed) -> Self {
        let (mut desired, mut observed) = (desired.clone(), observed.clone());
        desired.agents.retain(|agent, _| agents.contains(agent));
        observed.agents.retain(|agent, _| agents.contains(agent));
        observed.strangers.clear();
        let usage = usage_of(&observed);
        Self { desired, observed, usage }
    }

    /// Their names.
    pub(super) fn agents(&self) -> impl Iterator<Item = &AgentName> {
        self.observed.agents.keys()
    }

    /// Their status beside what is due for them.
    pub(super) fn view<'a>(&'a self, plan: &'a Plan) -> StatusView<'a> {
        StatusView { desired: &self.desired, observed: &self.observed, plan, usage: &self.usage, watcher: None }
    }
}

/// What is known of each agent's program, as far as it is there.
fn usage_of(observed: &Observed) -> BTreeMap<AgentName, Usage> {
    let instances = observed.agents.iter().filter_map(|(name, sighting)| Some((name, sighting.instance.as_ref()?)));
    let used = instances.filter_map(|(name, instance)| Some((name.clone(), usage(instance)?, is_stale(instance))));
    used.map(|(name, (cpu_s, rss_bytes), stale)| (name, Usage { cpu_s, rss_bytes, stale })).collect()
}
