//! What a keeper refuses to start, and how it says so.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio as Stream;

use reconcile::keeper::{Exit, LOCKED, NO_SPEC, RuledOut, Secret, Spec, StartErrorKind, Stdio, arguments, is_locked};
use reconcile::process::{self, Signal};
use reconcile::time::Timestamp;

use super::{EXE, Stand};
use crate::support::{Guard, LIMIT, eventually, mark};

#[track_caller]
fn check(change: impl Fn(&mut Spec), kind: StartErrorKind, exit: i32, words: &str) {
    let mut stand = Stand::sh("echo it runs");
    change(&mut stand.spec);
    assert_eq!(stand.start().code(), exit);
    let status = stand.status().unwrap();
    let ended = status.ended.unwrap();
    let Exit::Failed(error) = ended.how else { panic!("{:?}", ended.how) };
    assert_eq!(error.kind, kind);
    assert!(error.message.contains(words), "{}", error.message);
    assert!(!error.message.contains("hunter2"), "{}", error.message);
    assert_eq!((status.program, stand.log().as_str()), (None, ""));
    assert!(!stand.at("pid").exists() && !stand.at("spec").exists());
    assert_eq!(stand.marked(), []);
}

fn secret(name: &str, source: Secret) -> impl Fn(&mut Spec) {
    move |spec| {
        spec.secrets.insert(name.to_owned(), source.clone());
    }
}

fn command(line: &str) -> Secret {
    Secret::Command(["sh", "-c", line].map(str::to_owned).into())
}

#[test]
fn a_start_that_cannot_be_is_told_with_its_reason() {
    check(|spec| spec.cwd = "/nowhere/at/all".into(), StartErrorKind::Cwd, 126, "cwd /nowhere/at/all: it does not exist");
    check(|spec| spec.cwd = "/etc/passwd".into(), StartErrorKind::Cwd, 126, "it is not a folder");
    check(
        |spec| spec.argv[0] = "no-such-tool".into(),
        StartErrorKind::Program,
        127,
        "no-such-tool: it is not in the PATH of the agent: /usr/bin:/bin",
    );
    check(|spec| spec.argv[0] = "/etc/passwd".into(), StartErrorKind::Program, 127, "it is not executable");
    check(|spec| spec.argv.push("x".repeat(200_000)), StartErrorKind::Program, 127, "sh: word 3 of its command has 200000 bytes");
    check(
        |spec| drop(spec.env.insert("LONG".to_owned(), "hunter2".repeat(20_000))),
        StartErrorKind::Program,
        127,
        "the variable LONG has 140005 bytes",
    );
    let script = |text: &'static str| {
        move |spec: &mut Spec| {
            let file = spec.cwd.join("start.sh");
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, PermissionsExt::from_mode(0o700)).unwrap();
            spec.argv = vec!["./start.sh".to_owned()];
        }
    };
    let crlf = r"./start.sh: its interpreter `/bin/sh\r` does not exist (the script has CRLF line ends)";
    check(script("#!/bin/sh\r\necho it runs\r\n"), StartErrorKind::Program, 127, crlf);
    check(
        script("#!/usr/bin/env no-such-tool\n"),
        StartErrorKind::Program,
        127,
        "`no-such-tool`, which /usr/bin/env runs, is not in the PATH",
    );
    let no_interpreter = "./start.sh: it is neither a binary nor a script whose first line names an interpreter";
    check(script("echo it runs\n"), StartErrorKind::Program, 127, no_interpreter);
    check(script(""), StartErrorKind::Program, 127, "./start.sh: it is empty");
    check(|spec| spec.argv.clear(), StartErrorKind::Program, 127, "no program is named");
    check(|spec| spec.not_after = Some(Timestamp::from_millis(1)), StartErrorKind::Late, 126, "1970");
    check(|spec| spec.env_files.push("/nowhere.env".into()), StartErrorKind::EnvFile, 126, "env_file /nowhere.env: No such file");
    let bad_file = |spec: &mut Spec| {
        std::fs::write(spec.cwd.join("e"), "A=1\nB='hunter2").unwrap();
        spec.env_files.push(spec.cwd.join("e"));
    };
    check(bad_file, StartErrorKind::EnvFile, 126, "line 2: the closing ' is missing");
    let open_file = |spec: &mut Spec| {
        bad_file(spec);
        std::fs::set_permissions(spec.cwd.join("e"), PermissionsExt::from_mode(0o666)).unwrap();
    };
    check(open_file, StartErrorKind::EnvFile, 126, "it can be written by other users");
    let no_input = |spec: &mut Spec| {
        if let Stdio::Detached { stdin, .. } = &mut spec.stdio {
            *stdin = Some("/nowhere".into());
        }
    };
    check(no_input, StartErrorKind::Stdin, 126, "stdin_file /nowhere");
}

#[test]
fn a_secret_that_is_not_found_fails_the_start_and_is_not_told() {
    check(secret("KEY", Secret::File("/nowhere".into())), StartErrorKind::Secret, 126, "secret KEY: /nowhere: No such file");
    check(
        secret("KEY", command("echo hunter2; echo hunter2 >&2; exit 3")),
        StartErrorKind::Secret,
        126,
        "secret KEY: its command sh failed: exit status: 3",
    );
    check(secret("KEY", command("printf 'hunter2\\000'")), StartErrorKind::Secret, 126, "cannot be the value of a variable");
    check(secret("KEY", command("printf 'hunter2\\377'")), StartErrorKind::Secret, 126, "not UTF-8");
    check(secret("KEY", command("yes hunter2")), StartErrorKind::Secret, 126, "printed too much");
    check(secret("KEY", Secret::Command(vec!["no-such-tool".to_owned()])), StartErrorKind::Secret, 126, "was not started");
    // What such a command leaves running holds up nobody and is ended.
    check(secret("KEY", command("sleep 1000 & exit 3")), StartErrorKind::Secret, 126, "exit status: 3");
}

