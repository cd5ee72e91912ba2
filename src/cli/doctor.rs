//! `reconcile doctor`.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::json;

use super::ExitStatus;
use super::setup::{Global, Setup};
use super::terminal::Terminal;
use super::watch;
use crate::doctor::{Finding, Ground, Light, Program, Watch, examine};
use crate::host::{attributes, is_stopped, room_for_panes, tmux_version};
use crate::intent::Intent;
use crate::observe::{Seen, observe};
use crate::observed::Sighting;
use crate::plan::{Terms, plan};
use crate::render;
use crate::state::handoff::dead;
use crate::time::Timestamp;

/// Tell whether the ground that the fleet stands on is sound; exits with 1 where something does not work
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The manifest
    manifest: Option<PathBuf>,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let Some(setup) = global.in_force(args.manifest.as_deref(), terminal)? else { return Ok(ExitStatus::Failed) };
    let seen = observe(&setup.desired, &setup.fleet, &mut setup.machine()?, &Intent::default())?;
    let plan = plan(&setup.desired, &seen.observed, &Terms::default());
    let findings = examine(&ground(&setup, &seen)?, &setup.desired, &seen.observed, &plan);
    let worst = findings.iter().map(|finding| finding.light).max().unwrap_or(Light::Green);
    if args.json {
        let document = json!({ "format_version": "1.0", "fleet": setup.desired.fleet, "light": worst, "findings": findings });
        terminal.print(&render::json::pretty(&document))?;
    } else {
        let lines: String = findings.iter().map(line).collect();
        terminal.print(&terminal.complete(&lines))?;
    }
    Ok(if worst == Light::Red { ExitStatus::Failed } else { ExitStatus::Done })
}

fn line(finding: &Finding) -> String {
    let Finding { check, light, found, hint } = finding;
    let light = match light {
        Light::Green => "green ",
        Light::Yellow => "yellow",
        Light::Red => "red   ",
    };
    let hint = hint.as_ref().map(|hint| format!("\n                 {}", render::plain(hint))).unwrap_or_default();
    format!("{light}  {check:9}{}{hint}\n", render::plain(found))
}

fn shown(watcher: render::Watcher, now: Timestamp) -> Watch {
    let render::Watcher { pid, since: _, last_round, auto: _, rounds: _, round_ms, overdue, manifest_error, error, blind } = watcher;
    let last_round = match (last_round, round_ms) {
        (Some(at), Some(took)) => format!("its last round was {} ago and took {took} ms", now.since(at).rough()),
        (_, _) => "it did no round yet".to_owned(),
    };
    Watch { pid, last_round, overdue, manifest_error, error, blind }
}

/// What the kernel says of the program of an agent that runs.
fn program(sighting: &Sighting) -> Option<Program> {
    let instance = sighting.instance.as_ref()?;
    let (nice, open_files) = attributes(instance);
    // Without facts it is not there.
    nice?;
    Some(Program { pid: instance.program.as_ref()?.pid, stopped: is_stopped(instance), nice, open_files })
}

/// Why it is not known whether the fleet is halted, if it is not.
fn doubt(seen: &Seen) -> Option<String> {
    Some(format!("{}; `reconcile resume` does", seen.observed.halted.as_ref()?.doubt.as_ref()?))
}

fn ground(setup: &Setup, seen: &Seen) -> Result<Ground> {
    let (open_files, terminals) = room_for_panes();
    let paths = setup.fleet.paths();
    let mut dead_letters = 0;
    for agent in seen.observed.agents.keys() {
        dead_letters += dead::list(&paths.dead(agent))?.len();
    }
    Ok(Ground {
        tmux: tmux_version(),
        open_files,
        terminals,
        state: paths.folder().display().to_string(),
        claimed_by: setup.fleet.claimed_by_another(&setup.path)?.map(|other| other.display().to_string()),
        unreadable: seen.unreadable.values().cloned().chain(doubt(seen)).chain(setup.fleet.faults()?).collect(),
        dead_letters,
        hooks: setup.machine()?.hooks(&setup.desired.server),
        programs: seen.observed.agents.iter().filter_map(|(name, sighting)| Some((name.clone(), program(sighting)?))).collect(),
        manifest_error: setup.broken.clone(),
        lost_watcher: watch::lost_watcher(&setup.fleet)?.map(|lost| lost.story(seen.observed.at)),
        watcher: watch::watcher(&setup.fleet, seen.observed.at)?.map(|watcher| shown(watcher, seen.observed.at)),
    })
}
