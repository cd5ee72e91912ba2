//! `reconcile reset`.

use std::collections::BTreeSet;

use anyhow::Result;

use super::ExitStatus;
use super::select::{Chosen, select_all};
use super::setup::{Global, LockFlags};
use super::terminal::Terminal;
use crate::converge::write_down;
use crate::host::Host;
use crate::intent::{Intent, Request};
use crate::observe::{observe, recall};

/// Forget how often agents failed: those that were given up are tried again by the watcher or the next apply
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    agents: Chosen,
    #[command(flatten)]
    lock: LockFlags,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let Some(setup) = global.in_force(None, terminal)? else { return Ok(ExitStatus::Failed) };
    let _lock = match args.lock.take("reset", &setup, terminal)? {
        Ok(lock) => lock,
        Err(status) => return Ok(status),
    };
    let mut host = setup.machine()?;
    let recalled = recall(&setup.desired, &setup.fleet, host.now())?;
    let intent = Intent::of(Request::Reset, &select_all(&args.agents.patterns()?, &setup.desired, &recalled)?);
    let intent = Intent { about: Some(BTreeSet::new()), ..intent };
    let mut seen = observe(&setup.desired, &setup.fleet, &mut host, &intent)?;
    write_down(&setup.fleet, &mut seen, &intent)?;
    setup.wake_watcher();
    Ok(ExitStatus::Done)
}
