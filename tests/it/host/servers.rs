//! tmux servers: empty, dead, stopped, full, and busy with a batch.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reconcile::desired::{AgentName, AgentSpec};
use reconcile::host::{Act, Gap, Host, Life, Outcome};
use reconcile::observed::{Obstacle, Seat};
use reconcile::process;

use crate::support::command;

use super::{Bench, SLEEP, becomes, known, name};

#[test]
fn a_machine_without_a_server_is_empty_and_so_is_a_server_without_sessions() {
    let mut bench = Bench::new();
    let look = bench.look(&[]);
    assert_eq!((look.found.len(), look.gaps.len(), look.strangers.len()), (0, 0, 0));
    let spec = bench.pane("a", &SLEEP);
    bench.spawn("a", spec);
    bench.tmux(&["kill-session", "-t", "=a"]);
    let look = bench.look(&[]);
    assert_eq!((look.found.len(), look.gaps, look.strangers.len()), (0, Vec::new(), 0));
}

#[test]
fn two_hundred_start_in_one_batch_and_nobody_is_frozen() {
    let mut bench = Bench::new();
    let spec = bench.pane("first", &SLEEP);
    bench.spawn("first", spec);
    let mut batch = Vec::new();
    for number in 0..200 {
        let agent = format!("agent-{number}");
        let spec = bench.pane(&agent, &SLEEP);
        batch.push(Act::Spawn(Box::new(bench.start(&agent, spec))));
    }
    let done = AtomicBool::new(false);
    let socket = bench.socket();
    let (outcomes, took, worst) = std::thread::scope(|scope| {
        let person = scope.spawn(|| {
            let mut worst = Duration::ZERO;
            while !done.load(Ordering::SeqCst) {
                let begun = Instant::now();
                let output = command("tmux").arg("-S").arg(&socket).args(["display-message", "-p", "x"]).output().unwrap();
                assert!(output.status.success());
                worst = worst.max(begun.elapsed());
            }
            worst
        });
        let begun = Instant::now();
        let outcomes = bench.live.act(&batch);
        let took = begun.elapsed();
        done.store(true, Ordering::SeqCst);
        (outcomes, took, person.join().unwrap())
    });
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Done), "{outcomes:?}");
    assert_eq!(bench.look(&[]).found.len(), 201);
    // 100 ms is what is aimed at on a quiet machine; here other tests run at the same time. Who is frozen by all at once waits for all.
    assert!(worst < took / 2, "another client was frozen for {worst:?} of {took:?}");
    let run = bench.state("run");
    let is_spec =
        |entry: std::io::Result<std::fs::DirEntry>| entry.is_ok_and(|entry| entry.path().extension().is_some_and(|end| end == "spec"));
    becomes("no spec is left", || !std::fs::read_dir(&run).unwrap().any(is_spec));
}

#[test]
fn a_killed_server_is_gone_and_another_is_started() {
    let mut bench = Bench::new();
    let spec = bench.pane("a", &SLEEP);
    let mark = bench.spawn("a", spec.clone());
    let seen = bench.running(&mark);
    let Seat::Pane { server, .. } = &seen.seat else { unreachable!() };
    process::signal(server, process::Signal::KILL).unwrap();
    let before = seen.clone();
    let asked = [known(&mark, Some(seen))];
    becomes("its keeper told of the end", || {
        let look = bench.look(&asked);
        assert_eq!(look.gaps, []);
        matches!(look.found[0].life, Life::Ended { .. })
    });
    assert!(matches!(bench.live.act(&[Act::Keys { only: before, keys: vec!["x".to_owned()] }])[0], Outcome::Refused(_)));
    let next = bench.spawn("a", spec);
    bench.running(&next);
}

