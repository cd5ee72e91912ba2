//! News of files: what somebody attends to has changed, or an answer has come. Nothing is looked at again and again.
//!
//! Folders are watched and not files: an editor puts another file in the place of the one that it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Config, RecommendedWatcher, RecursiveMode, Watcher};

/// More links than this one after the other lead in a circle.
const LINKS: usize = 40;

/// Rung by whoever has news; readable until it was heard.
#[derive(Clone, Debug)]
pub(super) struct Bell(Arc<UnixStream>);

impl Bell {
    /// Says that there is news.
    pub(super) fn ring(&self) {
        // A bell that is full rings already.
        let _ = (&*self.0).write(&[1]);
    }
}

/// What is attended to.
#[derive(Debug, Default)]
struct Interest {
    files: BTreeSet<PathBuf>,
    folders: BTreeSet<PathBuf>,
}

impl Interest {
    fn covers(&self, path: &Path) -> bool {
        self.files.contains(path) || self.folders.contains(path) || path.parent().is_some_and(|parent| self.folders.contains(parent))
    }
}

/// News of files, and of whoever has the bell.
#[derive(Debug)]
pub(super) struct News {
    heard: UnixStream,
    bell: Bell,
    interest: Arc<Mutex<Interest>>,
    /// None where the machine tells of no changes: then only the clock wakes.
    watcher: Option<RecommendedWatcher>,
    /// The folders that are watched, and which ones they were.
    watched: BTreeMap<PathBuf, (u64, u64)>,
    /// Why some changes are not told.
    blind: Option<String>,
}

impl News {
    pub(super) fn new() -> std::io::Result<Self> {
        let (heard, rung) = UnixStream::pair()?;
        heard.set_nonblocking(true)?;
        rung.set_nonblocking(true)?;
        let bell = Bell(Arc::new(rung));
        let interest = Arc::new(Mutex::new(Interest::default()));
        let (told, known) = (bell.clone(), Arc::clone(&interest));
        let hear = move |event: notify::Result<notify::Event>| {
            if is_news(&event, &known.lock().unwrap_or_else(PoisonError::into_inner)) {
                told.ring();
            }
        };
        let (watcher, blind) = match RecommendedWatcher::new(hear, Config::default()) {
            Ok(watcher) => (Some(watcher), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Ok(Self { heard, bell, interest, watcher, watched: BTreeMap::new(), blind })
    }

    /// Why some changes of files are not told, but found when the clock wakes; none if all are.
    pub(super) fn blind(&self) -> Option<&str> {
        self.blind.as_deref()
    }

    pub(super) fn bell(&self) -> Bell {
        self.bell.clone()
    }

    pub(super) fn notice(&self) -> BorrowedFd<'_> {
        self.heard.as_fd()
    }

    /// Takes note of all that has come.
    pub(super) fn hear(&self) {
        let mut buffer = [0; 256];
        while matches!((&self.heard).read(&mut buffer), Ok(length) if length > 0) {}
    }

    /// Attends to these files, and to what is in these folders, in place of what was attended to before. A folder that is another one than it
    /// was is watched anew; of one that is not there, the one above is watched until it is.
    pub(super) fn attend(&mut self, files: &BTreeSet<PathBuf>, folders: &BTreeSet<PathBuf>) {
        let mut interest = Interest { files: files.clone(), folders: folders.clone() };
        // What a link leads to changes elsewhere.
        let real = |path: &PathBuf| path.canonicalize().ok().filter(|real| real != path);
        interest.files.extend(files.iter().filter_map(real));
        interest.folders.extend(folders.iter().filter_map(real));
        let mut wanted = BTreeSet::new();
        let mut steps = Vec::new();
        // And which one it is that it leads to, at any of its folders.
        let ways: BTreeSet<PathBuf> = files.iter().chain(folders).flat_map(|path| links(path)).collect();
        interest.files.extend(ways);
        let parents = interest.files.iter().filter_map(|file| file.parent());
        for folder in parents.chain(interest.folders.iter().map(PathBuf::as_path)) {
            let mut there = folder;
            while !there.is_dir() {
                let Some(parent) = there.parent() else { break };
                steps.push(there.to_owned());
                there = parent;
            }
            wanted.insert(there.to_owned());
        }
        interest.files.extend(steps);
        // That a watched folder is gone is news too.
        interest.files.extend(wanted.iter().cloned());
        *self.interest.lock().unwrap_or_else(PoisonError::into_inner) = interest;
        let Some(watcher) = &mut self.watcher else { return };
        self.blind = None;
        let identity = |path: &Path| std::fs::metadata(path).map(|stat| (stat.dev(), stat.ino())).ok();
        self.watched.retain(|path, known| {
            let stays = wanted.contains(path) && identity(path) == Some(*known);
            if !stays {
                // The watch of a folder that is gone went with it.
                let _ = watcher.unwatch(path);
            }
            stays
        });
        for path in wanted {
            let Some(identity) = identity(&path).filter(|_| !self.watched.contains_key(&path)) else { continue };
            // Too many watches, or none on this kind of disk: the clock wakes all the same.
            match watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.watched.insert(path, identity)),
                Err(error) => self.blind = Some(format!("{}: {error}", path.display())),
            }
        }
    }
}

/// The links on the way to a path, and where they lead, whether or not something is there: the places where something else may take over what it
/// leads to.
fn links(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut rest = path.to_owned();
    'ways: while found.len() < LINKS {
        let mut at = PathBuf::new();
        let mut parts = rest.components();
        while let Some(part) = parts.next() {
            at.push(part);
            if let Ok(target) = std::fs::read_link(&at) {
                let next = at.parent().unwrap_or(Path::new("/")).join(target).join(parts.as_path());
                found.push(at);
                rest = next;
                continue 'ways;
            }
        }
        break;
    }
    // What is there is known by its real path.
    if (1..LINKS).contains(&found.len()) && !rest.exists() {
        let real = rest.parent().and_then(|folder| folder.canonicalize().ok()).zip(rest.file_name());
        found.push(real.map_or_else(|| rest.clone(), |(folder, name)| folder.join(name)));
    }
    found
}

