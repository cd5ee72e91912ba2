//! One file per `apply`, the same through all its phases: `runs/<time>-<pid>.json`. For scripts that wait for one; nothing here is read back to act on.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::files::{Folder, Lasting};
use crate::time::Timestamp;

/// How many are kept.
const KEEP: usize = 20;

/// How far an `apply` is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStatus {
    /// The process.
    pub pid: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// How far it is.
    pub phase: RunPhase,
    /// Its exit code, once it has one.
    pub exit_code: Option<u8>,
    /// What went wrong, if something did.
    pub error: Option<String>,
    /// When this was written.
    pub updated_at: Timestamp,
}

/// How far an `apply` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunPhase {
    /// The plan is made and approved.
    Planned,
    /// Every instance that it may start has been asked for.
    Spawned,
    /// They are ready.
    Ready,
    /// It ended, and the fleet is at rest.
    Done,
    /// It ended otherwise.
    Errored,
}

/// The file of one `apply`.
#[derive(Debug)]
pub struct Run {
    folder: Folder,
    name: String,
    status: RunStatus,
}

impl Run {
    /// Writes the file of a run that begins, and removes all but the newest ones.
    pub(super) fn begin(folder: Folder, pid: u32, now: Timestamp) -> Result<Self> {
        let status = RunStatus { pid, started_at: now, phase: RunPhase::Planned, exit_code: None, error: None, updated_at: now };
        let run = Self { folder, name: format!("{}-{pid}.json", now.compact()), status };
        run.write()?;
        let mut names = run.folder.names()?;
        names.sort();
        for name in names.iter().rev().skip(KEEP) {
            run.folder.remove(name).with_context(|| format!("cannot remove {}", run.folder.path_of(name).display()))?;
        }
        Ok(run)
    }

    /// Writes that a phase is reached; nothing where that was known.
    pub fn reach(&mut self, phase: RunPhase, now: Timestamp) -> Result<()> {
        if phase <= self.status.phase {
            return Ok(());
        }
        self.status = RunStatus { phase, updated_at: now, ..self.status.clone() };
        self.write()
    }

    /// Writes how it ended: `done` with 0, else `errored`.
    pub fn end(mut self, exit_code: u8, error: Option<String>, now: Timestamp) -> Result<()> {
        let phase = if exit_code == 0 { RunPhase::Done } else { RunPhase::Errored };
        self.status = RunStatus { phase, exit_code: Some(exit_code), error, updated_at: now, ..self.status };
        self.write()
    }

    fn write(&self) -> Result<()> {
        self.folder.replace(&self.name, &serde_json::to_vec(&self.status)?, Lasting::UntilBoot)
    }
}

/// All runs that are kept, oldest first. Files that are none are left out.
pub(super) fn read_all(folder: &Folder) -> Result<Vec<RunStatus>> {
    let mut names = folder.names()?;
    names.sort();
    let mut buffer = Vec::new();
    let mut read = |name: &String| folder.read(name, &mut buffer).ok().and_then(|_| serde_json::from_slice(&buffer).ok());
    Ok(names.iter().filter_map(&mut read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_one_file_through_its_phases() {
        let root = tempfile::tempdir().unwrap();
        let at = Timestamp::from_millis;
        let mut run = Run::begin(Folder::make(root.path()).unwrap(), 7, at(0)).unwrap();
        run.reach(RunPhase::Ready, at(1_000)).unwrap();
        run.reach(RunPhase::Spawned, at(2_000)).unwrap();
        let path = root.path().join("19700101T000000Z-7.json");
        insta::assert_snapshot!(std::fs::read_to_string(&path).unwrap(), @r#"{"pid":7,"started_at":"1970-01-01T00:00:00Z","phase":"ready","exit_code":null,"error":null,"updated_at":"1970-01-01T00:00:01Z"}"#);
        run.end(3, Some("1 held".to_owned()), at(3_000)).unwrap();
        insta::assert_snapshot!(std::fs::read_to_string(&path).unwrap(), @r#"{"pid":7,"started_at":"1970-01-01T00:00:00Z","phase":"errored","exit_code":3,"error":"1 held","updated_at":"1970-01-01T00:00:03Z"}"#);
    }

    #[test]
    fn the_newest_runs_are_kept() {
        let root = tempfile::tempdir().unwrap();
        for second in 0..30 {
            Run::begin(Folder::make(root.path()).unwrap(), 7, Timestamp::from_millis(second * 1_000)).unwrap();
        }
        let runs = read_all(&Folder::make(root.path()).unwrap()).unwrap();
        let starts: Vec<i64> = runs.iter().map(|run| run.started_at.as_millis() / 1_000).collect();
        assert_eq!(starts, (10..30).collect::<Vec<_>>());
    }
}
