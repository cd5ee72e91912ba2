//! Whose server answers at a port of this machine. A stranger's answer says nothing of the agent that was asked about.

use std::collections::BTreeSet;
use std::net::TcpStream;

use super::act::is_of;
use crate::observed::Instance;
use crate::process;

/// The process that serves this connection, by number and name, if it is known and none of the instance's own tree. Where the other end is not this
/// machine, or its owner cannot be seen, there is none.
pub(super) fn foreign_owner(instance: &Instance, stream: &TcpStream) -> Option<String> {
    let at = stream.peer_addr().ok().filter(|at| at.ip().to_canonical().is_loopback())?;
    let sockets = process::listeners(at).ok().filter(|sockets| !sockets.is_empty())?;
    let tree = tree(instance);
    if tree.is_empty() || !process::holders(&sockets, tree.iter().copied()).is_empty() {
        return None;
    }
    let holders = process::all_holders(&sockets).ok()?;
    // What left the tree may still be in its terminal session.
    let sessions: BTreeSet<u32> = tree.iter().filter_map(|pid| session(*pid)).collect();
    if holders.iter().any(|pid| session(*pid).is_some_and(|session| sessions.contains(&session))) {
        return None;
    }
    let pid = holders.first()?;
    let name = process::stat(*pid).ok()??.comm;
    Some(format!("process {pid} ({})", name.escape_debug()))
}

fn session(pid: u32) -> Option<u32> {
    process::stat(pid).ok()?.map(|seen| seen.session)
}

/// The processes of an instance.
fn tree(instance: &Instance) -> Vec<u32> {
    let Some(root) = instance.keeper.as_ref().or(instance.program.as_ref()) else { return Vec::new() };
    let below = process::descendants(root.pid).unwrap_or_default();
    let own = below.iter().filter(|process| is_of(process, instance.mark.as_ref())).map(|process| process.pid);
    std::iter::once(root.pid).chain(own).collect()
}
