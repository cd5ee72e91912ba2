//! What keeps agents from being started that is the fault of none of them, and what is odd about their server: found by each look, or met by the last
//! attempt.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};
use rustix::io::Errno;

use super::live::{Live, now};
use super::look::View;
use super::tmux::{Door, Facts, config_trouble, in_path, knock, socket_path};
use super::{Ask, Look, Outcome};
use crate::desired::{FleetName, Server};
use crate::observed::Condition;
use crate::time::{Duration, Timestamp};

/// The pause after the first attempt that failed; each further one doubles it.
const FIRST: Duration = Duration::from_secs(1);

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(30);

/// With less than this, no record of an agent could be written.
const LEAST_ROOM: u64 = 64 << 10;

/// Fills in the conditions of `look`.
pub(super) fn find(live: &Live, ask: &Ask<'_>, views: &BTreeMap<PathBuf, View>, look: &mut Look) {
    let folder = live.paths.folder();
    look.conditions.extend(unwritable(folder).map(|why| Condition::StateUnwritable { folder: folder.to_owned(), why }));
    let socket = ask.server.and_then(|server| socket_path(&server.socket, live.tmpdir.as_deref()).ok());
    if let (Some(server), Some(socket)) = (ask.server, &socket) {
        look.conditions.extend(of_server(socket, views.get(socket)));
        look.foreign_server = matches!(views.get(socket), Some(View::Listed(_, listing)) if is_foreign(&listing.facts, &live.fleet));
        look.warnings.extend(warnings(server, socket, views.get(socket), look.foreign_server));
    }
    let attempts = &live.attempts;
    let now = now();
    let until = |attempt: &Attempt| attempt.until_by(now);
    let tmux = attempts.tmux.as_ref().map(|last| Condition::TmuxFails { why: last.why.clone(), until: until(last) });
    let machine = attempts.machine.as_ref().map(|last| Condition::MachineFails { why: last.why.clone(), until: until(last) });
    look.conditions.extend(tmux.into_iter().chain(machine));
}

/// A server that runs is asked by its own binary, which needs no PATH.
fn of_server(socket: &Path, view: Option<&View>) -> Option<Condition> {
    let unreachable = |why: &str| Some(Condition::ServerUnreachable { socket: socket.to_owned(), why: why.to_owned() });
    match view {
        Some(View::Listed(..)) => return None,
        Some(View::Unreadable(why)) => return unreachable(why),
        Some(View::Absent) => {}
        None => match knock(socket) {
            Door::Open(_) => return None,
            Door::Unreadable(why) => return unreachable(&why),
            Door::Nobody => {}
        },
    }
    if in_path("tmux") {
        return None;
    }
    let path = std::env::var_os("PATH").map_or("which is not set".to_owned(), |path| path.to_string_lossy().into_owned());
    Some(Condition::NoTmux { path })
}

/// Whether a server was not started for this fleet. Earlier versions of this program left no word of it, but had it stay.
fn is_foreign(facts: &Facts, fleet: &FleetName) -> bool {
    facts.starter != fleet.as_str() && !(facts.starter.is_empty() && facts.stays_empty)
}

/// What is odd about the server, or will be about the one that is to be started.
fn warnings(server: &Server, socket: &Path, view: Option<&View>, foreign: bool) -> Vec<String> {
    let facts = match view {
        Some(View::Listed(_, listing)) => &listing.facts,
        Some(View::Unreadable(_)) | None => return Vec::new(),
        Some(View::Absent) => {
            let trouble = server.config.as_deref().and_then(config_trouble);
            return trouble.map(|why| format!("the tmux configuration cannot be read: {why}")).into_iter().collect();
        }
    };
    let mut warnings = Vec::new();
    if !facts.config_trouble.is_empty() {
        warnings.push(format!("the tmux server rejected a part of its configuration: {}", facts.config_trouble));
    }
    if let (true, Some(config)) = (foreign, &server.config) {
        let at = socket.display();
        warnings.push(format!("the tmux server {at} was running before this fleet: {} was not read", config.display()));
    }
    if foreign && facts.ends_unattached {
        let at = socket.display();
        warnings
            .push(format!("exit-unattached is on in the tmux server {at}: it may end, with all agents in it, when no client is attached"));
    }
    warnings
}

