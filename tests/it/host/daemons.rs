//! Daemons: started many at once, found without records, adopted by their pidfile; and what a launch lacks.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use reconcile::desired::{AgentSpec, Command, OnChange, Place, Secret, SecretSource};
use reconcile::host::{Act, Found, Host, Known, Life, Outcome, Spawn, Wake};
use reconcile::observed::{Exit, Instance, Obstacle};
use reconcile::time::{Duration as Length, Timestamp};

use super::{Bench, SLEEP, becomes, known, name};

#[test]
fn daemons_start_are_seen_and_end() {
    let mut bench = Bench::new();
    let mut marks = Vec::new();
    let mut batch = Vec::new();
    for number in 0..20 {
        let spec = bench.daemon(&SLEEP);
        let spawn = bench.start(&format!("d{number}"), spec);
        marks.push(spawn.mark.clone());
        batch.push(Act::Spawn(Box::new(spawn)));
    }
    assert!(bench.live.act(&batch).iter().all(|outcome| *outcome == Outcome::Done));
    // In the first look after the start each is there, program or not.
    let asked: Vec<Known> = marks.iter().map(|mark| known(mark, None)).collect();
    let look = bench.look(&asked);
    assert_eq!(look.found.len(), 20);
    assert!(look.found.iter().all(|found| matches!(found.life, Life::Alive { .. }) && found.instance.keeper.is_some()), "{look:#?}");
    let seen: Vec<Instance> = marks.iter().map(|mark| bench.running(mark)).collect();
    // Twice is refused: its lock is held.
    let Act::Spawn(again) = &batch[0] else { unreachable!() };
    let again = Spawn { mark: bench.mark("d0"), ..(**again).clone() };
    assert!(matches!(bench.live.act(&[Act::Spawn(Box::new(again))])[0], Outcome::Refused(_)));
    // Without any record, the list of processes tells.
    bench.restart();
    let mut found: Vec<Instance> = bench.ask(&[], &[], true).found.into_iter().map(|found| found.instance).collect();
    found.sort_by_key(|instance| instance.generation);
    assert_eq!(found, seen);
    let kill: Vec<Act> = seen.iter().map(|only| Act::Kill { only: only.clone() }).collect();
    assert!(bench.live.act(&kill).iter().all(|outcome| *outcome == Outcome::Done));
    for mark in &marks {
        let (dead, exit) = bench.ended(mark);
        assert_eq!(exit, Exit::Signal(9));
        assert_eq!(bench.live.act(&[Act::Clear { only: dead }]), [Outcome::Done]);
    }
    assert_eq!(bench.ask(&[], &[], true).found, []);
}

#[test]
fn a_start_that_nobody_remembers_is_found_or_lost() {
    let mut bench = Bench::new();
    let spec = bench.daemon(&SLEEP);
    let mark = bench.spawn("a", spec);
    bench.restart();
    let look = bench.look(&[known(&mark, None)]);
    assert!(matches!(look.found[..], [Found { life: Life::Alive { .. }, .. }]), "{look:#?}");
    let never = bench.mark("b");
    let look = bench.look(&[known(&never, None)]);
    // It never began. The search for it finds the other one, which no record knows.
    assert!(matches!(look.found[..], [Found { life: Life::Alive { .. }, .. }]), "{look:#?}");
    let spec = bench.daemon(&SLEEP);
    let late = Spawn { not_after: Timestamp::from_millis(1), ..bench.start("c", spec) };
    assert!(matches!(bench.live.act(&[Act::Spawn(Box::new(late))])[0], Outcome::Refused(_)));
}

