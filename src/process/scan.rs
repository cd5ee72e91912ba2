//! Finding our processes among all of the machine: keepers by their command line, what they left behind by its environment.
//! A match is on the whole value and for processes of our own user only; nothing is guessed from names of programs.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::stat::is_gone;
use super::{KEEP, MARK_VARIABLE, ProcId, boot_id, cmdline, is_ours, stat, variable};
use crate::desired::{AgentName, FleetName, Mark};

/// Which processes of our own user to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// All.
    All,
    /// Those that were started after the process with this number, by [`newest_number`].
    Since(u32),
}

/// Of more numbers than these, to list all processes takes no longer than to try each number.
const FEW_NUMBERS: u32 = 1024;

impl Among {
    fn pids(self) -> io::Result<Vec<u32>> {
        let Self::Since(number) = self else { return own_pids() };
        // After the highest number the kernel begins from the lowest ones again.
        let newest = newest_number()?;
        match newest.checked_sub(number) {
            Some(count) if count <= FEW_NUMBERS => Ok((number + 1..newest).filter(|pid| seems_ours(*pid)).collect()),
            Some(_) | None => own_pids(),
        }
    }
}

/// A number that the kernel has given out just now: that of a thread, of which there is nothing but the number. All processes that are started later
/// have later ones, until the numbers are used up and begin again.
///
/// # Errors
///
/// When no thread can be started.
pub fn newest_number() -> io::Result<u32> {
    let thread = std::thread::Builder::new().stack_size(64 * 1024).spawn(|| std::fs::read_link("/proc/thread-self"))?;
    let path = thread.join().map_err(|_| io::Error::other("a thread that only reads panicked"))??;
    let number = path.file_name().and_then(OsStr::to_str).and_then(|name| name.parse().ok());
    number.ok_or_else(|| io::Error::other(format!("{} names no thread", path.display())))
}

/// A running keeper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeper {
    /// The keeper itself.
    pub process: ProcId,
    /// The instance that it keeps.
    pub mark: Mark,
    /// The spec that it was started with; usually unlinked by now.
    pub spec: PathBuf,
}

/// All running keepers of our own user. Errors when `/proc` could not be listed.
pub fn keepers() -> io::Result<Vec<Keeper>> {
    keepers_among(Among::All)
}

/// The same among some processes only.
pub fn keepers_among(among: Among) -> io::Result<Vec<Keeper>> {
    let mut found = Vec::new();
    for pid in among.pids()? {
        let Some((mark, spec)) = keep_command(pid) else { continue };
        if is_ours(pid).ok().flatten() != Some(true) {
            continue;
        }
        // A keeper that is just starting its program is there twice until the second one has become the program.
        let Ok(Some(seen)) = stat(pid) else { continue };
        if !seen.state.lives() || keep_command(seen.ppid).is_some_and(|(parents, _)| parents == mark) {
            continue;
        }
        found.push(Keeper { process: ProcId { pid, start_time: seen.start_time, boot_id: boot_id() }, mark, spec });
    }
    Ok(found)
}

/// All processes of our own user that bear this very text as their mark, except what [`marks_of`] leaves out.
/// Errors when `/proc` could not be listed.
pub fn with_mark(mark: &str) -> io::Result<Vec<ProcId>> {
    let wanted = mark.as_bytes();
    let all = bearers(Among::All, |bytes| bytes == wanted)?;
    Ok(all.into_iter().map(|(_, process)| process).collect())
}

/// All processes of our own user that bear a mark in their environment, by that mark, in one pass. Left out are keepers,
/// and a server for all sessions that itself bears the mark, such as one of tmux, with everything below it: an agent started it for others to use.
/// Errors when `/proc` could not be listed.
pub fn marks_of() -> io::Result<BTreeMap<Mark, Vec<ProcId>>> {
    by_mark(Among::All, |bytes| bytes.starts_with(b"v1/"))
}

/// As [`marks_of`], among some processes and of some agents of one fleet only: of all others no more is read than their mark.
/// Errors when `/proc` could not be listed.
pub fn living_of(among: Among, fleet: &FleetName, is_meant: impl Fn(&AgentName) -> bool) -> io::Result<BTreeMap<Mark, Vec<ProcId>>> {
    let prefix = format!("v1/{fleet}/");
    by_mark(among, |bytes| {
        let rest = bytes.strip_prefix(prefix.as_bytes()).and_then(|rest| rest.split(|byte| *byte == b'/').next());
        let agent = rest.and_then(|name| std::str::from_utf8(name).ok()).and_then(|name| name.parse().ok());
        agent.is_some_and(|agent| is_meant(&agent))
    })
}

