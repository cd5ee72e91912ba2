//! What a round leaves to the next one: most rounds find almost everything as it was.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::desired::{AgentName, Desired};
use crate::host::Host;
use crate::observe::Memory;
use crate::plan::MANY;
use crate::state::handoff::{Look, look};
use crate::state::{Fleet, Lock, Stamp};
use crate::time::{Duration, Timestamp};

/// After so long there is a look at everything, whatever is known.
const WHOLE: Duration = Duration::from_secs(10 * 60);

/// Where more than these have to do with each other, a look at everybody takes not much longer.
const FEW: usize = 32;

/// What the last round left, for as long as nobody else had the lock.
#[derive(Debug)]
pub(super) struct Last {
    turn: u64,
    records: Option<Stamp>,
    requests: Option<Stamp>,
    pub(super) memory: Memory,
    still: Option<Still>,
    /// Who ended was seen to, and a round of all is owed.
    owes_whole: bool,
}

/// From when until when a look brings nothing but what the last one did, as long as the machine is the same.
#[derive(Clone, Copy, Debug)]
struct Still {
    from: Timestamp,
    until: Timestamp,
}

/// Agents whose end was seen, with all that have to do with it.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) ended: BTreeSet<AgentName>,
    pub(super) concerned: BTreeSet<AgentName>,
}

impl Last {
    /// After a round of this turn, with what it remembers. Requests are those from before it took any: one that came meanwhile is news.
    pub(super) fn after(lock: &Lock, fleet: &Fleet, requests: Option<Stamp>, memory: Memory) -> Result<Self> {
        Ok(Self { turn: lock.turn(), records: fleet.records_stamp()?, requests, memory, still: None, owes_whole: false })
    }

    /// After one that was about some only.
    pub(super) fn owing_a_whole(self) -> Self {
        Self { owes_whole: true, ..self }
    }

    /// After one whose look at `at` found everything settled: before `due`, only the machine can bring anything else.
    pub(super) fn settled(self, at: Timestamp, due: Option<Timestamp>) -> Self {
        let until = due.into_iter().fold(at + WHOLE, Timestamp::min);
        Self { still: Some(Still { from: at, until }), ..self }
    }

    /// The same in a later turn.
    pub(super) fn in_turn(self, lock: &Lock) -> Self {
        Self { turn: lock.turn(), ..self }
    }

    /// Whether this turn is the next one.
    pub(super) fn is_before(&self, lock: &Lock) -> bool {
        self.turn.wrapping_add(1) == lock.turn()
    }

    /// Whether nobody had the lock since, and all records are as they were left.
    pub(super) fn follows(&self, lock: &Lock, fleet: &Fleet) -> Result<bool> {
        Ok(self.is_before(lock) && self.records == fleet.records_stamp()?)
    }

    /// From now on, another look may bring something else.
    pub(super) fn unsettle(&mut self) {
        self.still = None;
    }

    /// The time until which nothing but the machine and other commands can bring anything new, if neither has. The lock is not needed for that:
    /// nothing is written.
    pub(super) fn still(&self, desired: &Desired, fleet: &Fleet, host: &mut dyn Host) -> Result<Option<Timestamp>> {
        let Some(Still { from, until }) = self.still.filter(|_| self.memory.is_whole() && self.memory.is_written()) else {
            return Ok(None);
        };
        let is_between = (from..until).contains(&host.now());
        let nobody_acted = is_between && fleet.last_turn()? == Some(self.turn) && self.records == fleet.records_stamp()?;
        let nobody_asked = nobody_acted && self.requests == fleet.requests_stamp()?;
        // There was no note when all was settled; not every disk tells of a new one.
        let mut sources = desired.agents.values().filter_map(|declared| declared.spec.care.handoff.source.as_ref());
        let no_note = nobody_asked && sources.all(|source| look(source) == Look::Nothing);
        Ok((no_note && host.is_unchanged()).then_some(until))
    }

    /// Those whose end the last wait saw, where they are few and their processes tell all that there is to know of them.
    pub(super) fn ended(&self, desired: &Desired, host: &dyn Host) -> Option<Ended> {
        let processes: BTreeSet<_> = host.ended().into_iter().collect();
        let is_sure = !self.owes_whole && self.memory.is_whole() && !self.memory.owes_notes();
        if !is_sure || processes.is_empty() || processes.len() >= MANY {
            return None;
        }
        let ended = self.memory.kept_by(&processes);
        let is_plain = |agent: &AgentName| desired.agents.get(agent).is_some_and(|declared| declared.renamed_from.is_none());
        if ended.len() != processes.len() || !ended.iter().all(is_plain) {
            return None;
        }
        let concerned = concerned(desired, &ended)?;
        Some(Ended { ended, concerned })
    }
}

/// These, all that they wait for or that wait for them, and so on; none if that is no small part of the fleet.
fn concerned(desired: &Desired, agents: &BTreeSet<AgentName>) -> Option<BTreeSet<AgentName>> {
    let mut concerned = agents.clone();
    loop {
        let before = concerned.len();
        for (name, declared) in &desired.agents {
            let after = &declared.spec.care.after;
            if concerned.contains(name) {
                concerned.extend(after.keys().cloned());
            } else if !after.is_empty() && after.keys().any(|other| concerned.contains(other)) {
                concerned.insert(name.clone());
            }
        }
        if concerned.len() > FEW {
            return None;
        }
        if concerned.len() == before {
            return Some(concerned);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Memory, load};

    #[test]
    fn whoever_waits_for_the_ended_or_is_waited_for_is_concerned_and_many_are_not_looked_at_alone() {
        let mut text = "version = 1\nfleet = \"f\"\ndefaults = { command = [\"x\"] }\n".to_owned();
        for (name, after) in [("base", ""), ("store", "base"), ("worker", "store"), ("other", ""), ("beside", "other")] {
            let after = if after.is_empty() { String::new() } else { format!("after = [\"{after}\"]\n") };
            text.push_str(&format!("[agents.{name}]\n{after}"));
        }
        for number in 0..FEW {
            text.push_str(&format!("[agents.leaf-{number}]\nafter = [\"hub\"]\n"));
        }
        text.push_str("[agents.hub]\n");
        let loaded = load("constellation.toml", &Memory::with_manifest(&text), &Default::default());
        let desired = loaded.desired.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
        let of = |name: &str| {
            let concerned = concerned(&desired, &[name.parse().unwrap()].into())?;
            Some(concerned.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        for name in ["base", "store", "worker"] {
            assert_eq!(of(name).as_deref(), Some("base store worker"));
        }
        assert_eq!(of("beside").as_deref(), Some("beside other"));
        assert_eq!((of("hub"), of("leaf-3")), (None, None));
    }
}
