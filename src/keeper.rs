//! The resident parent of one instance: it starts the program exactly as declared, knows how it ended, and ends its whole tree.
//!
//! A keeper is this same binary, started as `reconcile keep LABEL SPEC` in a pane or detached. It decides nothing: it never starts a program a second
//! time, never looks at a manifest, reads a record only to see whether an end was asked for, and asks no other process. It holds the agent's lock and its fence while it
//! lives, so there is one instance at most, whichever run and state folder started it. The types here are its whole protocol: [`Spec`] in, [`Status`] and [`Pidfile`] out.
//!
//! Two smaller processes of this binary are its relatives: the writer of a pane's log, and the runner of a hook whose moment only the tool knows.
//! They hold no lock and belong to nobody's life.
//!
//! Signals to a keeper: TERM ends the whole tree now; HUP in a pane (the terminal went away) is passed on to the program, and the tree is ended a
//! second later; USR1 opens the log anew. All others, and all that come from its own descendants, are ignored.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::desired::Mark;
use crate::process::KEEP;

mod attributes;
mod begin;
mod dotenv;
mod duties;
mod ending;
mod environment;
mod errand;
mod exec_size;
mod fence;
mod file;
mod handover;
mod hook;
mod inherited;
mod life;
mod lock;
mod log;
mod pidfile;
mod predecessor;
mod preflight;
mod program;
mod secret;
mod signals;
mod spec;
mod start;
mod status;
mod times;
mod writer;

pub use begin::LifeBegin;
pub use duties::Duties;
pub use errand::{Errand, errand_arguments, errand_asked_for, run_errand};
pub use fence::{fence_holder, held_fences, squatters};
pub use lock::is_locked;
pub use pidfile::{Pidfile, PidfileContent, PidfileTaken, read_pidfile, taken_pidfile};
pub use preflight::Preflight;
pub use spec::{RuledOut, Secret, Spec, Stdio};
pub use status::{Asked, End, Exit, StartError, StartErrorKind, Status};
pub use times::{EXACTNESS, Note, log_fault, notes};
pub use writer::{end_of_input, is_writing, write_log, writer_arguments, writer_asked_for};

/// The exit code of a keeper that found the agent's lock or fence taken, or the program of a killed keeper: another instance lives. It wrote nothing.
pub const LOCKED: u8 = 75;

/// The exit code of a keeper that was told nothing it could use: no spec, or another instance's. It wrote nothing.
pub const NO_SPEC: u8 = 78;

/// The exit code of a keeper whose lock could not be opened. It wrote nothing.
pub const NO_LOCK: u8 = 71;

/// The least age of a keeper at the end of its process in a pane: tmux loses the last words of one that ends before the pane is set up, and with
/// them why it ended (one in fifteen of those that live for a millisecond). The status is written and the lock is free by then.
const LINGER: Duration = Duration::from_millis(100);

/// The words after the executable that make a process the keeper of `mark`. A daemon's must not be started as the leader of a process group:
/// a leader cannot leave its terminal session.
pub fn arguments(mark: &Mark, spec: &Path) -> [OsString; 3] {
    [KEEP.into(), mark.to_string().into(), spec.into()]
}

/// The label and spec if the calling process was started as a keeper. `main` asks this before anything else, so that a keeper stays small.
pub fn asked_for() -> Option<(String, PathBuf)> {
    let mut words = std::env::args_os().skip(1);
    if words.next()? != KEEP {
        return None;
    }
    let (label, spec) = (words.next()?, words.next()?);
    words.next().is_none().then(|| (label.to_string_lossy().into_owned(), spec.into()))
}

/// Keeps one instance until it and its tree have ended, and returns the exit code for the process: the program's own, 128 + N after signal N,
/// 126 or 127 if it could not be started, or one of [`LOCKED`], [`NO_SPEC`], [`NO_LOCK`].
pub fn keep(label: &str, spec: &Path) -> u8 {
    let born = Instant::now();
    let refused = |code: u8, why: String| {
        tell(&format!("{label}: {why}"));
        code
    };
    let code = match inherited::close() {
        Ok(()) => life::live(label, spec).unwrap_or_else(|refusal| refused(refusal.code, refusal.why)),
        Err(error) => refused(NO_SPEC, format!("files that came with the start could not be closed: {error}")),
    };
    if std::io::stdout().is_terminal() {
        std::thread::sleep(LINGER.saturating_sub(born.elapsed()));
    }
    code
}

/// For whoever looks at the pane. There is nothing to do about a terminal that does not take it.
fn tell(message: &str) {
    let message: String = message.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let _ = std::io::stderr().write_all(format!("reconcile: {message}\n").as_bytes());
}
