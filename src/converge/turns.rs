//! The fleet's lock between rounds: held while a round is done, free while something is waited for. So no command waits for another one's drain.

use anyhow::Result;

use super::Ending;
use crate::host::{Host, Wake};
use crate::state::{Fleet, Lock, NoLock, Stamp};
use crate::time::{Duration, Timestamp};

/// How long the lock is tried before signals are checked again.
const SLICE: Duration = Duration::from_millis(50);

/// The lock of a command between its rounds, and whether another process had it since.
#[derive(Debug)]
pub struct Turns {
    command: String,
    lock: Option<Lock>,
    last: Option<(u64, Option<Stamp>)>,
    is_shared: bool,
}

/// What a turn begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Nothing was written since the last turn.
    Follows,
    /// Another command had a turn: what is remembered is read again.
    Anew,
    /// The one that had the lock died while it did: what it had written down it may not have done.
    AfterDeath,
    /// A signal asks to stop, or the time is over.
    Never,
}

impl Turns {
    /// For a command that has the lock now.
    pub fn of(command: &str, lock: Lock) -> Self {
        Self { command: command.to_owned(), lock: Some(lock), last: None, is_shared: true }
    }

    /// For a run without other writers.
    pub fn alone() -> Self {
        Self { command: String::new(), lock: None, last: None, is_shared: false }
    }

    /// Lets others have a turn.
    ///
    /// # Errors
    ///
    /// If the state of the records cannot be read.
    pub fn release(&mut self, fleet: &Fleet) -> Result<()> {
        if let Some(lock) = self.lock.take() {
            self.last = Some((lock.turn(), fleet.records_stamp()?));
        }
        Ok(())
    }

    /// Takes the next turn, whatever others did meanwhile; none if it has it. A signal may come first, and after half a minute it gives up.
    ///
    /// # Errors
    ///
    /// If the lock cannot be tried.
    pub fn resume(&mut self, fleet: &Fleet, host: &mut dyn Host) -> Result<Option<Ending>> {
        let patience = host.now() + Duration::from_secs(30);
        Ok(match self.take(fleet, host, patience)? {
            Taken::Follows | Taken::Anew | Taken::AfterDeath => None,
            Taken::Never if host.now() >= patience => Some(Ending::TimedOut),
            Taken::Never => Some(Ending::Interrupted),
        })
    }

    /// Takes the next turn, and waits for it until `deadline` at the longest.
    pub(crate) fn take(&mut self, fleet: &Fleet, host: &mut dyn Host, deadline: Timestamp) -> Result<Taken> {
        if !self.is_shared || self.lock.is_some() {
            return Ok(Taken::Follows);
        }
        loop {
            match fleet.lock_again(&self.command, SLICE) {
                Ok(lock) => {
                    let last = self.last.take();
                    let follows = last.is_some_and(|(turn, _)| turn.wrapping_add(1) == lock.turn());
                    let is_same = follows && last.is_some_and(|(_, stamp)| fleet.records_stamp().is_ok_and(|now| now == stamp));
                    let died = lock.holder_died();
                    self.lock = Some(lock);
                    return Ok(match (died, is_same) {
                        (true, _) => Taken::AfterDeath,
                        (false, true) => Taken::Follows,
                        (false, false) => Taken::Anew,
                    });
                }
                Err(NoLock::Failed(error)) => return Err(error),
                Err(NoLock::Held(_)) if host.now() >= deadline + SLICE => return Ok(Taken::Never),
                Err(NoLock::Held(_)) => {
                    if host.wait(&[], host.now()) == Wake::Signal {
                        return Ok(Taken::Never);
                    }
                }
            }
        }
    }
}
