//! From answers of probes to health: ready, still starting, or failing.

use std::collections::BTreeMap;

use super::{Desired, before, care_of};
use crate::desired::{AgentName, OnTimeout, Probe, Ready};
use crate::host::{Answer, Host, Query};
use crate::observed::{Activity, Health, Phase, Question, Screen, Sighting};
use crate::state::Record;
use crate::time::{Duration, Timestamp};

/// Asks the readiness probe of each agent that runs and was not ready yet; all in one call.
pub(super) fn ask(
    desired: &Desired,
    sightings: &BTreeMap<AgentName, Sighting>,
    records: &BTreeMap<AgentName, Record>,
    asked: &dyn Fn(&AgentName) -> bool,
    host: &mut dyn Host,
) -> BTreeMap<AgentName, Answer> {
    let mut names = Vec::new();
    let mut questions = Vec::new();
    for (name, sighting) in sightings.iter().filter(|(name, _)| asked(name)) {
        let Phase::Running { since, .. } = sighting.phase else { continue };
        let starting = records.get(name).is_none_or(|record| record.ready_at.is_none());
        let (true, Some(instance)) = (starting, &sighting.instance) else { continue };
        let Some(Ready { probe, owner, .. }) = care_of(name, desired, sighting.spec.as_ref()).map(|care| &care.ready) else { continue };
        if asks(probe) {
            names.push(name.clone());
            let (instance, probe) = (instance.clone(), probe.clone());
            questions.push(Query { instance, probe, owner: *owner, cwd: None, since: Some(since) });
        }
    }
    if questions.is_empty() {
        return BTreeMap::new();
    }
    names.into_iter().zip(host.probe(&questions)).collect()
}

/// Whether the machine is asked for readiness: a clock and a screen that was read tell it without.
pub(super) fn asks(probe: &Probe) -> bool {
    match probe {
        Probe::Delay(_) | Probe::Preset => false,
        Probe::Screen(_) | Probe::File(_) | Probe::Tcp(_) | Probe::Http { .. } | Probe::Command(_) | Probe::Heartbeat { .. } => true,
    }
}

/// Fills in the health of a running agent whose keeper has this long to start its program.
pub(super) fn judge(
    sighting: &mut Sighting,
    ready: &Ready,
    answer: Option<&Answer>,
    ready_at: Option<Timestamp>,
    allowance: Duration,
    now: Timestamp,
) {
    let shown = shown(&sighting.screen);
    let unheard = before::is_unheard(sighting);
    let Sighting { phase: Phase::Running { since, health }, vitals, .. } = sighting else { return };
    // While it was stopped it could not get ready.
    let awake = now.since(vitals.pulse.awake_since(*since));
    if let Some(at) = ready_at {
        *health = Health::Ready(at);
        return;
    }
    // Until its keeper has said what it started, there is nothing that could be ready; a keeper whose word is lost is not waited for.
    if unheard && now.since(*since) < allowance {
        *health = Health::Starting;
        return;
    }
    let missing = match (&ready.probe, answer) {
        (Probe::Delay(length), _) if awake >= *length => None,
        (Probe::Delay(length), _) => Some(format!("it has not lived for {length}")),
        (Probe::Preset, _) => shown,
        (_, Some(Answer::Yes)) => None,
        (_, Some(Answer::No(seen))) => Some(seen.clone()),
        (_, Some(Answer::Unknown(why))) => Some(format!("its probe could not be asked: {why}")),
        (_, Some(Answer::Pending)) => Some("its probe has not answered yet".to_owned()),
        (_, None) => Some("its probe was not asked".to_owned()),
    };
    let overdue = awake >= ready.timeout;
    vitals.pulse.late = match &missing {
        Some(why) if overdue => vitals.pulse.late.take().or_else(|| Some(format!("after {}: {why}", ready.timeout))),
        Some(_) | None => None,
    };
    *health = match (missing, ready.on_timeout) {
        (None, _) => Health::Ready(now),
        (Some(_), OnTimeout::Proceed) if overdue => Health::Ready(now),
        (Some(why), OnTimeout::Fail) if overdue => Health::Failing { why: format!("after {}: {why}", ready.timeout) },
        (Some(_), OnTimeout::Fail | OnTimeout::Proceed) => Health::Starting,
    };
}

