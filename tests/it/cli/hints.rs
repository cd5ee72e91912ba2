//! That what a message tells people to type works, and that flags mean what people expect.

use super::{Running, shown};
use crate::support::{LIMIT, Program, command, eventually};
use reconcile::process::{ProcId, Signal, signal};
use regex::Regex;

const FLEET: &str = r#"
version = 1
fleet = "hints"

[defaults]
runtime = "daemon"
ready = { delay = "10ms" }
labels = { tier = "test" }

[agents.lead]
command = "echo hello; exec sleep 1001"
protect = true

[agents.job-alpha]
command = ["sleep", "1002"]

[agents.job-beta]
command = ["sleep", "1003"]
"#;

/// A fleet whose manifest is found by no default.
fn named() -> Program {
    let program = Program::new(FLEET);
    std::fs::rename(program.at("constellation.toml"), program.at("my fleet.toml")).unwrap();
    assert_eq!(program.code(&["apply", "-f", "my fleet.toml", "--auto-approve"]), 0);
    program
}

/// The commands in a text, as a shell takes them, run as they are: their codes.
fn copied(program: &Program, text: &str) -> Vec<Option<i32>> {
    let commands = Regex::new("`(reconcile [^`]*)`").unwrap();
    let run = |copied: &str| {
        let line = copied.replacen("reconcile", env!("CARGO_BIN_EXE_reconcile"), 1);
        let mut shell = command("sh");
        shell.args(["-c", &line]).current_dir(program.folder.path()).env_clear().stdin(std::process::Stdio::null());
        shell.envs([("PATH", "/usr/bin:/bin"), ("HOME", program.folder.path().to_str().unwrap()), ("TZ", "UTC")]);
        shell.env("RECONCILE_STATE_DIR", program.at("state")).output().unwrap().status.code()
    };
    commands.captures_iter(text).map(|found| run(&found[1])).collect()
}

#[test]
fn a_command_in_a_hint_works_when_it_is_copied() {
    let program = named();
    assert_eq!(program.code(&["pause", "job-alpha", "-m", "lunch", "-f", "my fleet.toml"]), 0);
    assert_eq!(program.code(&["stop", "job-beta", "-f", "my fleet.toml"]), 0);
    let manifest = std::fs::read_to_string(program.at("my fleet.toml")).unwrap();
    std::fs::write(program.at("my fleet.toml"), manifest.replace("1002", "1012")).unwrap();
    let plan = program.command(&["plan", "my fleet.toml"]).output().unwrap();
    let plan = String::from_utf8(plan.stdout).unwrap();
    assert!(plan.contains("it is paused: lunch; released by `reconcile resume job-alpha --file 'my fleet.toml'`"), "{plan}");
    let status = program.command(&["status", "my fleet.toml"]).output().unwrap();
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.contains("it is paused: lunch; released by `reconcile resume job-alpha --file 'my fleet.toml'`"), "{status}");
    assert_eq!(copied(&program, &plan), [Some(0)], "{plan}");
    assert!(!String::from_utf8_lossy(&program.command(&["plan", "my fleet.toml"]).output().unwrap().stdout).contains("paused"));
    let attach = program.command(&["attach", "job-gamma", "-f", "my fleet.toml"]).output().unwrap();
    assert!(!attach.status.success());
    // A protected agent is released under its own name.
    std::fs::write(program.at("my fleet.toml"), manifest.replace("1001", "1011")).unwrap();
    let plan = program.command(&["plan", "my fleet.toml"]).output().unwrap();
    assert!(String::from_utf8_lossy(&plan.stdout).contains("released with --allow-kill lead"), "{}", shown(&plan, str::to_owned));
    let out = program.json(&["explain", "lead", "--json", "-f", "my fleet.toml"]);
    assert_eq!(out["status"]["agents"][0]["held"]["release"], "--allow-kill lead");
}

