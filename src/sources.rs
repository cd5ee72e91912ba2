//! The real disk and environment, as far as a manifest may ask for them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::desired::FleetName;
use crate::manifest::{Answer, Dependencies, Entry, Kind, Ours, Sources};
use crate::process::search_program;
use crate::safe_open::{self, WrittenBy};
use crate::time::Timestamp;

/// The most files that are looked at to find out whether a folder is active: a second or so on a slow disk.
const MAX_LOOKS: usize = 100_000;

/// The real disk and environment.
#[derive(Clone, Debug)]
pub struct Disk {
    /// The folder that holds the state folders of all fleets.
    pub state: PathBuf,
    /// Whether texts that other users can write to are not read.
    pub must_be_ours: bool,
    /// What was typed where a manifest is named and is no file, such as a pipe: it can be read only once.
    pub piped: Option<Piped>,
    /// The texts that other users can write to, each with the reason.
    pub doubtful: RefCell<Vec<(PathBuf, WrittenBy)>>,
}

impl Disk {
    /// The disk, where a person knows the files that are read.
    pub fn new(state: PathBuf) -> Self {
        Self { state, must_be_ours: false, piped: None, doubtful: RefCell::default() }
    }
}

/// A text that came by something that is no file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piped {
    /// The device and the inode of what it came by.
    identity: (u64, u64),
    text: String,
}

impl Piped {
    /// What comes by this path, to its end, if it is no file. A signal ends the wait for it as any other.
    ///
    /// # Errors
    ///
    /// If it cannot be read, is longer than a manifest may be, or is not UTF-8.
    pub fn read(path: &Path) -> std::io::Result<Option<Self>> {
        match std::fs::metadata(path) {
            Ok(facts) if !facts.is_file() && !facts.is_dir() => {
                let text = safe_open::read_text(std::fs::File::open(path)?)?;
                Ok(Some(Self { identity: (facts.dev(), facts.ino()), text }))
            }
            Ok(_) => Ok(None),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn is_at(&self, path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|facts| (facts.dev(), facts.ino()) == self.identity)
    }
}

fn answer<T>(result: std::io::Result<T>) -> Answer<T> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

impl Sources for Disk {
    fn current_folder(&self) -> Result<PathBuf, String> {
        std::env::current_dir().map_err(|error| format!("the current folder is not known: {error}"))
    }

    fn home(&self) -> Answer<PathBuf> {
        Ok(std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute()))
    }

    fn state_folder(&self, fleet: &FleetName) -> Result<PathBuf, String> {
        Ok(self.state.join(fleet.as_str()))
    }

    fn text(&self, path: &Path) -> Answer<String> {
        if let Some(piped) = self.piped.as_ref().filter(|piped| piped.is_at(path)) {
            return Ok(Some(piped.text.clone()));
        }
        let Some(file) = answer(safe_open::open(path))? else { return Ok(None) };
        let facts = file.metadata().map_err(|error| error.to_string())?;
        match safe_open::written_by(facts.uid(), facts.gid(), facts.mode()) {
            WrittenBy::Us => {}
            others @ (WrittenBy::Owner(_) | WrittenBy::Group { .. } | WrittenBy::Everybody { .. }) => {
                self.doubtful.borrow_mut().push((path.to_owned(), others));
                if self.must_be_ours {
                    return Err(format!("it {others}"));
                }
            }
        }
        answer(safe_open::read_text(file))
    }

    fn entries(&self, folder: &Path) -> Answer<Vec<Entry>> {
        let Some(listing) = answer(std::fs::read_dir(folder))? else { return Ok(None) };
        let mut entries = Vec::new();
        for entry in listing {
            let entry = entry.map_err(|error| error.to_string())?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            // A link that leads nowhere is a file: nothing is lost by that.
            let is_folder = match entry.file_type() {
                Ok(kind) if kind.is_symlink() => entry.path().is_dir(),
                Ok(kind) => kind.is_dir(),
                Err(error) => return Err(error.to_string()),
            };
            entries.push(Entry { name, kind: if is_folder { Kind::Folder } else { Kind::File } });
        }
        Ok(Some(entries))
    }

