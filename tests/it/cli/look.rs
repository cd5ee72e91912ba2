//! Looking at what goes on, and waiting for it.

use insta::assert_snapshot;
use regex::Regex;

use super::{FLEET, Running};
use crate::support::{LIMIT, Program, Tmux, eventually};

#[test]
fn the_history_tells_what_was_done_and_why() {
    let program = Program::new(FLEET);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(program.code(&["stop", "cyd"]), 0);
    let days = Regex::new(r"\d{4}-\d\d-\d\d HH").unwrap();
    let history = |arguments: &[&str]| days.replace_all(&program.shot(&[&["history"], arguments].concat()), "DAY HH").into_owned();
    assert_snapshot!(history(&["c*"]), @"
    exit 0
    --- stdout
    DAY HH:MM:SS  cyd  spawn    new in the manifest
    DAY HH:MM:SS  cyd  started
    DAY HH:MM:SS  cyd  ready
    DAY HH:MM:SS  cyd  drain    should be stopped: step 1, keys C-c
    DAY HH:MM:SS  cyd  exited   was ended by signal 2, graceful after step 1
    ");
    assert_snapshot!(history(&["nobody"]), @"
    exit 1
    --- stderr
    error: no agent matches `nobody`, neither in the manifest nor in the journal
    ");
    assert_snapshot!(history(&["--since", "0s"]), @"exit 0");
    let lines = String::from_utf8(program.command(&["history", "--json"]).output().unwrap().stdout).unwrap();
    let journal = std::fs::read_to_string(program.at(&format!("state/{}/journal.jsonl", program.fleet.1))).unwrap();
    assert_eq!(lines, journal);
    // Who is not declared any more has a history all the same.
    program.edit("[agents.cyd]\ncommand = \"sleep 1003\"\nafter = [\"bob\"]\n", "");
    assert_eq!(program.code(&["history", "cyd"]), 0);
}

#[test]
fn a_wait_ends_when_they_are_there_or_its_time_is_over() {
    let program = Program::new(FLEET);
    assert_snapshot!(program.shot(&["wait", "ada", "b*", "--for", "ready", "--timeout", "300ms"]), @"
    exit 3
    --- stderr
    error: not ready after 300ms: ada, bob
    ");
    assert_eq!(program.code(&["wait", "ada", "--for", "stopped"]), 0);
    let mut waiting = Running::start(program.command(&["wait", "--all", "--for", "ready", "--timeout", "1m"]));
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(waiting.code(), Some(0));
    assert_eq!(program.code(&["wait", "--all", "--for", "rest"]), 0);
    assert_eq!(program.code(&["wait", "--all", "--for", "stopped", "--timeout", "1ms"]), 3);
}

#[test]
fn who_attaches_looks_and_types_only_if_asked_for() {
    let program = Program::new(FLEET);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let own = Tmux { socket: program.socket() };
    // The terminal of a person: a pane of another server.
    let person = Tmux::in_folder(program.folder.path());
    for (flag, readonly) in [("", "bob 1\n"), ("--rw", "bob 0\n")] {
        let attach = format!(
            "env RECONCILE_STATE_DIR={} {} attach -f {} bob {flag}",
            program.at("state").display(),
            env!("CARGO_BIN_EXE_reconcile"),
            program.at("constellation.toml").display(),
        );
        person.run(["new-session", "-d", "-s", "it", &attach]);
        let clients = || own.run(["list-clients", "-F", "#{client_session} #{client_readonly}"]);
        eventually(|| (clients() == readonly).then_some(()), LIMIT);
        own.run(["detach-client", "-s", "bob"]);
        eventually(|| clients().is_empty().then_some(()), LIMIT);
        eventually(|| (!person.command().args(["has-session", "-t", "=it"]).output().unwrap().status.success()).then_some(()), LIMIT);
    }
    assert_snapshot!(program.shot(&["attach", "ada"]), @"
    exit 1
    --- stderr
    error: ada is in no pane: it is a daemon
    ");
    assert_snapshot!(program.shot(&["attach", "bo"]), @"
    exit 1
    --- stderr
    error: no agent is called `bo`; did you mean `bob`?
    ");
}

#[test]
fn a_status_that_stays_is_drawn_anew_when_something_happens() {
    let program = Program::new(FLEET);
    let person = Tmux::in_folder(program.folder.path());
    let watch = format!(
        "env RECONCILE_STATE_DIR={} {} status --watch {}",
        program.at("state").display(),
        env!("CARGO_BIN_EXE_reconcile"),
        program.at("constellation.toml").display(),
    );
    person.run(["new-session", "-d", "-s", "it", "-x", "120", "-y", "7", &watch]);
    let screen = || person.run(["capture-pane", "-p", "-t", "=it:"]);
    let shows = |line: &str| {
        let pattern = Regex::new(line).unwrap();
        eventually(|| pattern.is_match(&screen()).then_some(()), LIMIT);
    };
    shows("(?m)^  ada +absent +- ");
    shows("(?m)^… 2 more lines: make the window higher");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    shows("(?m)^  ada +ready ");
    // What was longer before leaves nothing behind.
    shows("(?m)^fleet \\S+ · 3 agents, 3 running · observed [0-9:]+$");
    program.edit("[agents.ada]", "[agents.ada]\nbroken");
    person.run(["resize-window", "-t", "=it:", "-y", "20"]);
    shows("the manifest is not valid, and is shown as it was before: .*constellation.toml:[0-9]+: ");
    person.run(["send-keys", "-t", "=it:", "C-c"]);
    eventually(|| (!person.command().args(["has-session", "-t", "=it"]).output().unwrap().status.success()).then_some(()), LIMIT);
    program.edit("\nbroken", "");
    let mut lines = Running::reading(&mut program.command(&["status", "--watch", "--json"]));
    let status: serde_json::Value = serde_json::from_str(&lines.line()).unwrap();
    assert_eq!(status["agents"].as_array().unwrap().len(), 3);
    assert_snapshot!(program.shot(&["status", "--watch"]), @"
    exit 1
    --- stderr
    error: status --watch draws on a terminal: say --json for a program, or follow what happens with `reconcile events --follow`
    ");
}

#[test]
fn what_an_agent_printed_is_shown_as_text() {
    let manifest = r#"
version = 1
fleet = "logs"
[defaults]
ready = { delay = "10ms" }

[agents.ada]
runtime = "daemon"
command = "printf 'one\\n\\033[31mred\\033[0m\\n'; until [ -e go ]; do sleep 0.01; done; echo three; sleep 1007"

[agents.bob]
command = "printf 'wide %s\\n' a b c; sleep 1008"
"#;
    let program = Program::new(manifest);
    assert_snapshot!(program.shot(&["logs", "bob"]), @"
    exit 1
    --- stderr
    error: bob has no terminal: it was never started, or its pane was removed
    ");
    assert_snapshot!(program.shot(&["logs", "ada", "--file", "constellation.toml"]), @"exit 0");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let logs = |arguments: &[&str]| String::from_utf8(program.command(&[&["logs"], arguments].concat()).output().unwrap().stdout).unwrap();
    eventually(|| (logs(&["ada"]) == "one\nred\n").then_some(()), LIMIT);
    eventually(|| logs(&["bob"]).starts_with("wide a\nwide b\nwide c\n").then_some(()), LIMIT);
    assert_eq!(logs(&["ada", "--max-bytes", "16B"]), "red\n");
    let document = program.json(&["logs", "ada", "--json"]);
    assert_eq!((&document["source"], &document["text"]), (&"log".into(), &"one\nred\n".into()));
    assert_eq!(program.json(&["logs", "bob", "--json"])["source"], "terminal");

    let mut follower = program.command(&["logs", "-f", "ada"]);
    let mut follower = Running::reading(&mut follower);
    assert_eq!(follower.line(), "one");
    assert_eq!(follower.line(), "red");
    std::fs::write(program.at("go"), "").unwrap();
    assert_eq!(follower.line(), "three");
    assert_snapshot!(program.shot(&["logs", "-f", "bob"]), @"
    exit 1
    --- stderr
    error: bob is in a pane: follow it with `reconcile attach bob`, or give it a log: log = {}
    ");
    assert_snapshot!(program.shot(&["logs", "*"]), @"
    exit 1
    --- stderr
    error: `*` means more than one agent; name one of `ada`, `bob`
    ");
}

#[test]
fn an_agent_is_explained_with_the_evidence() {
    let manifest = r#"
version = 1
fleet = "why"

[agents.ada]
command = "echo no such model; sleep 0.2; exit 3"
ready = { delay = "10ms" }
restart = { policy = "never" }
"#;
    let program = Program::new(manifest);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(program.code(&["wait", "ada", "--for", "stopped"]), 0);
    let days = Regex::new(r"\d{4}-\d\d-\d\d HH").unwrap();
    let text = program.shot(&["explain", "ada"]);
    let lines = text.lines().filter(|line| !line.contains("Pane is dead")).collect::<Vec<_>>().join("\n");
    // The widths of its columns are those of numbers that differ.
    let table = Regex::new(r"(?m)^  (?:ada  .*blocked: .*|NAME .*)$").unwrap();
    assert_snapshot!(table.replace_all(&days.replace_all(&lines, "DAY HH"), "  ROW"), @r#"
    exit 0
    --- stdout
    fleet why · 1 agent, 0 running · observed HH:MM:SS

      ROW
      ROW

    1 exited, 1 blocked. Not at rest: `reconcile plan` shows more.

    what is due

    fleet why · constellation.toml · 1 agent, 0 running · observed HH:MM:SS

      ✗ ada    blocked    it exited with status 3, and restart.policy is "never"; change it, or start it again: `reconcile start ada`

    Nothing to do now. 1 blocked, 0 at rest.

    its last events
    DAY HH:MM:SS  ada  spawn    new in the manifest
    DAY HH:MM:SS  ada  started
    DAY HH:MM:SS  ada  ready
    DAY HH:MM:SS  ada  exited   exited with status 3: no such model

    what it printed last
      | no such model
    "#);
    let document = program.json(&["explain", "ada", "--json"]);
    assert_eq!(document["plan"]["blocked"][0]["reason"], "failed");
    assert_eq!(document["events"].as_array().unwrap().last().unwrap()["what"], "exited");
    assert_eq!(document["printed"][0], "no such model");
    assert_eq!(program.code(&["explain", "nobody"]), 1);
}

#[test]
fn the_doctor_tells_what_does_not_work() {
    let program = Program::new(FLEET);
    let lights = |document: &serde_json::Value| -> Vec<(String, String)> {
        let findings = document["findings"].as_array().unwrap().iter();
        findings.map(|finding| (finding["check"].as_str().unwrap().to_owned(), finding["light"].as_str().unwrap().to_owned())).collect()
    };
    let light = |document: &serde_json::Value, check: &str| lights(document).into_iter().find(|(name, _)| name == check).unwrap().1;
    // Nothing runs yet.
    let before = program.json(&["doctor", "--json"]);
    assert_eq!((light(&before, "agents").as_str(), light(&before, "machine").as_str()), ("yellow", "green"), "{before}");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let sound = program.json(&["doctor", "--json"]);
    assert!(lights(&sound).iter().all(|(_, light)| light == "green"), "{sound}");
    assert_eq!((program.code(&["doctor"]), sound["light"].as_str()), (0, Some("green")));
    program.edit("command = [\"sleep\", \"1001\"]", "command = [\"nowhere-to-be-found\"]");
    let report = program.shot(&["doctor"]);
    assert!(report.starts_with("exit 1") && report.contains("red     agents   blocked: ada"), "{report}");
}

#[test]
fn a_program_that_is_newer_on_the_disk_is_told_and_left_alone() {
    let program = Program::new(
        "version = 1\nfleet = \"stale\"\n[defaults]\nready = { delay = \"0s\" }\n\
         [agents.ada]\ncommand = [\"./tool\", \"1032\"]\n[agents.bob]\nruntime = \"daemon\"\ncommand = \"sleep 1033\"\n",
    );
    let install = || {
        // By another process: a file that is open for writing in a child of another test cannot be run.
        assert!(crate::support::command("cp").arg("/bin/sleep").arg(program.at("tool.new")).status().unwrap().success());
        std::fs::rename(program.at("tool.new"), program.at("tool")).unwrap();
    };
    let stale = || {
        let status = program.json(&["status", "--json"]);
        status["agents"].as_array().unwrap().iter().map(|agent| agent["stale"].clone()).collect::<Vec<_>>()
    };
    let table = || String::from_utf8(program.command(&["status"]).output().unwrap().stdout).unwrap();
    install();
    assert_eq!(stale(), [serde_json::Value::Null, serde_json::Value::Null]);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let before = program.pids();
    assert_eq!(stale(), [false, false]);
    assert!(!table().contains("its program on disk is newer"));

    install();
    assert_eq!(stale(), [true, false]);
    let told = table();
    assert!(told.lines().any(|line| line.starts_with("  ada") && line.contains("its program on disk is newer")), "{told}");
    assert_eq!(program.code(&["plan", "--detailed-exitcode"]), 0);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(program.pids(), before);
    assert_eq!(program.code(&["restart", "ada"]), 0);
    program.pids();
    assert_eq!(stale(), [false, false]);
}

#[test]
fn a_start_that_another_run_is_about_to_do_is_no_end() {
    use reconcile::desired::Generation;
    use reconcile::state::{Record, StateDir};
    let program = Program::new(super::SLOW);
    program.edit("[agents.bob]", "[agents.cyd]\nruntime = \"daemon\"\ncommand = [\"sleep\", \"1006\"]\nafter = [\"bob\"]\n\n[agents.bob]");
    let mut apply = super::Running::start(program.command(&["apply", "--auto-approve"]));
    let state = |agent: &str| {
        let status = program.json(&["status", "--json"]);
        let one = status["agents"].as_array().unwrap().iter().find(|one| one["name"] == agent).unwrap().clone();
        format!("{} {}", one["state"].as_str().unwrap(), one["pid"])
    };
    eventually(|| state("ada").starts_with("starting").then_some(()), LIMIT);

    apply.0.kill().unwrap();
    apply.0.wait().unwrap();

    // What a run writes down in its round before it starts a process; it may take some time until then.
    let fleet = StateDir::locate(Some(&program.at("state"))).unwrap().fleet(&program.fleet.1.parse().unwrap()).unwrap();
    let mark = format!("v1/{}/cyd/1/0123456789abcdef0123456789abcdef/00000000000000aa", program.fleet.1).parse().unwrap();
    let record = Record::new("cyd".parse().unwrap());
    let round = fleet.lock("apply", reconcile::time::Duration::from_secs(5)).unwrap();
    fleet.write(&Record { generation: Generation(1), mark: Some(mark), asked_at: reconcile::host::now(), ..record }).unwrap();
    assert_eq!(state("cyd"), "starting null");

    // Once the round is over, or its run was killed, it will not come.
    drop(round);
    assert_eq!(state("cyd"), "absent null");
}

#[test]
fn each_error_has_a_code_that_a_program_can_act_on() {
    let program = Program::new("version = 1\nfleet = \"it\"\n[agents.a]\nruntime = \"daemon\"\ncommand = [\"sleep\", \"1000\"]\n");
    let told = |args: &[&str]| {
        let error = program.json(args)["error"].clone();
        (error["code"].as_str().unwrap_or_default().to_owned(), error["retryable"].as_bool().unwrap())
    };
    assert_eq!(told(&["status", "--json", "--no-such-flag"]), ("usage".to_owned(), false));
    assert_eq!(told(&["status", "--json", "none.toml"]), ("manifest_missing".to_owned(), false));
    program.write("wrong.toml", "version = 1\nfleet = 3");
    assert_eq!(told(&["status", "--json", "wrong.toml"]), ("manifest_invalid".to_owned(), false));
    assert_eq!(told(&["explain", "nobody", "--json"]), ("agent_unknown".to_owned(), false));
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    program.write("other.toml", "version = 1\nfleet = \"it\"\n");
    assert_eq!(told(&["apply", "--auto-approve", "--json", "other.toml"]), ("other_manifest".to_owned(), false));
}
