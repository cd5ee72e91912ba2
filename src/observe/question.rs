//! What a look asks of the machine, by what is declared and remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{AgentName, AgentSpec, Depth, Desired, Record, Seat, in_tmux, join, lives, server};
use crate::host::{Ask, Known, Unproven};

/// What to look at: everything that is declared or remembered, and what may run already where an agent is likely to be started. Where nothing is remembered,
/// not even that there was an apply, the state folder may have been lost, and all that bears a mark of the fleet is searched for.
pub(super) fn question<'a>(
    desired: &'a Desired,
    records: &'a BTreeMap<AgentName, Record>,
    nothing_is_known: bool,
    depth: Depth,
) -> Ask<'a> {
    let all_is_known = depth != Depth::Everything;
    let mut sockets = BTreeSet::new();
    let mut known = Vec::new();
    for (name, record) in records.iter().filter(|(_, record)| record.generation.0 > 0) {
        if let Some(Seat::Pane { socket, .. }) = record.instance.as_ref().map(|instance| &instance.seat) {
            sockets.insert(socket.clone());
        }
        if record.ended.is_none() && join::knows_a_life(record) {
            let (mark, instance, namespace) = (record.mark.clone(), record.instance.clone(), record.namespace);
            let is_daemon = record.spec.as_ref().is_some_and(|spec| !in_tmux(spec));
            known.push(Known { agent: name.clone(), mark, instance, is_daemon, namespace });
        }
    }
    let unproven = records.iter().filter(|(_, record)| lives::is_unproven(record));
    let program = |record: &Record| record.instance.as_ref().and_then(|instance| instance.program.clone());
    let unproven = unproven
        .filter_map(|(name, record)| {
            Some(Unproven { agent: name.clone(), mark: record.mark.clone()?, program: program(record), namespace: record.namespace })
        })
        .collect();
    // Under which name an agent was started, if it was.
    let named = |name: &AgentName| records.get(name).and_then(|record| record.mark.as_ref()).map_or(name, |mark| &mark.agent).clone();
    let living: BTreeSet<&AgentName> = known.iter().map(|known| &known.agent).collect();
    let names: BTreeSet<&AgentName> = desired.agents.keys().chain(records.keys()).collect();
    let silent = names.difference(&living).map(|name| ((*name).clone(), named(name))).collect();
    let starts: Vec<(AgentName, &AgentSpec)> = desired
        .agents
        .iter()
        .filter(|(name, declared)| !records.get(*name).is_some_and(|record| rests(record, &declared.spec)))
        .map(|(name, declared)| (name.clone(), &declared.spec))
        .collect();
    let server = if nothing_is_known { Some(&desired.server) } else { server(desired) };
    let unrecorded = starts.iter().any(|(name, _)| !records.get(name).is_some_and(join::knows_a_life));
    // What was asked to end is looked for until it is gone, and what a life before may have left until that is proven.
    let is_unproven = records.values().any(|record| record.sweeping.is_some() || record.predecessor_unproven);
    let search = nothing_is_known || is_unproven || (unrecorded && !all_is_known);
    let left = records.iter().filter(|(_, record)| !record.left.is_empty()).map(|(name, record)| (name.clone(), record.left.clone()));
    let left = left.collect();
    let sockets = sockets.into_iter().collect::<Vec<PathBuf>>();
    Ask { fleet: &desired.fleet, server, sockets, known, starts, left, unproven, silent, search, closely: depth == Depth::Processes }
}

/// Whether nothing will have to be started for an agent, as far as its record tells. A guess: where it is wrong, tmux is asked once more.
fn rests(record: &Record, declared: &AgentSpec) -> bool {
    let same = record.spec.as_ref().is_some_and(|spec| spec.launch == declared.launch);
    same && record.ended.is_none() && record.replace_up_to < record.generation
}
