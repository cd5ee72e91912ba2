//! From beats, probes, memory and screens to what is known of how alive agents are. What that leads to is the planner's.

use std::collections::BTreeMap;

use super::{Desired, care_of};
use crate::desired::{AgentName, Care, Owner, Policy, Probe};
use crate::event::What;
use crate::host::{Answer, Host, Query};
use crate::observed::{
    Activity, Body, Consent, Ended, Exit, Health, Instance, LogPipe, Message, MessageKind, Phase, Pulse, Screen, Seat, Sighting,
};
use crate::state::Record;
use crate::time::Timestamp;

/// Looks at the hearts and the memory of those that run, as far as their care asks for it.
pub(super) fn feel(desired: &Desired, sightings: &mut BTreeMap<AgentName, Sighting>, host: &mut dyn Host, now: Timestamp) {
    for (name, sighting) in sightings {
        let Phase::Running { since, .. } = sighting.phase else { continue };
        let care = care_of(name, desired, sighting.spec.as_ref());
        let (Some(care), Some(instance)) = (care, &sighting.instance) else { continue };
        if care.live.probe.is_none() {
            // What an earlier probe said is no answer any more.
            (sighting.vitals.pulse.noes, sighting.vitals.pulse.asked_at) = (0, None);
            sighting.vitals.pulse.unheard.clear();
        }
        if care.limits.memory.is_some() {
            sighting.vitals.memory = host.memory(instance);
        }
        if let Some(heartbeat) = &care.live.heartbeat {
            let beat = host.beat(instance, heartbeat.file.as_deref());
            sighting.vitals.silent_since = silent_since(&beat, since, now, &mut sighting.vitals.pulse);
        }
        remember_nudge(sighting);
    }
}

/// Since when a heart is silent: since its last beat in this life, or since that began or it was last set going again.
fn silent_since(beat: &Result<Option<Timestamp>, String>, since: Timestamp, now: Timestamp, pulse: &mut Pulse) -> Option<Timestamp> {
    match beat {
        // A beat from before the spawn is one of the life before.
        Ok(Some(at)) if *at > since => {
            pulse.proven = true;
            Some(pulse.awake_since(*at).min(now))
        }
        Ok(_) => Some(pulse.awake_since(since)),
        Err(_) => None,
    }
}

fn nudge_id(sighting: &Sighting, silent_since: Timestamp) -> String {
    format!("nudge-{}-{}", sighting.generation, silent_since.as_millis())
}

/// That a silence was answered with a nudge is known as soon as its typing was begun.
fn remember_nudge(sighting: &mut Sighting) {
    let Some(silent_since) = sighting.vitals.silent_since else { return };
    let id = nudge_id(sighting, silent_since);
    let typing = sighting.typing.as_ref().is_some_and(|typing| typing.id == id);
    if typing || sighting.received.as_ref().is_some_and(|received| received.of(&id).is_some()) {
        sighting.vitals.pulse.nudged_for = Some(silent_since);
    }
}

/// The text for one that is ready and whose heart has been silent for too long; once for each silence.
pub(super) fn nudge(sighting: &Sighting, record: Option<&Record>, care: Option<&Care>, now: Timestamp) -> Option<Message> {
    let heartbeat = care?.live.heartbeat.as_ref()?;
    let silent_since = sighting.vitals.silent_since?;
    let is_pane = matches!(sighting.instance.as_ref()?.seat, Seat::Pane { .. });
    let is_ready = record.is_some_and(|record| record.ready_at.is_some());
    let due = now.since(silent_since) >= heartbeat.nudge_after?;
    let fresh = sighting.vitals.pulse.nudged_for != Some(silent_since);
    (is_pane && is_ready && due && fresh).then(|| Message {
        id: nudge_id(sighting, silent_since),
        kind: MessageKind::Nudge,
        body: Body::Text(heartbeat.nudge.clone()),
        interrupts: false,
    })
}

