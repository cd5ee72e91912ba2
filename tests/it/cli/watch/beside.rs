//! No command waits for another one's drain, and a watcher heals and reports while one is at work.

use std::time::Instant;

use serde_json::{Value, json};

use super::{Running, comes_to_rest, kill, watching};
use crate::support::{LIMIT, Program, eventually};

/// A daemon that takes no notice of its drain for ten minutes, and two that end as asked.
const STUBBORN: &str = r#"
version = 1
fleet = "beside"
watch = { resync = "10m" }
guard = { max_stop = "100%" }

[[notify]]
on = ["crash"]
file = "crashes.jsonl"

[defaults]
runtime = "daemon"
ready = { delay = "10ms" }
restart = { backoff = { first = "10ms", max = "20ms" } }

[agents.ada]
command = ["sh", "-c", "trap '' TERM; while :; do sleep 0.2; done"]
drain = [{ signal = "TERM", wait = "10m" }]

[agents.bob]
command = ["sleep", "1002"]

[agents.cyd]
command = ["sleep", "1003"]
"#;

fn crashes(program: &Program) -> Vec<Value> {
    let text = std::fs::read_to_string(program.at("crashes.jsonl")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// A restart of ada that waits for its drain.
fn waiting(program: &Program) -> Running {
    let restart = Running::start(program.command(&["restart", "ada", "--timeout", "10m"]));
    let leaves = || program.json(&["status", "--json"])["agents"][0]["state"] == json!("leaving");
    let asked = || program.json(&["status", "--json"])["agents"][0]["state"] != json!("ready");
    eventually(|| (leaves() || asked()).then_some(()), LIMIT);
    restart
}

#[test]
fn while_a_command_waits_for_a_drain_others_act_beside_it() {
    let program = Program::new(STUBBORN);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let before = program.pids();
    let mut restart = waiting(&program);
    // One that is about the same agent is refused, and names who has it.
    let output = program.command(&["apply", "--auto-approve", "--replace", "ada"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("restart") && said.contains("ada"), "{said}");
    // Others go side by side.
    let begun = Instant::now();
    assert_eq!(program.code(&["restart", "cyd"]), 0);
    assert_eq!(program.code(&["stop", "bob"]), 0);
    assert_eq!(program.code(&["halt"]), 0);
    assert_eq!(program.code(&["resume"]), 0);
    assert_ne!(program.pids().get("cyd"), before.get("cyd"));
    // And the end of that very agent does not wait: the command that waits for it sees it stopped, and obeys.
    assert_eq!(program.code(&["kill", "ada"]), 0);
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
    eventually(|| restart.0.try_wait().unwrap(), LIMIT);
    assert!(!program.pids().contains_key("ada"), "it is not started again against what was asked for later");
}

#[test]
fn a_command_waits_for_another_one_that_is_at_work_on_its_agents() {
    let program = Program::new(STUBBORN);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let before = program.pids();
    let mut first = waiting(&program);
    let begun = Instant::now();
    let said = program.shot(&["restart", "ada", "--lock-timeout", "700ms"]);
    assert!(said.starts_with("exit 5") && said.contains("`reconcile restart`"), "{said}");
    assert!(begun.elapsed() >= std::time::Duration::from_millis(700), "{:?}", begun.elapsed());
    let mut second = Running::start(program.command(&["restart", "ada", "--lock-timeout", "60s"]));
    assert_eq!(program.code(&["kill", "ada"]), 0);
    eventually(|| first.0.try_wait().unwrap(), LIMIT);
    assert_eq!(second.code(), Some(0));
    assert_ne!(program.pids()["ada"], before["ada"]);
}

#[test]
fn a_killed_command_leaves_no_hold() {
    let program = Program::new(STUBBORN);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let mut restart = waiting(&program);
    restart.0.kill().unwrap();
    restart.0.wait().unwrap();
    assert_eq!(program.code(&["kill", "ada"]), 0);
    assert_eq!(program.code(&["start", "ada"]), 0);
}

#[test]
fn a_watcher_heals_and_reports_while_a_command_is_at_work() {
    let program = Program::new(STUBBORN);
    let _watcher = watching(&program, &[]);
    let _restart = waiting(&program);
    for (round, agent) in ["bob", "cyd", "bob"].into_iter().enumerate() {
        let before = program.pids()[agent];
        kill(before);
        eventually(|| program.pids().get(agent).filter(|pid| **pid != before).map(drop), LIMIT);
        eventually(|| (crashes(&program).len() == round + 1).then_some(()), LIMIT);
    }
    let told: Vec<Value> = crashes(&program).iter().map(|crash| crash["agent"].clone()).collect();
    assert_eq!(told, [json!("bob"), json!("cyd"), json!("bob")], "each once, in order");
    assert_eq!(program.code(&["kill", "ada"]), 0);
    // The restart may be about to end.
    assert_eq!(program.code(&["start", "ada", "--lock-timeout", "20s"]), 0);
    comes_to_rest(&program);
}
