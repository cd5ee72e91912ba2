//! The document of `simulate --json`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::SimulationView;
use super::super::simulation::findings;
use super::FORMAT_VERSION;
use super::status::{State, state};
use crate::time::Duration;

/// What came of a simulation. Times are milliseconds since its beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SimulationDocument {
    /// The version of this form.
    pub format_version: &'static str,
    /// The fleet.
    pub fleet: String,
    /// How long it was played.
    pub length_ms: u64,
    /// What it was given to bring accidents.
    pub seed: Option<u64>,
    /// The rounds of the watcher.
    pub rounds: u64,
    /// How each declared agent fared, by name.
    pub agents: Vec<Fared>,
    /// What a person should know.
    pub findings: Vec<String>,
}

/// How an agent fared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fared {
    /// The agent.
    pub name: String,
    /// Where it stood at the end.
    pub state: State,
    /// Its lives.
    pub starts: u32,
    /// Those of them that ended.
    pub ends: u32,
    /// Those of them that hung.
    pub hangs: u32,
    /// How long nothing of it ran that does its work.
    pub down_ms: u64,
    /// The longest time of that without a break.
    pub worst_ms: u64,
    /// When that began.
    pub worst_after_ms: Option<u64>,
    /// When it had failed too often to be started again.
    pub failed_after_ms: Option<u64>,
    /// Since when it hung at the end.
    pub unnoticed_since_ms: Option<u64>,
    /// How long it stood still, by what for.
    pub waits_ms: BTreeMap<&'static str, u64>,
}

/// The document of what came of a simulation.
pub fn simulation_document(view: &SimulationView<'_>) -> SimulationDocument {
    let millis = Duration::as_millis;
    let agents = view.report.fates.iter().map(|(name, fate)| Fared {
        name: name.to_string(),
        state: view.report.observed.agents.get(name).map_or(State::Absent, |sighting| state(&sighting.phase).0),
        starts: fate.starts,
        ends: fate.ends,
        hangs: fate.hangs,
        down_ms: fate.down.as_millis(),
        worst_ms: fate.worst.map_or(0, |worst| worst.length.as_millis()),
        worst_after_ms: fate.worst.map(|worst| worst.after.as_millis()),
        failed_after_ms: fate.failed_after.map(millis),
        unnoticed_since_ms: fate.unnoticed_since.map(millis),
        waits_ms: fate.waits.iter().map(|(what, length)| (*what, length.as_millis())).collect(),
    });
    SimulationDocument {
        format_version: FORMAT_VERSION,
        fleet: view.report.observed.fleet.to_string(),
        length_ms: view.length.as_millis(),
        seed: view.seed,
        rounds: view.report.rounds,
        agents: agents.collect(),
        findings: findings(view),
    }
}
