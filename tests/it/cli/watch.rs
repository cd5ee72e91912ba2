//! The watcher, on real tmux and real processes: what wakes it, what it does by itself, and that nobody notices its end.

use std::path::Path;

use serde_json::{Value, json};

use super::{Running, alive, shown};
use crate::support::{LIMIT, Program, eventually};
use reconcile::process::{self, ProcId, Signal};

mod beside;
mod notices;
mod rest;
mod stays;

/// A pane and two daemons, started again without a long pause, and a net that is never needed.
const FLEET: &str = r#"
version = 1
fleet = "watched"
watch = { resync = "10m" }

[defaults]
ready = { delay = "10ms" }
restart = { backoff = { first = "10ms", max = "20ms" } }

[agents.ada]
command = ["sleep", "1001"]

[agents.bob]
runtime = "daemon"
command = ["sleep", "1002"]

[agents.cyd]
runtime = "daemon"
command = ["sleep", "1003"]
"#;

/// A watcher at work, after its first rounds.
fn watching(program: &Program, more: &[&str]) -> Running {
    let watcher = Running::start(program.command(&[&["watch"], more].concat()));
    comes_to_rest(program);
    watcher
}

/// Waits until a watcher has brought everything to rest.
#[track_caller]
fn comes_to_rest(program: &Program) {
    eventually(
        || (program.code(&["status", "--exit-code"]) == 0 && !program.json(&["status", "--json"])["watcher"].is_null()).then_some(()),
        LIMIT,
    );
}

fn kill(pid: u64) {
    let id = ProcId::of(u32::try_from(pid).unwrap()).unwrap().unwrap();
    process::signal(&id, Signal::KILL).unwrap();
}

fn events(program: &Program, what: &str) -> Vec<Value> {
    let output = program.command(&["history", "--json"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["what"] == what).collect()
}

#[track_caller]
fn eventually_told(program: &Program, what: &str, text: &str) -> Value {
    let told = || events(program, what).into_iter().find(|event| event["why"].as_str().unwrap_or_default().contains(text));
    eventually(told, LIMIT)
}

fn watcher(program: &Program) -> Value {
    program.json(&["status", "--json"])["watcher"].clone()
}

#[test]
fn what_dies_is_started_again_and_the_end_of_the_watcher_is_no_news_to_anybody() {
    let program = Program::new(FLEET);
    let mut first = watching(&program, &[]);
    let before = program.pids();
    kill(before["bob"]);
    kill(before["ada"]);
    eventually(
        || {
            let now = program.pids();
            (now.len() == 3 && now["bob"] != before["bob"] && now["ada"] != before["ada"]).then_some(())
        },
        LIMIT,
    );
    assert_eq!(program.pids()["cyd"], before["cyd"]);
    comes_to_rest(&program);

    // Killed at any moment, it leaves nothing behind that another one would not go on with.
    let before = program.pids();
    first.0.kill().unwrap();
    first.0.wait().unwrap();
    assert_eq!(program.pids(), before);
    kill(before["cyd"]);
    let mut second = watching(&program, &[]);
    eventually(|| program.pids().get("cyd").is_some_and(|pid| *pid != before["cyd"]).then_some(()), LIMIT);
    comes_to_rest(&program);
    let before = program.pids();
    let stopped = program.command(&["watch", "--stop"]).output().unwrap();
    assert!(shown(&stopped, |text| program.normal(text)).ends_with("The watcher, pid PID, has ended; its agents go on.\n"));
    assert_eq!(second.code(), Some(0));
    assert_eq!(program.pids(), before);
    assert!(watcher(&program).is_null());
    assert_eq!(program.code(&["watch", "--stop"]), 0, "where none is at work, there is none to end");
}

#[test]
fn a_second_watcher_names_the_first() {
    let program = Program::new(FLEET);
    let first = watching(&program, &[]);
    let pid = first.0.id();
    let second = program.command(&["watch"]).output().unwrap();
    assert_eq!(second.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&second.stderr).contains(&format!("pid {pid}, since ")), "{second:?}");
    let second = program.command(&["watch", "--if-free", "--json"]).output().unwrap();
    assert_eq!(second.status.code(), Some(0));
    let said: Value = serde_json::from_slice(&second.stdout).unwrap();
    assert_eq!((&said["skipped"], &said["holder"]["pid"]), (&json!(true), &json!(pid)));
    assert_eq!(watcher(&program)["pid"], json!(pid));
}

