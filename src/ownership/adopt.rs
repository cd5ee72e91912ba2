//! What runs already becomes the instance of an agent.

use std::path::PathBuf;

use anyhow::Result;

use super::{event, is_adopted, unclear};
use crate::desired::{AgentName, AgentSpec, Desired, Place, Wish};
use crate::event::{Event, What};
use crate::host::{Act, Candidate, Host, Live, Outcome, Pointer, ProgramIs};
use crate::observe::Seen;
use crate::observed::{Failures, Instance, Phase, Seat, Sighting};
use crate::state::{Fleet, Record};

/// Makes what a person points to the instance of a declared agent: its next life, as the manifest declares it now. Returns what happened, or why
/// nothing did.
///
/// # Errors
///
/// If the state folder cannot be written.
pub fn adopt(
    agent: &AgentName,
    pointer: &Pointer,
    desired: &Desired,
    seen: &mut Seen,
    fleet: &Fleet,
    host: &mut Live,
) -> Result<Result<Vec<Event>, String>> {
    let Some(declared) = desired.agents.get(agent) else { return Ok(Err(format!("{agent} is not declared"))) };
    let spec = &declared.spec;
    let candidate = match fits(agent, pointer, spec).and_then(|()| host.candidate(pointer, &desired.server, agent)) {
        Ok(candidate) => candidate,
        Err(why) => return Ok(Err(why)),
    };
    let sighting = seen.observed.agents.get(agent).cloned().unwrap_or_default();
    if let Some(why) = refusal(agent, spec, &candidate, &sighting, seen) {
        return Ok(Err(why));
    }
    let before = seen.records.get(agent).cloned();
    let instance = instance(agent, spec, &candidate, &sighting, fleet);
    let record = Record { asked_at: host.now(), ..record(instance.clone(), spec, before.clone()) };
    fleet.write_wish(&record)?;
    // A dead pane of the life before goes, as it does when another life follows.
    let clear = sighting.instance.filter(|_| matches!(sighting.phase, Phase::Exited(_))).map(|only| Act::Clear { only });
    let dress = Act::Dress { only: instance, spec: Box::new(spec.clone()) };
    let outcome = host.act(&clear.into_iter().chain([dress]).collect::<Vec<_>>()).pop();
    let mut events = vec![event(agent, &record, What::Adopt, told(&candidate), seen)];
    match outcome {
        Some(Outcome::Refused(why)) => {
            match before {
                Some(before) => fleet.write_wish(&before)?,
                None => fleet.remove(agent)?,
            }
            return Ok(Err(format!("{agent}: {why}")));
        }
        // The record alone makes it ours; its pane is marked when care is applied to it next.
        Some(Outcome::Failed(why) | Outcome::Hindered(why) | Outcome::Unknown(why)) => {
            events.push(event(agent, &record, What::Failed, why, seen))
        }
        Some(Outcome::Done | Outcome::Skipped) | None => {}
    }
    seen.records.insert(agent.clone(), record);
    fleet.journal()?.append(&events)?;
    Ok(Ok(events))
}

/// Whether a pointer can mean what this agent is.
fn fits(agent: &AgentName, pointer: &Pointer, spec: &AgentSpec) -> Result<(), String> {
    match (pointer, &spec.launch.place) {
        (Pointer::Session(_), Place::Tmux { .. }) | (Pointer::Pid(_), Place::Daemon { .. }) => Ok(()),
        (Pointer::Session(_), Place::Daemon { .. }) => Err(format!("{agent} is declared as a daemon: point to its process with --pid")),
        (Pointer::Pid(_), Place::Tmux { .. }) => Err(format!("{agent} is declared to run in tmux: point to its session with --session")),
    }
}

