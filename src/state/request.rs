//! What agents and scripts ask for by dropping a file into `requests/`: claimed by rename, so that each is taken by one run only.
//!
//! The file is JSON, written elsewhere and moved there, or written at once: `{"version": 1, "do": "restart", "agent": "lead"}`. What it asks for
//! becomes a fact in the record of its agent, and then the file goes; in between, a crash loses nothing, and the same fact twice is one.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use rustix::fs::{FileType, OFlags, Stat};
use serde::{Deserialize, Serialize};

use super::Fleet;
use super::files::{Folder, Purpose, Stamp};
use super::handoff::NoteId;
use crate::desired::{AgentName, Generation};
use crate::time::{Duration, Timestamp};

/// A request that is older was meant for another day.
pub const STALE: Duration = Duration::from_secs(6 * 60 * 60);

/// A longer file is no request.
const MAX_SIZE: u64 = 1024 * 1024;

/// A file that is no request yet may still be being written, for so long.
const UNFINISHED: Duration = Duration::from_secs(1);

const CLAIMED: &str = ".claimed";

/// Ends the name of what is no request, or could not be carried out, and lies there for a person.
const ASIDE: &str = ".ignored";

/// The longest name in bytes that is kept as it is: with what is put around it, it must still be the name of a file, which has at most 255.
const LONGEST_NAME: usize = 200;

/// So many times at most, a name that is taken is tried with another number.
const MOST_NAMES: usize = 1000;

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
    /// The text of a note for the agent, or for its successor where it is to be restarted; or what is to be typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Whether a text is typed while the agent works.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupt: bool,
    /// Whether a text is typed as it is, also where the program takes it for a command.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub raw: bool,
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
    /// A text is to be typed into the terminal of its present life.
    Send,
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
            Self::Send => "send",
            Self::Look => "look",
        }
    }
}

/// A request that was claimed.
#[derive(Debug)]
pub struct Claimed {
    /// The name of its file before it was claimed; another one like it, if that was too long or is claimed already.
    pub name: String,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// What it asks for, or why it is none.
    pub request: Result<Request, String>,
    /// What the note or text is called that it asks for: the same whoever claims it again after a crash, and that of no other request.
    pub note: NoteId,
}

impl Fleet {
    /// Claims all requests that are there, oldest first, and those that a run had claimed which died. Only for the holder of the lock.
    pub fn claim_requests(&self, now: Timestamp) -> Result<Vec<Claimed>> {
        let Some(folder) = self.requests()? else { return Ok(Vec::new()) };
        let mut claimed = Vec::new();
        for name in folder.all_names()? {
            let own = match name.strip_prefix('.').and_then(|name| name.strip_suffix(CLAIMED)) {
                Some(own) => own.to_owned(),
                None if name.starts_with('.') || !name.ends_with(".json") => continue,
                None => {
                    let Some(found) = read(&folder, &name) else { continue };
                    // Who writes a file in place has a moment to finish it.
                    if found.request.is_err() && found.is_written_at(now) {
                        continue;
                    }
                    let Ok((own, _)) = move_to_free(&folder, &name, &short(&name), claimed_name) else { continue };
                    own
                }
            };
            // What counts is what has the new name, whatever had the old one when it was looked at.
            let Some(found) = read(&folder, &claimed_name(&own)) else { continue };
            let note = found.note(&own);
            let Found { stat, request, .. } = found;
            let asked_at = request.as_ref().ok().and_then(|request| request.ts).unwrap_or_else(|| at(stat.st_mtime, stat.st_mtime_nsec));
            claimed.push(Claimed { name: own, asked_at, request, note });
        }
        claimed.sort_by(|one, other| (one.asked_at, &one.name).cmp(&(other.asked_at, &other.name)));
        Ok(claimed)
    }

    /// Whether there are requests that nobody has claimed, such as one that is still being written.
    pub fn has_requests(&self) -> Result<bool> {
        let Some(folder) = self.requests()? else { return Ok(false) };
        Ok(folder.all_names()?.iter().any(|name| !name.starts_with('.') && name.ends_with(".json")))
    }