fn by_mark(among: Among, wanted: impl Fn(&[u8]) -> bool) -> io::Result<BTreeMap<Mark, Vec<ProcId>>> {
    let mut marked: BTreeMap<Mark, Vec<ProcId>> = BTreeMap::new();
    for (text, process) in bearers(among, wanted)? {
        if let Some(mark) = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()) {
            marked.entry(mark).or_default().push(process);
        }
    }
    Ok(marked)
}

fn bearers(among: Among, wanted: impl Fn(&[u8]) -> bool) -> io::Result<Vec<(Vec<u8>, ProcId)>> {
    let mut found = Vec::new();
    let mut parents = BTreeMap::new();
    let mut servers = BTreeSet::new();
    for pid in among.pids()? {
        // Unreadable means gone, or one whose environment the kernel hides even from its user: neither can be matched.
        let Ok(Some(value)) = variable(pid, MARK_VARIABLE) else { continue };
        if !wanted(value.as_bytes()) || keep_command(pid).is_some() || is_ours(pid).ok().flatten() != Some(true) {
            continue;
        }
        let Ok(Some(seen)) = stat(pid) else { continue };
        parents.insert(pid, seen.ppid);
        if is_shared(pid, &seen.comm) {
            servers.insert(pid);
        } else if seen.state.lives() {
            found.push((value.as_bytes().to_vec(), ProcId { pid, start_time: seen.start_time, boot_id: boot_id() }));
        }
    }
    if !servers.is_empty() {
        found.retain(|(_, process)| !is_below(process.pid, &servers, &mut parents));
    }
    Ok(found)
}

fn is_below(pid: u32, servers: &BTreeSet<u32>, parents: &mut BTreeMap<u32, u32>) -> bool {
    let mut at = pid;
    // Parents may change while they are read: a limit instead of a proof that this is no circle.
    for _ in 0..1_000 {
        at = *parents.entry(at).or_insert_with(|| stat(at).ok().flatten().map_or(0, |seen| seen.ppid));
        if servers.contains(&at) {
            return true;
        }
        if at <= 1 {
            return false;
        }
    }
    false
}

/// The mark and spec in the command line of `pid` if it is `EXE keep LABEL SPEC` and nothing else.
pub(super) fn keep_command(pid: u32) -> Option<(Mark, PathBuf)> {
    let words = cmdline(pid).ok()?;
    let [_, verb, label, spec] = words.as_slice() else { return None };
    let mark = label.to_str()?.parse().ok()?;
    (verb == KEEP).then(|| (mark, PathBuf::from(spec)))
}

/// Whether a process of this name is a tmux server: it gives itself this title.
pub(super) fn is_tmux_server(comm: &str) -> bool {
    comm.starts_with("tmux: server")
}

/// Whether a process serves all sessions of its user, no matter which session started it: a tmux server, or the server that Codex starts for its sessions. It is part
/// of no tree, with everything below it. What cannot be told is not.
pub(super) fn is_shared(pid: u32, comm: &str) -> bool {
    is_tmux_server(comm) || cmdline(pid).is_ok_and(|words| is_shared_command(&words))
}

/// The first words after the name of a program whose process serves all sessions of its user, and a word that must follow.
const SHARED: [(&str, &str, &str); 2] = [("codex", "app-server", "--managed-daemon"), ("codex", "app-server", "daemon")];

/// By the words themselves, since a mark in the environment is that of the session which happened to start it. An interpreter may stand in front.
fn is_shared_command(words: &[OsString]) -> bool {
    let named = |program: &str| words.iter().take(2).position(|word| Path::new(word).file_name() == Some(OsStr::new(program)));
    SHARED.iter().any(|(program, verb, word)| {
        let rest = named(program).map(|at| &words[at + 1..]);
        rest.is_some_and(|rest| rest.first().is_some_and(|first| first == verb) && rest.iter().any(|other| other == word))
    })
}

/// The numbers of all processes. Errors when `/proc` could not be listed.
pub(super) fn all_pids() -> io::Result<Vec<u32>> {
    let mut pids = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        match entry {
            Ok(entry) => pids.extend(entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok())),
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(pids)
}

/// Those that seem to be our own user's, at the price of one look each; [`is_ours`] settles it.
pub(super) fn own_pids() -> io::Result<Vec<u32>> {
    let mut pids = all_pids()?;
    pids.retain(|pid| seems_ours(*pid));
    Ok(pids)
}

fn seems_ours(pid: u32) -> bool {
    std::fs::metadata(format!("/proc/{pid}")).is_ok_and(|folder| folder.uid() == rustix::process::geteuid().as_raw())
}
