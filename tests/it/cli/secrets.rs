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

/// The processes whose pids stand in a file, killed when the test is over.
struct Children(std::path::PathBuf);

impl Children {
    fn processes(&self) -> Vec<ProcId> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        text.lines().filter_map(|pid| ProcId::of(pid.parse().ok()?).ok()?).collect()
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for process in self.processes() {
            let _ = process::signal(&process, Signal::KILL);
        }
    }
}

#[test]
fn what_a_secret_command_leaves_running_delays_no_look_and_hides_no_change() {
    // The child keeps the output of its command open, and prints nothing.
    let manifest = format!(
        "{HEAD}[agents.ada]\ncommand = [\"sleep\", \"1034\"]\nsecrets.KEY = {{ command = [\"sh\", \"-c\", \
         \"cat value; sleep 1035 & echo $! >> children\"], on_change = \"replace\" }}\n"
    );
    let program = Program::new(&manifest);
    let children = Children(program.at("children"));
    program.write("value", "hunter2-first");
    // A command that is not over in 10 s counts as failed.
    let in_time = |arguments: &[&str]| {
        let begun = Instant::now();
        let text = program.shot(arguments);
        assert!(begun.elapsed() < Duration::from_secs(8), "{arguments:?} waited for the child: {:?}", begun.elapsed());
        text
    };
    let text = in_time(&["apply", "--auto-approve"]);
    assert!(text.starts_with("exit 0"), "{text}");
    assert!(in_time(&["plan", "--detailed-exitcode"]).starts_with("exit 0"));
    let before = program.pids();
    program.write("value", "hunter2-second");
    let text = in_time(&["plan", "--detailed-exitcode"]);
    assert!(text.starts_with("exit 2") && text.contains("secret KEY changed") && !text.contains("hunter2"), "{text}");
    assert!(in_time(&["apply", "--auto-approve"]).starts_with("exit 0"));
    assert_ne!(program.pids(), before);
    assert!(in_time(&["plan", "--detailed-exitcode"]).starts_with("exit 0"), "the value is what it had printed when it ended");
    // What a look left behind is not ours to end; each look had one.
    assert!(!children.processes().is_empty());
}