    /// What changes whenever a request comes or goes; none if there is no folder for them.
    pub fn requests_stamp(&self) -> Result<Option<Stamp>> {
        Ok(self.requests()?.and_then(|folder| folder.stamp()))
    }

    /// Removes a request that was carried out or refused. What cannot be removed, such as a folder, is set aside: where it is then.
    pub fn finish_request(&self, claimed: &Claimed) -> Result<Option<PathBuf>> {
        let Some(folder) = self.requests()? else { return Ok(None) };
        match folder.remove(&claimed_name(&claimed.name)) {
            Ok(()) => Ok(None),
            Err(_) => self.set_request_aside(claimed).map(Some),
        }
    }

    /// Sees to it that a request that was carried out but for what it leads to is not claimed again, if its file is still there.
    pub fn end_request(&self, name: &str, id: NoteId) -> Result<()> {
        let Some(folder) = self.requests()? else { return Ok(()) };
        let claimed = claimed_name(name);
        let is_there = read(&folder, &claimed).is_some_and(|found| found.note(name) == id);
        if is_there {
            folder.remove(&claimed).with_context(|| format!("cannot remove the request {}", folder.path_of(&claimed).display()))
        } else {
            Ok(())
        }
    }

    /// Moves a request to where nobody takes it for one, and says where it is.
    pub fn set_request_aside(&self, claimed: &Claimed) -> Result<PathBuf> {
        let folder = self.requests()?.with_context(|| format!("the folder of the request {} is gone", claimed.name))?;
        let (_, aside) = move_to_free(&folder, &claimed_name(&claimed.name), &claimed.name, |own| format!("{own}{ASIDE}"))
            .with_context(|| format!("cannot move the request {}", folder.path_of(&claimed_name(&claimed.name)).display()))?;
        Ok(folder.path_of(&aside))
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

/// A name that has room for more, still unlike others.
fn short(name: &str) -> String {
    if name.len() <= LONGEST_NAME {
        return name.to_owned();
    }
    let digest = blake3::hash(name.as_bytes()).to_hex();
    format!("{}-{}.json", &name[..name.floor_char_boundary(LONGEST_NAME - 32)], &digest[..16])
}

/// Moves a file to the name made of `own`, with a number before it where that is taken; returns what it was made of, and the name.
fn move_to_free(folder: &Folder, from: &str, own: &str, name: impl Fn(&str) -> String) -> Result<(String, String)> {
    for number in 1..=MOST_NAMES {
        let own = if number == 1 { own.to_owned() } else { format!("{number}-{own}") };
        let to = name(&own);
        if folder.move_to_free(from, folder, &to)? {
            return Ok((own, to));
        }
    }
    bail!("there are {MOST_NAMES} files like {} already", name(own))
}

/// What has a name in the folder.
struct Found {
    stat: Stat,
    text: String,
    request: Result<Request, String>,
}

impl Found {
    /// Whether somebody may still be writing. The time of a file can be set to any, that of its last change cannot.
    fn is_written_at(&self, now: Timestamp) -> bool {
        let changed = at(self.stat.st_ctime, self.stat.st_ctime_nsec);
        let is_file = FileType::from_raw_mode(self.stat.st_mode) == FileType::RegularFile;
        // Where the clock was set back, there is no waiting for the time to come.
        is_file && now.since(changed).max(changed.since(now)) < UNFINISHED
    }

    /// A name made of what no two requests have in common, and that stays as it is from the claim on.
    fn note(&self, own: &str) -> NoteId {
        let Stat { st_mtime, st_mtime_nsec, st_ctime, st_ctime_nsec, .. } = self.stat;
        let identity = format!("{own}\n{st_mtime} {st_mtime_nsec} {st_ctime} {st_ctime_nsec}\n{}", self.text);
        let digest = blake3::hash(identity.as_bytes());
        let (bits, _) = digest.as_bytes().split_first_chunk().expect("a digest has 32 bytes");
        NoteId::new(u64::from_be_bytes(*bits))
    }
}

fn at(seconds: i64, nanos: impl TryInto<i64>) -> Timestamp {
    Timestamp::from_millis(seconds.saturating_mul(1000).saturating_add(nanos.try_into().unwrap_or(0) / 1_000_000))
}

/// When a file was written and what it asks for; none if it is gone.
fn read(folder: &Folder, name: &str) -> Option<Found> {
    let stat = folder.stat(name).ok().flatten()?;
    let mut text = String::new();
    let request = parse(folder, name, &stat, &mut text);
    Some(Found { stat, text, request })
}

fn parse(folder: &Folder, name: &str, stat: &Stat, text: &mut String) -> Result<Request, String> {
    use std::io::Read;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Symlink => return Err("it is a link".to_owned()),
        FileType::Directory | FileType::Fifo | FileType::Socket | FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => {
            return Err("it is no regular file".to_owned());
        }
    }
    let file = folder.open_file(name, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY).map_err(|error| error.to_string())?;
    if !file.metadata().map_err(|error| error.to_string())?.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let length = file.take(MAX_SIZE + 1).read_to_string(text).map_err(|error| error.to_string())?;
    if length as u64 > MAX_SIZE {
        return Err(format!("it is larger than {MAX_SIZE} bytes"));
    }
    let request: Request = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if request.version != 1 {
        return Err(format!("version {} of the format is not known; this tool reads version 1", request.version));
    }
    Ok(request)
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
        assert_eq!(again[0].note, claimed[0].note, "a note that it asks for is the same one");
        fleet.finish_request(&again[0]).unwrap();
        assert!(fleet.claim_requests(now()).unwrap().is_empty());
        assert!(folder.join("note.txt").exists());
    }

