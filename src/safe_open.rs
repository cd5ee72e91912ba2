//! The one way to open a file that a manifest or another program names: without waiting, whatever has that name, and never more of it than fits.
//! A named pipe, a socket, a device or a terminal in such a place is an error with a name. Decides nothing about what is in a file.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

mod owner;

pub use owner::{WrittenBy, written_by};

/// The largest file that is read whole: 16 MiB.
pub const MAX_SIZE: u64 = 16 << 20;

/// The device that swallows everything and has nothing: the only one that may stand for a file.
const NULL_DEVICE: (u32, u32) = (1, 3);

/// How far a file's owner and permissions must be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Ours, no link, and no other user can read or write it.
    Private,
    /// Ours, no link, and no other user can write it.
    Own,
    /// Ours or the system's, a link allowed, and no other user can write it.
    System,
    /// Any file, a link allowed: the user chose it.
    Any,
}

/// Opens a regular file, or `/dev/null`, for reading.
///
/// # Errors
///
/// If it is something else, or cannot be opened. The message is a clause about the file, without its name.
pub fn open(path: &Path) -> io::Result<File> {
    open_with(path, OpenOptions::new().read(true), Trust::Any)
}

/// As [`open`], if it deserves this trust.
///
/// # Errors
///
/// As [`open`], and if the file does not deserve it.
pub fn open_trusted(path: &Path, trust: Trust) -> io::Result<File> {
    open_with(path, OpenOptions::new().read(true), trust)
}

/// Opens a regular file that deserves this trust, or `/dev/null`, to add to it; makes it with mode 0600 if there is none.
///
/// # Errors
///
/// If something else has that name, or it cannot be opened or made.
pub fn append(path: &Path, trust: Trust) -> io::Result<File> {
    open_with(path, OpenOptions::new().append(true).create(true).mode(0o600), trust)
}

/// Whether [`append`] could be done, as far as that can be told without doing it.
///
/// # Errors
///
/// If something else has that name. That there is nothing is no error.
pub fn may_append(path: &Path, trust: Trust) -> io::Result<()> {
    look_first(path, trust)
}

fn look_first(path: &Path, trust: Trust) -> io::Result<()> {
    let facts = if follow(trust) == OFlags::NOFOLLOW { std::fs::symlink_metadata(path) } else { std::fs::metadata(path) };
    match facts {
        Ok(facts) => check(&facts, trust),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// An error unless what was opened is a regular file, or `/dev/null`: for who opens by the handle of a folder, without waiting.
///
/// # Errors
///
/// If it is something else.
pub fn regular(file: File) -> io::Result<File> {
    check(&file.metadata()?, Trust::Any).map(|()| file)
}

/// Why what has this name is no regular file, itself and not what it leads to; none if it is one, or nothing is there.
pub fn irregular(path: &Path) -> Option<io::Error> {
    let facts = std::fs::symlink_metadata(path).ok()?;
    check(&facts, Trust::Any).err()
}

/// The content of a regular file, at most [`MAX_SIZE`] of it.
///
/// # Errors
///
/// As [`open`], and if there is more in it.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_trusted(path, Trust::Any)
}

/// As [`read`], of a file that deserves this trust.
///
/// # Errors
///
/// As [`open_trusted`], and if there is more in it than [`MAX_SIZE`].
pub fn read_trusted(path: &Path, trust: Trust) -> io::Result<Vec<u8>> {
    read_whole(open_trusted(path, trust)?)
}

/// What can be read from an open file or pipe until its end.
///
/// # Errors
///
/// If there is more of it than [`MAX_SIZE`], or it cannot be read.
pub fn read_whole(file: impl Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(MAX_SIZE + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_SIZE { Err(refused("is larger than 16 MiB")) } else { Ok(content) }
}

/// The same as text.
///
/// # Errors
///
/// As [`read_whole`], and if it is not UTF-8.
pub fn read_text(file: impl Read) -> io::Result<String> {
    String::from_utf8(read_whole(file)?).map_err(|_| refused("is not UTF-8"))
}

fn open_with(path: &Path, options: &mut OpenOptions, trust: Trust) -> io::Result<File> {
    let flags = follow(trust) | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let follows_none = follow(trust) == OFlags::NOFOLLOW;
    // Checked first: opening a pipe and closing it again would break its writer, and a device may act on being opened.
    look_first(path, trust)?;
    let file = match options.custom_flags(flags.bits().cast_signed()).open(path) {
        Ok(file) => file,
        Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) && follows_none => return Err(refused("is a symbolic link")),
        Err(error) => return Err(error),
    };
    // Once more by the handle: something else may have been given the name meanwhile.
    check(&file.metadata()?, trust)?;
    Ok(file)
}

/// Whether a link is followed.
fn follow(trust: Trust) -> OFlags {
    match trust {
        Trust::Private | Trust::Own => OFlags::NOFOLLOW,
        Trust::System | Trust::Any => OFlags::empty(),
    }
}

/// An error unless it is a regular file that deserves this trust, or `/dev/null`.
fn check(facts: &Metadata, trust: Trust) -> io::Result<()> {
    if is_null_device(facts) {
        return Ok(());
    }
    if let Some(kind) = kind(facts) {
        return Err(refused(&format!("is not a regular file but {kind}")));
    }
    let (owner, mode) = (facts.uid(), facts.mode());
    let user = rustix::process::geteuid().as_raw();
    match trust {
        Trust::Any => return Ok(()),
        Trust::Private | Trust::Own if owner != user => return Err(refused(&format!("belongs to another user (uid {owner})"))),
        Trust::Private if mode & 0o077 != 0 => {
            return Err(refused(&format!("can be read or written by others (mode {:04o})", mode & 0o7777)));
        }
        Trust::Private | Trust::Own | Trust::System => {}
    }
    match written_by(owner, facts.gid(), mode) {
        WrittenBy::Us => Ok(()),
        others @ (WrittenBy::Owner(_) | WrittenBy::Group { .. } | WrittenBy::Everybody { .. }) => Err(refused(&others.to_string())),
    }
}

/// What it is, if it is no regular file.
fn kind(facts: &Metadata) -> Option<&'static str> {
    let kind = facts.file_type();
    match () {
        () if kind.is_file() => None,
        () if kind.is_dir() => Some("a folder"),
        () if kind.is_fifo() => Some("a named pipe"),
        () if kind.is_socket() => Some("a socket"),
        () if kind.is_symlink() => Some("a symbolic link"),
        () => Some("a device"),
    }
}

