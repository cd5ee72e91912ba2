//! `reconcile attach`.

use std::os::unix::process::CommandExt;

use anyhow::{Context, Result, bail};

use super::ExitStatus;
use super::select::one;
use super::setup::Global;
use super::terminal::Terminal;
use crate::host::{Way, attach_command};
use crate::intent::Intent;
use crate::observe::observe;
use crate::observed::Phase;

/// Look at the terminal of an agent, or type into it
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The agent
    agent: String,
    /// Let the keys reach the agent; without it they only leave again
    #[arg(long)]
    rw: bool,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let Some(setup) = global.in_force(None, terminal)? else { return Ok(ExitStatus::Failed) };
    let seen = observe(&setup.desired, &setup.fleet, &mut setup.machine()?, &Intent::only_look())?;
    let agent = one(&args.agent, &setup.desired, &seen.observed)?;
    let sighting = seen.observed.agents.get(&agent);
    if let Some(Phase::Unknown { why }) = sighting.map(|sighting| &sighting.phase) {
        bail!("it cannot be told where {agent} is: {why}");
    }
    let Some(instance) = sighting.and_then(|sighting| sighting.instance.as_ref()) else {
        bail!("{agent} is not there: start it with `reconcile start {agent}`");
    };
    let way = if args.rw { Way::Typing } else { Way::Looking };
    let Some(mut command) = attach_command(instance, way) else { bail!("{agent} is in no pane: it is a daemon") };
    // This process becomes the client: its terminal, its signals and its exit status are those of tmux.
    Err(command.exec()).context("the tmux client could not be started")
}