    #[test]
    fn what_cannot_be_removed_or_claimed_under_its_name_is_in_nobodys_way() {
        let root = tempfile::tempdir().unwrap();
        let fleet = fleet(&root);
        let folder = fleet.paths().requests();
        let long = format!("{}.json", "x".repeat(250));
        let look = r#"{"version":1,"do":"look"}"#;
        for round in 0..2 {
            std::fs::create_dir_all(folder.join("dir.json/full")).unwrap();
            std::fs::write(folder.join(&long), look).unwrap();
            std::os::unix::fs::symlink("../fleet.json", folder.join("link.json")).unwrap();
            let garbage = std::fs::File::create(folder.join("garbage.json")).unwrap();
            garbage.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(9999)).unwrap();
            let mut claimed = fleet.claim_requests(now() + UNFINISHED).unwrap();
            claimed.sort_by(|one, other| one.name.cmp(&other.name));
            let said: Vec<_> = claimed.iter().map(|claimed| claimed.request.as_ref().map(|request| request.verb)).collect();
            let unfinished = Err("EOF while parsing a value at line 1 column 0".to_owned());
            let expected = [Err("it is no regular file".to_owned()), unfinished, Err("it is a link".to_owned()), Ok(Verb::Look)];
            assert_eq!(said, expected.iter().map(Result::as_ref).map(|it| it.copied()).collect::<Vec<_>>());
            let aside: Vec<_> = claimed.iter().map(|claimed| fleet.finish_request(claimed).unwrap()).collect();
            let name = if round == 0 { "dir.json.ignored" } else { "2-dir.json.ignored" };
            assert_eq!(aside, [Some(folder.join(name)), None, None, None]);
            assert!(fleet.claim_requests(now() + UNFINISHED).unwrap().is_empty());
        }
    }

    #[test]
    fn a_second_request_does_not_take_the_place_of_one_that_was_claimed() {
        let root = tempfile::tempdir().unwrap();
        let fleet = fleet(&root);
        for verb in ["halt", "look"] {
            std::fs::write(fleet.paths().requests().join("a.json"), format!(r#"{{"version":1,"do":"{verb}"}}"#)).unwrap();
            fleet.claim_requests(now()).unwrap();
        }
        let claimed = fleet.claim_requests(now()).unwrap();
        let mut verbs: Vec<&str> = claimed.iter().map(|claimed| claimed.request.as_ref().unwrap().verb.as_str()).collect();
        verbs.sort_unstable();
        assert_eq!(verbs, ["halt", "look"]);
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
