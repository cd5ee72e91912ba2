//! Where everything remembered lives: one folder per fleet, readable by its user only. Remembers, and decides nothing.
//!
//! Reading never makes a file or folder: looking at a fleet that never ran leaves no trace. Every write is one step to those who read. Who
//! writes anything but the key holds the [`Lock`].

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::desired::{AgentName, FleetName, Server};
use crate::event::Entry;
use crate::paths::Paths;
use crate::time::{Duration, Timestamp};

pub(crate) mod crash;
mod files;
pub mod handoff;
mod hold;
mod journal;
mod key;
mod lock;
mod record;
pub mod request;
mod run;
mod take_over;
mod unremembered;
mod watching;

pub use files::Stamp;
use files::{Folder, Lasting};
pub use hold::{AtWork, Hold};
pub use journal::Journal;
pub use key::Key;
pub use lock::{Holder, Lock, NoLock};
pub use record::{Posted, Record, Untyped};
pub use run::{Run, RunEnd, RunPhase, RunStatus};
pub use take_over::Foreign;
pub use unremembered::{Lost, Unremembered, full};
pub use watching::{Standing, Standings, WatchStatus};

/// The folder that holds the folders of all fleets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDir {
    root: PathBuf,
}

impl StateDir {
    /// The folder that is named by the flag, else by the environment, which inside of an agent names that of its own fleet. An error if there is no
    /// home either.
    pub fn locate(flag: Option<&Path>) -> Result<Self> {
        Self::locate_in(flag, |name| std::env::var_os(name))
    }

    fn locate_in(flag: Option<&Path>, variable: impl Fn(&str) -> Option<OsString>) -> Result<Self> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        // The XDG base directory specification: a path there that is not absolute is to be ignored.
        let absolute = |name: &str| set(name).filter(|path| path.is_absolute());
        let root = flag
            .map(Path::to_owned)
            .or_else(|| set("RECONCILE_STATE_DIR").map(|named| root_of(named, set("RECONCILE_FLEET").as_deref())))
            .or_else(|| absolute("XDG_STATE_HOME").map(|path| path.join("reconcile")))
            .or_else(|| absolute("HOME").map(|path| path.join(".local/state/reconcile")))
            .context("there is no place to remember anything: HOME is not set. Name a folder with --state-dir or RECONCILE_STATE_DIR")?;
        // Agents get this path and have other working folders.
        let root = std::path::absolute(&root).with_context(|| format!("cannot tell where {} is", root.display()))?;
        Ok(Self { root })
    }

    /// The folder, which may not be there.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The fleet of this name, which may have left nothing here. An error if other users own the folder or can write to it.
    pub fn fleet(&self, name: &FleetName) -> Result<Fleet> {
        let folder = self.root.join(name.as_str());
        if Folder::open(&self.root)?.is_some() {
            Folder::open(&folder)?;
        }
        Ok(Fleet { root: self.root.clone(), name: name.clone(), paths: Paths::new(folder), ledger: Default::default() })
    }

    /// The fleets of which this manifest was applied last. One whose folder cannot be read is none of them.
    pub fn fleets_of(&self, manifest: &Path) -> Result<Vec<Fleet>> {
        let Some(root) = Folder::open(&self.root)? else { return Ok(Vec::new()) };
        let mut names: Vec<FleetName> = root.names()?.iter().filter_map(|name| name.parse().ok()).collect();
        names.sort_unstable();
        let claims = |fleet: &Fleet| fleet.claim().ok().flatten().is_some_and(|claim| !claim.is_of_another(manifest));
        Ok(names.iter().filter_map(|name| self.fleet(name).ok()).filter(claims).collect())
    }
}

/// The folder of all fleets, where this one is named: agents know that of their own fleet by the name under which people know that of all.
fn root_of(named: PathBuf, fleet: Option<&Path>) -> PathBuf {
    let Some(own) = fleet.filter(|fleet| named.file_name() == Some(fleet.as_os_str())) else { return named };
    // Whoever names another folder inside of an agent may mean one that happens to be called like its fleet.
    let has_claim = |folder: &Path| Paths::new(folder.to_owned()).claim().exists();
    let is_root = !has_claim(&named) && has_claim(&named.join(own));
    named.parent().filter(|_| !is_root).map_or(named.clone(), Path::to_owned)
}

/// What is remembered of one fleet.
#[derive(Clone, Debug)]
pub struct Fleet {
    root: PathBuf,
    name: FleetName,
    paths: Paths,
    ledger: unremembered::Ledger,
}

