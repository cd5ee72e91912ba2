//! Hooks and leftovers, as declared and applied.

use insta::assert_snapshot;
use reconcile::process::{self, Liveness, ProcId, Signal};
use serde_json::Value;

use crate::support::{Doomed, LIMIT, Program, eventually};

/// Every hook writes its name and what it knows; those of the tool beside those of the keeper.
const HOOKED: &str = r#"
version = 1
fleet = "hooked"
[guard]
max_stop = "100%"
[defaults]
ready = { delay = "10ms" }
restart = { policy = "never" }
env = { OWN = "own" }
[defaults.hooks]
before_spawn = ["sh", "-c", "echo $RECONCILE_AGENT $RECONCILE_HOOK $OWN >> told"]
after_ready = ["sh", "-c", "echo $RECONCILE_AGENT $RECONCILE_HOOK $OWN >> told; echo said"]
before_stop = { command = ["sh", "-c", "echo $RECONCILE_AGENT $RECONCILE_HOOK $OWN [$RECONCILE] >> told"], timeout = "5s" }
after_stop = ["sh", "-c", "echo $RECONCILE_AGENT $RECONCILE_HOOK $RECONCILE_EXIT_CODE$RECONCILE_EXIT_SIGNAL >> told"]
on_crash = ["sh", "-c", "echo $RECONCILE_AGENT $RECONCILE_HOOK $RECONCILE_EXIT_CODE$RECONCILE_EXIT_SIGNAL >> told"]

[agents.ada]
runtime = "daemon"
command = ["sleep", "1015"]

[agents.bob]
command = ["sleep", "1016"]
after = ["ada"]
"#;

impl Program {
    /// What the hooks of an agent have written, in order.
    fn told(&self, agent: &str) -> Vec<String> {
        let told = std::fs::read_to_string(self.at("told")).unwrap_or_default();
        let own = |line: &str| line.strip_prefix(agent).map(|rest| rest.trim().to_owned());
        told.lines().filter_map(own).collect()
    }

    #[track_caller]
    fn tells(&self, agent: &str, expected: &[&str]) {
        eventually(|| (self.told(agent).len() >= expected.len()).then_some(()), LIMIT);
        let (mut told, mut expected) = (self.told(agent), expected.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>());
        // Nothing waits for the hooks of the tool.
        told.sort_unstable();
        expected.sort_unstable();
        assert_eq!(told, expected);
    }
}

#[test]
fn each_turn_of_a_life_has_its_hook() {
    let program = Program::new(HOOKED);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    for agent in ["ada", "bob"] {
        program.tells(agent, &["before_spawn own", "after_ready own"]);
    }
    // The output of a daemon's hooks is in its log.
    eventually(|| (program.logs(&["ada"]) == "said\n").then_some(()), LIMIT);
    // Seen to be ready once is enough, and a plan is empty.
    assert_eq!(program.code(&["plan", "--detailed-exitcode"]), 0);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(program.told("ada").len(), 2);

    // An end that is asked for is no crash, though the keeper was not asked: the record says so.
    assert_eq!(program.code(&["stop", "ada", "bob"]), 0);
    program.tells("ada", &["before_spawn own", "after_ready own", "before_stop own []", "after_stop 15"]);
    program.tells("bob", &["before_spawn own", "after_ready own", "before_stop own []", "after_stop 2"]);

    std::fs::remove_file(program.at("told")).unwrap();
    assert_eq!(program.code(&["start", "ada", "bob"]), 0);
    program.tells("bob", &["before_spawn own", "after_ready own"]);
    let pids = program.pids();
    let bob = ProcId::of(u32::try_from(pids["bob"]).unwrap()).unwrap().unwrap();
    process::signal(&bob, Signal::KILL).unwrap();
    program.tells("bob", &["before_spawn own", "after_ready own", "on_crash 9", "after_stop 9"]);
}

