//! Small files, written so that no reader sees half of one and read only when nobody else could have written them.
//! Nothing is synced to the disk: what these files say is about running processes, and none of those survives a crash of the machine.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// The largest file that is read whole: 16 MiB.
const MAX_SIZE: u64 = 16 << 20;

/// How far a file's owner and permissions must be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Ours, no link, and nobody else can read or write it.
    Private,
    /// Ours, no link, and nobody else can write it.
    Own,
    /// Ours or the system's, a link allowed, and nobody else can write it.
    System,
}

/// Replaces `path` by a file with this content, by way of a temporary one beside it; mode 0600. Its folder is made if it is missing.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
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
    let written = created.and_then(|mut file| file.write_all(content)).and_then(|()| std::fs::rename(&temporary, path));
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

/// The content of a regular file that deserves this trust. Errors say what is wrong with it, without its content.
pub(super) fn read(path: &Path, trust: Trust) -> io::Result<Vec<u8>> {
    // Without waiting: a pipe or device under this name must not hold us up.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | if trust == Trust::System { OFlags::empty() } else { OFlags::NOFOLLOW };
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => return Err(refused("is a symbolic link")),
        Err(error) => return Err(error),
    };
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(refused("is not a regular file"));
    }
    if facts.len() > MAX_SIZE {
        return Err(refused("is larger than 16 MiB"));
    }
    let ours = rustix::process::geteuid().as_raw();
    if facts.uid() != ours && !(trust == Trust::System && facts.uid() == 0) {
        return Err(refused("belongs to another user"));
    }
    let private_group = facts.gid() == rustix::process::getegid().as_raw();
    let others = match trust {
        Trust::Private => 0o077,
        // Where every user has a group of their own, files are commonly writable by it.
        Trust::Own | Trust::System if private_group => 0o002,
        Trust::Own | Trust::System => 0o022,
    };
    if facts.mode() & others != 0 {
        return Err(refused(if trust == Trust::Private { "can be read or written by others" } else { "can be written by others" }));
    }
    let mut content = Vec::with_capacity(usize::try_from(facts.len()).unwrap_or(0));
    file.take(MAX_SIZE).read_to_end(&mut content)?;
    Ok(content)
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("it {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn only_files_that_deserve_it_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        replace(&path, b"content").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        for trust in [Trust::Private, Trust::Own, Trust::System] {
            assert_eq!(read(&path, trust).unwrap(), b"content");
        }
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(read(&link, Trust::Private).is_err());
        assert!(read(&link, Trust::Own).is_err());
        assert!(read(&link, Trust::System).is_ok());
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(read(&path, Trust::Private).is_err());
        assert!(read(&path, Trust::Own).is_ok());
        std::fs::set_permissions(&path, Permissions::from_mode(0o602)).unwrap();
        assert!(read(&path, Trust::Own).is_err());
        assert!(read(&path, Trust::System).is_err());
        assert!(read(folder.path(), Trust::System).is_err());
        assert_eq!(read(&folder.path().join("none"), Trust::Own).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left");
    }
}
