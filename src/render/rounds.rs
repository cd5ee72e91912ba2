//! The rounds to come, in words.

use std::collections::BTreeMap;

use super::Extent;
use super::text::{count, names};
use crate::plan::{Next, Plan, ServerChange};

/// So many rounds are read by people…
const ROUNDS: usize = 10;

/// …and so many names per step.
const NAMES: usize = 6;

/// What each of the rounds to come does: `[["clone-3 spawn", "builder drain"], ["builder spawn"]]`.
pub fn rounds(plans: &[Plan]) -> Vec<Vec<String>> {
    plans.iter().map(|plan| steps(plan).into_iter().map(|(who, what)| format!("{who} {what}")).collect()).collect()
}

fn server(change: &ServerChange) -> (&'static str, String) {
    let step = match change {
        ServerChange::Set { .. } => "amend",
        ServerChange::Close(_) => "close",
    };
    ("(tmux)", step.to_owned())
}

fn steps(plan: &Plan) -> Vec<(&str, String)> {
    let mut steps: Vec<(&str, String)> = plan.server.iter().map(server).collect();
    steps.extend(plan.changes.iter().filter_map(|(name, change)| match &change.next {
        Next::Act(action) => Some((name.as_str(), action.to_string())),
        Next::Wait(_) | Next::Held(_) | Next::Blocked(_) => None,
    }));
    steps
}

/// A line per round, steps of one kind together.
pub(super) fn lines(plans: &[Plan], extent: Extent) -> Vec<String> {
    let (most_rounds, most_names) = match extent {
        Extent::Readable => (ROUNDS, NAMES),
        Extent::All => (usize::MAX, usize::MAX),
    };
    let numbered = plans.iter().take(most_rounds).enumerate();
    let mut lines: Vec<String> = numbered.map(|(index, plan)| format!("{:>3}  {}", index + 1, round(plan, most_names))).collect();
    if plans.len() > lines.len() {
        lines.push(format!("     … {} more; --all shows them", count(plans.len() - lines.len(), "round")));
    }
    lines
}

fn round(plan: &Plan, most_names: usize) -> String {
    let mut by_step: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (who, what) in steps(plan) {
        by_step.entry(what).or_default().push(who);
    }
    by_step.iter().map(|(what, who)| format!("{what} {}", names(who, most_names))).collect::<Vec<_>>().join(" · ")
}
