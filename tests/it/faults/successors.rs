//! No instance is ended whose successor cannot start, whichever way its end was asked for.

use std::io::Read;
use std::process::Stdio;

use serde_json::Value;

use crate::support::Program;

/// A daemon that needs a folder, a program, and each kind of file that a launch can name.
const NEEDY: &str = r#"
version = 1
fleet = "needy"

[agents.ada]
runtime = "daemon"
command = ["./prog", "1001"]
cwd = "work"
env_file = ["../vars"]
stdin_file = "../input"
ready = { delay = "10ms" }
secrets.KEY = { file = "../key", on_change = "replace" }
"#;

fn needy() -> Program {
    let program = Program::new(NEEDY);
    std::fs::create_dir(program.at("work")).unwrap();
    std::fs::copy("/bin/sleep", program.at("work/prog")).unwrap();
    for file in ["vars", "input", "key"] {
        std::fs::write(program.at(file), "A=1\n").unwrap();
        private(&program, file);
    }
    let text = std::fs::read_to_string(program.at("constellation.toml")).unwrap();
    let base = program.folder.path().to_str().unwrap();
    std::fs::write(program.at("constellation.toml"), text.replace("../", &format!("{base}/"))).unwrap();
    assert_eq!(program.command(&["apply", "--auto-approve"]).status().unwrap().code(), Some(0));
    program
}

/// By another process: a file that is open for writing in a child of another test cannot be run.
fn install(program: &Program, content: &[u8]) {
    std::fs::write(program.at("part"), content).unwrap();
    let copied = crate::support::command("install").args(["-m", "755", "part", "work/prog"]).current_dir(program.folder.path()).status();
    assert!(copied.unwrap().success());
}

fn private(program: &Program, file: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(program.at(file), std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn agent(program: &Program) -> Value {
    let output = program.command(&["status", "--json"]).output().unwrap();
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    status["agents"][0].clone()
}

#[test]
fn an_instance_is_not_ended_for_a_successor_that_cannot_start() {
    let program = needy();
    let ways: [&[&str]; 3] = [
        &["restart", "ada"],
        &["restart", "--all", "--auto-approve", "--max-stop", "100%"],
        &["apply", "--replace", "ada", "--auto-approve"],
    ];
    for lost in ["work", "work/prog", "vars", "input", "key"] {
        let before = agent(&program);
        std::fs::rename(program.at(lost), program.at("aside")).unwrap();
        for way in ways {
            let output = program.command(way).args(["--timeout", "5s"]).output().unwrap();
            let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(3), "{way:?} without {lost}: {said}");
            assert!(said.contains("blocked"), "{way:?} without {lost}: {said}");
            assert_eq!((&agent(&program)["pid"], &agent(&program)["generation"]), (&before["pid"], &before["generation"]), "{said}");
        }
        let plan = program.command(&["plan", "--replace", "ada"]).output().unwrap();
        let plan = String::from_utf8(plan.stdout).unwrap();
        assert!(plan.contains("blocked") && !plan.contains("interrupts"), "without {lost}: {plan}");
        std::fs::rename(program.at("aside"), program.at(lost)).unwrap();
        // What could not be done is not done later by a run that nobody asked for it; asked for again, it is.
        assert_eq!(program.command(&["apply", "--auto-approve"]).status().unwrap().code(), Some(0));
        assert_eq!(agent(&program)["pid"], before["pid"]);
        assert_eq!(program.command(&["restart", "ada"]).status().unwrap().code(), Some(0));
        assert_ne!(agent(&program)["pid"], before["pid"]);
    }
    // What is being installed is no program yet.
    let whole = std::fs::read(program.at("work/prog")).unwrap();
    for part in [&b""[..], &whole[..100], &whole[..20_000], b"exec sleep 1001\n"] {
        let before = agent(&program);
        std::fs::remove_file(program.at("work/prog")).unwrap();
        install(&program, part);
        for way in ways {
            assert_eq!(program.command(way).args(["--timeout", "5s"]).status().unwrap().code(), Some(3), "{} bytes", part.len());
        }
        assert_eq!(agent(&program)["pid"], before["pid"]);
    }
    std::fs::remove_file(program.at("work/prog")).unwrap();
    install(&program, &whole);
    let before = agent(&program);
    let mut writer = crate::support::command("sh");
    writer.args(["-c", "exec 3>>work/prog; echo open; read line"]).current_dir(program.folder.path());
    let mut writer = writer.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    writer.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
    let output = program.command(&["restart", "ada", "--timeout", "5s"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let why = format!("its file is being written, by process {}", writer.id());
    assert!(output.status.code() == Some(3) && said.contains(&why), "{said}");
    assert_eq!(agent(&program)["pid"], before["pid"]);
    drop(writer.stdin.take());
    writer.wait().unwrap();
    assert_eq!(program.command(&["restart", "ada"]).status().unwrap().code(), Some(0));
    // A changed secret is a reason to replace, and what it needs is looked for all the same.
    let before = agent(&program);
    std::fs::write(program.at("key"), "B=2\n").unwrap();
    private(&program, "key");
    std::fs::remove_file(program.at("vars")).unwrap();
    assert_eq!(program.command(&["apply", "--auto-approve", "--timeout", "5s"]).status().unwrap().code(), Some(3));
    assert_eq!(agent(&program)["pid"], before["pid"]);
}
