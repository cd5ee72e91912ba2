//! Files that only we can write: reached through the handle of their folder, replaced in one step. Knows nothing of what is in them.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::crash;
use super::unremembered::is_full;
use crate::quit;
use crate::safe_open::{MAX_SIZE, WrittenBy, irregular, regular, written_by};

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

/// What a folder is for: it decides what a person is told who must set it right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To remember a fleet.
    State,
    /// To hold notes: a folder that the manifest names, anywhere.
    Notes,
}

/// How a folder looks from outside: equal while no name in it was made, moved or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    folder: (u64, u64),
    modified: i64,
    changed: i64,
}

/// A folder that nobody else can write to.
#[derive(Debug)]
pub(super) struct Folder {
    handle: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// The folder of state, or none if there is none. An error if it is not ours alone.
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        Self::open_for(Purpose::State, path)
    }

    /// The folder of state, made with mode 0700 if there is none. An error if it is not ours alone.
    pub(super) fn make(path: &Path) -> Result<Self> {
        Self::make_for(Purpose::State, path)
    }

    /// The folder, or none if there is none. An error if it is not ours alone.
    pub(super) fn open_for(purpose: Purpose, path: &Path) -> Result<Option<Self>> {
        // Only its place: to open it for reading is news to whoever watches it, such as ourselves.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(handle) => handle,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::NOTDIR) => {
                let advice = match purpose {
                    Purpose::State => "name another place with --state-dir",
                    Purpose::Notes => "name another place in the manifest",
                };
                bail!("{} is not a folder: move it away, or {advice}", path.display())
            }
            Err(error) => return Err(error).with_context(|| format!("cannot open the folder {}", path.display())),
        };
        let stat = rustix::fs::fstat(&handle).with_context(|| format!("cannot look at the folder {}", path.display()))?;
        let writers = written_by(stat.st_uid, stat.st_gid, stat.st_mode);
        check_owner(purpose, path, stat.st_uid, stat.st_mode, rustix::process::geteuid().as_raw(), writers)?;
        Ok(Some(Self { handle, path: path.to_owned() }))
    }

    /// The folder, made with mode 0700 if there is none. An error if it is not ours alone.
    pub(super) fn make_for(purpose: Purpose, path: &Path) -> Result<Self> {
        if let Some(folder) = Self::open_for(purpose, path)? {
            return Ok(folder);
        }
        let make = || crash::step().and_then(|()| DirBuilder::new().recursive(true).mode(0o700).create(path));
        make().with_context(|| format!("cannot make the folder {}", path.display()))?;
        Self::open_for(purpose, path)?.with_context(|| format!("the folder {} vanished while it was being made", path.display()))
    }

    /// The path of a file in it, for messages.
    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The names of all files that are complete, in no order.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        let mut names = self.all_names()?;
        names.retain(|name| !name.starts_with('.'));
        Ok(names)
    }

    /// All names, also those that begin with a dot, in no order.
    pub(super) fn all_names(&self) -> Result<Vec<String>> {
        let listing = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in rustix::fs::Dir::new(self.readable()?)? {
                // Names that are not text are not ours.
                if let Ok(name) = entry?.file_name().to_str()
                    && !matches!(name, "." | "..")
                {
                    names.push(name.to_owned());
                }
            }
            Ok(names)
        };
        listing().with_context(|| format!("cannot list the folder {}", self.path.display()))
    }

    fn readable(&self) -> io::Result<OwnedFd> {
        Ok(rustix::fs::openat(&self.handle, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
    }

    /// Opens a regular file in it. Never follows a link, never waits for what else may have that name, never leaves the handle to a child.
    pub(super) fn open_file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let in_the_way = |what: io::Error| io::Error::new(what.kind(), format!("{what}: move it away"));
        match rustix::fs::openat(&self.handle, name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(handle) => regular(File::from(handle)).map_err(in_the_way),
            Err(error @ (Errno::LOOP | Errno::NXIO | Errno::ISDIR)) => Err(irregular(&self.path_of(name)).map_or(error.into(), in_the_way)),
            Err(error) => Err(error.into()),
        }
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
        let _whole = quit::writing();
        self.replace_in_steps(name, content, lasting).with_context(|| format!("cannot write {}", self.path_of(name).display()))
    }

    fn replace_in_steps(&self, name: &str, content: &[u8], lasting: Lasting) -> io::Result<()> {
        let unfinished = self.write_unfinished(name, content, lasting)?;
        if let Err(error) = self.rename(&unfinished, name) {
            let _ = self.remove(&unfinished);
            return Err(error);
        }
        if lasting == Lasting::ForGood {
            self.sync()?;
        }
        Ok(())
    }

    /// Writes a file unless it is there already; false if it is.
    pub(super) fn create(&self, name: &str, content: &[u8]) -> io::Result<bool> {
        let _whole = quit::writing();
        let unfinished = self.write_unfinished(name, content, Lasting::ForGood)?;
        crash::step()?;
        let linked = rustix::fs::linkat(&self.handle, &unfinished, &self.handle, name, AtFlags::empty());
        self.remove(&unfinished)?;
        match linked {
            Ok(()) => self.sync().map(|()| true),
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn write_unfinished(&self, name: &str, content: &[u8], lasting: Lasting) -> io::Result<String> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let unfinished = format!(".{name}.{}.{count}{UNFINISHED}", std::process::id());
        if let Err(error) = self.write_at_once(&unfinished, content, lasting) {
            let _ = self.remove(&unfinished);
            return Err(error);
        }
        Ok(unfinished)
    }

    /// Writes a file that nobody reads yet, in place of one that was left by a process that died here.
    pub(super) fn write_at_once(&self, name: &str, content: &[u8], lasting: Lasting) -> io::Result<()> {
        let mut file = self.create_anew(name)?;
        file.write_all(content)?;
        match lasting {
            Lasting::UntilBoot => Ok(()),
            Lasting::ForGood => file.sync_all(),
        }
    }

    /// A new empty file, in place of one that was left by a process that died here.
    pub(super) fn create_anew(&self, name: &str) -> io::Result<File> {
        let create = || -> io::Result<File> {
            crash::step()?;
            self.open_file(name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)
        };
        let file = match create() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.remove(name)?;
                create()?
            }
            outcome => outcome?,
        };
        crash::step()?;
        Ok(file)
    }

    /// Gives a file another name; what had that name before is gone.
    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.move_to(from, self, to)
    }

    /// Moves a file to another folder of the same filesystem; what had that name before is gone.
    pub(super) fn move_to(&self, from: &str, folder: &Self, to: &str) -> io::Result<()> {
        crash::step()?;
        rustix::fs::renameat(&self.handle, from, &folder.handle, to)?;
        Ok(())
    }

    /// Moves a file to a name that is free; false if it is not.
    pub(super) fn move_to_free(&self, from: &str, folder: &Self, to: &str) -> io::Result<bool> {
        crash::step()?;
        match rustix::fs::renameat_with(&self.handle, from, &folder.handle, to, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            // A filesystem that cannot do both in one step.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => match folder.stat(to)? {
                Some(_) => Ok(false),
                None => Ok(rustix::fs::renameat(&self.handle, from, &folder.handle, to).map(|()| true)?),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a file; it is no error if there is none.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        crash::step()?;
        match rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// What changes whenever a name in it does.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        let stat = rustix::fs::fstat(&self.handle).ok()?;
        let nanos = |seconds: i64, nanos: i64| seconds.wrapping_mul(1_000_000_000).wrapping_add(nanos);
        Some(Stamp {
            folder: (stat.st_dev, stat.st_ino),
            modified: nanos(stat.st_mtime, stat.st_mtime_nsec.cast_signed()),
            changed: nanos(stat.st_ctime, stat.st_ctime_nsec.cast_signed()),
        })
    }

    /// Removes what writers left that died before they were done. Only for the one who holds the lock: no other writer can be at work then.
    pub(super) fn sweep(&self) -> Result<()> {
        let sweep = || -> io::Result<()> {
            for entry in rustix::fs::Dir::new(self.readable()?)? {
                let entry = entry?;
                if let Ok(name) = entry.file_name().to_str()
                    && name.starts_with('.')
                    && name.ends_with(UNFINISHED)
                {
                    match self.remove(name) {
                        // It does no harm.
                        Err(error) if is_full(&error) => {}
                        outcome => outcome?,
                    }
                }
            }
            Ok(())
        };
        sweep().with_context(|| format!("cannot clear the folder {}", self.path.display()))
    }

    /// Makes what happened to names in it last.
    pub(super) fn sync(&self) -> io::Result<()> {
        crash::step()?;
        Ok(rustix::fs::fsync(self.readable()?)?)
    }

    /// What has this name now, a link itself and not what it leads to; none if there is none.
    pub(super) fn stat(&self, name: &str) -> io::Result<Option<Stat>> {
        match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The identity of the file that has this name now; none if there is none.
    pub(super) fn identity(&self, name: &str) -> Option<(u64, u64)> {
        let stat = self.stat(name).ok()??;
        Some((stat.st_dev, stat.st_ino))
    }
}

/// Reads to the end without asking for the size first: of a thousand small files, each call counts. So does clearing more room than they need. No
/// more is read than a file of ours has.
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
        if buffer.len() as u64 > MAX_SIZE {
            return Err(io::Error::other("it is larger than 16 MiB: move it away"));
        }
    }
}

