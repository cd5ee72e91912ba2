//! Commands beside each other: one agent's trouble is nothing to a command that is about another one.

use std::process::{Child, Stdio};

use crate::support::{Program, Tmux};

fn start(program: &Program, words: &[&str]) -> Child {
    program.command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn commands_on_other_agents_wait_for_each_others_rounds() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut text =
        "version = 1\nfleet = \"six\"\n[defaults]\ncommand = [\"/bin/sleep\", \"1074\"]\nready = { delay = \"50ms\" }\n".to_owned();
    names.iter().for_each(|name| text += &format!("[agents.{name}]\n"));
    let program = Program::new(&text);
    let _tmux = Tmux { socket: program.socket() };
    assert_eq!(program.command(&["apply", "--auto-approve"]).output().unwrap().status.code(), Some(0));
    for _ in 0..3 {
        let runs: Vec<Child> = names.iter().map(|name| start(&program, &["restart", name])).collect();
        let codes: Vec<Option<i32>> = runs.into_iter().map(|mut run| run.wait().unwrap().code()).collect();
        assert_eq!(codes, [Some(0); 6]);
    }
}
