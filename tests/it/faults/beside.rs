//! Commands beside each other: one agent's trouble is nothing to a command that is about another one.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Program, Tmux};

/// The fleet at rest; from when the file `hang` is there, the probes and the secret of `cyd` say so in a file and hang.
fn fleet() -> Program {
    let hang = "test -e hang || { echo x; exit 0; }; echo x >> asked; exec sleep 77081";
    let program = Program::new(&format!(
        r#"
version = 1
fleet = "beside"

[defaults]
runtime = "daemon"
command = ["/bin/sleep", "1073"]
ready = {{ delay = "0s" }}

[agents.ada]
[agents.bob]
[agents.cyd]
live = {{ command = ["sh", "-c", "{hang}"], interval = "10ms" }}
secrets.S = {{ command = ["sh", "-c", "{hang}"], on_change = "replace" }}
[agents.dan]
ready = {{ command = ["sh", "-c", "{hang}"] }}
"#
    ));
    assert_eq!(program.command(&["apply", "--auto-approve"]).output().unwrap().status.code(), Some(0));
    assert_eq!(program.command(&["restart", "dan", "--wait=false"]).output().unwrap().status.code(), Some(0));
    std::fs::write(program.at("hang"), "").unwrap();
    program
}

#[test]
fn a_command_asks_nothing_of_those_that_it_is_not_about() {
    let program = fleet();
    for words in [
        &["status", "ada"][..],
        &["explain", "ada"],
        &["logs", "ada"],
        &["wait", "ada", "--for", "ready"],
        &["plan", "--target", "ada"],
        &["apply", "--target", "ada", "--auto-approve"],
        &["pause", "bob"],
        &["resume", "bob"],
        &["restart", "ada"],
        &["stop", "ada"],
        &["start", "ada"],
        &["kill", "ada"],
        &["reset", "ada"],
        &["halt"],
        &["resume"],
    ] {
        let output = program.command(words).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{words:?}: {output:?}");
        assert!(!program.at("asked").exists(), "{words:?}");
    }
    // What is about all asks all, and waits for no answer that does not come: a probe may take five seconds, and a secret ten.
    let begun = Instant::now();
    program.command(&["status"]).output().unwrap();
    assert!(program.at("asked").exists());
    assert!(begun.elapsed() < Duration::from_millis(4500), "{:?}", begun.elapsed());
}

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
