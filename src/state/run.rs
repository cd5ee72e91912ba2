//! One file per `apply`, the same through all its phases: `runs/<time>-<pid>.json`. For scripts that wait for one; nothing here is read back to act on.
//! A run that was refused, or had nothing to do, has one too.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::files::{Folder, Lasting};
use crate::event::ErrorCode;
use crate::plan::Unfinished;
use crate::time::{Duration, Timestamp};

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
    /// The command: `apply`, `restart`…
    #[serde(default)]
    pub command: String,
    /// How long it may take, in milliseconds.
    #[serde(default)]
    pub timeout_ms: u64,
    /// What went wrong, as programs tell it, if something did.
    #[serde(default)]
    pub code: Option<ErrorCode>,
    /// What is left to do of each agent that is not as it should be: how far it is, why it is no further, and how long that may take.
    #[serde(default)]
    pub agents: Vec<Unfinished>,
    /// When this was written.
    pub updated_at: Timestamp,
}

/// What came of a run that ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunEnd {
    /// Its exit code.
    pub exit_code: u8,
    /// What went wrong, if something did: its code, and the same in words.
    pub error: Option<(ErrorCode, String)>,
    /// What is left to do.
    pub agents: Vec<Unfinished>,
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
    pub(super) fn begin(folder: Folder, pid: u32, command: &str, timeout: Duration, now: Timestamp) -> Result<Self> {
        let status = RunStatus {
            pid,
            started_at: now,
            phase: RunPhase::Planned,
            exit_code: None,
            error: None,
            command: command.to_owned(),
            timeout_ms: timeout.as_millis(),
            code: None,
            agents: Vec::new(),
            updated_at: now,
        };
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
    pub fn end(mut self, end: RunEnd, now: Timestamp) -> Result<()> {
        let RunEnd { exit_code, error, agents } = end;
        let phase = if exit_code == 0 { RunPhase::Done } else { RunPhase::Errored };
        let (code, error) = error.unzip();
        self.status = RunStatus { phase, exit_code: Some(exit_code), error, code, agents, updated_at: now, ..self.status };
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
    use crate::plan::{Stage, Word};

    #[test]
    fn a_run_is_one_file_through_its_phases() {
        let root = tempfile::tempdir().unwrap();
        let at = Timestamp::from_millis;
        let mut run = Run::begin(Folder::make(root.path()).unwrap(), 7, "apply", Duration::from_secs(300), at(0)).unwrap();
        run.reach(RunPhase::Ready, at(1_000)).unwrap();
        run.reach(RunPhase::Spawned, at(2_000)).unwrap();
        let path = root.path().join("19700101T000000Z-7.json");
        insta::assert_snapshot!(std::fs::read_to_string(&path).unwrap(), @r#"{"pid":7,"started_at":"1970-01-01T00:00:00Z","phase":"ready","exit_code":null,"error":null,"command":"apply","timeout_ms":300000,"code":null,"agents":[],"updated_at":"1970-01-01T00:00:01Z"}"#);
        let agents = vec![Unfinished {
            agent: "ada".parse().unwrap(),
            step: Stage::Ready,
            reason: Some(Word::NOT_READY),
            timeout_ms: Some(90_000),
            message: "no file".to_owned(),
            printed: Vec::new(),
        }];
        let end = RunEnd { exit_code: 3, error: Some((ErrorCode::NotReady, "not ready".to_owned())), agents };
        run.end(end, at(3_000)).unwrap();
        insta::assert_snapshot!(std::fs::read_to_string(&path).unwrap(), @r#"{"pid":7,"started_at":"1970-01-01T00:00:00Z","phase":"errored","exit_code":3,"error":"not ready","command":"apply","timeout_ms":300000,"code":"not_ready","agents":[{"agent":"ada","step":"ready","reason":"not_ready","timeout_ms":90000,"message":"no file"}],"updated_at":"1970-01-01T00:00:03Z"}"#);
        assert_eq!(read_all(&Folder::make(root.path()).unwrap()).unwrap().len(), 1);
    }

    #[test]
    fn a_run_of_an_earlier_version_is_understood() {
        let root = tempfile::tempdir().unwrap();
        let text = r#"{"pid":7,"started_at":"1970-01-01T00:00:00Z","phase":"errored","exit_code":3,"error":"1 held","updated_at":"1970-01-01T00:00:03Z"}"#;
        std::fs::write(root.path().join("19700101T000000Z-7.json"), text).unwrap();
        assert_eq!(read_all(&Folder::make(root.path()).unwrap()).unwrap()[0].exit_code, Some(3));
    }

    #[test]
    fn the_newest_runs_are_kept() {
        let root = tempfile::tempdir().unwrap();
        for second in 0..30 {
            Run::begin(Folder::make(root.path()).unwrap(), 7, "apply", Duration::ZERO, Timestamp::from_millis(second * 1_000)).unwrap();
        }
        let runs = read_all(&Folder::make(root.path()).unwrap()).unwrap();
        let starts: Vec<i64> = runs.iter().map(|run| run.started_at.as_millis() / 1_000).collect();
        assert_eq!(starts, (10..30).collect::<Vec<_>>());
    }
}
