//! What must not stop a watcher, nor lead it astray.

use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;

use serde_json::{Value, json};

use super::{FLEET, comes_to_rest, events, eventually_told, kill, read_status, watcher, watching};
use crate::cli::Running;
use crate::support::{LIMIT, Program, eventually};

/// A pipe into which nothing more goes.
fn full_pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    let blocking = rustix::fs::fcntl_getfl(&writer).unwrap();
    rustix::fs::fcntl_setfl(&writer, blocking | rustix::fs::OFlags::NONBLOCK).unwrap();
    while rustix::io::write(writer.as_fd(), &[b'.'; 4096]).is_ok() {}
    while rustix::io::write(writer.as_fd(), b".").is_ok() {}
    rustix::fs::fcntl_setfl(&writer, blocking).unwrap();
    (reader, writer)
}

#[test]
fn a_reader_that_pauses_stops_nobody() {
    let program = Program::new(FLEET);
    let (_reader, writer) = full_pipe();
    let mut command = program.command(&["watch", "--json"]);
    let mut watching = command.stdout(Stdio::from(writer)).spawn().unwrap();
    comes_to_rest(&program);
    let before = program.pids();
    kill(before["bob"]);
    eventually(|| program.pids().get("bob").is_some_and(|pid| *pid != before["bob"]).then_some(()), LIMIT);
    assert_eq!(program.code(&["watch", "--stop"]), 0);
    watching.wait().unwrap();
}

#[test]
fn a_state_folder_that_is_removed_is_made_anew_and_there_is_still_one_watcher() {
    let program = Program::new(FLEET);
    let first = watching(&program, &[]);
    let pid = first.0.id();
    let before = program.pids();
    let folder = program.at("state").join(&program.fleet.1);
    std::fs::rename(&folder, program.at("gone")).unwrap();
    std::fs::remove_dir_all(program.at("gone")).unwrap();
    eventually(|| (watcher(&program)["pid"] == json!(pid)).then_some(()), LIMIT);
    comes_to_rest(&program);
    assert_eq!(program.pids(), before, "nobody was started twice");
    assert_eq!(program.code(&["watch"]), 5);
}

#[test]
fn a_state_folder_that_is_moved_away_or_replaced_by_a_copy_is_locked_anew() {
    let program = Program::new(&FLEET.replace("\"10m\"", "\"1s\""));
    let first = watching(&program, &[]);
    let pid = first.0.id();
    let folder = program.at("state").join(&program.fleet.1);
    let replaced: [&dyn Fn(); 2] = [&|| {}, &|| {
        let copied = crate::support::command("cp").arg("-a").arg(program.at("away0")).arg(&folder).status().unwrap();
        assert!(copied.success());
    }];
    for (number, replace) in replaced.iter().enumerate() {
        std::fs::rename(&folder, program.at(&format!("away{number}"))).unwrap();
        replace();
        eventually(|| (watcher(&program)["pid"] == json!(pid)).then_some(()), LIMIT);
        comes_to_rest(&program);
        assert_eq!(program.code(&["watch"]), 5, "there is one watcher");
        let before = program.pids();
        kill(before["bob"]);
        eventually(|| program.pids().get("bob").is_some_and(|pid| *pid != before["bob"]).then_some(()), LIMIT);
        assert_eq!(watcher(&program)["pid"], json!(pid));
    }
}

#[test]
fn it_stays_with_its_manifest_and_says_where_that_is_broken() {
    let program = Program::new(FLEET);
    std::fs::create_dir(program.at("inner")).unwrap();
    let inner = program.at("inner/constellation.toml");
    std::fs::copy(program.at("constellation.toml"), &inner).unwrap();
    program.edit("[agents.ada]", "[agents.outer]");
    let mut command = program.command(&["watch"]);
    command.env_remove("RECONCILE_MANIFEST").current_dir(program.at("inner"));
    let _watcher = Running::start(command);
    eventually(|| (program.pids().len() == 3).then_some(()), LIMIT);
    let right = std::fs::read_to_string(&inner).unwrap();
    for (word, typo) in [("[defaults]", "[defaults"), ("runtime = \"daemon\"", "runtime = \"deamon\"")] {
        let line = right.lines().position(|line| line == word).unwrap() + 1;
        std::fs::write(&inner, right.replacen(word, typo, 1)).unwrap();
        let place = format!("inner/constellation.toml:{line}: ");
        eventually(|| read_status(&program)["manifest_error"].as_str()?.contains(&place).then_some(()), LIMIT);
    }
    std::fs::remove_file(&inner).unwrap();
    eventually(|| read_status(&program)["manifest_error"].as_str()?.contains("does not exist").then_some(()), LIMIT);
    assert!(!program.pids().contains_key("outer"), "the manifest above is another one");
}

