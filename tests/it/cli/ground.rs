//! What is no agent's fault: told once, nothing is tried, nothing counts, and it heals by itself.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use insta::assert_snapshot;

use crate::support::Program;

const FLEET: &str = r#"
version = 1
fleet = "ground"

[defaults]
ready = { delay = "10ms" }
command = ["/bin/sleep", "1061"]

[agents.ada]
[agents.bob]
[agents.cyd]
runtime = "daemon"
"#;

impl Program {
    /// A command that finds programs only in the folder `bin`, in which there is this tmux, if any.
    fn in_bin(&self, arguments: &[&str], tmux: Option<&str>) -> Command {
        let bin = self.at("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let _ = std::fs::remove_file(bin.join("tmux"));
        if let Some(tmux) = tmux {
            std::fs::write(bin.join("tmux"), tmux).unwrap();
            std::fs::set_permissions(bin.join("tmux"), PermissionsExt::from_mode(0o700)).unwrap();
        }
        let mut command = self.command(arguments);
        command.env("PATH", bin);
        command
    }

    fn failures(&self) -> Vec<u64> {
        let status = self.json(&["status", "--json"]);
        status["agents"].as_array().unwrap().iter().map(|agent| agent["restarts"].as_u64().unwrap()).collect()
    }
}

#[test]
fn without_tmux_there_is_one_reason_and_nothing_is_tried() {
    let program = Program::new(FLEET);
    let shot = |arguments: &[&str]| {
        let output = program.in_bin(arguments, None).output().unwrap();
        super::shown(&output, |text| super::brief(&program.normal(text)))
    };
    assert_snapshot!(shot(&["plan"]), @r"
    exit 0
    --- stdout
    fleet ground · constellation.toml · 3 agents, 0 running · observed HH:MM:SS
    agents cannot start: tmux is not in PATH (FOLDER/bin); install tmux 3.2 or newer, or correct PATH

      + cyd         spawn      new in the manifest
      ✗ 2 agents    blocked    no tmux: ada, bob

    1 to spawn. 2 blocked, 0 at rest.
    ");
    assert_eq!(program.in_bin(&["apply", "--auto-approve"], None).output().unwrap().status.code(), Some(3));
    let status = shot(&["status"]);
    assert_eq!(status.matches("tmux is not in PATH").count(), 1, "{status}");
    assert_eq!(status.matches("blocked: no tmux").count(), 2, "{status}");
    let doctor = String::from_utf8(program.in_bin(&["doctor"], None).output().unwrap().stdout).unwrap();
    assert!(doctor.contains("red     tmux     tmux is not in PATH\n"), "{doctor}");
    let history = String::from_utf8(program.in_bin(&["history"], None).output().unwrap().stdout).unwrap();
    assert!(!history.contains("ada") && history.contains("cyd"), "nothing was tried with those in tmux: {history}");
    let plan = program.in_bin(&["plan", "--json"], None).output().unwrap();
    let plan: serde_json::Value = serde_json::from_slice(&plan.stdout).unwrap();
    assert_eq!((plan["conditions"].as_array().unwrap().len(), &plan["conditions"][0]["kind"]), (1, &"no_tmux".into()));
    // It is back.
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(program.failures(), [0, 0, 0]);
    // A server that runs needs no tmux in PATH.
    assert_eq!(program.in_bin(&["restart", "ada"], None).output().unwrap().status.code(), Some(0));
}

#[test]
fn a_tmux_that_fails_for_a_while_counts_for_no_agent() {
    let program = Program::new(FLEET);
    let tmux = "#!/bin/sh\nif /usr/bin/mkdir \"${0%/*}/first\" 2>/dev/null || /usr/bin/mkdir \"${0%/*}/second\" 2>/dev/null; then\n\
                echo cannot load a library >&2; exit 1; fi\nexec /usr/bin/tmux \"$@\"\n";
    let output = program.in_bin(&["apply", "--auto-approve"], Some(tmux)).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", super::shown(&output, str::to_owned));
    assert_eq!(program.failures(), [0, 0, 0]);
    let status = program.json(&["status", "--json"]);
    assert_eq!(status["agents"][0]["generation"], 1, "{status}");
    let history = String::from_utf8(program.command(&["history"]).output().unwrap().stdout).unwrap();
    let told: Vec<&str> = history.lines().filter(|line| line.contains("cannot load a library")).collect();
    assert_eq!(told.len(), 2, "once for each attempt, and not for each agent: {history}");
}

#[test]
fn a_start_after_tmux_was_upgraded_needs_only_the_server_that_runs() {
    let program = Program::new(FLEET);
    let bin = program.at("bin");
    std::fs::create_dir_all(&bin).unwrap();
    symlink("/usr/bin/tmux", bin.join("tmux")).unwrap();
    let apply = |program: &Program| program.command(&["apply", "--auto-approve"]).env("PATH", program.at("bin")).output().unwrap();
    assert_eq!(apply(&program).status.code(), Some(0));
    std::fs::remove_file(bin.join("tmux")).unwrap();
    program.edit("[agents.cyd]", "[agents.dan]\n[agents.cyd]");
    assert_eq!(apply(&program).status.code(), Some(0));
}
