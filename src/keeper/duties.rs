//! What a keeper does for its instance besides keeping it: the part of the care that it needs, which may change while the instance runs.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::file;
use super::status::Exit;
use crate::desired::{Hooks, Leftovers, Mark};
use crate::safe_open::{Trust, read_trusted};

/// What is asked of a keeper. Fields that it does not know are of a later version, and not for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Duties {
    /// What becomes of descendants that outlive the program.
    pub leftovers: Leftovers,
    /// Commands at the turns of the life; a keeper runs those about the start and the end of the program.
    #[serde(skip_serializing_if = "Hooks::is_empty")]
    pub hooks: Hooks,
    /// Exit codes that are no crash.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub success: BTreeSet<i32>,
    /// The file that tells, as JSON, whether the instance of a `mark` is `leaving`: then its end was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<PathBuf>,
}

/// The duties in the file in which they are changed. A file of another life says nothing.
#[derive(Serialize, Deserialize)]
struct Sheet {
    label: Mark,
    duties: Duties,
}

impl Duties {
    /// Whether there is nothing to do beyond what every keeper does.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// Replaces the file that the keeper of `label` reads at each turn; mode 0600.
    pub fn write(&self, path: &Path, label: &Mark) -> io::Result<()> {
        let sheet = Sheet { label: label.clone(), duties: self.clone() };
        file::replace(path, &serde_json::to_vec(&sheet)?)
    }

    /// What the file says now, or these if it says nothing about this instance.
    pub(super) fn now(self, path: Option<&Path>, label: &Mark) -> Self {
        let sheet = path.and_then(|path| serde_json::from_slice::<Sheet>(&read_trusted(path, Trust::Own).ok()?).ok());
        sheet.filter(|sheet| sheet.label == *label).map_or(self, |sheet| sheet.duties)
    }

    /// Whether such an end, that nobody asked the keeper for, is a crash.
    pub(super) fn is_crash(&self, exit: &Exit, label: &Mark) -> bool {
        let succeeded = matches!(exit, Exit::Code(code) if self.success.contains(&i32::from(*code)));
        !succeeded && !self.is_leaving(label)
    }

    /// What cannot be read says nothing: better a hook too many than a crash that nobody hears of.
    fn is_leaving(&self, label: &Mark) -> bool {
        let text = self.record.as_ref().and_then(|path| read_trusted(path, Trust::Own).ok()).unwrap_or_default();
        let record: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        record["mark"] == label.to_string() && !record["leaving"].is_null()
    }
}
