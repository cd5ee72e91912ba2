//! Programs that nobody owns.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use reconcile::process;

use crate::support::{Guard, LIMIT, Program, command, eventually, mark};

/// A fleet that looks for programs whose name begins as no other test's does, one of which is its own.
fn world() -> (Program, String, PathBuf) {
    let program = Program::new(
        "version = 1\nfleet = \"own\"\n[defaults]\nready = { delay = \"0s\" }\nruntime = \"daemon\"\n[strangers]\nmatch = [\"NAME-*\"]\n\
         [agents.ada]\ncommand = [\"./NAME-tool\"]\n",
    );
    let name = program.fleet.1.replace("own-", "agent-");
    program.edit("NAME-*", &format!("{name}-*"));
    program.edit("NAME-tool", &format!("{name}-tool"));
    let script = program.at(&format!("{name}-tool"));
    // The shell stays, with another program of that name below it.
    std::fs::write(&script, "#!/bin/sh\n[ -n \"$1\" ] || \"$0\" below\nsleep 1031\n:\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    (program, name, script)
}

fn strangers(program: &Program) -> Vec<(u64, String, String)> {
    let status = program.json(&["status", "--json"]);
    let strangers = status["strangers"].as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    strangers.map(|one| (one["pid"].as_u64().unwrap(), text(&one["place"]), text(&one["why"]))).collect()
}

#[test]
fn programs_that_are_nobodys_are_named_and_those_of_agents_are_not() {
    let (program, name, script) = world();
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    // The agent, and the same program below it, are there.
    let own = program.pids()["ada"];
    eventually(|| process::children(u32::try_from(own).unwrap()).unwrap().pop(), LIMIT);
    assert_eq!(strangers(&program), []);

    let start = |command: &mut Command| {
        let child = command.current_dir(program.folder.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // With the program below it, or what that does.
        eventually(|| process::descendants(child.id()).unwrap().pop(), LIMIT);
        child
    };
    let mut guard = Guard { child: start(&mut command(&script)), mark: mark("nobody") };
    let pid = u64::from(guard.child.id());
    let why = format!("matches [strangers] \"{name}-*\", and no fleet's mark is on it");
    let place = program.folder.path().canonicalize().unwrap().display().to_string();
    // Of its tree, the top.
    assert_eq!(strangers(&program), [(pid, place.clone(), why.clone())]);
    let text = String::from_utf8(program.command(&["status"]).output().unwrap().stdout).unwrap();
    assert!(text.contains(&format!("strangers, never touched\n  {place}  pid {pid}  {why}\n")), "{text}");

    // A mark makes it an instance's, of whatever fleet.
    let mark = mark("bob");
    let _marked = Guard { child: start(command(&script).arg("below").env("RECONCILE", mark.to_string())), mark };
    assert_eq!(strangers(&program).len(), 1);
    // Whatever is done to the fleet, it is not touched.
    assert_eq!(program.code(&["down", "--auto-approve"]), 0);
    assert_eq!(guard.child.try_wait().unwrap(), None);
}

#[test]
fn the_names_are_a_part_of_the_effective_manifest() {
    let (program, name, _) = world();
    assert_eq!(program.json(&["config", "--json"])["strangers"]["match"], serde_json::json!([format!("{name}-*")]));
    let text = String::from_utf8(program.command(&["config"]).output().unwrap().stdout).unwrap();
    assert!(text.contains(&format!("[strangers]\nmatch = [\"{name}-*\"]")), "{text}");
}
