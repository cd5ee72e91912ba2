//! How much memory a tree has. It ends where the tree that is ended does: at other instances, tmux servers and other users.

use std::io;

use super::end::belongs;
use super::tree::Family;
use super::{Liveness, ProcId, stat};

/// Resident memory in bytes of all living descendants of `root` together, without its own; none if `root` does not live.
/// What several of them share is counted for each. Errors when `/proc` could not be read.
pub fn memory_below(root: &ProcId, own_mark: &str) -> io::Result<Option<u64>> {
    if root.liveness() != Liveness::Alive {
        return Ok(None);
    }
    let tree = Family::read()?.walk(&[root.pid], |process| belongs(process.pid, own_mark));
    let resident = |process: &ProcId| stat(process.pid).ok().flatten().filter(|seen| seen.start_time == process.start_time);
    Ok(Some(tree.iter().filter_map(resident).map(|seen| seen.rss_bytes).sum()))
}
