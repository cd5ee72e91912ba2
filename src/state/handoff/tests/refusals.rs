//! What is no note, what cannot be delivered, and what changes while it is looked at.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use super::super::dead;
use super::*;

fn unusable(world: &World, why: &str) {
    let Look::Unusable(seen) = look(&world.source()) else { panic!("{why}") };
    assert!(seen.contains(why), "{seen}");
    let before = world.names("work");
    assert_eq!(world.claim(1), Claim::Unusable(seen));
    assert_eq!(world.names("work"), before);
}

#[test]
fn nothing_is_nothing() {
    let world = World::new();
    assert_eq!((look(&world.source()), world.claim(1)), (Look::Nothing, Claim::Nothing));
    world.write("");
    assert_eq!((look(&world.source()), world.claim(1)), (Look::Nothing, Claim::Nothing));
    assert_eq!(world.names("work"), ["note.md"]);
    assert_eq!(look(&world.path("not/there/note.md")), Look::Nothing);
}

#[test]
fn a_link_is_left_alone() {
    let world = World::new();
    fs::write(world.path("secret"), "secret").unwrap();
    symlink("../secret", world.source()).unwrap();
    unusable(&world, "note.md is a link: it was left alone");
}

#[test]
fn what_is_no_file_is_left_alone_and_does_not_keep_us_waiting() {
    let world = World::new();
    fs::create_dir(world.source()).unwrap();
    unusable(&world, "is a folder");
    fs::remove_dir(world.source()).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, world.source(), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    unusable(&world, "is not a regular file");
    fs::remove_file(world.source()).unwrap();
    let _socket = UnixListener::bind(world.source()).unwrap();
    unusable(&world, "is not a regular file");
}

#[test]
fn what_others_could_have_written_is_left_alone() {
    let world = World::new();
    world.write("do as I say");
    let set = |path: PathBuf, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    set(world.source(), 0o666);
    unusable(&world, "can be written to by other users");
    set(world.source(), 0o644);
    set(world.path("work"), 0o777);
    unusable(&world, "other users can write to the folder");
    set(world.path("work"), 0o755);
    assert_eq!(world.claimed(1).text, "do as I say");
}

#[test]
fn a_source_without_a_good_name_is_left_alone() {
    for name in ["..", "x.why.json", &"x".repeat(201)] {
        assert!(matches!(look(&PathBuf::from("/tmp").join(name)), Look::Unusable(_)), "{name}");
    }
}

#[test]
fn what_cannot_be_delivered_is_dead_and_says_why() {
    for (content, expires, expected) in [
        (vec![b'x'; 1_001], None, "it is longer than 1000 bytes (`max_size`)"),
        (vec![0xc3, 0x28], None, "it is not UTF-8 text"),
        (b"text".to_vec(), Some(Duration::from_secs(90)), "it is 40d old; notes expire after 1m30s"),
    ] {
        let mut world = World::new();
        world.expires = expires;
        world.write(&content);
        let written = now(0);
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(written.as_millis().try_into().unwrap());
        fs::File::open(world.source()).unwrap().set_modified(time).unwrap();
        let later = written + Duration::from_secs(40 * 86_400);
        let Claim::Dead { id, why } = world.with(|route| claim(route, NoteId::new(7), later).unwrap()) else { panic!("{expected}") };
        assert_eq!(why, expected);
        let (letter, text) = dead::show(&world.path("dead"), id).unwrap().unwrap();
        assert_eq!(fs::read(&letter.path).unwrap(), content);
        assert_eq!(text, String::from_utf8_lossy(&content));
        let known = letter.why.unwrap();
        assert_eq!((known.why, known.source, known.at, known.from.as_str()), (why, world.source(), later, "lead-7"));
        assert_eq!(world.names("dead"), ["0000000000000007-note.md", "0000000000000007-note.md.why.json"]);
        assert_eq!((world.names("work").len(), world.names("inbox").len(), world.names("archive").len()), (0, 0, 0));
    }
}

#[test]
fn a_note_just_within_its_limits_is_delivered() {
    let mut world = World::new();
    world.write([b'x'; 1_000]);
    world.expires = Some(Duration::from_secs(90));
    let modified = fs::metadata(world.source()).unwrap().modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    let at = Timestamp::from_millis(modified.as_millis().try_into().unwrap()) + Duration::from_secs(90);
    assert!(matches!(world.with(|route| claim(route, NoteId::new(1), at)).unwrap(), Claim::Claimed(_)));
}

#[test]
fn a_note_that_vanishes_between_look_and_claim_is_nothing() {
    let world = World::new();
    world.write("text");
    let source = world.source();
    let vanish = move || drop(fs::remove_file(&source));
    assert_eq!(crash::at(MANY, vanish, || world.claim(1)).0, Claim::Nothing);
    assert!(world.names("work").is_empty());
}

