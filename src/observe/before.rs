//! Whether a start may still be at its hook, so that there is nothing that could be ready.

use crate::desired::Care;
use crate::observed::{Phase, Sighting};
use crate::time::Timestamp;

/// Whether the keeper of an agent has not named a program yet and may be waiting for the hook before it.
pub(super) fn may_be_at_its_hook(sighting: &Sighting, care: Option<&Care>, now: Timestamp) -> bool {
    let Phase::Running { since, .. } = &sighting.phase else { return false };
    let Some(hook) = care.and_then(|care| care.hooks.before_spawn.as_ref()) else { return false };
    let unheard = sighting.instance.as_ref().is_some_and(|instance| instance.keeper.is_some() && instance.program.is_none());
    unheard && now.since(*since) < hook.timeout
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{Generation, Hook, Hooks, OnFail};
    use crate::observed::{Health, Instance, Seat};
    use crate::process::ProcId;
    use crate::time::Duration;

    #[test]
    fn a_start_has_the_time_of_its_hook() {
        let process = |pid| ProcId { pid, start_time: 1, boot_id: "b".into() };
        let check = |program: Option<u32>, age: i64, hooked: bool| {
            let instance = Instance {
                agent: "a".parse().unwrap(),
                generation: Generation(1),
                mark: None,
                keeper: Some(process(1)),
                program: program.map(process),
                seat: Seat::Detached { pidfile: "/x".into() },
            };
            let phase = Phase::Running { since: Timestamp::from_millis(0), health: Health::Starting };
            let sighting = Sighting { phase, instance: Some(instance), ..Sighting::default() };
            let hook = Hook { command: vec!["x".to_owned()], timeout: Duration::from_secs(20), on_fail: OnFail::Fail };
            let care = Care { hooks: Hooks { before_spawn: hooked.then_some(hook), ..Hooks::default() }, ..Care::default() };
            may_be_at_its_hook(&sighting, Some(&care), Timestamp::from_millis(age))
        };
        assert!(check(None, 19_999, true));
        assert!(!check(None, 20_000, true) && !check(Some(2), 10, true) && !check(None, 10, false));
    }
}