/// Why an agent is not given this.
fn refusal(agent: &AgentName, spec: &AgentSpec, candidate: &Candidate, sighting: &Sighting, seen: &Seen) -> Option<String> {
    let is_it = |instance: &Instance| instance.program.as_ref() == Some(&candidate.program);
    let pid = candidate.program.pid;
    let mut others = seen.observed.agents.iter().filter(|(name, _)| *name != agent);
    if let Some((other, _)) = others.find(|(_, sighting)| sighting.instance.as_ref().is_some_and(is_it)) {
        return Some(format!("process {pid} is the instance of {other}; let it go first: `reconcile forget {other}`"));
    }
    // The tree of one that has a keeper ends at marks, and a mark is no candidate's.
    let shares =
        |instance: &Instance| is_adopted(instance) && instance.program.as_ref().is_some_and(|other| candidate.shares_a_tree(other));
    let mut others = seen.observed.agents.iter().filter(|(name, _)| *name != agent);
    if let Some((other, _)) = others.find(|(_, sighting)| sighting.instance.as_ref().is_some_and(shares)) {
        return Some(format!("process {pid} and that of {other} are of one tree: whoever ends one of them ends the other"));
    }
    if let Some(why) = unclear(agent, sighting, seen) {
        return Some(why);
    }
    if spec.care.desired == Wish::Stopped {
        return Some(format!("{agent} is declared with desired = \"stopped\": the next apply would end what was adopted"));
    }
    if let (Phase::Running { .. } | Phase::Leaving(_), Some(own)) = (&sighting.phase, &sighting.instance) {
        // What was found without a record is taken up here as it would be by an apply.
        let is_found = is_adopted(own) && is_it(own) && sighting.spec.is_none();
        match &own.program {
            _ if is_found => {}
            Some(_) if is_it(own) => return Some(format!("process {pid} is the instance of {agent} already")),
            Some(own) => return Some(format!("{agent} runs already, as process {}; stop it first: `reconcile stop {agent}`", own.pid)),
            None => return Some(format!("{agent} runs already; stop it first: `reconcile stop {agent}`")),
        }
    }
    match &candidate.program_is {
        ProgramIs::Missing(shell) if spec.launch.command.program().rsplit('/').next() != Some(shell) => {
            Some(format!("process {pid} is a shell, `{shell}`, and waits for commands: there is no program to adopt"))
        }
        ProgramIs::Itself | ProgramIs::Below(_) | ProgramIs::Missing(_) => None,
    }
}

fn instance(agent: &AgentName, spec: &AgentSpec, candidate: &Candidate, sighting: &Sighting, fleet: &Fleet) -> Instance {
    let default = || fleet.paths().pidfile(agent);
    let pidfile = |place: &Place| -> PathBuf {
        match place {
            Place::Daemon { pidfile } => pidfile.clone().unwrap_or_else(default),
            Place::Tmux { .. } => default(),
        }
    };
    Instance {
        agent: agent.clone(),
        generation: sighting.generation.max(sighting.replace_up_to).next(),
        mark: None,
        keeper: None,
        program: Some(candidate.program.clone()),
        seat: candidate.pane.clone().unwrap_or_else(|| Seat::Detached { pidfile: pidfile(&spec.launch.place) }),
    }
}

/// What is remembered from here on: a life of which nothing was seen yet, and what outlasts lives. That it should be stopped does not: it is wanted.
fn record(instance: Instance, spec: &AgentSpec, before: Option<Record>) -> Record {
    let agent = instance.agent.clone();
    let kept = before.unwrap_or_else(|| Record::new(agent.clone()));
    let predecessor_unproven = kept.may_have_left(None);
    Record {
        generation: instance.generation,
        spec: Some(spec.clone()),
        instance: Some(instance),
        failures: Failures { restarts: kept.failures.restarts, ..Failures::default() },
        paused: kept.paused,
        untyped: kept.untyped,
        requested: kept.requested,
        undelivered: kept.undelivered,
        left: kept.left,
        predecessor_unproven,
        ..Record::new(agent)
    }
}

/// What was adopted, for the history.
fn told(candidate: &Candidate) -> String {
    let pid = candidate.program.pid;
    let place = match &candidate.pane {
        Some(Seat::Pane { session, pane, .. }) => format!(" in the pane {pane} of the session {session}"),
        Some(Seat::Detached { .. } | Seat::Adrift { .. }) | None => String::new(),
    };
    match &candidate.program_is {
        ProgramIs::Itself | ProgramIs::Missing(_) => format!("process {pid}{place}"),
        ProgramIs::Below(shell) => format!("process {pid}{place}, which is `{shell}`: when that ends, so does this life"),
    }
}
