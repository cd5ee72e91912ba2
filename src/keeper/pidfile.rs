//! Pidfiles: our own, and those that other programs write. A pidfile is a hint, never proof: what it names is compared with the
//! machine before anything is done to it, and that is not done here.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::file;
use crate::desired::{AgentName, FleetName, Generation};
use crate::process::{Liveness, ProcId};
use crate::safe_open::{Trust, read_trusted};
use crate::time::Timestamp;

/// The pidfile of a daemon of ours, as a keeper writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pidfile {
    /// The program.
    pub pid: u32,
    /// Its keeper.
    pub keeper: u32,
    /// When the program was started, in clock ticks since the boot.
    pub start_time: u64,
    /// Which boot.
    pub boot_id: std::sync::Arc<str>,
    /// Whose it is.
    pub fleet: FleetName,
    /// The agent.
    pub agent: AgentName,
    /// Which life of it.
    pub generation: Generation,
    /// When it was started.
    pub started_at: Timestamp,
}

/// What a pidfile says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PidfileContent {
    /// One of ours.
    Ours(Pidfile),
    /// The number of a process, from 2, as other programs write it: on the first line, or as `pid` of a JSON object. It proves nothing.
    Hint(u32),
    /// Nothing that could be the number of a process.
    Nothing,
}

impl Pidfile {
    /// The program that the file names.
    pub fn program(&self) -> ProcId {
        ProcId { pid: self.pid, start_time: self.start_time, boot_id: self.boot_id.clone() }
    }
}

/// The largest pidfile in bytes: what is longer is no pidfile, and not ours to replace.
const MAX_SIZE: usize = 4096;

/// What the pidfile at `path` says; none if there is no file. Errors if it is a link, not ours, writable by others, or too long for a pidfile.
pub fn read_pidfile(path: &Path) -> io::Result<Option<PidfileContent>> {
    let wrong = |kind: io::ErrorKind, why: String| io::Error::new(kind, format!("pidfile {}: {why}", path.display()));
    match read_trusted(path, Trust::Own) {
        Ok(text) if text.len() > MAX_SIZE => {
            let length = text.len();
            Err(wrong(io::ErrorKind::InvalidData, format!("it has {length} bytes, more than any pidfile; name another file, or remove it")))
        }
        Ok(text) => Ok(Some(parse(&text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(wrong(error.kind(), error.to_string())),
    }
}

/// Programs write all kinds of text into their pidfiles: what is understood is a hint, the rest is nothing.
fn parse(text: &[u8]) -> PidfileContent {
    let text = String::from_utf8_lossy(text);
    let text = text.trim();
    let pid = if text.starts_with('{') {
        if let Ok(ours) = serde_json::from_str::<Pidfile>(text)
            && plausible(ours.pid.into()).is_some()
        {
            return PidfileContent::Ours(ours);
        }
        serde_json::from_str::<serde_json::Value>(text).ok().and_then(|object| object["pid"].as_i64())
    } else {
        text.lines().next().and_then(|line| line.trim().parse().ok())
    };
    pid.and_then(plausible).map_or(PidfileContent::Nothing, PidfileContent::Hint)
}

/// Linux numbers processes up to 2^22; 1 is never an agent.
fn plausible(number: i64) -> Option<u32> {
    u32::try_from(number).ok().filter(|pid| (2..=1 << 22).contains(pid))
}

/// Why a pidfile cannot be written where another one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PidfileTaken {
    /// It names a process that is not this agent's and lives, or the file is not one to replace.
    By(String),
    /// Whether the process that it names lives could not be told.
    Unclear(String),
}

impl std::fmt::Display for PidfileTaken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::By(why) | Self::Unclear(why) => f.write_str(why),
        }
    }
}

/// Whether a keeper may put the pidfile of `fleet`/`agent` at `path`. A file that names no living process never blocks; `leaves`
/// says which processes belong to the life before, and are gone by then.
///
/// # Errors
///
/// Why not: then the file is left as it is.
pub fn taken_pidfile(path: &Path, fleet: &FleetName, agent: &AgentName, leaves: impl Fn(&ProcId) -> bool) -> Result<(), PidfileTaken> {
    let named = |whose: String| PidfileTaken::By(format!("pidfile {} names {whose}, which runs; it is left as it is", path.display()));
    match read_pidfile(path) {
        Ok(None | Some(PidfileContent::Nothing)) => Ok(()),
        // An earlier instance of this agent has no keeper any more when the lock is held.
        Ok(Some(PidfileContent::Ours(there))) if there.fleet == *fleet && there.agent == *agent => Ok(()),
        Ok(Some(PidfileContent::Ours(there))) => match there.program().liveness() {
            Liveness::Gone => Ok(()),
            Liveness::Alive | Liveness::Unknown => Err(named(format!("the agent {} of the fleet {}", there.agent, there.fleet))),
        },
        Ok(Some(PidfileContent::Hint(pid))) => match ProcId::of(pid) {
            Ok(Some(process)) if !leaves(&process) => Err(named(format!("process {pid}"))),
            Ok(Some(_) | None) => Ok(()),
            Err(error) => Err(PidfileTaken::Unclear(format!("process {pid}, which pidfile {} names: {error}", path.display()))),
        },
        Err(error) => Err(PidfileTaken::By(format!("{error}; it is left as it is"))),
    }
}

/// Writes the file, unless the program was quicker and has written one of its own.
pub(super) fn write(path: &Path, pidfile: &Pidfile) -> io::Result<()> {
    file::create(path, &serde_json::to_vec(pidfile)?)
}

