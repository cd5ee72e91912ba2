//! Whose an instance is that no record of this state folder knows: that of the folder for which its keeper works, or of the one that took it over. Each
//! folder finds the same answer by the same file, so there is never none that may act, and never two.

use std::path::{Path, PathBuf};

use crate::desired::Mark;
use crate::paths::{Paths, moved_to};
use crate::safe_open;

/// The other state folder whose instance this is, where its keeper was started for the folder `of`; none if it is ours, or if that folder is gone or has
/// no record of the agent.
pub(super) fn other_folder(of: &Path, own: &Paths, mark: &Mark) -> Option<PathBuf> {
    let text = safe_open::read(&Paths::new(of.to_owned()).moved(&mark.agent)).ok().and_then(|text| String::from_utf8(text).ok());
    let moved = text.and_then(|text| moved_to(&text, mark));
    let owner = moved.unwrap_or_else(|| of.to_owned());
    let ours = own.folder();
    let is_ours = owner == ours || matches!((owner.canonicalize(), ours.canonicalize()), (Ok(one), Ok(other)) if one == other);
    (!is_ours && Paths::new(owner.clone()).record(&mark.agent).exists()).then_some(owner)
}
