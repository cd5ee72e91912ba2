//! A tmux server that is not ours alone: options, configurations, and what persons do in the sessions of agents.

use crate::support::{LIMIT, Program, Tmux, eventually};

/// One agent in the tmux server of a test.
fn world(tmux: &str) -> (Program, Tmux) {
    let manifest = "version = 1\nfleet = \"own\"\n[tmux]\nsocket = \"SOCKET\"\nMORE\n[agents.lead]\ncommand = [\"/bin/sleep\", \"1071\"]\n\
                    ready = { delay = \"10ms\" }\n";
    let program = Program::new(&manifest.replace("MORE", tmux));
    let tmux = Tmux::in_folder(program.folder.path());
    program.edit("SOCKET", tmux.socket.to_str().unwrap());
    (program, tmux)
}

fn all_options(tmux: &Tmux) -> String {
    [["show-options", "-g"], ["show-options", "-s"], ["show-window-options", "-g"]].map(|words| tmux.run(words)).concat()
}

fn says(program: &Program, arguments: &[&str]) -> String {
    let output = program.command(arguments).output().unwrap();
    super::shown(&output, str::to_owned)
}

#[test]
fn a_server_that_ran_before_the_fleet_came_keeps_its_options() {
    let (program, tmux) = world("options = { status-left = \"fleet\", mode-keys = \"vi\" }");
    tmux.run(["new-session", "-d", "-s", "mine", "sleep 1072"]);
    let before = all_options(&tmux);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(all_options(&tmux), before);
    assert_eq!(tmux.run(["show-options", "-v", "-t", "=lead:", "status-left"]), "fleet\n", "for its own session it is set");
    assert_eq!(tmux.run(["show-options", "-wv", "-t", "=lead:", "mode-keys"]), "vi\n");
    assert_eq!(tmux.run(["display-message", "-p", "-t", "=lead:", "#{window_width}x#{window_height}"]), "200x50\n");
    // What is not declared any more is taken back.
    program.edit("status-left = \"fleet\", ", "");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(tmux.run(["show-options", "-v", "-t", "=lead:", "status-left"]), "");
    program.edit("[tmux]", "[tmux]\nsize = \"132x43\"");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(tmux.run(["show-options", "-v", "-t", "=lead:", "default-size"]), "132x43\n");
    // A window of the person's closes when its program ends; an agent's pane stays.
    tmux.run(["new-window", "-d", "-t", "=mine:", "true"]);
    eventually(|| (tmux.run(["list-windows", "-t", "=mine"]).lines().count() == 1).then_some(()), LIMIT);
    assert_eq!(tmux.run(["show-options", "-pv", "-t", "=lead:", "remain-on-exit"]), "on\n");
    assert_eq!(program.code(&["down", "--auto-approve"]), 0);
    assert_eq!(all_options(&tmux), before);
    assert_eq!(tmux.run(["list-sessions", "-F", "#S"]), "mine\n");
}

#[test]
fn an_option_of_the_whole_server_is_not_set_where_the_server_is_not_ours() {
    let (program, tmux) = world("options = { escape-time = \"7\" }");
    tmux.run(["new-session", "-d", "-s", "mine", "sleep 1072"]);
    let before = tmux.run(["show-options", "-sv", "escape-time"]);
    let applied = says(&program, &["apply", "--auto-approve"]);
    assert_eq!(program.pids().len(), 1, "{applied}");
    assert_eq!(tmux.run(["show-options", "-sv", "escape-time"]), before);
}

#[test]
fn an_agent_comes_back_beside_what_persons_opened_in_its_session() {
    let (program, tmux) = world("");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let agents = || tmux.run(["list-panes", "-s", "-t", "=lead", "-F", "#{pane_id} #{pane_dead} #{pane_start_command}"]);
    let own = || agents().lines().filter(|line| line.contains(" keep v1/") && line.contains(" 0 ")).count();
    let first = tmux.run(["display-message", "-p", "-t", "=lead:", "#{pane_id}"]);
    // A person looks around beside the agent, and closes its pane.
    tmux.run(["split-window", "-d", "-t", "=lead:", "sleep 1073"]);
    tmux.run(["kill-pane", "-t", first.trim()]);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!((own(), agents().lines().count()), (1, 2), "{}", agents());
    // A person starts something else in the agent's pane.
    let second = agents().lines().find(|line| line.contains(" keep ")).unwrap().split(' ').next().unwrap().to_owned();
    tmux.run(["respawn-pane", "-k", "-t", &second, "sleep 1074"]);
    eventually(|| (own() == 0).then_some(()), LIMIT);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(own(), 1, "{}", agents());
    // A window of a person's is left, and is in nobody's way.
    tmux.run(["new-window", "-d", "-t", "=lead:", "sleep 1075"]);
    assert_eq!(program.code(&["down", "--auto-approve"]), 0);
    assert_eq!(own(), 0);
    let plan = says(&program, &["plan"]);
    assert!(!plan.contains("blocked"), "{plan}");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(own(), 1, "{}", agents());
    assert!(says(&program, &["plan"]).contains("No changes"));
}

