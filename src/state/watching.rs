//! What a watcher leaves in the fleet's folder: how it does, what stands still since when, and that a person has halted the fleet.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::files::{Folder, Lasting};
use super::{Fleet, Record};
use crate::desired::{AgentName, Auto, Desired};
use crate::observed::Halt;
use crate::time::Timestamp;

const HALT: &str = "halt.json";
const STATUS: &str = "watch.json";
const STANDINGS: &str = "standing.json";
const TOLD: &str = "told.json";
pub(super) const IN_FORCE: &str = "in-force.json";

/// How a watcher does, as it said last: `watch.json`. True only while somebody holds `watch.lock`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchStatus {
    /// Its process.
    pub pid: u32,
    /// Since when it watches.
    pub since: Timestamp,
    /// When its last round was; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_round: Option<Timestamp>,
    /// How far it goes by itself.
    pub auto: Auto,
    /// How many rounds it did.
    pub rounds: u64,
    /// How long the last one took, in milliseconds.
    pub round_ms: u64,
    /// When the next one is at the latest.
    pub next_round: Timestamp,
    /// Why the manifest as it stands is not in force, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_error: Option<String>,
    /// What went wrong in the last round, if something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Why changes of files are not noticed when they happen, if they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blind: Option<String>,
    /// When it ended in order; none while it watches, and for good where it was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
}

/// What a manifest asked for: `in-force.json`.
#[derive(Debug, Serialize, Deserialize)]
struct InForce {
    version: u32,
    desired: Desired,
}

impl InForce {
    /// The newest version of the format that this program knows.
    const VERSION: u32 = 1;
}

/// What stands still, by agent: what holds or blocks it, and since when.
pub type Standings = BTreeMap<AgentName, Standing>;

/// What holds or blocks one agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// `held` or `blocked`.
    pub state: String,
    /// Its reason, as one word.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Whether it was told that it is held for longer than `hold_max`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overdue: bool,
}

impl Fleet {
    /// Whether a person wants the whole fleet to be left alone. Where that cannot be read, somebody may: then it counts as halted, with this doubt.
    ///
    /// # Errors
    ///
    /// If the folder of the fleet cannot be opened.
    pub fn halted(&self) -> Result<Option<Halt>> {
        let Some(folder) = self.open("")? else { return Ok(None) };
        let error = match read(&folder, HALT) {
            Ok(halt) => return Ok(halt),
            Err(error) => error,
        };
        let doubt = format!("{error:#}");
        self.note_unread(format!("{doubt}. The fleet counts as halted: nothing is started"));
        let written = folder.stat(HALT).ok().flatten().map(|stat| stat.st_mtime.saturating_mul(1000));
        // To set going what was not stopped harms nobody.
        Ok(Some(Halt { since: Timestamp::from_millis(written.unwrap_or_default()), why: None, frozen: true, doubt: Some(doubt) }))
    }

    /// Writes that a person wants the whole fleet to be left alone, for good. A fleet whose processes are stopped stays so, and since when it is
    /// halted stays true.
    pub fn halt(&self, halt: Halt) -> Result<()> {
        let halt = match self.halted()? {
            None => halt,
            Some(Halt { doubt: Some(_), .. }) => Halt { frozen: true, ..halt },
            Some(before) => Halt { since: before.since, why: halt.why.or(before.why), frozen: halt.frozen || before.frozen, doubt: None },
        };
        self.make("")?.replace(HALT, &serde_json::to_vec(&halt)?, Lasting::ForGood)?;
        self.is_mended();
        Ok(())
    }

    /// Takes that back; it is no error if nothing was halted.
    pub fn end_halt(&self) -> Result<()> {
        let Some(folder) = self.open("")? else { return Ok(()) };
        folder.remove(HALT).with_context(|| format!("the fleet stays halted: cannot remove {}", folder.path_of(HALT).display()))?;
        self.is_mended();
        Ok(folder.sync()?)
    }

    /// Has everything begin anew that is counted against time in which living agents were stopped: who could not answer did not fail to.
    pub fn count_anew(&self, now: Timestamp) -> Result<()> {
        let lives = |record: &Record| record.instance.is_some() && record.ended.is_none();
        for mut record in self.records()?.into_values().flatten().filter(lives) {
            record.live.thaw(now);
            if let Some(leaving) = &mut record.leaving {
                leaving.asked_at = now;
            }
            self.write(&record)?;
        }
        Ok(())
    }

