//! The counts of a plan, and what its guards say.

use super::text::{count, plain};
use super::words::{Class, class};
use crate::plan::{GuardCheck, GuardName, Kind, Plan};

/// How many changes there are of each sort. A change that is held or blocked counts as that only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) spawn: usize,
    pub(super) replace: usize,
    pub(super) restart: usize,
    pub(super) amend: usize,
    pub(super) stop: usize,
    pub(super) deliver: usize,
    pub(super) adopt: usize,
    pub(super) forget: usize,
    pub(super) starting: usize,
    pub(super) held: usize,
    pub(super) blocked: usize,
}

/// Counts the changes of a plan.
pub(super) fn counts(plan: &Plan) -> Counts {
    let mut counts = Counts::default();
    for change in plan.changes.values() {
        let sort = match (class(change), change.kind) {
            (Class::Held, _) => &mut counts.held,
            (Class::Blocked, _) => &mut counts.blocked,
            (Class::Starting, _) => &mut counts.starting,
            (_, Kind::Spawn) => &mut counts.spawn,
            (_, Kind::Replace) => &mut counts.replace,
            (_, Kind::Restart) => &mut counts.restart,
            (_, Kind::Amend) => &mut counts.amend,
            (_, Kind::Stop) => &mut counts.stop,
            (_, Kind::Deliver) => &mut counts.deliver,
            (_, Kind::Adopt) => &mut counts.adopt,
            (_, Kind::Forget) => &mut counts.forget,
        };
        *sort += 1;
    }
    counts
}

/// `1 to spawn, 1 to replace. 1 held, 3 at rest.`
pub(super) fn summary(plan: &Plan) -> String {
    let Counts { spawn, replace, restart, amend, stop, deliver, adopt, forget, starting, held, blocked } = counts(plan);
    let list = |parts: &[(usize, &str)]| {
        let parts = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        parts.collect::<Vec<_>>().join(", ")
    };
    let due = list(&[
        (spawn, "to spawn"),
        (replace, "to replace"),
        (restart, "to restart"),
        (deliver, "to deliver"),
        (amend, "to amend"),
        (stop, "to stop"),
        (adopt, "to adopt"),
        (forget, "to forget"),
    ]);
    let due = match (due.is_empty(), plan.server.is_some()) {
        (true, true) => "The tmux server to change".to_owned(),
        (true, false) => "Nothing to do now".to_owned(),
        (false, true) => format!("{due}, the tmux server to change"),
        (false, false) => due,
    };
    let rest = list(&[(starting, "starting"), (held, "held"), (blocked, "blocked")]);
    let separator = if rest.is_empty() { "" } else { ", " };
    format!("{due}. {rest}{separator}{} at rest.", plan.at_rest)
}

/// Why a guard refuses a plan, and what allows it.
pub fn refusal(guard: &GuardCheck) -> String {
    let GuardCheck { name, limit, value, pass: _ } = guard;
    let agents = count(*value, "agent");
    if *name == GuardName::StateFolder {
        // The folder of the fleet lies in the one that the flag names.
        let root = std::path::Path::new(limit).parent().map_or_else(|| limit.clone(), |root| root.display().to_string());
        return format!(
            "refused by guard state_folder: the state folder {} has the records of {agents}; use it with --state-dir {}, or take them over with --take-over",
            plain(limit),
            plain(&root)
        );
    }
    if *name == GuardName::Moved {
        return format!(
            "refused by guard moved: the fleet belongs to {}; give this manifest another `fleet` name, or pass --moved if it is the same fleet",
            plain(limit)
        );
    }
    if *name == GuardName::AllowEmpty {
        return format!(
            "refused by guard allow_empty: the manifest declares nothing, and {agents} would be stopped; --allow-empty allows it"
        );
    }
    format!("refused by guard {name}: {agents} would be stopped or replaced, and the limit is {limit}; --max-stop {value} allows it")
}
