//! Commands that are run beside the rounds: each has an end, and none outlives the process that wants to know what comes of it.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::process::{self, ProcId};

/// How long a command has to end that took too long, before it is killed.
const LAST: Duration = Duration::from_millis(500);

/// The commands that run at this moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Helpers(Arc<Mutex<Running>>);

#[derive(Debug, Default)]
struct Running {
    helpers: BTreeSet<ProcId>,
    is_over: bool,
}

impl Helpers {
    /// Starts a command, in a process group of its own.
    ///
    /// # Errors
    ///
    /// If it cannot be started, or all were ended.
    pub(super) fn start(&self, command: &mut Command) -> std::io::Result<Child> {
        let mut running = self.running();
        if running.is_over {
            return Err(std::io::Error::other("nobody waits for it any more"));
        }
        let child = command.process_group(0).spawn()?;
        running.helpers.extend(ProcId::of(child.id()).ok().flatten());
        Ok(child)
    }

    /// Waits until a command has ended that was started here; none if it took longer than that, and was ended with all that it had
    /// started.
    ///
    /// # Errors
    ///
    /// If it could not be waited for.
    pub(super) fn finish(&self, mut child: Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
        let id = ProcId::of(child.id()).ok().flatten();
        let notice = id.as_ref().and_then(|id| process::death_notice(id).ok().flatten());
        let in_time = match &notice {
            Some(notice) => process::wait_any(&[notice.as_fd()], Some(limit)).is_ok_and(|ready| !ready.is_empty()),
            // It has ended, or it cannot be told, and is not waited for.
            None => true,
        };
        let in_time = in_time || matches!(child.try_wait(), Ok(Some(_)));
        if !in_time {
            if let Some(id) = &id {
                end(id);
            }
            let _ = child.kill();
        }
        let status = child.wait();
        if let Some(id) = &id {
            self.running().helpers.remove(id);
        }
        Ok(in_time.then_some(status?))
    }

    /// Ends all that still run, and lets none begin.
    pub(super) fn end_all(&self) {
        let mut running = self.running();
        running.is_over = true;
        let helpers = std::mem::take(&mut running.helpers);
        drop(running);
        helpers.iter().for_each(end);
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end(id: &ProcId) {
    let _ = process::end_tree(std::slice::from_ref(id), "", LAST);
    // What has left the tree is still in the group, whose number is nobody else's before its leader has been waited for.
    if let Some(group) = i32::try_from(id.pid).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, process::Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn run(helpers: &Helpers, script: &str, limit: Duration) -> Option<ExitStatus> {
        let child = helpers.start(Command::new("sh").args(["-c", script])).unwrap();
        helpers.finish(child, limit).unwrap()
    }

    const SLEEP: &str = "sleep 1000 & sleep 1000";

    #[test]
    fn what_takes_too_long_is_ended_and_so_is_all_of_it_at_the_end() {
        let helpers = Helpers::default();
        assert_eq!(run(&helpers, "exit 3", Duration::from_secs(20)).unwrap().code(), Some(3));
        assert_eq!(run(&helpers, SLEEP, Duration::from_millis(1)), None);
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| run(&helpers, SLEEP, Duration::from_secs(1000)));
            while helpers.running().helpers.is_empty() {
                assert!(begun.elapsed() < Duration::from_secs(20));
                std::thread::yield_now();
            }
            helpers.end_all();
            assert!(!waits.join().unwrap().unwrap().success());
        });
        assert!(begun.elapsed() < Duration::from_secs(60));
        assert!(helpers.start(&mut Command::new("true")).is_err());
    }
}