/// Whose a fleet is and what was applied last: `fleet.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The version of this format: 1.
    pub version: u32,
    /// The manifest, absolute.
    pub manifest: PathBuf,
    /// The digest of the manifest that was applied last; none before the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The tmux server as it was last set up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
}

impl Claim {
    /// The newest version of the format that this program knows.
    const VERSION: u32 = 1;

    /// The claim of a manifest of which nothing was applied yet.
    pub fn new(manifest: PathBuf) -> Self {
        Self { version: Self::VERSION, manifest, digest: None, server: None }
    }

    /// Whether it is another manifest than this one, by whatever way it is reached.
    pub fn is_of_another(&self, manifest: &Path) -> bool {
        let real = |path: &Path| path.canonicalize().ok();
        self.manifest != manifest && real(&self.manifest).is_none_or(|held| real(manifest) != Some(held))
    }
}

impl Fleet {
    /// Its name.
    pub fn name(&self) -> &FleetName {
        &self.name
    }

    /// Where its files are.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Makes the folder of the fleet and those in it, for the one who is about to act. All are 0700.
    pub fn prepare(&self) -> Result<()> {
        for part in ["agents", "run", "runs", "logs", "inbox", "archive", "requests"] {
            self.make(part)?;
        }
        Ok(())
    }

    /// Takes the lock of those who act, trying for as long as `patience`, and clears what a writer left that died.
    pub fn lock(&self, command: &str, patience: Duration) -> Result<Lock, NoLock> {
        let lock = self.lock_again(command, patience)?;
        for part in ["", "agents", "runs"] {
            if let Some(folder) = self.open(part).map_err(NoLock::Failed)? {
                folder.sweep().map_err(NoLock::Failed)?;
            }
        }
        Ok(lock)
    }

    /// As [`Fleet::lock`], for who had it before and left nothing unfinished.
    pub fn lock_again(&self, command: &str, patience: Duration) -> Result<Lock, NoLock> {
        let folder = self.make("").map_err(NoLock::Failed)?;
        let lock = lock::take(&folder, "lock", command, patience.std())?;
        self.finish_moves().map_err(NoLock::Failed)?;
        Ok(lock)
    }

    /// The number of the lock's last turn, if nobody has it at this moment.
    pub fn last_turn(&self) -> Result<Option<u64>> {
        Ok(self.open("")?.and_then(|folder| lock::last_turn(&folder, "lock")))
    }

    /// Whether another process holds the lock at this moment. If none does, what is written down and not done was left by one that was killed.
    pub fn has_others_at_work(&self) -> Result<bool> {
        let holder = self.open("")?.map_or(Ok(None), |folder| lock::look(&folder, "lock"))?;
        Ok(holder.is_some_and(|holder| holder.is_none_or(|holder| holder.pid != std::process::id())))
    }

    /// Takes the lock that a watcher holds for its life, without waiting for another one to end.
    pub fn watch_lock(&self) -> Result<Lock, NoLock> {
        lock::take(&self.make("").map_err(NoLock::Failed)?, "watch.lock", "watch", std::time::Duration::ZERO)
    }

    /// The watcher at this moment: none without one, and an inner none if it has not said who it is.
    pub fn watcher(&self) -> Result<Option<Option<Holder>>> {
        self.open("")?.map_or(Ok(None), |folder| lock::look(&folder, "watch.lock"))
    }

    /// Every record, or for each that is of no use, why. An error if they cannot be listed: then nothing is known of any agent.
    pub fn records(&self) -> Result<BTreeMap<AgentName, Result<Record, String>>> {
        self.open("agents")?.map_or(Ok(BTreeMap::new()), |folder| record::read_all(&folder))
    }

    /// What changes whenever a record is written or removed, if only by hand; none if there are none.
    pub fn records_stamp(&self) -> Result<Option<Stamp>> {
        Ok(self.open("agents")?.and_then(|folder| folder.stamp()))
    }

