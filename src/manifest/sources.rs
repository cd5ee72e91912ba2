//! The only way out of loading: what a manifest may ask of the world.

use std::path::{Path, PathBuf};

use super::ours::Ours;
use crate::desired::FleetName;
use crate::time::Timestamp;

/// `Ok(None)`: it is not there. `Err`: it could not be found out, with the reason.
pub type Answer<T> = Result<Option<T>, String>;

/// What an entry of a folder is, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// Anything else.
    File,
}

/// An entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without the folder.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// What a manifest may ask of the world. All paths are absolute.
pub trait Sources {
    /// The folder that a relative path of the manifest itself starts from.
    fn current_folder(&self) -> Result<PathBuf, String>;
    /// The user's home.
    fn home(&self) -> Answer<PathBuf>;
    /// The folder where everything about this fleet is remembered, for `${dir.state}`.
    fn state_folder(&self, fleet: &FleetName) -> Result<PathBuf, String>;
    /// The text of a file.
    fn text(&self, path: &Path) -> Answer<String>;
    /// What is in a folder, in any order. Names that are no UTF-8 are left out.
    fn entries(&self, folder: &Path) -> Answer<Vec<Entry>>;
    /// Whether a file, or anything in a folder but what is ours, was changed at or after this time.
    fn changed_since(&self, path: &Path, since: Timestamp, ours: &Ours) -> Answer<bool>;
    /// `blake3:…` of a file's content.
    fn digest(&self, path: &Path) -> Answer<String>;
    /// The file that a program's name means in this PATH, or in the tool's own.
    fn program(&self, name: &str, search: Option<&str>) -> Answer<PathBuf>;
    /// A variable of the environment; only for `[vars] x = { env = "NAME" }`.
    fn variable(&self, name: &str) -> Answer<String>;
    /// The time, for `active_within`.
    fn now(&self) -> Timestamp;
}
