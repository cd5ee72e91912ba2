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
    /// A number, from 2, with the nonce of the second line if there is one. Neither proves anything.
    Bare {
        /// The number.
        pid: u32,
        /// The second line.
        nonce: Option<String>,
    },
}

impl Pidfile {
    /// The program that the file names.
    pub fn program(&self) -> ProcId {
        ProcId { pid: self.pid, start_time: self.start_time, boot_id: self.boot_id.clone() }
    }
}

/// What the pidfile at `path` says; none if there is no file. Errors if it is a link, not ours, writable by others,
/// or does not name a process that there could be: that is never a number.
pub fn read_pidfile(path: &Path) -> io::Result<Option<PidfileContent>> {
    let wrong = |why: String| io::Error::new(io::ErrorKind::InvalidData, format!("pidfile {}: {why}", path.display()));
    match read_trusted(path, Trust::Own) {
        Ok(text) => parse(&text).map(Some).map_err(wrong),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io::Error::new(error.kind(), format!("pidfile {}: {error}", path.display()))),
    }
}

fn parse(text: &[u8]) -> Result<PidfileContent, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not text".to_owned())?;
    if text.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.trim_start().starts_with('{') {
        let ours: Pidfile = serde_json::from_str(text).map_err(|error| format!("it is no pidfile of ours: {error}"))?;
        plausible(ours.pid.into())?;
        return Ok(PidfileContent::Ours(ours));
    }
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().trim();
    let number: i64 = first.parse().map_err(|_| format!("`{}` is not the number of a process", first.escape_debug()))?;
    let pid = plausible(number)?;
    let nonce = lines.next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty());
    if lines.any(|line| !line.trim().is_empty()) {
        return Err("it has more than two lines".to_owned());
    }
    Ok(PidfileContent::Bare { pid, nonce })
}

/// Linux numbers processes up to 2^22; 1 is never an agent.
fn plausible(number: i64) -> Result<u32, String> {
    u32::try_from(number)
        .ok()
        .filter(|pid| (2..=1 << 22).contains(pid))
        .ok_or_else(|| format!("{number} cannot be the number of an agent's process"))
}

/// Whether a keeper may put the pidfile of `fleet`/`agent` at `path`. The error says why not: what is there is somebody else's.
pub(super) fn may_write(path: &Path, fleet: &FleetName, agent: &AgentName) -> Result<(), String> {
    if std::fs::symlink_metadata(path).is_ok_and(|facts| facts.is_file() && facts.len() == 0) {
        // It names nobody: left by a crash, or by a file system that was full.
        return Ok(());
    }
    let there = read_pidfile(path).map_err(|error| format!("{error}; it is left as it is"))?;
    let (process, whose) = match there {
        None => return Ok(()),
        // The lock is ours, so an earlier instance of this agent cannot have a keeper any more.
        Some(PidfileContent::Ours(other)) if other.fleet == *fleet && other.agent == *agent => return Ok(()),
        Some(PidfileContent::Ours(other)) => (Ok(Some(other.program())), format!("agent {} of fleet {}", other.agent, other.fleet)),
        Some(PidfileContent::Bare { pid, .. }) => (ProcId::of(pid), format!("process {pid}")),
    };
    let live = match process {
        Ok(None) => false,
        Ok(Some(process)) => process.liveness() != Liveness::Gone,
        Err(_) => true,
    };
    if live { Err(format!("pidfile {} names {whose}, which runs; it is left as it is", path.display())) } else { Ok(()) }
}

pub(super) fn write(path: &Path, pidfile: &Pidfile) -> io::Result<()> {
    file::replace(path, &serde_json::to_vec(pidfile)?)
}

/// Removes the file if it still says just this.
pub(super) fn remove(path: &Path, pidfile: &Pidfile) {
    if matches!(read_pidfile(path), Ok(Some(PidfileContent::Ours(there))) if there == *pidfile) {
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
        for (text, pid, nonce) in
            [("77", 77, None), (" 77 \n", 77, None), ("77\nabc\n", 77, Some("abc")), ("77\n\n", 77, None), ("4194304", 4_194_304, None)]
        {
            let expected = PidfileContent::Bare { pid, nonce: nonce.map(str::to_owned) };
            assert_eq!(parse(text.as_bytes()), Ok(expected), "{text:?}");
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
            "77\na\nb",
            "{}",
            "{\"pid\":77}",
            "[77]",
            "\"77\"",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(parse(b"\xff\xfe").is_err());
        assert!(matches!(parse(OURS.as_bytes()), Ok(PidfileContent::Ours(Pidfile { pid: 77, keeper: 76, .. }))));
        assert!(parse(OURS.replace("\"pid\":77", "\"pid\":1").as_bytes()).is_err());
    }

    #[test]
    fn a_strangers_pidfile_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.pid");
        let (fleet, agent) = ("f".parse().unwrap(), "a".parse().unwrap());
        let me = crate::process::me().unwrap();
        let theirs = OURS.replace("\"agent\":\"a\"", "\"agent\":\"b\"");
        let living = theirs
            .replace("\"pid\":77", &format!("\"pid\":{}", me.pid))
            .replace("\"start_time\":5", &format!("\"start_time\":{}", me.start_time));
        let living = living.replace("\"boot_id\":\"b\"", &format!("\"boot_id\":\"{}\"", me.boot_id));
        let cases = [
            (String::new(), true),
            (OURS.to_owned(), true),
            (theirs, true),
            (living, false),
            (me.pid.to_string(), false),
            ("4194303".to_owned(), true),
            ("rubbish".to_owned(), false),
        ];
        assert!(may_write(&path, &fleet, &agent).is_ok());
        for (text, allowed) in cases {
            file::replace(&path, text.as_bytes()).unwrap();
            assert_eq!(may_write(&path, &fleet, &agent).is_ok(), allowed, "{text}");
        }
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
    }
}
