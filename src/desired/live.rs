//! What an agent must do to count as alive, and how much it may use.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Probe;
use crate::time::Duration;

/// By what a running agent is seen to be alive. The default: nothing is looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Live {
    /// What it is asked while it is ready.
    pub probe: Option<Probe>,
    /// The least time between two questions.
    pub interval: Duration,
    /// So many answers with no in a row mean that it is not alive.
    pub failures: u32,
    /// What its silence leads to.
    pub heartbeat: Option<Heartbeat>,
    /// A screen that stays the same for this long is told of.
    pub screen_unchanged: Option<Duration>,
}

impl Default for Live {
    fn default() -> Self {
        Self { probe: None, interval: Duration::from_secs(10), failures: 3, heartbeat: None, screen_unchanged: None }
    }
}

impl Live {
    /// Whether it is as where nothing is written.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What the silence of an agent leads to: the time since the last change of its heartbeat file, or since its spawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The file; without it, the one that `RECONCILE_HEARTBEAT` names to the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// After this silence it is nudged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nudge_after: Option<Duration>,
    /// After this silence it counts as not alive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace_after: Option<Duration>,
    /// What it is nudged with.
    pub nudge: String,
}

impl Heartbeat {
    /// What is typed where the manifest does not say.
    pub const USUAL_NUDGE: &str = "Are you still working? Touch your heartbeat file.";
}

/// How much an instance may use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Resident memory in bytes of its program and all descendants together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// How long one instance may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Duration>,
}

impl Limits {
    /// Whether there are none.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A number of bytes as people write it: `4GiB`, `4.2GiB`, `512B`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

const UNITS: [(&str, u32); 5] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];

impl Bytes {
    /// Without any rounding: as the manifest may write it.
    pub fn exact(self) -> String {
        let fits = |(_, shift): &&(&str, u32)| self.0 != 0 && self.0.is_multiple_of(1 << shift);
        let (unit, shift) = UNITS.iter().find(fits).unwrap_or(&("B", 0));
        format!("{}{unit}", self.0 >> shift)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, shift) = UNITS.iter().find(|(_, shift)| self.0 >= 1 << shift).unwrap_or(&("B", 0));
        // Rounded up: what is over a limit is never shown as equal to it.
        let tenths = (u128::from(self.0) * 10).div_ceil(1 << shift);
        match tenths % 10 {
            0 => write!(f, "{}{unit}", tenths / 10),
            rest => write!(f, "{}.{rest}{unit}", tenths / 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_short_or_exact_and_never_less_than_they_are() {
        const GIB: u64 = 1 << 30;
        for (bytes, short, exact) in [
            (0, "0B", "0B"),
            (512, "512B", "512B"),
            (1536, "1.5KiB", "1536B"),
            (4 * GIB, "4GiB", "4GiB"),
            (4 * GIB + 1, "4.1GiB", "4294967297B"),
            (20 << 20, "20MiB", "20MiB"),
            (3 << 40, "3TiB", "3TiB"),
        ] {
            assert_eq!((Bytes(bytes).to_string().as_str(), Bytes(bytes).exact().as_str()), (short, exact));
        }
        assert!(Bytes(u64::MAX).to_string().ends_with("TiB"));
    }
}
