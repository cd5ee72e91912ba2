//! What agents and scripts ask for by dropping a file into `requests/`: claimed by rename, so that each is taken by one run only.
//!
//! The file is JSON, written elsewhere and moved there, or written at once: `{"version": 1, "do": "restart", "agent": "lead"}`. What it asks for
//! becomes a fact in the record of its agent, and then the file goes; in between, a crash loses nothing, and the same fact twice is one.

use anyhow::{Context, Result};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::Fleet;
use super::files::{Folder, Purpose};
use crate::desired::{AgentName, Generation};
use crate::time::{Duration, Timestamp};

/// A request that is older was meant for another day.
pub const STALE: Duration = Duration::from_secs(6 * 60 * 60);

/// A longer file is no request.
const MAX_SIZE: u64 = 1024 * 1024;

/// A file that is no request yet may still be being written, for so long.
const UNFINISHED: Duration = Duration::from_secs(1);

const CLAIMED: &str = ".claimed";

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The version of this format: 1.
    pub version: u32,
    /// What.
    #[serde(rename = "do")]
    pub verb: Verb,
    /// Of whom; of the whole fleet for `halt` and `look`, and for `resume` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    /// The life that is meant: of another one, nothing is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<Generation>,
    /// Until when a pause is to last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The text of a note for the agent, or for its successor where it is to be restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Why, for the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it was asked. Default: when the file was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ts: Option<Timestamp>,
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// It is to run anew.
    Restart,
    /// It is not to run until it is started.
    Stop,
    /// It is to run.
    Start,
    /// It is to be left alone.
    Pause,
    /// It is not to be left alone any more.
    Resume,
    /// The whole fleet is to be left alone.
    Halt,
    /// A note is to be delivered.
    Handoff,
    /// Nothing but another look.
    Look,
}

impl Verb {
    /// As a request writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Halt => "halt",
            Self::Handoff => "handoff",
            Self::Look => "look",
        }
    }
}

/// A request that was claimed.
#[derive(Debug)]
pub struct Claimed {
    /// The name of its file before it was claimed.
    pub name: String,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// What it asks for, or why it is none.
    pub request: Result<Request, String>,
}

impl Fleet {
    /// Claims all requests that are there, oldest first, and those that a run had claimed which died. Only for the holder of the lock.
    pub fn claim_requests(&self, now: Timestamp) -> Result<Vec<Claimed>> {
        let Some(folder) = self.requests()? else { return Ok(Vec::new()) };
        let mut claimed = Vec::new();
        for name in folder.all_names()? {
            let (own, free) = match name.strip_prefix('.').and_then(|name| name.strip_suffix(CLAIMED)) {
                Some(own) => (own.to_owned(), false),
                None if name.starts_with('.') || !name.ends_with(".json") => continue,
                None => (name.clone(), true),
            };
            let found = read(&folder, &name);
            let Some((asked_at, request)) = found else { continue };
            // Who writes a file in place has a moment to finish it.
            if free && request.is_err() && now.since(asked_at) < UNFINISHED {
                continue;
            }
            if free && folder.rename(&name, &claimed_name(&own)).is_err() {
                continue;
            }
            let asked_at = request.as_ref().ok().and_then(|request| request.ts).unwrap_or(asked_at);
            claimed.push(Claimed { name: own, asked_at, request });
        }
        claimed.sort_by(|one, other| (one.asked_at, &one.name).cmp(&(other.asked_at, &other.name)));
        Ok(claimed)
    }

    /// Removes a request that was carried out or refused.
    pub fn finish_request(&self, claimed: &Claimed) -> Result<()> {
        let Some(folder) = self.requests()? else { return Ok(()) };
        folder.remove(&claimed_name(&claimed.name)).with_context(|| format!("cannot remove the request {}", claimed.name))
    }

    /// Lays down a request. Its name begins with the time and is nobody else's.
    pub fn request(&self, request: &Request, now: Timestamp) -> Result<()> {
        let folder = self.make("requests")?;
        let name = format!("{}-{}-{}.json", now.compact(), std::process::id(), request.verb.as_str());
        folder.replace(&name, &serde_json::to_vec(request)?, super::files::Lasting::UntilBoot)
    }