/// Asks the `live` probes that are due, and before a restart whether it may be; all in one call.
pub(super) fn ask(
    desired: &Desired,
    sightings: &mut BTreeMap<AgentName, Sighting>,
    records: &BTreeMap<AgentName, Record>,
    asked: &dyn Fn(&AgentName) -> bool,
    host: &mut dyn Host,
    now: Timestamp,
) {
    let mut names = Vec::new();
    let mut queries = Vec::new();
    for (name, sighting) in sightings.iter().filter(|(name, _)| asked(name)) {
        let query = match &sighting.phase {
            Phase::Running { since, .. } => alive_query(name, desired, sighting, records.get(name), *since, now),
            Phase::Exited(ended) => restart_query(name, desired, sighting, records.get(name), ended),
            Phase::Absent | Phase::Leaving(_) | Phase::Unknown { .. } => None,
        };
        if let Some(query) = query {
            names.push(name.clone());
            queries.push(query);
        }
    }
    if queries.is_empty() {
        return;
    }
    for (name, answer) in names.into_iter().zip(host.probe(&queries)) {
        let Some(sighting) = sightings.get_mut(&name) else { continue };
        match &sighting.phase {
            Phase::Exited(_) => sighting.vitals.consent = Some(consent(answer)),
            Phase::Running { .. } | Phase::Absent | Phase::Leaving(_) | Phase::Unknown { .. } => {
                count(&mut sighting.vitals.pulse, answer, now)
            }
        }
    }
}

fn alive_query(
    name: &AgentName,
    desired: &Desired,
    sighting: &Sighting,
    record: Option<&Record>,
    since: Timestamp,
    now: Timestamp,
) -> Option<Query> {
    let live = &care_of(name, desired, sighting.spec.as_ref())?.live;
    let probe = live.probe.as_ref()?;
    let is_ready = record?.ready_at.is_some();
    let due = sighting.vitals.pulse.asked_at.is_none_or(|asked| now.since(asked) >= live.interval);
    (is_ready && due).then_some(())?;
    Some(Query { instance: sighting.instance.clone()?, probe: probe.clone(), owner: Owner::Any, cwd: None, since: Some(since) })
}

/// One answer more. Who could not be asked said neither yes nor no.
fn count(pulse: &mut Pulse, answer: Answer, now: Timestamp) {
    if answer == Answer::Pending {
        return;
    }
    pulse.asked_at = Some(now);
    pulse.unheard.clear();
    match answer {
        Answer::Yes => {
            (pulse.noes, pulse.proven) = (0, true);
            pulse.said.clear();
        }
        Answer::No(why) => {
            pulse.noes = pulse.noes.saturating_add(1);
            pulse.said = why;
        }
        Answer::Unknown(why) => pulse.unheard = why,
        Answer::Pending => {}
    }
}

/// The question of `restart.only_if`, of one that has ended by itself and would be started again.
fn restart_query(name: &AgentName, desired: &Desired, sighting: &Sighting, record: Option<&Record>, ended: &Ended) -> Option<Query> {
    let declared = &desired.agents.get(name)?.spec;
    let restart = &declared.care.restart;
    let probe: &Probe = restart.only_if.as_ref()?;
    let success = matches!(&ended.exit, Exit::Code(code) if restart.success.contains(code));
    let restarts = match restart.policy {
        Policy::Always => true,
        Policy::OnFailure => !success,
        Policy::Never => false,
    };
    if !restarts || ended.asked.is_some() {
        return None;
    }
    // Of one that left nothing behind, the question is about its name and its last life.
    let nothing = || Instance {
        agent: name.clone(),
        generation: sighting.generation,
        mark: record.and_then(|record| record.mark.clone()),
        keeper: None,
        program: None,
        seat: Seat::Adrift { processes: Vec::new() },
    };
    let instance = sighting.instance.clone().unwrap_or_else(nothing);
    let cwd = Some(declared.launch.cwd.clone());
    Some(Query { instance, probe: probe.clone(), owner: Owner::Any, cwd, since: Some(ended.since) })
}

fn consent(answer: Answer) -> Consent {
    match answer {
        Answer::Yes => Consent::Yes,
        Answer::No(why) => Consent::No(why),
        Answer::Unknown(why) => Consent::Unknown(why),
        Answer::Pending => Consent::Pending,
    }
}

/// Since when the screen of one that is ready is the same, if that is for too long and it does not rest.
pub(super) fn unchanged_since(sighting: &Sighting, care: Option<&Care>, now: Timestamp) -> Option<Timestamp> {
    let longest = care?.live.screen_unchanged?;
    let Phase::Running { since, health: Health::Ready(_) } = sighting.phase else { return None };
    let last = sighting.vitals.pulse.awake_since(sighting.screen.written_at?.max(since));
    (now.since(last) >= longest && is_suspicious(&sighting.screen)).then_some(last)
}

/// Whether a screen that stays the same is suspicious: not where the agent waits for work, or for its usage limit to end.
fn is_suspicious(screen: &Screen) -> bool {
    !matches!(screen.activity, Activity::Idle | Activity::Limit { .. })
}

