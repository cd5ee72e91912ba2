//! The program dies before every step, and what comes after finishes the work once.

use super::super::shutdown::{self, ShutdownMessage};
use super::super::{Route, dead};
use super::*;

/// Claims and finishes until there is nothing left, as a program does that knows nothing of what was before. The ids say which try it was.
fn deliver_all(world: &World, first_id: u64) -> anyhow::Result<()> {
    for id in first_id..first_id + 10 {
        let claimed = world.with(|route| claim(route, NoteId::new(id), now(id)))?;
        match claimed {
            Claim::Nothing | Claim::Dead { .. } => return Ok(()),
            Claim::Claimed(note) => drop(world.with(|route| finish(route, &note, now(id), &BTreeSet::new()))?),
            Claim::Unusable(why) => panic!("{why}"),
        }
    }
    panic!("always another one");
}

fn texts(envelopes: &[Value]) -> Vec<&str> {
    envelopes.iter().map(|envelope| envelope["text"].as_str().unwrap()).collect()
}

/// What must be true at the end, whatever was in between.
fn check(world: &World, seen: &[Value], expected: &[&str], case: &str) {
    assert_eq!(texts(seen), expected, "{case}");
    let ids: BTreeSet<&str> = seen.iter().map(|envelope| envelope["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), expected.len(), "{case}");
    assert!(world.names("work").is_empty(), "{case}: {:?}", world.names("work"));
    let copies = world.names("archive");
    let read = |name: &String| serde_json::from_slice::<Value>(&fs::read(world.path("archive").join(name)).unwrap()).unwrap();
    let archived: Vec<Value> = copies.iter().map(read).collect();
    let mut sorted = texts(&archived);
    sorted.sort_unstable();
    assert_eq!(sorted, expected, "{case}: {copies:?}");
    for id in ids {
        assert_eq!(archived.iter().filter(|copy| copy["id"] == id).count(), 1, "{case}: {copies:?}");
    }
    assert!(world.names("inbox").iter().all(|name| !name.starts_with('.')), "{case}: {:?}", world.names("inbox"));
    assert!(world.names("dead").is_empty(), "{case}");
}

/// Runs the case for every step at which the program can die, until it does not die any more.
fn at_every_step(run: impl Fn(usize) -> bool) {
    let steps = (0..MANY).find(|steps| !run(*steps)).unwrap();
    assert!(steps >= 10, "dies at {steps} steps only");
}

#[test]
fn nobody_reads() {
    at_every_step(|steps| {
        let world = World::new();
        world.write("text");
        let (_, died) = crash::at(steps, || {}, || deliver_all(&world, 1));
        deliver_all(&world, 100).unwrap();
        let seen: Vec<Value> = envelopes(&world.path("inbox")).into_iter().map(|(_, envelope)| envelope).collect();
        check(&world, &seen, &["text"], &format!("dies at {steps}"));
        died
    });
}

#[test]
fn a_reader_takes_what_it_sees() {
    at_every_step(|steps| {
        let world = World::new();
        world.write("text");
        let read = Rc::new(RefCell::new(Vec::new()));
        let watch = || reader(world.path("inbox"), read.clone());
        let (_, died) = crash::at(steps, watch(), || deliver_all(&world, 1));
        crash::at(MANY, watch(), || deliver_all(&world, 100)).0.unwrap();
        check(&world, &read.borrow(), &["text"], &format!("dies at {steps}"));
        died
    });
}

#[test]
fn it_dies_again_and_again() {
    at_every_step(|steps| {
        let world = World::new();
        world.write("text");
        let read = Rc::new(RefCell::new(Vec::new()));
        let watch = || reader(world.path("inbox"), read.clone());
        let (_, died) = crash::at(steps, watch(), || deliver_all(&world, 1));
        // Each try comes a step further.
        let tries = (0..MANY).position(|again| !crash::at(again, watch(), || deliver_all(&world, 100 + 10 * again as u64)).1);
        assert!(tries.is_some());
        check(&world, &read.borrow(), &["text"], &format!("dies at {steps}"));
        died
    });
}

#[test]
fn a_second_note_comes_second() {
    at_every_step(|steps| {
        let world = World::new();
        world.write("1 first");
        let read = Rc::new(RefCell::new(Vec::new()));
        let written = Rc::new(Cell::new(false));
        let watch = || {
            let (mut take, source, written) = (reader(world.path("inbox"), read.clone()), world.source(), written.clone());
            move || {
                take();
                // As soon as the first is claimed.
                if !written.get() && !source.exists() {
                    write(&source, "2 second");
                    written.set(true);
                }
            }
        };
        let (_, died) = crash::at(steps, watch(), || deliver_all(&world, 1));
        crash::at(MANY, watch(), || deliver_all(&world, 100)).0.unwrap();
        check(&world, &read.borrow(), &["1 first", "2 second"], &format!("dies at {steps}"));
        died
    });
}

#[test]
fn a_note_that_cannot_be_delivered_is_never_lost() {
    at_every_step(|steps| {
        let world = World::new();
        world.write([0xff, 0xfe]);
        let (_, died) = crash::at(steps, || {}, || deliver_all(&world, 1));
        deliver_all(&world, 100).unwrap();
        let letters = dead::list(&world.path("dead")).unwrap();
        assert_eq!((letters.len(), letters[0].bytes), (1, 2), "dies at {steps}");
        assert_eq!(letters[0].why.as_ref().unwrap().why, "it is not UTF-8 text");
        assert_eq!(fs::read(&letters[0].path).unwrap(), [0xff, 0xfe]);
        assert_eq!((world.names("work").len(), world.names("inbox").len(), world.names("dead").len()), (0, 0, 2), "dies at {steps}");
        died
    });
}

#[test]
fn a_note_that_expires_after_a_crash_leaves_nothing_but_the_dead_letter() {
    at_every_step(|steps| {
        let mut world = World::new();
        world.write("text");
        let (_, died) = crash::at(steps, || {}, || deliver_all(&world, 1));
        let delivered = !died || world.names("work").iter().all(|name| name.ends_with(".written"));
        world.expires = Some(Duration::from_millis(0));
        let later = now(1_000_000_000);
        if let Claim::Claimed(note) = world.with(|route| claim(route, NoteId::new(100), later)).unwrap() {
            world.finish(&note).unwrap();
        }
        let (inbox, archive, dead) = (world.names("inbox"), world.names("archive"), world.names("dead"));
        let counts = (inbox.len(), archive.len(), dead.len());
        assert_eq!(counts, if delivered { (1, 1, 0) } else { (0, 0, 2) }, "dies at {steps}: {inbox:?} {archive:?} {dead:?}");
        assert!(world.names("work").is_empty());
        died
    });
}

#[test]
fn a_dead_letter_is_retried_once() {
    at_every_step_of_retry(|world, steps| {
        let (dead, spool, id) = (world.path("dead"), world.path("spool"), NoteId::new(1));
        let (_, died) = crash::at(steps, || {}, || dead::retry(&dead, id, &spool, now(5)));
        let source = dead::retry(&dead, id, &spool, now(9)).unwrap().unwrap();
        assert_eq!(fs::read(&source).unwrap(), b"old");
        assert_eq!((world.names("spool").len(), world.names("dead").len()), (1, 0), "dies at {steps}");
        died
    });
}

#[test]
fn a_dead_letter_that_was_taken_meanwhile_is_not_there_again() {
    at_every_step_of_retry(|world, steps| {
        let (dead, spool, id) = (world.path("dead"), world.path("spool"), NoteId::new(1));
        let taken = Rc::new(RefCell::new(0));
        let watch = || {
            let (spool, taken) = (spool.clone(), taken.clone());
            move || {
                for name in names(&spool) {
                    fs::remove_file(spool.join(name)).unwrap();
                    *taken.borrow_mut() += 1;
                }
            }
        };
        let (_, died) = crash::at(steps, watch(), || dead::retry(&dead, id, &spool, now(5)));
        crash::at(MANY, watch(), || dead::retry(&dead, id, &spool, now(9))).0.unwrap();
        assert_eq!((*taken.borrow(), world.names("dead").len()), (1, 0), "dies at {steps}");
        died
    });
}

fn at_every_step_of_retry(run: impl Fn(&World, usize) -> bool) {
    let steps = (0..MANY).find(|steps| {
        let mut world = World::new();
        world.expires = Some(Duration::from_secs(1));
        world.write("old");
        let outcome = world.with(|route| claim(route, NoteId::new(1), now(1_000_000_000)).unwrap());
        assert!(matches!(outcome, Claim::Dead { .. }), "{outcome:?}");
        !run(&world, *steps)
    });
    assert!(steps.unwrap() > 3);
}

/// Lays a message, and takes it back; both can die at any step, and what comes after does the rest.
#[test]
fn a_message_that_asks_to_end_dies_at_every_step() {
    for takes in [false, true] {
        at_every_step(|steps| {
            let world = World::new();
            let message = ShutdownMessage { id: NoteId::new(7), inbox: world.path("inbox"), laid: true };
            let note = Note { id: message.id, text: "bye".to_owned() };
            let read = Rc::new(RefCell::new(Vec::new()));
            let lay = || {
                world.with(|route| {
                    shutdown::lay(&Route { from: shutdown::SENDER, ..route.clone() }, &message.inbox, &note, now(1), &BTreeSet::new())
                })
            };
            let work = || lay().and_then(|()| shutdown::take_back(&message));
            let case = format!("dies at {steps}, taken: {takes}");
            let died =
                if takes { crash::at(steps, reader(world.path("inbox"), read.clone()), work).1 } else { crash::at(steps, || {}, work).1 };
            shutdown::take_back(&message).unwrap();
            assert!(!shutdown::is_there(&message).unwrap());
            assert_eq!(world.names("inbox"), [] as [String; 0], "{case}");
            assert!(read.borrow().len() <= 1, "{case}");
            assert!(died || !takes || read.borrow().len() == 1, "{case}: what was taken is its reader's");
            died
        });
    }
}

/// What others lay into the inbox is left alone.
#[test]
fn only_the_message_itself_is_taken_back() {
    let world = World::new();
    let lay = |id| {
        let note = Note { id: NoteId::new(id), text: "bye".to_owned() };
        world.with(|route| {
            shutdown::lay(&Route { from: shutdown::SENDER, ..route.clone() }, &world.path("inbox"), &note, now(id), &BTreeSet::new())
        })
    };
    lay(1).unwrap();
    lay(2).unwrap();
    fs::write(world.path("inbox/20261120T140211Z-1-1-from-reconcile.json"), "no envelope").unwrap();
    let message = |id| ShutdownMessage { id: NoteId::new(id), inbox: world.path("inbox"), laid: true };
    assert!(shutdown::take_back(&message(1)).unwrap());
    assert!(!shutdown::take_back(&message(1)).unwrap());
    assert_eq!((shutdown::is_there(&message(1)).unwrap(), shutdown::is_there(&message(2)).unwrap()), (false, true));
    assert_eq!(world.names("inbox").len(), 2);
}