#[test]
fn a_server_that_does_not_answer_is_a_gap_and_nothing_else() {
    let mut bench = Bench::new();
    let spec = bench.pane("a", &SLEEP);
    let mark = bench.spawn("a", spec);
    let seen = bench.running(&mark);
    let Seat::Pane { server, .. } = &seen.seat else { unreachable!() };
    process::signal(server, process::Signal::STOP).unwrap();
    let begun = Instant::now();
    let look = bench.look(&[known(&mark, Some(seen.clone()))]);
    let took = begun.elapsed();
    process::signal(server, process::Signal::CONT).unwrap();
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert!(matches!(&look.gaps[..], [Gap::Server(path, _)] if *path == bench.socket()), "{look:#?}");
    assert_eq!(look.found.len(), 1);
    assert!(matches!(look.found[0].life, Life::Unknown(_)));
    assert_eq!(bench.running(&mark), seen);
}

#[test]
fn a_server_that_could_freeze_gets_no_more_panes() {
    let mut bench = Bench::new();
    let script = "ulimit -Sn 120; ulimit -Hn 120; exec \"$@\"";
    let mut start = command("sh");
    start.args(["-c", script, "sh", "tmux", "-S"]).arg(bench.socket());
    start.args(["-f", "/dev/null", "start-server", ";", "set", "-s", "exit-empty", "off"]);
    assert!(start.status().unwrap().success());
    // Nine tenths of 120 less 64 are 44.
    let starts: Vec<(AgentName, AgentSpec)> =
        (0..46).map(|number| format!("a{number:02}")).map(|agent| (name(&agent), bench.pane(&agent, &SLEEP))).collect();
    let obstacles = bench.preflight(&starts);
    assert_eq!(obstacles.keys().map(AgentName::as_str).collect::<Vec<_>>(), ["a44", "a45"]);
    assert!(
        matches!(&obstacles[&name("a45")], Obstacle::TooManyPanes(why) if why.contains("44 more fit") && why.contains("120")),
        "{obstacles:#?}"
    );
}

#[test]
fn options_are_set_and_taken_back_and_a_server_of_ours_may_open_many_files() {
    let mut bench = Bench::new();
    let mut server = bench.server();
    assert_eq!(bench.live.act(&[Act::SetServer(server.clone())]), [Outcome::Done], "there is none");
    let spec = bench.pane("a", &SLEEP);
    bench.spawn("a", spec);
    server.options = BTreeMap::from([("history-limit".to_owned(), "500".to_owned())]);
    assert_eq!(bench.live.act(&[Act::SetServer(server.clone())]), [Outcome::Done]);
    assert_eq!(bench.tmux(&["show-options", "-gv", "history-limit"]), "500\n");
    server.options.clear();
    assert_eq!(bench.live.act(&[Act::SetServer(server.clone())]), [Outcome::Done]);
    assert_eq!(bench.tmux(&["show-options", "-gv", "history-limit"]), "2000\n");
    server.options = BTreeMap::from([("no-such-option".to_owned(), "x".to_owned())]);
    assert!(matches!(&bench.live.act(&[Act::SetServer(server)])[0], Outcome::Failed(why) if why.contains("no-such-option")));
    let pid = bench.tmux(&["display-message", "-p", "#{pid}"]);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", pid.trim())).unwrap();
    let files: Vec<&str> =
        limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap().split_whitespace().take(2).collect();
    let hard: u64 = files[1].parse().unwrap();
    assert_eq!(files[0], hard.min(65_536).to_string());
}

#[test]
fn no_server_and_no_daemon_holds_what_their_starter_was_given() {
    // As a launcher would hand on a lock.
    let lock = tempfile::NamedTempFile::new().unwrap();
    rustix::io::fcntl_setfd(&lock, rustix::io::FdFlags::empty()).unwrap();
    let mut bench = Bench::new();
    let (pane, daemon) = (bench.pane("a", &SLEEP), bench.daemon(&SLEEP));
    let marks = [bench.spawn("a", pane), bench.spawn("d", daemon)];
    let seen = marks.map(|mark| bench.running(&mark));
    let Seat::Pane { server, .. } = &seen[0].seat else { unreachable!() };
    let keepers = seen.iter().filter_map(|instance| instance.keeper.as_ref());
    for process in keepers.chain([server]) {
        for file in std::fs::read_dir(format!("/proc/{}/fd", process.pid)).unwrap() {
            let target = std::fs::read_link(file.unwrap().path()).unwrap_or_default();
            assert_ne!(target, lock.path(), "{process} holds it");
        }
    }
}
