//! What a plan may do at most.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a plan may do at most; checked before anything is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// How many running agents may be stopped or replaced; at least one always may.
    pub max_stop: Limit,
    /// Whether a manifest that would stop everything is carried out.
    pub allow_empty: bool,
}

impl Default for Guard {
    fn default() -> Self {
        Self { max_stop: Limit::Percent(50), allow_empty: false }
    }
}

/// A number of agents, or a share of the running ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    /// So many.
    Count(u32),
    /// So many of a hundred, 0 to 100.
    Percent(u32),
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
