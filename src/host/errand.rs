//! Hooks whose moment only the tool knows. Each is started in a process of its own and never waited for.

use std::process::{Command, Stdio};

use super::Outcome;
use super::live::{Live, now};
use super::tmux::Scope;
use crate::desired::{AgentSpec, Hook};
use crate::keeper::{Errand, errand_arguments};
use crate::observed::Instance;

/// Starts a hook of an instance. One that was adopted has no mark, and no hooks.
pub(super) fn start(live: &mut Live, only: &Instance, name: &str, hook: &Hook, spec: &AgentSpec) -> Outcome {
    let Some(mark) = &only.mark else { return Outcome::Done };
    let mut launch = (*spec.launch).clone();
    launch.secrets.clear();
    let spec = AgentSpec { launch: launch.into(), care: spec.care.clone() };
    let orders = match live.caller.orders_for(mark, &spec, now(), &live.paths) {
        Ok(orders) => orders,
        Err(why) => return Outcome::Failed(why),
    };
    let path = live.paths.errand(mark, name);
    let errand = Errand { name: name.to_owned(), hook: hook.clone(), spec: orders };
    if let Err(error) = errand.write(&path) {
        return Outcome::Failed(format!("the hook {name} could not be written to {}: {error}", path.display()));
    }
    let mut words = Scope::here().words();
    words.push(live.exe.clone().into_os_string());
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args(errand_arguments(&path));
    // The environment of the hook is in the errand; a mark of ours would make it part of an agent that started this process.
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    match command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
        Ok(child) => {
            live.errands.push(child);
            Outcome::Done
        }
        Err(error) => {
            let _ = std::fs::remove_file(&path);
            Outcome::Failed(format!("the hook {name} could not be started: {error}"))
        }
    }
}
