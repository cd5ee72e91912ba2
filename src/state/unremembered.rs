//! What was done and could not be written down. Where the disk is full or read-only, ending goes on all the same; everything else is written, then
//! done.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use rustix::io::Errno;

use super::{Claim, Fleet, Journal};
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
pub(super) struct Ledger(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
struct Book {
    lost: Lost,
    /// The claim that could not be written, and what is on the disk instead: this run at least goes by it.
    claim: Option<(Option<Claim>, Claim)>,
}

/// What could not be read, and what is not remembered, with the reasons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    unread: BTreeSet<String>,
    unwritten: BTreeMap<Why, BTreeSet<Unremembered>>,
}

impl Lost {
    fn is_empty(&self) -> bool {
        self.unread.is_empty() && self.unwritten.is_empty()
    }

    /// What a person can do about it, as the end of a sentence.
    pub fn way_out(&self) -> &'static str {
        if self.unwritten.keys().any(|why| matches!(why, Why::Full(_))) {
            "Make room, or let it be written to, and say it again"
        } else {
            "Mend that, and say it again; `reconcile doctor` shows whether it is mended"
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { unread, unwritten } = self;
        let not_remembered = |(why, what): (&Why, &BTreeSet<Unremembered>)| {
            let named: Vec<String> = what.iter().take(NAMED).map(Unremembered::to_string).collect();
            let more = what.len().saturating_sub(NAMED);
            let more = if more > 0 { format!("; and {more} more") } else { String::new() };
            format!("{why}. This was not recorded: {}{more}", named.join("; "))
        };
        let all: Vec<String> = unread.iter().cloned().chain(unwritten.iter().map(not_remembered)).collect();
        f.write_str(&all.join(". "))
    }
}

/// Why something could not be written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    /// Nothing can.
    Full(Full),
    /// This one file or folder cannot.
    Broken(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(full) => write!(f, "the state folder cannot be written, because {full}"),
            Self::Broken(why) => f.write_str(why),
        }
    }
}

/// Why nothing can be written, whoever tries: no fault of the run's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

    fn among(error: &anyhow::Error) -> Option<Self> {
        error.chain().find_map(|cause| match (cause.downcast_ref::<io::Error>(), cause.downcast_ref::<Errno>()) {
            (Some(error), _) => Self::of(error),
            (None, Some(errno)) => Self::of(&(*errno).into()),
            (None, None) => None,
        })
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

/// In words, that the state folder is full or read-only and what to do about it, if that is why something could not be done.
pub fn full(error: &anyhow::Error) -> Option<String> {
    Full::among(error).map(|full| format!("{}: make room, or let it be written to", Why::Full(full)))
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
        match outcome {
            Ok(done) => Ok(Some(done)),
            Err(error) if Full::among(&error).is_none() => Err(error),
            Err(error) => {
                self.note_unwritten(what, &error);
                Ok(None)
            }
        }
    }

    /// As [`Self::or_unremembered`], whatever the reason: for what keeps nothing from being done.
    pub fn or_noted<T>(&self, what: Unremembered, outcome: Result<T>) -> Option<T> {
        outcome.map_err(|error| self.note_unwritten([what], &error)).ok()
    }

    fn note_unwritten(&self, what: impl IntoIterator<Item = Unremembered>, error: &anyhow::Error) {
        let why = Full::among(error).map_or_else(|| Why::Broken(format!("{error:#}")), Why::Full);
        self.ledger().lost.unwritten.entry(why).or_default().extend(what);
    }

    /// What was read, or nothing, and a note of it: for what keeps nothing from being done.
    pub fn or_unread<T>(&self, outcome: Result<T>) -> Option<T> {
        outcome.map_err(|error| self.note_unread(format!("{error:#}"))).ok()
    }

    /// Takes note that something could not be read, and what that leads to.
    pub(super) fn note_unread(&self, what: String) {
        self.ledger().lost.unread.insert(what);
    }

    /// From here on, all can be read that could not be.
    pub(super) fn is_mended(&self) {
        self.ledger().lost.unread.clear();
    }

    /// The claim as this run knows it, where that is what is on the disk.
    pub(super) fn claim_or_unwritten(&self, written: Option<Claim>) -> Option<Claim> {
        match &self.ledger().claim {
            Some((instead, claim)) if *instead == written => Some(claim.clone()),
            Some(_) | None => written,
        }
    }

    /// Keeps a claim for this run that could not be written, in place of what is on the disk; without one, what is written counts.
    pub(super) fn keep_claim(&self, instead: Option<(Option<Claim>, Claim)>) {
        self.ledger().claim = instead;
    }

    fn ledger(&self) -> MutexGuard<'_, Book> {
        self.ledger.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What could not be read, and what was done and is not remembered, since this was asked last; none if all was and is.
    pub fn take_lost(&self) -> Option<Lost> {
        Some(std::mem::take(&mut self.ledger().lost)).filter(|lost| !lost.is_empty())
    }

    /// Whether all that was done to agents is remembered so far.
    pub fn remembers_all(&self) -> bool {
        self.ledger().lost.unwritten.values().flatten().all(|what| matches!(what, Unremembered::Events | Unremembered::Run))
    }

    /// Writes events into the journal. Where that is not possible, they have no number, and whoever hears of them hears of them all the same: it keeps
    /// nothing from being done.
    pub fn tell(&self, journal: &mut Journal, events: &[Event]) -> Vec<Entry> {
        let unwritten = || events.iter().map(|event| Entry { number: 0, event: event.clone() }).collect();
        self.or_noted(Unremembered::Events, journal.append(events)).unwrap_or_else(unwritten)
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
        let told = other.take_lost().unwrap().to_string();
        let first =
            "the state folder cannot be written, because no space is left on the device. This was not recorded: the events, for `history`";
        assert!(told.starts_with(first), "{told}");
        for (why, told) in [(Errno::NOSPC, "Make room"), (Errno::IO, "`reconcile doctor` shows")] {
            fleet.or_noted(Unremembered::Events, Err::<(), _>(io::Error::from(why).into()));
            assert!(fleet.remembers_all(), "what happened to agents is in their records");
            assert!(fleet.take_lost().unwrap().way_out().contains(told));
        }
        assert!(fleet.remembers_all(), "it is said once");
    }
}
