//! `reconcile wait`.

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use super::ExitStatus;
use super::select::{Chosen, meant, select_all};
use super::setup::Global;
use super::terminal::Terminal;
use crate::desired::{AgentName, Desired};
use crate::host::{Host, Interrupts, Wake};
use crate::intent::Intent;
use crate::observe::observe;
use crate::observed::{Activity, Health, Observed, Phase, Sighting};
use crate::plan::{Plan, Terms, plan, waiting_for};
use crate::quit;
use crate::time::{Duration, Timestamp};

/// How often is looked.
const INTERVAL: Duration = Duration::from_millis(250);

/// How long an agent must have waited for a person before that ends the wait.
const STUCK: Duration = Duration::from_secs(1);

/// Wait until agents are ready, idle, stopped or at rest
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    agents: Chosen,
    /// What is waited for
    #[arg(long = "for", value_name = "STATE")]
    state: State,
    /// Wait so long at most
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    timeout: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum State {
    /// It runs, is ready and asks nothing.
    Ready,
    /// It is ready, and does not work.
    Idle,
    /// It does not run.
    Stopped,
    /// Nothing is due for it.
    Rest,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let Some(setup) = global.in_force(None, terminal)? else { return Ok(ExitStatus::Failed) };
    quit::within(args.timeout.std(), i32::from(ExitStatus::NotAtRest.code()));
    let mut host = setup.machine()?;
    host.heed(Interrupts::install().context("cannot take over the signals")?);
    let patterns = args.agents.patterns()?;
    let intent = Intent::about(meant(&patterns, &setup.desired, &setup.fleet, host.now())?);
    let mut seen = observe(&setup.desired, &setup.fleet, &mut host, &intent)?;
    let agents = select_all(&patterns, &setup.desired, &seen.observed)?;
    if args.state == State::Idle {
        let care = |agent: &AgentName| setup.desired.agents.get(agent).map(|declared| &declared.spec.care);
        if let Some(agent) = agents.iter().find(|agent| !care(agent).is_some_and(|care| care.reads_screen())) {
            bail!("nothing tells whether {agent} works: give it a `preset` or `idle` in the manifest, or wait for ready");
        }
    }
    let deadline = host.now() + args.timeout;
    let mut stuck_since: Option<Timestamp> = None;
    let state = args.state.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned());
    loop {
        let stuck: Vec<String> = agents.iter().filter_map(|agent| stuck(agent, args.state, &setup.desired, &seen.observed)).collect();
        // A dialog that was just answered may still be drawn.
        let since = if stuck.is_empty() { None } else { stuck_since.or(Some(host.now())) };
        stuck_since = since;
        if since.is_some_and(|since| host.now().since(since) >= STUCK) {
            terminal.error(&anyhow::anyhow!("not {state}: {}", stuck.join("; ")));
            return Ok(ExitStatus::NotAtRest);
        }
        let plan = plan(&setup.desired, &seen.observed, &Terms::default());
        let missing: Vec<&AgentName> =
            agents.iter().filter(|agent| !is_there(agent, args.state, &setup.desired, &seen.observed, &plan)).collect();
        if missing.is_empty() {
            return Ok(ExitStatus::Done);
        }
        if host.now() >= deadline {
            let names: Vec<&str> = missing.iter().map(|agent| agent.as_str()).collect();
            terminal.error(&anyhow::anyhow!("not {state} after {}: {}", args.timeout, names.join(", ")));
            return Ok(ExitStatus::NotAtRest);
        }
        if host.wait(&[], (host.now() + INTERVAL).min(deadline)) == Wake::Signal {
            return Ok(ExitStatus::Interrupted);
        }
        // Others write the records meanwhile.
        seen = observe(&setup.desired, &setup.fleet, &mut host, &intent)?;
    }
}

/// Why an agent cannot reach this state until a person does something; none if nothing like that is in the way.
fn stuck(agent: &AgentName, state: State, desired: &Desired, observed: &Observed) -> Option<String> {
    match state {
        State::Ready | State::Idle => {}
        State::Stopped | State::Rest => return None,
    }
    let sighting = observed.agents.get(agent)?;
    let care = desired.agents.get(agent).map(|declared| &*declared.spec.care);
    let on = waiting_for(agent, sighting, care, observed.at)?;
    let last: Vec<&str> =
        sighting.screen.lines.iter().map(|line| line.trim()).filter(|line| line.chars().any(char::is_alphanumeric)).collect();
    Some(format!("{agent} waits for {}: \"{}\"; `reconcile attach {agent} --rw`", on.needed(), last.join(" / ")))
}

/// Whether it asks something that is going to be answered for it.
fn asks(sighting: &Sighting) -> bool {
    matches!(sighting.screen.activity, Activity::Asks(_))
}

fn is_there(agent: &AgentName, state: State, desired: &Desired, observed: &Observed, plan: &Plan) -> bool {
    let never_seen = Sighting::default();
    let sighting = observed.agents.get(agent).unwrap_or(&never_seen);
    let phase = &sighting.phase;
    if stuck(agent, state, desired, observed).is_some() {
        return false;
    }
    match state {
        State::Idle => {
            matches!(phase, Phase::Running { health: Health::Ready(_), .. }) && sighting.is_busy() == Some(false) && !asks(sighting)
        }
        State::Ready => matches!(phase, Phase::Running { health: Health::Ready(_), .. }) && !asks(sighting),
        State::Stopped => matches!(phase, Phase::Absent | Phase::Exited(_)),
        State::Rest => !plan.changes.contains_key(agent),
    }
}
