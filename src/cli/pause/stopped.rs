//! Programs that a signal has stopped (state T) while nothing is remembered of a freeze, as when the disk was full.

use anyhow::{Result, anyhow};

use super::{listed, note};
use crate::cli::ExitStatus;
use crate::cli::setup::Setup;
use crate::cli::terminal::Terminal;
use crate::desired::AgentName;
use crate::host::{Act, Host, Live, Outcome};
use crate::intent::Intent;
use crate::observe::{Seen, observe};
use crate::observed::Phase;

/// Whether the program of an agent that runs is stopped.
pub(super) fn is_stopped(seen: &Seen, agent: &AgentName) -> bool {
    let instance = seen.observed.agents.get(agent).filter(|sighting| !sighting.released).and_then(|sighting| match sighting.phase {
        Phase::Running { .. } | Phase::Leaving(_) => sighting.instance.as_ref(),
        Phase::Absent | Phase::Exited(_) | Phase::Unknown { .. } => None,
    });
    instance.is_some_and(crate::host::is_stopped)
}

/// Sets these going, and returns those of which it is known that they go on.
pub(super) fn set_going(setup: &Setup, host: &mut Live, seen: &Seen, agents: &[AgentName], terminal: &Terminal) -> Result<Vec<AgentName>> {
    let instance = |agent: &AgentName| seen.observed.agents.get(agent)?.instance.clone();
    let batch: Vec<Act> = agents.iter().filter_map(|agent| Some(Act::Thaw { only: instance(agent)? })).collect();
    let mut going = Vec::new();
    for (agent, outcome) in agents.iter().zip(host.act(&batch)) {
        match outcome {
            Outcome::Done | Outcome::Skipped => going.push(agent.clone()),
            Outcome::Refused(why) | Outcome::Failed(why) | Outcome::Hindered(why) | Outcome::Unknown(why) => {
                terminal.error(&anyhow!("{agent} was not set going: {why}"));
            }
        }
    }
    if !going.is_empty() {
        setup.fleet.count_anew(host.now())?;
    }
    Ok(going)
}

/// Ends a freeze of which nothing is remembered: where all that runs is stopped, it was the fleet that was. One that a person has stopped stays so,
/// unless it is named.
pub(super) fn end_freeze(setup: &Setup, host: &mut Live, why: Option<&str>, terminal: &Terminal) -> Result<ExitStatus> {
    let seen = observe(&setup.desired, &setup.fleet, host, &Intent::default())?;
    let runs = |agent: &&AgentName| {
        let sighting = &seen.observed.agents[*agent];
        !sighting.released && matches!(sighting.phase, Phase::Running { .. } | Phase::Leaving(_)) && sighting.instance.is_some()
    };
    let running: Vec<AgentName> = seen.observed.agents.keys().filter(runs).cloned().collect();
    let stopped: Vec<AgentName> = running.iter().filter(|agent| is_stopped(&seen, agent)).cloned().collect();
    if stopped.is_empty() {
        terminal.say("The fleet is not halted. To resume agents that are paused, name them.\n");
        return Ok(ExitStatus::Done);
    }
    if stopped.len() < running.len() {
        let names = stopped.iter().map(AgentName::as_str).collect::<Vec<_>>().join(" ");
        terminal.say(&format!(
            "The fleet is not halted. A signal has stopped {}; to set them going: `reconcile resume {names}`\n",
            listed(&stopped)
        ));
        return Ok(ExitStatus::Done);
    }
    let going = set_going(setup, host, &seen, &stopped, terminal)?;
    note(setup, &[None], host.now(), "resumed, though no halt was remembered", why)?;
    terminal.say(&format!("No halt is remembered, and everything was stopped. Set going: {}\n", listed(&going)));
    Ok(if going.len() < stopped.len() { ExitStatus::NotAtRest } else { ExitStatus::Done })
}
