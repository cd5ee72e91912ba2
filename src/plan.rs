//! The difference between desired and observed, and the one next step for each agent that is not at rest.
//!
//! Pure and without failure: equal inputs give an equal plan, and whatever is odd becomes a [`Blocked`]. Order, patience and limits are decided
//! here and nowhere else; a step that must wait says for what. There is at most one step per agent and round.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::desired::{AgentName, Auto, Desired, Limit, Server};
use crate::observed::{Fault, MessageKind, Observed, Phase};
use crate::time::{Duration, Timestamp};

mod dialogs;
mod diff;
mod foresee;
mod ground;
mod guard;
mod leave;
mod live;
mod local;
mod notes;
mod order;
mod reason;
mod restrain;
mod start;
mod step;
mod sweep;
mod talk;
mod unconfirmed;
mod unfinished;
mod waiting;
mod word;
mod words;

pub use foresee::{after, foresee, started_as, starts_in_tmux, under_new_name};
pub use local::successors;
pub(crate) use reason::words;
pub use reason::{GuardName, HoldReason, Reason, WaitReason};
pub(crate) use restrain::{AT_ONCE, MANY};
pub use step::{Action, Blocked, Held, Next, Wait};
pub use unfinished::{Stage, Unfinished, unfinished};
pub use waiting::{WaitingFor, waiting_for};
pub use word::Word;

/// How long a killed tree may take to be gone before that needs a person.
pub const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// What is due for a fleet under the terms of one run.
///
/// Each agent is first judged by itself, then starts wait for what they depend on and ends for what depends on them, then the whole is held
/// against the guards.
pub fn plan(desired: &Desired, observed: &Observed, terms: &Terms) -> Plan {
    let mut changes = local::judge(desired, observed, terms);
    restrain::leave_alone(&mut changes, desired, observed, terms);
    order::put_in_order(&mut changes, desired, observed, terms);
    restrain::start_in_waves(&mut changes, observed, terms);
    let at_rest = desired.agents.keys().filter(|name| terms.covers(name) && !changes.contains_key(*name)).count();
    let guards = guard::check(&changes, desired, observed, terms);
    restrain::keep_to_guards(&mut changes, &guards, observed, terms);
    let server = diff::server(desired, observed).filter(|change| restrain::may_change(change, observed, terms));
    Plan { guards, server, changes, at_rest }
}

/// What one run may do, beyond what the manifest says. The default: nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// Changes that are only held by people or work are carried out.
    pub now: bool,
    /// Protected agents that may be stopped all the same.
    pub allow_kill: BTreeSet<AgentName>,
    /// Agents that are not asked to leave but killed at once.
    pub kill: BTreeSet<AgentName>,
    /// Nothing is done but to type what waits to be typed.
    pub only_messages: bool,
    /// It was asked to end agents and to start none.
    pub only_ends: bool,
    /// Only a part of the fleet was looked at: nothing is done that depends on all of it.
    pub is_partial: bool,
    /// A command is at work: nothing is done but to start again what ended by itself.
    pub only_restarts: bool,
    /// Only these agents are looked after; all without it.
    pub scope: Option<BTreeSet<AgentName>>,
    /// Another limit than the manifest's.
    pub max_stop: Option<Limit>,
    /// The other manifest that the fleet belongs to: nothing is done without `--moved`.
    pub claimed_by: Option<PathBuf>,
    /// Stopping this many is the purpose: neither `max_stop` nor `allow_empty` binds.
    pub unbound: bool,
    /// A manifest without agents is carried out.
    pub allow_empty: bool,
    /// The agents that the plan as it was shown would interrupt: no other is. Without it, any may be.
    pub shown: Option<BTreeSet<AgentName>>,
    /// So many agents at most are on their way in or out at a time.
    pub parallelism: Option<usize>,
    /// It is a watcher's, which nobody approves: it does no more than this by itself, holds what the guards refuse, and starts again in waves
    /// what ended at about the same time.
    pub watch: Option<Auto>,
    /// When this run began. A kill that was asked for before is asked for again: the run that wrote it down may have been killed itself
    /// before it killed.
    pub begun: Option<Timestamp>,
}

impl Terms {
    /// Lets the run do what the guards on numbers refuse, because a person saw the plan and approved it.
    pub fn go_beyond_guards(&mut self) {
        self.max_stop = Some(Limit::Count(u32::MAX));
        self.allow_empty = true;
    }

    /// Whether this run looks after an agent.
    pub fn covers(&self, agent: &AgentName) -> bool {
        self.scope.as_ref().is_none_or(|scope| scope.contains(agent))
    }
}

/// What is due, for each agent that is not at rest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The changes, by agent.
    pub changes: BTreeMap<AgentName, Change>,
    /// What the plan may do at most, and whether it keeps to it.
    pub guards: Vec<GuardCheck>,
    /// What is due for the tmux server itself.
    pub server: Option<ServerChange>,
    /// How many of the agents that this run looks after are at rest.
    pub at_rest: usize,
}

