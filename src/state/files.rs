//! Files that only we can write: reached through the handle of their folder, replaced in one step. Knows nothing of what is in them.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

/// Ends the name of every file that is not complete yet; it begins with a dot.
const UNFINISHED: &str = ".tmp";

/// How long what is written must last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lasting {
    /// Until the machine stops. A power failure also ends every agent, and the boot id tells that it did: what was remembered of them is void then,
    /// so that waiting for the disk, some milliseconds for each of a thousand records, would buy nothing.
    UntilBoot,
    /// For good: what a person said must be true after a power failure too.
    ForGood,
}

/// A folder that nobody else can write to.
#[derive(Debug)]
pub(super) struct Folder {
    handle: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// The folder, or none if there is none. An error if it is not ours alone.
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(handle) => handle,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::NOTDIR) => bail!("{} is not a folder: move it away, or name another place with --state-dir", path.display()),
            Err(error) => return Err(error).with_context(|| format!("cannot open the folder {}", path.display())),
        };
        let stat = rustix::fs::fstat(&handle).with_context(|| format!("cannot look at the folder {}", path.display()))?;
        check_owner(path, stat.st_uid, stat.st_mode, rustix::process::geteuid().as_raw())?;
        Ok(Some(Self { handle, path: path.to_owned() }))
    }

    /// The folder, made with mode 0700 if there is none. An error if it is not ours alone.
    pub(super) fn make(path: &Path) -> Result<Self> {
        if let Some(folder) = Self::open(path)? {
            return Ok(folder);
        }
        DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(|| format!("cannot make the folder {}", path.display()))?;
        Self::open(path)?.with_context(|| format!("the folder {} vanished while it was being made", path.display()))
    }

    /// The path of a file in it, for messages.
    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The names of all files that are complete, in no order.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        let listing = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in rustix::fs::Dir::read_from(&self.handle)? {
                // Names that are not text are not ours.
                if let Ok(name) = entry?.file_name().to_str()
                    && !name.starts_with('.')
                {
                    names.push(name.to_owned());
                }
            }
            Ok(names)
        };
        listing().with_context(|| format!("cannot list the folder {}", self.path.display()))
    }

    /// Opens a file in it. Never follows a link, never leaves the handle to a child.
    pub(super) fn open_file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&self.handle, name, flags, Mode::RUSR | Mode::WUSR)?))
    }

    /// Reads a file into `buffer`, whose content is lost; false if there is no such file.
    pub(super) fn read(&self, name: &str, buffer: &mut Vec<u8>) -> io::Result<bool> {
        buffer.clear();
        match self.open_file(name, OFlags::RDONLY) {
            Ok(mut file) => read_all(&mut file, buffer).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes a file under another name and gives it its own in one step: readers see the old one or the new one.
    pub(super) fn replace(&self, name: &str, content: &[u8], lasting: Lasting) -> Result<()> {
        self.replace_in_steps(name, content, lasting).with_context(|| format!("cannot write {}", self.path_of(name).display()))
    }

    fn replace_in_steps(&self, name: &str, content: &[u8], lasting: Lasting) -> io::Result<()> {
        let unfinished = self.write_unfinished(name, content, lasting)?;
        if let Err(error) = rustix::fs::renameat(&self.handle, &unfinished, &self.handle, name) {
            let _ = self.remove(&unfinished);
            return Err(error.into());
        }
        if lasting == Lasting::ForGood {
            rustix::fs::fsync(&self.handle)?;
        }
        Ok(())
    }

    /// Writes a file unless it is there already; false if it is.
    pub(super) fn create(&self, name: &str, content: &[u8]) -> io::Result<bool> {
        let unfinished = self.write_unfinished(name, content, Lasting::ForGood)?;
        let linked = rustix::fs::linkat(&self.handle, &unfinished, &self.handle, name, AtFlags::empty());
        self.remove(&unfinished)?;
        match linked {
            Ok(()) => rustix::fs::fsync(&self.handle).map(|()| true).map_err(io::Error::from),
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn write_unfinished(&self, name: &str, content: &[u8], lasting: Lasting) -> io::Result<String> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let unfinished = format!(".{name}.{}.{count}{UNFINISHED}", std::process::id());
        let create = || self.open_file(&unfinished, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL);
        let mut file = match create() {
            // Left by a process of the same number that died here.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.remove(&unfinished)?;
                create()?
            }
            outcome => outcome?,
        };
        let written = file.write_all(content).and_then(|()| match lasting {
            Lasting::UntilBoot => Ok(()),
            Lasting::ForGood => file.sync_all(),
        });
        if let Err(error) = written {
            let _ = self.remove(&unfinished);
            return Err(error);
        }
        Ok(unfinished)
    }

    /// Gives a file another name; what had that name before is gone.
    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        rustix::fs::renameat(&self.handle, from, &self.handle, to)?;
        Ok(())
    }

    /// Removes a file; it is no error if there is none.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes what writers left that died before they were done. Only for the one who holds the lock: no other writer can be at work then.
    pub(super) fn sweep(&self) -> Result<()> {
        let sweep = || -> io::Result<()> {
            for entry in rustix::fs::Dir::read_from(&self.handle)? {
                let entry = entry?;
                if let Ok(name) = entry.file_name().to_str()
                    && name.starts_with('.')
                    && name.ends_with(UNFINISHED)
                {
                    self.remove(name)?;
                }
            }
            Ok(())
        };
        sweep().with_context(|| format!("cannot clear the folder {}", self.path.display()))
    }

    /// Makes what happened to names in it last.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.handle)?)
    }

    /// The identity of the file that has this name now; none if there is none.
    pub(super) fn identity(&self, name: &str) -> Option<(u64, u64)> {
        let stat = rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some((stat.st_dev, stat.st_ino))
    }
}