/// Whether something has changed that is attended to, or may have.
fn is_news(event: &notify::Result<notify::Event>, interest: &Interest) -> bool {
    let Ok(event) = event else { return true };
    let changes = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => true,
    };
    event.need_rescan() || (changes && event.paths.iter().any(|path| interest.covers(path)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::process;

    fn rings(news: &News) -> bool {
        let ready = process::wait_any(&[news.notice()], Some(Duration::from_secs(10))).unwrap();
        news.hear();
        !ready.is_empty()
    }

    /// Whether nothing rings although something happened: what follows it in the same folder is told after it, and has rung by then.
    fn is_quiet(news: &mut News, folder: &Path, happens: impl FnOnce()) -> bool {
        happens();
        let after = folder.join("after");
        let before = news.interest.lock().unwrap().files.clone();
        news.interest.lock().unwrap().files = [after.clone()].into();
        std::fs::write(&after, "x").unwrap();
        let rang = rings(news);
        news.interest.lock().unwrap().files = before;
        rang
    }

    #[test]
    fn what_comes_again_where_a_link_leads_is_news() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        for folder in ["config", "real"] {
            std::fs::create_dir(root.join(folder)).unwrap();
        }
        let (link, target) = (root.join("config/constellation.toml"), root.join("real/fleet.toml"));
        std::fs::write(&target, "a").unwrap();
        std::os::unix::fs::symlink("../real/fleet.toml", &link).unwrap();
        let mut news = News::new().unwrap();
        news.attend(&[link.clone()].into(), &BTreeSet::new());
        std::fs::rename(&target, root.join("real/aside")).unwrap();
        assert!(rings(&news));
        // As a watcher does after each news.
        news.attend(&[link].into(), &BTreeSet::new());
        std::fs::write(&target, "b").unwrap();
        assert!(rings(&news));
    }

    #[test]
    fn a_file_that_is_replaced_written_removed_or_comes_again_is_news() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().canonicalize().unwrap().join("config");
        std::fs::create_dir(&folder).unwrap();
        let file = folder.join("constellation.toml");
        std::fs::write(&file, "a").unwrap();
        let mut news = News::new().unwrap();
        let attend = |news: &mut News| news.attend(&[file.clone()].into(), &BTreeSet::new());
        attend(&mut news);
        std::fs::write(folder.join(".swap"), "b").unwrap();
        std::fs::rename(folder.join(".swap"), &file).unwrap();
        assert!(rings(&news), "an editor's rename");
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(rings(&news), "the folder is gone");
        attend(&mut news);
        news.hear();
        std::fs::create_dir(&folder).unwrap();
        assert!(rings(&news), "the folder is there again");
        attend(&mut news);
        news.hear();
        std::fs::write(&file, "c").unwrap();
        assert!(rings(&news), "and the file in it");
        assert!(is_quiet(&mut news, &folder, || std::fs::write(folder.join("other"), "x").unwrap()));
    }

    #[test]
    fn a_change_behind_a_link_and_in_a_folder_is_news() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let (real, teams) = (root.join("real"), root.join("teams"));
        std::fs::create_dir(&real).unwrap();
        std::fs::create_dir(&teams).unwrap();
        std::fs::write(real.join("m.toml"), "a").unwrap();
        std::os::unix::fs::symlink(real.join("m.toml"), root.join("link.toml")).unwrap();
        let mut news = News::new().unwrap();
        news.attend(&[root.join("link.toml")].into(), &[teams.clone()].into());
        std::fs::write(real.join("m.toml"), "b").unwrap();
        assert!(rings(&news), "behind the link");
        std::fs::write(teams.join("one.toml"), "b").unwrap();
        assert!(rings(&news), "in the folder");
        news.bell().ring();
        assert!(rings(&news), "by the bell");
    }

    #[test]
    fn another_folder_in_the_place_of_one_on_the_way_is_news() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let link = |to: &str, name: &str| {
            std::os::unix::fs::symlink(to, root.join("swap")).unwrap();
            std::fs::rename(root.join("swap"), root.join(name)).unwrap();
        };
        for version in ["v1", "v2"] {
            std::fs::create_dir(root.join(version)).unwrap();
            std::fs::write(root.join(version).join("m.toml"), version).unwrap();
        }
        // As volumes of configuration are mounted: the file is a link through a folder that is one.
        link("v1", "data");
        link("data/m.toml", "m.toml");
        assert_eq!(links(&root.join("m.toml")), [root.join("m.toml"), root.join("data")]);
        let mut news = News::new().unwrap();
        news.attend(&[root.join("m.toml")].into(), &BTreeSet::new());
        link("v2", "data");
        assert!(rings(&news));
        link("circle", "circle");
        assert_eq!(links(&root.join("circle/x")).len(), LINKS);
    }

    #[test]
    fn what_cannot_be_watched_is_said() {
        let root = tempfile::tempdir().unwrap();
        let folders = BTreeSet::from([root.path().to_owned()]);
        let mut news = News::new().unwrap();
        news.attend(&BTreeSet::new(), &folders);
        assert_eq!(news.blind(), None);
        news.watcher = None;
        news.blind = Some("no more files can be open".to_owned());
        news.attend(&BTreeSet::new(), &folders);
        assert_eq!(news.blind(), Some("no more files can be open"));
    }
}
