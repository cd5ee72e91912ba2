//! `reconcile status`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;

use super::ExitStatus;
use super::error::coded;
use super::select::{is_a_path, meant, select_all};
use super::setup::{Global, Setup};
use super::terminal::Terminal;
use super::watch::{lost_watcher, watcher};
use crate::desired::{AgentName, Desired};
use crate::host::{Host, is_stale, is_stopped, strangers, usage};
use crate::intent::Intent;
use crate::observe::observe;
use crate::observed::Observed;
use crate::plan::{Plan, Terms, plan};
use crate::render::json::ErrorCode;
use crate::render::{self, Invocation, LostWatcher, StatusView, Usage, Watcher, json};
use crate::state::Fleet;
use crate::time::Timestamp;

mod live;

/// Show what runs beside what should run
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only these agents: names, globs or label:key=value; a word with a dot or slash in it is the manifest
    #[arg(value_name = "AGENT|MANIFEST")]
    words: Vec<String>,
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
    let (paths, agents): (Vec<String>, Vec<String>) = args.words.into_iter().partition(|word| is_a_path(word));
    if let [_, second, ..] = &paths[..] {
        return Err(coded(ErrorCode::Usage, format!("one manifest at a time: what is {second}?")));
    }
    let Some(setup) = global.in_force(paths.first().map(Path::new), terminal)? else { return Ok(ExitStatus::Failed) };
    if args.watch {
        return live::show(setup, &agents, args.json, global, terminal);
    }
    let picture = Picture::take(&setup, &agents, &mut setup.machine()?)?;
    let view = picture.view();
    terminal.print(&if args.json { json::pretty(&json::status_document(&view)) } else { render::status_human(&view, terminal.out()) })?;
    Ok(if args.exit_code && !picture.plan.is_empty() { ExitStatus::Due } else { ExitStatus::Done })
}

/// One look, with all that a status tells.
struct Picture {
    manifest: Invocation,
    desired: Desired,
    observed: Observed,
    plan: Plan,
    usage: BTreeMap<AgentName, Usage>,
    held_since: BTreeMap<AgentName, Timestamp>,
    watcher: Option<Watcher>,
    lost_watcher: Option<LostWatcher>,
}

impl Picture {
    /// Of these agents; of all, and the strangers, where none is named.
    fn take(setup: &Setup, agents: &[String], host: &mut dyn Host) -> Result<Self> {
        let Setup { desired, fleet, path, .. } = setup;
        let claimed_by = fleet.claimed_by_another(path)?;
        let about = if agents.is_empty() { None } else { meant(agents, desired, fleet, host.now())? };
        let mut observed = observe(desired, fleet, host, &Intent::about(about))?.observed;
        match strangers(&desired.strangers, &observed) {
            Ok(more) => observed.strangers.extend(more),
            Err(why) => observed.gaps.push(why),
        }
        let watcher = watcher(fleet, observed.at)?;
        // What a watcher leaves to a person is held, and not about to be done.
        let terms = Terms { watch: watcher.as_ref().and_then(|watcher| watcher.auto), claimed_by, ..Terms::default() };
        let mut plan = plan(desired, &observed, &terms);
        let mut desired = desired.clone();
        if !agents.is_empty() {
            let agents = select_all(agents, &desired, &observed)?;
            plan.changes.retain(|agent, _| agents.contains(agent));
            About { desired, observed, .. } = About::of(&agents, &desired, &observed);
        }
        Ok(Self {
            usage: usage_of(&observed),
            held_since: held_since(fleet)?,
            manifest: setup.manifest.clone(),
            desired,
            observed,
            plan,
            watcher,
            lost_watcher: lost_watcher(fleet)?,
        })
    }

    fn view(&self) -> StatusView<'_> {
        let Self { manifest, desired, observed, plan, usage, held_since, watcher, lost_watcher } = self;
        let (watcher, lost_watcher) = (watcher.as_ref(), lost_watcher.as_ref());
        StatusView { manifest, desired, observed, plan, usage, held_since, watcher, lost_watcher }
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

    /// Their status beside what is due for them.
    pub(super) fn view<'a>(&'a self, plan: &'a Plan, manifest: &'a Invocation) -> StatusView<'a> {
        StatusView {
            manifest,
            desired: &self.desired,
            observed: &self.observed,
            plan,
            usage: &self.usage,
            held_since: &self.held_since,
            watcher: None,
            lost_watcher: None,
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
