//! The spool, the archive and the dead, and folders on different filesystems.

use std::os::unix::fs::MetadataExt;

use super::super::dead::Why;
use super::super::{archive, dead, spool};
use super::*;

#[test]
fn the_spool_gives_the_oldest_first() {
    let world = World::new();
    let folder = world.path("spool/lead");
    assert_eq!(spool::list(&folder).unwrap(), []);
    // The ids say nothing about the order.
    for (id, second) in [(9, 1), (3, 2), (8, 2), (1, 3)] {
        spool::put(&folder, NoteId::new(id), &format!("{id}"), now(second)).unwrap();
    }
    let earlier = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1);
    let of_8 = folder.join("20261120T140213Z-0000000000000008.note");
    fs::File::open(of_8).unwrap().set_modified(earlier).unwrap();
    fs::write(folder.join("README"), "not ours").unwrap();
    let error = spool::put(&folder, NoteId::new(1), "", now(3)).unwrap_err();
    assert!(error.to_string().contains("already"), "{error}");
    let mut order = Vec::new();
    while let Some(next) = spool::list(&folder).unwrap().first() {
        world.with_route(&next.source, Some(&world.path("inbox")), |route| {
            let Claim::Claimed(note) = claim(route, next.id, now(9)).unwrap() else { panic!() };
            // It is found again while it is claimed.
            assert_eq!((note.id, &spool::list(&folder).unwrap()[0]), (next.id, next));
            order.push(note.text.clone());
            finish(route, &note, now(9), &BTreeSet::new()).unwrap();
        });
    }
    assert_eq!(order, ["9", "8", "3", "1"]);
    assert_eq!(names(&folder), ["README"]);
    assert_eq!(world.names("inbox").len(), 4);
}

#[test]
fn the_archive_keeps_the_newest_and_what_is_pending() {
    let mut world = World::new();
    world.keep = 2;
    make_folder(&world.path("archive"));
    for name in ["notes.txt", "00000000T000000Z-x-y"] {
        fs::write(world.path("archive").join(name), "").unwrap();
    }
    let pending = BTreeSet::from([NoteId::new(1)]);
    for id in 1..=5 {
        world.write(format!("{id}"));
        let note = world.claimed(id);
        let delivered = world.with(|route| finish(route, &note, now(id), &pending).unwrap());
        assert!(delivered.archived.exists());
    }
    let ids = |world: &World| {
        let text = |name: &String| fs::read_to_string(world.path("archive").join(name)).unwrap();
        let id = |name: &String| serde_json::from_str::<Value>(&text(name)).ok()?["text"].as_str()?.parse::<u64>().ok();
        world.names("archive").iter().filter_map(id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&world), [1, 4, 5]);
    assert_eq!(archive::prune(&world.path("archive"), 1, &BTreeSet::new()).unwrap(), 2);
    assert_eq!((ids(&world), world.names("archive").len()), (vec![5], 3));
    assert_eq!(archive::prune(&world.path("nowhere"), 1, &BTreeSet::new()).unwrap(), 0);
    // Even if none is to be kept, the one that was just delivered is.
    world.keep = 0;
    world.write("6");
    assert!(world.finish(&world.claimed(6)).unwrap().archived.exists());
}

#[test]
fn copies_of_an_earlier_version_are_found_and_pruned() {
    let world = World::new();
    make_folder(&world.path("archive"));
    write(&world.path("archive/20261120T140212Z-00000000000000ab-note.md"), "go on");
    let find = |id: u64| archive::text(&world.path("archive"), NoteId::new(id)).unwrap();
    assert_eq!((find(0xab), find(0xac)), (Some("go on".to_owned()), None));
    world.write("more");
    world.finish(&world.claimed(0xac)).unwrap();
    assert_eq!((find(0xab), find(0xac)), (Some("go on".to_owned()), Some("more".to_owned())));
    assert_eq!(archive::prune(&world.path("archive"), 0, &BTreeSet::from([NoteId::new(0xab)])).unwrap(), 1);
    assert_eq!((find(0xab), find(0xac)), (Some("go on".to_owned()), None));
    assert_eq!(archive::prune(&world.path("archive"), 0, &BTreeSet::new()).unwrap(), 1);
}

