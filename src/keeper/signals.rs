//! The signals that reach a keeper, with who sent them. Handlers are installed for all that its program may be sent by a terminal or a group,
//! so that none of them ends the keeper, and none is inherited as ignored: a handler is reset when a program is started, an ignored signal is not.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::signal::{
    SIGCHLD, SIGFPE, SIGHUP, SIGILL, SIGINT, SIGKILL, SIGPIPE, SIGQUIT, SIGSEGV, SIGSTOP, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1,
    SIGUSR2, SIGWINCH,
};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::WithOrigin;

use crate::process;

/// What a signal means for a keeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// Somebody outside wants the whole tree to end.
    End,
    /// The terminal went away.
    Hangup,
    /// The log should be opened anew.
    Reopen,
}

/// The installed handlers.
pub(super) struct Signals {
    delivery: SignalDelivery<UnixStream, WithOrigin>,
    early: Vec<Notice>,
}

impl Signals {
    /// Installs the handlers, also for what the keeper was started with as ignored: its program is not to inherit that.
    pub(super) fn install() -> io::Result<Self> {
        let mut wanted = vec![SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCHLD, SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH];
        wanted.extend(ignored());
        let (read, write) = UnixStream::pair()?;
        Ok(Self { delivery: SignalDelivery::with_pipe(read, write, WithOrigin::default(), wanted)?, early: Vec::new() })
    }

    /// What has arrived since the last call. Signals from the keeper's own descendants mean nothing: a program that signals its own process
    /// group means itself. This must be asked before the dead are reaped, while the sender can still be recognised.
    pub(super) fn take(&mut self) -> Vec<Notice> {
        let mut notices = std::mem::take(&mut self.early);
        for origin in self.delivery.pending() {
            let notice = match origin.signal {
                SIGTERM => Notice::End,
                SIGHUP => Notice::Hangup,
                SIGUSR1 => Notice::Reopen,
                _ => continue,
            };
            let sender = origin.process.and_then(|sender| u32::try_from(sender.pid).ok()).unwrap_or(0);
            if !is_descendant(sender) && !notices.contains(&notice) {
                notices.push(notice);
            }
        }
        notices
    }

    /// Whether the end was asked for before the program was started; what has arrived is kept for [`Signals::take`].
    pub(super) fn ends_before_start(&mut self) -> bool {
        self.early = self.take();
        self.early.iter().any(|notice| matches!(notice, Notice::End | Notice::Hangup))
    }

    /// Readable when something has arrived.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.delivery.get_read().as_fd()
    }
}

/// Whether `pid` is below the calling process. One that cannot be found any more is not: better an end too many than one that was refused.
fn is_descendant(pid: u32) -> bool {
    let me = std::process::id();
    let mut at = pid;
    // Parents may change while they are read: a limit instead of a proof that this is no circle.
    for _ in 0..1_000 {
        if at <= 1 {
            return false;
        }
        at = process::stat(at).ok().flatten().map_or(0, |seen| seen.ppid);
        if at == me {
            return true;
        }
    }
    false
}

/// The signals that the calling process ignores, as far as a handler can be installed for them.
fn ignored() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or_default();
    let mask = u64::from_str_radix(mask.trim(), 16).unwrap_or(0);
    // SIGPIPE is reset by the standard library, 32 and 33 belong to the C library.
    let kept = [SIGKILL, SIGSTOP, SIGILL, SIGFPE, SIGSEGV, SIGPIPE, 32, 33];
    (1..=64).filter(|signal| mask >> (signal - 1) & 1 == 1 && !kept.contains(signal)).collect()
}
