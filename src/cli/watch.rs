//! `reconcile watch`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use super::ExitStatus;
use super::error::coded;
use super::in_force::Memory;
use super::setup::{Global, Setup};
use super::terminal::Terminal;
use crate::desired::Auto;
use crate::intent::Intent;
use crate::observe::observe;
use crate::render;
use crate::render::json::{ErrorCode, compact};
use crate::state::{Claim, Holder, NoLock};

mod end;
mod follow;
mod health;
mod listener;
mod rounds;
mod speaker;
mod steady;

pub(super) use health::{lost_watcher, watcher};

/// Keep the fleet as declared: look, plan and act whenever something happens, until a signal ends it
///
/// It wakes when the manifest changes, an agent ends, a note or a request comes, or a pause is over. While the manifest is not valid, what it asked for
/// before stays in force, also for a watcher that begins then. It can be ended at any time (INT, TERM) without an
/// agent noticing; HUP has it read the manifest anew, and USR1 look now.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The manifest
    manifest: Option<PathBuf>,
    /// How far it goes by itself, whatever [watch] says
    #[arg(long, value_name = "LEVEL")]
    auto: Option<Auto>,
    /// Where another watcher is at work already, exit with 0
    #[arg(long)]
    if_free: bool,
    /// End as soon as nothing can be done at once; exit with 3 if something is still due
    #[arg(long)]
    once: bool,
    /// Do nothing, and say what would be done
    #[arg(long)]
    dry_run: bool,
    /// End the watcher of this fleet; its agents go on
    #[arg(long, conflicts_with_all = ["auto", "if_free", "once", "dry_run", "metrics"])]
    stop: bool,
    /// Write metrics into this file after each round, as text for Prometheus
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// Write events as JSON, a line each
    #[arg(long)]
    json: bool,
    /// The fleet belongs to this manifest now, though another was applied before
    #[arg(long)]
    moved: bool,
    /// Take over agents that are recorded in another state folder
    #[arg(long)]
    take_over: bool,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    if args.stop {
        let Some(setup) = global.in_force(args.manifest.as_deref(), terminal)? else { return Ok(ExitStatus::Failed) };
        return end::end(&setup.fleet, terminal);
    }
    let Some(setup) = set_up(args.manifest.as_deref(), global, terminal)? else { return Ok(ExitStatus::Failed) };
    if setup.is_refused(terminal) {
        return Ok(ExitStatus::Refused);
    }
    if !args.dry_run
        && let Some(status) = claim(&setup, args.moved, terminal)?
    {
        return Ok(status);
    }
    if !args.dry_run
        && let Some(status) = other_folder(&setup, args.take_over, terminal)?
    {
        return Ok(status);
    }
    // A shadow may stand beside a watcher: it touches nothing.
    let lock = if args.dry_run { None } else { Some(setup.fleet.watch_lock()) };
    let lock = match lock.transpose() {
        Ok(lock) => lock,
        Err(NoLock::Failed(error)) => return Err(error),
        Err(NoLock::Held(holder)) => return taken(holder, &args, terminal),
    };
    rounds::Rounds::new(&args, global, setup, lock, terminal)?.run()
}

/// The fleet that is meant, by what its manifest asked for when it was valid last if it is not now.
fn set_up(positional: Option<&Path>, global: &Global, terminal: &Terminal) -> Result<Option<Setup>> {
    let named = global.manifest(positional)?;
    // It will be read again by this name, wherever this process then is.
    let path = std::path::absolute(&named).with_context(|| format!("cannot tell where {} is", named.display()))?;
    let read = global.read_at(path)?;
    if read.loaded.desired.is_some() {
        return global.set_up(read, terminal);
    }
    let shown = render::diagnostics(&read.loaded.diagnostics, &read.loaded.texts, terminal.err());
    let setup = global.before(read, Memory::Manifest, terminal)?;
    if setup.is_some() {
        terminal.say(&shown);
    }
    Ok(setup)
}

/// Makes sure that the fleet is this manifest's; an exit status, with what was said, if it is another one's.
fn claim(setup: &Setup, moved: bool, terminal: &Terminal) -> Result<Option<ExitStatus>> {
    let Some(other) = setup.fleet.claimed_by_another(&setup.path)? else { return Ok(None) };
    if moved {
        let _lock = match setup.lock("watch", crate::time::Duration::from_secs(5), true, terminal)? {
            Ok(lock) => lock,
            Err(status) => return Ok(Some(status)),
        };
        let claim = setup.fleet.claim()?.unwrap_or_else(|| Claim::new(other));
        setup.fleet.write_claim(&Claim { manifest: setup.path.clone(), ..claim })?;
        return Ok(None);
    }
    Ok(setup.is_anothers(terminal)?.then_some(ExitStatus::Refused))
}

/// Makes sure that no other state folder has the records of what runs; an exit status, with what was said, if one has.
fn other_folder(setup: &Setup, take_over: bool, terminal: &Terminal) -> Result<Option<ExitStatus>> {
    let observed = observe(&setup.desired, &setup.fleet, &mut setup.machine()?, &Intent::only_look())?.observed;
    let Some((agent, folder)) = observed.agents.iter().find_map(|(agent, sighting)| Some((agent, sighting.elsewhere.as_ref()?))) else {
        return Ok(None);
    };
    if take_over {
        let _lock = match setup.lock("watch", crate::time::Duration::from_secs(5), false, terminal)? {
            Ok(lock) => lock,
            Err(status) => return Ok(Some(status)),
        };
        setup.take_over(&observed)?;
        return Ok(None);
    }
    let why = format!(
        "{agent} runs and is recorded in the state folder {}; nothing was done. Use that folder with --state-dir, or take over its agents with \
         --take-over",
        folder.display()
    );
    terminal.error(&coded(ErrorCode::Guard, why));
    Ok(Some(ExitStatus::Refused))
}

fn taken(holder: Option<Holder>, args: &Args, terminal: &Terminal) -> Result<ExitStatus> {
    let who = match &holder {
        Some(Holder { pid, started, .. }) => format!("pid {pid}, since {}", started.clock()),
        None => "another process".to_owned(),
    };
    if !args.if_free {
        let why = format!("a watcher of this fleet is already running ({who}); end it with `reconcile watch --stop`");
        terminal.error(&coded(ErrorCode::WatcherRunning, why));
        return Ok(ExitStatus::Locked);
    }
    if args.json {
        let holder = serde_json::to_value(&holder).context("the holder of a lock is plain data")?;
        terminal.print(&compact(&json!({ "skipped": true, "holder": holder })))?;
    } else {
        terminal.say(&format!("A watcher of this fleet is at work already ({who}); nothing was done.\n"));
    }
    Ok(ExitStatus::Done)
}
