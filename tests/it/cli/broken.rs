//! What works while the manifest is not valid: everything that does not need a new one.

use reconcile::process::{ProcId, Signal, signal};
use serde_json::Value;

use super::{Running, shown};
use crate::support::{LIMIT, Program, eventually};

const FLEET: &str = r#"
version = 1
fleet = "broken"

[defaults]
ready = { delay = "10ms" }
labels = { tier = "test" }

[agents.ada]
runtime = "daemon"
command = "echo hello; exec sleep 1001"

[agents.bob]
command = ["sleep", "1002"]
"#;

/// A fleet that runs, and whose manifest somebody is editing.
fn edited() -> Program {
    let program = Program::new(FLEET);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    break_it(&program);
    program
}

fn break_it(program: &Program) {
    program.write("constellation.toml", &FLEET.replace("[agents.bob]", "[agents.bob]\nno_such_key = 1"));
}

/// One line on stderr, with the place; none of the long diagnostics.
#[track_caller]
fn works(program: &Program, arguments: &[&str], code: i32) -> String {
    let output = program.command(arguments).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{}", shown(&output, str::to_owned));
    let warning = "warning: constellation.toml is not valid, so the last valid declaration is used: constellation.toml:";
    assert_eq!(err.lines().filter(|line| line.starts_with(warning)).count(), 1, "{arguments:?}\n{err}");
    assert!(!err.contains(" --> "), "{err}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_fleet_can_be_looked_at_and_acted_on_while_its_manifest_is_edited() {
    let program = edited();
    let status: Value = serde_json::from_str(&works(&program, &["status", "--json"], 0)).unwrap();
    assert_eq!((&status["at_rest"], &status["agents"][1]["name"]), (&true.into(), &"bob".into()), "{status}");
    assert!(works(&program, &["logs", "ada"], 0).contains("hello"));
    assert!(works(&program, &["explain", "ada"], 0).contains("ada"));
    works(&program, &["wait", "ada", "--for", "ready"], 0);
    assert!(works(&program, &["doctor"], 0).contains("yellow  manifest"));
    works(&program, &["handoff", "put", "ada", "a note"], 0);
    assert!(works(&program, &["handoff", "list"], 0).contains("ada"));
    works(&program, &["stop", "ada"], 0);
    works(&program, &["start", "ada"], 0);
    works(&program, &["restart", "bob"], 0);
    works(&program, &["kill", "bob"], 0);
    works(&program, &["reset", "bob"], 0);
    works(&program, &["start", "bob"], 0);
    works(&program, &["down", "--auto-approve"], 0);
    assert!(program.keepers().is_empty());
    // Of a fleet that was ended, nothing is in force.
    assert_eq!(program.code(&["status"]), 1);
}

#[test]
fn what_would_need_a_new_manifest_says_all_that_is_wrong() {
    let program = edited();
    for command in ["plan", "apply", "validate", "config", "simulate"] {
        let output = program.command(&[command]).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{command}");
        assert!(command == "validate" || err.contains("no_such_key") && err.contains("-->"), "{command}: {err}");
    }
}

/// A state folder of a version that did not write down what was declared, or from which that was lost.
#[test]
fn without_a_manifest_that_was_valid_the_records_count() {
    let program = edited();
    std::fs::remove_file(program.at("state").join(&program.fleet.1).join("in-force.json")).unwrap();
    let status: Value = serde_json::from_str(&works(&program, &["status", "--json"], 0)).unwrap();
    assert_eq!(status["at_rest"], true, "{status}");
    let before = program.keepers().len();
    works(&program, &["restart", "bob"], 0);
    assert_eq!(program.keepers().len(), before);
    works(&program, &["down", "--auto-approve"], 0);
    assert!(program.keepers().is_empty());
}

#[test]
fn the_same_is_in_force_for_commands_and_for_the_watcher() {
    let program = edited();
    let _watcher = Running::start(program.command(&["watch"]));
    let pid = || {
        let status: Value = serde_json::from_str(&works(&program, &["status", "--json"], 0)).unwrap();
        status["watcher"]["last_round"].is_string().then(|| status["agents"][0]["pid"].as_u64())?
    };
    let before = eventually(pid, LIMIT);
    signal(&ProcId::of(u32::try_from(before).unwrap()).unwrap().unwrap(), Signal::KILL).unwrap();
    eventually(|| pid().filter(|pid| *pid != before), LIMIT);
}
