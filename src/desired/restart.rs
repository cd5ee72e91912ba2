//! What happens when an agent ends by itself.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Probe;
use crate::time::Duration;

/// What happens when an agent ends by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Restart {
    /// Whether it is started again.
    pub policy: Policy,
    /// Exit codes that mean success.
    pub success: BTreeSet<i32>,
    /// The pause before a restart.
    pub backoff: Backoff,
    /// A life of this length that got ready clears the count of failures.
    pub healthy_after: Duration,
    /// When to stop trying.
    pub give_up: GiveUp,
    /// What is asked before it is started again; a no leaves it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_if: Option<Probe>,
}

impl Default for Restart {
    fn default() -> Self {
        Self {
            policy: Policy::OnFailure,
            success: BTreeSet::from([0]),
            backoff: Backoff::default(),
            healthy_after: Duration::from_secs(10),
            give_up: GiveUp::default(),
            only_if: None,
        }
    }
}

/// Whether an agent that ended by itself is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Always.
    Always,
    /// When it ended without success.
    #[default]
    OnFailure,
    /// Never.
    Never,
}

/// The pause before a restart: `first`, then `factor` times the last, up to `max`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// By how much it grows, at least 1.
    pub factor: f64,
    /// The longest pause.
    pub max: Duration,
    /// The share by which a pause may be longer, 0 to 1, so that a fleet does not restart in step.
    pub jitter: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), factor: 2.0, max: Duration::from_secs(60), jitter: 0.1 }
    }
}

/// When to stop trying.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GiveUp {
    /// So many failures…
    pub failures: u32,
    /// …within this time.
    pub within: Duration,
}

impl Default for GiveUp {
    fn default() -> Self {
        Self { failures: 5, within: Duration::from_secs(15 * 60) }
    }
}
