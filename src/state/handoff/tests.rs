//! Notes through every crash: the program dies before each step in turn, and others read and write meanwhile.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;

use super::super::crash;
use super::{Claim, Delivered, Look, Note, NoteId, Route, Stage, claim, finish, look, put};
use crate::desired::AgentName;
use crate::time::{Duration, Timestamp};

mod crashes;
mod folders;
mod refusals;

/// More steps than anything here takes.
const MANY: usize = 500;

/// A note's folders, each of its own.
struct World {
    root: tempfile::TempDir,
    agent: AgentName,
    expires: Option<Duration>,
    keep: usize,
}

impl World {
    fn new() -> Self {
        let world = Self { root: tempfile::tempdir().unwrap(), agent: "lead".parse().unwrap(), expires: None, keep: 100 };
        make_folder(&world.path("work"));
        world
    }

    fn path(&self, part: &str) -> PathBuf {
        self.root.path().join(part)
    }

    fn source(&self) -> PathBuf {
        self.path("work/note.md")
    }

    fn write(&self, text: impl AsRef<[u8]>) {
        write(&self.source(), text);
    }

    /// What is in a folder, hidden or not, in order.
    fn names(&self, part: &str) -> Vec<String> {
        names(&self.path(part))
    }

    /// Does something with the route of the note.
    fn with<T>(&self, work: impl FnOnce(&Route<'_>) -> T) -> T {
        let (source, inbox) = (self.source(), self.path("inbox"));
        self.with_route(&source, Some(&inbox), work)
    }

    fn with_route<T>(&self, source: &Path, inbox: Option<&Path>, work: impl FnOnce(&Route<'_>) -> T) -> T {
        work(&Route {
            source,
            inbox,
            archive: &self.path("archive"),
            dead: &self.path("dead"),
            from: "lead-7",
            to: &self.agent,
            keep: self.keep,
            max_size: 1_000,
            expires: self.expires,
        })
    }

    fn claim(&self, id: u64) -> Claim {
        self.with(|route| claim(route, NoteId::new(id), now(id)).unwrap())
    }

    /// The note that is claimed with this id.
    fn claimed(&self, id: u64) -> Note {
        match self.claim(id) {
            Claim::Claimed(note) => note,
            other @ (Claim::Nothing | Claim::Dead { .. } | Claim::Unusable(_)) => panic!("{other:?}"),
        }
    }

    fn finish(&self, note: &Note) -> anyhow::Result<Delivered> {
        self.with(|route| finish(route, note, now(1), &BTreeSet::new()))
    }
}

/// A time at which a note that was just written is not old.
fn now(second: u64) -> Timestamp {
    "2026-11-20T14:02:11Z".parse::<jiff::Timestamp>().map(|time| Timestamp::from_millis(time.as_millisecond())).unwrap()
        + Duration::from_secs(second)
}

/// Writes a file as its user alone can, whatever the umask is.
fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn make_folder(path: &Path) {
    fs::DirBuilder::new().mode(0o700).create(path).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The envelopes that a reader finds, which passes over names with a dot.
fn envelopes(inbox: &Path) -> Vec<(PathBuf, Value)> {
    let visible = names(inbox).into_iter().filter(|name| !name.starts_with('.')).map(|name| inbox.join(name));
    visible.map(|path| (path.clone(), serde_json::from_slice(&fs::read(path).unwrap()).unwrap())).collect()
}

/// A reader that takes every envelope as soon as it is there, and what it has read.
fn reader(inbox: PathBuf, read: Rc<RefCell<Vec<Value>>>) -> impl FnMut() + 'static {
    move || {
        for (path, envelope) in envelopes(&inbox) {
            fs::remove_file(path).unwrap();
            read.borrow_mut().push(envelope);
        }
    }
}

#[test]
fn a_note_is_delivered_archived_and_gone() {
    let world = World::new();
    world.write("go on with \"x\"\n");
    let Look::Note { stage: Stage::Waiting, bytes: 15, .. } = look(&world.source()) else { panic!() };
    let note = world.claimed(0xab);
    assert_eq!(look(&world.source()), {
        let modified_at = fs::metadata(world.path("work/.note.md.00000000000000ab.claimed")).unwrap().modified().unwrap();
        let millis = modified_at.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
        Look::Note { stage: Stage::Claimed(note.id), bytes: 15, modified_at: Timestamp::from_millis(millis.try_into().unwrap()) }
    });
    let delivered = world.finish(&note).unwrap();
    let envelope = delivered.envelope.unwrap();
    assert_eq!(
        fs::read_to_string(&envelope).unwrap(),
        r#"{"version":1,"id":"00000000000000ab","from":"lead-7","to":"lead","text":"go on with \"x\"\n","ts":"2026-11-20T14:02:12Z"}"#
    );
    let name = envelope.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with(&format!("20261120T140212Z-{}-", std::process::id())) && name.ends_with("-from-lead-7.json"), "{name}");
    // The copy is the envelope, byte by byte and under the same name.
    assert_eq!(delivered.archived, world.path("archive").join(envelope.file_name().unwrap()));
    assert_eq!(fs::read(&delivered.archived).unwrap(), fs::read(&envelope).unwrap());
    assert_eq!((delivered.id, delivered.bytes), (note.id, 15));
    assert_eq!((world.names("work").len(), world.names("inbox").len(), world.names("archive").len()), (0, 1, 1));
    assert_eq!((look(&world.source()), world.claim(2)), (Look::Nothing, Claim::Nothing));
    // Once more is not twice.
    let again = world.finish(&note).unwrap();
    assert_eq!((again.envelope, again.archived), (None, delivered.archived));
    assert_eq!(world.names("inbox").len(), 1);
}

#[test]
fn what_is_made_is_for_its_user_only() {
    let world = World::new();
    world.write("secret");
    world.finish(&world.claimed(1)).unwrap();
    for (part, mode) in [("inbox", 0o700), ("archive", 0o700)] {
        let folder = world.path(part);
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, mode, "{part}");
        assert_eq!(fs::metadata(folder.join(&world.names(part)[0])).unwrap().permissions().mode() & 0o777, 0o600, "{part}");
    }
}

