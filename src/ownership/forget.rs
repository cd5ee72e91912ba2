//! An instance is let go, or what is remembered of one that is no more.

use std::collections::BTreeSet;

use anyhow::Result;

use super::{event, is_adopted, unclear};
use crate::desired::{AgentName, Desired};
use crate::event::{Event, What};
use crate::host::{Act, Host, Outcome};
use crate::observe::Seen;
use crate::observed::{Instance, Phase, Sighting};
use crate::state::handoff::shutdown;
use crate::state::{Fleet, Record};

/// What became of one agent.
#[derive(Clone, Debug, PartialEq)]
pub enum LetGo {
    /// Nothing was remembered of it.
    Unknown,
    /// It had ended or never ran, and is remembered no more.
    Forgotten,
    /// It had been adopted; its process, of this number, is nobody's now.
    Freed(Option<u32>),
    /// Its keeper bears its mark as long as it runs, so it is remembered as one that is ours no more. Its program's number.
    Released(Option<u32>),
}

/// Ends the ownership of agents, all or none, and touches no process. Returns what became of each, or why nothing was done.
///
/// # Errors
///
/// If the state folder cannot be written.
pub fn forget(
    agents: &BTreeSet<AgentName>,
    desired: &Desired,
    seen: &mut Seen,
    fleet: &Fleet,
    host: &mut dyn Host,
) -> Result<Result<Vec<(AgentName, LetGo)>, String>> {
    let mut ways = Vec::new();
    for agent in agents {
        let sighting = seen.observed.agents.get(agent).cloned().unwrap_or_default();
        match way(agent, &sighting, desired.agents.contains_key(agent), seen) {
            Ok(way) => ways.push((agent.clone(), sighting, way)),
            Err(why) => return Ok(Err(why)),
        }
    }
    let acts: Vec<Act> = ways.iter().filter_map(|(_, sighting, way)| act(sighting.instance.clone()?, way)).collect();
    // Before the records go: a pane that still bears its mark would be found by it.
    for (act, outcome) in acts.iter().zip(host.act(&acts)) {
        match outcome {
            Outcome::Failed(why) | Outcome::Hindered(why) | Outcome::Unknown(why) if matches!(act, Act::Release { .. }) => {
                return Ok(Err(why));
            }
            Outcome::Skipped => return Ok(Err("a signal asked to stop".to_owned())),
            // What cannot be let go or removed because it is not there any more is as it should be.
            Outcome::Done | Outcome::Refused(_) | Outcome::Failed(_) | Outcome::Hindered(_) | Outcome::Unknown(_) => {}
        }
    }
    let mut events = Vec::new();
    for (agent, _, way) in &ways {
        events.extend(remember(agent, way, seen, fleet)?);
    }
    fleet.journal()?.append(&events)?;
    Ok(Ok(ways.into_iter().map(|(agent, _, way)| (agent, way)).collect()))
}

/// What is to become of an agent, or why nothing may.
fn way(agent: &AgentName, sighting: &Sighting, is_declared: bool, seen: &Seen) -> Result<LetGo, String> {
    if let Some(why) = unclear(agent, sighting, seen) {
        return Err(why);
    }
    let instance = sighting.instance.as_ref();
    let pid = instance.and_then(|instance| instance.program.as_ref()).map(|program| program.pid);
    match &sighting.phase {
        Phase::Running { .. } | Phase::Leaving(_) if instance.is_some_and(is_adopted) => Ok(LetGo::Freed(pid)),
        Phase::Running { .. } | Phase::Leaving(_) if is_declared => Err(format!(
            "{agent} runs under its keeper, and the manifest declares it: the next apply would take it up again. Take it out of the manifest first, \
             or stop it: `reconcile stop {agent}`"
        )),
        Phase::Running { .. } | Phase::Leaving(_) => Ok(LetGo::Released(pid)),
        Phase::Absent | Phase::Exited(_) | Phase::Unknown { .. } if seen.records.contains_key(agent) || instance.is_some() => {
            Ok(LetGo::Forgotten)
        }
        Phase::Absent | Phase::Exited(_) | Phase::Unknown { .. } => Ok(LetGo::Unknown),
    }
}

/// What is done to the pane of one that was adopted, or to what a dead instance left.
fn act(only: Instance, way: &LetGo) -> Option<Act> {
    match way {
        LetGo::Freed(_) => Some(Act::Release { only }),
        LetGo::Forgotten => Some(Act::Clear { only }),
        LetGo::Unknown | LetGo::Released(_) => None,
    }
}

/// Writes down what became of an agent, and says it.
fn remember(agent: &AgentName, way: &LetGo, seen: &mut Seen, fleet: &Fleet) -> Result<Vec<Event>> {
    let record = seen.records.get(agent).cloned().unwrap_or_else(|| Record::new(agent.clone()));
    let why = match way {
        LetGo::Unknown => return Ok(Vec::new()),
        LetGo::Forgotten => "a person asked for it".to_owned(),
        LetGo::Freed(pid) => format!("a person asked for it; its process{} goes on as nobody's", number(*pid)),
        LetGo::Released(pid) => format!("a person asked for it; its process{} goes on and is ours no more", number(*pid)),
    };
    let mut events = vec![event(agent, &record, What::Forget, why, seen)];
    // Whatever goes on is asked for nothing any more; what cannot be taken back is known to no one from here on.
    record.requested.iter().for_each(|message| _ = shutdown::take_back(message));
    for posted in &record.posted {
        events.push(event(agent, &record, What::Undelivered, posted.refused("the agent was let go"), seen));
    }
    match way {
        LetGo::Released(_) => {
            let record = Record { released: true, leaving: None, posted: Vec::new(), requested: Vec::new(), ..record };
            fleet.write_wish(&record)?;
            seen.records.insert(agent.clone(), record);
        }
        LetGo::Unknown | LetGo::Forgotten | LetGo::Freed(_) if record.untyped.is_empty() => {
            fleet.remove(agent)?;
            seen.records.remove(agent);
        }
        // Nothing is remembered but the notes that nobody has got yet.
        LetGo::Unknown | LetGo::Forgotten | LetGo::Freed(_) => {
            fleet.write_wish(&Record { untyped: record.untyped, ..Record::new(agent.clone()) })?;
        }
    }
    Ok(events)
}

fn number(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" {pid}")).unwrap_or_default()
}
