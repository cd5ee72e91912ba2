//! Notices of many deaths behind one descriptor: to wait for any of thousands costs no more than to wait for one.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use super::{ProcId, death_notice};

/// So many deaths are taken note of by one call.
const AT_ONCE: usize = 64;

/// Processes whose end is waited for.
#[derive(Debug)]
pub struct Deaths {
    epoll: OwnedFd,
    /// By number: no two processes that live have the same.
    notices: BTreeMap<u32, (ProcId, OwnedFd)>,
}

impl Deaths {
    /// Of nobody yet.
    ///
    /// # Errors
    ///
    /// If no more files can be open.
    pub fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?, notices: BTreeMap::new() })
    }

    /// How many are waited for.
    pub fn count(&self) -> usize {
        self.notices.len()
    }

    /// Whether the end of this process is waited for.
    pub fn has(&self, process: &ProcId) -> bool {
        self.notices.get(&process.pid).is_some_and(|(watched, _)| watched == process)
    }

    /// Waits for the end of this process too; whether it is still to come.
    ///
    /// # Errors
    ///
    /// If no more files can be open, or it could not be told.
    pub fn watch(&mut self, process: &ProcId) -> io::Result<bool> {
        let Some(notice) = death_notice(process)? else { return Ok(false) };
        // Another one of this number has ended; its notice goes before it could be mistaken for the new one's.
        self.notices.remove(&process.pid);
        epoll::add(&self.epoll, &notice, epoll::EventData::new_u64(process.pid.into()), epoll::EventFlags::IN)?;
        self.notices.insert(process.pid, (process.clone(), notice));
        Ok(true)
    }

    /// Waits no more for those that are not among these numbers.
    pub fn keep(&mut self, is_wanted: impl Fn(&ProcId) -> bool) {
        self.notices.retain(|_, (process, _)| is_wanted(process));
    }

    /// Those that have ended since this was asked last. They are waited for no more.
    pub fn take(&mut self) -> Vec<ProcId> {
        let mut ended = Vec::new();
        loop {
            let mut events = Vec::with_capacity(AT_ONCE);
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&now)) {
                Ok(0) => return ended,
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(_) => return ended,
            }
            for event in events {
                // Packed: a copy is taken.
                let number = event.data.u64();
                let notice = u32::try_from(number).ok().and_then(|pid| self.notices.remove(&pid));
                ended.extend(notice.map(|(process, _)| process));
            }
        }
    }
}

impl AsFd for Deaths {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::*;
    use crate::process::wait_any;

    #[test]
    fn each_death_is_told_once_and_what_is_dropped_is_not() {
        let mut children: Vec<_> = (0..3).map(|_| Command::new("/bin/sleep").arg("1000").spawn().unwrap()).collect();
        let ids: Vec<ProcId> = children.iter().map(|child| ProcId::of(child.id()).unwrap().unwrap()).collect();
        let mut deaths = Deaths::new().unwrap();
        for id in &ids {
            assert!(deaths.watch(id).unwrap());
        }
        assert_eq!((deaths.take(), deaths.count(), deaths.has(&ids[0])), (Vec::new(), 3, true));
        deaths.keep(|process| *process != ids[2]);
        for child in &mut children[1..] {
            child.kill().unwrap();
        }
        assert_eq!(wait_any(&[deaths.as_fd()], Some(Duration::from_secs(10))).unwrap(), [0]);
        assert_eq!(deaths.take(), [ids[1].clone()]);
        assert_eq!((deaths.take(), deaths.count()), (Vec::new(), 1));
        assert!(!deaths.watch(&ids[1]).unwrap());
        for child in &mut children {
            let _ = child.kill();
            child.wait().unwrap();
        }
        assert_eq!(deaths.take(), [ids[0].clone()]);
    }
}
