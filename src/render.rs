//! What is shown, and how: one pure function per thing shown and format. Looks at nothing, decides nothing, and knows no terminal.
//!
//! Every meaning is in the text; colour only repeats it. Text that comes from outside is shown with its control characters written out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::desired::{AgentName, Auto, Desired};
use crate::observed::{Observed, Phase};
use crate::plan::Plan;
use crate::time::Timestamp;

mod commands;
mod config;
mod detail;
mod diagnostics;
mod difference;
mod events;
mod human;
pub mod json;
mod markdown;
mod metrics;
mod rounds;
mod screen;
mod simulation;
mod status;
mod summary;
mod table;
mod text;
mod words;

pub use commands::Invocation;
pub use config::{config_document, config_toml, origins, origins_document};
pub use diagnostics::{DiagnosticsDocument, diagnostics, diagnostics_document, first_error, warnings};
pub use events::{event_human, events_after, history_human};
pub use human::{nothing_due, plan_human, plan_listing};
pub use markdown::plan_markdown;
pub use metrics::metrics;
pub use rounds::rounds;
pub use screen::{outcome_document, presets_document, presets_human, receipt_document, screen_document, screen_human};
pub use simulation::{SimulationView, simulation_human};
pub use status::status_human;
pub use summary::refusal;
pub use text::{defused, plain, printed};

/// What the receiver of human text can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether it shows colour.
    pub color: bool,
    /// Its columns.
    pub width: usize,
    /// What is done with lines that are longer.
    pub fold: Fold,
}

/// What is done with lines that are longer than the receiver is wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// They are folded: a person reads them.
    AtWidth,
    /// Nothing: a program reads them, or nothing has a width.
    Never,
}

impl Style {
    /// For files and pipes.
    pub const PLAIN: Self = Self { color: false, width: 120, fold: Fold::Never };
}

/// How much of a long plan is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// As much as a person reads, with a line for what is left out.
    Readable,
    /// Everything: `--all`.
    All,
}

/// What a plan was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// The machine. Only such a plan can be applied.
    Live,
    /// A look that was saved.
    Snapshot,
    /// The manifest alone, as if nothing were running.
    Manifest,
}

/// A plan with all that it is shown with.
#[derive(Clone, Copy, Debug)]
pub struct PlanView<'a> {
    /// How the manifest was named.
    pub manifest: &'a Invocation,
    /// What should be.
    pub desired: &'a Desired,
    /// What is.
    pub observed: &'a Observed,
    /// The difference.
    pub plan: &'a Plan,
    /// What will come of it: the plans of [`crate::plan::foresee`].
    pub rounds: &'a [Plan],
    /// What it was made from.
    pub basis: Basis,
}

/// A status with all that it is shown with.
#[derive(Clone, Copy, Debug)]
pub struct StatusView<'a> {
    /// How the manifest was named.
    pub manifest: &'a Invocation,
    /// What should be.
    pub desired: &'a Desired,
    /// What is.
    pub observed: &'a Observed,
    /// The difference.
    pub plan: &'a Plan,
    /// What the agents' programs use; those that are missing are not known.
    pub usage: &'a BTreeMap<AgentName, Usage>,
    /// Since when the changes are held that are, as far as that is known.
    pub held_since: &'a BTreeMap<AgentName, Timestamp>,
    /// The watcher, if there is one.
    pub watcher: Option<&'a Watcher>,
    /// The last watcher, if it was killed and none took its place.
    pub lost_watcher: Option<&'a LostWatcher>,
}

/// What is known of an agent's own program while it runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// Processor time in seconds.
    pub cpu_s: f64,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
    /// Whether its executable file is another one on the disk now, or was written to since the start; none if that cannot be told.
    pub stale: Option<bool>,
    /// Whether a signal has stopped it: it does nothing until it is set going again.
    pub stopped: bool,
}

/// A watcher that was killed: it holds no lock any more, and did not say that it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LostWatcher {
    /// What its process was.
    pub pid: u32,
    /// Since when it watched.
    pub since: Timestamp,
    /// When its last round was; null if it did none.
    #[serde(default)]
    pub last_round: Option<Timestamp>,
}

impl LostWatcher {
    /// What became of it, for people.
    pub fn story(&self, now: Timestamp) -> String {
        let last =
            self.last_round.map_or("it did no round".to_owned(), |last| format!("its last round was {} ago", now.since(last).rough()));
        format!("The watcher, pid {}, was killed; {last}. Nothing looks after the fleet until it is started again.", self.pid)
    }
}

/// How the watcher of a fleet does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Watcher {
    /// Its process.
    pub pid: u32,
    /// Since when it watches.
    pub since: Timestamp,
    /// When its last round was.
    pub last_round: Option<Timestamp>,
    /// How far it goes by itself: `heal`, `safe` or `all`; null if it has not said so yet.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub auto: Option<Auto>,
    /// How many rounds it did.
    pub rounds: Option<u64>,
    /// How long the last one took, in milliseconds.
    pub round_ms: Option<u64>,
    /// Whether its next round is late.
    pub overdue: bool,
    /// Why the manifest as it stands is not in force; null if it is.
    #[serde(default)]
    pub manifest_error: Option<String>,
    /// What went wrong in its last round; null if nothing did.
    #[serde(default)]
    pub error: Option<String>,
    /// Why it notices some file changes only at `resync`; null if it notices all at once.
    #[serde(default)]
    pub blind: Option<String>,
}

/// How many agents have a living instance.
fn running(observed: &Observed) -> usize {
    let lives = |phase: &Phase| match phase {
        Phase::Running { .. } | Phase::Leaving(_) => true,
        Phase::Absent | Phase::Exited(_) | Phase::Unknown { .. } => false,
    };
    observed.agents.values().filter(|sighting| !sighting.released && lives(&sighting.phase)).count()
}

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