#[test]
fn where_the_default_is_found_a_command_needs_no_flags() {
    let program = Program::new(FLEET);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(program.code(&["halt"]), 0);
    let status = program.command(&["status"]).output().unwrap();
    assert!(String::from_utf8_lossy(&status.stdout).contains("released by `reconcile resume`"), "{}", shown(&status, str::to_owned));
    assert_eq!(copied(&program, "`reconcile resume`"), [Some(0)]);
}

#[test]
fn flags_are_offered_where_they_work() {
    let program = Program::new(FLEET);
    for command in ["start", "stop", "kill"] {
        let help = program.command(&[command, "--help"]).output().unwrap();
        let help = String::from_utf8_lossy(&help.stdout);
        assert!(!help.contains("--handoff") && !help.contains("--self") && help.contains("--now"), "{help}");
        assert_eq!(program.code(&[command, "lead", "--handoff", "x"]), 1);
    }
    let help = program.command(&["restart", "--help"]).output().unwrap();
    let help = String::from_utf8_lossy(&help.stdout);
    assert!(help.contains("--handoff") && help.contains("--self"), "{help}");
}

#[test]
fn before_the_command_f_is_the_manifest_and_behind_logs_and_events_it_follows() {
    let program = named();
    for arguments in [
        &["-f", "my fleet.toml", "logs", "lead"][..],
        &["logs", "lead", "--file", "my fleet.toml"],
        &["-f", "my fleet.toml", "events"],
        &["-f", "my fleet.toml", "status"],
        &["-f", "my fleet.toml", "history"],
    ] {
        let output = program.command(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?} {}", shown(&output, str::to_owned));
    }
    let mut follow = Running::reading(&mut program.command(&["-f", "my fleet.toml", "logs", "-f", "lead"]));
    assert_eq!(follow.line(), "hello");
    drop(follow);
    for (command, arguments) in [
        ("logs", &["logs", "lead", "-f", "./m.toml"][..]),
        ("logs", &["logs", "-f", "./m.toml", "lead"]),
        ("events", &["events", "-f", "./m.toml"]),
    ] {
        let output = program.command(arguments).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(err.contains(&format!("name the manifest before it: `reconcile -f ./m.toml {command} …`")), "{err}");
    }
}

