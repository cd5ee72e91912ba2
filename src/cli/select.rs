//! Which agents are meant: names, globs, `label:key=value`.

use std::collections::BTreeSet;

use anyhow::Result;

use super::error::coded;
use crate::desired::{AgentName, AgentSpec, Desired, glob, is_glob};
use crate::observe::recall;
use crate::observed::Observed;
use crate::render::json::ErrorCode;
use crate::state::Fleet;
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

/// The pattern for all agents of the fleet.
pub(super) const ALL: &str = "*";

impl Chosen {
    /// What was said of them, as patterns.
    ///
    /// # Errors
    ///
    /// If nothing was said.
    pub(super) fn patterns(&self) -> Result<Vec<String>> {
        match (self.all, &self.agents[..]) {
            (true, _) => Ok(vec![ALL.to_owned()]),
            (false, []) => Err(coded(ErrorCode::Usage, "which agents? Name them, or pass --all")),
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
        return Err(unknown(pattern, &names.into_iter().collect::<Vec<_>>()));
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
    let agents = select(pattern, desired, observed)?;
    match agents.first() {
        Some(agent) if agents.len() == 1 => Ok(agent.clone()),
        Some(_) | None => {
            let several = candidates(agents.iter());
            Err(coded(ErrorCode::AgentUnknown, format!("`{pattern}` means more than one agent; name one of {}", several.join(", "))))
        }
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
    Err(unknown(name, &desired.agents.keys().collect::<Vec<_>>()))
}

/// That no agent is meant, with those that may have been: whose names begin so, else the one that is spelled nearly so.
fn unknown(pattern: &str, names: &[&AgentName]) -> anyhow::Error {
    if pattern.starts_with("label:") || is_glob(pattern) {
        return coded(ErrorCode::AgentUnknown, format!("no agent matches `{pattern}`"));
    }
    let begin = candidates(names.iter().copied().filter(|name| !pattern.is_empty() && name.as_str().starts_with(pattern)));
    let message = match &begin[..] {
        [] => match close(pattern, names) {
            Some(name) => format!("no agent is called `{pattern}`; did you mean `{name}`?"),
            None => format!("no agent is called `{pattern}`"),
        },
        [only] => format!("no agent is called `{pattern}`; did you mean {only}?"),
        several => format!("no agent is called `{pattern}`; did you mean one of {}?", several.join(", ")),
    };
    coded(ErrorCode::AgentUnknown, message)
}

/// Names to choose from, as they are shown: the first of them, and how many more there are.
fn candidates<'a>(names: impl Iterator<Item = &'a AgentName>) -> Vec<String> {
    /// More than these are no help.
    const MOST: usize = 8;
    let mut shown: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if shown.len() > MOST {
        let more = shown.len() - MOST;
        shown.truncate(MOST);
        shown.push(format!("{more} more"));
    }
    shown
}

/// The name that is spelled nearly so.
fn close<'a>(name: &str, names: &[&'a AgentName]) -> Option<&'a AgentName> {
    let (distance, close) = names.iter().map(|other| (strsim::damerau_levenshtein(name, other.as_str()), *other)).min()?;
    (distance <= close.as_str().len() / 2).then_some(close)
}

/// Whether a word on the command line is a file and no agent: no name of an agent has such letters.
pub(super) fn is_a_path(word: &str) -> bool {
    !word.starts_with("label:") && word.contains(['/', '.'])
}

/// Refuses a manifest where `-f` is not followed by one.
///
/// # Errors
///
/// If one of the words is a file.
pub(super) fn no_manifest_after_follow(command: &str, words: &[String]) -> Result<()> {
    match words.iter().find(|word| is_a_path(word)) {
        Some(path) => Err(coded(
            ErrorCode::Usage,
            format!("after `{command}`, -f means follow and takes no file; name the manifest before it: `reconcile -f {path} {command} …`"),
        )),
        None => Ok(()),
    }
}

/// The agents that any of the patterns means.
pub(super) fn select_all(patterns: &[String], desired: &Desired, observed: &Observed) -> Result<BTreeSet<AgentName>> {
    let mut all = BTreeSet::new();
    for pattern in patterns {
        all.extend(select(pattern, desired, observed)?);
    }
    Ok(all)
}

/// The agents that the patterns mean as far as the manifest and the records tell, with all that they wait for: nobody else need be asked anything. None
/// if only a look at the machine can tell.
///
/// # Errors
///
/// If the records cannot be read.
pub(super) fn meant(patterns: &[String], desired: &Desired, fleet: &Fleet, at: Timestamp) -> Result<Option<BTreeSet<AgentName>>> {
    let declared: Option<BTreeSet<AgentName>> = patterns.iter().map(|pattern| named(pattern, desired).ok()).collect();
    let agents = match declared {
        Some(agents) => Some(agents),
        None => select_all(patterns, desired, &recall(desired, fleet, at)?).ok(),
    };
    Ok(agents.map(|agents| with_dependencies(agents, desired)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_begun_is_asked_about_with_all_that_begin_so() {
        let names: Vec<AgentName> = ["job-alpha", "job-beta", "lead", "mail"].map(|name| name.parse().unwrap()).to_vec();
        let names: Vec<&AgentName> = names.iter().collect();
        let said = |pattern: &str| unknown(pattern, &names).to_string();
        assert_eq!(said("job-a"), "no agent is called `job-a`; did you mean `job-alpha`?");
        assert_eq!(said("job"), "no agent is called `job`; did you mean one of `job-alpha`, `job-beta`?");
        assert_eq!(said("laed"), "no agent is called `laed`; did you mean `lead`?");
        assert_eq!(said("nothing-like-it"), "no agent is called `nothing-like-it`");
        assert_eq!(said("z*"), "no agent matches `z*`");
        let many: Vec<AgentName> = (10..20).map(|number| format!("w{number}").parse().unwrap()).collect();
        let said = unknown("w", &many.iter().collect::<Vec<_>>()).to_string();
        assert!(said.ends_with("`w17`, 2 more?"), "{said}");
    }
}
