//! What people ask of a whole fleet, and agents by files, when something is not as it should be.

use serde_json::Value;

use super::{Running, alive, shown};
use crate::support::{LIMIT, Program, Tmux, eventually};
use reconcile::process::{self, ProcId, Signal, State};

/// A pane and a daemon.
const FLEET: &str = r#"
version = 1
fleet = "asked"

[defaults]
ready = { delay = "10ms" }
restart = { backoff = { first = "10ms", max = "20ms" } }

[agents.ada]
command = ["sleep", "1001"]

[agents.bob]
runtime = "daemon"
command = ["sleep", "1002"]
"#;

fn applied(manifest: &str) -> Program {
    let program = Program::new(manifest);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    program
}

fn is_stopped(pid: u64) -> bool {
    process::stat(u32::try_from(pid).unwrap()).unwrap().is_some_and(|stat| stat.state == State::Stopped)
}

fn events(program: &Program, what: &str) -> Vec<Value> {
    let output = program.command(&["history", "--json"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["what"] == what).collect()
}

#[test]
fn what_cannot_be_taken_for_a_request_is_told_once_and_the_fleet_is_cared_for() {
    let program = applied(FLEET);
    let requests = program.at("state").join(&program.fleet.1).join("requests");
    std::fs::create_dir(requests.join("dir.json")).unwrap();
    std::fs::write(requests.join("stop.json"), r#"{"version":1,"do":"stop","agent":"bob"}"#).unwrap();
    let watcher = Running::start(program.command(&["watch"]));
    eventually(|| (!program.pids().contains_key("bob")).then_some(()), LIMIT);
    assert_eq!(program.code(&["start", "bob"]), 0);
    drop(watcher);
    let ignored = events(&program, "ignored");
    assert_eq!(ignored.len(), 1, "{ignored:#?}");
    let why = ignored[0]["why"].as_str().unwrap();
    let aside = requests.join("dir.json.ignored");
    assert!(why.contains("it is no regular file") && why.contains(aside.to_str().unwrap()), "{why}");
    assert!(aside.is_dir());
}

#[test]
fn what_is_frozen_stays_so_through_another_halt_until_all_of_it_is_set_going() {
    let program = applied(FLEET);
    let pids = program.pids();
    assert_eq!(program.code(&["halt", "--freeze"]), 0);
    assert_eq!(program.code(&["halt", "-m", "again"]), 0);
    assert_eq!(program.json(&["status", "--json"])["halted"]["frozen"], true);
    assert!(pids.values().all(|pid| is_stopped(*pid)));

    // Nobody can say what is in a server that does not answer.
    let tmux = std::mem::ManuallyDrop::new(Tmux { socket: program.socket() });
    let server = tmux.run(["display-message", "-p", "#{pid}"]).trim().parse().unwrap();
    let server = ProcId::of(server).unwrap().unwrap();
    process::signal(&server, Signal::STOP).unwrap();
    let resume = program.command(&["resume"]).output().unwrap();
    let freeze = program.command(&["halt", "--freeze"]).output().unwrap();
    process::signal(&server, Signal::CONT).unwrap();
    let resume = shown(&resume, |text| program.normal(text));
    assert!(resume.contains("exit 3") && resume.contains("ada was not set going: it cannot be looked at: "), "{resume}");
    assert!(resume.contains("The fleet stays halted"), "{resume}");
    let freeze = shown(&freeze, |text| program.normal(text));
    assert!(freeze.contains("exit 3") && freeze.contains("ada was not stopped: it cannot be looked at: "), "{freeze}");
    assert!(is_stopped(pids["ada"]));

    assert_eq!(program.code(&["resume"]), 0);
    assert!(!pids.values().any(|pid| is_stopped(*pid)));
    assert!(program.json(&["status", "--json"])["halted"].is_null());
    assert_eq!(program.pids(), pids);
}

#[test]
fn while_it_is_frozen_nothing_counts_against_an_agent() {
    // It says that it is alive as long as it is not stopped.
    let program = applied(
        r#"
version = 1
fleet = "asked"

[agents.ada]
runtime = "daemon"
command = ["sleep", "1001"]
ready = { delay = "10ms" }
live = { command = ["sh", "-c", "! grep -q '^State:.T' /proc/$(cat pid)/status"], interval = "10ms", failures = 2 }
"#,
    );
    let pids = program.pids();
    program.write("pid", &pids["ada"].to_string());
    assert_eq!(program.code(&["halt", "--freeze"]), 0);
    for _ in 0..3 {
        program.code(&["apply", "--auto-approve"]);
    }
    let ada = program.json(&["status", "--json"])["agents"][0].clone();
    assert!(ada["note"].is_null(), "{ada:#}");
    assert_eq!(program.code(&["resume"]), 0);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(program.pids(), pids);
    assert!(alive(pids["ada"]));
}

#[test]
fn a_fleet_is_halted_and_resumed_whatever_its_manifest_says() {
    let program = applied(FLEET);
    let pids = program.pids();
    program.write("constellation.toml", "version = 1\nfleet = \"asked\"\nagents = [");
    let halt = program.shot(&["halt", "--freeze"]);
    let warned = "warning: constellation.toml is not valid, so what was declared before counts: constellation.toml:3: ";
    assert!(halt.contains("exit 0") && !halt.contains("error:") && halt.contains(warned), "{halt}");
    eventually(|| pids.values().all(|pid| is_stopped(*pid)).then_some(()), LIMIT);
    let events = program.command(&["events"]).output().unwrap();
    assert!(String::from_utf8_lossy(&events.stdout).contains("halted and frozen"), "{events:?}");
    assert_eq!(program.code(&["watch", "--stop"]), 0);
    assert_eq!(program.code(&["resume"]), 0);
    assert!(!pids.values().any(|pid| is_stopped(*pid)));
    assert_eq!(program.code(&["pause", "bob"]), 0);
    assert_eq!(program.code(&["plan"]), 1, "nothing is planned by it");

    // Of a manifest that was never applied, nothing is remembered.
    program.write("other.toml", "version = 1\nfleet = \"other\"\nagents = [");
    assert_eq!(program.code(&["halt", "-f", "other.toml"]), 1);
    program.write("constellation.toml", FLEET);
    assert_eq!(program.pids(), pids);
    assert!(program.json(&["status", "--json"])["halted"].is_null());
}

#[test]
fn an_end_that_a_pause_comes_upon_is_told_all_the_same() {
    let program = applied(FLEET);
    let bob = ProcId::of(u32::try_from(program.pids()["bob"]).unwrap()).unwrap().unwrap();
    process::signal(&bob, Signal::KILL).unwrap();
    let state = || program.json(&["status", "--json"])["agents"][1]["state"].clone();
    eventually(|| (state() != "ready").then_some(()), LIMIT);
    assert_eq!(program.code(&["pause", "bob"]), 0);
    assert_eq!(program.code(&["resume", "bob"]), 0);
    eventually(|| (program.code(&["apply", "--auto-approve"]) == 0).then_some(()), LIMIT);
    let told = events(&program, "exited");
    assert_eq!(told.iter().map(|event| event["agent"].as_str().unwrap()).collect::<Vec<_>>(), ["bob"]);
}
