//! What needs an approval, who is asked, and what is refused.

use std::os::unix::fs::symlink;

use super::{FLEET, Running, SLOW, shown};
use crate::support::{LIMIT, Program, Tmux, eventually};

#[test]
fn what_goes_on_by_itself_is_waited_for_without_an_approval() {
    let program = Program::new(SLOW);
    // Its time is over while ada gets ready, and bob waits for it.
    assert_eq!(program.code(&["apply", "--auto-approve", "--timeout", "200ms"]), 3);
    assert_eq!(program.code(&["apply", "--timeout", "200ms"]), 3, "there is nothing to approve, and no terminal to ask at");
    let mut apply = Running::start(program.command(&["apply"]));
    // It was not refused, and waits.
    let runs = program.at("state").join(&program.fleet.1).join("runs");
    eventually(|| (std::fs::read_dir(&runs).unwrap().count() == 3).then_some(()), LIMIT);
    program.write("go", "");
    assert_eq!(apply.code(), Some(0));
}

#[test]
fn at_a_terminal_it_is_asked_whether_to_go_beyond_a_guard() {
    let program = Program::new(&FLEET.replace("[defaults]", "[guard]\nmax_stop = 1\n\n[defaults]"));
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let before = program.pids();
    program.edit("sleep\", \"100", "sleep\", \"101");
    let person = at_a_terminal(&program);
    let shows = |text: &str| eventually(|| person.screen().contains(text).then_some(()), LIMIT);
    shows("refused by guard max_stop: 2 agents would be stopped or replaced, and the limit is 1; --max-stop 2 allows it");
    shows("Apply this plan anyway? yes / no / details:");
    assert_eq!(program.pids(), before);
    person.run(["send-keys", "-t", "=it:", "yes", "Enter"]);
    shows("2 ended, 2 started. 3 at rest.");
    let after = program.pids();
    assert!(after["ada"] != before["ada"] && after["bob"] != before["bob"] && after["cyd"] == before["cyd"]);
}

#[test]
fn a_fleet_that_another_manifest_took_during_the_question_is_left_alone() {
    let program = Program::new(&FLEET.replace("[defaults]", "[guard]\nmax_stop = 1\n\n[defaults]"));
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let same = std::fs::read_to_string(program.at("constellation.toml")).unwrap();
    program.edit("sleep\", \"100", "sleep\", \"101");
    let person = at_a_terminal(&program);
    let shows = |text: &str| eventually(|| person.screen().contains(text).then_some(()), LIMIT);
    shows("Apply this plan anyway? yes / no / details:");
    program.write("other.toml", &same);
    assert_eq!(program.code(&["apply", "other.toml", "--moved", "--auto-approve"]), 0);
    let before = program.pids();
    person.run(["send-keys", "-t", "=it:", "yes", "Enter"]);
    shows("belongs to");
    shows("exit status 4");
    assert_eq!(program.pids(), before);
}

/// A terminal at which a person applies the program's manifest, and which says then with what status the command ended.
fn at_a_terminal(program: &Program) -> Tmux {
    let person = Tmux::in_folder(program.folder.path());
    let apply = format!(
        "env RECONCILE_STATE_DIR={} TMUX_TMPDIR={} {} apply {}; echo exit status $?; exec sleep 1000",
        program.at("state").display(),
        program.folder.path().display(),
        env!("CARGO_BIN_EXE_reconcile"),
        program.at("constellation.toml").display(),
    );
    person.run(["new-session", "-d", "-s", "it", "-x", "120", "-y", "50", &apply]);
    person
}

#[test]
fn a_refusal_is_the_last_line_and_on_stderr() {
    let program = Program::new(&FLEET.replace("[defaults]", "[guard]\nmax_stop = 0\n\n[defaults]"));
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    program.edit("1002", "1012");
    let refusal = "refused by guard max_stop: 1 agent would be stopped or replaced, and the limit is 0; --max-stop 1 allows it";
    for (arguments, code) in [(&["apply", "--auto-approve"][..], 4), (&["apply"], 4), (&["plan"], 0)] {
        let output = program.command(arguments).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{}", shown(&output, str::to_owned));
        assert!(err.trim_end().ends_with(refusal) && err.lines().count() == 1, "{err}");
        assert!(!String::from_utf8_lossy(&output.stdout).contains("refused"), "{}", shown(&output, str::to_owned));
    }
}

