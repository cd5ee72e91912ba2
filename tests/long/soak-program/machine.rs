//! What the soak sees of the machine by itself, without the program that is tried.

use std::collections::{BTreeMap, BTreeSet};

use reconcile::process::{self, ProcId};

/// The start time of a process; 0 where there is none.
pub(crate) fn start_time(pid: u32) -> u64 {
    process::stat(pid).ok().flatten().map_or(0, |seen| seen.start_time)
}

/// Whether this very process lives.
pub(crate) fn lives(pid: u32, start: u64) -> bool {
    process::stat(pid).ok().flatten().is_some_and(|seen| seen.start_time == start && seen.state.lives())
}

/// A life that is seen: its generation and the processes that bear its mark, keepers aside.
pub(crate) type Marked = BTreeMap<String, Vec<ProcId>>;

/// By agent, what bears a mark of the fleet: the marks, and the processes of each.
pub(crate) fn marked(fleet: &str) -> BTreeMap<String, Marked> {
    let mut agents: BTreeMap<String, Marked> = BTreeMap::new();
    for (mark, processes) in process::marks_of().unwrap_or_default() {
        if mark.fleet.as_str() == fleet {
            agents.entry(mark.agent.to_string()).or_default().insert(mark.to_string(), processes);
        }
    }
    agents
}

/// The keepers of the fleet: agent, generation and process.
pub(crate) fn keepers(fleet: &str) -> Vec<(String, u64, ProcId)> {
    let ours = process::keepers().unwrap_or_default().into_iter().filter(|keeper| keeper.mark.fleet.as_str() == fleet);
    ours.map(|keeper| (keeper.mark.agent.to_string(), keeper.mark.generation.0, keeper.process)).collect()
}

/// Every process whose command line or environment names this text.
pub(crate) fn naming(text: &str) -> BTreeSet<u32> {
    let names = |pid: u32| {
        ["cmdline", "environ"].iter().any(|file| {
            let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        })
    };
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        *pid != std::process::id() && process::stat(*pid).ok().flatten().is_some_and(|seen| seen.state.lives()) && names(*pid)
    })
    .collect()
}
