//! Commands that are run beside the rounds: each has an end, and none outlives the process that wants to know what comes of it.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::process::{self, ProcId};
use crate::quit;

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
        let (child, id) = quit::start(command)?;
        running.helpers.extend(id);
        Ok(child)
    }

    /// Waits until a command has ended that was started here; none if it took longer than that, and was ended with all that it had
    /// started.
    ///
    /// # Errors
    ///
    /// If it could not be waited for.
    pub(super) fn finish(&self, mut child: Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + quit::patience(limit);
        let id = ProcId::of(child.id()).ok().flatten();
        let notice = id.as_ref().and_then(|id| process::death_notice(id).ok().flatten());
        let in_time = match &notice {
            Some(notice) => ends_by(notice, deadline),
            // It has ended, or there is no notice of its end to be had.
            None => process::child_ends_by(&mut child, deadline)?,
        };
        if !in_time {
            if let Some(id) = &id {
                end(std::slice::from_ref(id));
            }
            let _ = child.kill();
        }
        // From here on, its number may become another one's.
        if let Some(id) = &id {
            quit::ended(id);
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
        let helpers: Vec<ProcId> = std::mem::take(&mut running.helpers).into_iter().collect();
        drop(running);
        if !helpers.is_empty() {
            end(&helpers);
        }
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the process that a notice is of ends by this time. It is not reaped: its number stays its own.
fn ends_by(notice: &OwnedFd, deadline: Instant) -> bool {
    loop {
        let rest = deadline.saturating_duration_since(Instant::now());
        // A signal may end the wait early.
        if process::ends_within(notice, rest) || rest.is_zero() {
            return process::ends_within(notice, Duration::ZERO);
        }
    }
}

/// Ends commands together: the time that they have is that of one.
fn end(helpers: &[ProcId]) {
    let _ = process::end_tree(helpers, "", LAST);
    // What has left the tree is still in the group, whose number is nobody else's before its leader has been waited for.
    for group in helpers.iter().filter_map(|id| i32::try_from(id.pid).ok().and_then(rustix::process::Pid::from_raw)) {
        let _ = rustix::process::kill_process_group(group, process::Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
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
