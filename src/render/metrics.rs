//! Metrics as Prometheus reads them from a text file.

use std::fmt::Write;

use super::Watcher;
use crate::desired::{AgentName, Desired};
use crate::observed::{Health, Observed, Phase, Sighting};
use crate::plan::{Next, Plan};

/// How one thing is measured.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    of: fn(&Sighting, Option<&Next>) -> Option<u64>,
}

const METRICS: [Metric; 8] = [
    Metric {
        name: "reconcile_agent_up",
        kind: "gauge",
        help: "Whether its process runs.",
        of: |sighting, _| Some(u64::from(lives(sighting))),
    },
    Metric {
        name: "reconcile_agent_ready",
        kind: "gauge",
        help: "Whether it is ready.",
        of: |sighting, _| Some(u64::from(is_ready(sighting))),
    },
    Metric {
        name: "reconcile_agent_busy",
        kind: "gauge",
        help: "Whether it works; missing where that cannot be told.",
        of: |sighting, _| sighting.is_busy().map(u64::from),
    },
    Metric { name: "reconcile_agent_generation", kind: "gauge", help: "Its newest life.", of: |sighting, _| Some(sighting.generation.0) },
    Metric {
        name: "reconcile_agent_restarts_total",
        kind: "counter",
        help: "How often it was started again after a failure.",
        of: |sighting, _| Some(u64::from(sighting.failures.restarts)),
    },
    Metric {
        name: "reconcile_agent_held",
        kind: "gauge",
        help: "Whether a change that is due is held.",
        of: |_, next| Some(u64::from(matches!(next, Some(Next::Held(_))))),
    },
    Metric {
        name: "reconcile_agent_blocked",
        kind: "gauge",
        help: "Whether it needs a person.",
        of: |_, next| Some(u64::from(matches!(next, Some(Next::Blocked(_))))),
    },
    Metric {
        name: "reconcile_agent_handoffs_waiting",
        kind: "gauge",
        help: "Notes that wait for it.",
        of: |sighting, _| Some((sighting.notes.len() + sighting.untyped) as u64),
    },
];

fn lives(sighting: &Sighting) -> bool {
    matches!(sighting.phase, Phase::Running { .. } | Phase::Leaving(_))
}

fn is_ready(sighting: &Sighting) -> bool {
    matches!(sighting.phase, Phase::Running { health: Health::Ready(_), .. })
}

/// The metrics of a fleet and of its watcher, as text.
pub fn metrics(desired: &Desired, observed: &Observed, plan: &Plan, watcher: &Watcher) -> String {
    let mut out = String::new();
    let fleet = desired.fleet.as_str();
    let seconds = |millis: i64| millis as f64 / 1000.0;
    let mut own = |name: &str, kind: &str, help: &str, value: f64| {
        head(&mut out, name, kind, help);
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{name}{{fleet=\"{fleet}\"}} {value}");
    };
    own("reconcile_watch_start_time_seconds", "gauge", "When the watcher began.", seconds(watcher.since.as_millis()));
    own("reconcile_watch_rounds_total", "counter", "How many rounds it did.", watcher.rounds.unwrap_or(0) as f64);
    own("reconcile_watch_last_round_time_seconds", "gauge", "When its last round was.", seconds(observed.at.as_millis()));
    own("reconcile_watch_round_seconds", "gauge", "How long that took.", watcher.round_ms.unwrap_or(0) as f64 / 1000.0);
    own(
        "reconcile_manifest_valid",
        "gauge",
        "Whether the manifest as it stands is in force.",
        f64::from(u8::from(watcher.manifest_error.is_none())),
    );
    own("reconcile_look_complete", "gauge", "Whether everything could be looked at.", f64::from(u8::from(observed.gaps.is_empty())));
    own("reconcile_at_rest", "gauge", "Whether nothing is due.", f64::from(u8::from(plan.is_empty())));
    for Metric { name, kind, help, of } in &METRICS {
        head(&mut out, name, kind, help);
        for (agent, sighting) in &observed.agents {
            let next = plan.changes.get(agent).map(|change| &change.next);
            if let Some(value) = of(sighting, next) {
                let _ = writeln!(out, "{name}{{{}}} {value}", labels(fleet, agent));
            }
        }
    }
    out
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// Names of fleets and agents need no escapes.
fn labels(fleet: &str, agent: &AgentName) -> String {
    format!("fleet=\"{fleet}\",agent=\"{agent}\"")
}
