//! A manifest played on the simulated machine in virtual time, by the watcher that would keep it.
//!
//! What is simulated are the programs, the terminals and the clock; what decides is the real thing. Each program starts at once, is ready at once and
//! lives until something happens to it; one for whose end others wait does its work in ten seconds.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::converge::Audience;
use crate::desired::{AgentName, Declared, Desired, Wish};
use crate::event::{Entry, Event, What};
use crate::host::Host;
use crate::host::sim::{Accident, Sim};
use crate::observed::Observed;
use crate::plan::{Next, Plan};
use crate::state::Fleet;
use crate::time::{Duration, Timestamp};
use crate::watch::{Rest, Turn, Watch};

mod fate;
#[cfg(test)]
mod laws;
mod luck;
mod stage;

pub use fate::{Fate, Outage};

/// What happens, and for how long it is looked at.
#[derive(Clone, Debug, Default)]
pub struct Scenario {
    /// How long it is played.
    pub length: Duration,
    /// What happens by itself, after so long.
    pub accidents: Vec<(Duration, Accident)>,
    /// Agents of which every life crashes, so long after its start.
    pub crashes_after: BTreeMap<AgentName, Duration>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// The rounds of the watcher.
    pub rounds: u64,
    /// All that it told.
    pub events: Vec<Event>,
    /// How each declared agent fared.
    pub fates: BTreeMap<AgentName, Fate>,
    /// The last look.
    pub observed: Observed,
    /// What was due then.
    pub plan: Plan,
}

impl Scenario {
    /// Adds what a seed brings: deaths and hangs of every agent, and sometimes the end of the tmux server. Equal seeds bring the same.
    #[must_use]
    pub fn with_luck(mut self, desired: &Desired, seed: u64) -> Self {
        self.accidents.extend(luck::accidents(desired, self.length, seed));
        self
    }
}

/// Plays it from a machine on which nothing runs. What `fleet` remembers is written as on a real one: it is to be a folder for this purpose.
///
/// # Errors
///
/// If the folder cannot be read or written.
pub fn simulate(desired: &Desired, scenario: &Scenario, fleet: &Fleet, start: Timestamp) -> Result<Report> {
    let desired = stage::set(desired);
    let mut sim = Sim::new(start);
    for (after, accident) in &scenario.accidents {
        sim.accidents.entry(start + *after).or_default().push(accident.clone());
    }
    sim.behaviours = stage::behaviours(&desired, &scenario.crashes_after);
    let end = start + scenario.length;
    let mut watch = Watch::new(std::path::Path::new("/simulated.toml"), desired.watch.auto, start);
    let mut diary = Diary::default();
    let mut waits: BTreeMap<AgentName, BTreeMap<&'static str, Duration>> = BTreeMap::new();
    let mut rounds = 0;
    let mut last: Option<Box<Rest>> = None;
    loop {
        let (at, rest) = match (watch.round(&desired, fleet, &mut sim, &mut diary)?, last.take()) {
            (Turn::Done(rest), _) => (rest.observed.at, rest),
            (Turn::Still(until), Some(rest)) => (sim.now(), Box::new(Rest { until, ..*rest })),
            (Turn::Begun, _) => continue,
            (Turn::Still(_) | Turn::Busy(_) | Turn::Displaced(_), _) => {
                anyhow::bail!("the folder of the simulation is in use by another run")
            }
        };
        rounds += 1;
        sim.wait(&rest.watched, rest.until.min(end));
        let passed = sim.now().min(end).since(at);
        for (agent, change) in &rest.plan.changes {
            if let Some(what) = stands(&change.next) {
                let total = waits.entry(agent.clone()).or_default().entry(what).or_default();
                *total = *total + passed;
            }
        }
        if sim.now() >= end {
            let lives: Vec<_> = sim.lives().collect();
            let gave_up = |agent: &AgentName| {
                let told = diary.events.iter().find(|event| event.what == What::FailedRepeatedly && event.agent.as_ref() == Some(agent))?;
                Some(told.at.since(start))
            };
            let fate = |(name, declared): (&AgentName, &Declared)| {
                let mut fate = fate::fate(name, &lives, start, end);
                if declared.spec.care.desired == Wish::Stopped {
                    (fate.down, fate.worst) = (Duration::ZERO, None);
                }
                (name.clone(), Fate { waits: waits.remove(name).unwrap_or_default(), failed_after: gave_up(name), ..fate })
            };
            let fates = desired.agents.iter().map(fate).collect();
            return Ok(Report { rounds, events: diary.events, fates, observed: rest.observed, plan: rest.plan });
        }
        last = Some(rest);
    }
}

/// What an agent stands still for, as one word.
fn stands(next: &Next) -> Option<&'static str> {
    match next {
        Next::Act(_) => None,
        Next::Wait(wait) => Some(wait.reason().as_str()),
        Next::Held(held) => Some(held.reason().as_str()),
        Next::Blocked(blocked) => Some(blocked.reason.as_str()),
    }
}

/// Keeps what is told.
#[derive(Default)]
struct Diary {
    events: Vec<Event>,
}

impl Audience for Diary {
    fn event(&mut self, entry: &Entry) {
        self.events.push(entry.event.clone());
    }

    fn round(&mut self, _: &Plan, _: &Observed) {}
}
