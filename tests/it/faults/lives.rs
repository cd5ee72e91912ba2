//! One instance, whichever state folder, record or namespace looks at it: the newest living mark is the truth.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use reconcile::process::{self, Liveness, ProcId, Signal};
use serde_json::Value;

use crate::support::{self, Doomed, LIMIT, Program, eventually, said};

/// A protected agent in tmux and a daemon.
const TWO: &str = r#"
version = 1
fleet = "lives"

[defaults]
ready = { delay = "10ms" }

[agents.ada]
command = ["sleep", "1001"]
protect = true

[agents.bob]
runtime = "daemon"
command = ["sleep", "1002"]
"#;

/// The exit code of a command with another state folder, and what it said.
fn elsewhere(program: &Program, folder: &str, arguments: &[&str]) -> (i32, String) {
    let output = program.command(arguments).env("RECONCILE_STATE_DIR", program.at(folder)).output().unwrap();
    (output.status.code().unwrap(), said(&output))
}

fn agent(program: &Program, name: &str) -> Value {
    let output = program.command(&["status", "--json"]).output().unwrap();
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    status["agents"].as_array().unwrap().iter().find(|agent| agent["name"] == name).unwrap().clone()
}

fn pid(program: &Program, name: &str) -> u32 {
    u32::try_from(agent(program, name)["pid"].as_u64().unwrap()).unwrap()
}

/// The keepers of an agent, whichever state folder they work for.
fn keepers(program: &Program, name: &str) -> Vec<ProcId> {
    let is_its = |keeper: &process::Keeper| keeper.mark.fleet.as_str() == program.fleet.1 && keeper.mark.agent.as_str() == name;
    process::keepers().unwrap().into_iter().filter(is_its).map(|keeper| keeper.process).collect()
}

fn record(program: &Program, name: &str) -> PathBuf {
    program.at("state").join(&program.fleet.1).join("agents").join(format!("{name}.json"))
}

#[test]
fn an_older_record_takes_up_what_runs_and_ends_nothing() {
    let program = Program::new(TWO);
    assert_eq!(program.says(&["apply", "--auto-approve"]).0, 0);
    let old: Vec<String> = ["ada", "bob"].iter().map(|name| std::fs::read_to_string(record(&program, name)).unwrap()).collect();
    assert_eq!(program.says(&["restart", "ada", "bob", "--allow-kill", "ada"]).0, 0);
    let before = (pid(&program, "ada"), pid(&program, "bob"));
    for (name, text) in ["ada", "bob"].iter().zip(old) {
        std::fs::write(record(&program, name), text).unwrap();
    }
    let (code, plan) = program.says(&["plan"]);
    assert_eq!(code, 0);
    assert!(!plan.contains("sweep") && !plan.contains("interrupts"), "{plan}");
    let (code, applied) = program.says(&["apply", "--auto-approve"]);
    assert_eq!(code, 0, "{applied}");
    assert_eq!((pid(&program, "ada"), pid(&program, "bob")), before, "{applied}");
    assert_eq!((&agent(&program, "ada")["generation"], &agent(&program, "bob")["generation"]), (&Value::from(2), &Value::from(2)));
    assert_eq!((keepers(&program, "ada").len(), keepers(&program, "bob").len()), (1, 1));
    assert!(program.says(&["plan"]).1.starts_with("No changes"));
}

