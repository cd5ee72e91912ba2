//! When an agent that ended is started again: verdicts, counters, pauses, giving up.

use super::local::{Agent, blocked};
use super::{Cause, Change, Held, Kind, Next, Reason, Wait};
use crate::desired::{Backoff, Declared, Policy, Probe, Ready, Restart};
use crate::observed::{Consent, Ended, Excuse, Failures, Fault, Purpose, Sighting};
use crate::time::{Duration, Timestamp};

/// The counters of an agent that gets a new beginning: a new definition, or a person's wish.
pub(super) fn fresh(sighting: &Sighting) -> Failures {
    Failures { restarts: sighting.failures.restarts, ..Failures::default() }
}

/// What is due for an agent that should run and has ended.
pub(super) fn after_end(agent: &Agent<'_>, declared: &Declared, ended: &Ended) -> Option<Change> {
    let restart = &declared.spec.care.restart;
    let kind = match ended.asked {
        Some((Purpose::Replace, _)) => Kind::Replace,
        Some((Purpose::Stop, _)) | None => Kind::Restart,
    };
    if let Some(cause) = agent.reason_to_replace(declared) {
        return Some(agent.spawn(kind, cause, declared, fresh(agent.sighting)));
    }
    if ended.asked.is_some() {
        return Some(after_asked_end(agent, declared, ended, kind));
    }
    let success = ended.is_success(restart);
    let restarts = restart.policy == Policy::Always || (restart.policy == Policy::OnFailure && !success);
    if restarts && restart.only_if.is_some() {
        match unconsented(agent, ended) {
            Unconsented::No => return agent.amend(declared),
            Unconsented::NotYet(change) => return Some(change),
            Unconsented::Nothing => {}
        }
    }
    if let Some(change) = excused(agent, declared, ended) {
        return Some(change);
    }
    let healthy = is_healthy(ended, restart);
    let failures = count(&agent.sighting.failures, ended, restart, success, healthy);
    let cause = Cause::Ended(ended.exit.to_string());
    let next = match restart.policy {
        Policy::OnFailure | Policy::Never if success => return agent.amend(declared),
        Policy::Never => blocked(
            Reason::Failed,
            format!("it {}, and restart.policy is \"never\"; change it, or start it again: `reconcile start {}`", ended.exit, agent.name),
        ),
        Policy::OnFailure | Policy::Always if !success && failures.recent.len() >= restart.give_up.failures as usize => blocked(
            Reason::FailedRepeatedly,
            format!(
                "it {} and failed {} times within {}; see its output, then change it or try again: `reconcile start {}`",
                ended.exit,
                failures.recent.len(),
                restart.give_up.within,
                agent.name
            ),
        ),
        Policy::OnFailure | Policy::Always => {
            let until = ended.at + pause(&restart.backoff, failures.streak, agent.name.as_str());
            if until <= agent.now {
                return Some(agent.spawn(Kind::Restart, cause, declared, failures));
            }
            Next::Wait(Wait::Backoff { until })
        }
    };
    Some(Change { kind: Kind::Restart, cause, fields: Vec::new(), next })
}

/// What is due after an end that was asked for: another life at once, or after a pause if its fault was the reason.
fn after_asked_end(agent: &Agent<'_>, declared: &Declared, ended: &Ended, kind: Kind) -> Change {
    let Some(fault) = &agent.sighting.vitals.pulse.fault else {
        return agent.spawn(kind, Cause::WantedAgain, declared, agent.sighting.failures.clone());
    };
    let cause = Cause::Faulty(fault.clone());
    if declared.spec.care.restart.policy == Policy::Never {
        let message =
            format!("it has failed: {fault}; restart.policy is \"never\"; change it, or start it again: `reconcile start {}`", agent.name);
        return Change { kind, cause, fields: Vec::new(), next: blocked(Reason::Failed, message) };
    }
    if !fault.is_failure() {
        return agent.spawn(kind, cause, declared, agent.sighting.failures.clone());
    }
    let restart = &declared.spec.care.restart;
    let failures = count_fault(agent, fault, ended, restart);
    let until = ended.at + pause(&restart.backoff, failures.streak, agent.name.as_str());
    if until <= agent.now {
        return agent.spawn(kind, cause, declared, failures);
    }
    Change { kind, cause, fields: Vec::new(), next: Next::Wait(Wait::Backoff { until }) }
}

/// What `restart.only_if` leads to, where it does not say yes.
enum Unconsented {
    /// It said yes.
    Nothing,
    /// It said no: the agent stays ended.
    No,
    /// It could not be asked, or has not answered: nothing is started on a guess.
    NotYet(Change),
}

/// How soon it is asked for the answer again.
const ASK_AGAIN: Duration = Duration::from_millis(250);

fn unconsented(agent: &Agent<'_>, ended: &Ended) -> Unconsented {
    let why = match &agent.sighting.vitals.consent {
        Some(Consent::Yes) => return Unconsented::Nothing,
        Some(Consent::No(_)) => return Unconsented::No,
        Some(Consent::Unknown(why)) => why.as_str(),
        Some(Consent::Pending) => {
            let next = Next::Wait(Wait::Condition { until: agent.now + ASK_AGAIN });
            return Unconsented::NotYet(Change {
                kind: Kind::Restart,
                cause: Cause::Ended(ended.exit.to_string()),
                fields: Vec::new(),
                next,
            });
        }
        None => "it was not asked",
    };
    let next =
        blocked(Reason::ConditionUnknown, format!("restart.only_if could not be asked, and without its yes nothing is started: {why}"));
    Unconsented::NotYet(Change { kind: Kind::Restart, cause: Cause::Ended(ended.exit.to_string()), fields: Vec::new(), next })
}

