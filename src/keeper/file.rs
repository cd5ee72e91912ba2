//! Small files, written so that no reader sees half of one. They are read by `safe_open`, only when no other user could have written them.
//! Nothing is synced to the disk: what these files say is about running processes, and none of those survives a crash of the machine.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Replaces `path` by a file with this content, by way of a temporary one beside it; mode 0600. Its folder is made if it is missing.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    write(path, content, |temporary| std::fs::rename(temporary, path))
}

/// As [`replace`], but what is there already stays as it is.
pub(super) fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    write(path, content, |temporary| {
        let linked = std::fs::hard_link(temporary, path);
        std::fs::remove_file(temporary)?;
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        }
    })
}

fn write(path: &Path, content: &[u8], place: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other("this is no path of a file"));
    };
    let temporary = folder.join(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let created = match create_new(&temporary) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_parent(path).and_then(|()| create_new(&temporary)),
        // One that an earlier process of the same number left half-written.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            std::fs::remove_file(&temporary).and_then(|()| create_new(&temporary))
        }
        result => result,
    };
    let written = created.and_then(|mut file| file.write_all(content)).and_then(|()| place(&temporary));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// A new file that only we can read, mode 0600. Errors if something of that name is there.
pub(super) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// The folder that `path` lies in is there; if it has to be made, only we can enter it.
pub(super) fn make_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => DirBuilder::new().recursive(true).mode(0o700).create(folder),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_ours_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for content in ["first", "second"] {
            replace(&path, content.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }
}