#[test]
fn a_second_state_folder_is_refused_and_can_take_over() {
    let program = Program::new(TWO);
    assert_eq!(program.says(&["apply", "--auto-approve"]).0, 0);
    assert_eq!(program.says(&["pause", "bob"]).0, 0);
    let before = (pid(&program, "ada"), pid(&program, "bob"));
    let folder = program.at("state").join(&program.fleet.1);
    let folder = folder.to_str().unwrap();
    for command in [&["apply", "--auto-approve"][..], &["restart", "ada", "--allow-kill", "ada"], &["stop", "bob"], &["watch", "--once"]] {
        let (code, text) = elsewhere(&program, "cron", command);
        assert_eq!(code, 4, "{command:?}: {text}");
        assert!(text.contains(folder), "{command:?}: {text}");
    }
    let (_, text) = elsewhere(&program, "cron", &["status"]);
    assert!(text.contains("state folder"), "{text}");
    assert_eq!((pid(&program, "ada"), pid(&program, "bob")), before);
    let (code, text) = elsewhere(&program, "cron", &["apply", "--auto-approve", "--take-over"]);
    assert!(matches!(code, 0 | 3), "{text}");
    assert!(!record(&program, "bob").exists());
    let moved = std::fs::read_to_string(program.at("cron").join(&program.fleet.1).join("agents/bob.json")).unwrap();
    assert!(moved.contains("\"paused\""), "what was asked for moves along: {moved}");
    assert_eq!((keepers(&program, "ada").len(), keepers(&program, "bob").len()), (1, 1));
    // How it ends is written into the first folder by its keeper, and read there.
    process::signal(&ProcId::of(before.1).unwrap().unwrap(), Signal::KILL).unwrap();
    eventually(|| keepers(&program, "bob").is_empty().then_some(()), LIMIT);
    assert_eq!(elsewhere(&program, "cron", &["resume", "bob"]).0, 0);
    assert_eq!(elsewhere(&program, "cron", &["apply", "--auto-approve"]).0, 0);
    let (_, history) = elsewhere(&program, "cron", &["history", "bob"]);
    assert!(history.contains("was ended by signal 9") && !history.contains("unseen"), "{history}");
    // And now it is the first folder that is refused.
    assert_eq!(program.says(&["apply", "--auto-approve"]).0, 4);
    let (code, text) = elsewhere(&program, "cron", &["down", "--auto-approve", "--allow-kill", "ada"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!((keepers(&program, "ada"), keepers(&program, "bob")), (Vec::new(), Vec::new()));
}

#[test]
fn of_two_state_folders_one_may_act_whatever_was_taken_over_before() {
    let program = Program::new(TWO);
    let only = ["apply", "--auto-approve", "--target", "bob"];
    assert_eq!(program.says(&only).0, 0);
    let old = std::fs::read_to_string(record(&program, "bob")).unwrap();
    let (code, text) = elsewhere(&program, "cron", &["apply", "--auto-approve", "--target", "bob", "--take-over"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(elsewhere(&program, "cron", &["stop", "bob"]).0, 0);
    // The next life is the first folder's again, though it has an older record of it, and the second one has one too.
    assert_eq!(program.says(&only).0, 0);
    let bob = pid(&program, "bob");
    std::fs::write(record(&program, "bob"), old).unwrap();
    let (code, text) = program.says(&only);
    assert_eq!((code, pid(&program, "bob")), (0, bob), "{text}");
    let (code, text) = elsewhere(&program, "cron", &["start", "bob"]);
    assert!(code == 4 && text.contains(program.at("state").to_str().unwrap()), "{text}");
    assert_eq!(program.says(&["down", "--auto-approve"]).0, 0);
    assert_eq!(keepers(&program, "bob"), Vec::new());
}

#[test]
fn a_watcher_whose_agents_were_taken_over_remembers_them_no_more() {
    let program = Program::new(&TWO.replace("[defaults]", "[watch]\nresync = \"1s\"\n\n[defaults]"));
    let mut watcher = program.command(&["watch"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = || -> Option<Value> {
        let text = std::fs::read_to_string(program.at("state").join(&program.fleet.1).join("watch.json")).ok()?;
        serde_json::from_str(&text).ok()
    };
    eventually(|| record(&program, "ada").exists().then_some(()), LIMIT);
    eventually(|| (keepers(&program, "ada").len() == 1 && keepers(&program, "bob").len() == 1).then_some(()), LIMIT);
    let take_over = || elsewhere(&program, "cron", &["apply", "--auto-approve", "--take-over", "--lock-timeout", "5s"]);
    let (code, text) = take_over();
    assert!(matches!(code, 0 | 3), "{text}");
    let rounds = || status().and_then(|status| status["rounds"].as_u64());
    let before = rounds().unwrap();
    eventually(|| rounds().filter(|now| *now > before + 2), LIMIT);
    assert!(!record(&program, "ada").exists() && !record(&program, "bob").exists());
    assert_eq!(program.says(&["watch", "--stop"]).0, 0);
    watcher.wait().unwrap();
    assert_eq!(elsewhere(&program, "cron", &["down", "--auto-approve", "--allow-kill", "ada"]).0, 0);
}

/// An agent whose keeper was killed: its program lives on.
fn orphan(program: &Program, name: &str) -> ProcId {
    let orphan = ProcId::of(pid(program, name)).unwrap().unwrap();
    let keeper = keepers(program, name).remove(0);
    process::signal(&keeper, Signal::KILL).unwrap();
    eventually(|| (keeper.liveness() == Liveness::Gone).then_some(()), LIMIT);
    orphan
}

#[test]
fn a_second_state_folder_does_not_end_what_a_killed_keeper_left() {
    let program = Program::new("version = 1\nfleet = \"one\"\n\n[agents.bob]\nruntime = \"daemon\"\ncommand = [\"sleep\", \"1002\"]\n");
    assert_eq!(program.says(&["apply", "--auto-approve"]).0, 0);
    let orphan = orphan(&program, "bob");
    for command in [&["stop", "bob"][..], &["kill", "bob"], &["apply", "--auto-approve"]] {
        let (code, text) = elsewhere(&program, "cron", command);
        assert_eq!((code, orphan.liveness()), (4, Liveness::Alive), "{command:?}: {text}");
    }
    assert_eq!(program.says(&["down", "--auto-approve"]).0, 0);
    assert_eq!(orphan.liveness(), Liveness::Gone);
}

#[test]
fn a_second_state_folder_starts_none_that_is_dead_while_others_of_the_fleet_live() {
    let program = Program::new(TWO);
    assert_eq!(program.says(&["apply", "--auto-approve"]).0, 0);
    let orphan = orphan(&program, "bob");
    process::signal(&orphan, Signal::KILL).unwrap();
    eventually(|| (orphan.liveness() == Liveness::Gone).then_some(()), LIMIT);
    let (code, text) = elsewhere(&program, "cron", &["restart", "bob"]);
    assert_eq!((code, keepers(&program, "bob").len()), (4, 0), "{text}");
    assert_eq!(program.says(&["apply", "--auto-approve"]).0, 0);
    assert_eq!(keepers(&program, "bob").len(), 1);
    assert_eq!(program.says(&["down", "--auto-approve", "--allow-kill", "ada"]).0, 0);
}

#[test]
fn two_state_folders_that_start_at_once_start_one_instance() {
    let program = Program::new(TWO);
    let start = |folder: &str| {
        let mut command = program.command(&["apply", "--auto-approve", "--target", "bob", "--timeout", "5s"]);
        command.env("RECONCILE_STATE_DIR", program.at(folder)).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        command.spawn().unwrap()
    };
    let mut both = [start("state"), start("cron")];
    for child in &mut both {
        child.wait().unwrap();
    }
    let living = keepers(&program, "bob");
    assert_eq!(living.len(), 1, "{living:?}");
    for keeper in process::keepers().unwrap().into_iter().filter(|keeper| keeper.mark.fleet.as_str() == program.fleet.1) {
        let _ = process::end_tree(&[keeper.process], &keeper.mark.to_string(), LIMIT);
    }
}

#[test]
fn what_a_killed_keeper_left_is_found_whatever_the_record_says() {
    let program = Program::new(TWO);
    assert_eq!(program.says(&["apply", "--auto-approve", "--target", "bob"]).0, 0);
    let orphan = ProcId::of(pid(&program, "bob")).unwrap().unwrap();
    let keeper = keepers(&program, "bob").remove(0);
    process::signal(&keeper, Signal::KILL).unwrap();
    eventually(|| (keeper.liveness() == Liveness::Gone).then_some(()), LIMIT);
    // A run that is about another agent writes the end down and sweeps nothing.
    program.says(&["apply", "--auto-approve", "--target", "ada"]);
    program.says(&["reset", "bob"]);
    assert_eq!(orphan.liveness(), Liveness::Alive);
    let (_, plan) = program.says(&["plan"]);
    assert!(plan.contains("an earlier life left processes behind"), "{plan}");
    let (code, applied) = program.says(&["apply", "--auto-approve"]);
    assert_eq!(code, 0, "{applied}");
    assert_eq!(orphan.liveness(), Liveness::Gone, "{applied}");
    assert_eq!(keepers(&program, "bob").len(), 1);
    assert!(program.says(&["plan"]).1.starts_with("No changes"));
    assert_eq!(program.says(&["down", "--auto-approve", "--allow-kill", "ada"]).0, 0);
    assert_eq!(keepers(&program, "bob"), Vec::new());
}

#[test]
fn a_start_that_never_took_place_is_no_death() {
    let program = Program::new(TWO);
    assert_eq!(program.says(&["apply", "--auto-approve"]).0, 0);
    assert_eq!(program.says(&["down", "--auto-approve", "--allow-kill", "ada"]).0, 0);
    // As if the run that starts them had been killed between its two steps.
    for name in ["ada", "bob"] {
        let mark = format!("v1/{}/{name}/7/{}/{}", program.fleet.1, "0".repeat(32), "0".repeat(16));
        let text = format!(r#"{{"version": 1, "agent": "{name}", "generation": 7, "mark": "{mark}", "asked_at": "2026-01-01T00:00:00Z"}}"#);
        std::fs::write(record(&program, name), text).unwrap();
    }
    let (_, plan) = program.says(&["plan"]);
    assert_eq!(plan.matches("its start was interrupted").count(), 2, "{plan}");
    let (code, applied) = program.says(&["apply", "--auto-approve"]);
    assert_eq!((code, applied.contains("exited")), (0, false), "{applied}");
    for name in ["ada", "bob"] {
        assert_eq!((keepers(&program, name).len(), &agent(&program, name)["generation"]), (1, &Value::from(8)));
    }
    assert_eq!(program.says(&["down", "--auto-approve", "--allow-kill", "ada"]).0, 0);
}

#[test]
fn what_a_killed_keeper_left_is_asked_before_it_is_killed() {
    // What it prints goes to its keeper: without one, a single word would end it.
    let program = Program::new(
        r#"
version = 1
fleet = "lives"

[agents.bob]
runtime = "daemon"
command = ["sh", "-c", "exec 2>/dev/null; trap 'echo asked > asked; exit' TERM; touch ready; while :; do sleep 0.01; done"]
ready = { file = "ready" }
"#,
    );
    assert_eq!(program.says(&["apply", "--auto-approve"]).0, 0);
    let keeper = keepers(&program, "bob").remove(0);
    process::signal(&keeper, Signal::KILL).unwrap();
    eventually(|| (keeper.liveness() == Liveness::Gone).then_some(()), LIMIT);
    let (_, plan) = program.says(&["plan"]);
    assert!(plan.contains("interrupts"), "{plan}");
    let (code, applied) = program.says(&["apply", "--auto-approve"]);
    assert_eq!((code, program.at("asked").exists()), (0, true), "{applied}");
    assert_eq!(program.says(&["down", "--auto-approve"]).0, 0);
}

/// A command as it is seen by one in a sandbox: it has a pid namespace of its own.
fn in_another_namespace(program: &Program, arguments: &[&str]) -> Output {
    let plain = program.command(arguments);
    let mut command = support::command("unshare");
    command.args(["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]).arg(plain.get_program()).args(plain.get_args());
    command.current_dir(program.folder.path()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.output().unwrap()
}

#[test]
fn a_look_from_another_pid_namespace_changes_nothing() {
    let program = Program::new(TWO);
    assert_eq!(program.says(&["apply", "--auto-approve"]).0, 0);
    let before = (pid(&program, "ada"), pid(&program, "bob"));
    let inside = |arguments: &[&str]| in_another_namespace(&program, arguments);
    if !inside(&["--version"]).status.success() {
        // This machine makes no pid namespaces, or not for this user.
        return;
    }
    for command in [&["apply", "--auto-approve", "--timeout", "1s"][..], &["status"], &["kill", "bob", "--timeout", "1s"]] {
        let output = inside(command);
        assert!(said(&output).contains("namespace"), "{command:?}: {}", said(&output));
    }
    // What was asked inside is remembered; what is seen outside is as it was.
    assert_eq!(program.says(&["start", "bob"]).0, 0);
    assert_eq!((pid(&program, "ada"), pid(&program, "bob")), before);
    assert_eq!(program.says(&["kill", "bob"]).0, 0);
    assert_eq!(keepers(&program, "bob"), Vec::new());
}

#[test]
fn what_ended_with_its_pid_namespace_is_started_again() {
    let program = Program::new(TWO);
    if !in_another_namespace(&program, &["apply", "--auto-approve", "--target", "bob"]).status.success() {
        // This machine makes no pid namespaces, or not for this user.
        return;
    }
    let (code, applied) = program.says(&["apply", "--auto-approve"]);
    assert_eq!((code, keepers(&program, "bob").len()), (0, 1), "{applied}");
    assert!(program.says(&["plan"]).1.starts_with("No changes"));
    assert_eq!(program.says(&["down", "--auto-approve", "--allow-kill", "ada"]).0, 0);
}

#[test]
fn an_adopted_process_whose_record_knows_no_namespace_has_not_ended_because_it_is_not_here() {
    let program = Program::new(TWO);
    if !in_another_namespace(&program, &["--version"]).status.success() {
        // This machine makes no pid namespaces, or not for this user.
        return;
    }
    let mut adopted = support::command("sleep").arg("1002").spawn().unwrap();
    let _end = Doomed(vec![ProcId::of(adopted.id()).unwrap().unwrap()]);
    assert_eq!(program.says(&["adopt", "bob", "--pid", &adopted.id().to_string()]).0, 0);
    // As version 0.1.0 wrote it.
    let path = record(&program, "bob");
    let mut known: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    known.as_object_mut().unwrap().remove("namespace");
    std::fs::write(&path, known.to_string()).unwrap();
    let output = in_another_namespace(&program, &["apply", "--auto-approve", "--timeout", "1s", "--target", "bob"]);
    assert!(said(&output).contains("is not in this pid namespace"), "{}", said(&output));
    assert_eq!(adopted.try_wait().unwrap(), None);
    assert_eq!(program.says(&["apply", "--auto-approve"]).0, 0);
    assert_eq!(pid(&program, "bob"), adopted.id());
    // Where its namespace can be told, its end can be.
    adopted.kill().unwrap();
    adopted.wait().unwrap();
    assert_eq!(program.says(&["apply", "--auto-approve"]).0, 0);
    assert_ne!(pid(&program, "bob"), adopted.id());
    assert_eq!(program.says(&["down", "--auto-approve", "--allow-kill", "ada"]).0, 0);
}

#[test]
fn another_spelling_of_the_same_folder_is_no_change() {
    let program = Program::new(TWO);
    std::fs::create_dir(program.at("real")).unwrap();
    std::fs::rename(program.at("constellation.toml"), program.at("real/constellation.toml")).unwrap();
    std::os::unix::fs::symlink("real", program.at("link")).unwrap();
    let text = std::fs::read_to_string(program.at("real/constellation.toml")).unwrap();
    std::fs::write(program.at("real/constellation.toml"), text + "[agents.cyd]\nruntime = \"daemon\"\ncommand = [\"sleep\", \"1003\"]\nlog = { file = \"cyd.log\" }\nenv_file = [\"cyd.env\"]\n").unwrap();
    std::fs::write(program.at("real/cyd.env"), "A=1\n").unwrap();
    let apply = |path: &str| program.says(&["apply", path, "--auto-approve"]);
    assert_eq!(apply("real/constellation.toml").0, 0);
    let before: Vec<u32> = keepers(&program, "cyd").into_iter().chain(keepers(&program, "ada")).map(|keeper| keeper.pid).collect();
    let real = program.at("real/constellation.toml");
    let link = program.at("link/constellation.toml");
    for path in [&link, &real, &link] {
        let (code, text) = apply(path.to_str().unwrap());
        assert_eq!(code, 0, "{text}");
        assert!(text.starts_with("No changes"), "{}: {text}", path.display());
    }
    let after: Vec<u32> = keepers(&program, "cyd").into_iter().chain(keepers(&program, "ada")).map(|keeper| keeper.pid).collect();
    assert_eq!(before, after);
    // Another folder is a change, and says so.
    std::fs::remove_file(program.at("link")).unwrap();
    copy(&program.at("real"), &program.at("link"));
    let (_, text) = program.says(&["plan", link.to_str().unwrap(), "--state-dir", program.at("state").to_str().unwrap()]);
    assert!(!text.starts_with("No changes"), "{text}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