#[test]
fn a_daemon_that_its_pidfile_names_can_be_adopted_and_others_block() {
    let mut bench = Bench::new();
    let folder = bench.folder.path().to_owned();
    let pidfile = bench.path("x.pid");
    let mut spec = bench.daemon(&["sleep", "77777"]);
    spec.launch.place = Place::Daemon { pidfile: Some(pidfile.clone()) };
    let starts = [(name("x"), spec)];
    let other = bench.child(crate::support::command("sleep").arg("66666").current_dir(&folder));
    let same = bench.child(crate::support::command("sleep").arg("77777").current_dir(&folder));
    let elsewhere = bench.child(crate::support::command("sleep").arg("77777").current_dir("/"));
    for pid in [other, elsewhere] {
        std::fs::write(&pidfile, pid.to_string()).unwrap();
        let obstacles = bench.preflight(&starts);
        assert!(matches!(obstacles.get(&name("x")), Some(Obstacle::PlaceTaken(_))), "{obstacles:#?}");
        assert_eq!(bench.ask(&[], &starts, false).found, []);
    }
    // Programs write more than the number, or a form of their own.
    let forms = [format!("{same}\nnonce\n"), format!("{{\"schema\":1,\"pid\":{same},\"version\":\"2.0\"}}\n")];
    let adoptable = forms.map(|form| {
        std::fs::write(&pidfile, form).unwrap();
        assert_eq!(bench.preflight(&starts), BTreeMap::new());
        bench.ask(&[], &starts, false).found[0].instance.clone()
    });
    assert_eq!(adoptable[0], adoptable[1]);
    let [found, _] = adoptable;
    assert_eq!((found.mark.as_ref(), found.keeper.as_ref(), found.program.as_ref().map(|program| program.pid)), (None, None, Some(same)));
    // Once adopted it is looked at and ended by its identity.
    let adopted = Known { agent: name("x"), mark: None, instance: Some(found.clone()), is_daemon: true, namespace: None };
    assert!(matches!(bench.look(std::slice::from_ref(&adopted)).found[0].life, Life::Alive { .. }));
    assert_eq!(bench.live.act(&[Act::Kill { only: found }]), [Outcome::Done]);
    assert_eq!(bench.look(&[adopted]).found[0].life, Life::Lost);
    type Case<'a> = (&'a str, &'a dyn Fn(&Path), bool);
    let cases: [Case<'_>; 6] = [
        ("stale", &|path| std::fs::write(path, "4194303").unwrap(), false),
        ("empty", &|path| std::fs::write(path, "").unwrap(), false),
        ("stale, in its own form", &|path| std::fs::write(path, "{\"schema\":1,\"pid\":4194303}").unwrap(), false),
        ("no number", &|path| std::fs::write(path, "pid").unwrap(), false),
        ("a link", &|path| std::os::unix::fs::symlink("/proc/self/stat", path).unwrap(), true),
        (
            "open to others",
            &|path| {
                std::fs::write(path, "4194303").unwrap();
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).unwrap();
            },
            true,
        ),
    ];
    for (what, write, blocks) in cases {
        std::fs::remove_file(&pidfile).unwrap();
        write(&pidfile);
        let obstacles = bench.preflight(&starts);
        assert_eq!(obstacles.contains_key(&name("x")), blocks, "{what}: {obstacles:#?}");
    }
}

