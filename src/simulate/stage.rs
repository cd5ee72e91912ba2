//! A fleet as it can be played: nothing of it reaches into the real world.

use std::collections::BTreeMap;

use crate::desired::{AgentName, Desired, Handoff, Milestone, Preset};
use crate::host::sim::Behaviour;
use crate::observed::Exit;
use crate::time::Duration;

/// The rules by which the simulated terminal is read: it draws like this program, whatever would run in it.
const DIALECT: &str = "claude";

/// The same fleet for a machine without files: no notes are looked for, and every screen that would be read is one that can be.
pub(super) fn set(desired: &Desired) -> Desired {
    let mut desired = desired.clone();
    for declared in desired.agents.values_mut() {
        let care = &mut declared.spec.care;
        let is_read = !care.preset.is_empty() || care.idle.is_some();
        care.handoff = Handoff::default();
        if is_read {
            care.preset = vec![Preset::Named(DIALECT.to_owned())];
            care.idle = None;
            care.dialogs.clear();
        }
    }
    desired
}

/// How long a program takes for whose end others wait.
const JOB: Duration = Duration::from_secs(10);

/// How the programs behave: some crash as asked, others end well because somebody waits for that.
pub(super) fn behaviours(desired: &Desired, crashes_after: &BTreeMap<AgentName, Duration>) -> BTreeMap<AgentName, Behaviour> {
    let awaited = desired.agents.values().flat_map(|declared| &declared.spec.care.after);
    let jobs = awaited.filter(|(_, milestone)| matches!(milestone, Milestone::Exited | Milestone::Succeeded));
    let jobs = jobs.map(|(agent, _)| (agent.clone(), (JOB, Exit::Code(0))));
    let crashing = crashes_after.iter().map(|(agent, after)| (agent.clone(), (*after, Exit::Code(1))));
    jobs.chain(crashing).map(|(agent, life)| (agent, Behaviour { life: Some(life), ..Behaviour::default() })).collect()
}
