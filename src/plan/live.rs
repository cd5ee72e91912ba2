//! What is wrong with a running instance by its own signs of life and its limits, and when that is no reason for another one any more.

use super::local::{Agent, blocked};
use super::start;
use super::{Cause, Change, Kind, Next, Reason};
use crate::desired::{Care, Declared, Policy};
use crate::observed::{Activity, Ended, Exit, Fault, Health, Purpose};
use crate::time::Timestamp;

/// What a running instance is replaced for, if its `live` and `limits` ask for it.
pub(super) fn faulty(agent: &Agent<'_>, declared: &Declared, since: Timestamp, health: &Health) -> Option<Change> {
    let fault = fault(agent, &declared.spec.care, since, health)?;
    if declared.spec.care.restart.policy == Policy::Never {
        // A task has failed: it is ended once, and none follows.
        return Some(agent.leave(Kind::Stop, Cause::Faulty(fault), Purpose::Stop, Some(declared), None));
    }
    if fault.is_failure()
        && let Some(next) = given_up(agent, declared, since, health, &fault)
    {
        return Some(Change { kind: Kind::Replace, cause: Cause::Faulty(fault), fields: Vec::new(), next });
    }
    Some(agent.replace(Cause::Faulty(fault), declared))
}

fn fault(agent: &Agent<'_>, care: &Care, since: Timestamp, health: &Health) -> Option<Fault> {
    let vitals = &agent.sighting.vitals;
    if let (Some(used), Some(limit)) = (vitals.memory, care.limits.memory)
        && used > limit
    {
        return Some(Fault::Memory { used, limit });
    }
    let is_ready = matches!(health, Health::Ready(_));
    if let (true, Some(why)) = (is_ready, not_alive(agent, care)) {
        return Some(Fault::NotAlive(why));
    }
    let ran = agent.now.since(since);
    care.limits.runtime.filter(|limit| ran >= *limit).map(|limit| Fault::Runtime { ran, limit })
}

/// Why one that is ready does not count as alive. What could not be looked at says nothing.
fn not_alive(agent: &Agent<'_>, care: &Care) -> Option<String> {
    let vitals = &agent.sighting.vitals;
    if waits_for_somebody(&agent.sighting.screen.activity) {
        return None;
    }
    if care.live.probe.is_some() && vitals.pulse.noes >= care.live.failures {
        let times = if vitals.pulse.noes == 1 { String::new() } else { format!(", {} times in a row", vitals.pulse.noes) };
        return Some(format!("{}{times}", vitals.pulse.said));
    }
    let silence = agent.now.since(vitals.silent_since?);
    let longest = care.live.heartbeat.as_ref()?.replace_after?;
    (silence >= longest).then(|| format!("its heart did not beat for {}", silence.rough()))
}

/// Whether it shows why it does nothing: a person must do something, or its usage is used up. It is as alive as it can be then.
fn waits_for_somebody(activity: &Activity) -> bool {
    match activity {
        Activity::Asks(_) | Activity::Permission | Activity::Login | Activity::Limit { .. } => true,
        Activity::Unwatched
        | Activity::Unclear
        | Activity::Starting
        | Activity::Idle
        | Activity::Draft
        | Activity::Busy
        | Activity::Exhausted
        | Activity::Crashed => false,
    }
}

/// A fault counts like an end by itself; where that would be one too many, the instance is left running: another would be no better.
fn given_up(agent: &Agent<'_>, declared: &Declared, since: Timestamp, health: &Health, fault: &Fault) -> Option<Next> {
    let restart = &declared.spec.care.restart;
    let was_ready = matches!(health, Health::Ready(_));
    let ended = Ended { at: agent.now, since, was_ready, exit: Exit::Unseen, asked: None, outcome: None, excuse: None };
    let failures = start::count_fault(agent, fault, &ended, restart);
    let crate::desired::GiveUp { failures: most, within } = restart.give_up;
    let often = if failures.recent.len() >= most as usize {
        format!("{} failures within {within}", failures.recent.len())
    } else if failures.streak >= most {
        format!("{} failures in a row", failures.streak)
    } else {
        return None;
    };
    let message = format!(
        "{fault}; after {often} it is left running as it is; fix what is checked, or replace it: `reconcile restart {}`",
        agent.name
    );
    Some(blocked(Reason::Unhealthy, message))
}