fn is_null_device(facts: &Metadata) -> bool {
    let device = facts.rdev();
    facts.file_type().is_char_device() && (rustix::fs::major(device), rustix::fs::minor(device)) == NULL_DEVICE
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("it {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    fn why(path: &Path, trust: Trust) -> String {
        read_trusted(path, trust).map_or_else(|error| error.to_string(), |text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn what_is_no_file_is_named_and_never_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        std::os::unix::fs::symlink(at("pipe"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("none"), at("dangling")).unwrap();
        let huge = File::create(at("huge")).unwrap();
        huge.set_len(MAX_SIZE + 1).unwrap();
        for (path, expected) in [
            (at("pipe"), "it is not a regular file but a named pipe"),
            (at("link"), "it is not a regular file but a named pipe"),
            (at("socket"), "it is not a regular file but a socket"),
            (folder.path().to_owned(), "it is not a regular file but a folder"),
            ("/dev/zero".into(), "it is not a regular file but a device"),
            ("/dev/tty".into(), "it is not a regular file but a device"),
            ("/dev/null".into(), ""),
            (at("huge"), "it is larger than 16 MiB"),
        ] {
            assert_eq!(why(&path, Trust::Any), expected, "{}", path.display());
            let appended = append(&path, Trust::Own).map(drop).map_err(|error| error.to_string());
            assert_eq!(appended.is_ok(), [at("huge"), "/dev/null".into()].contains(&path), "{}: {appended:?}", path.display());
        }
        assert_eq!(open(&at("dangling")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(append(&at("dangling"), Trust::Own).unwrap_err().to_string(), "it is not a regular file but a symbolic link");
        assert!(!at("none").exists());
        append(&at("new"), Trust::Own).unwrap();
        assert_eq!(std::fs::metadata(at("new")).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn only_files_that_deserve_it_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "content").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let read = |mode: u32, path: &Path, trust: Trust| {
            std::fs::set_permissions(folder.path().join("file"), Permissions::from_mode(mode)).unwrap();
            read_trusted(path, trust).is_ok()
        };
        for (mode, trust, directly, by_link) in [
            (0o600, Trust::Private, true, false),
            (0o600, Trust::Own, true, false),
            (0o600, Trust::System, true, true),
            (0o644, Trust::Private, false, false),
            (0o644, Trust::Own, true, false),
            (0o644, Trust::System, true, true),
            (0o602, Trust::Own, false, false),
            (0o602, Trust::System, false, false),
            (0o666, Trust::Any, true, true),
        ] {
            assert_eq!((read(mode, &path, trust), read(mode, &link, trust)), (directly, by_link), "{mode:o} {trust:?}");
        }
    }
}