#[test]
fn hooks_change_without_a_restart_and_a_failing_one_stops_the_start() {
    let program = Program::new(HOOKED);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let before = program.pids();
    program.edit("after_stop = [\"sh\", \"-c\", \"echo $RECONCILE_AGENT", "after_stop = [\"sh\", \"-c\", \"echo $RECONCILE_AGENT new");
    assert_snapshot!(program.brief(&["plan"]), @r#"
    exit 0
    --- stdout
    fleet hooked · constellation.toml · 2 agents, 2 running · observed HH:MM:SS

      ~ ada    amend      hooks.after_stop.command[2] …E_AGENT $RECONCI… → …E_AGENT new $RECON…
      ~ bob    amend      hooks.after_stop.command[2] …E_AGENT $RECONCI… → …E_AGENT new $RECON…

    2 to amend. 0 at rest.
    "#);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(program.pids(), before);
    assert_eq!(program.code(&["stop", "ada", "bob"]), 0);
    assert!(program.told("ada").contains(&"new after_stop 15".to_owned()));

    program.edit(
        "before_spawn = [\"sh\", \"-c\", \"echo $RECONCILE_AGENT $RECONCILE_HOOK $OWN >> told\"]",
        "before_spawn = { command = [\"sh\", \"-c\", \"echo the disk is full; exit 9\"], on_fail = \"fail\" }",
    );
    assert_eq!(program.code(&["start", "ada"]), 3);
    assert!(program.shot(&["history", "ada"]).contains("the hook before_spawn, sh, failed: exit status: 9: the disk is full"));
}

#[test]
fn what_is_left_running_is_named_and_in_nobodys_way() {
    let manifest = r#"
version = 1
fleet = "left"
[defaults]
ready = { delay = "10ms" }

[agents.ada]
runtime = "daemon"
command = "setsid sleep 1017 & until [ -e go ]; do sleep 0.01; done; rm go; exit 3"
leftovers = "report"
restart = { backoff = { first = "10ms" } }
"#;
    let program = Program::new(manifest);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let first = program.pids();
    std::fs::write(program.at("go"), "").unwrap();
    eventually(|| (!super::alive(first["ada"])).then_some(()), LIMIT);
    // A new daemon has the list of processes searched, and what was left is found by its mark.
    program.edit("[agents.ada]", "[agents.bob]\nruntime = \"daemon\"\ncommand = [\"sleep\", \"1018\"]\n[agents.ada]");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let second = program.pids();
    assert_ne!(first["ada"], second["ada"]);
    let status = program.json(&["status", "--json"]);
    let agent = status["agents"].as_array().unwrap().iter().find(|agent| agent["name"] == "ada").unwrap().clone();
    assert_eq!(agent["left"][0]["command"], "sleep 1017");
    let left = ProcId::of(u32::try_from(agent["left"][0]["pid"].as_u64().unwrap()).unwrap()).unwrap().unwrap();
    let _doomed = Doomed(vec![left.clone()]);
    assert_eq!(left.liveness(), Liveness::Alive);
    let text = program.shot(&["explain", "ada"]);
    assert!(text.contains("left running: pid PID (sleep 1017)"), "{text}");
    assert!(program.shot(&["history", "ada"]).contains("left     pid PID (sleep 1017)"), "{}", program.shot(&["history", "ada"]));

    // Of what has ended nothing is told any more.
    process::signal(&left, Signal::KILL).unwrap();
    eventually(|| (left.liveness() == Liveness::Gone).then_some(()), LIMIT);
    assert!(!program.shot(&["status"]).contains("left running"));
}

#[test]
fn what_holds_a_pane_open_does_not_keep_the_next_life_out_of_it() {
    let manifest = r#"
version = 1
fleet = "held"
[agents.ada]
command = "sleep 1019 & setsid sleep 1020 & until [ -e go ]; do sleep 0.01; done; rm go; exit 3"
ready = { delay = "10ms" }
leftovers = "keep"
restart = { backoff = { first = "10ms" } }
"#;
    let program = Program::new(manifest);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let first = program.pids();
    std::fs::write(program.at("go"), "").unwrap();
    // The hangup of a terminal when its first process ends is what tmux sees, whoever else holds it open.
    let tmux = crate::support::Tmux { socket: program.socket() };
    eventually(|| (tmux.run(["list-panes", "-a", "-F", "#{pane_dead}"]) == "1\n").then_some(()), LIMIT);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_ne!(program.pids(), first);
    assert_eq!(tmux.run(["list-panes", "-a", "-F", "#{pane_dead}"]), "0\n");
    // What they are allowed to leave is not told.
    assert!(!program.shot(&["status"]).contains("left running"));
    let sleepers = |program: &Program| {
        let marks = process::marks_of().unwrap();
        let own = marks.into_iter().filter(|(mark, _)| mark.fleet.as_str() == program.fleet.1);
        own.flat_map(|(_, processes)| processes).collect::<Vec<_>>()
    };
    let _doomed = Doomed(sleepers(&program));
    assert_eq!(program.code(&["plan", "--detailed-exitcode"]), 0);
}

#[test]
fn what_a_killed_keeper_left_was_never_ended_and_must_go() {
    let manifest = r#"
version = 1
fleet = "orphans"
[agents.ada]
runtime = "daemon"
command = "setsid sleep 1021 & exec sleep 1022"
ready = { delay = "10ms" }
leftovers = "keep"
restart = { backoff = { first = "10ms" } }
"#;
    let program = Program::new(manifest);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let before = program.pids();
    let keeper = program.keepers().remove(0);
    let marked = || process::with_mark(&keeper.mark.to_string()).unwrap();
    eventually(|| (marked().len() == 2).then_some(()), LIMIT);
    let _doomed = Doomed(marked());
    process::signal(&keeper.process, Signal::KILL).unwrap();
    eventually(|| (keeper.process.liveness() == Liveness::Gone).then_some(()), LIMIT);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(marked(), []);
    assert_ne!(program.pids(), before);
}

#[test]
fn who_waits_for_a_secret_is_not_ready_and_nobody_starts_after_it() {
    let manifest = r#"
version = 1
fleet = "late"
[defaults]
runtime = "daemon"
ready = { delay = "10ms" }
[agents.ada]
command = ["sleep", "1023"]
secrets.KEY = { command = ["sh", "-c", "until [ -e go ]; do sleep 0.01; done; echo x"] }
[agents.bob]
command = ["sleep", "1024"]
after = ["ada"]
"#;
    let program = Program::new(manifest);
    assert_eq!(program.code(&["apply", "--auto-approve", "--timeout", "500ms"]), 3);
    let status = program.json(&["status", "--json"]);
    let agents: Vec<_> = status["agents"].as_array().unwrap().iter().map(|agent| (&agent["state"], &agent["pid"])).collect();
    assert_eq!(agents, [(&"starting".into(), &Value::Null), (&"absent".into(), &Value::Null)]);
    std::fs::write(program.at("go"), "").unwrap();
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(program.pids().len(), 2);
}