/// Why nothing can be written into a folder, or into the one in which it would be made. Nothing is written to find out.
fn unwritable(folder: &Path) -> Option<String> {
    let there = folder.ancestors().find(|folder| folder.is_dir())?;
    match access(there, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => {}
        Err(Errno::ROFS) => return Some("its file system is read-only".to_owned()),
        Err(error) => return Some(error.to_string()),
    }
    let facts = statvfs(there).ok()?;
    if facts.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Some("its file system is read-only".to_owned());
    }
    let is_root = rustix::process::geteuid().is_root();
    let (blocks, files) = if is_root { (facts.f_bfree, facts.f_ffree) } else { (facts.f_bavail, facts.f_favail) };
    // File systems without a size of their own have no blocks, and no files, at all.
    let room = (facts.f_blocks > 0).then(|| blocks.saturating_mul(facts.f_frsize));
    too_full(room, (facts.f_files > 0).then_some(files)).map(str::to_owned)
}

/// Why nothing fits into a file system with this many free bytes and files; none means that there is no limit.
fn too_full(room: Option<u64>, files: Option<u64>) -> Option<&'static str> {
    if room.is_some_and(|room| room < LEAST_ROOM) {
        return Some("no space is left on the device");
    }
    (files == Some(0)).then_some("no more files fit on the device")
}

/// The attempts to start something that failed last, and not by an agent's fault.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    tmux: Option<Attempt>,
    machine: Option<Attempt>,
}

#[derive(Debug)]
struct Attempt {
    why: String,
    count: u32,
    until: Timestamp,
}

impl Attempt {
    /// Until when the next one waits. A time that is later than any pause is from before the clock was set back: it is over.
    fn until_by(&self, now: Timestamp) -> Timestamp {
        if self.until > now + LONGEST { now } else { self.until }
    }
}

impl Attempts {
    /// Takes note of what came of starting agents in tmux.
    pub(super) fn in_tmux<'a>(&mut self, outcomes: impl Iterator<Item = &'a Outcome>) {
        learn(&mut self.tmux, outcomes, now());
    }

    /// Takes note of what came of starting daemons.
    pub(super) fn of_daemons<'a>(&mut self, outcomes: impl Iterator<Item = &'a Outcome>) {
        learn(&mut self.machine, outcomes, now());
    }
}

fn learn<'a>(last: &mut Option<Attempt>, outcomes: impl Iterator<Item = &'a Outcome>, now: Timestamp) {
    let mut why = None;
    for outcome in outcomes {
        match outcome {
            Outcome::Hindered(what) => why = why.or(Some(what)),
            Outcome::Done => *last = None,
            Outcome::Refused(_) | Outcome::Failed(_) | Outcome::Unknown(_) | Outcome::Skipped => {}
        }
    }
    if let Some(why) = why {
        let count = last.as_ref().map_or(1, |last| last.count.saturating_add(1));
        let pause = FIRST.scaled(2_f64.powi(i32::try_from(count - 1).unwrap_or(i32::MAX))).min(LONGEST);
        *last = Some(Attempt { why: why.clone(), count, until: now + pause });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_that_fail_are_made_less_and_less_often_until_one_succeeds() {
        let mut last = None;
        let mut now = Timestamp::from_millis(0);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            learn(&mut last, [Outcome::Skipped, Outcome::Hindered("no".to_owned())].iter(), now);
            let until = last.as_ref().unwrap().until;
            pauses.push(until.since(now).as_secs());
            now = until;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
        let attempt = last.as_ref().unwrap();
        let early = Timestamp::from_millis(now.as_millis() - 30_001);
        assert_eq!((attempt.until_by(early + Duration::from_millis(1)), attempt.until_by(early)), (now, early));
        learn(&mut last, [Outcome::Failed("its own".to_owned())].iter(), now);
        assert!(last.is_some());
        learn(&mut last, [Outcome::Done].iter(), now);
        assert!(last.is_none());
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_as_writable_as_the_one_that_it_will_be_in() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(unwritable(&folder.path().join("a/b")), None);
        assert_eq!((too_full(None, None), too_full(Some(1 << 20), Some(1))), (None, None));
        assert_eq!(too_full(Some(4096), Some(1)), Some("no space is left on the device"));
        assert_eq!(too_full(Some(1 << 20), Some(0)), Some("no more files fit on the device"));
    }
}
