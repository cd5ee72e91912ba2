//! What is left to do of a plan, agent by agent: in which stage each is, why, and how long that may take. For errors and the files of runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reason::words;
use super::{Change, KILL_PATIENCE, Kind, Next, Plan, Reason, Wait, Word};
use crate::desired::{AgentName, Care, Desired};
use crate::observed::{Observed, Phase, Step};
use crate::time::Duration;

words! {
    /// How far an agent is on its way.
    Stage {
        /// It is to be started.
        Start = "start",
        /// It runs and is to get ready.
        Ready = "ready",
        /// It is to get a note or a text.
        Deliver = "deliver",
        /// It is to be changed in place, taken over or forgotten.
        Amend = "amend",
        /// It is to end, as it is asked to.
        Drain = "drain",
        /// Its tree is killed.
        Kill = "kill",
    }
}

/// What is left to do of one agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unfinished {
    /// Which one.
    #[schemars(with = "String")]
    pub agent: AgentName,
    /// How far it is.
    pub step: Stage,
    /// Why it is no further; null if its next step would have been taken.
    pub reason: Option<Word>,
    /// How long this stage may take, in milliseconds; null if it has no limit of its own.
    pub timeout_ms: Option<u64>,
    /// The same in words, and what to do.
    pub message: String,
    /// The last lines that it printed, where they may tell why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub printed: Vec<String>,
}

/// What is left to do of each agent of a plan, by name.
pub fn unfinished(plan: &Plan, desired: &Desired, observed: &Observed) -> Vec<Unfinished> {
    let one = |(agent, change): (&AgentName, &Change)| {
        let sighting = observed.agents.get(agent);
        let recorded = sighting.and_then(|sighting| sighting.spec.as_ref());
        let care = desired.agents.get(agent).map(|declared| &declared.spec).or(recorded).map(|spec| &*spec.care);
        let step = stage(change, sighting.map_or(&Phase::Absent, |sighting| &sighting.phase));
        let (reason, message) = match &change.next {
            Next::Act(action) => (None, format!("{action}: {}", change.why())),
            Next::Wait(wait) => (Some(Word::Waits(wait.reason())), wait.to_string()),
            Next::Held(held) => (Some(Word::Held(held.reason())), held.text(agent)),
            Next::Blocked(blocked) => (Some(Word::Blocked(blocked.reason)), blocked.message.clone()),
        };
        let timeout_ms = limit(step, care, &change.next).map(Duration::as_millis);
        Unfinished { agent: agent.clone(), step, reason, timeout_ms, message, printed: Vec::new() }
    };
    plan.changes.iter().map(one).collect()
}

fn stage(change: &Change, phase: &Phase) -> Stage {
    match &change.next {
        Next::Blocked(blocked) if blocked.reason == Reason::KillFailed => return Stage::Kill,
        Next::Wait(Wait::Ready { .. }) => return Stage::Ready,
        Next::Wait(Wait::Read { .. }) => return Stage::Deliver,
        Next::Act(_) | Next::Wait(_) | Next::Held(_) | Next::Blocked(_) => {}
    }
    match (phase, change.kind) {
        (Phase::Leaving(leaving), _) => match leaving.step {
            Step::Drain(_) => Stage::Drain,
            Step::Kill => Stage::Kill,
        },
        (Phase::Running { .. }, Kind::Stop | Kind::Replace) => Stage::Drain,
        (Phase::Running { .. }, Kind::Spawn | Kind::Restart) => Stage::Ready,
        (_, Kind::Deliver) => Stage::Deliver,
        (_, Kind::Amend | Kind::Adopt | Kind::Forget) => Stage::Amend,
        (Phase::Absent | Phase::Exited(_) | Phase::Unknown { .. }, Kind::Spawn | Kind::Replace | Kind::Restart) => Stage::Start,
        (Phase::Absent | Phase::Exited(_) | Phase::Unknown { .. }, Kind::Stop) => Stage::Drain,
    }
}

/// How long a stage may take.
fn limit(stage: Stage, care: Option<&Care>, next: &Next) -> Option<Duration> {
    match stage {
        Stage::Ready => Some(care?.ready.timeout),
        Stage::Kill => Some(KILL_PATIENCE),
        Stage::Drain => Some(care?.drain.iter().fold(KILL_PATIENCE, |sum, step| sum + step.wait)),
        Stage::Deliver => match next {
            Next::Wait(Wait::Read { .. }) => care?.handoff.ack.as_ref().map(|ack| ack.timeout),
            Next::Blocked(blocked) if blocked.reason == Reason::NotAcknowledged => care?.handoff.ack.as_ref().map(|ack| ack.timeout),
            Next::Act(_) | Next::Wait(_) | Next::Held(_) | Next::Blocked(_) => None,
        },
        Stage::Start | Stage::Amend => None,
    }
}