#[test]
fn a_manifest_that_changes_is_carried_out_and_one_that_is_broken_or_gone_is_not() {
    let program = Program::new(FLEET);
    let _watcher = watching(&program, &[]);
    let before = program.pids();
    // As editors do it: another file in the place of the one that was.
    let replace = |text: &str| {
        program.write(".swap", text);
        std::fs::rename(program.at(".swap"), program.at("constellation.toml")).unwrap();
    };
    replace(&FLEET.replace("1002", "1012"));
    eventually(|| program.pids().get("bob").is_some_and(|pid| *pid != before["bob"]).then_some(()), LIMIT);
    comes_to_rest(&program);
    let before = program.pids();

    let broken = [("version = 1\nfleet = \"watched\"\n[agents.ada", ""), ("", ""), ("version = 1\nfleet = \"other\"\n", "another fleet's")];
    for (broken, why) in broken {
        replace(broken);
        eventually(|| watcher_error(&program)?.contains(why).then_some(()), LIMIT);
        replace(FLEET);
        eventually(|| read_status(&program)["manifest_error"].is_null().then_some(()), LIMIT);
        replace(&FLEET.replace("1002", "1012"));
        comes_to_rest_with(&program, "1012");
    }
    std::fs::remove_file(program.at("constellation.toml")).unwrap();
    eventually(|| watcher_error(&program)?.contains("constellation.toml").then_some(()), LIMIT);
    replace(&FLEET.replace("1002", "1012"));
    eventually(|| read_status(&program)["manifest_error"].is_null().then_some(()), LIMIT);
    assert_eq!((program.pids()["ada"], program.pids()["cyd"]), (before["ada"], before["cyd"]));
    // What leaves the manifest is held, and told, until somebody applies it.
    program.edit("[agents.cyd]\nruntime = \"daemon\"\ncommand = [\"sleep\", \"1003\"]\n", "");
    let held = eventually_told(&program, "held", "auto = \"safe\"");
    assert_eq!(held["agent"], "cyd");
    assert!(alive(before["cyd"]));
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert!(!alive(before["cyd"]));
}

fn comes_to_rest_with(program: &Program, argument: &str) {
    let runs = || {
        let pid = *program.pids().get("bob")?;
        let line = process::cmdline(u32::try_from(pid).ok()?).ok()?;
        line.iter().any(|word| word.to_string_lossy() == argument).then_some(())
    };
    eventually(runs, LIMIT);
    comes_to_rest(program);
}

fn read_status(program: &Program) -> Value {
    let path = program.at("state").join(&program.fleet.1).join("watch.json");
    // It is there after the first round.
    let text = eventually(|| std::fs::read_to_string(&path).ok(), LIMIT);
    serde_json::from_str(&text).unwrap()
}

fn watcher_error(program: &Program) -> Option<String> {
    Some(read_status(program)["manifest_error"].as_str()?.to_owned())
}

#[test]
fn several_ends_at_the_same_time_are_one_event_and_one_notice() {
    let told = "[[notify]]\non = [\"crash\", \"mass_death\", \"ready\"]\nfile = \"told.jsonl\"\n";
    let program = Program::new(&FLEET.replace("[defaults]", &format!("{told}\n[defaults]")));
    let _watcher = watching(&program, &[]);
    let said = |on: &str| -> Vec<Value> {
        let text = std::fs::read_to_string(program.at("told.jsonl")).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["on"] == on).collect()
    };
    let before = program.pids();
    kill(before["bob"]);
    let crash = eventually(|| said("crash").into_iter().next(), LIMIT);
    assert_eq!((&crash["agent"], &crash["fleet"], &crash["generation"]), (&json!("bob"), &json!(program.fleet.1), &json!(1)));
    assert_eq!(crash["why"], "was ended by signal 9");
    comes_to_rest(&program);
    for pid in program.pids().values() {
        kill(*pid);
    }
    let many = eventually(|| said("mass_death").into_iter().next(), LIMIT);
    assert!(many["why"].as_str().unwrap().starts_with("3 agents ended within 30s: ada, bob, cyd"), "{many}");
    comes_to_rest(&program);
    eventually(|| (said("ready").len() >= 7).then_some(()), LIMIT);
    assert_eq!(said("crash").len(), 1, "those that are some of many are told as one");
}

