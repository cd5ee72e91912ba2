//! Files of the state folder that are damaged, or something else that has their names: nothing waits for them, and ending works all the same.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use reconcile::process::ProcId;

use crate::support::{Doomed, LIMIT, Program, command, eventually};

const FLEET: &str = r#"
version = 1
fleet = "odd"

[defaults]
runtime = "daemon"
command = ["/bin/sleep", "1072"]
ready = { delay = "10ms" }

[agents.ada]
[agents.bob]
"#;

/// What a command said, with its exit code. It ends by itself.
#[track_caller]
fn said(program: &Program, arguments: &[&str]) -> (Option<i32>, String) {
    let mut child = program.command(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _doomed = Doomed(ProcId::of(child.id()).unwrap().into_iter().collect());
    eventually(|| child.try_wait().unwrap(), LIMIT);
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
}

#[track_caller]
fn check(program: &Program, arguments: &[&str], code: i32, words: &[&str]) {
    let (status, text) = said(program, arguments);
    assert_eq!(status, Some(code), "{arguments:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{arguments:?} does not say {word:?}: {text}");
    }
}

fn fleet() -> Program {
    let program = Program::new(FLEET);
    check(&program, &["apply", "--auto-approve"], 0, &["2 started"]);
    program
}

/// The state folder of the fleet, whose name has a part that no other test has.
fn state(program: &Program) -> PathBuf {
    let folders: Vec<PathBuf> = std::fs::read_dir(program.at("state")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
    folders[0].clone()
}

fn living(program: &Program, count: usize) {
    eventually(|| (program.keepers().len() == count).then_some(()), LIMIT);
}

/// Puts a named pipe in the place of a file while something is done, and what was there back.
fn with_pipe(path: &Path, act: impl FnOnce()) {
    let aside = path.with_extension("aside");
    let was_there = std::fs::rename(path, &aside).is_ok();
    assert!(command("mkfifo").arg(path).status().unwrap().success());
    act();
    std::fs::remove_file(path).unwrap();
    if was_there {
        std::fs::rename(aside, path).unwrap();
    }
}

#[test]
fn a_pipe_in_place_of_a_state_file_is_named_and_never_waited_for() {
    let program = fleet();
    let state = state(&program);
    let pipe = "not a regular file but a named pipe";
    let looks: [&[&str]; 5] = [&["status"], &["plan"], &["doctor"], &["explain", "ada"], &["history"]];
    for name in ["agents/ada.json", "fleet.json", "lock", "in-force.json", "standing.json", "watch.json", "watch.lock", "key"] {
        with_pipe(&state.join(name), || {
            for words in looks.iter().chain(&[&["apply", "--auto-approve"][..], &["watch", "--once"], &["restart", "bob"]]) {
                said(&program, words);
            }
        });
    }
    // What it is and what to do is said, and one agent's record is its own trouble.
    with_pipe(&state.join("agents/ada.json"), || {
        check(&program, &["doctor"], 1, &["ada.json", pipe, "move it away"]);
        check(&program, &["restart", "bob"], 0, &["1 ended", "1 started"]);
    });
    with_pipe(&state.join("lock"), || check(&program, &["kill", "bob"], 1, &["cannot take the lock", pipe, "move it away"]));
    with_pipe(&state.join("fleet.json"), || check(&program, &["status"], 1, &["fleet.json", pipe, "move it away"]));
    living(&program, 2);
    // The lock of one agent keeps no other from being started.
    check(&program, &["kill", "ada", "bob"], 0, &["2 ended"]);
    with_pipe(&state.join("agents/ada.lock"), || {
        let (code, text) = said(&program, &["start", "ada", "bob", "--timeout", "10s"]);
        assert!(code == Some(3) && text.contains(pipe), "{text}");
        living(&program, 1);
    });
}

#[test]
fn a_halt_that_cannot_be_read_starts_nothing_and_keeps_nothing_from_ending() {
    let program = fleet();
    let halt = state(&program).join("halt.json");
    let counts = "The fleet counts as halted";
    let put: [&dyn Fn(); 3] =
        [&|| std::fs::write(&halt, "").unwrap(), &|| assert!(command("mkfifo").arg(&halt).status().unwrap().success()), &|| {
            std::fs::create_dir(&halt).unwrap()
        }];
    for (turn, put) in put.iter().enumerate() {
        put();
        check(&program, &["status"], 0, &["halt.json", counts]);
        check(&program, &["doctor"], 1, &["red     state", "halt.json", "reconcile resume"]);
        check(&program, &["restart", "ada"], 3, &["halted"]);
        check(&program, &["kill", "ada"], 3, &["1 ended", "halt.json", counts]);
        check(&program, &["stop", "bob"], 3, &["1 ended", "halt.json", counts]);
        living(&program, 0);
        check(&program, &["start", "ada", "bob"], 3, &["halted"]);
        living(&program, 0);
        if turn < 2 {
            check(&program, &["resume"], 0, &["The fleet is resumed"]);
            check(&program, &["start", "ada", "bob"], 0, &["2 started"]);
        } else {
            check(&program, &["resume"], 1, &["stays halted", "halt.json"]);
            check(&program, &["halt"], 3, &["halt.json"]);
            check(&program, &["down", "--auto-approve"], 3, &["2 forgotten", counts]);
        }
    }
}

#[test]
fn a_journal_that_cannot_be_written_keeps_nothing_from_being_done() {
    let program = fleet();
    let journal = state(&program).join("journal.jsonl");
    let why = "journal.jsonl: it is not a regular file but a folder: move it away";
    std::fs::remove_file(&journal).unwrap();
    std::fs::create_dir(&journal).unwrap();
    check(&program, &["doctor"], 1, &["red     state", why]);
    check(&program, &["kill", "ada"], 3, &["1 ended", why, "was not recorded: the events"]);
    check(&program, &["restart", "bob"], 3, &["1 started", why]);
    check(&program, &["halt"], 3, &["The fleet is halted", why]);
    check(&program, &["resume"], 3, &["The fleet is resumed", why]);
    check(&program, &["explain", "bob"], 0, &["what happened before is not shown", why]);
    check(&program, &["down", "--auto-approve"], 3, &["2 forgotten", why]);
    living(&program, 0);
    std::fs::remove_dir(&journal).unwrap();
    check(&program, &["apply", "--auto-approve"], 0, &["2 started"]);
    check(&program, &["doctor"], 0, &["green   state"]);
}
