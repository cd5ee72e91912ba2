//! Which of the lives that were found is an agent's present one: the newest that lives is the truth, whatever the record says.
//!
//! A life lives for certain while it has a keeper, or was adopted. What has lost its keeper is left over. Of two lives of one generation neither is
//! proven to be the older one, so nothing is done to either.

use super::{AgentName, Found, Look, Record, Seat, Sighting, join};
use crate::desired::Generation;
use crate::host::Life;
use crate::observed::Phase;

/// The present life among those found; none if none of them is. The error says why it cannot be told.
pub(super) fn present<'a>(record: Option<&Record>, lives: &[&'a Found]) -> Result<Option<&'a Found>, String> {
    let of_record = |found: &&&Found| record.is_some_and(|record| record.mark == found.instance.mark);
    let kept: Vec<&&Found> = lives.iter().filter(|found| is_kept(found)).collect();
    if let Some(newest) = kept.iter().map(|found| generation(found)).max() {
        let newest: Vec<&&Found> = kept.into_iter().filter(|found| generation(found) == newest).collect();
        return match (newest.iter().find(|found| of_record(found)), &newest[..]) {
            (Some(own), _) => Ok(Some(own)),
            (None, [only]) => Ok(Some(only)),
            (None, several) => Err(two_of_one(several)),
        };
    }
    let others = || lives.iter().filter(|found| !matches!(found.life, Life::Alive { .. }));
    let is_unknown = |found: &&&Found| matches!(found.life, Life::Unknown(_)) && !join::is_nothing(found);
    if let Some(own) = others().find(|found| of_record(found)) {
        return Ok(Some(own));
    }
    // A record that knows of a newer life than what was found: what was found is over.
    let known = record.filter(|record| join::knows_a_life(record)).map(|record| record.generation);
    let candidates = others().filter(|found| !join::is_gone(found) && known.is_none_or(|known| generation(found) > known));
    Ok(candidates.max_by_key(|found| (is_unknown(found), generation(found))).copied())
}

/// Whether it lives and its end will be known.
fn is_kept(found: &Found) -> bool {
    matches!(found.life, Life::Alive { .. }) && (found.instance.keeper.is_some() || found.instance.mark.is_none())
}

fn generation(found: &Found) -> Generation {
    found.instance.mark.as_ref().map_or(found.instance.generation, |mark| mark.generation)
}

fn two_of_one(lives: &[&&Found]) -> String {
    let pids: Vec<String> = lives.iter().filter_map(|found| Some(found.instance.keeper.as_ref()?.pid.to_string())).collect();
    format!("{} instances of one generation run, kept by the processes {}: end all but one of them", lives.len(), pids.join(" and "))
}

/// Whether its last life ended and it is not proven that nothing of it is left.
pub(super) fn is_unproven(record: &Record) -> bool {
    record.generation > Generation(0) && record.ended.is_some() && record.mark.is_some() && record.clean.is_none()
}

/// Takes into the record what a look proves of the lives themselves: a life that it did not know, where that one's numbers mean something, and that
/// nothing is left of one that ended. Says whether that changed it.
pub(super) fn take_up(record: &mut Record, sighting: &Sighting, look: &Look, name: &AgentName) -> bool {
    if sighting.elsewhere.is_some() || matches!(sighting.phase, Phase::Unknown { .. }) {
        return false;
    }
    let is_another = sighting.instance.as_ref().is_some_and(|instance| instance.mark.is_some() && instance.mark != record.mark);
    let mut changed = false;
    if is_another && let Some(new) = join::rebuilt(name, sighting, look.at) {
        let (spent, wanted, paused) = (record.spent.max(record.generation), record.wanted, record.paused.clone());
        let (untyped, undelivered, failures) = (record.untyped.clone(), record.undelivered.clone(), record.failures.clone());
        let requested = record.requested.clone();
        let predecessor_unproven = record.may_have_left(new.mark.as_ref());
        *record = Record { spent, wanted, paused, untyped, requested, undelivered, failures, predecessor_unproven, ..new };
        changed = true;
    }
    if sighting.instance.is_some()
        && matches!(sighting.phase, Phase::Running { .. } | Phase::Leaving(_))
        && record.namespace != look.namespace
    {
        record.namespace = look.namespace;
        changed = true;
    }
    if sighting.remains.is_empty() && record.sweeping.is_some() {
        record.sweeping = None;
        changed = true;
    }
    changed | prove_predecessors(record, sighting, look) | prove(record, sighting, look)
}

/// Notes that something is left of earlier lives, so that it is looked for until it is gone, and that nothing is.
fn prove_predecessors(record: &mut Record, sighting: &Sighting, look: &Look) -> bool {
    let before = record.predecessor_unproven;
    let is_here = record.namespace.is_none_or(|namespace| Some(namespace) == look.namespace);
    if !sighting.remains.is_empty() {
        record.predecessor_unproven = true;
    } else if look.searched.is_some() && is_here {
        record.predecessor_unproven = false;
    }
    record.predecessor_unproven != before
}

