//! Files that a manifest names and that are no files, belong to others, or are gone: one agent is blocked and says why, and nothing waits.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use crate::support::{Program, command, said};

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

fn pipe(path: &Path) {
    assert!(command("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_pipe_in_place_of_a_file_blocks_its_agent_and_no_other() {
    let program = Program::new(
        r#"
version = 1
fleet = "pipes"
[defaults]
runtime = "daemon"
command = ["sleep", "1051"]
ready = { delay = "0s" }
[agents.env]
env_file = ["pipe"]
[agents.secret]
secrets.TOKEN = { file = "pipe" }
[agents.changing]
secrets.TOKEN = { file = "pipe", on_change = "replace" }
[agents.input]
stdin_file = "pipe"
[agents.device]
stdin_file = "/dev/zero"
[agents.log]
log = { file = "pipe" }
[agents.whole]
stdin_file = "/dev/null"
"#,
    );
    pipe(&program.at("pipe"));
    let (code, plan) = program.says(&["plan"]);
    assert_eq!(code, 0, "{plan}");
    let at = program.at("pipe").canonicalize().unwrap();
    let at = at.display();
    for line in [
        format!(
            "env_file {at}: it is not a regular file but a named pipe; have each variable read by a command: secrets.NAME = {{ command"
        ),
        format!(
            "TOKEN, {at}: it is not a regular file but a named pipe; read it by a command: secrets.TOKEN = {{ command = [\"cat\", \"{at}\"] }}"
        ),
        format!("stdin_file {at}: it is not a regular file but a named pipe"),
        "stdin_file /dev/zero: it is not a regular file but a device".to_owned(),
        format!("log.file {at}: it is not a regular file but a named pipe"),
    ] {
        let plan = program.json(&["plan", "--json"]).to_string().replace("\\\"", "\"");
        assert!(plan.contains(&line), "{line}\n{plan}");
    }
    let (code, text) = program.says(&["apply", "--auto-approve", "--timeout", "20s"]);
    assert_eq!(code, 3, "{text}");
    assert_eq!(program.pids().into_keys().collect::<Vec<_>>(), ["whole"]);
    assert_eq!(program.code(&["status"]), 0);
    // A pipe that is put in the place of a file later delays nothing either.
    for verb in ["stop", "start"] {
        assert_eq!(program.code(&[verb, "whole"]), 0);
    }
}

#[test]
fn what_a_manifest_is_made_of_is_never_waited_for() {
    let program = Program::new("version = 1\nfleet = \"made\"\ninclude = [\"pipe\"]\n[agents.ada]\ncommand = \"sleep 1052\"\n");
    pipe(&program.at("pipe"));
    let (code, text) = program.says(&["plan"]);
    assert!(code == 1 && text.contains("pipe could not be read: it is not a regular file but a named pipe"), "{text}");
    for line in ["[agents.bob]\npreset = [\"./pipe\"]", "[agents.bob]\nfor_each = { file = \"pipe\" }"] {
        program.write(
            "constellation.toml",
            &format!("version = 1\nfleet = \"made\"\n[agents.ada]\ncommand = \"sleep 1052\"\n{line}\ncommand = \"x\"\n"),
        );
        let (code, text) = program.says(&["plan"]);
        assert!(code == 1 && text.contains("it is not a regular file but a named pipe"), "{line}: {text}");
    }
}

#[test]
fn a_manifest_that_is_typed_may_come_by_a_pipe() {
    let program = Program::new(
        "version = 1\nfleet = \"typed\"\n[agents.ada]\nruntime = \"daemon\"\ncommand = \"sleep 1053\"\nready = { delay = \"0s\" }\n",
    );
    let text = std::fs::read_to_string(program.at("constellation.toml")).unwrap();
    let run = |words: &[&str]| {
        let mut child = program.command(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let output = run(&["plan", "/dev/stdin"]);
    assert!(said(&output).contains("+ ada    spawn"), "{}", said(&output));
    let output = run(&["restart", "ada", "-f", "/dev/stdin"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(program.pids().len(), 1);
    let output = run(&["down", "/dev/stdin", "--auto-approve"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let endless = program.says(&["plan", "/dev/zero"]);
    assert!(endless.0 == 1 && endless.1.contains("it is larger than 16 MiB"), "{}", endless.1);
}

#[test]
fn a_manifest_that_was_found_is_read_only_if_no_other_user_can_write_to_it() {
    let program = Program::new(
        "version = 1\nfleet = \"found\"\n[agents.ada]\nruntime = \"daemon\"\ncommand = \"sleep 1054\"\nready = { delay = \"0s\" }\n",
    );
    let manifest = program.at("constellation.toml");
    let path = manifest.canonicalize().unwrap();
    chmod(&manifest, 0o666);
    let (code, text) = program.says(&["plan"]);
    let expected = "constellation.toml could not be read: it can be written by other users (mode 0666)";
    assert!(code == 1 && text.contains(expected) && text.contains("name it with -f"), "{text}");
    // Named, it is the decision of the person; but nothing is started by it.
    let named = path.to_str().unwrap();
    assert_eq!(program.code(&["plan", named]), 0);
    for words in [&["apply", named, "--auto-approve"][..], &["start", "ada", "-f", named], &["watch", named, "--once"]] {
        let (code, text) = program.says(words);
        let expected =
            format!("{named} can be written by other users (mode 0666), so they could run anything as you: run `chmod go-w {named}`");
        assert!(code == 4 && text.contains(&expected), "{text}");
    }
    assert_eq!(program.code(&["down", named, "--auto-approve"]), 0, "to end what runs is no danger");
    // What it includes is a part of it.
    chmod(&manifest, 0o644);
    assert_eq!(program.code(&["plan"]), 0);
    program.write("more.toml", "[agents.bob]\ncommand = \"sleep 1055\"\n");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("version = 1\n", "version = 1\ninclude = [\"more.toml\"]\n")).unwrap();
    chmod(&program.at("more.toml"), 0o662);
    let (code, text) = program.says(&["status"]);
    assert!(code == 1 && text.contains("more.toml could not be read: it can be written by other users (mode 0662)"), "{text}");
    let (code, text) = program.says(&["apply", named, "--auto-approve"]);
    assert!(code == 4 && text.contains("more.toml can be written by other users"), "{text}");
}

#[test]
fn a_look_runs_no_command_of_a_manifest_whose_fleet_is_anothers() {
    let manifest = "version = 1\nfleet = \"claimed\"\n[agents.ada]\nruntime = \"daemon\"\ncommand = \"sleep 1056\"\n\
                    ready = { command = [\"false\"] }\n";
    let program = Program::new(manifest);
    // It is never ready, so that every look asks.
    assert_eq!(program.code(&["apply", "--auto-approve", "--timeout", "1ms"]), 3);
    std::fs::create_dir(program.at("other")).unwrap();
    let touch = format!("{{ command = [\"touch\", \"{}\"]", program.at("ran").display());
    let other = manifest.replace("{ command = [\"false\"]", &touch);
    program.write("other/constellation.toml", &other);
    for words in [&["plan"][..], &["status"], &["explain", "ada"], &["doctor"], &["logs", "ada"], &["wait", "ada", "--timeout", "100ms"]] {
        program.command(&[words, &["-f", "other/constellation.toml"]].concat()).output().unwrap();
        assert!(!program.at("ran").exists(), "{words:?}");
    }
    // The owner's own are run.
    program.write("constellation.toml", &other);
    program.command(&["plan"]).output().unwrap();
    assert!(program.at("ran").exists());
}

#[test]
fn a_log_that_is_a_link_or_not_ours_blocks_its_agent() {
    let program = Program::new(
        "version = 1\nfleet = \"planted\"\n[agents.ada]\nruntime = \"daemon\"\ncommand = \"echo x; sleep 1057\"\nready = { delay = \"0s\" }\nlog = { file = \"a.log\" }\n",
    );
    std::fs::write(program.at("precious"), "precious").unwrap();
    for name in ["a.log", "a.log.times"] {
        std::os::unix::fs::symlink(program.at("precious"), program.at(name)).unwrap();
        let (code, text) = program.says(&["apply", "--auto-approve", "--timeout", "20s"]);
        assert!(code == 3 && text.contains("it is not a regular file but a symbolic link"), "{text}");
        assert_eq!(program.pids().len(), 0);
        std::fs::remove_file(program.at(name)).unwrap();
    }
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(std::fs::read_to_string(program.at("precious")).unwrap(), "precious");
}

#[test]
fn a_note_and_a_folder_that_only_a_private_group_could_write_are_ours() {
    let program = Program::new(
        "version = 1\nfleet = \"umask\"\n[agents.ada]\nruntime = \"daemon\"\ncommand = \"sleep 1058\"\nready = { delay = \"0s\" }\nhandoff = { source = \"notes/ada\" }\n",
    );
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    std::fs::create_dir(program.at("notes")).unwrap();
    std::fs::write(program.at("notes/ada"), "go on").unwrap();
    chmod(&program.at("notes"), 0o775);
    chmod(&program.at("notes/ada"), 0o666);
    let (_, text) = program.says(&["plan"]);
    assert!(text.contains("can be written to by other users"), "{text}");
    // The tests may run as a user whose group has other members: then it stays refused.
    chmod(&program.at("notes/ada"), 0o664);
    let (_, text) = program.says(&["apply", "--auto-approve"]);
    let is_private = matches!(
        reconcile::safe_open::written_by(rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw(), 0o664),
        reconcile::safe_open::WrittenBy::Us
    );
    assert_eq!(!program.at("notes/ada").exists(), is_private, "{text}");
}

#[test]
fn a_folder_that_is_gone_keeps_no_absolute_path_from_working() {
    let program = Program::new(
        "version = 1\nfleet = \"gone\"\n[agents.ada]\nruntime = \"daemon\"\ncommand = \"sleep 1059\"\nready = { delay = \"0s\" }\n",
    );
    let manifest = program.at("constellation.toml").canonicalize().unwrap();
    let gone = program.at("gone");
    std::fs::create_dir(&gone).unwrap();
    let exe = env!("CARGO_BIN_EXE_reconcile");
    let run = |line: &str| {
        std::fs::create_dir_all(&gone).unwrap();
        let mut shell = command("sh");
        shell.args(["-c", &format!("rmdir '{}'; exec '{exe}' {line}", gone.display())]).current_dir(&gone);
        shell.env("RECONCILE_STATE_DIR", program.at("state")).env("TMUX_TMPDIR", program.folder.path());
        let output = shell.env("RECONCILE_MANIFEST", &manifest).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}: {}", said(&output));
    };
    for line in ["plan", "apply --auto-approve", "status", "stop ada", "down --auto-approve"] {
        run(line);
    }
    run(&format!("plan -f '{}'", manifest.display()));
}
