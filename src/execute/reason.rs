//! Steps in the words of the journal.

use crate::plan::{Action, Change};

/// Why a step is taken, for the journal.
pub(super) fn reason(change: &Change, action: &Action) -> String {
    match action {
        Action::Drain { step, ask, .. } => format!("{}: step {}, {ask}", change.why(), step + 1),
        Action::Answer { dialog, press, .. } => format!("`{dialog}`: {}", press.keys.join(" ")),
        Action::Type { message, .. } => message.kind.as_str().to_owned(),
        Action::Receive { kind, receipt, .. } => format!("{} {receipt}", kind.as_str()),
        Action::Submit { enters, .. } if *enters > 1 => format!("for the {enters}. time"),
        Action::Submit { .. } => String::new(),
        Action::Sweep { ask: Some(signal) } => format!("{}: signal {signal}", change.why()),
        Action::Spawn { .. }
        | Action::Deliver { .. }
        | Action::Stay { .. }
        | Action::Kill { .. }
        | Action::Sweep { ask: None }
        | Action::Amend
        | Action::Rename { .. }
        | Action::Adopt { .. }
        | Action::Forget => change.why(),
    }
}