#[test]
fn an_end_that_was_asked_for_while_a_secret_is_looked_up_ends_the_start() {
    let mut stand = Stand::sh("echo it runs");
    secret("KEY", command("sleep 1000"))(&mut stand.spec);
    let mut keeper = stand.start();
    eventually(|| (!stand.marked().is_empty()).then_some(()), LIMIT);
    process::signal(&keeper.id(), Signal::TERM).unwrap();
    assert_eq!(keeper.code(), 126);
    assert!(matches!(stand.ended().how, Exit::Failed(error) if error.kind == StartErrorKind::Asked));
    assert_eq!(stand.marked(), []);
}

#[test]
fn there_is_one_instance_and_the_second_keeper_writes_nothing() {
    let stand = Stand::new(&["sleep", "1000"]);
    assert!(!is_locked(&stand.spec.lock).unwrap());
    let mut first = stand.start();
    let program = stand.program();
    assert!(is_locked(&stand.spec.lock).unwrap());
    let before = std::fs::read(stand.at("status")).unwrap();

    let next = Spec { label: mark("agent"), ..stand.spec.clone() };
    next.write(&stand.at("next")).unwrap();
    let output = crate::support::command(EXE).args(arguments(&next.label, &stand.at("next"))).output().unwrap();
    assert_eq!(output.status.code(), Some(LOCKED.into()));
    assert!(String::from_utf8_lossy(&output.stderr).contains("another instance of this agent lives"));
    assert_eq!(std::fs::read(stand.at("status")).unwrap(), before);
    assert!(!stand.at("next").exists());

    // The lock goes with the keeper, however that ends, and its file stays.
    process::signal(&first.id(), Signal::KILL).unwrap();
    first.child.wait().unwrap();
    eventually(|| (!is_locked(&stand.spec.lock).unwrap()).then_some(()), LIMIT);
    assert!(stand.at("lock").exists());
    assert_eq!(program.liveness(), process::Liveness::Alive);
}

#[test]
fn a_keeper_starts_nothing_beside_the_program_of_one_that_was_killed() {
    let number = process::newest_number().unwrap();
    let mut stand = Stand::new(&["sleep", "1000"]);
    stand.spec.env.insert("RECONCILE_STATE_DIR".to_owned(), "/of/another".to_owned());
    let mut first = stand.start();
    let program = stand.program();
    process::signal(&first.id(), Signal::KILL).unwrap();
    first.child.wait().unwrap();
    assert_eq!(program.liveness(), process::Liveness::Alive);

    // Another state folder, which looked before the first one started anything.
    let mut other = Stand::new(&["sleep", "1000"]);
    let mark = stand.label().to_string();
    other.spec.label = format!("{}{:016x}", &mark[..mark.len() - 16], u64::MAX).parse().unwrap();
    other.spec.ruled_out = Some(RuledOut { number, namespace: process::pid_namespace() });
    other.spec.write(&other.at("spec")).unwrap();
    let mut second = crate::support::command(EXE);
    second.args(arguments(other.label(), &other.at("spec"))).stdout(Stream::null()).stderr(Stream::piped());
    let mut second = Guard { child: second.spawn().unwrap(), mark: other.label().clone() };
    assert_eq!((second.code(), other.status()), (LOCKED.into(), None));
    let mut said = String::new();
    second.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(
        said.contains(&format!("process {} of this agent's generation 1, started for the state folder /of/another", program.pid)),
        "{said}"
    );
    drop(first);
    let _second = other.start();
    other.program();
}

#[test]
fn a_spec_that_others_could_read_or_that_is_another_instances_is_refused() {
    let stand = Stand::sh("echo it runs");
    let path = stand.at("spec");
    let run = || crate::support::command(EXE).args(arguments(stand.label(), &path)).output().unwrap().status.code();
    assert_eq!(run(), Some(NO_SPEC.into()), "there is none");
    stand.spec.write(&path).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    assert_eq!(run(), Some(NO_SPEC.into()));
    assert!(path.exists());
    std::fs::remove_file(&path).unwrap();
    Spec { label: mark("other"), ..stand.spec.clone() }.write(&path).unwrap();
    assert_eq!(run(), Some(NO_SPEC.into()));
    assert!(!path.exists());
    stand.spec.write(&path).unwrap();
    assert!(stand.spec.write(&path).is_err(), "one that is there is not written over");
    std::fs::write(&path, "{\"secrets\":{\"KEY\":{\"value\":hunter2").unwrap();
    let output = crate::support::command(EXE).args(arguments(stand.label(), &path)).output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains("hunter2"));
    assert_eq!((output.status.code(), path.exists()), (Some(NO_SPEC.into()), false));
    assert_eq!(stand.status(), None);
}

#[test]
fn a_strangers_pidfile_is_left_alone_and_nothing_starts() {
    let stand = Stand::sh("echo it runs");
    let text = std::process::id().to_string();
    std::fs::write(stand.at("pid"), &text).unwrap();
    assert_eq!(stand.start().code(), 126);
    assert!(matches!(stand.ended().how, Exit::Failed(error) if error.kind == StartErrorKind::Pidfile));
    assert_eq!(std::fs::read_to_string(stand.at("pid")).unwrap(), text);
    assert_eq!(stand.log(), "");
}
