//! Which manifest is meant, and whether it may be trusted: one that was found by looking upwards is read only if no other user can write to it;
//! naming one is the user's decision.

use std::cell::{Cell, OnceCell};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::error::coded;
use crate::render::json::ErrorCode;
use crate::safe_open::{WrittenBy, read_text};
use crate::sources::{Disk, Piped};

/// The file name that is searched for.
const NAME: &str = "constellation.toml";

/// What is known of how the manifest was named.
#[derive(Debug, Default)]
pub(super) struct Naming {
    was_found: Cell<bool>,
    /// What came by a pipe, which can be read only once.
    piped: OnceCell<(PathBuf, Option<Piped>)>,
}

impl Naming {
    /// The manifest in this folder or the nearest above it.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub(super) fn find(&self) -> Result<PathBuf> {
        let here = std::env::current_dir().context("the current folder is not known")?;
        let found = here.ancestors().map(|folder| folder.join(NAME)).find(|path| path.exists());
        self.was_found.set(true);
        match found {
            Some(path) if path.parent() == Some(&here) => Ok(PathBuf::from(NAME)),
            Some(path) => Ok(path),
            None => Err(coded(ErrorCode::ManifestMissing, format_args!("there is no {NAME} here or in a folder above: name the manifest"))),
        }
    }

    /// The disk on which this manifest is read.
    ///
    /// # Errors
    ///
    /// If it comes by a pipe that cannot be read.
    pub(super) fn disk(&self, manifest: &Path, state: &Path) -> Result<Disk> {
        let mut disk = Disk::new(state.to_owned());
        if self.was_found.get() {
            disk.must_be_ours = true;
            return Ok(disk);
        }
        let absolute = std::path::absolute(manifest).with_context(|| format!("cannot tell where {} is", manifest.display()))?;
        let piped = match self.piped.get().filter(|(path, _)| *path == absolute) {
            Some((_, piped)) => piped.clone(),
            None => {
                let piped = Piped::read(&absolute).with_context(|| format!("the manifest {} cannot be read", manifest.display()))?;
                // A second manifest in one process is read each time.
                let _ = self.piped.set((absolute, piped.clone()));
                piped
            }
        };
        disk.piped = piped;
        Ok(disk)
    }

    /// How to trust a manifest that was found: by naming it. None if it was named.
    pub(super) fn hint(&self) -> Option<&'static str> {
        self.was_found.get().then_some("it was found by searching upwards from here; name it with -f if you trust it")
    }
}

/// The text of a file whose name was typed. It may be a pipe: that is read to its end, and a signal ends the wait for it.
///
/// # Errors
///
/// If it cannot be read, is longer than 16 MiB, or is not UTF-8.
pub(super) fn typed_file(path: &Path) -> std::io::Result<String> {
    read_text(std::fs::File::open(path)?)
}

/// Why nothing may be started by what was read; none if no other user can write to it.
pub(super) fn doubt(disk: &Disk) -> Option<String> {
    let doubtful = disk.doubtful.borrow();
    let (path, others) = doubtful.first()?;
    let path = path.display();
    let way_out = match others {
        WrittenBy::Owner(_) => format!("make it yours with `chown`, or name a copy of your own instead of {path}"),
        WrittenBy::Group { .. } | WrittenBy::Everybody { .. } | WrittenBy::Us => format!("run `chmod go-w {path}`"),
    };
    Some(format!("{path} {others}, so they could run anything as you: {way_out}"))
}
