//! What it means that a command runs inside of an agent that it is about: it would be ended with it.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::ExitStatus;
use super::setup::Global;
use super::terminal::Terminal;
use crate::desired::{AgentName, FleetName};
use crate::observed::{Instance, Observed};
use crate::process::{Liveness, MARK_VARIABLE, ancestors};
use crate::state::StateDir;

/// What marks the helper, so that it is not taken for a part of the agent: the end of a tree ends at another mark.
const HELPER: &str = "v1/reconcile/helper/1/00000000000000000000000000000000/";

/// The agent of this fleet that this process is a part of, if it is.
pub(super) fn agent_of(fleet: &FleetName) -> Option<AgentName> {
    let (own, agent) = whose()?;
    (own == *fleet).then_some(agent)
}

/// The agent that was adopted as a process that this one descends from, if it is: no environment tells of that.
pub(super) fn adopted_above(observed: &Observed) -> Option<AgentName> {
    let above = ancestors(std::process::id());
    let is_above = |instance: &Instance| {
        let program = instance.program.as_ref().filter(|_| instance.mark.is_none());
        program.is_some_and(|program| above.contains(&program.pid) && program.liveness() == Liveness::Alive)
    };
    let mut agents = observed.agents.iter();
    agents.find(|(_, sighting)| sighting.instance.as_ref().is_some_and(is_above)).map(|(agent, _)| agent.clone())
}

fn whose() -> Option<(FleetName, AgentName)> {
    let read = |name: &str| std::env::var(name).ok();
    Some((read("RECONCILE_FLEET")?.parse().ok()?, read("RECONCILE_AGENT")?.parse().ok()?))
}

/// Has a helper do to this very agent what is asked, after this process is done with its work.
///
/// # Errors
///
/// If this process is a part of no agent, or the helper cannot be started.
pub(super) fn hand_over(verb: &str, more: &[String], global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let Some((fleet, agent)) = whose() else {
        bail!("--self is for commands inside of a managed agent: RECONCILE_FLEET and RECONCILE_AGENT are not set here");
    };
    let state = StateDir::locate(None)?;
    let claim = state.fleet(&fleet)?.claim()?;
    let manifest = match global.named() {
        Some(path) => std::path::absolute(path)?,
        None => claim.with_context(|| format!("nothing is known of the fleet {fleet}: it was never applied"))?.manifest,
    };
    let exe = std::env::current_exe().context("cannot tell where this program is")?;
    let mut command = Command::new(exe);
    command.arg(verb).arg(agent.as_str()).arg("--as-helper").args(more);
    command.args(global.said_vars());
    command.arg("--file").arg(&manifest).arg("--state-dir").arg(state.path());
    // Its folder must not be one that goes with the agent.
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.env(MARK_VARIABLE, format!("{HELPER}{:016x}", std::process::id()));
    for name in
        ["RECONCILE_FLEET", "RECONCILE_AGENT", "RECONCILE_GENERATION", "RECONCILE_STATE_DIR", "RECONCILE_INBOX", "RECONCILE_HEARTBEAT"]
    {
        command.env_remove(name);
    }
    let helper = command.spawn().context("the helper could not be started")?;
    terminal.print(&format!("{agent}: a helper (pid {}) does it as soon as {agent} rests; see `reconcile history`\n", helper.id()))?;
    Ok(ExitStatus::Done)
}

/// Leaves the terminal session of the agent, whose end would be this process's end too.
pub(super) fn be_a_helper() {
    // It fails only for one that leads a session already.
    let _ = rustix::process::setsid();
}
