//! Signals and death notices by pidfd: between the check of an identity and the signal no other process can take its place.
//! Nothing here sends to a group or to a bare number.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
pub use rustix::process::Signal;
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};

use super::{Liveness, ProcId, is_ours};

/// What became of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The process has it.
    Sent,
    /// That process does not run any more; nothing was sent.
    Gone,
    /// It is a process that we never signal: the first one, the caller, or another user's.
    Refused,
}

/// Sends `what` to exactly this process. Errors when its identity could not be established or the kernel refused: then nothing was sent.
pub fn signal(to: &ProcId, what: Signal) -> io::Result<Outcome> {
    if to.pid <= 1 || to.pid == std::process::id() {
        return Ok(Outcome::Refused);
    }
    let Some(pidfd) = death_notice(to)? else { return Ok(Outcome::Gone) };
    match is_ours(to.pid)? {
        None => return Ok(Outcome::Gone),
        Some(false) => return Ok(Outcome::Refused),
        Some(true) => {}
    }
    match pidfd_send_signal(&pidfd, what) {
        Ok(()) => Ok(Outcome::Sent),
        Err(Errno::SRCH) => Ok(Outcome::Gone),
        Err(error) => Err(error.into()),
    }
}

/// Whether the process that a notice is of ends within this time.
pub fn ends_within(notice: &OwnedFd, patience: Duration) -> bool {
    wait_any(&[notice.as_fd()], Some(patience)).is_ok_and(|ready| !ready.is_empty())
}

/// A descriptor that becomes readable when this very process ends; `None` if it has ended. Errors when that could not be told.
pub fn death_notice(of: &ProcId) -> io::Result<Option<OwnedFd>> {
    let number = i32::try_from(of.pid).ok().and_then(Pid::from_raw);
    let Some(number) = number else { return Ok(None) };
    let pidfd = match pidfd_open(number, PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        // A number that now is a thread's and not a process's is EINVAL or ENOENT.
        Err(Errno::SRCH | Errno::INVAL | Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // The descriptor stands for whoever had the number when it was opened: it is the right one if the identity still holds now.
    match of.liveness() {
        Liveness::Alive => Ok(Some(pidfd)),
        Liveness::Gone => Ok(None),
        Liveness::Unknown => Err(io::Error::other(format!("whether {of} still is the same could not be told"))),
    }
}

/// How often a child is looked at of which no notice can be had.
const GLANCE: Duration = Duration::from_millis(5);

/// Whether a child has ended by this time; waits for it. Errors when it could not be waited for.
pub fn child_ends_by(child: &mut Child, deadline: Instant) -> io::Result<bool> {
    // Where the kernel has no such notices, it is looked at again and again.
    let notice = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).ok();
    loop {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        let rest = deadline.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return Ok(false);
        }
        match &notice {
            Some(notice) => drop(wait_any(&[notice.as_fd()], Some(rest))?),
            None => std::thread::sleep(rest.min(GLANCE)),
        }
    }
}

/// Waits until one of the descriptors is readable or `patience` is over, and returns the positions of those that are.
/// A death notice is readable as soon as the process is a zombie. A signal handler may end the wait early, with none.
pub fn wait_any(notices: &[BorrowedFd<'_>], patience: Option<Duration>) -> io::Result<Vec<usize>> {
    let until = patience.map(|patience| Instant::now() + patience);
    let mut fds: Vec<PollFd<'_>> = notices.iter().map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)).collect();
    let timeout = until.map(|until| timespec(until.saturating_duration_since(Instant::now())));
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) => Ok(fds.iter().enumerate().filter(|(_, fd)| !fd.revents().is_empty()).map(|(position, _)| position).collect()),
        Err(Errno::INTR) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn timespec(length: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(length.as_secs()).unwrap_or(i64::MAX), tv_nsec: length.subsec_nanos().into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn only_the_very_process_is_signalled() {
        let mut child = Command::new("/bin/sleep").arg("1000").spawn().unwrap();
        let id = ProcId::of(child.id()).unwrap().unwrap();
        let reused = ProcId { start_time: id.start_time + 1, ..id.clone() };
        assert_eq!(signal(&reused, Signal::KILL).unwrap(), Outcome::Gone);
        assert_eq!(id.liveness(), Liveness::Alive);
        let notice = death_notice(&id).unwrap().unwrap();
        assert_eq!(wait_any(&[notice.as_fd()], Some(Duration::ZERO)).unwrap(), Vec::<usize>::new());
        assert_eq!(signal(&id, Signal::KILL).unwrap(), Outcome::Sent);
        assert_eq!(wait_any(&[notice.as_fd()], Some(Duration::from_secs(10))).unwrap(), [0]);
        assert_eq!(signal(&id, Signal::KILL).unwrap(), Outcome::Gone);
        child.wait().unwrap();
    }

    #[test]
    fn the_first_process_and_the_caller_are_refused() {
        let me = super::super::me().unwrap();
        assert_eq!(signal(&me, Signal::KILL).unwrap(), Outcome::Refused);
        for pid in [0, 1] {
            assert_eq!(signal(&ProcId { pid, ..me.clone() }, Signal::KILL).unwrap(), Outcome::Refused);
        }
        assert_eq!(signal(&ProcId { pid: u32::MAX, ..me }, Signal::KILL).unwrap(), Outcome::Gone);
    }
}