impl Plan {
    /// Whether nothing is due.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.server.is_none()
    }

    /// Whether a step of this round can be taken.
    pub fn has_acts(&self) -> bool {
        self.server.is_some() || self.changes.values().any(|change| matches!(change.next, Next::Act(_)))
    }

    /// Whether there is something that a person should see first: a step of this round, or an end that will come and has not begun. What was
    /// begun goes on by itself.
    pub fn needs_approval(&self, observed: &Observed) -> bool {
        let begun = |agent: &AgentName| observed.agents.get(agent).is_some_and(|sighting| matches!(sighting.phase, Phase::Leaving(_)));
        self.has_acts() || self.interrupted().iter().any(|agent| !begun(agent))
    }

    /// Whether something goes on by itself.
    pub fn has_waits(&self) -> bool {
        self.changes.values().any(|change| matches!(change.next, Next::Wait(_)))
    }

    /// The agents that it interrupts, now or once a wait is over.
    pub fn interrupted(&self) -> BTreeSet<AgentName> {
        self.changes.iter().filter(|(_, change)| guard::interrupts(change)).map(|(name, _)| name.clone()).collect()
    }

    /// The agents that would be replaced, and whose successor cannot start.
    pub fn hopeless(&self) -> BTreeSet<AgentName> {
        let is_hopeless = |change: &Change| change.kind == Kind::Replace && matches!(change.next, Next::Blocked(_));
        self.changes.iter().filter(|(_, change)| is_hopeless(change)).map(|(name, _)| name.clone()).collect()
    }

    /// The guards that the plan does not keep to.
    pub fn broken_guards(&self) -> impl Iterator<Item = &GuardCheck> {
        self.guards.iter().filter(|guard| !guard.pass)
    }
}

/// What is due for one agent, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What it comes to in the end.
    pub kind: Kind,
    /// Why.
    pub cause: Cause,
    /// The fields that differ; empty where the cause is none of them.
    pub fields: Vec<FieldChange>,
    /// The step of this round.
    pub next: Next,
}

/// What a change comes to in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An agent that never ran is started.
    Spawn,
    /// A running agent is drained, and another instance follows.
    Replace,
    /// An agent that ended is started again.
    Restart,
    /// Care is applied in place.
    Amend,
    /// Something is typed into the terminal of a running agent, or a note is laid into its inbox.
    Deliver,
    /// A running agent is drained.
    Stop,
    /// A running instance becomes ours without a restart.
    Adopt,
    /// An agent that ended is remembered no more.
    Forget,
}

/// Why a change is due.
#[derive(Clone, Debug, PartialEq)]
pub enum Cause {
    /// It is declared and never ran.
    New,
    /// Fields of the launch differ.
    LaunchChanged,
    /// The mark tells of another launch, and the record that would say which is lost.
    LaunchUnknown,
    /// Secrets with `on_change = "replace"` have another value.
    SecretChanged(Vec<String>),
    /// A person asked for another instance.
    Asked,
    /// It ended: how.
    Ended(String),
    /// Its start was written down and never took place: the run that would have done it was interrupted.
    StartInterrupted,
    /// It was stopped, and should run.
    WantedAgain,
    /// It runs, and is not ready yet.
    NotReady,
    /// It shows no sign of life, or uses more than it may.
    Faulty(Fault),
    /// Its terminal shows something that it waits with.
    Shows(String),
    /// Something is to be typed into its terminal.
    Message(MessageKind),
    /// A note waits for it.
    Note {
        /// Where.
        source: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// It has not said yet that it has read this note.
    Unread(String),
    /// Fields of its care differ.
    CareChanged,
    /// Something closed the pipe to its log.
    LogClosed,
    /// Its record is lost or was never there.
    Unrecorded,
    /// It was renamed from this.
    Renamed(AgentName),
    /// It is not in the manifest.
    NotDeclared,
    /// It should be stopped: `desired = "stopped"`, or a person asked for it.
    WantedStopped,
    /// What a life of it left behind still runs.
    Remains,
    /// It cannot be told how it is.
    Unknown,
}

/// A field that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// Where, in the words of the manifest: keys as text, places in arrays as numbers.
    pub path: Vec<Value>,
    /// What it is; none if it is not set.
    pub before: Option<Value>,
    /// What it should be; none if it should not be set.
    pub after: Option<Value>,
}

/// A limit on what a plan may do.
#[derive(Clone, Debug, PartialEq)]
pub struct GuardCheck {
    /// Which limit.
    pub name: GuardName,
    /// The limit as the manifest or the flag writes it; for `moved` the manifest that the fleet belongs to.
    pub limit: String,
    /// What the plan would do.
    pub value: usize,
    /// Whether that is within the limit.
    pub pass: bool,
}

/// What is due for the tmux server of the fleet.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerChange {
    /// Its options are set anew.
    Set {
        /// What differs.
        fields: Vec<FieldChange>,
        /// The server as it should be.
        after: Server,
    },
    /// No agent needs it any more: it ends as soon as it holds no session, be it a stranger's.
    Close(Server),
}

#[cfg(test)]
mod tests;