/// Notes that nothing is left of a life that ended: its keeper said so, or all processes were searched.
fn prove(record: &mut Record, sighting: &Sighting, look: &Look) -> bool {
    if !matches!(sighting.phase, Phase::Exited(_)) || record.clean.is_some() || record.mark.is_none() || !sighting.remains.is_empty() {
        return false;
    }
    let is_here = record.namespace.is_none_or(|namespace| Some(namespace) == look.namespace);
    let said = look.found.iter().any(|found| found.instance.mark == record.mark && matches!(found.life, Life::Ended { clean: true, .. }));
    let searched = look.searched.clone().filter(|_| is_here);
    record.clean = if said { Some(searched.unwrap_or_default()) } else { searched };
    record.clean.is_some()
}

/// The highest generation that is known to have been given out.
pub(super) fn spent(record: Option<&Record>, sighting: &Sighting) -> Generation {
    record.map_or(Generation(0), |record| record.spent.max(record.generation)).max(sighting.generation)
}

/// People attached to any of the lives.
pub(super) fn attached(lives: &[&Found]) -> u32 {
    lives.iter().filter(|found| matches!(found.instance.seat, Seat::Pane { .. })).map(|found| found.attached).sum()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write;
    use std::str::FromStr;

    use super::*;
    use crate::desired::{Desired, Mark};
    use crate::observed::{Ended, Exit, Instance};
    use crate::process::ProcId;
    use crate::time::Timestamp;

    fn mark(generation: u64) -> Mark {
        format!("v1/f/ada/{generation}/0123456789abcdef0123456789abcdef/{generation:016x}").parse().unwrap()
    }

    fn process(pid: u32) -> ProcId {
        ProcId { pid, start_time: 1, boot_id: "boot".into() }
    }

    fn instance(generation: u64, keeper: bool) -> Instance {
        let pid = 100 * u32::try_from(generation).unwrap();
        let seat = match keeper {
            true => Seat::Detached { pidfile: "/pid".into() },
            false => Seat::Adrift { processes: vec![process(pid + 1)] },
        };
        let keeper = keeper.then(|| process(pid));
        Instance {
            agent: "ada".parse().unwrap(),
            generation: Generation(generation),
            mark: Some(mark(generation)),
            keeper,
            program: Some(process(pid + 1)),
            seat,
        }
    }

    fn found(instance: Instance, life: Life) -> Found {
        Found { instance, life, attached: 0, log_pipe: None, elsewhere: None }
    }

    /// The record of generation 2.
    fn record(kind: &str) -> Option<Record> {
        let ended = Ended {
            at: Timestamp::default(),
            since: Timestamp::default(),
            was_ready: true,
            exit: Exit::Unseen,
            asked: None,
            outcome: None,
            excuse: None,
        };
        let lived = Record {
            generation: Generation(2),
            mark: Some(mark(2)),
            instance: Some(instance(2, true)),
            ..Record::new("ada".parse().unwrap())
        };
        match kind {
            "none" => None,
            "lives" => Some(lived),
            "ended" => Some(Record { ended: Some(ended), ..lived }),
            other => panic!("{other}"),
        }
    }

    /// What a look finds of generation 2, as the record says, and of another one.
    fn look(kind: &str, generation: Option<u64>, keeper: bool, fence: bool, foreign: bool) -> Look {
        let mut look = Look::default();
        if kind == "lives" {
            let life = if foreign { Life::Unknown("another namespace".to_owned()) } else { Life::Lost };
            look.found.push(found(instance(2, true), life));
        }
        // From another namespace, nothing is seen but that the fence is held.
        if let (Some(generation), false) = (generation, foreign) {
            if generation == 2 && keeper {
                look.found.clear();
            }
            look.found.push(found(instance(generation, keeper), Life::Alive { since: None }));
        }
        let lives = generation.is_some() && keeper && !foreign;
        if fence && !lives {
            look.fenced.insert("ada".parse().unwrap(), "its fence is held".to_owned());
        }
        look
    }

    fn verdict(kind: &str, look: &Look) -> String {
        let records: BTreeMap<AgentName, Record> = record(kind).map(|record| (record.agent.clone(), record)).into_iter().collect();
        let sightings = join::join(&Desired::nothing("f".parse().unwrap()), &records, &BTreeMap::new(), look);
        let Some(sighting) = sightings.get("ada") else { return "nothing".to_owned() };
        let phase = match &sighting.phase {
            Phase::Unknown { .. } => "unknown".to_owned(),
            Phase::Running { .. } | Phase::Leaving(_) => format!("lives {}", sighting.generation),
            Phase::Exited(_) => "ended".to_owned(),
            Phase::Absent => "absent".to_owned(),
        };
        let remains: Vec<String> = sighting.remains.iter().map(|remains| remains.mark.as_ref().unwrap().generation.to_string()).collect();
        if remains.is_empty() { phase } else { format!("{phase}, remains {}", remains.join(" ")) }
    }

    #[test]
    fn what_earlier_lives_left_is_looked_for_until_a_search_finds_nothing() {
        let ada = AgentName::from_str("ada").unwrap();
        let desired = Desired::nothing("f".parse().unwrap());
        let mut records: BTreeMap<AgentName, Record> = record("lives").map(|record| (ada.clone(), record)).into_iter().collect();
        let mut see = |found: Vec<Found>, searched: bool| {
            let look = Look { found, searched: searched.then(|| "boot".into()), ..Look::default() };
            let sighting = join::join(&desired, &records, &BTreeMap::new(), &look).remove("ada").unwrap();
            take_up(records.get_mut("ada").unwrap(), &sighting, &look, &ada);
            super::super::question::question(&desired, &records, false, super::super::Depth::Known).search
        };
        let alive = |generation, keeper| found(instance(generation, keeper), Life::Alive { since: None });
        assert!(!see(vec![alive(2, true)], false));
        // A run that is about others sees it, and does nothing.
        assert!(see(vec![alive(2, true), alive(1, false)], true));
        assert!(see(vec![alive(2, true)], false), "where nobody searched, nothing is proven");
        assert!(!see(vec![alive(2, true)], true));
        // A life that was never proven to have left nothing has a successor.
        assert!(see(vec![alive(3, true)], false));
        assert!(!see(vec![alive(3, true)], true));
    }

    #[test]
    fn every_record_every_mark_every_fence() {
        let mut table = String::new();
        for kind in ["none", "lives", "ended"] {
            for (other, generation) in [("none", None), ("older", Some(1)), ("same", Some(2)), ("newer", Some(3))] {
                for keeper in [true, false] {
                    if generation.is_none() && !keeper {
                        continue;
                    }
                    let kept = if keeper { "kept" } else { "orphan" };
                    let kept = if generation.is_some() { kept } else { "-" };
                    write!(table, "record {kind:5} mark {other:5} {kept:6}").unwrap();
                    for (fence, foreign) in [(false, false), (true, false), (false, true), (true, true)] {
                        write!(table, " | {:22}", verdict(kind, &look(kind, generation, keeper, fence, foreign))).unwrap();
                    }
                    table = table.trim_end().to_owned() + "\n";
                }
            }
        }
        let head = "generation 2 in the record           | fence free             | fence held             | free, other namespace  | held, other namespace\n";
        insta::assert_snapshot!(head.to_owned() + &table, @"
        generation 2 in the record           | fence free             | fence held             | free, other namespace  | held, other namespace
        record none  mark none  -      | nothing                | nothing                | nothing                | nothing
        record none  mark older kept   | lives 1                | lives 1                | nothing                | nothing
        record none  mark older orphan | absent, remains 1      | unknown, remains 1     | nothing                | nothing
        record none  mark same  kept   | lives 2                | lives 2                | nothing                | nothing
        record none  mark same  orphan | absent, remains 2      | unknown, remains 2     | nothing                | nothing
        record none  mark newer kept   | lives 3                | lives 3                | nothing                | nothing
        record none  mark newer orphan | absent, remains 3      | unknown, remains 3     | nothing                | nothing
        record lives mark none  -      | ended                  | unknown                | unknown                | unknown
        record lives mark older kept   | lives 1                | lives 1                | unknown                | unknown
        record lives mark older orphan | ended, remains 1       | unknown, remains 1     | unknown                | unknown
        record lives mark same  kept   | lives 2                | lives 2                | unknown                | unknown
        record lives mark same  orphan | ended, remains 2       | unknown, remains 2     | unknown                | unknown
        record lives mark newer kept   | lives 3                | lives 3                | unknown                | unknown
        record lives mark newer orphan | ended, remains 3       | unknown, remains 3     | unknown                | unknown
        record ended mark none  -      | ended                  | unknown                | ended                  | unknown
        record ended mark older kept   | lives 1                | lives 1                | ended                  | unknown
        record ended mark older orphan | ended, remains 1       | unknown, remains 1     | ended                  | unknown
        record ended mark same  kept   | lives 2                | lives 2                | ended                  | unknown
        record ended mark same  orphan | ended, remains 2       | unknown, remains 2     | ended                  | unknown
        record ended mark newer kept   | lives 3                | lives 3                | ended                  | unknown
        record ended mark newer orphan | ended, remains 3       | unknown, remains 3     | ended                  | unknown
        ");
    }
}
