//! What a person asks of single agents, and that it stays so.

use insta::assert_snapshot;
use serde_json::Value;

use super::FLEET;
use crate::support::Program;

fn state(program: &Program, agent: &str) -> Value {
    let status = program.json(&["status", "--json"]);
    status["agents"].as_array().unwrap().iter().find(|one| one["name"] == agent).unwrap().clone()
}

#[test]
fn what_was_stopped_stays_stopped_until_it_is_started() {
    let program = Program::new(FLEET);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let before = program.pids();
    assert_snapshot!(program.brief(&["stop", "cyd"]), @"
    exit 0
    --- stdout
    fleet it · constellation.toml · 3 agents, 3 running · observed HH:MM:SS

      - cyd    stop       should be stopped    interrupts: up AGE

    1 to stop. 0 at rest.

    1 ended. 1 at rest.
    --- stderr
    HH:MM:SS  cyd  drain    should be stopped: step 1, keys C-c
    HH:MM:SS  cyd  exited   was ended by signal 2, graceful after step 1
    ");
    assert_snapshot!(program.brief(&["stop", "cyd"]), @"
    exit 0
    --- stdout
    No changes. 1 agent at rest.
    ");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let stopped = state(&program, "cyd");
    assert_eq!((&stopped["state"], &stopped["wanted"]), (&Value::from("exited"), &Value::from("stopped")));
    assert_eq!(program.code(&["start", "cyd"]), 0);
    let after = program.pids();
    assert_eq!((&after["ada"], &after["bob"]), (&before["ada"], &before["bob"]));
    assert_ne!(after["cyd"], before["cyd"]);
    // One that runs is not started again.
    assert_eq!(program.code(&["start", "cyd"]), 0);
    assert_eq!(program.pids(), after);
}

#[test]
fn one_that_never_ran_can_be_stopped_too() {
    let program = Program::new(FLEET);
    assert_eq!(program.code(&["stop", "bob", "cyd"]), 0);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(program.pids().keys().collect::<Vec<_>>(), ["ada"]);
}

#[test]
fn a_restart_is_of_those_that_are_named() {
    let program = Program::new(FLEET);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let before = program.pids();
    let document = program.json(&["restart", "bob", "--json"]);
    let agents = document["agents"].as_array().unwrap();
    assert_eq!(
        agents.iter().map(|agent| (&agent["name"], &agent["generation"])).collect::<Vec<_>>(),
        [(&Value::from("bob"), &Value::from(2))]
    );
    let after = program.pids();
    assert_eq!((&after["ada"], &after["cyd"]), (&before["ada"], &before["cyd"]));
    assert_eq!(agents[0]["pid"], after["bob"]);
    assert_ne!(after["bob"], before["bob"]);
    // It is done once: the next apply has nothing to do.
    assert_eq!(program.code(&["plan", "--detailed-exitcode"]), 0);
}

#[test]
fn patterns_need_an_approval_and_keep_to_the_guard() {
    let program = Program::new(&FLEET.replace("[defaults]", "[defaults]\nlabels = { tier = \"test\" }"));
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let before = program.pids();
    assert_snapshot!(program.brief(&["stop", "b*", "--max-stop", "100%"]), @"
    exit 4
    --- stdout
    fleet it · constellation.toml · 3 agents, 3 running · observed HH:MM:SS

      - bob    stop       should be stopped    interrupts: up AGE

    1 to stop. 0 at rest.--- stderr
    error: not a terminal, so approval cannot be asked; nothing was done. Pass --auto-approve
    ");
    assert_snapshot!(program.brief(&["stop", "label:tier", "--auto-approve", "--json", "--max-stop", "1"]), @r#"
    exit 4
    --- stdout
    {"error":{"code":"guard","message":"refused by guard max_stop: 3 agents would be stopped or replaced, and the limit is 1; --max-stop 3 allows it","retryable":false,"hint":null}}
    --- stderr
    error: refused by guard max_stop: 3 agents would be stopped or replaced, and the limit is 1; --max-stop 3 allows it
    "#);
    assert_eq!(program.pids(), before);
    // To say that all are meant says how many.
    program.edit("[defaults]", "[guard]\nmax_stop = 0\n\n[defaults]");
    assert_eq!(program.code(&["restart", "--all", "--auto-approve"]), 0);
    assert_ne!(program.pids(), before);
    assert_eq!(program.code(&["stop", "--all", "--auto-approve"]), 0);
    assert!(program.keepers().is_empty());
}

#[test]
fn who_was_stopped_is_not_started_by_a_restart_of_all() {
    let program = Program::new(FLEET);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(program.code(&["stop", "cyd"]), 0);
    assert_eq!(program.code(&["restart", "--all", "--auto-approve"]), 0);
    assert_eq!((state(&program, "cyd")["state"].clone(), state(&program, "bob")["generation"].clone()), ("exited".into(), 2.into()));
    assert_eq!(program.code(&["restart", "cyd"]), 0);
    assert_eq!(state(&program, "cyd")["state"], "ready");
}

#[test]
fn a_kill_does_not_wait_for_one_that_takes_no_notice() {
    let manifest = r#"
version = 1
fleet = "kill"

[agents.ada]
command = "trap '' INT TERM HUP; while :; do sleep 1006; done"
ready = { delay = "10ms" }
drain = [{ signal = "TERM", wait = "1h" }]
"#;
    let program = Program::new(manifest);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_snapshot!(program.shot(&["kill", "ada"]), @"
    exit 0
    --- stdout
    fleet kill · constellation.toml · 1 agent, 1 running · observed HH:MM:SS

      - ada    stop       should be stopped    interrupts: up AGE

    1 to stop. 0 at rest.

    ada
        way out: kill of the whole tree

    rounds to come
      1  kill ada

    1 ended. 1 at rest.
    --- stderr
    HH:MM:SS  ada  kill     should be stopped
    HH:MM:SS  ada  exited   was ended by signal 9, killed
    ");
    assert!(program.keepers().is_empty());
}

#[test]
fn who_is_not_there_is_named() {
    let program = Program::new(FLEET);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_snapshot!(program.brief(&["restart", "bop"]), @"
    exit 1
    --- stderr
    error: no agent is called `bop`; did you mean `bob`?
    ");
    assert_snapshot!(program.brief(&["stop"]), @"
    exit 1
    --- stderr
    error: which agents? Name them, or pass --all
    ");
    program.edit("[agents.cyd]\ncommand = \"sleep 1003\"\nafter = [\"bob\"]\n", "");
    assert_snapshot!(program.brief(&["start", "cyd"]), @"
    exit 1
    --- stderr
    error: no agent is called `cyd` in the manifest; what is not declared there can be stopped, not started
    ");
    assert_eq!(program.pids().len(), 3);
}

#[test]
fn one_that_was_given_up_is_tried_again_after_a_reset() {
    let manifest = r#"
version = 1
fleet = "reset"

[agents.ada]
runtime = "daemon"
command = "[ -e mended ] && exec sleep 1010; exit 3"
ready = { delay = "300ms" }
restart = { backoff = { first = "10ms", max = "10ms" }, give_up = { failures = 2, within = "1h" } }
"#;
    let program = Program::new(manifest);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 3);
    std::fs::write(program.at("mended"), "").unwrap();
    assert_eq!(program.code(&["apply", "--auto-approve"]), 3, "it stays given up");
    assert_snapshot!(program.shot(&["reset", "ada"]), @"exit 0");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(program.pids().len(), 1);
    assert_eq!(program.code(&["reset", "bob"]), 1);
}

#[test]
fn a_restart_tells_what_came_of_it_and_why_it_was() {
    let program = Program::new(FLEET);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let document = program.json(&["restart", "ada", "--json", "-m", "a new token"]);
    let outcome = &document["outcomes"][0];
    assert_eq!((&outcome["name"], &document["agents"][0]["generation"]), (&Value::from("ada"), &Value::from(2)));
    assert!(outcome["ended"].as_str().unwrap().contains("graceful after step 1"), "{outcome}");
    assert!(outcome["end_ms"].is_u64() && outcome["ready_ms"].is_u64() && outcome["log"].is_string(), "{outcome}");
    assert!(program.shot(&["history"]).contains("(fleet)  began    a new token"));
    // What goes wrong is told to programs too.
    let error = program.json(&["restart", "nobody", "--json"]);
    assert_eq!((&error["error"]["code"], &error["error"]["retryable"]), (&Value::from("agent_unknown"), &Value::from(false)), "{error}");
}

#[test]
fn a_note_of_a_restart_is_for_the_successor() {
    let program = Program::new(FLEET);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    program.write("note.md", "what I was at");
    // Nothing to say is no reason not to restart.
    program.write("empty.md", "");
    for (nothing, why) in [("missing.md", "does not exist"), ("empty.md", "is empty"), ("/dev/null", "is empty"), ("-", "is empty")] {
        let before = program.pids()["ada"];
        let output = program.command(&["restart", "ada", "--handoff", nothing]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && said.contains(&format!("note: {nothing} {why}: ada gets no note")), "{said}");
        assert_ne!(program.pids()["ada"], before);
    }
    assert_eq!(program.code(&["restart", "ada", "bob", "--handoff", "note.md"]), 1);
    assert_eq!(program.code(&["stop", "ada", "--handoff", "note.md"]), 1);
    assert_eq!(program.code(&["restart", "ada", "bob", "--handoff", "ada=note.md"]), 0);
    let inbox = program.at("state").join(&program.fleet.1).join("inbox/ada");
    let [envelope] = &std::fs::read_dir(&inbox).unwrap().map(|file| file.unwrap().path()).collect::<Vec<_>>()[..] else { panic!("one") };
    assert!(std::fs::read_to_string(envelope).unwrap().contains("what I was at"));
    // As a source, the file is gone when it is delivered.
    assert!(!program.at("note.md").exists());
    let mut command = program.command(&["restart", "ada", "--handoff", "-"]);
    let mut child = command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"by the standard input").unwrap();
    assert!(child.wait().unwrap().success());
    let texts: Vec<String> =
        std::fs::read_dir(&inbox).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    assert!(texts.len() == 2 && texts.iter().any(|text| text.contains("by the standard input")), "{texts:?}");
}

#[test]
fn without_waiting_it_is_only_begun() {
    let program = Program::new(FLEET);
    program.edit(
        "command = [\"sleep\", \"1001\"]",
        "command = \"trap '' TERM; sleep 1001; :\"\ndrain = [{ signal = \"TERM\", wait = \"1s\" }]",
    );
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(program.code(&["restart", "ada", "--wait=false"]), 0);
    assert_eq!(state(&program, "ada")["state"], "leaving");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(state(&program, "ada")["generation"], 2);
}

#[test]
fn an_agent_may_have_itself_restarted_and_is_not_ended_by_its_own_command() {
    let program = Program::new(FLEET);
    let reconcile = env!("CARGO_BIN_EXE_reconcile");
    let verb = |file: &str, words: &str| format!("if [ -e {file} ]; then rm {file}; {reconcile} restart {words} >{file}.out 2>&1; fi; ");
    let line = format!("while :; do {}{}sleep 0.05; done", verb("plainly", "ada"), verb("properly", "--self"));
    program.edit("command = [\"sleep\", \"1001\"]", &format!("command = {line:?}"));
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    program.write("plainly", "");
    let said = |file: &str| {
        let file = program.at(file);
        crate::support::eventually(
            || std::fs::read_to_string(&file).ok().filter(|text| !text.is_empty() && text.ends_with('\n')),
            crate::support::LIMIT,
        )
    };
    crate::support::eventually(|| said("plainly.out").contains("which it would end").then_some(()), crate::support::LIMIT);
    assert_eq!(state(&program, "ada")["generation"], 1);
    program.write("properly", "");
    assert!(said("properly.out").contains("a helper"), "{}", said("properly.out"));
    let anew = || (state(&program, "ada")["generation"] == 2 && state(&program, "ada")["state"] == "ready").then_some(());
    crate::support::eventually(anew, crate::support::LIMIT);
}

#[test]
fn commands_inside_of_an_agent_are_about_the_same_fleet_as_those_outside() {
    let program = Program::new(FLEET);
    let reconcile = env!("CARGO_BIN_EXE_reconcile");
    let line = format!(
        "while [ ! -e go ]; do sleep 0.01; done; {reconcile} status --json >seen.json; {reconcile} pause bob >paused 2>&1; \
         test -d \"$RECONCILE_STATE_DIR/agents\" && echo own >>paused; echo $? >done; exec sleep 1001"
    );
    program.edit("command = [\"sleep\", \"1001\"]", &format!("command = {line:?}"));
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    program.write("go", "");
    crate::support::eventually(|| program.at("done").exists().then_some(()), crate::support::LIMIT);
    let seen: Value = serde_json::from_str(&std::fs::read_to_string(program.at("seen.json")).unwrap()).unwrap();
    let states: Vec<_> = seen["agents"].as_array().unwrap().iter().map(|agent| (&agent["state"], &agent["next"])).collect();
    assert!(states.iter().all(|(state, next)| **state == "ready" && next.is_null()), "{states:?}");
    assert!(state(&program, "bob")["paused"].is_object(), "{}", std::fs::read_to_string(program.at("paused")).unwrap());
    assert!(std::fs::read_to_string(program.at("paused")).unwrap().ends_with("own\n"), "the folder of its fleet, as documented");
    assert!(!program.at("state").join(&program.fleet.1).join(&program.fleet.1).exists());
}

#[test]
fn a_run_whose_time_is_over_tells_what_it_has_begun() {
    let program = Program::new(
        "version = 1\nfleet = \"begun\"\n[agents.ada]\nruntime = \"daemon\"\nready = { file = \"up\" }\n\
         command = \"trap : TERM; touch up; while :; do sleep 0.05; done\"\ndrain = [{ signal = \"TERM\", wait = \"1m\" }]\n",
    );
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let report = program.brief(&["restart", "ada", "--timeout", "1s"]);
    assert!(report.contains("1 asked to end. 0 at rest.") && !report.contains("Nothing was done"), "{report}");
    // What has ended since counts as that alone.
    let report = program.brief(&["kill", "ada"]);
    assert!(report.contains("1 ended. 1 at rest."), "{report}");
}