#[test]
fn what_a_launch_lacks_is_said_before_anything_is_stopped() {
    let mut bench = Bench::new();
    let folder = bench.folder.path().to_owned();
    let mut starts = Vec::new();
    let mut add = |agent: &str, change: &dyn Fn(&mut AgentSpec)| {
        let mut spec = bench.daemon(&SLEEP);
        change(&mut spec);
        starts.push((name(agent), spec));
    };
    add("fine", &|_| {});
    add("cwd", &|spec| spec.launch.cwd = "/nowhere/at/all".into());
    add("file", &|spec| spec.launch.cwd = "/etc/passwd".into());
    add("program", &|spec| spec.launch.command = Command::Argv(vec!["no-such-program".to_owned()]));
    add("path", &|spec| drop(spec.launch.env.insert("PATH".to_owned(), "/nowhere".to_owned())));
    add("plain", &|spec| spec.launch.command = Command::Argv(vec!["/etc/passwd".to_owned()]));
    add("envfile", &|spec| spec.launch.env_file = vec!["/nowhere/env".into()]);
    // A file of variables brings the PATH in which the program is, or is not.
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o700)).unwrap();
        file
    };
    let (tool, here) = (write("tool", "#!/bin/sh\n"), write("here.env", &format!("PATH={}\n", folder.display())));
    let (elsewhere, slip) = (write("elsewhere.env", "PATH=/nowhere\n"), write("slip.env", "A=1\nB='open\n"));
    let tool = Command::Argv(vec![tool.file_name().unwrap().to_str().unwrap().to_owned()]);
    add("envpath", &|spec| (spec.launch.command, spec.launch.env_file) = (tool.clone(), vec![here.clone()]));
    add("envpathless", &|spec| (spec.launch.command, spec.launch.env_file) = (tool.clone(), vec![elsewhere.clone()]));
    add("envslip", &|spec| spec.launch.env_file = vec![slip.clone()]);
    let crlf = write("crlf.sh", "#!/bin/sh\r\n");
    add("interpreter", &|spec| spec.launch.command = Command::Argv(vec![crlf.display().to_string()]));
    add("long", &|spec| spec.launch.command = Command::Argv(vec!["sleep".to_owned(), "1".repeat(200_000)]));
    add("longvariable", &|spec| drop(spec.launch.env.insert("LONG".to_owned(), "1".repeat(200_000))));
    add("stdin", &|spec| spec.launch.stdin_file = Some("/nowhere/stdin".into()));
    add("secret", &|spec| {
        let secret = Secret { from: SecretSource::Env("NO_SUCH_VARIABLE_HERE".to_owned()), on_change: OnChange::Ignore };
        spec.launch.secrets.insert("S".to_owned(), secret);
    });
    let obstacles = bench.preflight(&starts);
    let word = |obstacle: &Obstacle| format!("{obstacle:?}").split('(').next().unwrap().to_owned();
    let seen: Vec<(String, String)> = obstacles.iter().map(|(agent, obstacle)| (agent.to_string(), word(obstacle))).collect();
    let expected = [
        ("cwd", "CwdMissing"),
        ("envfile", "Unreadable"),
        ("envpathless", "CommandMissing"),
        ("envslip", "Unreadable"),
        ("file", "CwdMissing"),
        ("interpreter", "CommandMissing"),
        ("long", "CommandMissing"),
        ("longvariable", "CommandMissing"),
        ("path", "CommandMissing"),
        ("plain", "CommandMissing"),
        ("program", "CommandMissing"),
        ("secret", "Unreadable"),
        ("stdin", "Unreadable"),
    ];
    assert_eq!(seen, expected.map(|(agent, obstacle)| (agent.to_owned(), obstacle.to_owned())));
}

#[test]
fn a_log_gets_its_new_settings_without_a_restart() {
    let mut bench = Bench::new();
    let mut spec = bench.daemon(&["sh", "-c", "while :; do echo beat; sleep 0.01; done"]);
    let mark = bench.spawn("a", spec.clone());
    let seen = bench.running(&mark);
    let (first, second) = (bench.state("logs/a.log"), bench.path("moved.log"));
    becomes("it writes its log", || std::fs::metadata(&first).is_ok_and(|facts| facts.len() > 0));
    spec.care.log.file = Some(second.clone());
    assert_eq!(bench.live.act(&[Act::Dress { only: seen.clone(), spec: Box::new(spec) }]), [Outcome::Done]);
    becomes("it writes the other", || std::fs::metadata(&second).is_ok_and(|facts| facts.len() > 0));
    assert_eq!(bench.running(&mark), seen);
}

#[test]
fn a_wait_ends_with_a_death() {
    let mut bench = Bench::new();
    let spec = bench.daemon(&SLEEP);
    let mark = bench.spawn("a", spec);
    let seen = bench.running(&mark);
    let keeper = seen.keeper.clone().unwrap();
    let soon = bench.live.now() + Length::from_millis(5);
    assert_eq!(bench.live.wait(std::slice::from_ref(&keeper), soon), Wake::Time);
    bench.live.act(&[Act::Kill { only: seen }]);
    let late = bench.live.now() + Length::from_secs(60);
    assert_eq!(bench.live.wait(&[keeper], late), Wake::Death);
    assert!(bench.live.now() < late);
}