/// Takes into the record what was learned of how alive an agent is; says whether that changed it.
pub(super) fn learn(record: &mut Record, sighting: &Sighting, tell: &mut impl FnMut(What, String), now: Timestamp) -> bool {
    let mut pulse = sighting.vitals.pulse.clone();
    if let Some(since) = sighting.vitals.unchanged_since
        && pulse.told_of != Some(since)
    {
        tell(What::Unchanged, format!("its screen is unchanged for {}", now.since(since).rough()));
        pulse.told_of = Some(since);
    }
    match &sighting.log_pipe {
        Some(LogPipe::Taken { .. }) if !pulse.log_taken => {
            pulse.log_taken = true;
            tell(What::LogTaken, sighting.log_pipe.as_ref().and_then(LogPipe::trouble).unwrap_or_default());
        }
        Some(LogPipe::Ours | LogPipe::Closed) => pulse.log_taken = false,
        Some(LogPipe::Taken { .. }) | None => {}
    }
    let changed = record.live != pulse;
    record.live = pulse;
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn noes_count_in_a_row_and_who_could_not_be_asked_said_nothing() {
        let no = || Answer::No("refused".to_owned());
        let mut pulse = Pulse::default();
        for (second, answer, noes) in [
            (1, no(), 1),
            (2, Answer::Unknown("timed out".to_owned()), 1),
            (3, no(), 2),
            (4, Answer::Yes, 0),
            (5, Answer::Unknown("timed out".to_owned()), 0),
            (6, no(), 1),
        ] {
            count(&mut pulse, answer, at(second));
            assert_eq!((pulse.noes, pulse.asked_at), (noes, Some(at(second))), "after {second}");
        }
        assert!(pulse.proven);
        assert_eq!(pulse.said, "refused");
    }

    #[test]
    fn a_beat_from_before_the_spawn_is_none() {
        let check = |beat: Result<Option<i64>, String>| {
            let mut pulse = Pulse::default();
            let since = silent_since(&beat.map(|beat| beat.map(at)), at(100), at(200), &mut pulse);
            (since, pulse.proven)
        };
        assert_eq!(check(Ok(None)), (Some(at(100)), false));
        assert_eq!(check(Ok(Some(99))), (Some(at(100)), false));
        assert_eq!(check(Ok(Some(150))), (Some(at(150)), true));
        let mut pulse = Pulse { noes: 3, asked_at: Some(at(140)), proven: true, ..Pulse::default() };
        pulse.thaw(at(160));
        assert_eq!((pulse.noes, pulse.asked_at, pulse.proven), (0, None, true));
        assert_eq!(silent_since(&Ok(Some(at(120))), at(100), at(200), &mut pulse), Some(at(160)), "it could not beat");
        assert_eq!(silent_since(&Ok(Some(at(170))), at(100), at(200), &mut pulse), Some(at(170)));
        // A clock that was set back is no silence, and what cannot be read is neither silence nor beat.
        assert_eq!(check(Ok(Some(900))), (Some(at(200)), true));
        assert_eq!(check(Err("permission denied".to_owned())), (None, false));
    }

    #[test]
    fn a_screen_is_told_of_once_for_each_stillness_and_not_while_it_rests() {
        let care = Care {
            live: crate::desired::Live { screen_unchanged: Some(Duration::from_secs(1800)), ..Default::default() },
            ..Care::default()
        };
        let screen = |activity| Screen { activity, written_at: Some(at(100)), ..Screen::default() };
        let phase = Phase::Running { since: at(50), health: Health::Ready(at(60)) };
        let mut sighting = Sighting { phase, screen: screen(Activity::Busy), ..Sighting::default() };
        assert_eq!(unchanged_since(&sighting, Some(&care), at(1899)), None);
        sighting.vitals.unchanged_since = unchanged_since(&sighting, Some(&care), at(1900));
        assert_eq!(sighting.vitals.unchanged_since, Some(at(100)));
        let (mut record, mut told) = (Record::new("a".parse().unwrap()), Vec::new());
        for _ in 0..2 {
            learn(&mut record, &sighting, &mut |what, why| told.push((what, why)), at(1960));
            sighting.vitals.pulse = record.live.clone();
        }
        assert_eq!(told, [(What::Unchanged, "its screen is unchanged for 31m".to_owned())]);
        sighting.screen = screen(Activity::Idle);
        assert_eq!(unchanged_since(&sighting, Some(&care), at(9999)), None);
    }
}