#[test]
fn a_letter_that_is_retried_is_young_again() {
    let mut world = World::new();
    world.expires = Some(Duration::from_secs(60));
    world.write("old");
    let late = now(1_000_000_000);
    let (folder, spool) = (world.path("dead"), world.path("spool"));
    assert!(matches!(world.with(|route| claim(route, NoteId::new(1), late)).unwrap(), Claim::Dead { .. }));
    assert_eq!(dead::retry(&folder, NoteId::new(2), &spool, late).unwrap(), None);
    let source = dead::retry(&folder, NoteId::new(1), &spool, late).unwrap().unwrap();
    assert_eq!(spool::list(&spool).unwrap(), [spool::Spooled { id: NoteId::new(1), source: source.clone() }]);
    let claimed = world.with_route(&source, None, |route| claim(route, NoteId::new(1), late + Duration::from_secs(60))).unwrap();
    assert_eq!(claimed, Claim::Claimed(Note { id: NoteId::new(1), text: "old".to_owned() }));
}

#[test]
fn the_dead_are_removed_only_when_asked_and_oldest_first() {
    let world = World::new();
    let folder = world.path("dead");
    for id in 1..=4 {
        world.write([0xff]);
        // The later the id, the earlier.
        assert!(matches!(world.with(|route| claim(route, NoteId::new(id), now(10 - id))).unwrap(), Claim::Dead { .. }));
    }
    let ids = || dead::list(&folder).unwrap().iter().map(|letter| letter.id).collect::<Vec<_>>();
    assert_eq!(ids(), [4, 3, 2, 1].map(NoteId::new));
    assert_eq!(dead::prune(&folder, 3).unwrap(), 1);
    assert_eq!((ids(), world.names("dead").len()), ([3, 2, 1].map(NoteId::new).to_vec(), 6));
    assert_eq!(dead::prune(&folder, 0).unwrap(), 3);
    assert_eq!((world.names("dead").len(), dead::prune(&world.path("nowhere"), 0).unwrap()), (0, 0));
}

#[test]
fn what_is_known_of_a_dead_letter_is_understood_in_every_version() {
    let world = World::new();
    let folder = world.path("dead");
    make_folder(&folder);
    let v1 = r#"{"version":1,"id":"00000000000000ab","to":"lead","from":"lead-7","source":"/w/note.md","why":"it is not UTF-8 text","at":"2026-11-20T14:02:11Z"}"#;
    fs::write(folder.join("00000000000000ab-note.md"), "x").unwrap();
    let why = folder.join("00000000000000ab-note.md.why.json");
    let read = |text: &str| {
        fs::write(&why, text).unwrap();
        dead::list(&folder).unwrap().remove(0).why
    };
    let known: Why = read(v1).unwrap();
    assert_eq!(serde_json::to_string(&known).unwrap(), v1);
    // A newer one, or a damaged one, hides no letter.
    assert_eq!(read(&v1.replace("\"version\":1", "\"version\":2")), None);
    assert_eq!(read("{"), None);
    fs::remove_file(&why).unwrap();
    assert_eq!(dead::show(&folder, NoteId::new(0xab)).unwrap().unwrap().1, "x");
}

#[test]
fn every_folder_may_be_on_a_filesystem_of_its_own() {
    let Ok(other) = tempfile::tempdir_in("/dev/shm") else { return };
    let folder = other.path().join("work");
    make_folder(&folder);
    let source = folder.join("note.md");
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    // Delivered, or dead: what is then in inbox, archive and the folder of the dead.
    for (content, expected) in [(&b"text"[..], [1, 1, 0]), (&[0xff], [0, 0, 2])] {
        let steps = (0..MANY).find(|steps| {
            let world = World::new();
            let inbox = world.path("inbox");
            let run = |id| {
                world.with_route(&source, Some(&inbox), |route| match claim(route, NoteId::new(id), now(id))? {
                    Claim::Claimed(note) => finish(route, &note, now(id), &BTreeSet::new()).map(drop),
                    Claim::Nothing | Claim::Dead { .. } => Ok(()),
                    Claim::Unusable(why) => panic!("{why}"),
                })
            };
            write(&source, content);
            let (_, died) = crash::at(*steps, || {}, || run(1));
            run(100).unwrap();
            assert_eq!(["inbox", "archive", "dead"].map(|part| world.names(part).len()), expected, "dies at {steps}");
            assert!(names(&folder).is_empty(), "dies at {steps}");
            let apart = device(world.root.path()) != device(other.path());
            assert!(died || !apart || *steps >= 12, "dies at {steps} steps only");
            !died
        });
        assert!(steps.is_some());
    }
}