    /// What the last watcher said of itself.
    pub fn watch_status(&self) -> Result<Option<WatchStatus>> {
        self.document(STATUS)
    }

    /// Writes how the watcher does.
    pub fn write_watch_status(&self, status: &WatchStatus) -> Result<()> {
        self.make("")?.replace(STATUS, &serde_json::to_vec(status)?, Lasting::UntilBoot)
    }

    /// The last entry of the journal of which a watcher has told whoever is to hear of it, with all before; none if there was no watcher.
    pub fn told(&self) -> Result<Option<u64>> {
        self.document(TOLD)
    }

    /// Writes that.
    pub fn write_told(&self, entry: u64) -> Result<()> {
        self.make("")?.replace(TOLD, &serde_json::to_vec(&entry)?, Lasting::UntilBoot)
    }

    /// What stood still in the last round of a watcher.
    pub fn standings(&self) -> Result<Standings> {
        Ok(self.document(STANDINGS)?.unwrap_or_default())
    }

    /// Writes what stands still.
    pub fn write_standings(&self, standings: &Standings) -> Result<()> {
        self.make("")?.replace(STANDINGS, &serde_json::to_vec(standings)?, Lasting::UntilBoot)
    }

    /// What the manifest asked for when a watcher found it valid last.
    pub fn in_force(&self) -> Result<Option<Desired>> {
        Ok(self.document::<InForce>(IN_FORCE)?.map(|in_force| in_force.desired))
    }

    /// Writes what the manifest asks for, for the time when it is not valid; for good, as that may be after a power failure.
    pub fn write_in_force(&self, desired: &Desired) -> Result<()> {
        let in_force = InForce { version: InForce::VERSION, desired: desired.clone() };
        self.make("")?.replace(IN_FORCE, &serde_json::to_vec(&in_force)?, Lasting::ForGood)
    }

    fn document<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let Some(folder) = self.open("")? else { return Ok(None) };
        read(&folder, name)
    }
}

fn read<T: DeserializeOwned>(folder: &Folder, name: &str) -> Result<Option<T>> {
    let mut buffer = Vec::new();
    let path = || folder.path_of(name).display().to_string();
    if !folder.read(name, &mut buffer).with_context(|| format!("cannot read {}", path()))? {
        return Ok(None);
    }
    serde_json::from_slice(&buffer).map(Some).with_context(|| format!("{} is damaged: remove it", path()))
}

#[cfg(test)]
mod tests {
    use super::super::StateDir;
    use super::*;

    #[test]
    fn a_halt_is_remembered_until_it_is_taken_back() {
        let root = tempfile::tempdir().unwrap();
        let fleet = StateDir::locate(Some(root.path())).unwrap().fleet(&"f".parse().unwrap()).unwrap();
        assert_eq!(fleet.halted().unwrap(), None);
        fleet.end_halt().unwrap();
        let halt = Halt { since: Timestamp::from_millis(5), why: Some("smoke".to_owned()), frozen: false, doubt: None };
        fleet.halt(halt.clone()).unwrap();
        assert_eq!(fleet.halted().unwrap(), Some(halt.clone()));
        let later = |why: Option<&str>, frozen| Halt { since: Timestamp::from_millis(9), why: why.map(str::to_owned), frozen, doubt: None };
        fleet.halt(later(Some("fire"), true)).unwrap();
        fleet.halt(later(None, false)).unwrap();
        let both = Halt { why: Some("fire".to_owned()), frozen: true, ..halt };
        assert_eq!(fleet.halted().unwrap(), Some(both), "what is stopped must be set going again");
        fleet.end_halt().unwrap();
        assert_eq!(fleet.halted().unwrap(), None);
        std::fs::write(fleet.paths().halt(), "{").unwrap();
        assert!(fleet.take_lost().is_none());
        let damaged = fleet.halted().unwrap().expect("what cannot be read counts as a halt");
        assert!(damaged.doubt.unwrap().contains("halt.json is damaged: remove it"));
        assert!(fleet.take_lost().unwrap().to_string().contains("The fleet counts as halted"));
        fleet.halt(later(None, false)).unwrap();
        assert_eq!(fleet.halted().unwrap(), Some(later(None, true)));
    }
}