#[test]
fn a_plan_and_a_status_say_that_the_fleet_is_another_manifests() {
    let program = Program::new(SLOW);
    program.write("go", "");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    program.write("other.toml", SLOW);
    let said = format!("refused by guard moved: the fleet belongs to {};", program.at("constellation.toml").display());
    let plan = program.command(&["plan", "other.toml"]).output().unwrap();
    assert!(String::from_utf8_lossy(&plan.stderr).starts_with(&said), "{}", shown(&plan, str::to_owned));
    let document = program.json(&["plan", "other.toml", "--json"]);
    assert_eq!((&document["guards"][0]["name"], &document["guards"][0]["pass"]), (&"moved".into(), &false.into()), "{document}");
    let status = program.command(&["status", "other.toml"]).output().unwrap();
    assert!(String::from_utf8_lossy(&status.stdout).contains(&said), "{}", shown(&status, str::to_owned));
    assert_eq!(program.json(&["status", "other.toml", "--json"])["claimed_by"], program.at("constellation.toml").to_str().unwrap());
    assert_eq!(program.code(&["apply", "other.toml", "--auto-approve"]), 4);
    // As what it would be, and by another way to the same file, it says nothing of the kind.
    symlink(program.at("constellation.toml"), program.at("link.toml")).unwrap();
    for arguments in [&["plan", "other.toml", "--moved"][..], &["plan", "link.toml"], &["plan"]] {
        let plan = program.command(arguments).output().unwrap();
        assert!(!String::from_utf8_lossy(&plan.stderr).contains("moved"), "{}", shown(&plan, str::to_owned));
    }
}

#[test]
fn where_nothing_is_owned_nothing_is_bound() {
    let program = Program::new(SLOW);
    program.write("go", "");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    program.write("other.toml", SLOW);
    assert_eq!(program.code(&["apply", "other.toml", "--auto-approve"]), 4);
    assert_eq!(program.code(&["down", "--auto-approve"]), 0);
    let folder = program.at("state").join(&program.fleet.1);
    assert!(!folder.join("fleet.json").exists() && !folder.join("in-force.json").exists());
    assert_eq!(program.code(&["apply", "other.toml", "--auto-approve"]), 0);
    assert_eq!(program.code(&["plan"]), 0);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 4, "now it is the other one's");
    assert_eq!(program.code(&["down", "other.toml", "--auto-approve"]), 0);
    // Of an older version, whose claim outlived the last agent.
    std::fs::write(folder.join("fleet.json"), r#"{"version":1,"manifest":"/gone/m.toml"}"#).unwrap();
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(program.code(&["apply", "other.toml", "--auto-approve"]), 4);
}

#[test]
fn the_end_of_a_fleet_is_told_in_one_document() {
    let program = Program::new(SLOW);
    program.write("go", "");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let document = program.json(&["down", "--auto-approve", "--json"]);
    assert_eq!(document["agents"].as_array().map(Vec::len), Some(0), "{document}");
    let outcomes = document["outcomes"].as_array().unwrap();
    assert_eq!(outcomes.iter().map(|outcome| outcome["name"].as_str().unwrap()).collect::<Vec<_>>(), ["ada", "bob"], "{document}");
    assert_eq!(program.code(&["down", "--json"]), 1, "it needs its approval as a flag");
}

#[test]
fn what_started_is_counted_and_not_its_attempts() {
    let program = Program::new(
        "\nversion = 1\nfleet = \"count\"\n[agents.a]\nruntime = \"daemon\"\ncommand = \"exit 1\"\nready = { delay = \"1s\" }\nrestart = { backoff = { first = \"10ms\", max = \"10ms\" }, give_up = { failures = 4 } }\n",
    );
    let output = program.command(&["apply", "--auto-approve"]).output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3));
    assert!(out.ends_with("\n1 ended, 1 started. 0 at rest.\n"), "{out}");
}
