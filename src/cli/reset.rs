//! `reconcile reset`.

use anyhow::{Result, bail};

use super::ExitStatus;
use super::select::{Chosen, select_all};
use super::setup::Global;
use super::terminal::Terminal;
use crate::observe::observe;
use crate::observed::Failures;
use crate::time::Duration;

/// Forget how often agents failed: those that were given up are tried again by the next apply
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    agents: Chosen,
    /// Wait so long for another run of this fleet to end
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    lock_timeout: Duration,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let Some(setup) = global.setup(None, terminal)? else { return Ok(ExitStatus::Failed) };
    let Some(_lock) = setup.lock("reset", args.lock_timeout, terminal)? else { return Ok(ExitStatus::Locked) };
    let mut seen = observe(&setup.desired, &setup.fleet, &mut setup.machine()?)?;
    for agent in select_all(&args.agents.patterns(), &setup.desired, &seen.observed)? {
        if let Some(why) = seen.unreadable.get(&agent) {
            bail!("the record of {agent} cannot be changed: {why}");
        }
        if let Some(record) = seen.records.get_mut(&agent) {
            record.failures = Failures::default();
            setup.fleet.write_wish(record)?;
        }
    }
    Ok(ExitStatus::Done)
}
