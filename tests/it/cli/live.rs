//! Signs of life, limits, and what is asked before a restart, with real daemons and with the stand-in on real terminals.

use serde_json::{Value, json};

use super::alive;
use crate::support::{LIMIT, Program, eventually, standin};

/// A fleet of daemons that are ready at once and restarted without a long pause.
fn daemons(agents: &str) -> Program {
    Program::new(&format!(
        "version = 1\nfleet = \"live\"\n[guard]\nmax_stop = \"100%\"\n[defaults]\nruntime = \"daemon\"\nready = {{ delay = \"10ms\", timeout = \"1s\" }}\nrestart = {{ backoff = {{ first = \"10ms\", max = \"20ms\" }}, give_up = {{ failures = 3 }} }}\n{agents}"
    ))
}

fn agent(program: &Program, name: &str) -> Value {
    let status = program.json(&["status", "--json"]);
    status["agents"].as_array().unwrap().iter().find(|agent| agent["name"] == name).unwrap().clone()
}

/// Applies until an agent is in this life.
fn applied_until(program: &Program, name: &str, generation: u64) {
    let apply = || {
        program.code(&["apply", "--auto-approve"]);
        (agent(program, name)["generation"] == generation).then_some(())
    };
    eventually(apply, LIMIT);
}

fn history(program: &Program) -> Vec<Value> {
    let output = program.command(&["history", "--json"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Why an agent was asked to end for the first time.
fn why_drained(program: &Program) -> String {
    let events = history(program);
    let drain = events.iter().find(|event| event["what"] == "drain").unwrap_or_else(|| panic!("{events:#?}"));
    drain["why"].as_str().unwrap().to_owned()
}

#[test]
fn who_says_no_again_and_again_is_replaced_and_who_cannot_be_asked_is_not() {
    let program = daemons(
        r#"
[agents.ada]
command = ["sleep", "1001"]
live = { file = "alive", interval = "10ms", failures = 3 }
[agents.bob]
command = ["sleep", "1002"]
live = { command = ["./no-such-program"], interval = "10ms", failures = 1 }
"#,
    );
    program.write("alive", "");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let before = program.pids();
    for _ in 0..5 {
        assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    }
    assert_eq!(program.pids(), before);
    // Whether it lives cannot be told, and that is said.
    let note = agent(&program, "bob")["note"].as_str().unwrap_or_default().to_owned();
    assert!(note.starts_with("its live probe gives no answer: `./no-such-program` could not be started"), "{note}");
    assert!(program.shot(&["status"]).contains("its live probe gives no answer"), "{}", program.shot(&["status"]));

    std::fs::remove_file(program.at("alive")).unwrap();
    // One no is worth a note and nothing else, and a look that only shows remembers nothing.
    for _ in 0..5 {
        let note = eventually(|| Some(agent(&program, "ada")["note"].as_str()?.to_owned()), LIMIT);
        assert!(note.starts_with("its live probe said no: "), "{note}");
    }
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(program.pids(), before);
    eventually(
        || {
            program.code(&["apply", "--auto-approve", "--timeout", "10s"]);
            (agent(&program, "ada")["generation"] != 1).then_some(())
        },
        LIMIT,
    );
    let why = why_drained(&program);
    assert!(why.contains("it is not alive: ") && why.contains("3 times in a row"), "{why}");
    assert!(!alive(before["ada"]));
    program.write("alive", "");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(agent(&program, "ada")["state"], "ready");
    assert_eq!(program.pids()["bob"], before["bob"]);
}

#[test]
fn a_hopeless_one_is_left_running_in_the_end() {
    let program =
        daemons("[agents.ada]\ncommand = [\"sleep\", \"1003\"]\nlive = { file = \"alive\", interval = \"10ms\", failures = 1 }\n");
    eventually(|| (program.code(&["apply", "--auto-approve"]) == 3).then_some(()), LIMIT);
    let ada = agent(&program, "ada");
    assert_eq!((&ada["generation"], &ada["state"], &ada["blocked"]["reason"]), (&json!(3), &json!("ready"), &json!("unhealthy")), "{ada}");
    assert!(alive(ada["pid"].as_u64().unwrap()));
    // A person's wish begins anew.
    program.write("alive", "");
    assert_eq!(program.code(&["restart", "ada"]), 0);
    assert_eq!(agent(&program, "ada")["generation"], 4);
}

#[test]
fn a_silent_heart_is_replaced_and_one_that_beats_is_not() {
    let program = daemons(
        r#"
live = { heartbeat = { replace_after = "2s" } }
[agents.quiet]
command = 'touch "$RECONCILE_HEARTBEAT"; exec sleep 1004'
[agents.lively]
command = 'while :; do touch "$RECONCILE_HEARTBEAT" beat; sleep 0.1; done'
ready = { heartbeat = "beat", max_age = "1m", timeout = "20s" }
"#,
    );
    applied_until(&program, "quiet", 2);
    assert!(why_drained(&program).contains("it is not alive: its heart did not beat for 2s"), "{}", why_drained(&program));
    assert_eq!(agent(&program, "lively")["generation"], 1);
}

#[test]
fn the_memory_of_the_whole_tree_is_limited() {
    let program = daemons(
        r#"
[agents.ada]
command = 'until test -e grow; do sleep 0.05; done; { head -c 60000000 /dev/zero; exec sleep 1005; } | tail & exec sleep 1006'
limits = { memory = "40MiB" }
"#,
    );
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(program.code(&["plan", "--detailed-exitcode"]), 0);
    program.write("grow", "");
    eventually(|| (program.code(&["plan", "--detailed-exitcode"]) == 2).then_some(()), LIMIT);
    let plan = program.brief(&["plan"]);
    assert!(plan.contains("MiB, and limits.memory is 40MiB"), "{plan}");
    std::fs::remove_file(program.at("grow")).unwrap();
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(agent(&program, "ada")["generation"], 2);
    assert_eq!(program.code(&["plan", "--detailed-exitcode"]), 0);
}

#[test]
fn one_life_lasts_no_longer_than_it_may() {
    let program = daemons("[agents.ada]\ncommand = [\"sleep\", \"1007\"]\nlimits = { runtime = \"2s\" }\n");
    applied_until(&program, "ada", 2);
    let why = why_drained(&program);
    assert!(why.contains("it has run for 2s, and limits.runtime is 2s"), "{why}");
    assert_eq!(agent(&program, "ada")["restarts"], 0);
}

#[test]
fn a_crash_without_work_is_left_alone() {
    let program = daemons(
        r#"
[agents.ada]
command = 'test -e work && exec sleep 1008; exit 1'
restart = { only_if = { command = ["test", "-e", "work"] } }
cwd = "there"
"#,
    );
    std::fs::create_dir(program.at("there")).unwrap();
    let ended = || {
        assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
        (agent(&program, "ada")["state"] == "exited").then_some(())
    };
    eventually(ended, LIMIT);
    let ada = agent(&program, "ada");
    assert!(ada["note"].as_str().unwrap().starts_with("restart.only_if said no: "), "{ada}");
    assert_eq!((&ada["generation"], &ada["blocked"]), (&json!(1), &json!(null)));
    let status = program.shot(&["status"]);
    assert!(status.contains("restart.only_if said no: ") && status.contains("At rest."), "{status}");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(agent(&program, "ada")["generation"], 1);

    program.write("there/work", "");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let ada = agent(&program, "ada");
    assert_eq!((&ada["generation"], &ada["state"]), (&json!(2), &json!("ready")));
}

#[test]
fn nothing_is_started_on_a_guess() {
    let program = daemons("[agents.ada]\ncommand = \"exit 1\"\nrestart = { only_if = { command = [\"./no-such-program\"] } }\n");
    eventually(|| (program.code(&["apply", "--auto-approve"]) == 3).then_some(()), LIMIT);
    let ada = agent(&program, "ada");
    assert_eq!((&ada["generation"], &ada["blocked"]["reason"]), (&json!(1), &json!("condition_unknown")), "{ada}");
}

#[test]
fn a_silence_is_answered_with_one_nudge() {
    let program = Program::new("\nfleet = \"nudge\"\n");
    let command = |name: &str, more: &[&str]| {
        let own = [standin().display().to_string(), "--log".to_owned(), program.at(name).display().to_string()];
        own.into_iter().chain(more.iter().map(|word| (*word).to_owned())).collect::<Vec<_>>()
    };
    let (silent, lively) = (command("silent.log", &[]), command("lively.log", &["--heartbeat", "lively.beat"]));
    program.write(
        "constellation.toml",
        &format!(
            r#"version = 1
fleet = "nudge"
[defaults]
preset = "claude"
live = {{ heartbeat = {{ file = "${{name}}.beat", nudge_after = "1s", nudge = "${{name}}, are you there?" }} }}
[agents.lively]
command = {lively:?}
[agents.silent]
command = {silent:?}
"#
        ),
    );
    let texts = |name: &str| {
        let log = std::fs::read_to_string(program.at(name)).unwrap_or_default();
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter_map(|line| Some(line["text"].as_str()?.to_owned())).collect::<Vec<_>>()
    };
    let nudged = || {
        program.code(&["apply", "--auto-approve"]);
        (!texts("silent.log").is_empty()).then_some(())
    };
    eventually(nudged, LIMIT);
    // Once, also after another text; and whose heart beats is left in peace.
    assert_eq!(program.code(&["send", "silent", "go on"]), 0);
    eventually(|| (agent(&program, "silent")["busy"] == false).then_some(()), LIMIT);
    for _ in 0..3 {
        assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    }
    assert_eq!(texts("silent.log"), ["silent, are you there?", "go on"]);
    assert_eq!(texts("lively.log"), [] as [&str; 0]);
    // After a sign of life, the next silence is another one.
    std::fs::write(program.at("silent.beat"), "").unwrap();
    let nudged_again = || {
        program.code(&["apply", "--auto-approve"]);
        (texts("silent.log").len() == 3).then_some(())
    };
    eventually(nudged_again, LIMIT);
}

#[test]
fn a_screen_that_stays_the_same_is_told_of_and_nothing_else() {
    let program = Program::new(
        "version = 1\nfleet = \"still\"\n[agents.ada]\ncommand = \"echo hello; exec sleep 1009\"\nready = { delay = \"10ms\" }\nlive = { screen_unchanged = \"2s\" }\n",
    );
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let note = eventually(|| Some(agent(&program, "ada")["note"].as_str()?.to_owned()), LIMIT);
    assert!(note.starts_with("unchanged for "), "{note}");
    assert!(program.shot(&["status"]).contains("unchanged for "));
    for _ in 0..2 {
        assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    }
    assert_eq!(history(&program).iter().filter(|event| event["what"] == "unchanged").count(), 1);
    assert_eq!(agent(&program, "ada")["generation"], 1);
}