#[test]
fn agents_ask_by_dropping_a_file_and_only_of_the_life_that_they_mean() {
    let program = Program::new(FLEET);
    let _watcher = watching(&program, &[]);
    let before = program.pids();
    let ask = |name: &str, text: &str| program.write(&format!("state/{}/requests/{name}", program.fleet.1), text);
    ask("a.json", r#"{"version":1,"do":"restart","agent":"bob","generation":1,"message":"its context is full"}"#);
    eventually_told(&program, "requested", "restart: its context is full");
    eventually(|| program.pids().get("bob").is_some_and(|pid| *pid != before["bob"]).then_some(()), LIMIT);
    comes_to_rest(&program);
    let after = program.pids();
    ask("b.json", r#"{"version":1,"do":"restart","agent":"bob","generation":1}"#);
    eventually_told(&program, "ignored", "it is about generation 1 of bob, and this is generation 2");
    ask("c.json", r#"{"version":1,"do":"restart","agent":"bob","ts":"2020-01-01T00:00:00Z"}"#);
    eventually_told(&program, "ignored", "was meant for another day");
    ask("d.json", r#"{"version":1,"do":"dance","agent":"bob"}"#);
    // It may still be being written: it is refused a second later.
    eventually_told(&program, "ignored", "unknown variant `dance`");
    assert_eq!(program.pids(), after);
    ask("e.json", r#"{"version":1,"do":"stop","agent":"cyd"}"#);
    eventually(|| (!alive(after["cyd"])).then_some(()), LIMIT);
    ask("f.json", r#"{"version":1,"do":"start","agent":"cyd"}"#);
    eventually(|| program.pids().contains_key("cyd").then_some(()), LIMIT);
}

#[test]
fn what_is_paused_or_halted_is_left_alone_and_goes_on_when_it_is_resumed() {
    let program = Program::new(FLEET);
    let _watcher = watching(&program, &[]);
    let before = program.pids();
    assert_eq!(program.code(&["pause", "bob", "-m", "I look into it"]), 0);
    kill(before["bob"]);
    let held = eventually_told(&program, "held", "it is paused");
    assert_eq!(held["agent"], "bob");
    let status = program.json(&["status", "--json"]);
    let bob = status["agents"].as_array().unwrap().iter().find(|agent| agent["name"] == "bob").unwrap();
    assert_eq!((&bob["paused"]["why"], &bob["held"]["reason"]), (&json!("I look into it"), &json!("paused")));
    assert_eq!(program.code(&["resume", "bob"]), 0);
    eventually(|| program.pids().contains_key("bob").then_some(()), LIMIT);
    comes_to_rest(&program);

    let before = program.pids();
    assert_eq!(program.code(&["halt", "--freeze"]), 0);
    let state = |pid: u64| process::stat(u32::try_from(pid).unwrap()).unwrap().map(|stat| stat.state);
    for pid in before.values() {
        eventually(|| (state(*pid) == Some(process::State::Stopped)).then_some(()), LIMIT);
    }
    assert_eq!(program.json(&["status", "--json"])["halted"]["frozen"], true);
    assert_eq!(program.code(&["restart", "bob"]), 3, "a halted fleet is left alone");
    assert_eq!(program.code(&["resume"]), 0);
    eventually(|| program.pids().get("bob").is_some_and(|pid| *pid != before["bob"]).then_some(()), LIMIT);
    assert_eq!(program.pids()["cyd"], before["cyd"]);
    assert_ne!(state(before["cyd"]), Some(process::State::Stopped));
}

#[test]
fn a_watcher_that_was_killed_is_missed_and_one_that_ended_is_not() {
    let program = Program::new(FLEET);
    let light = || {
        let doctor: Value = serde_json::from_slice(&program.command(&["doctor", "--json"]).output().unwrap().stdout).unwrap();
        let findings = doctor["findings"].as_array().unwrap().clone();
        findings.into_iter().find(|finding| finding["check"] == "watcher").unwrap()["light"].as_str().unwrap().to_owned()
    };
    let is_lost = || !program.json(&["status", "--json"])["lost_watcher"].is_null();
    assert_eq!((light(), is_lost()), ("green".to_owned(), false), "none was ever at work");
    let killed = watching(&program, &[]);
    assert_eq!((light(), is_lost()), ("green".to_owned(), false), "it is at work");
    let pid = read_status(&program)["pid"].as_u64().unwrap();
    kill(pid);
    eventually(|| is_lost().then_some(()), LIMIT);
    assert_eq!(light(), "yellow");
    let status = String::from_utf8(program.command(&["status"]).output().unwrap().stdout).unwrap();
    let story = status.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(story.contains(&format!("The watcher, pid {pid}, was killed; its last round was ")), "{status}");
    drop(killed);
    // One that does what is due and ends takes its place.
    eventually(|| (program.code(&["watch", "--once"]) == 0).then_some(()), LIMIT);
    assert_eq!((light(), is_lost()), ("green".to_owned(), false));
    let _other = watching(&program, &[]);
    assert_eq!(program.code(&["watch", "--stop"]), 0);
    assert_eq!((light(), is_lost()), ("green".to_owned(), false));
}

#[test]
fn a_shadow_says_what_it_would_do_and_does_nothing() {
    let program = Program::new(FLEET);
    let mut shadow = Running::reading(&mut program.command(&["watch", "--dry-run", "--json"]));
    let mut said = Vec::new();
    while said.len() < 3 {
        said.push(serde_json::from_str::<Value>(&shadow.line()).unwrap());
    }
    assert!(said.iter().all(|event| event["what"] == "planned"), "{said:?}");
    assert_eq!(said[0]["why"], "a shadow would spawn: new in the manifest");
    assert!(program.keepers().is_empty());
    // Beside it, somebody may act, and it sees that.
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(program.keepers().len(), 3);
    assert_eq!(events(&program, "planned").len(), 3);
}

#[test]
fn once_does_what_can_be_done_at_once_and_metrics_tell_of_it() {
    let program = Program::new(&FLEET.replace("command = [\"sleep\", \"1003\"]", "command = [\"sleep\", \"1003\"]\ncwd = \"nowhere\""));
    let once = |code: i32| eventually(|| (program.code(&["watch", "--once", "--metrics", "fleet.prom"]) == code).then_some(()), LIMIT);
    once(3);
    assert_eq!(program.pids().len(), 2);
    let metrics = std::fs::read_to_string(program.at("fleet.prom")).unwrap();
    let fleet = &program.fleet.1;
    for line in [
        format!("reconcile_agent_up{{fleet=\"{fleet}\",agent=\"ada\"}} 1"),
        format!("reconcile_agent_up{{fleet=\"{fleet}\",agent=\"cyd\"}} 0"),
        format!("reconcile_agent_blocked{{fleet=\"{fleet}\",agent=\"cyd\"}} 1"),
        format!("reconcile_manifest_valid{{fleet=\"{fleet}\"}} 1"),
        format!("reconcile_at_rest{{fleet=\"{fleet}\"}} 0"),
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
    std::fs::create_dir(program.at("nowhere")).unwrap();
    once(0);
    assert_eq!(program.pids().len(), 3);
}

#[test]
fn the_supervisor_hears_that_it_is_ready_and_a_note_is_delivered_when_it_comes() {
    let program = Program::new(
        &FLEET.replace("command = [\"sleep\", \"1002\"]", "command = [\"sleep\", \"1002\"]\nhandoff = { source = \"notes/bob.md\" }"),
    );
    let socket = program.at("notify.sock");
    let heard = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
    heard.set_read_timeout(Some(LIMIT)).unwrap();
    let mut command = program.command(&["watch"]);
    command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "400000");
    let _watcher = Running::start(command);
    let mut buffer = [0; 4096];
    let mut hear = || {
        let length = heard.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let first = hear();
    assert!(first.contains("READY=1") && first.contains("STATUS=") && first.contains("WATCHDOG=1"), "{first}");
    comes_to_rest(&program);
    while !hear().contains("STATUS=3 at rest") {}

    // Neither the folder nor the file was there when it began.
    std::fs::create_dir(program.at("notes")).unwrap();
    program.write("notes/bob.md", "go on with chapter 3");
    let inbox = program.at("state").join(&program.fleet.1).join("inbox/bob");
    let delivered = eventually(|| envelope(&inbox), LIMIT);
    assert_eq!(delivered["text"], "go on with chapter 3");
    assert!(!program.at("notes/bob.md").exists());
}

fn envelope(inbox: &Path) -> Option<Value> {
    let entry = std::fs::read_dir(inbox).ok()?.flatten().find(|entry| entry.path().extension().is_some_and(|end| end == "json"))?;
    serde_json::from_str(&std::fs::read_to_string(entry.path()).ok()?).ok()
}
