//! Waiting for a death, a signal or a time, without looking again and again.

use std::collections::{BTreeSet, HashMap};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::Wake;
use super::interrupts::Interrupts;
use super::news::News;
use crate::process::{self, Deaths, Liveness, ProcId};

/// How often processes are looked at of which no notice could be had.
const BLIND: Duration = Duration::from_secs(1);

/// Notices of death that outlive one wait: to open a thousand of them takes longer than to wait.
#[derive(Debug, Default)]
pub(super) struct Vigil {
    /// None before the first wait, and where no more files can be open.
    deaths: Option<Deaths>,
    /// Those that a wait saw end, until they are watched no more.
    gone: BTreeSet<ProcId>,
    /// Whether the end of all that were watched last is told.
    is_complete: bool,
}

impl Vigil {
    /// Whether a wait saw the end of this process: then a listing that still shows it is not believed.
    pub(super) fn saw_end_of(&self, process: &ProcId) -> bool {
        self.gone.contains(process)
    }

    /// Whether a wait saw the end of a process that is still watched.
    pub(super) fn saw_an_end(&self) -> bool {
        !self.gone.is_empty()
    }

    /// Those that a wait saw end and that are still watched.
    pub(super) fn ended(&self) -> Vec<ProcId> {
        self.gone.iter().cloned().collect()
    }

    /// Whether all that were watched last still live, as far as is known without looking at each.
    pub(super) fn all_live(&mut self) -> bool {
        self.glance();
        self.is_complete && self.gone.is_empty()
    }

    /// Sees which of the watched have ended by now, and whether there are any.
    pub(super) fn glance(&mut self) -> bool {
        let ended = self.deaths.as_mut().map(Deaths::take).unwrap_or_default();
        let has_died = !ended.is_empty();
        self.gone.extend(ended);
        has_died
    }

    /// Whether a process lives. Of one that is watched that was true when it was [glanced](Self::glance) at.
    pub(super) fn liveness(&self, process: &ProcId) -> Liveness {
        if self.deaths.as_ref().is_some_and(|deaths| deaths.has(process)) { Liveness::Alive } else { process.liveness() }
    }

    /// Waits until one of `watched` ends, a signal or news comes, or `patience` is over.
    pub(super) fn wait(&mut self, watched: &[ProcId], patience: Duration, interrupts: Option<&Interrupts>, news: Option<&News>) -> Wake {
        if self.watch(watched) == Watched::SomeGone {
            return Wake::Death;
        }
        let blind = self.deaths.as_ref().map_or(0, Deaths::count) < watched.len();
        self.is_complete = !blind;
        let mut rest = patience;
        loop {
            let round = if blind { rest.min(BLIND) } else { rest };
            match self.once(round, interrupts, news) {
                Some(wake) => return wake,
                None if blind && watched.iter().any(|process| process.liveness() == Liveness::Gone) => return Wake::Death,
                None => rest = rest.saturating_sub(round),
            }
            if rest.is_zero() {
                return Wake::Time;
            }
        }
    }

    fn once(&mut self, patience: Duration, interrupts: Option<&Interrupts>, news: Option<&News>) -> Option<Wake> {
        let signals: Vec<BorrowedFd<'_>> = interrupts.iter().flat_map(|interrupts| interrupts.notices()).collect();
        let others = signals.iter().copied().chain(news.map(News::notice));
        let fds: Vec<BorrowedFd<'_>> = others.chain(self.deaths.as_ref().map(AsFd::as_fd)).collect();
        // An error of the machine ends the wait like a time that is over: then there is another look.
        let ready = process::wait_any(&fds, Some(patience)).unwrap_or_default();
        let signalled = ready.iter().any(|position| *position < signals.len());
        let has_died = self.glance();
        if let (true, Some(interrupts)) = (signalled, interrupts) {
            interrupts.acknowledge();
            return Some(Wake::Signal);
        }
        if has_died {
            return Some(Wake::Death);
        }
        if let (true, Some(news)) = (ready.contains(&signals.len()), news) {
            news.hear();
            return Some(Wake::News);
        }
        None
    }

    /// Opens the notices that are missing and closes those that are not wanted any more.
    fn watch(&mut self, watched: &[ProcId]) -> Watched {
        let wanted: HashMap<u32, &ProcId> = watched.iter().map(|process| (process.pid, process)).collect();
        let is_wanted = |process: &ProcId| wanted.get(&process.pid).is_some_and(|wanted| *wanted == process);
        self.gone.retain(is_wanted);
        if self.deaths.is_none() {
            self.deaths = Deaths::new().ok();
        }
        let Some(deaths) = &mut self.deaths else { return Watched::AllLive };
        deaths.keep(is_wanted);
        let mut all = Watched::AllLive;
        for process in watched {
            if deaths.has(process) {
                continue;
            }
            match deaths.watch(process) {
                Ok(true) => {}
                Ok(false) => {
                    self.gone.insert(process.clone());
                    all = Watched::SomeGone;
                }
                // Too many open files, or it could not be told: it is looked at now and then.
                Err(_) => {}
            }
        }
        all
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watched {
    AllLive,
    SomeGone,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use std::time::Instant;

    #[test]
    fn a_death_ends_the_wait_and_a_time_without_one_does_too() {
        let mut child = Command::new("/bin/sleep").arg("1000").spawn().unwrap();
        let id = ProcId::of(child.id()).unwrap().unwrap();
        let mut vigil = Vigil::default();
        assert_eq!(vigil.wait(std::slice::from_ref(&id), Duration::from_millis(1), None, None), Wake::Time);
        assert!(!vigil.saw_end_of(&id));
        child.kill().unwrap();
        let begun = Instant::now();
        assert_eq!(vigil.wait(std::slice::from_ref(&id), Duration::from_secs(60), None, None), Wake::Death);
        assert!(begun.elapsed() < Duration::from_secs(30));
        assert!(vigil.saw_end_of(&id));
        assert_eq!(vigil.wait(std::slice::from_ref(&id), Duration::from_secs(60), None, None), Wake::Death, "it is still watched");
        child.wait().unwrap();
        assert_eq!(vigil.wait(&[], Duration::ZERO, None, None), Wake::Time);
        assert!(!vigil.saw_end_of(&id));
    }
}
