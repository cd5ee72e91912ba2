//! What came of a simulation, for people.

use anstyle::Style as Ink;

use super::Style;
use super::json::{Fared, State, simulation_document};
use super::table::{self, Row};
use super::text::{GREEN, RED, YELLOW, count, line, paint};
use crate::desired::{AgentName, Desired};
use crate::simulate::Report;
use crate::time::Duration;

/// What came of a simulation, with what it was asked for.
#[derive(Clone, Copy, Debug)]
pub struct SimulationView<'a> {
    /// The fleet.
    pub desired: &'a Desired,
    /// What came of it.
    pub report: &'a Report,
    /// How long it was played.
    pub length: Duration,
    /// What it was given to bring accidents.
    pub seed: Option<u64>,
}

const TITLES: [&str; 8] = ["NAME", "AT THE END", "STARTS", "ENDS", "HANGS", "DOWN", "WORST", "STOOD STILL FOR"];

/// Waits shorter than this are left out of what an agent stood still for.
const SHORT: u64 = 1000;

/// A table of all agents, and what a person should know.
pub fn simulation_human(view: &SimulationView<'_>, style: Style) -> String {
    let document = simulation_document(view);
    let mut out = String::new();
    let seed = view.seed.map(|seed| format!(" · seed {seed}")).unwrap_or_default();
    let agents = count(document.agents.len(), "agent");
    let rounds = count(usize::try_from(document.rounds).unwrap_or(usize::MAX), "round");
    line(&format!("fleet {} · {agents} · {} simulated, {rounds}{seed}", document.fleet, view.length), &mut out);
    if !document.agents.is_empty() {
        let rows: Vec<Row<8>> = document.agents.iter().map(|agent| (ink(agent), cells(agent))).collect();
        out.push('\n');
        table::write(&TITLES, &[], &rows, style, &mut out);
    }
    if !document.findings.is_empty() {
        out.push('\n');
    }
    for finding in &document.findings {
        line(&paint(finding, YELLOW, style.color), &mut out);
    }
    out
}

/// What a person should know of agents that were given up or of which nobody noticed that they hung.
pub(super) fn findings(view: &SimulationView<'_>) -> Vec<String> {
    let mut all = Vec::new();
    for (name, fate) in &view.report.fates {
        if let Some(after) = fate.failed_after {
            all.push(format!(
                "{name} failed repeatedly, and was given up after {}: `restart.give_up` says how often it may fail, and `reconcile start {name}` starts it again",
                length(after.as_millis())
            ));
        }
        if let Some(since) = fate.unnoticed_since
            && !is_asked(view.desired, name)
        {
            let ago = length((view.length - since).as_millis());
            let since = length(since.as_millis());
            all.push(format!("{name} hung after {since}, and {ago} later nobody had noticed: a probe or a heartbeat in `live` would tell"));
        }
    }
    all
}

/// Whether anything asks it for a sign of life.
fn is_asked(desired: &Desired, name: &AgentName) -> bool {
    desired.agents.get(name).is_some_and(|declared| declared.spec.care.live.probe.is_some() || declared.spec.care.live.heartbeat.is_some())
}

fn ink(agent: &Fared) -> Ink {
    match agent.state {
        _ if agent.failed_after_ms.is_some() => RED,
        State::Ready => GREEN,
        State::Starting | State::Leaving => YELLOW,
        State::Unknown => RED,
        State::Absent | State::Exited => Ink::new(),
    }
}

fn cells(agent: &Fared) -> [String; 8] {
    let worst = match agent.worst_after_ms {
        Some(after) => format!("{} after {}", length(agent.worst_ms), length(after)),
        None => "-".to_owned(),
    };
    let waits = agent.waits_ms.iter().filter(|(_, millis)| **millis >= SHORT).map(|(what, millis)| format!("{what} {}", length(*millis)));
    [
        agent.name.clone(),
        agent.state.to_string(),
        agent.starts.to_string(),
        agent.ends.to_string(),
        agent.hangs.to_string(),
        if agent.down_ms == 0 { "-".to_owned() } else { length(agent.down_ms) },
        worst,
        waits.collect::<Vec<_>>().join(", "),
    ]
}

/// A length of time; one below a second in milliseconds.
fn length(millis: u64) -> String {
    let length = Duration::from_millis(millis);
    if millis < 1000 { length.to_string() } else { length.rough() }
}
