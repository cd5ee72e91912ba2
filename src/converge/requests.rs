//! What agents and scripts ask for by files becomes a fact in the record of its agent. Nothing is done here: every request passes the planner, and
//! its guards, like all that is due.

use anyhow::Result;

use crate::desired::{AgentName, Desired, Wish};
use crate::event::{Event, What};
use crate::host::Host;
use crate::observed::{Failures, Halt, Pause};
use crate::state::handoff::{NoteId, spool};
use crate::state::request::{Claimed, Request, STALE, Verb};
use crate::state::{Fleet, Record};
use crate::time::Timestamp;

/// Takes every request that is there, and says what came of each. Whoever calls it holds the fleet's lock.
///
/// # Errors
///
/// If the state folder cannot be read or written.
pub fn take_requests(desired: &Desired, fleet: &Fleet, host: &mut dyn Host) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    for claimed in fleet.claim_requests(host.now())? {
        let at = host.now();
        let outcome = match &claimed.request {
            Ok(request) => carry_out(request, &claimed, desired, fleet, host)?,
            Err(why) => Err(why.clone()),
        };
        let name = claimed.name.escape_debug().to_string();
        let agent = claimed.request.as_ref().ok().and_then(|request| request.agent.clone());
        match outcome {
            Ok(None) => {}
            Ok(Some(why)) => events.push(Event { at, agent, generation: None, what: What::Requested, why }),
            Err(why) => {
                let why = format!("the request {name} was not carried out: {why}");
                events.push(Event { at, agent, generation: None, what: What::Ignored, why });
            }
        }
        fleet.finish_request(&claimed)?;
    }
    Ok(events)
}

/// What was done, if that is worth a word; or why nothing was.
type Outcome = Result<Option<String>, String>;

fn carry_out(request: &Request, claimed: &Claimed, desired: &Desired, fleet: &Fleet, host: &mut dyn Host) -> Result<Outcome> {
    let Request { version: _, verb, agent, generation: _, until: _, text, message, ts: _ } = request;
    let now = host.now();
    let age = now.since(claimed.asked_at);
    if age > STALE {
        return Ok(Err(format!("it is {} old, and was meant for another day", age.rough())));
    }
    let because = message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    let told = Ok(Some(format!("{}{because}", verb.as_str())));
    match (verb, agent) {
        (Verb::Look, _) => return Ok(Ok(None)),
        (Verb::Halt, _) => {
            fleet.halt(Halt { since: now, why: message.clone(), frozen: false })?;
            return Ok(told);
        }
        (Verb::Resume, None) => {
            if fleet.halted()?.is_some_and(|halt| halt.frozen) {
                return Ok(Err("the processes are stopped; a person sets them going: reconcile resume".to_owned()));
            }
            fleet.end_halt()?;
            return Ok(told);
        }
        (_, None) => return Ok(Err(format!("`{}` needs an `agent`", verb.as_str()))),
        (_, Some(_)) => {}
    }
    let Some(agent) = agent else { return Ok(told) };
    let record = match fleet.record(agent)? {
        Some(Ok(record)) => record,
        Some(Err(why)) => return Ok(Err(why)),
        None if desired.agents.contains_key(agent) => Record::new(agent.clone()),
        None => return Ok(Err(format!("there is no agent {agent}"))),
    };
    if let Err(why) = is_meant(request, claimed, &record) {
        return Ok(Err(why));
    }
    if let Some(text) = text {
        lay_down(fleet, host, agent, text)?;
    } else if *verb == Verb::Handoff {
        return Ok(Err("a handoff needs a `text`".to_owned()));
    }
    if let Some(record) = asked(request, record, now) {
        fleet.write_wish(&record)?;
    }
    Ok(told)
}

/// Whether the life that is there is the one of which something is asked.
fn is_meant(request: &Request, claimed: &Claimed, record: &Record) -> Result<(), String> {
    match (request.generation, request.verb) {
        (Some(meant), _) if meant != record.generation => {
            Err(format!("it is about generation {meant} of {}, and this is generation {}", record.agent, record.generation))
        }
        // A restart that was asked of the life before is done.
        (None, Verb::Restart) if record.generation.0 > 0 && claimed.asked_at < record.asked_at => {
            Err(format!("it was written before the present life of {} began", record.agent))
        }
        (Some(_) | None, _) => Ok(()),
    }
}

/// The record with what is asked in it; none if nothing in it changes.
fn asked(request: &Request, mut record: Record, now: Timestamp) -> Option<Record> {
    let before = record.clone();
    match request.verb {
        Verb::Restart => {
            record.wanted = Wish::Running;
            record.replace_up_to = record.generation;
        }
        Verb::Start => {
            record.wanted = Wish::Running;
            record.failures = Failures { restarts: record.failures.restarts, ..Failures::default() };
            if record.ended.is_some() {
                record.replace_up_to = record.generation;
            }
        }
        Verb::Stop => record.wanted = Wish::Stopped,
        Verb::Pause => record.paused = Some(Pause { since: now, until: request.until, why: request.message.clone() }),
        Verb::Resume => record.paused = None,
        Verb::Halt | Verb::Handoff | Verb::Look => {}
    }
    (record != before).then_some(record)
}

fn lay_down(fleet: &Fleet, host: &mut dyn Host, agent: &AgentName, text: &str) -> Result<()> {
    fleet.prepare()?;
    let id: NoteId = host.fresh_id().parse().map_err(anyhow::Error::msg)?;
    spool::put(&fleet.paths().spool(agent), id, text, host.now())?;
    Ok(())
}
