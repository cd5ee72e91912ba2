//! `reconcile forget`.

use anyhow::{Result, anyhow};
use serde_json::{Value, json};

use super::ExitStatus;
use super::after::After;
use super::select::{Chosen, select_all};
use super::setup::{Global, LockFlags};
use super::terminal::Terminal;
use crate::converge::note;
use crate::desired::AgentName;
use crate::intent::Intent;
use crate::observe::observe;
use crate::ownership::{LetGo, forget};
use crate::render::json::pretty;

/// Let agents go: they are ours no more, and no process is touched
///
/// As `tofu state rm`, this changes what is remembered and nothing that runs. One that was adopted, or that does not run, is remembered no more; if the
/// manifest declares it, the next apply starts it anew, so take it out of the manifest too if it is to stay away. One that runs under its keeper is left
/// running and named so by `status` until it ends; it must have left the manifest before, or the next apply would take it up again.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    agents: Chosen,
    /// Write JSON: what became of each agent, and what is due for them now, as `plan --json` does
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    lock: LockFlags,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let Some(setup) = global.in_force(None, terminal)? else { return Ok(ExitStatus::Failed) };
    let lock = match args.lock.take("forget", &setup, terminal)? {
        Ok(lock) => lock,
        Err(status) => return Ok(status),
    };
    setup.fleet.prepare()?;
    let mut host = setup.machine()?;
    let mut seen = observe(&setup.desired, &setup.fleet, &mut host, &Intent::only_look())?;
    note(&mut seen, &setup.fleet)?;
    let agents = select_all(&args.agents.patterns()?, &setup.desired, &seen.observed)?;
    let gone = match forget(&agents, &setup.desired, &mut seen, &setup.fleet, &mut host)? {
        Ok(gone) => gone,
        Err(why) => {
            terminal.error(&anyhow!("{why}; nothing was done"));
            return Ok(ExitStatus::Refused);
        }
    };
    drop(lock);
    setup.wake_watcher();

    let after = After::look(&agents, &setup, &mut host)?;
    if args.json {
        let agents: Vec<Value> = gone.iter().map(|(agent, way)| document(agent, way)).collect();
        terminal.print(&pretty(&json!({ "format_version": "1.0", "agents": agents, "plan": after.plan()? })))?;
        return Ok(ExitStatus::Done);
    }
    let lines: String = gone.iter().map(|(agent, way)| format!("{agent}: {}\n", said(way))).collect();
    terminal.print(&lines)?;
    after.say(terminal)?;
    Ok(ExitStatus::Done)
}

/// What became of an agent, in words.
fn said(way: &LetGo) -> String {
    let number = |pid: &Option<u32>| pid.map(|pid| format!(" {pid}")).unwrap_or_default();
    match way {
        LetGo::Unknown => "nothing was remembered of it".to_owned(),
        LetGo::Forgotten => "forgotten".to_owned(),
        LetGo::Freed(pid) => format!("let go; its process{} runs on as nobody's", number(pid)),
        LetGo::Released(pid) => format!("let go; its process{} runs on under its keeper and is ours no more", number(pid)),
    }
}

/// The same for programs.
fn document(agent: &AgentName, way: &LetGo) -> Value {
    let (result, pid) = match way {
        LetGo::Unknown => ("unknown", None),
        LetGo::Forgotten => ("forgotten", None),
        LetGo::Freed(pid) => ("freed", *pid),
        LetGo::Released(pid) => ("released", *pid),
    };
    json!({ "agent": agent, "result": result, "pid": pid })
}