/// Reads to the end without asking for the size first: of a thousand small files, each call counts. So does clearing more room than they need.
fn read_all(file: &mut File, buffer: &mut Vec<u8>) -> io::Result<()> {
    const ROOM: usize = 4 * 1024;
    loop {
        let start = buffer.len();
        buffer.resize(start + ROOM, 0);
        let count = loop {
            match file.read(&mut buffer[start..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    buffer.truncate(start);
                    return Err(error);
                }
                Ok(count) => break count,
            }
        };
        buffer.truncate(start + count);
        if count < ROOM {
            return Ok(());
        }
    }
}

/// An error unless only the user can write to the folder.
fn check_owner(path: &Path, owner: u32, mode: u32, user: u32) -> Result<()> {
    let path = path.display();
    if owner != user {
        bail!(
            "the state folder {path} belongs to another user (uid {owner}, not {user}), who could tell us to stop anything: nothing was read. \
             Name a folder of your own with --state-dir or RECONCILE_STATE_DIR"
        );
    }
    if mode & 0o022 != 0 {
        bail!("other users can write to the state folder {path} (mode {:04o}): nothing was read. Run `chmod 700 {path}`", mode & 0o7777);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_others_is_refused() {
        let check = |owner, mode| check_owner(Path::new("/s"), owner, mode, 1000).map_err(|error| error.to_string());
        assert_eq!(check(1000, 0o40700), Ok(()));
        assert_eq!(check(1000, 0o40755), Ok(()));
        assert!(check(0, 0o40700).unwrap_err().contains("belongs to another user (uid 0, not 1000)"));
        assert!(check(1000, 0o40770).unwrap_err().contains("(mode 0770): nothing was read. Run `chmod 700 /s`"));
        assert!(check(1000, 0o40702).is_err());
        assert!(check(1000, 0o41777).is_err());
    }

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::make(&root.path().join("a/b")).unwrap();
        let mut buffer = Vec::new();
        assert!(!folder.read("x", &mut buffer).unwrap());
        let long = vec![7; 40_000];
        for content in [&b"one"[..], b"", &long] {
            for lasting in [Lasting::UntilBoot, Lasting::ForGood] {
                folder.replace("x", content, lasting).unwrap();
                assert!(folder.read("x", &mut buffer).unwrap());
                assert_eq!(buffer, content);
            }
        }
        let all = std::fs::read_dir(root.path().join("a/b")).unwrap().count();
        assert_eq!((all, folder.names().unwrap()), (1, vec!["x".to_owned()]));
    }

    #[test]
    fn a_link_is_not_followed() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("outside"), "secret").unwrap();
        let folder = Folder::make(&root.path().join("state")).unwrap();
        std::os::unix::fs::symlink("../outside", root.path().join("state/x")).unwrap();
        assert!(folder.read("x", &mut Vec::new()).is_err());
        folder.replace("x", b"ours", Lasting::UntilBoot).unwrap();
        assert_eq!(std::fs::read_to_string(root.path().join("outside")).unwrap(), "secret");
    }

    #[test]
    fn a_file_is_created_once() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::make(root.path()).unwrap();
        assert!(folder.create("key", b"first").unwrap());
        assert!(!folder.create("key", b"second").unwrap());
        assert_eq!(std::fs::read(root.path().join("key")).unwrap(), b"first");
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