    fn changed_since(&self, path: &Path, since: Timestamp, ours: &Ours) -> Answer<bool> {
        let Some(metadata) = answer(std::fs::metadata(path))? else { return Ok(None) };
        if !metadata.is_dir() {
            return Ok(Some(modified(&metadata)? >= since));
        }
        let ours = ours.clone().and(self.state.clone()).map(without_links);
        let root = answer(path.canonicalize())?.unwrap_or_else(|| path.to_owned());
        let changed = |path: &Path, metadata: &std::fs::Metadata| -> Result<bool, String> {
            Ok(modified(metadata)? >= since && !(metadata.is_dir() && ours.are_entries_of(path)))
        };
        if changed(&root, &metadata)? {
            return Ok(Some(true));
        }
        let mut open = vec![root];
        let mut looks = 0;
        while let Some(folder) = open.pop() {
            // What disappears while it is looked at is not there any more.
            let Some(listing) = answer(std::fs::read_dir(&folder))? else { continue };
            for entry in listing {
                let entry = entry.map_err(|error| error.to_string())?;
                let path = entry.path();
                if ours.has(&path) {
                    continue;
                }
                let Some(metadata) = answer(entry.metadata())? else { continue };
                looks += 1;
                if changed(&path, &metadata)? {
                    return Ok(Some(true));
                }
                if looks > MAX_LOOKS {
                    return Err(format!("there are more than {MAX_LOOKS} files in it: name some with `activity`"));
                }
                if metadata.is_dir() {
                    open.push(path);
                }
            }
        }
        Ok(Some(false))
    }

    fn digest(&self, path: &Path) -> Answer<String> {
        let Some(mut file) = answer(safe_open::open(path))? else { return Ok(None) };
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(Some(format!("blake3:{}", hasher.finalize().to_hex()))),
                Ok(length) => {
                    hasher.update(&buffer[..length]);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    fn program(&self, name: &str, search: Option<&str>) -> Answer<PathBuf> {
        let own = std::env::var("PATH").ok();
        Ok(search_program(name, search.or(own.as_deref()), Path::new("/")).ok())
    }

    fn variable(&self, name: &str) -> Answer<String> {
        match std::env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err("it is not valid UTF-8".to_owned()),
        }
    }

    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// How everything that a manifest depends on looks from outside: equal while nothing was written, moved, made or removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint(BTreeMap<PathBuf, Option<Outside>>);

/// What changes when a file is written, or another takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outside {
    device: u64,
    inode: u64,
    size: u64,
    /// In nanoseconds.
    modified: i64,
    /// In nanoseconds.
    changed: i64,
}

impl Fingerprint {
    /// How it looks now. Reads no content, and looks into no folder.
    pub fn take(depends_on: &Dependencies) -> Self {
        let look = |path: &PathBuf| {
            let stat = std::fs::metadata(path).ok()?;
            Some(Outside {
                device: stat.dev(),
                inode: stat.ino(),
                size: stat.size(),
                modified: stat.mtime() * 1_000_000_000 + stat.mtime_nsec(),
                changed: stat.ctime() * 1_000_000_000 + stat.ctime_nsec(),
            })
        };
        let Dependencies { files, folders, activity: _, variables: _ } = depends_on;
        Self(files.iter().chain(folders).map(|path| (path.clone(), look(path))).collect())
    }
}

/// A path by which it is found whatever links lead to its folder. What is not there yet keeps its own.
fn without_links(path: &Path) -> PathBuf {
    let found = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
    found().unwrap_or_else(|| path.to_owned())
}

fn modified(metadata: &std::fs::Metadata) -> Result<Timestamp, String> {
    let modified = metadata.modified().map_err(|error| error.to_string())?;
    let millis = modified.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    Ok(Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_not_what_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new("/state".into());
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("text"), "abc").unwrap();
        std::fs::write(at("bytes"), [0xff, 0xfe]).unwrap();
        std::fs::create_dir(at("inner")).unwrap();
        std::os::unix::fs::symlink(at("inner"), at("link")).unwrap();

        assert_eq!(disk.text(&at("text")), Ok(Some("abc".to_owned())));
        assert_eq!(disk.text(&at("gone")), Ok(None));
        assert_eq!(disk.text(&at("text/below")), Ok(None));
        assert!(disk.text(&at("bytes")).is_err());
        assert!(disk.text(&at("inner")).is_err());
        assert_eq!(disk.entries(&at("gone")), Ok(None));
        let mut entries: Vec<_> = disk.entries(folder.path()).unwrap().unwrap().into_iter().map(|entry| (entry.name, entry.kind)).collect();
        entries.sort_by(|left, right| left.0.cmp(&right.0));
        let expected = [("bytes", Kind::File), ("inner", Kind::Folder), ("link", Kind::Folder), ("text", Kind::File)];
        assert_eq!(entries, expected.map(|(name, kind)| (name.to_owned(), kind)));
        assert_eq!(disk.digest(&at("text")), Ok(Some(format!("blake3:{}", blake3::hash(b"abc").to_hex()))));
        assert_eq!(disk.digest(&at("gone")), Ok(None));
    }

