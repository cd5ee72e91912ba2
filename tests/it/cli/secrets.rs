//! Secrets whose change is a reason to replace, asked of real commands: who asks waits for the slowest, and a watcher for none.

use std::time::{Duration, Instant};

use reconcile::process::{self, ProcId, Signal};

use super::Running;
use crate::support::{LIMIT, Program, eventually};

const HEAD: &str = "version = 1\nfleet = \"keys\"\nguard.max_stop = \"100%\"\n[defaults]\nruntime = \"daemon\"\nready = { delay = \"10ms\" }\n\
                    restart = { backoff = { first = \"10ms\", max = \"20ms\" } }\n";

/// All that is remembered and was printed by daemons, to be sure that no value is in it.
fn remembered(program: &Program) -> String {
    let mut folders = vec![program.at("state")];
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            match entry.file_type().unwrap() {
                kind if kind.is_dir() => folders.push(entry.path()),
                _ => text.push_str(&String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap_or_default())),
            }
        }
    }
    text
}

#[test]
fn commands_are_asked_beside_each_other_and_another_value_replaces() {
    // Each of the two ends when the other has begun.
    let meets = |own: &str, other: &str| {
        format!(
            "[agents.{own}]\ncommand = [\"sleep\", \"1031\"]\nsecrets.KEY = {{ command = [\"sh\", \"-c\", \
             \"touch {own}; until [ -e {other} ]; do sleep 0.01; done; cat value\"], on_change = \"replace\" }}\n"
        )
    };
    let program = Program::new(&format!("{HEAD}{}{}", meets("ada", "bob"), meets("bob", "ada")));
    program.write("value", "hunter2-first");
    let begun = Instant::now();
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert!(begun.elapsed() < Duration::from_secs(9), "one was asked after the other: {:?}", begun.elapsed());
    assert_eq!(program.code(&["plan", "--detailed-exitcode"]), 0);
    let before = program.pids();
    program.write("value", "hunter2-second");
    let text = program.shot(&["plan", "--detailed-exitcode"]);
    assert!(text.starts_with("exit 2") && text.contains("secret KEY changed") && !text.contains("hunter2"), "{text}");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert!(program.pids().iter().all(|(agent, pid)| before[agent] != *pid));
    assert_eq!(program.code(&["plan", "--detailed-exitcode"]), 0);
    assert!(!remembered(&program).contains("hunter2"));
}

#[test]
fn a_watcher_waits_for_no_secret_and_learns_it_when_it_comes() {
    let manifest = format!(
        "{HEAD}[agents.ada]\ncommand = [\"sleep\", \"1032\"]\nsecrets.KEY = {{ command = [\"sh\", \"-c\", \
         \"until [ -e go ]; do sleep 0.01; done; cat value\"], on_change = \"replace\" }}\n[agents.bob]\ncommand = [\"sleep\", \"1033\"]\n"
    );
    let program = Program::new(&manifest);
    program.write("value", "hunter2-first");
    let begun = Instant::now();
    let watcher = Running::start(program.command(&["watch"]));
    let bob = || program.keepers().into_iter().find(|keeper| keeper.mark.agent.as_str() == "bob").map(|keeper| keeper.process);
    let first = eventually(bob, LIMIT);
    let program_of = |keeper: &ProcId| {
        let keeper = keeper.clone();
        eventually(move || process::children(keeper.pid).ok()?.first().and_then(|pid| ProcId::of(*pid).ok()?), LIMIT)
    };
    process::signal(&program_of(&first), Signal::KILL).unwrap();
    eventually(|| bob().filter(|keeper| *keeper != first), LIMIT);
    assert!(begun.elapsed() < Duration::from_secs(8), "bob waited for the secret of ada: {:?}", begun.elapsed());

    program.write("go", "");
    let record = program.at("state").join(&program.fleet.1).join("agents/ada.json");
    eventually(|| std::fs::read_to_string(&record).ok().filter(|text| text.contains("blake3-keyed:")), LIMIT);
    drop(watcher);
    eventually(|| (program.code(&["apply", "--auto-approve"]) == 0).then_some(()), LIMIT);
    assert_eq!(program.code(&["plan", "--detailed-exitcode"]), 0);
    program.write("value", "hunter2-second");
    assert_eq!(program.code(&["plan", "--detailed-exitcode"]), 2);
    assert!(!remembered(&program).contains("hunter2"));
}