#[test]
fn one_that_begins_while_somebody_edits_the_manifest_goes_by_what_was_declared_before() {
    let program = Program::new(FLEET);
    let mut first = watching(&program, &[]);
    let before = program.pids();
    first.0.kill().unwrap();
    first.0.wait().unwrap();
    program.edit("[defaults]\n", "[defaults\n");
    kill(before["bob"]);
    let _second = Running::start(program.command(&["watch"]));
    let starts = || events(&program, "started").iter().filter(|event| event["agent"] == "bob").count();
    eventually(|| (starts() == 2).then_some(()), LIMIT);
    eventually_told(&program, "manifest", "stays in force: ");
    assert!(read_status(&program)["manifest_error"].as_str().unwrap().contains("constellation.toml:"));
    program.edit("[defaults\n", "[defaults]\n");
    eventually_told(&program, "manifest", "the manifest is valid again");
    comes_to_rest(&program);
    assert_eq!((program.pids()["ada"], program.pids()["cyd"]), (before["ada"], before["cyd"]));
}

#[test]
fn whom_it_asks_and_tells_ends_with_it() {
    // Nobody else sleeps for so long.
    let (asks, tells) = (format!("2{}", std::process::id()), format!("3{}", std::process::id()));
    let live = format!("live = {{ command = [\"sleep\", \"{asks}\"], interval = \"1s\" }}\n[agents.cyd]");
    let told = format!("[[notify]]\non = [\"ready\"]\ncommand = [\"sleep\", \"{tells}\"]\n\n[defaults]");
    let program = Program::new(&FLEET.replace("[agents.cyd]", &live).replace("[defaults]", &told));
    // Whoever looks asks too, so nobody looks here.
    let _watcher = Running::start(program.command(&["watch"]));
    let runs = |seconds: &str| {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let mut lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
        lines.any(|line| line == format!("sleep\0{seconds}\0").as_bytes())
    };
    eventually(|| (runs(&asks) && runs(&tells)).then_some(()), LIMIT);
    assert_eq!(program.code(&["watch", "--stop"]), 0);
    assert!(!runs(&asks) && !runs(&tells));
    assert_eq!(program.keepers().len(), 3);
}

#[test]
fn what_it_leaves_to_a_person_is_shown_and_nobody_takes_the_fleet_down_beside_it() {
    let program = Program::new(FLEET);
    let _watcher = watching(&program, &[]);
    program.edit("[agents.cyd]\nruntime = \"daemon\"\ncommand = [\"sleep\", \"1003\"]\n", "");
    eventually_told(&program, "held", "auto = \"safe\"");
    let status = program.json(&["status", "--json"]);
    let cyd = status["agents"].as_array().unwrap().iter().find(|agent| agent["name"] == "cyd").unwrap();
    assert_eq!((&cyd["held"]["reason"], &status["watcher"]["auto"]), (&json!("auto"), &json!("safe")));
    let before = program.pids();
    let down = program.command(&["down", "--auto-approve"]).output().unwrap();
    assert_eq!(down.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&down.stderr).contains("reconcile watch --stop"), "{down:?}");
    assert_eq!(program.pids(), before);
}

#[test]
fn a_shadow_ends_at_once_if_it_is_to_and_tells_nobody() {
    let told = "[[notify]]\non = [\"manifest\"]\nfile = \"told.jsonl\"\n\n[defaults]";
    let program = Program::new(&FLEET.replace("[defaults]", told));
    assert_eq!(program.code(&["watch", "--dry-run", "--once"]), 3);
    let mut shadow = Running::reading(&mut program.command(&["watch", "--dry-run", "--json"]));
    for _ in 0..3 {
        shadow.line();
    }
    program.edit("1003", "1013");
    let said = loop {
        let event: Value = serde_json::from_str(&shadow.line()).unwrap();
        if event["what"] == "manifest" {
            break event;
        }
    };
    assert_eq!((&said["why"], &said["number"]), (&json!("the manifest has changed"), &json!(0)));
    assert!(!program.at("told.jsonl").exists());
}

#[test]
fn an_end_of_which_nothing_can_be_told_keeps_it_from_nothing_else() {
    let program = Program::new(FLEET);
    let mut watching = watching(&program, &[]);
    let before = program.pids();
    let keeper = program.keepers().into_iter().find(|keeper| keeper.mark.agent.as_str() == "bob").unwrap().process;
    let status = program.at("state").join(&program.fleet.1).join("run/bob.status");
    std::fs::write(&status, "no status").unwrap();
    let rounds = || read_status(&program)["rounds"].as_u64().unwrap();
    let so_far = rounds();
    kill(u64::from(keeper.pid));
    let phase = || {
        let status = program.json(&["status", "--json"]);
        status["agents"].as_array().unwrap().iter().find(|agent| agent["name"] == "bob").unwrap()["state"].clone()
    };
    eventually(|| (phase() == "unknown").then_some(()), LIMIT);
    eventually(|| (rounds() > so_far).then_some(()), LIMIT);
    // It goes on with everybody else, and listens.
    kill(before["cyd"]);
    eventually(|| program.pids().get("cyd").is_some_and(|pid| *pid != before["cyd"]).then_some(()), LIMIT);
    assert_eq!(program.code(&["watch", "--stop"]), 0);
    watching.0.wait().unwrap();
    // Then it can be told again.
    std::fs::remove_file(&status).unwrap();
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
}
