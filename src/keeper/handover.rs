//! A program that puts itself into the background: its first process ends, and the pidfile that it writes tells which one goes on. The keeper is the
//! subreaper of all of them, so what goes on becomes its child, and its end is seen like any other.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::pidfile::{PidfileContent, read_pidfile};
use super::status::{Exit, StartError, StartErrorKind};
use crate::process::{ProcId, Remnant, descendants, stat, survey};

/// How long the first process may take to put the program into the background.
const LAUNCH: Duration = Duration::from_secs(90);

/// How long the pidfile may take once the first process has ended.
const PIDFILE: Duration = Duration::from_secs(10);

/// How soon the pidfile is checked again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How long, and how often, a process that is left is given to leave its terminal session: that is its first deed after its parent's end.
const LEAVES_WITHIN: Duration = Duration::from_millis(100);
const STEP: Duration = Duration::from_millis(10);

/// A program on its way into the background.
pub(super) struct Handover {
    launcher: ProcId,
    pidfile: PathBuf,
    begun: Instant,
    left: Option<Instant>,
}

/// How far it is.
pub(super) enum Stage {
    /// On its way.
    OnTheWay,
    /// This process goes on.
    Done(ProcId),
    /// It came to nothing.
    Over(Exit),
}

impl Handover {
    /// Of the program that was started as `launcher` and will write this pidfile.
    pub(super) fn new(launcher: ProcId, pidfile: PathBuf) -> Self {
        Self { launcher, pidfile, begun: Instant::now(), left: None }
    }

    /// The number of the first process.
    pub(super) fn launcher(&self) -> u32 {
        self.launcher.pid
    }

    /// When to look again at the latest: the end of the first process is a signal, and nothing announces the pidfile after it.
    pub(super) fn look_again(&self) -> Duration {
        if self.left.is_some() { LOOK_AGAIN } else { LAUNCH.saturating_sub(self.begun.elapsed()).max(LOOK_AGAIN) }
    }

    /// How far it is, given how the first process ended if it just has.
    pub(super) fn stage(&mut self, ended: Option<Exit>) -> Stage {
        match ended {
            Some(Exit::Code(0)) => self.left = Some(Instant::now()),
            Some(exit) => return Stage::Over(exit),
            None => {}
        }
        let Some(left) = self.left else {
            let why = "it still runs in the foreground, but `daemonizes` says that it goes into the background: remove that";
            return if self.begun.elapsed() > LAUNCH { failed(why.to_owned()) } else { Stage::OnTheWay };
        };
        let why = match named(&self.pidfile) {
            Ok(program) => return Stage::Done(program),
            Err(why) => why,
        };
        // A process that has ended may have left others, but with none there is nothing to wait for.
        let is_alone = descendants(std::process::id()).is_ok_and(|below| below.is_empty());
        if is_alone {
            return failed(format!("its first process ended with status 0 and nothing kept running in the background; {why}"));
        }
        if left.elapsed() > PIDFILE {
            failed(format!("it is not known which process runs in the background: {why}"))
        } else {
            Stage::OnTheWay
        }
    }
}

fn failed(why: String) -> Stage {
    Stage::Over(Exit::Failed(StartError::new(StartErrorKind::Daemonize, why)))
}

/// The child of the keeper that is, or is above, the process that the pidfile names. Only what descends from the keeper counts, whatever a file says.
fn named(pidfile: &Path) -> Result<ProcId, String> {
    let pid = match read_pidfile(pidfile).map_err(|error| error.to_string())? {
        Some(PidfileContent::Hint(pid)) => pid,
        Some(PidfileContent::Ours(there)) => there.pid,
        Some(PidfileContent::Nothing) => return Err(format!("pidfile {} names no process", pidfile.display())),
        None => return Err(format!("there is no pidfile {}", pidfile.display())),
    };
    let other = || format!("pidfile {} names process {pid}, which is none of its own", pidfile.display());
    let me = std::process::id();
    let mut at = pid;
    // Parents may change while they are read: a limit instead of a proof that this is no circle.
    for _ in 0..1_000 {
        let parent = stat(at).ok().flatten().map_or(0, |seen| seen.ppid);
        if parent == me {
            return ProcId::of(at).ok().flatten().ok_or_else(other);
        }
        if parent <= 1 {
            break;
        }
        at = parent;
    }
    Err(other())
}

/// What a program that ended left in the background: what descends from it and is in another terminal session than the keeper.
pub(super) fn background(keeper: &ProcId, label: &str) -> Vec<Remnant> {
    let session = |pid: u32| stat(pid).ok().flatten().map(|seen| seen.session);
    let own = session(keeper.pid);
    let until = Instant::now() + LEAVES_WITHIN;
    loop {
        let left = survey(std::slice::from_ref(keeper), label).unwrap_or_default();
        let is_alone = left.is_empty();
        let away: Vec<Remnant> =
            left.into_iter().filter(|remnant| session(remnant.process.pid).is_some_and(|session| Some(session) != own)).collect();
        if is_alone || !away.is_empty() || Instant::now() >= until {
            return away;
        }
        std::thread::sleep(STEP);
    }
}

/// The message about it where it is no failure.
pub(super) fn left_in_the_background(left: &[Remnant]) -> String {
    let named: Vec<String> = left.iter().map(|one| format!("pid {} ({})", one.process.pid, one.command)).collect();
    format!(
        "it exited with status 0, and the processes that it left in the background ({}) were ended; `leftovers = \"keep\"` leaves them running",
        named.join(", ")
    )
}