    #[test]
    fn a_folder_is_as_young_as_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new("/state".into());
        let inner = folder.path().join("a/b");
        std::fs::create_dir_all(&inner).unwrap();
        let file = inner.join("c");
        std::fs::write(&file, "").unwrap();
        let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000);
        for path in [file.as_path(), &inner, &folder.path().join("a"), folder.path()] {
            std::fs::File::open(path).unwrap().set_modified(old).unwrap();
        }
        let since = |secs: i64| disk.changed_since(folder.path(), Timestamp::from_millis(secs * 1_000), &Ours::default());
        assert_eq!(since(1_000), Ok(Some(true)));
        assert_eq!(since(1_001), Ok(Some(false)));
        std::fs::File::open(&file).unwrap().set_modified(old + std::time::Duration::from_secs(5)).unwrap();
        assert_eq!(since(1_005), Ok(Some(true)));
        assert_eq!(disk.changed_since(&folder.path().join("gone"), Timestamp::default(), &Ours::default()), Ok(None));
    }

    #[test]
    fn what_this_program_writes_is_no_activity() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000);
        let own = [
            "agent.pid",
            ".agent.pid.77",
            "agent.log",
            "agent.log.1",
            "agent.log.12",
            "agent.log.times",
            "agent.log.life",
            ".agent.log.life.77",
            "inbox/a.json",
            "state/f/lock",
        ];
        let theirs = ["agent.log.old", "agent.pid2", "work/notes"];
        for name in own.iter().chain(&theirs) {
            std::fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            std::fs::write(at(name), "").unwrap();
        }
        for name in theirs.iter().chain(&["work"]) {
            std::fs::File::open(at(name)).unwrap().set_modified(old).unwrap();
        }
        let ours = Ours::new(["agent.pid", "agent.log", "inbox"].map(at).to_vec());
        let disk = Disk::new(at("state"));
        let link = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(folder.path(), link.path().join("link")).unwrap();
        let since = Timestamp::from_millis(2_000_000);
        for path in [folder.path(), &link.path().join("link")] {
            assert_eq!(disk.changed_since(path, since, &ours), Ok(Some(false)));
        }
        assert_eq!(disk.changed_since(&at("agent.log"), since, &ours), Ok(Some(true)), "what is asked for by its name counts");
        for name in theirs {
            std::fs::write(at(name), "work").unwrap();
            assert_eq!(disk.changed_since(folder.path(), since, &ours), Ok(Some(true)), "{name}");
            std::fs::File::open(at(name)).unwrap().set_modified(old).unwrap();
        }
    }

    #[test]
    fn programs_are_found_in_a_path() {
        let disk = Disk::new("/state".into());
        assert!(disk.program("sh", None).unwrap().is_some());
        assert_eq!(disk.program("sh", Some("/nowhere")), Ok(None));
    }
}
