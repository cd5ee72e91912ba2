//! Where in a log the present life of a daemon began: beside a log `X` lies `X.life`, which names the file and the place in it. The file may be moved
//! aside meanwhile, so it is named by what it is and not by its path.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::file;
use crate::safe_open::{Trust, read_trusted};

/// The beginning of a life in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifeBegin {
    device: u64,
    inode: u64,
    /// Bytes from the beginning of that file.
    pub place: u64,
}

impl LifeBegin {
    /// Where the life began whose output goes to this log; none if that is not known.
    pub fn of(log: &Path) -> Option<Self> {
        serde_json::from_slice(&read_trusted(&beside(log), Trust::Own).ok()?).ok()
    }

    /// Whether it began in the file of which these are the facts.
    pub fn is_in(&self, facts: &Metadata) -> bool {
        (self.device, self.inode) == (facts.dev(), facts.ino()) && self.place <= facts.len()
    }

    /// Notes that a life begins at the end of this file. A log matters more than this note of it.
    pub(super) fn write(log: &Path, facts: &Metadata) {
        let begin = Self { device: facts.dev(), inode: facts.ino(), place: facts.len() };
        if let Ok(text) = serde_json::to_vec(&begin) {
            let _ = file::replace(&beside(log), &text);
        }
    }
}

fn beside(log: &Path) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(".life");
    PathBuf::from(name)
}