    /// The agents for which notes were put aside.
    pub fn spooled(&self) -> Result<BTreeSet<AgentName>> {
        let names = self.open("spool")?.map_or(Ok(Vec::new()), |folder| folder.names())?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// The record of one agent; none if there is none.
    pub fn record(&self, agent: &AgentName) -> Result<Option<Result<Record, String>>> {
        Ok(self.open("agents")?.and_then(|folder| record::read(&folder, agent, &mut Vec::new())))
    }

    /// Replaces the record of an agent. It lasts until the machine stops, which ends every agent too; for good, if it holds a person's wish.
    pub fn write(&self, record: &Record) -> Result<()> {
        record::write(&self.make("agents")?, record)
    }

    /// Replaces the record of an agent, for good: for whoever writes a person's wish, or takes one back.
    pub fn write_wish(&self, record: &Record) -> Result<()> {
        record::write_wish(&self.make("agents")?, record)
    }

    /// Removes the record of an agent; it is no error if there is none.
    pub fn remove(&self, agent: &AgentName) -> Result<()> {
        self.remove_all([agent])
    }

    /// Removes the records of agents; it is no error if there is none.
    pub fn remove_all<'a>(&self, agents: impl IntoIterator<Item = &'a AgentName>) -> Result<()> {
        self.open("agents")?.map_or(Ok(()), |folder| record::remove(&folder, agents))
    }

    /// Gives the record of an agent another name, in one step; one that had that name is gone.
    pub fn rename(&self, from: &AgentName, to: &AgentName) -> Result<()> {
        record::rename(&self.make("agents")?, from, to)
    }

    /// Has the notes of an agent follow it to another name: those that wait, those that were delivered and those that could not be. Its inbox
    /// stays where its instance was told that it is.
    pub fn move_notes(&self, from: &AgentName, to: &AgentName) -> Result<()> {
        for part in ["spool", "archive", "dead"] {
            let Some(old) = self.open(&format!("{part}/{from}"))? else { continue };
            let new = self.make(&format!("{part}/{to}"))?;
            for name in old.all_names()? {
                old.move_to(&name, &new, &name).with_context(|| format!("cannot move {} to `{to}`", old.path_of(&name).display()))?;
            }
        }
        Ok(())
    }

    /// Whose the fleet is; none if nothing was ever applied. A claim that this run could not write down counts for it all the same.
    pub fn claim(&self) -> Result<Option<Claim>> {
        Ok(self.claim_or_unwritten(self.written_claim()?))
    }

    fn written_claim(&self) -> Result<Option<Claim>> {
        let Some(folder) = self.open("")? else { return Ok(None) };
        let path = self.paths.claim();
        let mut buffer = Vec::new();
        if !folder.read("fleet.json", &mut buffer).with_context(|| format!("cannot read {}", path.display()))? {
            return Ok(None);
        }
        let claim: Claim = serde_json::from_slice(&buffer)
            .with_context(|| format!("{} is damaged: nothing was done. Remove it if this fleet is yours alone", path.display()))?;
        if claim.version > Claim::VERSION {
            bail!("a newer version of reconcile wrote {} (format {}): nothing was done. Update this one", path.display(), claim.version);
        }
        Ok(Some(claim))
    }

    /// The other manifest that the fleet belongs to; none if it is this one, or if there is nothing that could belong to it. Without `--moved`,
    /// that is a reason to refuse.
    pub fn claimed_by_another(&self, manifest: &Path) -> Result<Option<PathBuf>> {
        let Some(claim) = self.claim()?.filter(|claim| claim.is_of_another(manifest)) else { return Ok(None) };
        Ok((self.owns_something()? || self.watcher()?.is_some()).then_some(claim.manifest))
    }

    /// Whether an agent is remembered, be it by a record of no use.
    pub fn owns_something(&self) -> Result<bool> {
        Ok(!self.records()?.is_empty())
    }

    /// Forgets whose the fleet was and what was declared, where no agent is left that could belong to it.
    pub fn release_claim(&self) -> Result<()> {
        if self.owns_something()? {
            return Ok(());
        }
        let Some(folder) = self.open("")? else { return Ok(()) };
        for name in ["fleet.json", watching::IN_FORCE] {
            folder.remove(name)?;
        }
        Ok(())
    }

    /// Writes whose the fleet is, for good.
    pub fn write_claim(&self, claim: &Claim) -> Result<()> {
        let written = self.make("")?.replace("fleet.json", &serde_json::to_vec(claim)?, Lasting::ForGood);
        let instead = if written.is_err() { Some((self.written_claim()?, claim.clone())) } else { None };
        self.keep_claim(instead);
        written
    }

    /// The journal, to append to. Only for the holder of the lock.
    pub fn journal(&self) -> Result<Journal> {
        Ok(journal::open(self.make("")?))
    }

    /// Why files of the fleet's own are of no use that keep nothing from being done, and how to mend that. Records are not among them.
    pub fn faults(&self) -> Result<Vec<String>> {
        let Some(folder) = self.open("")? else { return Ok(Vec::new()) };
        Ok(journal::fault(&folder).into_iter().collect())
    }

