//! What has happened on a simulated machine, for tests to judge.

use super::Viewer;
use crate::desired::Mark;
use crate::host::Act;
use crate::observed::Exit;
use crate::time::Timestamp;

/// One life that there was.
#[derive(Clone, Debug, PartialEq)]
pub struct LifeSpan {
    /// Whose, and which.
    pub mark: Mark,
    /// Its spawn.
    pub since: Timestamp,
    /// Its end, if that is over.
    pub ended: Option<(Timestamp, Exit)>,
    /// Since when it hung.
    pub hung: Option<Timestamp>,
    /// By whom it was started.
    pub home: Viewer,
    /// Since when it has no keeper.
    pub orphaned: Option<Timestamp>,
}

/// An act that was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Deed {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: Viewer,
    /// What.
    pub act: Act,
}
