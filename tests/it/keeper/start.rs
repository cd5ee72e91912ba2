//! The program is started exactly as declared.

use std::collections::BTreeSet;

use reconcile::keeper::{PidfileContent, Secret, Stdio, read_pidfile};
use reconcile::process::{self, Liveness, Signal, State};

use super::{EXE, Stand, code};
use crate::support::{LIMIT, command, eventually};

fn lines(stand: &Stand) -> BTreeSet<String> {
    stand.log().lines().map(str::to_owned).collect()
}

#[test]
fn the_environment_is_the_declared_one_and_nothing_else() {
    let mut stand = Stand::new(&["env"]);
    let marked = stand.label().to_string();
    std::fs::write(stand.at("one.env"), "FILE=first\nBOTH=file\nQUOTED='a b'\nINHERITED=file\n").unwrap();
    std::fs::write(stand.at("two.env"), "export FILE=second # later wins\n").unwrap();
    std::fs::write(stand.at("token"), "from a file\n\n").unwrap();
    let spec = &mut stand.spec;
    spec.inherited = [("INHERITED", "caller"), ("BOTH", "caller"), ("OLDPWD", "/"), ("AWS_KEY", "k"), ("HOME", "/h")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    spec.env_files = ["one.env", "two.env"].map(|name| spec.cwd.join(name)).into();
    spec.env.insert("BOTH".to_owned(), "declared".to_owned());
    spec.secrets = [
        ("S_FILE", Secret::File(spec.cwd.join("token"))),
        ("S_COMMAND", Secret::Command(["sh", "-c", "echo $AWS_KEY$PWD"].map(str::to_owned).into())),
        ("S_VALUE", Secret::Value("handed over".to_owned())),
    ]
    .map(|(name, secret)| (name.to_owned(), secret))
    .into();
    // What is declared stays, whatever is taken from what is inherited.
    spec.unset = ["AWS_*", "HOM?", "REC*", "S_*", "FILE", "BOTH"].map(str::to_owned).into();
    let cwd = spec.cwd.display().to_string();
    assert_eq!(stand.start().code(), 0, "{:?}", stand.status());
    let expected = [
        format!("RECONCILE={marked}"),
        "PATH=/usr/bin:/bin".to_owned(),
        format!("PWD={cwd}"),
        "INHERITED=file".to_owned(),
        "BOTH=declared".to_owned(),
        "FILE=second".to_owned(),
        "QUOTED=a b".to_owned(),
        "S_FILE=from a file".to_owned(),
        format!("S_COMMAND=k{cwd}"),
        "S_VALUE=handed over".to_owned(),
        // The second newline of the file is part of the value.
        String::new(),
    ];
    assert_eq!(lines(&stand), expected.into());
    assert!(!stand.at("spec").exists());
}

#[test]
fn the_words_the_folder_and_a_megabyte_arrive_as_they_are() {
    let long = "x".repeat(100_000);
    let mut words = vec!["sh", "-c", "sleep 1000; :", "", "b  c", "é\n\"'$x"];
    words.extend([long.as_str(); 4]);
    let mut stand = Stand::new(&words);
    for number in 0..6 {
        stand.spec.env.insert(format!("LONG{number}"), long.clone());
    }
    let keeper = stand.start();
    let program = stand.program();
    // So much takes the kernel a while.
    eventually(|| (process::cmdline(program.pid).ok()? == words).then_some(()), LIMIT);
    assert_eq!(process::cwd(program.pid).unwrap(), stand.spec.cwd);
    assert_eq!(process::variable(program.pid, "LONG5").unwrap().unwrap(), long.as_str());
    assert_eq!(process::stat(program.pid).unwrap().unwrap().ppid, keeper.child.id());
}

#[test]
fn a_program_is_found_in_the_declared_path_or_relative_to_its_folder() {
    for (name, path) in [("tool", "/nowhere:bin"), ("./bin/tool", "/nowhere"), ("bin/tool", "/nowhere")] {
        let mut stand = Stand::new(&[name, "a"]);
        stand.spec.env.insert("PATH".to_owned(), path.to_owned());
        std::fs::create_dir(stand.at("bin")).unwrap();
        let file = stand.at("bin/tool");
        std::fs::write(&file, "#!/bin/sh\necho tool $1\n").unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        assert_eq!(stand.start().code(), 0, "{name}: {:?}", stand.status());
        assert_eq!(stand.log(), "tool a\n");
    }
}

#[test]
fn input_limits_and_a_session_of_its_own() {
    let mut stand = Stand::sh("cat; ulimit -Sn; echo to err >&2");
    std::fs::write(stand.at("input"), "line of input\n").unwrap();
    let input = stand.at("input");
    if let Stdio::Detached { stdin, .. } = &mut stand.spec.stdio {
        *stdin = Some(input);
    }
    stand.spec.nofile = Some(123);
    assert_eq!(stand.start().code(), 0);
    assert_eq!(stand.log(), "line of input\n123\nto err\n");

    let stand = Stand::new(&["sleep", "1000"]);
    let keeper = stand.start();
    let program = process::stat(stand.program().pid).unwrap().unwrap();
    assert_eq!((program.session, program.pgrp), (keeper.child.id(), keeper.child.id()));
}

#[test]
fn ignored_signals_and_open_files_are_not_inherited() {
    let stand = Stand::new(&["sleep", "1000"]);
    let mut command = command("bash");
    command.args(["-c", r#"trap "" HUP INT QUIT USR1 ALRM PIPE TERM TSTP; exec 7>leaked 33<leaked; exec "$@""#, "bash", EXE]);
    command.current_dir(stand.folder.path());
    let keeper = stand.start_by(command);
    let program = stand.program();
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.pid)).unwrap();
    // The two that are left belong to the C library, which ignores them in whatever it spawns.
    assert!(status.contains("SigIgn:\t0000000180000000") && status.contains("SigBlk:\t0000000000000000"), "{status}");
    for pid in [keeper.child.id(), program.pid] {
        for file in std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
            let target = std::fs::read_link(file.unwrap().path()).unwrap_or_default();
            assert!(!target.ends_with("leaked"), "{pid} holds {target:?}");
        }
    }
    // It may still be loading its libraries.
    eventually(|| (std::fs::read_dir(format!("/proc/{}/fd", program.pid)).unwrap().count() == 3).then_some(()), LIMIT);
}

