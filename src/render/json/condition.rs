//! What is wrong that is no agent's fault, in a plan and in a status.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::observed::Condition;
use crate::plan::words;

/// What is wrong that is no agent's fault: no agent of its kind is started, and none has failed because of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConditionEntry {
    /// What it is.
    pub kind: ConditionKind,
    /// The same in words, with what is known of it.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

words! {
    /// What is wrong that is no agent's fault.
    ConditionKind {
        /// No tmux server runs, and there is no tmux in PATH.
        NoTmux = "no_tmux",
        /// The tmux server cannot be asked.
        ServerUnreachable = "server_unreachable",
        /// No tmux server or pane came of the last attempt to start agents. It is tried again.
        TmuxFails = "tmux_fails",
        /// No process came of the last attempt to start daemons. It is tried again.
        MachineFails = "machine_fails",
        /// Not all panes fit.
        TooManyPanes = "too_many_panes",
        /// The state folder cannot be written.
        StateUnwritable = "state_unwritable",
    }
}

impl ConditionEntry {
    pub(super) fn of(condition: &Condition) -> Self {
        let kind = match condition {
            Condition::NoTmux { .. } => ConditionKind::NoTmux,
            Condition::ServerUnreachable { .. } => ConditionKind::ServerUnreachable,
            Condition::TmuxFails { .. } => ConditionKind::TmuxFails,
            Condition::MachineFails { .. } => ConditionKind::MachineFails,
            Condition::NoRoom { .. } => ConditionKind::TooManyPanes,
            Condition::StateUnwritable { .. } => ConditionKind::StateUnwritable,
        };
        Self { kind, message: condition.to_string(), hint: condition.hint().to_owned() }
    }
}