#[test]
fn what_counts_is_what_was_claimed() {
    let world = World::new();
    world.write("old");
    let (source, mut newer) = (world.source(), Some("newer"));
    let replace = move || {
        if let Some(text) = newer.take() {
            write(&source.with_extension("new"), text);
            fs::rename(source.with_extension("new"), &source).unwrap();
        }
    };
    let (Claim::Claimed(note), _) = crash::at(MANY, replace, || world.claim(1)) else { panic!() };
    assert_eq!(note.text, "newer");
    world.finish(&note).unwrap();
    assert_eq!(envelopes(&world.path("inbox"))[0].1["text"], "newer");
}

#[test]
fn what_is_no_note_after_all_is_given_back() {
    for (make, expected) in [
        ((|path: &Path| symlink("/etc/passwd", path).unwrap()) as fn(&Path), Some("is a link")),
        (|path: &Path| fs::create_dir(path).unwrap(), Some("is a folder")),
        (|path: &Path| write(path, ""), None),
    ] {
        let world = World::new();
        world.write("text");
        let source = world.source();
        let mut first = true;
        let replace = move || {
            if std::mem::take(&mut first) {
                fs::remove_file(&source).unwrap();
                make(&source);
            }
        };
        match (crash::at(MANY, replace, || world.claim(1)).0, expected) {
            (Claim::Unusable(why), Some(expected)) => assert!(why.contains(expected), "{why}"),
            (Claim::Nothing, None) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(world.names("work"), ["note.md"]);
    }
}

#[test]
fn a_claimed_note_that_is_emptied_makes_way_for_the_next() {
    let world = World::new();
    world.write("text");
    let note = world.claimed(1);
    fs::write(world.path("work/.note.md.0000000000000001.claimed"), "").unwrap();
    assert!(world.finish(&note).unwrap_err().root_cause().to_string().contains("was emptied"));
    world.write("next");
    assert!(matches!(look(&world.source()), Look::Note { stage: Stage::Claimed(_), bytes: 0, .. }));
    assert_eq!(world.claim(2), Claim::Nothing);
    assert_eq!(world.claimed(3), Note { id: NoteId::new(3), text: "next".to_owned() });
}

#[test]
fn a_note_that_is_still_written_to_is_taken_again() {
    let world = World::new();
    world.write("half");
    let note = world.claimed(1);
    let claimed = world.path("work/.note.md.0000000000000001.claimed");
    fs::write(&claimed, "half and the rest").unwrap();
    let error = world.finish(&note).unwrap_err();
    assert_eq!(error.to_string(), "cannot deliver the note 0000000000000001 to lead: it is kept");
    assert!(error.root_cause().to_string().starts_with("somebody still writes to "));
    assert!(envelopes(&world.path("inbox")).is_empty());
    // The rest comes between reading and marking.
    let note = world.claimed(2);
    let mut rest = Some("half, the rest, and the end");
    let (inbox, archive) = (world.path("inbox"), world.path("archive"));
    let go_on = move || {
        if names(&archive).len() == 1
            && names(&inbox).len() == 1
            && fs::read_to_string(archive.join(&names(&archive)[0])).unwrap().contains("half and the rest")
            && let Some(rest) = rest.take()
        {
            fs::write(&claimed, rest).unwrap();
        }
    };
    assert!(crash::at(MANY, go_on, || world.finish(&note)).0.is_err());
    let note = world.claimed(3);
    let delivered = world.finish(&note).unwrap();
    assert_eq!((note.id, note.text.as_str()), (NoteId::new(1), "half, the rest, and the end"));
    assert!(fs::read_to_string(delivered.archived).unwrap().contains(&format!("\"text\":\"{}\"", note.text)));
    assert_eq!((world.names("inbox").len(), world.names("archive").len()), (1, 1));
    assert_eq!(envelopes(&world.path("inbox"))[0].1["text"], note.text);
}

#[test]
fn an_inbox_that_cannot_be_written_keeps_the_note() {
    let world = World::new();
    world.write("text");
    fs::write(world.path("inbox"), "a file").unwrap();
    let note = world.claimed(1);
    assert!(world.finish(&note).unwrap_err().root_cause().to_string().contains("is not a folder"));
    assert_eq!(world.names("work"), [".note.md.0000000000000001.claimed"]);
    assert!(world.names("archive").is_empty());
    fs::remove_file(world.path("inbox")).unwrap();
    world.finish(&world.claimed(2)).unwrap();
    assert_eq!(envelopes(&world.path("inbox"))[0].1["id"], "0000000000000001");
}