#[test]
fn the_pidfile_names_the_program_while_it_lives() {
    let stand = Stand::new(&["sleep", "1000"]);
    std::fs::write(stand.at("pid"), "").unwrap();
    let mut keeper = stand.start();
    let program = stand.program();
    let ours = || match read_pidfile(&stand.at("pid")).ok()?? {
        PidfileContent::Ours(pidfile) => Some(pidfile),
        PidfileContent::Hint(_) | PidfileContent::Nothing => None,
    };
    let pidfile = eventually(ours, LIMIT);
    assert_eq!(pidfile.program(), program);
    assert_eq!((pidfile.keeper, &pidfile.agent), (keeper.child.id(), &stand.label().agent));
    process::signal(&program, Signal::KILL).unwrap();
    assert_eq!(keeper.code(), 128 + 9);
    assert!(!stand.at("pid").exists());
}

#[test]
fn how_it_ended_is_told() {
    for (line, exit, status) in [
        ("exit 0", code(0), 0),
        ("exit 7", code(7), 7),
        ("exit 255", code(255), 255),
        ("kill -9 $$", reconcile::keeper::Exit::Signal(9), 137),
        ("kill -SEGV $$", reconcile::keeper::Exit::Signal(11), 139),
    ] {
        let stand = Stand::sh(line);
        assert_eq!(stand.start().code(), status, "{line}");
        let ended = stand.ended();
        assert_eq!((ended.how, ended.asked), (exit, None), "{line}");
        assert!(ended.leftovers_killed.is_empty() && ended.spared.is_empty() && ended.survivors.is_empty());
    }
}

#[test]
fn a_stopped_program_has_not_ended() {
    let stand = Stand::new(&["sleep", "1000"]);
    let keeper = stand.start();
    let program = stand.program();
    process::signal(&program, Signal::STOP).unwrap();
    eventually(|| (process::stat(program.pid).unwrap().unwrap().state == State::Stopped).then_some(()), LIMIT);
    stand.settle(&keeper);
    assert_eq!(stand.status().unwrap().ended, None);
    assert_eq!(program.liveness(), Liveness::Alive);
}
