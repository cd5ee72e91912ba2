//! What a watcher tells to files and programs.

use serde_json::{Value, json};

use super::{FLEET, Running, comes_to_rest, kill, watching};
use crate::support::{LIMIT, Program, eventually};

/// The documents of a file, a line each.
fn lines(program: &Program, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(program.at(name)).unwrap_or_default();
    // The last line may still be being written.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn a_command_reads_lines_and_the_program_works_on_the_same_fleet_inside_of_it() {
    let exe = env!("CARGO_BIN_EXE_reconcile");
    let script = format!("while read -r line; do echo $line >> heard.jsonl; {exe} status --json > seen.json; {exe} stop cyd; done");
    let told = format!("[[notify]]\non = [\"crash\"]\ncommand = [\"sh\", \"-c\", '''{script}''']\n\n[defaults]");
    let manifest = FLEET.replace("[defaults]", &told).replace("\"1001\"", "\"${var.length}001\"");
    let program = Program::new(&manifest);
    // The state folder and a variable are named by flags only, and the manifest has another name.
    std::fs::rename(program.at("constellation.toml"), program.at("other.toml")).unwrap();
    let folder = program.at("elsewhere");
    let flags = ["--file", "other.toml", "--var", "length=2", "--state-dir", folder.to_str().unwrap()];
    let mut command = program.command(&[&["watch"], &flags[..]].concat());
    command.env_remove("RECONCILE_STATE_DIR");
    let _watcher = Running::start(command);
    let status = || program.json(&[&["status", "--json"], &flags[..]].concat());
    let pids = || -> Option<Vec<u64>> { status()["agents"].as_array()?.iter().map(|agent| agent["pid"].as_u64()).collect() };
    let before = eventually(pids, LIMIT);
    kill(before[1]);
    let heard = eventually(|| lines(&program, "heard.jsonl").into_iter().next(), LIMIT);
    assert_eq!((&heard["on"], &heard["agent"]), (&json!("crash"), &json!("bob")));
    let seen = eventually(|| lines_of_document(&program, "seen.json"), LIMIT);
    assert_eq!(seen["fleet"], json!(program.fleet.1));
    assert_eq!(seen["agents"].as_array().unwrap().len(), 3);
    eventually(|| (status()["agents"][2]["state"] == "exited").then_some(()), LIMIT);
}

fn lines_of_document(program: &Program, name: &str) -> Option<Value> {
    serde_json::from_str(&std::fs::read_to_string(program.at(name)).ok()?).ok()
}

#[test]
fn what_happened_while_no_watcher_ran_is_reported_once_by_the_next() {
    let told = FLEET.replace("[defaults]", "[[notify]]\non = [\"crash\"]\nfile = \"crashes.jsonl\"\n\n[defaults]");
    let program = Program::new(&told);
    let crashes = || lines(&program, "crashes.jsonl").iter().map(|line| line["agent"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let mut watcher = watching(&program, &[]);
    for agent in ["bob", "cyd"] {
        watcher.0.kill().unwrap();
        watcher.0.wait().unwrap();
        let before = crashes();
        kill(program.pids()[agent]);
        eventually(|| (program.code(&["apply", "--auto-approve"]) == 0).then_some(()), LIMIT);
        assert_eq!(crashes(), before, "an apply tells nobody");
        watcher = watching(&program, &[]);
        eventually(|| (crashes().len() > before.len()).then_some(()), LIMIT);
    }
    drop(watcher);
    // What was told is not told again, and what happens is told after what had happened.
    let _watcher = watching(&program, &[]);
    kill(program.pids()["bob"]);
    eventually(|| (crashes().len() > 2).then_some(()), LIMIT);
    assert_eq!(crashes(), ["bob", "cyd", "bob"]);
}

#[test]
fn a_file_and_a_command_hear_in_the_order_of_the_journal() {
    let on = "on = [\"crash\", \"failed_repeatedly\"]";
    let told =
        format!("[[notify]]\n{on}\nfile = \"file.jsonl\"\n\n[[notify]]\n{on}\ncommand = [\"sh\", \"-c\", \"cat >> command.jsonl\"]\n\n");
    let restart = "restart = { backoff = { first = \"10ms\", max = \"20ms\" }, give_up = { failures = 2, within = \"1h\" } }";
    let agent = "[agents.ada]\nruntime = \"daemon\"\ncommand = [\"sh\", \"-c\", \"exit 1\"]\n";
    let program =
        Program::new(&format!("version = 1\nfleet = \"order\"\n{told}[defaults]\nready = {{ delay = \"10ms\" }}\n{restart}\n\n{agent}"));
    let _watcher = Running::start(program.command(&["watch"]));
    let heard = |name: &str| lines(&program, name).iter().map(|line| line["on"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    for name in ["file.jsonl", "command.jsonl"] {
        eventually(|| (heard(name).len() >= 3).then_some(()), LIMIT);
        assert_eq!(heard(name), ["crash", "crash", "failed_repeatedly"], "{name}");
    }
}

#[test]
fn a_folder_whose_name_no_agent_can_have_is_told_of_once() {
    let agent = "[agents.rig]\nfor_each = { dirs = \"rigs/*\" }\nruntime = \"daemon\"\ncommand = [\"sleep\", \"1001\"]\n";
    let program = Program::new(&format!("version = 1\nfleet = \"rigs\"\nwatch = {{ resync = \"10m\" }}\n{agent}"));
    std::fs::create_dir_all(program.at("rigs/one")).unwrap();
    let _watcher = watching(&program, &[]);
    std::fs::create_dir(program.at("rigs/Not One")).unwrap();
    let told = super::eventually_told(&program, "manifest", "rigs/Not One` is left out");
    assert!(told["why"].as_str().unwrap().starts_with("warning: "), "{told}");
    std::fs::create_dir(program.at("rigs/two")).unwrap();
    eventually(|| (program.pids().len() == 2).then_some(()), LIMIT);
    assert_eq!(super::events(&program, "manifest").iter().filter(|event| event["why"].as_str().unwrap().contains("left out")).count(), 1);
}

#[test]
fn an_empty_manifest_is_one_notice() {
    let told = "[[notify]]\non = [\"held\"]\nfile = \"told.jsonl\"\n\n[defaults]";
    let program = Program::new(&FLEET.replace("[defaults]", told));
    let _watcher = watching(&program, &["--auto", "all"]);
    let manifest = std::fs::read_to_string(program.at("constellation.toml")).unwrap();
    program.write("constellation.toml", manifest.split("[agents.ada]").next().unwrap());
    let told = eventually(|| lines(&program, "told.jsonl").into_iter().next(), LIMIT);
    assert_eq!((&told["reason"], told["agents"].as_array().unwrap().len()), (&json!("guard"), 3), "{told}");
    program.write("constellation.toml", &manifest);
    comes_to_rest(&program);
    assert_eq!(lines(&program, "told.jsonl").len(), 1);
}
