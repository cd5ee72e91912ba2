//! Who descends from whom. A process that was given another parent (a daemon that forked twice) is found below that one:
//! below the nearest subreaper, which every keeper is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::OnceLock;

use super::end::belongs;
use super::scan::all_pids;
use super::stat::is_gone;
use super::{ProcId, boot_id, stat};

/// The numbers of the children of `pid`, zombies included; none if it is gone. Errors when they could not be read.
pub fn children(pid: u32) -> io::Result<Vec<u32>> {
    Ok(Family::read()?.children(pid))
}

/// All living descendants of `pid`, parents before their children: in reverse, the deepest come first.
/// Errors when `/proc` could not be read.
pub fn descendants(pid: u32) -> io::Result<Vec<ProcId>> {
    let family = Family::read()?;
    Ok(family.walk(&[pid], |_| true))
}

/// The same for an instance with this mark: without processes that belong to something else, and without their descendants. Errors when `/proc` could not be read.
pub fn own_descendants(pid: u32, own_mark: &str) -> io::Result<Vec<ProcId>> {
    Ok(Family::read()?.walk(&[pid], |process| belongs(process.pid, own_mark)))
}

/// One look at who is whose child.
pub(super) enum Family {
    /// The kernel lists the children of each process.
    Listed,
    /// It does not: the parents of all processes, turned round.
    Gathered(BTreeMap<u32, Vec<u32>>),
}

impl Family {
    /// Looks. Errors when `/proc` could not be listed where that is needed.
    pub(super) fn read() -> io::Result<Self> {
        static LISTED: OnceLock<bool> = OnceLock::new();
        if *LISTED.get_or_init(|| std::fs::exists("/proc/thread-self/children").unwrap_or(false)) {
            Ok(Self::Listed)
        } else {
            Self::gather()
        }
    }

    fn gather() -> io::Result<Self> {
        let mut family: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for pid in all_pids()? {
            if let Some(seen) = stat(pid)? {
                family.entry(seen.ppid).or_default().push(pid);
            }
        }
        Ok(Self::Gathered(family))
    }

    fn children(&self, pid: u32) -> Vec<u32> {
        match self {
            Self::Gathered(family) => family.get(&pid).cloned().unwrap_or_default(),
            Self::Listed => listed_children(pid).unwrap_or_default(),
        }
    }

    /// The living processes below `roots`, parents first. `enter` is asked about each: one that it refuses is left out
    /// together with everything below it.
    pub(super) fn walk(&self, roots: &[u32], mut enter: impl FnMut(&ProcId) -> bool) -> Vec<ProcId> {
        let mut seen: BTreeSet<u32> = roots.iter().copied().collect();
        let mut waiting: VecDeque<u32> = roots.iter().copied().collect();
        let mut found = Vec::new();
        while let Some(parent) = waiting.pop_front() {
            for pid in self.children(parent) {
                if !seen.insert(pid) {
                    continue;
                }
                let Ok(Some(stat)) = stat(pid) else { continue };
                let process = ProcId { pid, start_time: stat.start_time, boot_id: boot_id() };
                // The main thread of a process may have ended while others live and have children.
                if stat.state.lives() && !enter(&process) {
                    continue;
                }
                waiting.push_back(pid);
                if stat.state.lives() {
                    found.push(process);
                }
            }
        }
        found
    }
}

/// Children belong to the thread that forked them.
fn listed_children(pid: u32) -> io::Result<Vec<u32>> {
    let mut children = Vec::new();
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = thread?.path().join("children");
        match std::fs::read_to_string(path) {
            Ok(list) => children.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok())),
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(children)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::process::{Command, Stdio};

    #[test]
    fn both_ways_to_look_find_the_same_descendants() {
        let mut child =
            Command::new("/bin/sh").args(["-c", "sh -c 'sleep 1000 & echo; wait' & wait"]).stdout(Stdio::piped()).spawn().unwrap();
        // The line says that the grandchild is there.
        child.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
        let listed = Family::Listed.walk(&[child.id()], |_| true);
        let gathered = Family::gather().unwrap().walk(&[child.id()], |_| true);
        assert_eq!(listed.len(), 2, "{listed:?}");
        assert_eq!(listed, gathered);
        assert_eq!(descendants(child.id()).unwrap(), listed);
        assert_eq!(children(child.id()).unwrap(), [listed[0].pid]);
        for process in listed.iter().rev() {
            super::super::signal(process, super::super::Signal::KILL).unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