#[test]
fn without_an_inbox_there_is_only_the_copy() {
    let world = World::new();
    world.write("text");
    let source = world.source();
    world.with_route(&source, None, |route| {
        let Claim::Claimed(note) = claim(route, NoteId::new(1), now(1)).unwrap() else { panic!() };
        let delivered = finish(route, &note, now(1), &BTreeSet::new()).unwrap();
        assert_eq!(delivered.envelope, None);
        assert_eq!(super::archive::find(route.archive, note.id).unwrap(), Some(delivered.archived));
    });
    assert_eq!((world.names("work").len(), world.names("inbox").len()), (0, 0));
}

#[test]
fn an_envelope_that_is_there_is_not_overwritten() {
    let world = World::new();
    world.write("text");
    let note = world.claimed(1);
    // Dies after the envelope is written, before it is shown; then somebody takes its name.
    let unseen = (0..MANY)
        .find_map(|steps| {
            let _ = crash::at(steps, || {}, || world.finish(&note));
            world.names("work")[0].ends_with(".written").then(|| world.names("inbox")[0].clone())
        })
        .unwrap();
    let taken = unseen.strip_prefix(".0000000000000001.").unwrap().strip_suffix(".tmp").unwrap();
    fs::write(world.path("inbox").join(taken), "not ours").unwrap();
    let envelope = world.finish(&note).unwrap().envelope.unwrap();
    assert_eq!(fs::read_to_string(world.path("inbox").join(taken)).unwrap(), "not ours");
    assert_eq!(serde_json::from_slice::<Value>(&fs::read(envelope).unwrap()).unwrap()["text"], "text");
    assert_eq!(world.names("inbox").len(), 2);
}

#[test]
fn put_is_whole_and_refuses_a_second() {
    let world = World::new();
    let path = world.path("new/folder/note");
    assert!(put(&path, "first").unwrap());
    assert!(!put(&path, "second").unwrap());
    assert_eq!((fs::read_to_string(&path).unwrap(), world.names("new/folder")), ("first".to_owned(), vec!["note".to_owned()]));
}

#[test]
fn put_and_a_crash_leave_all_or_nothing() {
    for steps in 0..MANY {
        let world = World::new();
        let source = world.source();
        let (_, died) = crash::at(steps, || {}, || put(&source, "text"));
        assert!(fs::read(&source).is_err() || fs::read(&source).unwrap() == b"text");
        let _ = put(&source, "text").unwrap();
        assert_eq!(world.claimed(1).text, "text");
        if !died {
            assert!(steps > 3);
            return;
        }
    }
    panic!("put has no end");
}
