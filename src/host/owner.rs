//! Whose an instance is that no record of this state folder knows: that of the folder for which its keeper works, or of one that took it over.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::desired::AgentName;
use crate::paths::Paths;
use crate::safe_open;

/// The other state folder that remembers the agent of a keeper which was started for the folder `of`; none if that is ours, gone, or has no record
/// of it.
pub(super) fn other_folder(of: &Path, own: &Paths, agent: &AgentName) -> Option<PathBuf> {
    let ours = own.folder();
    let is_ours = of == ours || matches!((of.canonicalize(), ours.canonicalize()), (Ok(one), Ok(other)) if one == other);
    let remembers = |folder: &Path| folder.join("agents").join(format!("{agent}.json")).exists();
    if !is_ours {
        return remembers(of).then(|| of.to_owned());
    }
    // It was started for this folder, and another one may have taken it over since.
    let moved = safe_open::read(&own.moved(agent)).ok().map(OsString::from_vec).map(PathBuf::from)?;
    (moved != ours && remembers(&moved)).then_some(moved)
}
