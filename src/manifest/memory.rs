//! A world in memory: sources for tests and for manifests that come from elsewhere than the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::ours::Ours;
use super::sources::{Answer, Entry, Kind, Sources};
use crate::desired::FleetName;
use crate::time::Timestamp;

/// A world in memory. Its current folder is `/work`, the home `/home/me`, the state folder of a fleet `/state/FLEET`.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Files with their texts. The folders above them exist.
    pub files: BTreeMap<PathBuf, String>,
    /// Empty folders.
    pub folders: BTreeSet<PathBuf>,
    /// What cannot be read, although it is there.
    pub unreadable: BTreeSet<PathBuf>,
    /// When a file or folder was changed; others never were.
    pub changed: BTreeMap<PathBuf, Timestamp>,
    /// The environment.
    pub variables: BTreeMap<String, String>,
    /// What the time is.
    pub now: Timestamp,
}

impl Memory {
    /// A world with one file, `/work/constellation.toml`.
    pub fn with_manifest(text: &str) -> Self {
        Self::default().file("/work/constellation.toml", text)
    }

    /// The same with one file more.
    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.into(), text.to_owned());
        self
    }

    /// The same with one folder more.
    pub fn folder(mut self, path: &str) -> Self {
        self.folders.insert(path.into());
        self
    }

    fn readable(&self, path: &Path) -> Result<(), String> {
        if self.unreadable.contains(path) { Err("permission denied".to_owned()) } else { Ok(()) }
    }

    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.keys().chain(&self.folders)
    }

    fn is_folder(&self, path: &Path) -> bool {
        self.folders.contains(path) || self.all().any(|other| other != path && other.starts_with(path))
    }
}

impl Sources for Memory {
    fn current_folder(&self) -> Result<PathBuf, String> {
        Ok("/work".into())
    }

    fn home(&self) -> Answer<PathBuf> {
        Ok(Some("/home/me".into()))
    }

    fn state_folder(&self, fleet: &FleetName) -> Result<PathBuf, String> {
        Ok(Path::new("/state").join(fleet.as_str()))
    }

    fn text(&self, path: &Path) -> Answer<String> {
        self.readable(path)?;
        Ok(self.files.get(path).cloned())
    }

    fn entries(&self, folder: &Path) -> Answer<Vec<Entry>> {
        self.readable(folder)?;
        if !self.is_folder(folder) {
            return Ok(None);
        }
        let names: BTreeSet<_> =
            self.all().filter_map(|path| path.strip_prefix(folder).ok()?.components().next()).map(|part| part.as_os_str()).collect();
        let entries = names.into_iter().map(|name| Entry {
            name: name.to_string_lossy().into_owned(),
            kind: if self.files.contains_key(&folder.join(name)) { Kind::File } else { Kind::Folder },
        });
        Ok(Some(entries.collect()))
    }

    fn changed_since(&self, path: &Path, since: Timestamp, ours: &Ours) -> Answer<bool> {
        self.readable(path)?;
        if !self.files.contains_key(path) && !self.is_folder(path) {
            return Ok(None);
        }
        let counts = |changed: &Path| changed == path || (changed.starts_with(path) && !ours.has(changed));
        Ok(Some(self.changed.iter().any(|(changed, when)| counts(changed) && !ours.are_entries_of(changed) && *when >= since)))
    }

    fn digest(&self, path: &Path) -> Answer<String> {
        self.readable(path)?;
        Ok(self.files.get(path).map(|text| format!("blake3:{}", blake3::hash(text.as_bytes()).to_hex())))
    }

    fn program(&self, name: &str, search: Option<&str>) -> Answer<PathBuf> {
        let search = search.unwrap_or("/usr/bin:/bin");
        Ok(search.split(':').map(|folder| Path::new(folder).join(name)).find(|path| self.files.contains_key(path)))
    }

    fn variable(&self, name: &str) -> Answer<String> {
        Ok(self.variables.get(name).cloned())
    }

    fn now(&self) -> Timestamp {
        self.now
    }
}
