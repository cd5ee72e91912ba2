//! Which agents are meant: names, globs, `label:key=value`.

use std::collections::BTreeSet;

use anyhow::Result;

use super::error::coded;
use crate::desired::{AgentName, AgentSpec, Desired, glob};
use crate::observed::Observed;
use crate::render::json::ErrorCode;
use crate::time::Timestamp;

/// The agents that a command is about.
#[derive(Debug, clap::Args)]
pub(super) struct Chosen {
    /// The agents: names, globs or label:key=value
    #[arg(value_name = "AGENT")]
    agents: Vec<String>,
    /// All agents of the fleet
    #[arg(long, conflicts_with = "agents")]
    all: bool,
}

impl Chosen {
    /// What was said of them, as patterns.
    ///
    /// # Errors
    ///
    /// If nothing was said.
    pub(super) fn patterns(&self) -> Result<Vec<String>> {
        match (self.all, &self.agents[..]) {
            (true, _) => Ok(vec!["*".to_owned()]),
            (false, []) => Err(coded(ErrorCode::Usage, "which agents? Name them, or say --all")),
            (false, agents) => Ok(agents.to_vec()),
        }
    }
}

/// The agents that a pattern means.
///
/// # Errors
///
/// If there is none, with the name that may have been meant.
pub(super) fn select(pattern: &str, desired: &Desired, observed: &Observed) -> Result<BTreeSet<AgentName>> {
    let names: BTreeSet<&AgentName> = desired.agents.keys().chain(observed.agents.keys()).collect();
    let spec = |name: &AgentName| -> Option<&AgentSpec> {
        let seen = observed.agents.get(name).and_then(|sighting| sighting.spec.as_ref());
        desired.agents.get(name).map(|declared| &declared.spec).or(seen)
    };
    let label = pattern.strip_prefix("label:").map(|label| label.split_once('=').unwrap_or((label, "*")));
    let meant = |name: &AgentName| match label {
        Some((key, value)) => spec(name).and_then(|spec| spec.care.labels.get(key)).is_some_and(|label| glob(value, label)),
        None => glob(pattern, name.as_str()),
    };
    let found: BTreeSet<AgentName> = names.iter().filter(|name| meant(name)).map(|name| (*name).clone()).collect();
    if found.is_empty() {
        return match close(pattern, names.into_iter()) {
            Some(name) => Err(unknown(format!("no agent is called `{pattern}`; did you mean `{name}`?"))),
            None => Err(unknown(format!("no agent matches `{pattern}`"))),
        };
    }
    Ok(found)
}

/// The declared agents that a pattern means.
///
/// # Errors
///
/// If there is none, with the name that may have been meant.
pub(super) fn declared(pattern: &str, desired: &Desired) -> Result<BTreeSet<AgentName>> {
    select(pattern, desired, &Observed::nothing(desired.fleet.clone(), Timestamp::default()))
}

/// The one agent that is meant, declared or not.
///
/// # Errors
///
/// If there is none, or more than one.
pub(super) fn one(pattern: &str, desired: &Desired, observed: &Observed) -> Result<AgentName> {
    let mut agents = select(pattern, desired, observed)?.into_iter();
    match (agents.next(), agents.next()) {
        (Some(agent), None) => Ok(agent),
        (Some(_) | None, _) => Err(unknown(format!("`{pattern}` means more than one agent: name one"))),
    }
}

/// The declared agent of this name.
///
/// # Errors
///
/// If there is none, with the name that may have been meant.
pub(super) fn named(name: &str, desired: &Desired) -> Result<AgentName> {
    if let Some((name, _)) = desired.agents.get_key_value(name) {
        return Ok(name.clone());
    }
    match close(name, desired.agents.keys()) {
        Some(other) => Err(unknown(format!("no agent is called `{name}`; did you mean `{other}`?"))),
        None => Err(unknown(format!("no agent is called `{name}`"))),
    }
}

fn unknown(message: String) -> anyhow::Error {
    coded(ErrorCode::AgentUnknown, message)
}

/// The name that may have been meant.
fn close<'a>(name: &str, names: impl Iterator<Item = &'a AgentName>) -> Option<&'a AgentName> {
    let (distance, close) = names.map(|other| (strsim::damerau_levenshtein(name, other.as_str()), other)).min()?;
    (distance <= close.as_str().len() / 2).then_some(close)
}

/// The agents that any of the patterns means.
pub(super) fn select_all(patterns: &[String], desired: &Desired, observed: &Observed) -> Result<BTreeSet<AgentName>> {
    let mut all = BTreeSet::new();
    for pattern in patterns {
        all.extend(select(pattern, desired, observed)?);
    }
    Ok(all)
}

/// The agents and, transitively, all that they wait for.
pub(super) fn with_dependencies(agents: BTreeSet<AgentName>, desired: &Desired) -> BTreeSet<AgentName> {
    let mut all = agents;
    let mut open: Vec<AgentName> = all.iter().cloned().collect();
    while let Some(agent) = open.pop() {
        for other in desired.agents.get(&agent).into_iter().flat_map(|declared| declared.spec.care.after.keys()) {
            if all.insert(other.clone()) {
                open.push(other.clone());
            }
        }
    }
    all
}