#[test]
fn a_configuration_that_removes_sessions_without_clients_removes_no_agent() {
    let (program, tmux) = world("config = \"tmux.conf\"");
    let config = "set -g destroy-unattached on\nset -g history-limit 77\nset -g exit-unattached on\nset -g default-terminal screen\n";
    program.write("tmux.conf", config);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(tmux.run(["list-sessions", "-F", "#S"]), "lead\n");
    // What it sets is in force, where the manifest says nothing of it.
    assert_eq!(tmux.run(["show-options", "-gv", "history-limit"]), "77\n");
    assert_eq!(tmux.run(["show-options", "-gv", "default-terminal"]), "screen\n");
    assert_eq!(tmux.run(["display-message", "-p", "-t", "=lead:", "#{history_limit}"]), "77\n");
    // After down, the server of the fleet is gone.
    assert_eq!(program.code(&["down", "--auto-approve"]), 0);
    eventually(|| (!tmux.command().arg("list-sessions").output().unwrap().status.success()).then_some(()), LIMIT);
}

#[test]
fn what_is_wrong_with_a_configuration_is_told_with_its_line() {
    let (program, tmux) = world("config = \"tmux.conf\"");
    let plan = says(&program, &["plan"]);
    assert!(plan.contains("the tmux configuration cannot be read") && plan.contains("No such file or directory"), "{plan}");
    program.write("tmux.conf", "set -g history-limit 77\nno-such-command\nset -g no-such-option 1\n");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0, "it keeps nothing from being started");
    let plan = says(&program, &["plan"]);
    assert!(plan.contains("tmux.conf:2: unknown command: no-such-command"), "{plan}");
    assert_eq!(program.json(&["status", "--json"])["warnings"].as_array().unwrap().len(), 1);
    let doctor = says(&program, &["doctor"]);
    assert!(doctor.contains("yellow  server") && doctor.contains("tmux.conf:2:"), "{doctor}");
    drop(tmux);
}

#[test]
fn a_dead_pane_that_was_adopted_and_has_no_record_is_forgotten_once() {
    let (program, tmux) = world("");
    tmux.run(["new-session", "-d", "-s", "old", "sleep 1076"]);
    tmux.run(["set-option", "-w", "-t", "=old:", "remain-on-exit", "on"]);
    program.edit("[agents.lead]", "[agents.ada]\ncommand = [\"/bin/sleep\", \"1076\"]\nsession = \"old\"\n[agents.lead]");
    assert_eq!(program.code(&["adopt", "ada", "--session", "old"]), 0);
    let pid: u32 = tmux.run(["display-message", "-p", "-t", "=old:", "#{pane_pid}"]).trim().parse().unwrap();
    program.edit("[agents.ada]\ncommand = [\"/bin/sleep\", \"1076\"]\nsession = \"old\"\n", "");
    std::fs::remove_file(program.at("state").join(&program.fleet.1).join("agents/ada.json")).unwrap();
    let process = reconcile::process::ProcId::of(pid).unwrap().unwrap();
    reconcile::process::signal(&process, reconcile::process::Signal::KILL).unwrap();
    eventually(|| (tmux.run(["display-message", "-p", "-t", "=old:", "#{pane_dead}"]).trim() == "1").then_some(()), LIMIT);
    assert_eq!(program.code(&["apply", "--auto-approve", "--max-stop", "100%"]), 0);
    assert!(says(&program, &["plan"]).contains("No changes"));
}

#[test]
fn hooks_that_work_against_the_fleet_are_named() {
    let program = Program::new(
        "version = 1\nfleet = \"hooks\"\n[tmux]\nconfig = \"tmux.conf\"\n[agents.ada]\ncommand = [\"sleep\", \"1001\"]\nready = { delay = \"10ms\" }\n",
    );
    program.write("tmux.conf", "set-hook -g pane-died respawn-pane\nset-hook -g client-attached 'display-message hello'\n");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let doctor = program.shot(&["doctor"]);
    assert!(doctor.starts_with("exit 0"), "{doctor}");
    assert!(doctor.contains("yellow  hooks    pane-died[0] respawn-pane\n"), "{doctor}");
    let tmux = crate::support::Tmux { socket: program.socket() };
    tmux.run(["set-hook", "-gu", "pane-died"]);
    let doctor = program.shot(&["doctor"]);
    assert!(!doctor.contains("hooks  "), "{doctor}");
}

#[test]
fn a_configuration_that_ends_the_server_or_closes_panes_is_no_agents_fault() {
    let (program, _) = world("config = \"tmux.conf\"");
    for (config, told) in [
        ("kill-server\n", "the tmux server ended right after it started; look at its configuration"),
        (
            "set-hook -g session-created kill-session\n",
            "its pane was closed as soon as it was made; look at the hooks in the tmux configuration",
        ),
    ] {
        program.write("tmux.conf", config);
        let report = program.brief(&["apply", "--auto-approve", "--timeout", "2s"]);
        assert!(report.starts_with("exit 3") && report.contains(told) && report.contains("tmux.conf"), "{config}: {report}");
        assert!(
            report.contains("no fault of their own") && !report.contains("exited") && !report.contains("being started"),
            "{config}: {report}"
        );
        for agent in program.json(&["status", "--json"])["agents"].as_array().unwrap() {
            assert_eq!((&agent["restarts"], &agent["pid"]), (&serde_json::json!(0), &serde_json::Value::Null), "{config}: {agent}");
        }
        // It heals by itself, but for a server that has read it.
        assert_eq!(program.code(&["down", "--auto-approve"]), 0);
    }
    program.write("tmux.conf", "");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
}
