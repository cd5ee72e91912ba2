//! `reconcile simulate`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::ExitStatus;
use super::select::declared;
use super::setup::Global;
use super::terminal::Terminal;
use crate::desired::{AgentName, Declared, Desired, Wish};
use crate::event::Entry;
use crate::host::sim::Accident;
use crate::observed::{Exit, Phase};
use crate::render::{self, SimulationView, json};
use crate::simulate::{Report, Scenario, simulate};
use crate::state::StateDir;
use crate::time::{Duration, Timestamp};

/// Play a manifest on a simulated machine, in virtual time: what would be restarted, given up, waited for
///
/// The programs are simulated: each starts and is ready at once, and lives until something happens to it; one for whose end others wait does its work
/// in ten seconds. What the watcher decides is what it would decide. Notes, hooks and notices are not played; nothing of the machine is looked at or
/// touched. Exits with 3 if at the end an agent that should run does not, or hangs.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The manifest
    manifest: Option<PathBuf>,
    /// How long it is played
    #[arg(long = "for", value_name = "DURATION", default_value = "8h")]
    length: Duration,
    /// Agents (a name, glob or label:key=value) are killed, so long after the beginning
    #[arg(long, value_name = "AGENT@TIME", value_parser = moment)]
    kill: Vec<(String, Duration)>,
    /// Agents hang from then on: they answer nothing and obey nothing but a kill
    #[arg(long, value_name = "AGENT@TIME", value_parser = moment)]
    hang: Vec<(String, Duration)>,
    /// Every life of these agents crashes, so long after its start
    #[arg(long, value_name = "AGENT@AGE", value_parser = moment)]
    crash: Vec<(String, Duration)>,
    /// The tmux server ends, with all that is in it
    #[arg(long, value_name = "TIME")]
    lose_server: Vec<Duration>,
    /// Bring accidents at random too: equal numbers bring the same
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Show all that happens
    #[arg(long)]
    events: bool,
    /// Write JSON; with --events, a line for each event comes first
    #[arg(long)]
    json: bool,
}

/// When every simulation begins: equal ones tell the same.
const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// Memory that looks like a folder, where there is one: thousands of files are written and thrown away.
const MEMORY: &str = "/dev/shm";

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let Some(setup) = global.setup(args.manifest.as_deref(), terminal)? else { return Ok(ExitStatus::Failed) };
    let desired = &setup.desired;
    let scenario = scenario(&args, desired)?;
    let folder = folder().context("cannot make a folder for the simulation")?;
    let fleet = StateDir::locate(Some(folder.path()))?.fleet(&desired.fleet)?;
    let report = simulate(desired, &scenario, &fleet, START)?;
    if args.events {
        show_events(&report, args.json, terminal)?;
    }
    let view = SimulationView { desired, report: &report, length: args.length, seed: args.seed };
    terminal.print(&match (args.json, args.events) {
        (true, true) => json::compact(&json::simulation_document(&view)),
        (true, false) => json::pretty(&json::simulation_document(&view)),
        (false, _) => render::simulation_human(&view, terminal.out()),
    })?;
    Ok(if all_run(&report, desired) { ExitStatus::Done } else { ExitStatus::NotAtRest })
}

/// The longest time that is played: a year takes minutes.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

fn scenario(args: &Args, desired: &Desired) -> Result<Scenario> {
    if args.length > LONGEST || args.length == Duration::ZERO {
        bail!("--for {} cannot be played: say a time of up to {LONGEST}", args.length);
    }
    let times = args.kill.iter().chain(&args.hang).map(|(_, after)| after).chain(&args.lose_server);
    let mut times: Vec<&Duration> = times.collect();
    times.sort_unstable();
    if times.first().is_some_and(|first| **first == Duration::ZERO) {
        bail!("nothing runs yet at 0s: say a later time");
    }
    if let Some(late) = times.into_iter().find(|after| **after >= args.length) {
        bail!("what happens after {late} is not played: --for says {}", args.length);
    }
    let mut accidents = Vec::new();
    for (pattern, after) in &args.kill {
        accidents.extend(declared(pattern, desired)?.into_iter().map(|agent| (*after, Accident::End(agent, Exit::Signal(9)))));
    }
    for (pattern, after) in &args.hang {
        accidents.extend(declared(pattern, desired)?.into_iter().map(|agent| (*after, Accident::Hang(agent))));
    }
    accidents.extend(args.lose_server.iter().map(|after| (*after, Accident::ServerEnds)));
    let mut crashes_after: BTreeMap<AgentName, Duration> = BTreeMap::new();
    for (pattern, age) in &args.crash {
        crashes_after.extend(declared(pattern, desired)?.into_iter().map(|agent| (agent, *age)));
    }
    let scenario = Scenario { length: args.length, accidents, crashes_after };
    Ok(match args.seed {
        Some(seed) => scenario.with_luck(desired, seed),
        None => scenario,
    })
}

fn folder() -> std::io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("reconcile-simulate-");
    if Path::new(MEMORY).is_dir()
        && let Ok(folder) = builder.tempdir_in(MEMORY)
    {
        return Ok(folder);
    }
    builder.tempdir()
}

fn show_events(report: &Report, as_json: bool, terminal: &Terminal) -> Result<()> {
    let text: String = if as_json {
        let numbered = (1..).zip(&report.events);
        numbered.map(|(number, event)| json::entry_line(&Entry { number, event: event.clone() })).collect()
    } else {
        render::events_after(&report.events, START, terminal.out())
    };
    terminal.print(&text)
}

/// Whether every agent that should run does, and does its work.
fn all_run(report: &Report, desired: &Desired) -> bool {
    let runs = |(name, declared): (&AgentName, &Declared)| {
        let hangs = report.fates.get(name).is_some_and(|fate| fate.unnoticed_since.is_some());
        let phase = report.observed.agents.get(name).map(|sighting| &sighting.phase);
        phase.is_some_and(|phase| match phase {
            Phase::Running { .. } => !hangs,
            // Its work is done.
            Phase::Exited(ended) => ended.is_success(&declared.spec.care.restart),
            Phase::Absent | Phase::Leaving(_) | Phase::Unknown { .. } => false,
        })
    };
    desired.agents.iter().filter(|(_, declared)| declared.spec.care.desired == Wish::Running).all(runs)
}

fn moment(text: &str) -> Result<(String, Duration), String> {
    let (agent, time) = text.rsplit_once('@').ok_or_else(|| format!("`{text}` is not AGENT@TIME, such as builder@10m"))?;
    Ok((agent.to_owned(), time.parse()?))
}
