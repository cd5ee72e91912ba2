//! A state folder that cannot be written to: what is to end ends, and it is said what is not remembered.

use std::path::PathBuf;

use crate::support::{LIMIT, Program, command, eventually};

const FLEET: &str = r#"
version = 1
fleet = "full"

[defaults]
runtime = "daemon"
command = ["/bin/sleep", "1071"]
ready = { delay = "10ms" }

[agents.ada]
[agents.bob]
[agents.cyd]
drain = [{ message = "go", wait = "100ms" }]
"#;

/// Something that is mounted for a test.
struct Mount(PathBuf);

impl Mount {
    /// None where the user may not mount anything.
    fn new(arguments: &[&str], at: PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let mounted = command("mount").args(arguments).arg(&at).output().is_ok_and(|output| output.status.success());
        mounted.then_some(Self(at))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = command("umount").arg("-l").arg(&self.0).status();
    }
}

#[track_caller]
fn check(program: &Program, arguments: &[&str], code: i32, words: &[&str]) {
    let (status, text) = program.says(arguments);
    assert_eq!(status, code, "{arguments:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{arguments:?} does not say {word:?}: {text}");
    }
}

/// The fleet at rest, on a disk of its own; none where this user may not mount anything: then there is nothing to try.
fn fleet(program: &Program) -> Option<Mount> {
    let disk = Mount::new(&["-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs"], program.at("state"))?;
    check(program, &["apply", "--auto-approve"], 0, &["3 started"]);
    Some(disk)
}

/// How many keepers live. Those that were ended may be there for a moment.
fn living(program: &Program, count: usize) {
    eventually(|| (program.keepers().len() == count).then_some(()), LIMIT);
}

/// Where all can be written again, nothing is left and nothing is due.
fn end_all(program: &Program) {
    check(program, &["down", "--auto-approve"], 0, &[]);
    living(program, 0);
}

/// Leaves no room on the disk: what ended may have made some.
fn fill(disk: &Mount) {
    let mut dd = command("dd");
    dd.args(["if=/dev/zero", "bs=4k", "oflag=append", "conv=notrunc"]).arg(format!("of={}", disk.0.join("filler").display()));
    assert!(!dd.output().unwrap().status.success(), "the disk is full");
}

#[test]
fn on_a_full_disk_ending_works_and_says_what_is_not_remembered() {
    let program = Program::new(FLEET);
    let Some(disk) = fleet(&program) else { return };
    let full = |arguments: &[&str], code: i32, words: &[&str]| {
        fill(&disk);
        check(&program, arguments, code, words);
    };
    full(&["doctor"], 1, &["red     state    the state folder", "no space is left on the device"]);
    full(&["kill", "ada"], 3, &["1 ended", "error: the state folder cannot be written, because no space is left on the device"]);
    living(&program, 2);
    full(&["stop", "bob", "--wait=false"], 3, &["that bob is to stay stopped"]);
    full(&["stop", "bob", "--json"], 3, &["\"code\": \"machine\"", "that bob is to stay stopped"]);
    living(&program, 1);
    full(&["halt"], 3, &["The fleet is not halted", "that the fleet is halted"]);
    // A few bytes may fit all the same: then it is remembered, and cyd waits for its turn.
    fill(&disk);
    let (code, text) = program.says(&["restart", "cyd"]);
    assert!(matches!(code, 1 | 3), "{text}");
    living(&program, 1);
    full(&["down", "--auto-approve"], 3, &["was not recorded"]);
    living(&program, 0);
    std::fs::remove_file(disk.0.join("filler")).unwrap();
    end_all(&program);
}

fn is_stopped(program: &Program) -> Vec<bool> {
    let output = program.command(&["status", "--json"]).output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    status["agents"].as_array().unwrap().iter().map(|agent| agent["stopped"] == true).collect()
}

#[test]
fn a_fleet_that_was_frozen_on_a_full_disk_is_set_going_and_one_that_a_person_stopped_is_not() {
    let program = Program::new(FLEET);
    let Some(disk) = fleet(&program) else { return };
    fill(&disk);
    check(&program, &["halt", "--freeze"], 3, &["stopped but not halted", "that the fleet is halted"]);
    assert_eq!(is_stopped(&program), [true; 3]);
    std::fs::remove_file(disk.0.join("filler")).unwrap();
    check(&program, &["resume"], 0, &["Set going: ada, bob, cyd"]);
    assert_eq!(is_stopped(&program), [false; 3]);
    // One that somebody stopped by hand goes on only if it is named.
    let keeper = program.keepers().into_iter().find(|keeper| keeper.mark.agent.as_str() == "bob").unwrap();
    let pid = reconcile::process::children(keeper.process.pid).unwrap()[0];
    let bob = reconcile::process::ProcId::of(pid).unwrap().unwrap();
    reconcile::process::signal(&bob, reconcile::process::Signal::STOP).unwrap();
    eventually(|| (is_stopped(&program) == [false, true, false]).then_some(()), LIMIT);
    check(&program, &["resume"], 0, &["A signal has stopped bob", "resume bob"]);
    check(&program, &["resume", "ada"], 0, &["None of them was paused"]);
    assert_eq!(is_stopped(&program), [false, true, false]);
    check(&program, &["resume", "bob"], 0, &["Set going: bob"]);
    assert_eq!(is_stopped(&program), [false; 3]);
    end_all(&program);
}