    /// What the journal has after an entry's number, oldest first; 0 for all that is kept.
    pub fn entries_after(&self, number: u64) -> Result<Vec<Entry>> {
        self.open("")?.map_or(Ok(Vec::new()), |folder| journal::read_after(&folder, number))
    }

    /// The number of the journal's last entry; 0 if there is none.
    pub fn last_entry(&self) -> Result<u64> {
        Ok(self.journal()?.last())
    }

    /// Begins the file of one run of this process, with its timeout.
    pub fn begin_run(&self, command: &str, timeout: Duration, now: Timestamp) -> Result<Run> {
        Run::begin(self.make("runs")?, std::process::id(), command, timeout, now)
    }

    /// The newest runs, oldest first.
    pub fn runs(&self) -> Result<Vec<RunStatus>> {
        self.open("runs")?.map_or(Ok(Vec::new()), |folder| run::read_all(&folder))
    }

    /// The key of secrets' digests; none if there is none yet, and so no digest to compare with.
    pub fn key(&self) -> Result<Option<Key>> {
        self.open("")?.map_or(Ok(None), |folder| key::read(&folder))
    }

    /// The key of secrets' digests, made if there is none yet.
    pub fn make_key(&self) -> Result<Key> {
        key::make(&self.make("")?)
    }

    /// A part of the fleet's folder, if it is there; each folder on the way must be ours alone.
    fn open(&self, part: &str) -> Result<Option<Folder>> {
        for folder in [&self.root, self.paths.folder()] {
            if Folder::open(folder)?.is_none() {
                return Ok(None);
            }
        }
        Folder::open(&self.paths.folder().join(part))
    }

    fn make(&self, part: &str) -> Result<Folder> {
        Folder::make(&self.root)?;
        Folder::make(self.paths.folder())?;
        Folder::make(&self.paths.folder().join(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_and_then_what_is_nearest() {
        let locate = |flag: Option<&str>, set: &[(&str, &str)]| {
            let variable = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
            StateDir::locate_in(flag.map(Path::new), variable).map(|state| state.path().to_string_lossy().into_owned())
        };
        let all = [("RECONCILE_STATE_DIR", "/env"), ("XDG_STATE_HOME", "/xdg"), ("HOME", "/home/ada")];
        assert_eq!(locate(Some("/flag"), &all).unwrap(), "/flag");
        assert_eq!(locate(None, &all).unwrap(), "/env");
        assert_eq!(locate(None, &all[1..]).unwrap(), "/xdg/reconcile");
        assert_eq!(locate(None, &all[2..]).unwrap(), "/home/ada/.local/state/reconcile");
        assert_eq!(
            locate(None, &[("RECONCILE_STATE_DIR", ""), ("XDG_STATE_HOME", "x"), all[2]]).unwrap(),
            "/home/ada/.local/state/reconcile"
        );
        assert!(locate(None, &[]).unwrap_err().to_string().contains("HOME is not set"));
        let relative = locate(Some("state"), &[]).unwrap();
        assert_eq!(Path::new(&relative), std::env::current_dir().unwrap().join("state"));
    }

    #[test]
    fn inside_of_an_agent_the_folder_of_its_fleet_is_no_root() {
        let disk = tempfile::tempdir().unwrap();
        let check = |named: &str, fleet: &str, expected: &str| {
            let variable = |name: &str| match name {
                "RECONCILE_STATE_DIR" => Some(disk.path().join(named).into_os_string()),
                "RECONCILE_FLEET" => Some(OsString::from(fleet)),
                _ => None,
            };
            assert_eq!(StateDir::locate_in(None, variable).unwrap().path(), disk.path().join(expected), "{named} in {fleet}");
            let flag = disk.path().join(named);
            assert_eq!(StateDir::locate_in(Some(&flag), variable).unwrap().path(), flag, "a flag means what it says");
        };
        check("state/work", "work", "state");
        check("state", "work", "state");
        check("state/work", "other", "state/work");
        check("state/work", "", "state/work");
        // A root of the same name as the fleet, with the fleet in it.
        std::fs::create_dir_all(disk.path().join("work/work")).unwrap();
        std::fs::write(disk.path().join("work/work/fleet.json"), "{}").unwrap();
        check("work", "work", "work");
        check("work/work", "work", "work");
        std::fs::write(disk.path().join("work/fleet.json"), "{}").unwrap();
        check("work", "work", "");
    }
}
