//! `reconcile status`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::Result;

use super::ExitStatus;
use super::setup::Global;
use super::terminal::Terminal;
use super::watch::watcher;
use crate::desired::{AgentName, Desired};
use crate::host::{Host, is_stale, is_stopped, strangers, usage};
use crate::intent::Intent;
use crate::observe::observe;
use crate::observed::Observed;
use crate::plan::{Plan, Terms, plan};
use crate::render::{self, StatusView, Usage, Watcher, json};
use crate::state::Fleet;
use crate::time::Timestamp;

mod live;

/// Show what runs beside what should run
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The manifest
    manifest: Option<PathBuf>,
    /// Write JSON
    #[arg(long)]
    json: bool,
    /// Exit with 2 unless everything is at rest
    #[arg(long, conflicts_with = "watch")]
    exit_code: bool,
    /// Show it anew whenever something happens, until Ctrl-C; with --json, a line each time
    #[arg(long)]
    watch: bool,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let Some(setup) = global.setup(args.manifest.as_deref(), terminal)? else { return Ok(ExitStatus::Failed) };
    if args.watch {
        return live::show(setup, args.json, global, terminal);
    }
    let picture = Picture::take(&setup.desired, &setup.fleet, &mut setup.machine()?)?;
    let view = picture.view(&setup.desired);
    terminal.print(&if args.json { json::pretty(&json::status_document(&view)) } else { render::status_human(&view, terminal.out()) })?;
    Ok(if args.exit_code && !picture.plan.is_empty() { ExitStatus::Due } else { ExitStatus::Done })
}

/// One look, with all that a status tells.
struct Picture {
    observed: Observed,
    plan: Plan,
    usage: BTreeMap<AgentName, Usage>,
    held_since: BTreeMap<AgentName, Timestamp>,
    watcher: Option<Watcher>,
}

impl Picture {
    fn take(desired: &Desired, fleet: &Fleet, host: &mut dyn Host) -> Result<Self> {
        let mut observed = observe(desired, fleet, host, &Intent::default())?.observed;
        match strangers(&desired.strangers, &observed) {
            Ok(more) => observed.strangers.extend(more),
            Err(why) => observed.gaps.push(why),
        }
        let watcher = watcher(fleet, observed.at)?;
        // What a watcher leaves to a person is held, and not about to be done.
        let terms = Terms { watch: watcher.as_ref().and_then(|watcher| watcher.auto), ..Terms::default() };
        let plan = plan(desired, &observed, &terms);
        Ok(Self { usage: usage_of(&observed), held_since: held_since(fleet)?, observed, plan, watcher })
    }

    fn view<'a>(&'a self, desired: &'a Desired) -> StatusView<'a> {
        let Self { observed, plan, usage, held_since, watcher } = self;
        StatusView { desired, observed, plan, usage, held_since, watcher: watcher.as_ref() }
    }
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

    /// The process of an agent whose program a signal has stopped.
    pub(super) fn stopped(&self, agent: &AgentName) -> Option<u32> {
        let pid = self.observed.agents.get(agent)?.instance.as_ref()?.program.as_ref()?.pid;
        self.usage.get(agent).filter(|usage| usage.stopped).map(|_| pid)
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
    let used = instances.filter_map(|(name, instance)| Some((name.clone(), usage(instance)?, instance)));
    used.map(|(name, (cpu_s, rss_bytes), instance)| {
        (name, Usage { cpu_s, rss_bytes, stale: is_stale(instance), stopped: is_stopped(instance) })
    })
    .collect()
}