#[test]
fn what_cannot_be_written_down_is_not_sent_and_it_is_said_why() {
    let program =
        Program::new("version = 1\nfleet = \"sends\"\n[agents.ada]\ncommand = [\"sleep\", \"1072\"]\nready = { delay = \"10ms\" }\n");
    let Some(disk) = Mount::new(&["-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs"], program.at("state")) else { return };
    check(&program, &["apply", "--auto-approve"], 0, &["1 started"]);
    let argument = disk.0.to_str().unwrap().to_owned();
    let Some(read_only) = Mount::new(&["--bind", &argument], disk.0.clone()) else { return end_all(&program) };
    assert!(command("mount").args(["-o", "remount,bind,ro"]).arg(&disk.0).status().unwrap().success());
    let begun = std::time::Instant::now();
    check(&program, &["keys", "ada", "Enter"], 4, &["its file system is read-only"]);
    check(&program, &["send", "ada", "hello"], 4, &["its file system is read-only"]);
    assert!(begun.elapsed() < LIMIT / 2, "{:?}", begun.elapsed());
    drop(read_only);
    end_all(&program);
}

#[test]
fn in_a_read_only_state_folder_ending_works_and_says_what_is_not_remembered() {
    let program = Program::new(FLEET);
    let Some(disk) = fleet(&program) else { return };
    // Keepers go on with what they have open; commands find the same folder, and cannot write to it.
    let disk_as_argument = disk.0.to_str().unwrap().to_owned();
    let Some(read_only) = Mount::new(&["--bind", &disk_as_argument], disk.0.clone()) else { return end_all(&program) };
    let remounted = command("mount").args(["-o", "remount,bind,ro"]).arg(&disk.0).status().unwrap();
    assert!(remounted.success());
    check(&program, &["doctor"], 1, &["red     state    the state folder", "its file system is read-only"]);
    check(&program, &["kill", "ada"], 3, &["1 ended", "that ada is to stay stopped", "the events"]);
    living(&program, 2);
    // What ended before and could not be remembered is no end of this run.
    check(&program, &["stop", "cyd"], 3, &["cyd  kill", "the message to cyd, which was not sent", "\n1 ended. "]);
    living(&program, 1);
    // What is no end is not done without being written down.
    check(&program, &["restart", "bob"], 3, &["state unwritable"]);
    check(&program, &["pause", "bob"], 1, &["Read-only file system"]);
    living(&program, 1);
    check(&program, &["halt", "--freeze"], 3, &["stopped but not halted", "that the fleet is halted"]);
    check(&program, &["down", "--auto-approve"], 3, &["that bob is forgotten"]);
    living(&program, 0);
    drop(read_only);
    end_all(&program);
}

#[test]
fn what_cannot_be_typed_for_the_disk_says_so() {
    let program = Program::new(
        "version = 1\nfleet = \"full\"\n[agents.ada]\ncommand = [\"cat\"]\nready = { delay = \"10ms\" }\n[agents.bob]\nruntime = \"daemon\"\ncommand = [\"sleep\", \"1071\"]\n",
    );
    let Some(disk) = Mount::new(&["-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs"], program.at("state")) else { return };
    check(&program, &["apply", "--auto-approve"], 0, &["2 started"]);
    fill(&disk);
    let full = ["ada: refused", "no space is left on the device", "make room"];
    check(&program, &["send", "ada", "a text"], 4, &full);
    check(&program, &["keys", "ada", "x"], 4, &full);
    let disk_as_argument = disk.0.to_str().unwrap().to_owned();
    std::fs::remove_file(disk.0.join("filler")).unwrap();
    if let Some(_read_only) = Mount::new(&["--bind", &disk_as_argument], disk.0.clone()) {
        assert!(command("mount").args(["-o", "remount,bind,ro"]).arg(&disk.0).status().unwrap().success());
        check(&program, &["send", "ada", "a text"], 4, &["ada: refused", "its file system is read-only", "let it be written to"]);
    }
    check(&program, &["send", "ada", "a text"], 0, &["ada: confirmed"]);
    end_all(&program);
}
