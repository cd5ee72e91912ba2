//! What an agent waits for that only a person can give it.

use super::local::Agent;
use super::{Next, dialogs, unconfirmed, words};
use crate::desired::{AgentName, Care};
use crate::observed::{Activity, Phase, Sighting};
use crate::time::Timestamp;

words! {
    /// What an agent waits for that only a person can give it.
    WaitingFor {
        /// It asks whether it may do something.
        Permission = "permission",
        /// It asks something that nothing declared answers.
        Dialog = "dialog",
        /// A person must log in.
        Login = "login",
        /// It cannot go on by itself: it crashed, its context is full, or a text could not be submitted.
        Person = "person",
    }
}

impl WaitingFor {
    /// What is needed, after the word "for".
    pub fn needed(self) -> &'static str {
        match self {
            Self::Permission => "a permission",
            Self::Dialog => "an answer",
            Self::Login => "a login",
            Self::Person => "a person",
        }
    }

    /// The same as the beginning of a sentence.
    pub(super) fn said(self) -> &'static str {
        match self {
            Self::Permission => "it waits for a permission",
            Self::Dialog => "it waits for an answer",
            Self::Login => "it waits for a login",
            Self::Person => "it waits for a person",
        }
    }
}

/// What an agent with this care waits for that only a person can give it; none if it waits for nothing of that kind, or does not run.
pub fn waiting_for(name: &AgentName, sighting: &Sighting, care: Option<&Care>, now: Timestamp) -> Option<WaitingFor> {
    match &sighting.phase {
        Phase::Running { .. } | Phase::Leaving(_) => {}
        Phase::Absent | Phase::Exited(_) | Phase::Unknown { .. } => return None,
    }
    let terms = super::Terms::default();
    needs(&Agent { name, sighting, now, terms: &terms, conditions: &[] }, care)
}

/// The same for one that is judged.
pub(super) fn needs(agent: &Agent<'_>, care: Option<&Care>) -> Option<WaitingFor> {
    match &agent.sighting.screen.activity {
        Activity::Permission => Some(WaitingFor::Permission),
        Activity::Login => Some(WaitingFor::Login),
        Activity::Exhausted | Activity::Crashed => Some(WaitingFor::Person),
        Activity::Asks(question) => {
            let usual = Care::default();
            let (_, next) = dialogs::asks(agent, care.unwrap_or(&usual), question);
            matches!(next, Next::Blocked(_)).then_some(WaitingFor::Dialog)
        }
        Activity::Draft => unconfirmed::stranded(agent.sighting).map(|_| WaitingFor::Person),
        Activity::Unwatched | Activity::Unclear | Activity::Starting | Activity::Idle | Activity::Busy | Activity::Limit { .. } => None,
    }
}