/// Why a screen is not that of a program that takes input or works; none if it is.
fn shown(screen: &Screen) -> Option<String> {
    let last = || screen.lines.last().map_or("it is empty".to_owned(), |line| format!("its last line: {}", line.trim()));
    match &screen.activity {
        Activity::Idle | Activity::Draft | Activity::Busy | Activity::Permission | Activity::Limit { .. } | Activity::Exhausted => None,
        Activity::Starting => Some(format!("it is still starting; {}", last())),
        Activity::Asks(Question { name: Some(name), .. }) => Some(format!("it asks `{name}`")),
        Activity::Asks(Question { name: None, .. }) => Some("it asks something that no rule knows".to_owned()),
        Activity::Login => Some("a person must log in".to_owned()),
        Activity::Crashed => Some(format!("it crashed; {}", last())),
        Activity::Unclear | Activity::Unwatched => Some(format!("no rule of its preset knows its screen; {}", last())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::Generation;
    use crate::observed::{Instance, Seat};
    use crate::process::ProcId;

    fn check(probe: Probe, on_timeout: OnTimeout, answer: Option<Answer>, age: u64) -> Health {
        let now = Timestamp::from_millis(1_000_000);
        let since = Timestamp::from_millis(1_000_000 - age as i64);
        let ready = Ready { probe, on_timeout, timeout: Duration::from_secs(90), ..Ready::default() };
        let mut sighting = Sighting { phase: Phase::Running { since, health: Health::Starting }, ..Sighting::default() };
        judge(&mut sighting, &ready, answer.as_ref(), None, Duration::ZERO, now);
        health(sighting)
    }

    fn health(sighting: Sighting) -> Health {
        match sighting.phase {
            Phase::Running { health, .. } => health,
            Phase::Absent | Phase::Leaving(_) | Phase::Exited(_) | Phase::Unknown { .. } => unreachable!("it was running"),
        }
    }

    #[test]
    fn without_a_program_nothing_is_ready_while_its_keeper_may_still_start_one() {
        let check = |program: Option<u32>, age: i64, ready_at: Option<Timestamp>| {
            let process = |pid| ProcId { pid, start_time: 1, boot_id: "b".into() };
            let instance = Instance {
                agent: "a".parse().unwrap(),
                generation: Generation(1),
                mark: None,
                keeper: Some(process(1)),
                program: program.map(process),
                seat: Seat::Detached { pidfile: "/x".into() },
            };
            let phase = Phase::Running { since: Timestamp::from_millis(0), health: Health::Starting };
            let mut sighting = Sighting { phase, instance: Some(instance), ..Sighting::default() };
            let ready = Ready { probe: Probe::Delay(Duration::from_secs(1)), ..Ready::default() };
            judge(&mut sighting, &ready, None, ready_at, Duration::from_secs(65), Timestamp::from_millis(age));
            matches!(health(sighting), Health::Ready(_))
        };
        assert!(!check(None, 5_000, None) && !check(None, 64_999, None));
        assert!(check(None, 65_000, None), "a keeper whose word was lost is not waited for");
        assert!(check(Some(2), 1_000, None) && !check(Some(2), 999, None));
        assert!(check(None, 10, Some(Timestamp::from_millis(5))), "what was ready is");
    }

    #[test]
    fn a_delay_is_over_when_it_is_over() {
        let probe = || Probe::Delay(Duration::from_secs(1));
        assert_eq!(check(probe(), OnTimeout::Fail, None, 999), Health::Starting);
        assert_eq!(check(probe(), OnTimeout::Fail, None, 1000), Health::Ready(Timestamp::from_millis(1_000_000)));
    }

    #[test]
    fn a_probe_that_cannot_be_asked_is_not_a_no_and_not_a_yes() {
        let probe = || Probe::File("/x".into());
        let unknown = || Some(Answer::Unknown("timed out".to_owned()));
        assert_eq!(check(probe(), OnTimeout::Fail, unknown(), 10), Health::Starting);
        assert!(matches!(check(probe(), OnTimeout::Fail, unknown(), 90_000), Health::Failing { .. }));
    }

    #[test]
    fn after_its_time_an_agent_fails_or_proceeds_as_it_says() {
        let probe = || Probe::File("/x".into());
        let no = || Some(Answer::No("no file".to_owned()));
        assert_eq!(check(probe(), OnTimeout::Fail, no(), 89_999), Health::Starting);
        assert_eq!(check(probe(), OnTimeout::Fail, no(), 90_000), Health::Failing { why: "after 1m30s: no file".to_owned() });
        assert!(matches!(check(probe(), OnTimeout::Proceed, no(), 90_000), Health::Ready(_)));
    }

    #[test]
    fn what_was_waited_for_in_vain_is_remembered_until_it_came() {
        let late = |on_timeout, answer: Answer, age: i64, before: Option<&str>| {
            let ready = Ready { probe: Probe::File("/x".into()), on_timeout, timeout: Duration::from_secs(90), ..Ready::default() };
            let phase = Phase::Running { since: Timestamp::from_millis(0), health: Health::Starting };
            let mut sighting = Sighting { phase, ..Sighting::default() };
            sighting.vitals.pulse.late = before.map(str::to_owned);
            judge(&mut sighting, &ready, Some(&answer), None, Duration::ZERO, Timestamp::from_millis(age));
            sighting.vitals.pulse.late
        };
        let no = || Answer::No("no file".to_owned());
        let told = Some("after 1m30s: no file".to_owned());
        assert_eq!(late(OnTimeout::Proceed, no(), 89_999, None), None);
        assert_eq!(late(OnTimeout::Proceed, no(), 90_000, None), told);
        assert_eq!(late(OnTimeout::Fail, no(), 90_000, None), told);
        assert_eq!(late(OnTimeout::Fail, no(), 99_000, Some("the first")), Some("the first".to_owned()));
        assert_eq!(late(OnTimeout::Fail, Answer::Yes, 99_000, Some("the first")), None);
    }
}
