//! Processes of this machine: who they are, what they descend from, and signals that reach exactly the one that was meant.
//!
//! Nothing here decides whether a process should live: callers name the processes and the marks, this module finds, asks and ends them.
//! Linux only: everything is read from `/proc`, every signal goes through a pidfd.

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

mod deaths;
mod end;
mod facts;
mod interpreter;
mod listeners;
mod memory;
mod outdated;
mod program_file;
mod program_search;
mod scan;
mod signal;
mod stat;
mod tree;
mod unowned;

pub use deaths::Deaths;
pub use end::{Ended, Remnant, end_session, end_tree, survey};
pub use facts::{cmdline, cwd, exe, is_ours, variable};
pub use listeners::{all_holders, holders, listeners};
pub use memory::memory_below;
pub use outdated::is_outdated;
pub use program_file::{is_settling, is_unfinished, written_by};
pub use program_search::{find_program, search_program};
pub use scan::{Among, Keeper, keepers, keepers_among, living_of, marks_of, newest_number, with_mark};
pub use signal::{Outcome, Signal, child_ends_by, death_notice, ends_within, signal, wait_any};
pub use stat::{Stat, State, stat};
pub use tree::{children, descendants, own_descendants};
pub use unowned::{Unowned, ancestors, mark_on, unowned};

/// The variable that carries an instance's mark in its environment.
pub const MARK_VARIABLE: &str = "RECONCILE";

/// The subcommand that makes a process a keeper: `EXE keep LABEL SPEC`.
pub const KEEP: &str = "keep";

/// One process of one boot of this machine; a number alone is reused, this is not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcId {
    /// Its number.
    pub pid: u32,
    /// When it was started, in clock ticks since the boot: field 22 of `/proc/PID/stat`.
    pub start_time: u64,
    /// Which boot of the machine, as in `/proc/sys/kernel/random/boot_id`; empty when it could not be read.
    pub boot_id: Arc<str>,
}

impl fmt::Display for ProcId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)
    }
}

/// Whether a process still runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// This very process runs or is stopped.
    Alive,
    /// It ended (a zombie has), or its number belongs to another process or boot.
    Gone,
    /// It could not be told: neither signal it nor take it for dead.
    Unknown,
}

impl ProcId {
    /// The process that has this number now; `None` if there is none, or only a zombie. Errors when it could not be read.
    pub fn of(pid: u32) -> std::io::Result<Option<Self>> {
        Ok(stat(pid)?.filter(|stat| stat.state.lives()).map(|stat| Self { pid, start_time: stat.start_time, boot_id: boot_id() }))
    }

    /// Whether it still runs.
    pub fn liveness(&self) -> Liveness {
        let boot = boot_id();
        if boot.is_empty() || self.boot_id.is_empty() {
            return Liveness::Unknown;
        }
        if boot != self.boot_id {
            return Liveness::Gone;
        }
        match stat(self.pid) {
            Ok(Some(stat)) if stat.start_time == self.start_time && stat.state.lives() => Liveness::Alive,
            Ok(_) => Liveness::Gone,
            Err(_) => Liveness::Unknown,
        }
    }
}

/// The calling process. Errors when `/proc` could not be read.
pub fn me() -> std::io::Result<ProcId> {
    ProcId::of(std::process::id())?.ok_or_else(|| std::io::Error::other("/proc does not show the calling process"))
}

/// Which boot of the machine this is; empty when it could not be read.
pub fn boot_id() -> Arc<str> {
    static BOOT: OnceLock<Arc<str>> = OnceLock::new();
    BOOT.get_or_init(|| std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().into()).clone()
}

/// The number of the first pid namespace of a machine, from which all others are seen: the kernel's `PROC_PID_INIT_INO`.
pub const FIRST_NAMESPACE: u64 = 0xEFFF_FFFC;

/// The pid namespace in which this process names others, by the number of the kernel; none when it could not be read. A number means another
/// process, or none, in another namespace.
pub fn pid_namespace() -> Option<u64> {
    static NAMESPACE: OnceLock<Option<u64>> = OnceLock::new();
    use std::os::unix::fs::MetadataExt;
    *NAMESPACE.get_or_init(|| std::fs::metadata("/proc/self/ns/pid").ok().map(|facts| facts.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_is_alive_and_a_reused_number_is_not_it() {
        let me = me().unwrap();
        assert_eq!(me.liveness(), Liveness::Alive);
        let earlier = ProcId { start_time: me.start_time - 1, ..me.clone() };
        assert_eq!(earlier.liveness(), Liveness::Gone);
        let other_boot = ProcId { boot_id: "another".into(), ..me.clone() };
        assert_eq!(other_boot.liveness(), Liveness::Gone);
        let unread = ProcId { boot_id: "".into(), ..me };
        assert_eq!(unread.liveness(), Liveness::Unknown);
    }

    #[test]
    fn a_zombie_is_gone() {
        let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
        let pid = child.id();
        let seen = loop {
            // Until it is reaped below, the number cannot be reused.
            let now = stat(pid).unwrap().unwrap();
            if now.state == State::Zombie {
                break ProcId { pid, start_time: now.start_time, boot_id: boot_id() };
            }
            std::thread::yield_now();
        };
        assert_eq!(seen.liveness(), Liveness::Gone);
        assert_eq!(ProcId::of(pid).unwrap(), None);
        child.wait().unwrap();
        assert_eq!(seen.liveness(), Liveness::Gone);
    }

    #[test]
    fn an_identity_is_written_with_its_three_parts() {
        let id = ProcId { pid: 7, start_time: 9, boot_id: "b".into() };
        let text = serde_json::to_string(&id).unwrap();
        assert_eq!(text, r#"{"pid":7,"start_time":9,"boot_id":"b"}"#);
        assert_eq!(serde_json::from_str::<ProcId>(&text).unwrap(), id);
    }
}
