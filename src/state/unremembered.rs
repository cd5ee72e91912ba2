//! What was done and could not be written down. Where the disk is full or read-only, ending goes on all the same; everything else is written, then
//! done.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use rustix::io::Errno;

use super::{Fleet, Journal};
use crate::desired::AgentName;
use crate::event::{Entry, Event};

/// Something that is not remembered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unremembered {
    /// That the fleet is halted.
    Halt,
    /// That an agent is to stay stopped.
    Stopped(AgentName),
    /// What happened to an agent, or was done to it.
    State(AgentName),
    /// That an agent is forgotten.
    Forgotten(AgentName),
    /// The message that asks an agent to end: it was not sent.
    Message(AgentName),
    /// What happened, in the journal.
    Events,
    /// Which manifest was applied last, and how the tmux server was set up.
    Claim,
    /// That a run took place.
    Run,
    /// That a command is at work, for others.
    Hold,
    /// What is held and blocked, and since when.
    Standings,
    /// What requests ask for: they stay where they are.
    Requests,
    /// Which events a watcher has reported.
    Told,
}

impl fmt::Display for Unremembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Halt => f.write_str("that the fleet is halted"),
            Self::Stopped(agent) => write!(f, "that {agent} is to stay stopped"),
            Self::State(agent) => write!(f, "what happened to {agent}"),
            Self::Forgotten(agent) => write!(f, "that {agent} is forgotten"),
            Self::Message(agent) => write!(f, "the message to {agent}, which was not sent"),
            Self::Events => f.write_str("the events, for `history`"),
            Self::Claim => f.write_str("what was applied last"),
            Self::Run => f.write_str("the file of this run"),
            Self::Hold => f.write_str("that this command is at work"),
            Self::Standings => f.write_str("since when agents are held or blocked"),
            Self::Requests => f.write_str("which requests were carried out"),
            Self::Told => f.write_str("which events the watcher has reported"),
        }
    }
}

/// How many things are named in a message.
const NAMED: usize = 6;

/// All that is not recorded of a run, shared by all its parts.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger(Arc<Mutex<Option<Lost>>>);

/// What is not remembered, and why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    why: Full,
    what: BTreeSet<Unremembered>,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { why, what } = self;
        let named: Vec<String> = what.iter().take(NAMED).map(Unremembered::to_string).collect();
        let more = what.len().saturating_sub(NAMED);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        write!(f, "the state folder cannot be written, because {why}. This was not recorded: {}{more}", named.join("; "))
    }
}

/// Why nothing can be written by any process: no fault of this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Full {
    NoSpace,
    Quota,
    ReadOnly,
}

impl Full {
    fn of(error: &io::Error) -> Option<Self> {
        match Errno::from_io_error(error)? {
            Errno::NOSPC => Some(Self::NoSpace),
            Errno::DQUOT => Some(Self::Quota),
            Errno::ROFS => Some(Self::ReadOnly),
            _ => None,
        }
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSpace => "no space is left on the device",
            Self::Quota => "the disk quota is used up",
            Self::ReadOnly => "its file system is read-only",
        })
    }
}

/// Whether nothing can be written because the disk is full or read-only.
pub(super) fn is_full(error: &io::Error) -> bool {
    Full::of(error).is_some()
}

impl Fleet {
    /// What came of writing something down that must not keep an end from being asked for: where the disk is full or read-only, this is noted, and
    /// there is nothing. Any other error stays one.
    ///
    /// # Errors
    ///
    /// Those of the outcome that are no matter of room.
    pub fn or_unremembered<T>(&self, what: Unremembered, outcome: Result<T>) -> Result<Option<T>> {
        self.or_all_unremembered([what], outcome)
    }

    /// As [`Self::or_unremembered`], of several things that were to be written in one.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn or_all_unremembered<T>(&self, what: impl IntoIterator<Item = Unremembered>, outcome: Result<T>) -> Result<Option<T>> {
        let error = match outcome {
            Ok(done) => return Ok(Some(done)),
            Err(error) => error,
        };
        let full = |cause: &(dyn std::error::Error + 'static)| match (cause.downcast_ref::<io::Error>(), cause.downcast_ref::<Errno>()) {
            (Some(error), _) => Full::of(error),
            (None, Some(errno)) => Full::of(&(*errno).into()),
            (None, None) => None,
        };
        let Some(why) = error.chain().find_map(full) else { return Err(error) };
        let mut ledger = self.ledger.0.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.get_or_insert_with(|| Lost { why, what: BTreeSet::new() }).what.extend(what);
        Ok(None)
    }

    /// What was done and is not remembered since this was asked last; none if all is.
    pub fn take_lost(&self) -> Option<Lost> {
        self.ledger.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether all that was done is remembered so far.
    pub fn remembers_all(&self) -> bool {
        self.ledger.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Writes events into the journal. On a full or read-only disk, events have no number, and listeners still get them.
    ///
    /// # Errors
    ///
    /// If the journal cannot be written for another reason.
    pub fn tell(&self, journal: &mut Journal, events: &[Event]) -> Result<Vec<Entry>> {
        let unwritten = || events.iter().map(|event| Entry { number: 0, event: event.clone() }).collect();
        Ok(self.or_unremembered(Unremembered::Events, journal.append(events))?.unwrap_or_else(unwritten))
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::super::StateDir;
    use super::*;

    #[test]
    fn only_a_full_or_read_only_disk_lets_a_run_go_on() {
        let root = tempfile::tempdir().unwrap();
        let fleet = StateDir::locate(Some(root.path())).unwrap().fleet(&"test".parse().unwrap()).unwrap();
        let other = fleet.clone();
        for (error, goes_on) in [
            (io::Error::from(Errno::NOSPC), true),
            (Errno::DQUOT.into(), true),
            (Errno::ROFS.into(), true),
            (Errno::ACCESS.into(), false),
            (Errno::IO.into(), false),
            (io::Error::other("the program died here"), false),
        ] {
            let shown = error.to_string();
            let outcome = fleet.or_unremembered(Unremembered::Events, Err::<(), _>(error).context("cannot write"));
            assert_eq!(outcome.ok(), goes_on.then_some(None), "{shown}");
        }
        assert!(fleet.or_unremembered(Unremembered::Run, Err::<(), _>(anyhow!("no"))).is_err());
        assert_eq!(fleet.or_unremembered(Unremembered::Run, Ok(7)).unwrap(), Some(7));
        assert_eq!(
            other.take_lost().unwrap().to_string(),
            "the state folder cannot be written, because no space is left on the device. This was not recorded: the events, for `history`"
        );
        assert!(fleet.remembers_all(), "it is said once");
    }
}
