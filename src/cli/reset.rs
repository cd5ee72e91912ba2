//! `reconcile reset`.

use anyhow::Result;

use super::select::{Chosen, select_all};
use super::setup::{Global, LockFlags};
use super::terminal::Terminal;
use super::{ExitStatus, order};
use crate::observe::observe;
use crate::observed::Request;

/// Forget how often agents failed: those that were given up are tried again by the watcher or the next apply
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    agents: Chosen,
    #[command(flatten)]
    lock: LockFlags,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let Some(setup) = global.setup(None, terminal)? else { return Ok(ExitStatus::Failed) };
    let _lock = match args.lock.take("reset", &setup, terminal)? {
        Ok(lock) => lock,
        Err(status) => return Ok(status),
    };
    let mut seen = observe(&setup.desired, &setup.fleet, &mut setup.machine()?)?;
    let agents = select_all(&args.agents.patterns()?, &setup.desired, &seen.observed)?;
    for agent in &agents {
        seen.observed.agents.entry(agent.clone()).or_default().ask(Request::Reset);
    }
    order::remember(&setup.fleet, &mut seen, &agents)?;
    setup.wake_watcher();
    Ok(ExitStatus::Done)
}
