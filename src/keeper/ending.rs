//! The end of a program and of all below it: how it ended, what was killed, and the word of it.

use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{WaitOptions, WaitStatus, wait};

use super::status::{Asked, End, Exit, Status};
use crate::desired::{Leftovers, Mark};
use crate::process::{Ended, end_session, end_tree, stat};
use crate::time::Timestamp;

/// How long the kill of a tree is waited for before it is reported, or tried again if the program itself is among the survivors.
pub(super) const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// Collects all that died; the end of this process if that is among it.
pub(super) fn reap(of: Option<u32>) -> Option<Exit> {
    let mut exit = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, how))) => {
                if u32::try_from(pid.as_raw_nonzero().get()).ok() == of {
                    exit = exit.or_else(|| exit_of(how));
                }
            }
            Err(Errno::INTR) => {}
            Ok(None) | Err(_) => return exit,
        }
    }
}

/// A stopped program has not ended.
fn exit_of(how: WaitStatus) -> Option<Exit> {
    let code = how.exit_status().map(|code| Exit::Code(u8::try_from(code).unwrap_or(255)));
    code.or_else(|| how.terminating_signal().map(Exit::Signal))
}

/// Ends everything below the keeper; of what may be left over, only what is still in the keeper's terminal session.
pub(super) fn sweep(label: &Mark, status: &Status, leftovers: Leftovers) -> Ended {
    let (roots, label) = (std::slice::from_ref(&status.keeper), label.to_string());
    let session = stat(status.keeper.pid).ok().flatten().map(|seen| seen.session);
    let ended = match (leftovers, session) {
        (Leftovers::Report | Leftovers::Keep, Some(session)) => end_session(roots, &label, session, KILL_PATIENCE),
        (Leftovers::Report | Leftovers::Keep, None) | (Leftovers::Kill, _) => end_tree(roots, &label, KILL_PATIENCE),
    };
    let mut swept = ended.unwrap_or_default();
    // The program is no leftover of itself.
    swept.killed.retain(|remnant| Some(&remnant.process) != status.program.as_ref());
    swept
}

pub(super) fn merge(all: &mut Ended, more: Ended) {
    all.killed.extend(more.killed);
    all.spared = more.spared;
    all.survivors = more.survivors;
}

pub(super) fn end(how: Exit, at: Timestamp, asked: Option<Asked>, swept: Ended) -> End {
    End {
        how,
        at,
        asked,
        leftovers_killed: swept.killed,
        spared: swept.spared,
        survivors: swept.survivors,
        left: Vec::new(),
        background: Vec::new(),
        complaints: Vec::new(),
    }
}

/// The last thing before the lock is freed. Tried more than once: it is the only news of this exit.
pub(super) fn report(status: &Status, path: &Path) {
    for _ in 0..10 {
        if status.write(path).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