/// What follows an end that its screen explains: a limit is waited for, a login needs a person. Neither is a failure.
fn excused(agent: &Agent<'_>, declared: &Declared, ended: &Ended) -> Option<Change> {
    let cause = Cause::Ended(ended.exit.to_string());
    let next = match ended.excuse.as_ref()? {
        _ if declared.spec.care.restart.policy == Policy::Never => return None,
        Excuse::Limit { until } => {
            // Where the screen did not say until when, it is tried as often as after the longest pause.
            let end = until.unwrap_or(ended.at + declared.spec.care.restart.backoff.max);
            if agent.now >= end {
                return Some(agent.spawn(Kind::Restart, cause, declared, agent.sighting.failures.clone()));
            }
            Next::Held(Held::Limit(Some(end)))
        }
        Excuse::Login => blocked(
            Reason::Login,
            format!("it ended where a person must log in; log in, then start it again: `reconcile start {}`", agent.name),
        ),
    };
    Some(Change { kind: Kind::Restart, cause, fields: Vec::new(), next })
}

/// Whether a life got ready and lasted.
fn is_healthy(ended: &Ended, restart: &Restart) -> bool {
    ended.was_ready && ended.at.since(ended.since) >= restart.healthy_after
}

/// The counters after an end for a fault. A life in which there never was a sign of life was no healthy one, however long it lasted.
pub(super) fn count_fault(agent: &Agent<'_>, fault: &Fault, ended: &Ended, restart: &Restart) -> Failures {
    let proven = match fault {
        Fault::NotAlive(_) => agent.sighting.vitals.pulse.proven,
        Fault::Memory { .. } | Fault::Runtime { .. } => true,
    };
    count(&agent.sighting.failures, ended, restart, false, proven && is_healthy(ended, restart))
}

/// The counters after an end that came by itself.
///
/// A healthy life ends the run of failures that makes pauses longer. It does not clear the times that count for giving up: those only
/// age, so that an agent that fails slowly is seen too.
fn count(before: &Failures, ended: &Ended, restart: &Restart, success: bool, healthy: bool) -> Failures {
    let mut recent: Vec<Timestamp> = Vec::new();
    if !success {
        recent.extend(before.recent.iter().filter(|time| ended.at.since(**time) < restart.give_up.within));
        recent.push(ended.at);
    }
    let streak = match (healthy, success) {
        (true, true) => 0,
        (true, false) => 1,
        (false, _) => before.streak.saturating_add(1),
    };
    Failures { streak, recent, restarts: before.restarts.saturating_add(1) }
}

/// The pause before the restart after `streak` failures in a row.
fn pause(backoff: &Backoff, streak: u32, agent: &str) -> Duration {
    let power = i32::try_from(streak.saturating_sub(1)).unwrap_or(i32::MAX);
    let plain = backoff.first.scaled(backoff.factor.powi(power)).min(backoff.max);
    plain.scaled(1.0 + backoff.jitter * fraction(agent, streak))
}

/// A number from 0 to 1 that is the same for the same agent and streak: jitter without a random source keeps the planner pure.
fn fraction(agent: &str, streak: u32) -> f64 {
    // FNV-1a: spread is all that is asked of it.
    let hash = agent
        .bytes()
        .chain(streak.to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

/// How soon, at first, a keeper is looked for again that has not said yet what it started.
const UNHEARD: Duration = Duration::from_millis(10);

/// How late it is seen at most that a keeper has said so: what has taken long may take a little longer.
const UNHEARD_AT_LAST: Duration = Duration::from_secs(1);

/// When the readiness of an agent is worth another look.
pub(super) fn look_at(ready: &Ready, since: Timestamp, now: Timestamp) -> Timestamp {
    match ready.probe {
        // Where the time is over and it is not ready, its keeper has not said yet that it runs.
        Probe::Delay(length) if since + length <= now => now + now.since(since + length).scaled(0.125).max(UNHEARD).min(UNHEARD_AT_LAST),
        Probe::Delay(length) => since + length,
        Probe::Screen(_)
        | Probe::File(_)
        | Probe::Tcp(_)
        | Probe::Http { .. }
        | Probe::Command(_)
        | Probe::Heartbeat { .. }
        | Probe::Preset => now + ready.interval,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keeper_that_says_nothing_is_looked_for_less_and_less_often() {
        let ready = Ready { probe: Probe::Delay(Duration::from_secs(1)), ..Ready::default() };
        let looks = |until: i64| {
            let (mut now, mut looks) = (Timestamp::from_millis(0), 0);
            while now < Timestamp::from_millis(until) {
                now = look_at(&ready, Timestamp::from_millis(0), now);
                looks += 1;
            }
            looks
        };
        assert_eq!(looks(1_000), 1);
        assert_eq!(looks(1_100), 11, "a start is seen as soon as it may be");
        assert!((60..120).contains(&looks(61_000)), "{}", looks(61_000));
    }
}