/// Removes the file if it still says just this, or if the program has written its own number over it.
pub(super) fn remove(path: &Path, pidfile: &Pidfile) {
    let is_of_this_life = match read_pidfile(path) {
        Ok(Some(PidfileContent::Ours(there))) => there == *pidfile,
        Ok(Some(PidfileContent::Hint(pid))) => pid == pidfile.pid,
        Ok(Some(PidfileContent::Nothing) | None) | Err(_) => false,
    };
    if is_of_this_life {
        let _ = std::fs::remove_file(path);
    }
}

/// Whether a program wrote this number into the file itself.
pub(super) fn names(path: &Path, pid: u32) -> bool {
    matches!(read_pidfile(path), Ok(Some(PidfileContent::Hint(named))) if named == pid)
}

/// Removes the file that a program wrote if it still names that program.
pub(super) fn remove_hint(path: &Path, pid: u32) {
    if names(path, pid) {
        let _ = std::fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str =
        r#"{"pid":77,"keeper":76,"start_time":5,"boot_id":"b","fleet":"f","agent":"a","generation":3,"started_at":"2026-11-20T14:02:11Z"}"#;

    #[test]
    fn what_is_no_number_of_a_process_never_becomes_one() {
        for (text, pid) in [
            ("77", 77),
            (" 77 \n", 77),
            ("77\nabc\n", 77),
            ("\n77\n\n", 77),
            ("4194304", 4_194_304),
            ("77\n/var/lib/db\n1700000000\n5432\n", 77),
            ("{\"pid\":77}", 77),
            ("{\"schema\":1,\"pid\":77,\"version\":\"2.0\"}\n", 77),
        ] {
            assert_eq!(parse(text.as_bytes()), PidfileContent::Hint(pid), "{text:?}");
        }
        for text in [
            "",
            " \n",
            "0",
            "1",
            "-1",
            "-77",
            "77x",
            "0x4d",
            "7 7",
            "pid",
            "4194305",
            "99999999999999999999",
            "{}",
            "{\"pid\":\"77\"}",
            "{\"pid\":77.5}",
            "{\"pid\":-77}",
            "{\"pid\":77",
            "[77]",
            "\"77\"",
        ] {
            assert_eq!(parse(text.as_bytes()), PidfileContent::Nothing, "{text:?}");
        }
        assert_eq!(parse(b"\xff\xfe"), PidfileContent::Nothing);
        assert!(matches!(parse(OURS.as_bytes()), PidfileContent::Ours(Pidfile { pid: 77, keeper: 76, .. })));
        assert_eq!(parse(OURS.replace("\"pid\":77", "\"pid\":1").as_bytes()), PidfileContent::Nothing);
    }

    #[test]
    fn only_a_pidfile_that_names_a_living_process_is_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.pid");
        let (fleet, agent) = ("f".parse().unwrap(), "a".parse().unwrap());
        let me = crate::process::me().unwrap();
        let theirs = OURS.replace("\"agent\":\"a\"", "\"agent\":\"b\"");
        let living = theirs
            .replace("\"pid\":77", &format!("\"pid\":{}", me.pid))
            .replace("\"start_time\":5", &format!("\"start_time\":{}", me.start_time));
        let living = living.replace("\"boot_id\":\"b\"", &format!("\"boot_id\":\"{}\"", me.boot_id));
        let own_form = |pid: u32| format!("{{\"schema\":1,\"pid\":{pid},\"version\":\"2.0\"}}");
        let cases = [
            (String::new(), true),
            (OURS.to_owned(), true),
            (theirs, true),
            (living, false),
            (me.pid.to_string(), false),
            ("4194303".to_owned(), true),
            (own_form(4_194_303), true),
            (own_form(me.pid), false),
            ("rubbish".to_owned(), true),
            ("{\"cut\":".to_owned(), true),
            ("x".repeat(MAX_SIZE + 1), false),
        ];
        let check = |leaves: &dyn Fn(&ProcId) -> bool| taken_pidfile(&path, &fleet, &agent, leaves);
        assert_eq!(check(&|_| false), Ok(()));
        for (text, allowed) in cases {
            file::replace(&path, text.as_bytes()).unwrap();
            assert_eq!(check(&|_| false).is_ok(), allowed, "{text}");
        }
        file::replace(&path, own_form(me.pid).as_bytes()).unwrap();
        let why = format!("pidfile {} names process {}, which runs; it is left as it is", path.display(), me.pid);
        assert_eq!(check(&|_| false), Err(PidfileTaken::By(why)));
        assert_eq!(check(&|process| *process == me), Ok(()), "it belongs to the life that ends first");
    }

    #[test]
    fn only_the_own_pidfile_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/x.pid");
        let ours: Pidfile = serde_json::from_str(OURS).unwrap();
        let next = Pidfile { pid: 78, ..ours.clone() };
        write(&path, &next).unwrap();
        remove(&path, &ours);
        assert_eq!(read_pidfile(&path).unwrap(), Some(PidfileContent::Ours(next.clone())));
        remove(&path, &next);
        assert_eq!(read_pidfile(&path).unwrap(), None);
        for (text, goes) in [("{\"pid\":78}", true), ("78\n", true), ("77\n", false), ("{\"pid\":77}", false), ("words", false)] {
            file::replace(&path, text.as_bytes()).unwrap();
            remove(&path, &next);
            assert_eq!(!path.exists(), goes, "{text}");
        }
    }
}
