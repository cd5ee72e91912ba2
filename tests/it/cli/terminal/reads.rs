//! Texts for programs without a preset: whether they were read, and not only echoed.

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