    fn requests(&self) -> Result<Option<Folder>> {
        if self.open("")?.is_none() {
            return Ok(None);
        }
        Folder::open_for(Purpose::Notes, &self.paths().requests())
    }
}

fn claimed_name(name: &str) -> String {
    format!(".{name}{CLAIMED}")
}

/// When a file was written and what it asks for; none if it is gone.
fn read(folder: &Folder, name: &str) -> Option<(Timestamp, Result<Request, String>)> {
    use std::io::Read;
    let stat = folder.stat(name).ok().flatten()?;
    let millis = stat.st_mtime.saturating_mul(1000).saturating_add(i64::try_from(stat.st_mtime_nsec / 1_000_000).unwrap_or(0));
    let written_at = Timestamp::from_millis(millis);
    let attempt = || -> Result<Request, String> {
        let file = folder.open_file(name, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY).map_err(|error| error.to_string())?;
        let kind = file.metadata().map_err(|error| error.to_string())?;
        if !kind.is_file() {
            return Err("it is no regular file".to_owned());
        }
        let mut text = String::new();
        let length = file.take(MAX_SIZE + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
        if length as u64 > MAX_SIZE {
            return Err(format!("it is larger than {MAX_SIZE} bytes"));
        }
        let request: Request = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        if request.version != 1 {
            return Err(format!("version {} of the format is not known; this tool reads version 1", request.version));
        }
        Ok(request)
    };
    Some((written_at, attempt()))
}

#[cfg(test)]
mod tests {
    use super::super::StateDir;
    use super::*;

    fn fleet(root: &tempfile::TempDir) -> Fleet {
        let fleet = StateDir::locate(Some(root.path())).unwrap().fleet(&"f".parse().unwrap()).unwrap();
        fleet.prepare().unwrap();
        fleet
    }

    fn now() -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
    }

    #[test]
    fn a_request_is_claimed_once_and_again_after_a_crash() {
        let root = tempfile::tempdir().unwrap();
        let fleet = fleet(&root);
        let folder = fleet.paths().requests();
        std::fs::write(folder.join("a.json"), r#"{"version":1,"do":"restart","agent":"lead","generation":3}"#).unwrap();
        std::fs::write(folder.join("note.txt"), "no request").unwrap();
        let claimed = fleet.claim_requests(now()).unwrap();
        let request = claimed[0].request.as_ref().unwrap();
        assert_eq!((request.verb, request.generation), (Verb::Restart, Some(Generation(3))));
        assert!(!folder.join("a.json").exists());
        let again = fleet.claim_requests(now()).unwrap();
        assert_eq!(again.len(), 1, "who claimed it may have died");
        fleet.finish_request(&again[0]).unwrap();
        assert!(fleet.claim_requests(now()).unwrap().is_empty());
        assert!(folder.join("note.txt").exists());
    }

    #[test]
    fn what_is_no_request_says_why_once_it_cannot_be_half_written_any_more() {
        let root = tempfile::tempdir().unwrap();
        let fleet = fleet(&root);
        std::fs::write(fleet.paths().requests().join("a.json"), r#"{"version":1,"do":"#).unwrap();
        assert!(fleet.claim_requests(now()).unwrap().is_empty(), "it may still be being written");
        for (text, wrong) in [
            (r#"{"version":1,"do":"#, "EOF"),
            (r#"{"version":1,"do":"explode","agent":"a"}"#, "unknown variant `explode`"),
            (r#"{"version":2,"do":"stop","agent":"a"}"#, "version 2"),
            (r#"{"version":1,"do":"stop","agent":"a","when":"now"}"#, "unknown field `when`"),
            (r#"{"version":1,"do":"stop","agent":"A B"}"#, "A B"),
        ] {
            std::fs::write(fleet.paths().requests().join("a.json"), text).unwrap();
            let claimed = fleet.claim_requests(now() + UNFINISHED).unwrap();
            let why = claimed[0].request.as_ref().unwrap_err();
            assert!(why.contains(wrong), "{text}: {why}");
            fleet.finish_request(&claimed[0]).unwrap();
        }
    }
}
