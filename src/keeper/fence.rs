//! The fence of an agent: a name that only one process of the machine can hold, whichever state folder it works for. Its keeper holds it for its
//! life, beside the lock, which is a file and so belongs to one state folder.
//!
//! The names are those of abstract Unix sockets, `reconcile/UID/DIGEST/0` to `/7`: gone with their holder, and told by the kernel with its user.
//! They have no owner, so another user may hold one; that is why there are eight. They belong to one network namespace.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::desired::{AgentName, FleetName};

/// How many names there are.
const NAMES: u8 = 8;

/// How often a start tries that meets another one, with a random pause of up to [`LONGEST_PAUSE`] between two attempts: a quarter of a second in all.
const TRIES: u32 = 8;
const LONGEST_PAUSE: Duration = Duration::from_millis(60);

/// Connections that a holder has not taken yet, at most; each observation makes one.
const BACKLOG: i32 = 64;

/// The fence, held until this is dropped or the process ends.
#[derive(Debug)]
pub(super) struct Fence(OwnedFd);

impl Fence {
    /// Accepts and closes the connections of processes that asked for the holder: the connection itself is the answer.
    pub(super) fn hear(&self) {
        while rustix::net::accept_with(&self.0, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK).is_ok() {}
    }
}

impl AsFd for Fence {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Why a fence was not taken.
#[derive(Debug)]
pub(super) enum NoFence {
    /// A process of our own user holds it; its number, as far as the kernel tells.
    Held(Option<u32>),
    /// Other users hold all its names.
    Squatted,
    /// It could not be tried.
    Failed(io::Error),
}

/// The holder of one of the names.
enum Name {
    Free,
    /// Our own user, or a holder that cannot be told.
    Ours(Option<u32>),
    Others,
}

/// A fence that was taken.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) fence: Fence,
    /// Whether another process had a name of it meanwhile: its program may live though it is gone.
    pub(super) contested: bool,
}

/// Takes the fence of an agent. Of several that try at once, at most one has it, and none if they keep meeting.
pub(super) fn take(fleet: &FleetName, agent: &AgentName) -> Result<Taken, NoFence> {
    let mut holder = None;
    for attempt in 0..TRIES {
        // Two that meet let go and try again. The kernel announces neither, so each waits for a random time.
        if attempt > 0 {
            std::thread::sleep(LONGEST_PAUSE.mul_f64(fastrand::f64()));
        }
        match try_once(fleet, agent)? {
            Ok(fence) => return Ok(Taken { fence, contested: attempt > 0 }),
            Err(held) => holder = held,
        }
    }
    Err(NoFence::Held(holder))
}

fn try_once(fleet: &FleetName, agent: &AgentName) -> Result<Result<Fence, Option<u32>>, NoFence> {
    let names = names(fleet, agent);
    if let Some(holder) = held_by_us(&names, None).map_err(NoFence::Failed)? {
        return Ok(Err(holder));
    }
    let mut bound = None;
    for (place, name) in names.iter().enumerate() {
        if let Some(fence) = bind(name).map_err(NoFence::Failed)? {
            bound = Some((place, fence));
            break;
        }
    }
    let (place, fence) = bound.ok_or(NoFence::Squatted)?;
    // Another one may have bound another name in the meantime: then both let go.
    match held_by_us(&names, Some(place)).map_err(NoFence::Failed)? {
        Some(holder) => Ok(Err(holder)),
        None => Ok(Ok(fence)),
    }
}

/// The process of our own user that holds one of the names but this one; an inner none if the kernel does not tell its number.
fn held_by_us(names: &[String], but: Option<usize>) -> io::Result<Option<Option<u32>>> {
    for (place, name) in names.iter().enumerate() {
        if Some(place) == but {
            continue;
        }
        match holder_of(name)? {
            Name::Ours(pid) => return Ok(Some(pid)),
            Name::Free | Name::Others => {}
        }
    }
    Ok(None)
}

/// The process that holds the fence of an agent now: none if no process of our own user does, an inner none if the kernel does not tell its pid.
///
/// # Errors
///
/// If the names could not be tried.
pub fn fence_holder(fleet: &FleetName, agent: &AgentName) -> io::Result<Option<Option<u32>>> {
    held_by_us(&names(fleet, agent), None)
}

/// Of these agents, those with a fence that is held, by whichever user: one read for all. None are where the kernel does not tell.
pub fn held_fences<'a>(fleet: &FleetName, agents: impl Iterator<Item = &'a AgentName>) -> BTreeSet<AgentName> {
    let table = std::fs::read("/proc/net/unix").unwrap_or_default();
    let table = String::from_utf8_lossy(&table);
    let prefix = format!("@reconcile/{}/", rustix::process::geteuid().as_raw());
    let held: BTreeSet<&str> = table.lines().filter_map(|line| line.split_once(&prefix)?.1.split('/').next()).collect();
    if held.is_empty() {
        return BTreeSet::new();
    }
    agents.filter(|agent| held.contains(digest(fleet, agent).as_str())).cloned().collect()
}

/// The users that hold names of an agent's fence though it is not theirs.
pub fn squatters(fleet: &FleetName, agent: &AgentName) -> BTreeSet<u32> {
    let own = rustix::process::geteuid().as_raw();
    names(fleet, agent).iter().filter_map(|name| peer(name).ok().flatten().map(|(uid, _)| uid).filter(|uid| *uid != own)).collect()
}

fn digest(fleet: &FleetName, agent: &AgentName) -> String {
    blake3::hash(format!("{fleet}\0{agent}").as_bytes()).to_hex()[..32].to_owned()
}

