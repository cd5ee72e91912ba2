//! Commands about agents: started, and ended when they take too long; nobody waits for them.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::Outcome;
use super::live::Live;
use crate::observed::Instance;
use crate::process::{self, ProcId};
use crate::time::Duration;

/// The commands that this process started and that have not ended.
#[derive(Debug, Default)]
pub(super) struct Running(Vec<(Child, Instant)>);

impl Running {
    /// Takes note of those that ended, and ends those that took too long.
    pub(super) fn reap(&mut self) {
        self.0.retain_mut(|(child, deadline)| {
            if !matches!(child.try_wait(), Ok(None)) {
                return false;
            }
            if Instant::now() < *deadline {
                return true;
            }
            end(child);
            false
        });
    }
}

impl Drop for Running {
    /// What is still within its time goes on without us.
    fn drop(&mut self) {
        self.reap();
    }
}

fn end(child: &mut Child) {
    if let Ok(Some(root)) = ProcId::of(child.id()) {
        let _ = process::end_tree(&[root], "", std::time::Duration::from_millis(500));
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Starts a command in this folder, for an agent with this inbox.
pub(super) fn run(live: &mut Live, only: &Instance, argv: &[String], (cwd, inbox): (&Path, &Path), patience: Duration) -> Outcome {
    let Some((program, arguments)) = argv.split_first() else { return Outcome::Failed("there is no command".to_owned()) };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(cwd).env_clear().envs(live.caller.minimal()).envs(&live.variables).process_group(0);
    command.env("RECONCILE_FLEET", live.fleet.as_str()).env("RECONCILE_AGENT", only.agent.as_str());
    command.env("RECONCILE_GENERATION", only.generation.to_string()).env("RECONCILE_STATE_DIR", live.paths.folder());
    command.env("RECONCILE_INBOX", inbox);
    match command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
        Ok(child) => {
            live.running.0.push((child, Instant::now() + patience.std()));
            Outcome::Done
        }
        Err(error) => Outcome::Failed(format!("{program} could not be run: {error}")),
    }
}
