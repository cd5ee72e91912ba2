//! Logs of panes, and what was written since some time.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use insta::assert_snapshot;
use reconcile::process::{self, ProcId, Signal};

use super::Running;
use crate::support::{LIMIT, Program, Tmux, eventually};

const MANIFEST: &str = r#"
version = 1
fleet = "panelogs"
[defaults]
ready = { delay = "10ms" }

[agents.bob]
command = "printf 'one\\n\\033[31mred\\033[0m\\n'; until [ -e go ]; do sleep 0.01; done; echo three; until [ -e end ]; do sleep 0.01; done"
log = {}
restart = { policy = "never" }

[agents.cyd]
command = "sleep 1011"
"#;

impl Program {
    pub(super) fn logs(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.command(&[&["logs"], arguments].concat()).output().unwrap().stdout).unwrap()
    }

    /// The processes that write the logs of this folder's panes.
    fn writers(&self) -> Vec<ProcId> {
        let here = self.folder.path().to_str().unwrap();
        let numbers = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
        let writes = |pid: &u32| {
            let words: Vec<_> = process::cmdline(*pid).unwrap_or_default();
            matches!(words.as_slice(), [_, verb, settings] if verb == "keep-log" && settings.to_string_lossy().starts_with(here))
        };
        numbers.filter(writes).filter_map(|pid| ProcId::of(pid).ok().flatten()).collect()
    }
}

#[test]
fn a_pane_with_a_log_is_written_down_for_its_whole_life() {
    let program = Program::new(MANIFEST);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let file = program.at(&format!("state/{}/logs/bob.log", program.fleet.1));
    eventually(|| (std::fs::read(&file).ok()? == b"one\r\n\x1b[31mred\x1b[0m\r\n").then_some(()), LIMIT);
    assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(program.logs(&["bob"]), "one\nred\n");
    assert_eq!(program.json(&["logs", "bob", "--json"])["source"], "log");
    assert_eq!(program.json(&["logs", "cyd", "--json"])["source"], "terminal");
    // One process for the pane that has a log, and no shell around it.
    let writers = program.writers();
    assert_eq!(writers.len(), 1);

    let mut follower = program.command(&["logs", "-f", "bob"]);
    let mut follower = Running::reading(&mut follower);
    assert_eq!((follower.line(), follower.line()), ("one".to_owned(), "red".to_owned()));
    std::fs::write(program.at("go"), "").unwrap();
    assert_eq!(follower.line(), "three");
    drop(follower);

    // The next life goes on in the same log, with a writer of its own.
    std::fs::write(program.at("end"), "").unwrap();
    assert_eq!(program.code(&["wait", "bob", "--for", "stopped"]), 0);
    std::fs::remove_file(program.at("end")).unwrap();
    assert_eq!(program.code(&["start", "bob"]), 0);
    eventually(|| (program.logs(&["bob"]) == "one\nred\nthree\none\nred\nthree\n").then_some(()), LIMIT);
    eventually(|| (program.writers().len() == 1 && program.writers() != writers).then_some(()), LIMIT);

    assert_eq!(program.code(&["down", "--auto-approve"]), 0);
    eventually(|| program.writers().is_empty().then_some(()), LIMIT);
}

