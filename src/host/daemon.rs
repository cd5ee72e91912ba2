//! Starting daemons: a keeper each, a child of this process only until one of the two ends.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::launch::{may_start, orders};
use super::live::Live;
use super::tmux::Scope;
use super::{Outcome, Spawn};
use crate::desired::{DEFAULT_PATH, Mark, Place};
use crate::keeper;
use crate::process::{MARK_VARIABLE, ProcId, cmdline};

/// A start waits for the new process to begin; two at once use that time.
const THREADS: usize = 2;

/// The keepers that this process started and that have not ended, by mark.
#[derive(Debug, Default)]
pub(super) struct Started(BTreeMap<Mark, (Child, PathBuf)>);

impl Started {
    /// Takes note of those that ended, so that they can be gone.
    pub(super) fn reap(&mut self) {
        self.0.retain(|_, (child, _)| matches!(child.try_wait(), Ok(None)));
    }

    /// The keeper of an instance and its pidfile.
    pub(super) fn find(&self, mark: &Mark) -> Option<(ProcId, PathBuf)> {
        let (child, pidfile) = self.0.get(mark)?;
        Some((ProcId::of(child.id()).ok()??, pidfile.clone()))
    }
}

/// Starts all of them, some at a time.
pub(super) fn spawn(live: &mut Live, spawns: &[(usize, &Spawn)], outcomes: &mut [Option<Outcome>]) {
    if spawns.is_empty() {
        return;
    }
    let way = Way::here(live);
    let shared: &Live = live;
    let each = spawns.len().div_ceil(THREADS);
    let start = |part: &[(usize, &Spawn)]| part.iter().map(|(at, spawn)| (*at, way.start(shared, spawn))).collect::<Vec<_>>();
    let started: Vec<(usize, Result<Child, Outcome>)> = std::thread::scope(|scope| {
        let (first, second) = spawns.split_at(each);
        let other = std::thread::Builder::new().spawn_scoped(scope, || start(second));
        let mut started = start(first);
        match other.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(more)) => started.extend(more),
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            // No thread can be started.
            Err(_) => started.extend(start(second)),
        }
        started
    });
    for ((at, started), (_, spawn)) in started.into_iter().zip(spawns) {
        outcomes[at] = Some(match started {
            Ok(child) => {
                live.started.0.insert(spawn.mark.clone(), (child, pidfile(live, spawn)));
                Outcome::Done
            }
            Err(outcome) => outcome,
        });
    }
}

fn pidfile(live: &Live, spawn: &Spawn) -> PathBuf {
    match &spawn.spec.launch.place {
        Place::Daemon { pidfile: Some(path) } => path.clone(),
        Place::Daemon { pidfile: None } | Place::Tmux { .. } => live.paths.pidfile(&spawn.mark.agent),
    }
}

/// The words before the keeper's own: out of our service unit.
struct Way(Vec<OsString>);

impl Way {
    fn here(live: &Live) -> Self {
        let mut words = Scope::here().words();
        words.push(live.exe.clone().into_os_string());
        Self(words)
    }

    fn start(&self, live: &Live, spawn: &Spawn) -> Result<Child, Outcome> {
        if live.is_asked_to_stop() {
            return Err(Outcome::Skipped);
        }
        may_start(live, spawn)?;
        let path = live.paths.spec(&spawn.mark);
        let spec = orders(live, spawn)?;
        spec.write(&path).map_err(|error| Outcome::Hindered(format!("the spec {} could not be written: {error}", path.display())))?;
        let mut command = Command::new(&self.0[0]);
        command.args(&self.0[1..]).args(keeper::arguments(&spawn.mark, &path));
        // The mark, so that what walks the tree of an agent that started this one ends here.
        command.env_clear().env("PATH", default_path(std::env::var_os("PATH"))).env(MARK_VARIABLE, spawn.mark.to_string());
        let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = started.map_err(|error| {
            let _ = std::fs::remove_file(&path);
            Outcome::Hindered(format!("{} could not be started: {error}", self.0[0].to_string_lossy()))
        })?;
        await_name(child.id());
        Ok(child)
    }
}

/// A process that has just become another program has no command line for some microseconds, and that is where another run finds its mark.
fn await_name(pid: u32) {
    const TRIES: u32 = 1000;
    for _ in 0..TRIES {
        // One that cannot be read has ended.
        if !cmdline(pid).is_ok_and(|words| words.is_empty()) {
            return;
        }
        std::thread::yield_now();
    }
}

fn default_path(path: Option<OsString>) -> OsString {
    path.unwrap_or_else(|| OsStr::new(DEFAULT_PATH).to_owned())
}
