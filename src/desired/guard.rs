//! What a plan may do at most.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a plan may do at most; checked before anything is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// How many running agents may be stopped or replaced; none where the manifest does not say.
    pub max_stop: Option<Limit>,
    /// Whether a manifest that would stop everything is carried out.
    pub allow_empty: bool,
}

/// A number of agents, or a share of the running ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    /// So many.
    Count(u32),
    /// A percentage, 0 to 100; rounded down, and at least one agent unless it is 0.
    Percent(u32),
}

impl Limit {
    /// The limit where neither the manifest nor a flag says one. It does not bind while fewer than [`Limit::FEW`] agents run.
    pub const USUAL: Self = Self::Percent(50);

    /// While fewer agents run than this, the usual limit does not bind: half of two would refuse every change of a small fleet.
    pub const FEW: usize = 4;

    /// How many agents that is of this many running ones.
    pub fn of(self, running: usize) -> usize {
        match self {
            Self::Count(count) => count as usize,
            Self::Percent(0) => 0,
            Self::Percent(share) => (running * share as usize / 100).max(1),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(share) => write!(f, "{share}%"),
        }
    }
}

impl FromStr for Limit {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let limit = match text.strip_suffix('%') {
            Some(share) => share.parse().ok().filter(|share| *share <= 100).map(Self::Percent),
            None => text.parse().ok().map(Self::Count),
        };
        limit.ok_or_else(|| format!("`{text}` is not a limit: write a number like 3 or a share like \"30%\""))
    }
}
