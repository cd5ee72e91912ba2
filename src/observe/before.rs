//! How long a start may have nothing that could be ready: its keeper is at the hook before it, or looks up secrets.

use std::collections::BTreeMap;

use crate::desired::{Care, SECRET_PATIENCE, Secret, SecretSource};
use crate::host::START_PATIENCE;
use crate::observed::Sighting;
use crate::time::Duration;

/// How long after its time a keeper may need to say so.
const SLACK: Duration = Duration::from_secs(5);

/// Whether an agent has no keeper yet, or one that has not named the program that it started.
pub(super) fn is_unheard(sighting: &Sighting) -> bool {
    sighting.instance.as_ref().is_none_or(|instance| instance.keeper.is_some() && instance.program.is_none())
}

/// How long after a spawn a keeper may be at work without having started its program. One that lives for longer has, and its word was lost.
pub(super) fn allowance(care: Option<&Care>, secrets: &BTreeMap<String, Secret>) -> Duration {
    let hook = care.and_then(|care| care.hooks.before_spawn.as_ref()).map_or(Duration::ZERO, |hook| hook.timeout);
    let commands = secrets.values().filter(|secret| matches!(secret.from, SecretSource::Command(_)));
    commands.fold(START_PATIENCE + SLACK + hook, |sum, _| sum + SECRET_PATIENCE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{Hook, Hooks, OnChange, OnFail};

    #[test]
    fn a_start_has_the_time_of_its_hook_and_of_its_secrets() {
        let check = |hooked: bool, secrets: &[SecretSource]| {
            let hook = Hook { command: vec!["x".to_owned()], timeout: Duration::from_secs(20), on_fail: OnFail::Fail };
            let care = Care { hooks: Hooks { before_spawn: hooked.then_some(hook), ..Hooks::default() }, ..Care::default() };
            let secret =
                |(at, from): (usize, &SecretSource)| (at.to_string(), Secret { from: from.clone(), on_change: OnChange::default() });
            allowance(Some(&care), &secrets.iter().enumerate().map(secret).collect())
        };
        let command = SecretSource::Command(vec!["x".to_owned()]);
        assert_eq!(check(false, &[]), Duration::from_secs(35));
        assert_eq!(check(true, &[]), Duration::from_secs(55));
        assert_eq!(check(true, &[command.clone(), command, SecretSource::Env("X".to_owned())]), Duration::from_secs(115));
    }
}