/// An error unless only the user can write to the folder.
fn check_owner(purpose: Purpose, path: &Path, owner: u32, mode: u32, user: u32, writers: WrittenBy) -> Result<()> {
    let path = path.display();
    if owner != user {
        match purpose {
            Purpose::State => bail!(
                "the state folder {path} belongs to another user (uid {owner}, not {user}), who could tell us to stop anything: nothing was read. \
                 Name a folder of your own with --state-dir or RECONCILE_STATE_DIR"
            ),
            Purpose::Notes => bail!(
                "the folder {path} belongs to another user (uid {owner}, not {user}), who could tell an agent anything: nothing was touched. \
                 Name a folder of your own in the manifest"
            ),
        }
    }
    if writers != WrittenBy::Us {
        let mode = mode & 0o7777;
        match purpose {
            Purpose::State => {
                bail!("other users can write to the state folder {path} (mode {mode:04o}): nothing was read. Run `chmod 700 {path}`")
            }
            Purpose::Notes => {
                bail!("other users can write to the folder {path} (mode {mode:04o}): nothing was touched. Run `chmod go-w {path}`")
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_others_is_refused() {
        let writers = |mode: u32| if mode & 0o022 == 0 { WrittenBy::Us } else { WrittenBy::Everybody { mode } };
        let check =
            |owner, mode| check_owner(Purpose::State, Path::new("/s"), owner, mode, 1000, writers(mode)).map_err(|error| error.to_string());
        assert_eq!(check(1000, 0o40700), Ok(()));
        assert_eq!(check(1000, 0o40755), Ok(()));
        assert!(check(0, 0o40700).unwrap_err().contains("belongs to another user (uid 0, not 1000)"));
        assert!(check(1000, 0o40770).unwrap_err().contains("(mode 0770): nothing was read. Run `chmod 700 /s`"));
        assert!(check(1000, 0o40702).is_err());
        assert!(check(1000, 0o41777).is_err());
        let notes = |owner, mode| check_owner(Purpose::Notes, Path::new("/n"), owner, mode, 1000, writers(mode)).unwrap_err().to_string();
        assert!(notes(0, 0o40700).contains("belongs to another user (uid 0, not 1000)"));
        assert!(notes(1000, 0o40775).ends_with("(mode 0775): nothing was touched. Run `chmod go-w /n`"));
    }

    #[test]
    fn a_name_that_is_taken_is_not_given_again() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::make(root.path()).unwrap();
        for name in ["a", "b"] {
            folder.write_at_once(name, name.as_bytes(), Lasting::UntilBoot).unwrap();
        }
        assert!(!folder.move_to_free("a", &folder, "b").unwrap());
        assert_eq!(std::fs::read(root.path().join("b")).unwrap(), b"b");
        assert!(folder.move_to_free("a", &folder, "c").unwrap());
        assert_eq!(folder.move_to_free("a", &folder, "d").unwrap_err().kind(), io::ErrorKind::NotFound);
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
    fn what_is_no_regular_file_is_named_and_never_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::make(root.path()).unwrap();
        let at = |name: &str| root.path().join(name);
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        std::os::unix::fs::symlink(at("pipe"), at("link")).unwrap();
        File::create(at("huge")).unwrap().set_len(MAX_SIZE + 4096).unwrap();
        for (name, what) in [("pipe", "a named pipe"), ("socket", "a socket"), ("folder", "a folder"), ("link", "a symbolic link")] {
            let expected = format!("it is not a regular file but {what}: move it away");
            assert_eq!(folder.read(name, &mut Vec::new()).unwrap_err().to_string(), expected);
            for flags in [OFlags::RDWR | OFlags::CREATE, OFlags::WRONLY | OFlags::APPEND] {
                assert_eq!(folder.open_file(name, flags).unwrap_err().to_string(), expected, "{flags:?}");
            }
        }
        assert_eq!(folder.read("huge", &mut Vec::new()).unwrap_err().to_string(), "it is larger than 16 MiB: move it away");
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
