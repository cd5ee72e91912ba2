//! How a life ended, and what for.

use serde::{Deserialize, Serialize};

use super::{DrainOutcome, Exit, Purpose, Step};
use crate::desired::Restart;
use crate::time::Timestamp;

/// An end that has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When it was, as far as that is known.
    pub at: Timestamp,
    /// When the life began.
    pub since: Timestamp,
    /// Whether it had been ready.
    pub was_ready: bool,
    /// How.
    pub exit: Exit,
    /// What it was asked for, and by which step it came; none if it came by itself.
    pub asked: Option<(Purpose, Step)>,
    /// What came of asking for it; none if it came by itself, and in records of version 0.1.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<DrainOutcome>,
    /// What its screen said when it ended by itself, where that makes the end no failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excuse: Option<Excuse>,
}

/// Why an end is no failure, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Excuse {
    /// Its usage was used up.
    Limit {
        /// Until when, if that could be told.
        until: Option<Timestamp>,
    },
    /// A person has to log in.
    Login,
}

impl Ended {
    /// Whether it is what nobody asked for, nothing excuses and no success.
    pub fn is_crash(&self, restart: Option<&Restart>) -> bool {
        let success = restart.map_or(self.exit == Exit::Code(0), |restart| self.is_success(restart));
        self.asked.is_none() && self.excuse.is_none() && !success
    }

    /// Whether it counts as success.
    pub fn is_success(&self, restart: &Restart) -> bool {
        match self.exit {
            Exit::Code(code) => restart.success.contains(&code),
            Exit::Signal(_) | Exit::Failed(_) | Exit::Backgrounded(_) | Exit::Unseen => false,
        }
    }

    /// How it ended, and what for where it was asked: `was ended by signal 2, graceful after step 1`.
    pub fn story(&self) -> String {
        let exit = &self.exit;
        match self.asked {
            None => exit.to_string(),
            Some((_, Step::Drain(step))) => format!("{exit}, graceful after step {}", step + 1),
            Some((_, Step::Kill)) => match self.outcome {
                Some(DrainOutcome::Acknowledged) => format!("{exit}, acknowledged, then killed"),
                Some(DrainOutcome::TimedOut) => format!("{exit}, timed out, then killed"),
                Some(DrainOutcome::Graceful | DrainOutcome::Killed) | None => format!("{exit}, killed"),
            },
        }
    }
}