#[test]
fn a_status_is_of_the_agents_that_are_named() {
    let program = named();
    let names = |arguments: &[&str]| {
        let document = program.json(&[arguments, &["--json"]].concat());
        let agents = document["agents"].as_array().unwrap().clone();
        agents.iter().map(|agent| agent["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&["status", "lead", "-f", "my fleet.toml"]), ["lead"]);
    assert_eq!(names(&["status", "my fleet.toml", "job-[ab]*"]), ["job-alpha", "job-beta"]);
    assert_eq!(names(&["status", "my fleet.toml"]).len(), 3);
    assert_eq!(program.json(&["status", "my fleet.toml", "lead", "--json"])["agents"][0]["labels"]["tier"], "test");
    let output = program.command(&["status", "job", "-f", "my fleet.toml"]).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("no agent is called `job`; did you mean one of `job-alpha`, `job-beta`?"), "{err}");
}

#[test]
fn times_are_written_in_one_way() {
    let program = named();
    for since in ["1h", "2020-01-01 00:00:00", "2020-01-01T00:00:00Z"] {
        for command in ["history", "events", "logs"] {
            let mut arguments = vec!["-f", "my fleet.toml", command, "--since", since];
            if command == "logs" {
                arguments.push("lead");
            }
            let output = program.command(&arguments).output().unwrap();
            let err = String::from_utf8_lossy(&output.stderr);
            // The log is younger than the time, which is told for logs alone.
            let understood = output.status.success() || err.contains("the times of this log are known only from");
            assert!(understood, "{arguments:?} {}", shown(&output, str::to_owned));
        }
    }
    let history = |since: &str| program.command(&["-f", "my fleet.toml", "history", "--since", since]).output().unwrap().stdout;
    assert!(!history("2020-01-01 00:00:00").is_empty() && history("2999-01-01 00:00:00").is_empty());
}

#[test]
fn a_watcher_says_when_nothing_is_due_and_whether_it_had_to_be_killed() {
    let program = Program::new(FLEET);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let errors = std::fs::File::create(program.at("said")).unwrap();
    let mut command = program.command(&["watch"]);
    let watcher = command.stdout(std::process::Stdio::null()).stderr(errors).spawn().unwrap();
    let mut watcher = Running(watcher);
    let said = || std::fs::read_to_string(program.at("said")).unwrap();
    eventually(|| said().contains("No changes. 3 agents at rest.\n").then_some(()), LIMIT);
    signal(&ProcId::of(watcher.0.id()).unwrap().unwrap(), Signal::STOP).unwrap();
    let stop = program.command(&["watch", "--stop"]).output().unwrap();
    let err = String::from_utf8_lossy(&stop.stderr);
    assert!(err.contains("did not end within 10 s and was killed; its agents go on"), "{err}");
    assert_eq!(watcher.code(), None);
}

#[test]
fn a_manifest_with_other_ends_of_lines_means_the_same() {
    let fleet = "\nversion = 1\nfleet = \"lines\"\n[agents.a]\nruntime = \"daemon\"\ncommand = '''\nset -e\nexec sleep 1001\n'''\nready = { delay = \"10ms\" }\n";
    let program = Program::new(fleet);
    let unix = program.json(&["config", "--json"]);
    let text = std::fs::read_to_string(program.at("constellation.toml")).unwrap();
    std::fs::write(program.at("constellation.toml"), text.replace('\n', "\r\n")).unwrap();
    assert_eq!(program.json(&["config", "--json"]), unix);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    std::fs::write(program.at("constellation.toml"), text).unwrap();
    assert_eq!(program.code(&["plan", "--detailed-exitcode"]), 0);
}

/// A C1 control sequence introducer and a right-to-left override, as they get into a manifest by copying from a page.
#[test]
fn nothing_that_a_terminal_obeys_is_passed_on() {
    let bad = "\u{9b}2J\u{202e}";
    let program = Program::new(&format!(
        "\nversion = 1\nfleet = \"bad\"\n[agents.a]\nruntime = \"daemon\"\ncommand = \"echo '{bad}'; exec sleep 1001\"\nlabels = {{ note = '\u{202e}x' }}\nready = {{ delay = \"10ms\" }}\n"
    ));
    let clean = |arguments: &[&str]| {
        let output = program.command(arguments).output().unwrap();
        for bytes in [&output.stdout, &output.stderr] {
            let text = String::from_utf8_lossy(bytes);
            assert!(!text.contains(['\u{9b}', '\u{202e}']), "{arguments:?} {text:?}");
        }
        String::from_utf8(output.stdout).unwrap()
    };
    let config = clean(&["config"]);
    assert!(config.contains("\\u009B2J\\u202E"), "{config}");
    let read: toml::Value = toml::from_str(&config).unwrap();
    assert_eq!(read["agents"]["a"]["labels"]["note"].as_str(), Some("\u{202e}x"));
    assert_eq!(program.json(&["config", "--json"])["agents"]["a"]["labels"]["note"], "\u{202e}x");
    clean(&["config", "--json"]);
    clean(&["config", "--explain", "a"]);
    clean(&["plan"]);
    clean(&["apply", "--auto-approve", "-m", bad]);
    for arguments in [&["status"][..], &["history"], &["history", "--json"], &["events"], &["explain", "a"], &["logs", "a"]] {
        clean(arguments);
    }
    clean(&["stop", bad]);
    program.edit("[agents.a]", &format!("[agents.a]\n\"{bad}\" = 1"));
    clean(&["validate"]);
    clean(&["validate", "--json"]);
    clean(&["status"]);
}