#[test]
fn a_log_is_given_changed_and_taken_without_touching_the_process() {
    let program = Program::new(&MANIFEST.replace("log = {}\n", ""));
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let before = program.pids();
    assert_eq!(program.writers(), []);
    program.edit("restart = {", "log = { file = \"own 'log' #{pid} %d\", max_size = \"4KiB\", keep = 1 }\nrestart = {");
    assert_snapshot!(program.brief(&["plan"]), @r#"
    exit 0
    --- stdout
    fleet panelogs · constellation.toml · 2 agents, 2 running · observed HH:MM:SS

      ~ bob    amend      log (none) → {"file":"FOLDER/own 'log' #{pid} %d","keep":1,"ma…

    1 to amend. 1 at rest.
    "#);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    std::fs::write(program.at("go"), "").unwrap();
    let file = program.at("own 'log' #{pid} %d");
    eventually(|| (std::fs::read(&file).ok()? == b"three\r\n").then_some(()), LIMIT);

    // What stays as it is keeps its writer; one that is gone is started again.
    let writers = program.writers();
    assert_eq!(writers.len(), 1);
    program.edit("policy = \"never\"", "policy = \"always\"");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(program.writers(), writers);
    process::signal(&writers[0], Signal::KILL).unwrap();
    eventually(|| program.writers().is_empty().then_some(()), LIMIT);
    program.edit("policy = \"always\"", "policy = \"never\"");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    eventually(|| (program.writers().len() == 1).then_some(()), LIMIT);

    program.edit("log = { file = \"own 'log' #{pid} %d\", max_size = \"4KiB\", keep = 1 }\n", "");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    eventually(|| program.writers().is_empty().then_some(()), LIMIT);
    assert_eq!(program.pids(), before);

    // A pipe that a person made is left alone.
    let tmux = Tmux { socket: program.socket() };
    tmux.run(["pipe-pane", "-t", "=bob:", "exec cat > theirs"]);
    program.edit("policy = \"never\"", "policy = \"always\"");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(tmux.run(["display-message", "-p", "-t", "=bob:", "#{pane_pipe}"]), "1\n");
}

#[test]
fn panes_of_one_window_have_a_log_each() {
    let agent = |name: &str, log: &str| {
        format!("[agents.{name}]\nsession = \"s\"\nwindow = \"w\"\ncommand = \"echo I am {name}; sleep 1012\"\n{log}\n")
    };
    let head = "version = 1\nfleet = \"window\"\n[defaults]\nready = { delay = \"10ms\" }\n";
    let program = Program::new(&[head, &agent("ada", "log = {}"), &agent("bob", ""), &agent("cyd", "log = {}")].concat().replacen(
        "version",
        "\nversion",
        1,
    ));
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    for name in ["ada", "cyd"] {
        eventually(|| (program.logs(&[name]) == format!("I am {name}\n")).then_some(()), LIMIT);
    }
    assert_eq!(program.json(&["logs", "bob", "--json"])["source"], "terminal");
    assert_eq!(program.writers().len(), 2);
}

#[test]
fn what_was_written_since_some_time_is_shown_if_that_is_known() {
    let manifest = r#"
version = 1
fleet = "since"
[agents.ada]
runtime = "daemon"
command = "echo first; until [ -e go ]; do sleep 0.01; done; echo second; sleep 1013"
ready = { delay = "10ms" }
[agents.bob]
command = "sleep 1014"
ready = { delay = "10ms" }
"#;
    let program = Program::new(manifest);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    eventually(|| (program.logs(&["ada"]) == "first\n").then_some(()), LIMIT);
    assert_eq!(program.logs(&["ada", "--since", "1h"]), "first\n");
    // The first line grows old: its note is set back by an hour.
    let file = program.at(&format!("state/{}/logs/ada.log", program.fleet.1));
    let times = program.at(&format!("state/{}/logs/ada.log.times", program.fleet.1));
    let hour_ago = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() - Duration::from_secs(3600);
    let mut notes = std::fs::read(&times).unwrap();
    assert_eq!(notes.len(), 16);
    notes[8..].copy_from_slice(&i64::try_from(hour_ago.as_millis()).unwrap().to_le_bytes());
    std::fs::write(&times, notes).unwrap();
    eventually(|| program.logs(&["ada", "--since", "30m"]).is_empty().then_some(()), LIMIT);
    // Notes are no closer than a second.
    let noted = std::fs::metadata(&file).unwrap().modified().unwrap();
    eventually(|| (noted.elapsed().unwrap() > Duration::from_millis(1_050)).then_some(()), LIMIT);
    std::fs::write(program.at("go"), "").unwrap();
    eventually(|| (program.logs(&["ada", "--since", "30m"]) == "second\n").then_some(()), LIMIT);
    assert_eq!(program.logs(&["ada", "--since", "2h"]), "first\nsecond\n");
    assert_eq!(program.logs(&["ada", "--since", "2020-01-01T00:00:00Z", "--max-bytes", "8B"]), "second\n");

    std::fs::remove_file(&times).unwrap();
    assert_snapshot!(program.shot(&["logs", "ada", "--since", "1h"]), @"
    exit 1
    --- stderr
    error: of the log FOLDER/state/since/logs/ada.log no times are known: leave out --since
    ");
    assert_snapshot!(program.shot(&["logs", "bob", "--since", "1h"]), @"
    exit 1
    --- stderr
    error: bob has no log, and of what a terminal shows no times are known; give it one: log = {}
    ");
    assert_eq!(program.code(&["logs", "ada", "--since", "soon"]), 1);
}

impl Program {
    /// Has the settings of a log be of long ago: its writer had all the time to begin.
    fn age_log_settings(&self, agent: &str) {
        let settings = self.at(&format!("state/{}/run/{agent}.log.json", self.fleet.1));
        let settings = std::fs::File::options().write(true).open(settings).unwrap();
        settings.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
    }
}

#[test]
fn a_log_whose_pipe_was_closed_goes_on_and_a_pipe_of_another_program_is_named_and_left() {
    let program = Program::new(MANIFEST);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let tmux = Tmux { socket: program.socket() };
    let writer = eventually(|| program.writers().pop(), LIMIT);
    let pids = program.pids();
    let gone = |writer: &ProcId| eventually(|| (writer.liveness() == process::Liveness::Gone).then_some(()), LIMIT);

    // Somebody closes it by hand: the plan says so, and the next apply opens it again, without touching the program.
    tmux.run(["pipe-pane", "-t", "=bob:"]);
    gone(&writer);
    program.age_log_settings("bob");
    let plan = program.brief(&["plan", "--detailed-exitcode"]);
    assert!(plan.starts_with("exit 2") && plan.contains("amend      something closed the pipe to its log"), "{plan}");
    assert_eq!(program.json(&["plan", "--json"])["resource_changes"][0]["action_reason"], "log_closed");
    let doctor = program.shot(&["doctor"]);
    assert!(doctor.contains("1 not at rest"), "{doctor}");
    let applied = program.brief(&["apply", "--auto-approve"]);
    assert!(applied.starts_with("exit 0") && applied.contains("1 amended"), "{applied}");
    let writer = eventually(|| program.writers().pop(), LIMIT);
    assert_eq!(program.code(&["plan", "--detailed-exitcode"]), 0);
    assert_eq!(program.pids(), pids);

    // Another program has it: that is named, and it keeps what it has.
    tmux.run(["pipe-pane", "-t", "=bob:", &format!("exec cat > '{}'", program.at("theirs").display())]);
    gone(&writer);
    program.age_log_settings("bob");
    assert_eq!(program.code(&["plan", "--detailed-exitcode"]), 0);
    let status = program.json(&["status", "--json"]);
    let note = |status: &serde_json::Value| status["agents"][0]["note"].as_str().unwrap_or_default().to_owned();
    let holder = process::children(tmux.run(["display-message", "-p", "#{pid}"]).trim().parse().unwrap()).unwrap();
    let cat = holder.into_iter().find(|pid| process::cmdline(*pid).unwrap() == ["cat"]).unwrap();
    assert_eq!(note(&status), format!("its log has ended: process {cat} has the output of its pane, by `tmux pipe-pane`"));
    let doctor = program.shot(&["doctor"]);
    assert!(doctor.contains("yellow  logs     bob: its log has ended: process"), "{doctor}");
    for _ in 0..2 {
        assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    }
    // What is declared now is not put in its place either.
    program.edit("log = {}", "log = { keep = 5 }");
    program.age_log_settings("bob");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(program.writers(), []);
    let told = program.shot(&["history"]);
    assert_eq!(told.matches("log taken").count(), 1, "{told}");
    program.write("go", "");
    eventually(|| std::fs::read_to_string(program.at("theirs")).unwrap().contains("three").then_some(()), LIMIT);
    assert_eq!(program.pids(), pids);

    // Once that is gone, the log goes on.
    tmux.run(["pipe-pane", "-t", "=bob:"]);
    program.age_log_settings("bob");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    eventually(|| program.writers().pop(), LIMIT);
    assert!(note(&program.json(&["status", "--json"])).is_empty());
}
