//! Texts for programs without a preset: whether they were read, and not only echoed.

use reconcile::process::{self, ProcId, Signal};
use serde_json::json;

use crate::support::{LIMIT, Program, eventually};

fn fleet(command: &str, ready: &str) -> Program {
    Program::new(&format!("version = 1\nfleet = \"reads\"\n[agents.ada]\ncommand = [\"sh\", \"-c\", {command:?}]\n{ready}\n"))
}

const READY: &str = "ready = { delay = \"10ms\" }";

#[test]
fn what_only_the_terminal_echoes_is_not_confirmed() {
    let program = fleet("while [ ! -e go ]; do sleep 0.05; done; read -r line; echo \"$line\" > got; sleep 1009", READY);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let receipt = program.json(&["send", "ada", "hello", "--json"]);
    assert_eq!(receipt["receipt"], "unconfirmed", "{receipt}");
    assert!(receipt["reason"].as_str().unwrap().contains("its program has not read it: 6 bytes wait in its terminal"), "{receipt}");
    program.write("go", "");
    eventually(|| (std::fs::read_to_string(program.at("got")).ok()? == "hello\n").then_some(()), LIMIT);
}

#[test]
fn nothing_is_typed_before_something_tells_that_the_program_reads() {
    let program = fleet("while [ ! -e go ]; do sleep 0.05; done; stty raw -echo; touch raw; head -c 5 > got; sleep 1009", "");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let receipt = program.json(&["send", "ada", "hello", "--timeout", "500ms", "--json"]);
    assert_eq!(receipt["receipt"], "refused", "{receipt}");
    assert!(receipt["reason"].as_str().unwrap().contains("it is not known whether its program reads its terminal"), "{receipt}");
    program.write("go", "");
    eventually(|| program.at("raw").exists().then_some(()), LIMIT);
    program.code(&["send", "ada", "hello"]);
    eventually(|| (std::fs::read_to_string(program.at("got")).ok()? == "hello").then_some(()), LIMIT);
}

#[test]
fn a_prompt_waits_for_that_too() {
    let program = fleet("sleep 1009", "prompt = \"begin\"");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 3);
    let held = program.json(&["status", "--json"])["agents"][0]["held"].clone();
    assert_eq!(held["reason"], json!("not_reading"), "{held}");
}

/// One that reads keys, writes down what it took, and draws nothing of it; its screen rests.
const SILENT: &str = "stty raw -echo; touch raw; exec cat >> got";

/// A fleet of such a one, which gets notes by its terminal only.
fn silent() -> Program {
    let notes = "idle = { quiet = \"2s\" }\nready = { file = \"raw\" }\nhandoff.deliver = [\"paste\"]";
    let program = fleet(SILENT, notes);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(program.code(&["wait", "ada", "--for", "idle"]), 0);
    program
}

fn got(program: &Program) -> String {
    std::fs::read_to_string(program.at("got")).unwrap_or_default()
}

#[test]
fn nothing_is_typed_behind_a_text_that_was_not_confirmed() {
    let program = silent();
    for note in ["one", "two"] {
        assert_eq!(program.code(&["handoff", "put", "ada", note]), 0);
    }
    let report = program.brief(&["apply", "--auto-approve"]);
    assert!(report.starts_with("exit 3") && report.contains("1 not confirmed") && !report.contains("delivered"), "{report}");
    assert!(report.contains("its handoff was typed and not confirmed"), "{report}");
    let receipt = program.json(&["send", "ada", "three", "--json"]);
    assert_eq!(receipt["receipt"], "refused", "{receipt}");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 3);
    eventually(|| (got(&program) == "one").then_some(()), LIMIT);
    // Both are told of where they are.
    let states = || {
        let list = program.json(&["handoff", "list", "--json"]);
        list["notes"].as_array().unwrap().iter().map(|note| note["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(states(), ["waiting", "unconfirmed"]);
    // A person submits it, and the next one follows on a line of its own.
    assert_eq!(program.code(&["keys", "ada", "Enter"]), 0);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 3);
    eventually(|| (got(&program) == "one\rtwo").then_some(()), LIMIT);
    assert_eq!(states(), ["unconfirmed"]);
    // Another life has another terminal.
    program.edit("handoff.deliver", "env = { A = \"1\" }\nhandoff.deliver");
    assert_eq!(program.code(&["apply", "--auto-approve", "--now"]), 0);
    assert_eq!(program.json(&["handoff", "list", "--json"])["notes"], json!([]));
}

#[test]
fn a_suspended_program_is_not_typed_at() {
    let program = silent();
    let pid = program.json(&["status", "--json"])["agents"][0]["pid"].as_u64().unwrap() as u32;
    let id = ProcId::of(pid).unwrap().unwrap();
    process::signal(&id, Signal::STOP).unwrap();
    eventually(|| (process::stat(pid).ok()??.state == process::State::Stopped).then_some(()), LIMIT);
    assert_eq!(program.code(&["handoff", "put", "ada", "one"]), 0);
    let report = program.brief(&["apply", "--auto-approve"]);
    assert!(report.starts_with("exit 3") && report.contains("a signal has stopped its program"), "{report}");
    let receipt = program.json(&["send", "ada", "two", "--timeout", "0s", "--json"]);
    assert_eq!(receipt["receipt"], "refused", "{receipt}");
    assert_eq!(program.json(&["handoff", "list", "--json"])["notes"][0]["state"], "waiting");
    process::signal(&id, Signal::CONT).unwrap();
    program.code(&["apply", "--auto-approve"]);
    eventually(|| (got(&program) == "one").then_some(()), LIMIT);
}
