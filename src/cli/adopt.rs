//! `reconcile adopt`.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow, bail};
use serde_json::json;

use super::ExitStatus;
use super::after::After;
use super::select::named;
use super::setup::{Global, LockFlags};
use super::terminal::Terminal;
use crate::converge::note;
use crate::event::What;
use crate::host::Pointer;
use crate::intent::Intent;
use crate::observe::observe;
use crate::ownership::adopt;
use crate::render;
use crate::state::Claim;

/// Make what runs already the instance of a declared agent, without a restart
///
/// Whoever adopts says that this is what the manifest declares: nothing is due for the agent afterwards. It has no keeper, so nobody sees how it ends; that
/// it has ended is seen, and its successor is started as usual. A stop or restart ends it as the manifest says.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The agent, which must not run
    agent: String,
    /// The tmux session it is, by its exact name, on the fleet's server; or a pane by its id, such as %3
    #[arg(long, value_name = "SESSION|PANE", required_unless_present = "pid", conflicts_with = "pid")]
    session: Option<String>,
    /// The process that it is, for a daemon
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// Write JSON: what was done, and how the agent is now, as `status --json` does
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    lock: LockFlags,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let Some(setup) = global.in_force(None, terminal)? else { return Ok(ExitStatus::Failed) };
    let agent = named(&args.agent, &setup.desired)?;
    let pointer = match (args.session, args.pid) {
        (Some(session), _) => Pointer::Session(session),
        (None, Some(pid)) => Pointer::Pid(pid),
        (None, None) => bail!("say what it is: --session or --pid"),
    };
    let lock = match args.lock.take("adopt", &setup, terminal)? {
        Ok(lock) => lock,
        Err(status) => return Ok(status),
    };
    setup.fleet.prepare()?;
    let mut host = setup.machine()?;
    let mut seen = observe(&setup.desired, &setup.fleet, &mut host, &Intent::only_look())?;
    note(&mut seen, &setup.fleet)?;
    let events = match adopt(&agent, &pointer, &setup.desired, &mut seen, &setup.fleet, &mut host)? {
        Ok(events) => events,
        Err(why) => {
            terminal.error(&anyhow!("{why}; nothing was done"));
            return Ok(ExitStatus::Refused);
        }
    };
    if setup.fleet.claim()?.is_none_or(|claim| claim.is_of_another(&setup.path)) {
        setup.fleet.write_claim(&Claim::new(setup.path.clone()))?;
    }
    drop(lock);
    setup.wake_watcher();

    let agents = BTreeSet::from([agent]);
    let after = After::look(&agents, &setup, &mut host)?;
    if args.json {
        let document = json!({ "format_version": "1.0", "events": events, "status": after.status()?, "plan": after.plan()? });
        terminal.print(&render::json::pretty(&document))?;
        return Ok(ExitStatus::Done);
    }
    for event in &events {
        let (agent, why) = (render::plain(&args.agent), render::plain(&event.why));
        match event.what == What::Adopt {
            true => terminal.print(&format!("{agent}: adopted {why}\n"))?,
            false => terminal.say(&format!("{agent}: {why}\n")),
        }
    }
    after.say(terminal)?;
    Ok(ExitStatus::Done)
}
