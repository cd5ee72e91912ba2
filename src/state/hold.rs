//! Which commands are at work, and on which agents: a locked file each in `commands/`. The lock goes with its command, however that ends, so a killed
//! one leaves no hold.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{Read, Write};

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, OFlags, flock};
use serde::{Deserialize, Serialize};

use super::{Fleet, Holder};
use crate::desired::AgentName;
use crate::time::Timestamp;

/// The agents that a command is at work on, until this is dropped or the process ends.
#[derive(Debug)]
pub struct Hold {
    fleet: Fleet,
    name: String,
    _file: File,
}

impl Drop for Hold {
    fn drop(&mut self) {
        // Without its lock it says nothing any more; whoever comes next removes it too.
        let _ = self.fleet.open(FOLDER).map(|folder| folder.map(|folder| folder.remove(&self.name)));
    }
}

/// A command that is at work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtWork {
    /// Which one.
    pub holder: Holder,
    /// On which agents; none for all of the fleet.
    pub agents: Option<BTreeSet<AgentName>>,
}

impl AtWork {
    /// Whether it is at work on one of these agents; none means all.
    pub fn overlaps(&self, agents: Option<&BTreeSet<AgentName>>) -> bool {
        match (&self.agents, agents) {
            (Some(own), Some(other)) => !own.is_disjoint(other),
            (None, Some(some)) | (Some(some), None) => !some.is_empty(),
            (None, None) => true,
        }
    }
}

impl fmt::Display for AtWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Holder { pid, command, started } = &self.holder;
        write!(f, "`reconcile {}` (pid {pid}, since {}) is at work on ", command.escape_debug(), started.clock())?;
        match &self.agents {
            None => f.write_str("the whole fleet"),
            Some(agents) => f.write_str(&agents.iter().map(AgentName::as_str).collect::<Vec<_>>().join(", ")),
        }
    }
}

const FOLDER: &str = "commands";

impl Fleet {
    /// Notes that a command of this process is at work on these agents, or says which other one is at work on one of them. To be called under the
    /// fleet's lock: so two cannot begin at once.
    ///
    /// # Errors
    ///
    /// If the folder of holds cannot be read or written.
    pub fn hold(&self, command: &str, agents: Option<&BTreeSet<AgentName>>, now: Timestamp) -> Result<Result<Hold, AtWork>> {
        if let Some(other) = self.at_work()?.into_iter().find(|other| other.overlaps(agents)) {
            return Ok(Err(other));
        }
        let pid = std::process::id();
        let name = format!("{pid}.json");
        let mut file = self.make(FOLDER)?.open_file(&name, OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).with_context(|| format!("cannot lock {FOLDER}/{name}"))?;
        let holder = Holder { pid, command: command.to_owned(), started: now };
        file.write_all(&serde_json::to_vec(&AtWork { holder, agents: agents.cloned() })?)?;
        Ok(Ok(Hold { fleet: self.clone(), name, _file: file }))
    }

    /// The commands of other processes that are at work at this moment.
    ///
    /// # Errors
    ///
    /// If the folder of holds cannot be read.
    pub fn at_work(&self) -> Result<Vec<AtWork>> {
        let Some(folder) = self.open(FOLDER)? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for name in folder.names()? {
            let Ok(mut file) = folder.open_file(&name, OFlags::RDONLY) else { continue };
            if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
                // Its command is gone.
                continue;
            }
            let mut text = String::new();
            if file.read_to_string(&mut text).is_ok()
                && let Ok(at_work) = serde_json::from_str::<AtWork>(&text)
                && at_work.holder.pid != std::process::id()
            {
                found.push(at_work);
            }
        }
        Ok(found)
    }
}
