//! What one run is asked for beyond the manifest. An input of `observe`, which folds it in before anything is planned: nothing changes an
//! observation afterwards.
//!
//! What must outlive the run is written into the records by the command that asks for it; what is only for this run stays here.

use std::collections::{BTreeMap, BTreeSet};

use crate::desired::{AgentName, Wish};
use crate::observed::{Failures, Message, Phase, Sighting};

/// What a run asks for. The default asks for nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Intent {
    /// What is asked of agents.
    pub requests: BTreeMap<AgentName, Request>,
    /// The notes that this run brings for successors: their sizes in bytes.
    pub notes: BTreeMap<AgentName, Vec<u64>>,
    /// What this run types into terminals. Nothing remembers it: when the run ends before the first key, it is not typed.
    pub messages: BTreeMap<AgentName, Message>,
    /// Only these are asked anything by probes and commands of secrets, for the run is about no other; all without it.
    pub about: Option<BTreeSet<AgentName>>,
}

impl Intent {
    /// To look, and to ask nobody anything.
    pub fn only_look() -> Self {
        Self::about(Some(BTreeSet::new()))
    }

    /// To look at all, and to ask these; all without them.
    pub fn about(agents: Option<BTreeSet<AgentName>>) -> Self {
        Self { about: agents, ..Self::default() }
    }

    /// The same request for all of these agents.
    pub fn of(request: Request, agents: &BTreeSet<AgentName>) -> Self {
        Self { requests: agents.iter().map(|agent| (agent.clone(), request)).collect(), ..Self::default() }
    }
}

impl Intent {
    /// Without the requests for another instance of these agents: what cannot be done now is not done at some later time either.
    pub fn without_replacements(self, of: &BTreeSet<AgentName>) -> Self {
        let is_kept = |agent: &AgentName, request: &Request| match request {
            Request::Restart | Request::Replace => !of.contains(agent),
            Request::Start | Request::Stop | Request::Reset => true,
        };
        let requests = self.requests.into_iter().filter(|(agent, request)| is_kept(agent, request)).collect();
        Self { requests, ..self }
    }
}

/// What a person or a program asks of one agent beyond what the manifest says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// It runs, again if it ended or failed repeatedly.
    Start,
    /// It does not run until it is started.
    Stop,
    /// It runs, as a new instance.
    Restart,
    /// Its present instance is replaced, if it should run at all.
    Replace,
    /// Its failures are forgotten.
    Reset,
}

impl Request {
    /// Turns the request into facts that stay true until something else is asked, and that the planner acts on.
    pub fn fold_into(self, sighting: &mut Sighting) {
        match self {
            Self::Start | Self::Restart => sighting.wanted = Wish::Running,
            Self::Stop => sighting.wanted = Wish::Stopped,
            Self::Replace => {}
            Self::Reset => sighting.failures = Failures::default(),
        }
        let replaces = match self {
            Self::Start => matches!(sighting.phase, Phase::Exited(_)),
            Self::Restart | Self::Replace => true,
            Self::Stop | Self::Reset => false,
        };
        if replaces {
            sighting.replace_up_to = sighting.generation;
        }
    }
}
