//! What a life was allowed to leave running: it is no part of the agent any more, and in nobody's way.

use super::{AgentName, Desired, Found, Record, Seat};
use crate::desired::Leftovers;
use crate::host::Life;
use crate::observed::{Exit, Remnant};

/// Takes out of what was found of an agent what its lives may have left. What a killed keeper left is not among it: that was never ended.
pub(super) fn let_stay(name: &AgentName, lives: &mut Vec<&Found>, record: Option<&Record>, desired: &Desired) {
    let applied = record.and_then(|record| record.spec.as_ref());
    let declared = desired.agents.get(name).map(|declared| &declared.spec);
    let stays = |leftovers: Leftovers| matches!(leftovers, Leftovers::Report | Leftovers::Keep);
    if ![applied, declared].into_iter().flatten().any(|spec| stays(spec.care.leftovers)) {
        return;
    }
    let ended: Vec<_> =
        lives.iter().filter(|found| matches!(found.life, Life::Ended { .. })).map(|found| found.instance.mark.clone()).collect();
    lives.retain(|found| {
        let Seat::Adrift { .. } = &found.instance.seat else { return true };
        if matches!(found.life, Life::Ended { .. }) {
            return true;
        }
        let mark = &found.instance.mark;
        let is_earlier = record.is_some_and(|record| mark.as_ref().is_some_and(|mark| mark.generation < record.generation));
        let has_ended = |record: &Record| record.mark == *mark && record.ended.as_ref().is_some_and(|ended| ended.exit != Exit::Unseen);
        !is_earlier && !ended.contains(mark) && !record.is_some_and(has_ended)
    });
}

/// Their numbers and commands, for people.
pub(super) fn named(left: &[Remnant]) -> String {
    left.iter().map(|left| format!("pid {} ({})", left.process.pid, left.command)).collect::<Vec<_>>().join(", ")
}