fn names(fleet: &FleetName, agent: &AgentName) -> Vec<String> {
    let (user, digest) = (rustix::process::geteuid().as_raw(), digest(fleet, agent));
    (0..NAMES).map(|place| format!("reconcile/{user}/{digest}/{place}")).collect()
}

fn socket() -> io::Result<OwnedFd> {
    Ok(rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?)
}

/// The name, bound and listened at; none if another process has it.
fn bind(name: &str) -> io::Result<Option<Fence>> {
    let socket = socket()?;
    match rustix::net::bind(&socket, &SocketAddrUnix::new_abstract_name(name.as_bytes())?) {
        Ok(()) => {}
        Err(Errno::ADDRINUSE) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(Some(Fence(socket)))
}

fn holder_of(name: &str) -> io::Result<Name> {
    let own = rustix::process::geteuid().as_raw();
    Ok(match peer(name) {
        Ok(None) => Name::Free,
        Ok(Some((user, pid))) if user == own => Name::Ours(pid),
        Ok(Some(_)) => Name::Others,
        // One that takes no connection, or has bound the name and does not listen yet.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::AGAIN) => Name::Ours(None),
        Err(error) => return Err(error),
    })
}

/// User and number of the process that listens under this name; none if no process does.
fn peer(name: &str) -> io::Result<Option<(u32, Option<u32>)>> {
    let socket = socket()?;
    match rustix::net::connect(&socket, &SocketAddrUnix::new_abstract_name(name.as_bytes())?) {
        Ok(()) => {}
        Err(Errno::CONNREFUSED | Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    match rustix::net::sockopt::socket_peercred(&socket) {
        Ok(peer) => Ok(Some((peer.uid.as_raw(), u32::try_from(peer.pid.as_raw_nonzero().get()).ok()))),
        // It has no number in this pid namespace. A holder that cannot be told counts as ours.
        Err(error) if error.raw_os_error() == 0 => Ok(Some((rustix::process::geteuid().as_raw(), None))),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn agent() -> (FleetName, AgentName) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let fleet = format!("fence-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        (fleet.parse().unwrap(), "ada".parse().unwrap())
    }

    #[test]
    fn a_fence_is_held_by_one_until_it_ends_and_the_holder_is_named() {
        let (fleet, ada) = agent();
        let eve: AgentName = "eve".parse().unwrap();
        assert_eq!(fence_holder(&fleet, &ada).unwrap(), None);
        let taken = take(&fleet, &ada).unwrap();
        assert!(!taken.contested);
        let fence = taken.fence;
        assert_eq!(fence_holder(&fleet, &ada).unwrap(), Some(Some(std::process::id())));
        assert_eq!(held_fences(&fleet, [&ada, &eve].into_iter()), BTreeSet::from([ada.clone()]));
        assert!(matches!(take(&fleet, &ada), Err(NoFence::Held(Some(pid))) if pid == std::process::id()));
        assert!(take(&fleet, &eve).is_ok());
        drop(fence);
        assert_eq!(held_fences(&fleet, [&ada].into_iter()), BTreeSet::new());
        assert!(take(&fleet, &ada).is_ok());
    }

    #[test]
    fn a_holder_that_takes_no_connection_counts_as_ours() {
        let (fleet, ada) = agent();
        let fence = take(&fleet, &ada).unwrap().fence;
        // No process accepts: the queue fills, and the answer stays the same.
        for _ in 0..2 * BACKLOG {
            assert!(fence_holder(&fleet, &ada).unwrap().is_some());
        }
        fence.hear();
        assert_eq!(fence_holder(&fleet, &ada).unwrap(), Some(Some(std::process::id())));
    }

    #[test]
    fn a_name_that_is_bound_and_not_listened_at_is_not_free_for_two() {
        let (fleet, ada) = agent();
        let all = names(&fleet, &ada);
        let bound: Vec<_> = all.iter().map(|name| bind(name).unwrap().unwrap()).collect();
        assert!(matches!(take(&fleet, &ada), Err(NoFence::Held(_))));
        drop(bound);
        assert!(take(&fleet, &ada).is_ok());
    }

    #[test]
    fn of_many_that_start_at_once_one_at_most_goes_on() {
        for _ in 0..20 {
            let (fleet, ada) = agent();
            let barrier = Barrier::new(4);
            let start = || {
                barrier.wait();
                let fence = take(&fleet, &ada).ok();
                // All are held until the last has tried.
                barrier.wait();
                fence.is_some()
            };
            let taken: Vec<bool> = std::thread::scope(|scope| {
                let starts: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
                starts.into_iter().map(|start| start.join().unwrap()).collect()
            });
            assert!(taken.iter().filter(|taken| **taken).count() <= 1, "{taken:?}");
        }
    }

    #[test]
    fn two_starts_interleaved_at_every_call_never_both_go_on() {
        // Each start: look at all names, bind the first free one, look at the others, keep it or let go. Every order of these calls of two starts.
        #[derive(Clone, Default)]
        struct Start {
            next: u8,
            saw: bool,
            bound: Option<usize>,
            holds: bool,
        }
        fn step(start: &mut Start, other: &Start) {
            match start.next {
                0 => start.saw = other.bound.is_some(),
                1 if !start.saw => start.bound = Some(usize::from(other.bound == Some(0))),
                2 if start.bound.is_some() && other.bound.is_some() => start.bound = None,
                2 => start.holds = start.bound.is_some(),
                _ => {}
            }
            start.next += 1;
        }
        for order in 0_u32..64 {
            let mut starts = [Start::default(), Start::default()];
            for at in 0..6 {
                let turn = (order >> at & 1) as usize;
                let other = starts[1 - turn].clone();
                step(&mut starts[turn], &other);
            }
            assert!(!(starts[0].holds && starts[1].holds), "order {order:06b}");
        }
    }
}
