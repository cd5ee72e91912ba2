//! Instances in panes: found by their marks, placed as declared, reached exactly.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use reconcile::desired::{Inherit, OnChange, Secret, SecretSource, Signal, SignalTo};
use reconcile::host::{Act, Host, Life, Outcome, Spawn};
use reconcile::observed::{Exit, Instance, Obstacle, Seat};
use reconcile::process::{self, Liveness, ProcId};

use super::{Bench, SLEEP, becomes, eventually, known, name, pane_of};

#[test]
fn a_start_is_seen_by_its_mark_in_the_first_listing() {
    let mut bench = Bench::new();
    let spec = bench.pane("lead", &SLEEP);
    let mark = bench.spawn("lead", spec);
    let look = bench.look(&[]);
    assert_eq!(look.found.len(), 1, "{look:#?}");
    assert_eq!((look.found[0].instance.mark.as_ref(), &look.gaps, look.found[0].attached), (Some(&mark), &Vec::new(), 0));
    assert!(matches!(look.found[0].life, Life::Alive { .. }));
    assert!(look.found[0].instance.keeper.is_some());
    assert_eq!(look.strangers, []);

    let seen = bench.running(&mark);
    assert_eq!((pane_of(&seen).0, pane_of(&seen).1), ("lead".to_owned(), "lead".to_owned()));
    let program = seen.program.clone().unwrap();
    assert_eq!(process::cmdline(program.pid).unwrap(), SLEEP);
    // At rest the answer is the record's own words.
    let look = bench.look(&[known(&mark, Some(seen.clone()))]);
    assert_eq!(look.found[0].instance, seen);
    assert!(matches!(look.found[0].life, Life::Alive { since: Some(_) }));
    // Another process of the tool finds it as well.
    bench.restart();
    assert_eq!(bench.running(&mark), seen);
}

#[test]
fn a_session_of_somebody_else_is_a_stranger_and_its_name_is_taken() {
    let mut bench = Bench::new();
    bench.tmux(&["new-session", "-d", "-s", "lead", "--", "sleep", "100000"]);
    bench.tmux(&["new-session", "-d", "-s", "_helper", "--", "sleep", "100000"]);
    let odd = format!("sleep 100000; : a\tb\n keep v1/{}/x/1/00/11 /s", bench.fleet);
    bench.tmux(&["new-session", "-d", "-s", "odd", "-n", "t\tab", "--", "sh", "-c", &odd]);
    let spec = bench.pane("lead", &SLEEP);
    let look = bench.ask(&[], &[(name("lead"), spec.clone())], false);
    assert_eq!(look.found, [], "no name and no text makes an instance");
    assert_eq!(look.strangers.iter().map(|stranger| stranger.place.as_str()).collect::<Vec<_>>(), ["s:lead", "s:odd"]);
    let obstacles = bench.preflight(&[(name("lead"), spec.clone())]);
    assert!(matches!(obstacles[&name("lead")], Obstacle::PlaceTaken(_)), "{obstacles:#?}");
    let spawn = bench.start("lead", spec);
    let outcome = bench.live.act(&[Act::Spawn(Box::new(spawn.clone()))]);
    assert!(matches!(outcome[0], Outcome::Refused(_)), "{outcome:?}");
    assert!(!bench.state("run").join(format!("lead.{}.spec", spawn.mark.id)).exists(), "what failed leaves no spec");
    assert_eq!(bench.tmux(&["list-windows", "-t", "=lead"]).lines().count(), 1);
}

#[test]
fn a_name_is_never_taken_for_a_longer_one() {
    let mut bench = Bench::new();
    let spec = bench.pane("agent-10", &SLEEP);
    let ten = bench.spawn("agent-10", spec);
    let spec = bench.pane("agent-1", &SLEEP);
    let one = bench.spawn("agent-1", spec);
    let (ten_seen, one_seen) = (bench.running(&ten), bench.running(&one));
    assert_eq!((pane_of(&ten_seen).0.as_str(), pane_of(&one_seen).0.as_str()), ("agent-10", "agent-1"));
    assert_eq!(bench.live.act(&[Act::Kill { only: one_seen }]), [Outcome::Done]);
    let (dead, _) = bench.ended(&one);
    assert_eq!(bench.live.act(&[Act::Clear { only: dead }]), [Outcome::Done]);
    assert_eq!(bench.running(&ten), ten_seen);
    assert_eq!(bench.tmux(&["list-sessions", "-F", "#{session_name}"]), "agent-10\n");
}

#[test]
fn agents_share_sessions_and_windows_as_declared() {
    let mut bench = Bench::new();
    let places = [("a", "work", "one"), ("b", "work", "two"), ("c", "work", "two"), ("d", "work", "two")];
    let mut marks = Vec::new();
    let mut batch = Vec::new();
    for (agent, session, window) in &places[..3] {
        let mut spec = bench.pane_at(session, window, &SLEEP);
        spec.care.title = Some(format!("#{{pid}} {agent}"));
        let spawn = bench.start(agent, spec);
        marks.push(spawn.mark.clone());
        batch.push(Act::Spawn(Box::new(spawn)));
    }
    assert_eq!(bench.live.act(&batch), [Outcome::Done, Outcome::Done, Outcome::Done]);
    // A person splits our window: that makes nothing foreign.
    bench.tmux(&["split-window", "-d", "-t", "=work:=two", "--", "sleep", "100000"]);
    let spec = bench.pane_at("work", "two", &SLEEP);
    let look = bench.ask(&[], &[(name("d"), spec.clone())], false);
    assert_eq!(look.strangers.len(), 1, "{look:#?}");
    assert_eq!(bench.preflight(&[(name("d"), spec.clone())]), BTreeMap::new());
    marks.push(bench.spawn("d", spec));
    for (mark, (agent, session, window)) in marks.iter().zip(places) {
        let seen = pane_of(&bench.running(mark));
        assert_eq!((seen.0.as_str(), seen.1.as_str()), (session, window), "{agent}");
        if agent != "d" {
            assert_eq!(bench.tmux(&["display-message", "-p", "-t", &seen.2, "#{pane_title}"]), format!("#{{pid}} {agent}\n"));
        }
    }
    assert_eq!(bench.tmux(&["list-panes", "-t", "=work:=two"]).lines().count(), 4);
    assert_eq!(bench.tmux(&["display-message", "-p", "-t", "=work:", "#{window_width}x#{window_height}"]), "200x50\n");
    // Beside a window of that name without any pane of ours there is another one for it.
    bench.tmux(&["new-window", "-d", "-t", "=work:", "-n", "notes", "--", "sleep", "100000"]);
    let spec = bench.pane_at("work", "notes", &SLEEP);
    assert_eq!(bench.preflight(&[(name("e"), spec.clone())]), BTreeMap::new());
    let mark = bench.spawn("e", spec);
    assert_eq!(pane_of(&bench.running(&mark)).1, "notes");
    assert_eq!(bench.tmux(&["list-windows", "-t", "=work", "-F", "#W"]).lines().filter(|name| *name == "notes").count(), 2);
}

#[test]
fn a_program_that_ends_at_once_is_seen_with_its_status_and_its_pane_is_used_again() {
    let mut bench = Bench::new();
    let spec = bench.pane("a", &["sh", "-c", "exit 7"]);
    let mark = bench.spawn("a", spec);
    let (dead, exit) = bench.ended(&mark);
    assert_eq!(exit, Exit::Code(7));
    let pane = pane_of(&dead).2;
    let spec = bench.pane("a", &SLEEP);
    let spawn = Spawn { instead_of: Some(dead.clone()), ..bench.start("a", spec) };
    let next = spawn.mark.clone();
    assert_eq!(bench.live.act(&[Act::Spawn(Box::new(spawn))]), [Outcome::Done]);
    assert_eq!(pane_of(&bench.running(&next)).2, pane);
    // What was true of the earlier life holds no more.
    assert!(matches!(bench.live.act(&[Act::Keys { only: dead.clone(), keys: vec!["x".to_owned()] }])[0], Outcome::Refused(_)));
    assert!(matches!(bench.live.act(&[Act::Kill { only: dead }])[0], Outcome::Refused(_)));
    let spec = bench.pane("gone", &["/nowhere/program"]);
    let mark = bench.spawn("gone", spec);
    let (_, exit) = bench.ended(&mark);
    assert!(matches!(exit, Exit::Failed(_)), "{exit:?}");
}

#[test]
fn keys_and_signals_reach_exactly_the_one_that_was_seen() {
    let mut bench = Bench::new();
    let script = "trap 'echo int > int; exit 3' INT; trap 'echo usr > usr' USR1; echo up; while :; do sleep 0.01; done";
    let spec = bench.pane("a", &["sh", "-c", script]);
    let mark = bench.spawn("a", spec);
    let seen = bench.running(&mark);
    let pane = pane_of(&seen).2;
    becomes("it is up", || bench.tmux(&["capture-pane", "-p", "-t", &pane]).contains("up"));
    let other = Instance { keeper: seen.keeper.clone().map(|keeper| ProcId { pid: keeper.pid + 1, ..keeper }), ..seen.clone() };
    let to = SignalTo::Main;
    let reused = Instance { program: seen.program.clone().map(|program| ProcId { start_time: 1, ..program }), ..seen.clone() };
    let outcomes = bench.live.act(&[
        Act::Keys { only: other, keys: vec!["C-c".to_owned()] },
        Act::Signal { only: reused, signal: Signal::Int, to },
        Act::Signal { only: seen.clone(), signal: Signal::Usr1, to },
    ]);
    assert!(matches!(outcomes[..], [Outcome::Refused(_), Outcome::Refused(_), Outcome::Done]), "{outcomes:?}");
    let usr = bench.path("usr");
    becomes("the signal arrived", || usr.exists());
    assert!(!bench.path("int").exists());
    // Somebody scrolls: keys get through all the same.
    bench.tmux(&["copy-mode", "-t", &pane]);
    assert_eq!(bench.live.act(&[Act::Keys { only: seen, keys: vec!["C-c".to_owned()] }]), [Outcome::Done]);
    assert_eq!(bench.ended(&mark).1, Exit::Code(3));
}

#[test]
fn a_kill_ends_the_whole_tree_and_clear_removes_what_is_left() {
    let mut bench = Bench::new();
    let spec = bench.pane("a", &["sh", "-c", "trap '' HUP TERM INT; setsid sleep 100000 & sleep 100000"]);
    let mark = bench.spawn("a", spec);
    let seen = bench.running(&mark);
    let program = seen.program.clone().unwrap();
    let tree = eventually("the tree is there", || {
        Some(process::descendants(program.pid).unwrap()).filter(|tree| tree.len() == 2).ok_or_else(|| "fewer".to_owned())
    });
    assert_eq!(bench.live.act(&[Act::Kill { only: seen }]), [Outcome::Done]);
    let (dead, exit) = bench.ended(&mark);
    assert_eq!(exit, Exit::Signal(9));
    assert!(tree.iter().all(|process| process.liveness() == Liveness::Gone));
    assert!(bench.state("run/a.status").exists());
    assert_eq!(bench.live.act(&[Act::Clear { only: dead }]), [Outcome::Done]);
    assert!(!bench.state("run/a.status").exists());
    let look = bench.look(&[]);
    assert_eq!((look.found.len(), look.gaps.len()), (0, 0), "{look:#?}");
}

#[test]
fn what_a_killed_keeper_left_behind_is_found_and_ended() {
    let mut bench = Bench::new();
    // The terminal goes away with the keeper; what left the terminal's session does not notice.
    let spec = bench.pane("a", &["sh", "-c", "setsid sleep 100000 & sleep 100000"]);
    let mark = bench.spawn("a", spec);
    let seen = bench.running(&mark);
    let program = seen.program.clone().unwrap();
    let left = |child: &ProcId| process::stat(child.pid).is_ok_and(|seen| seen.is_some_and(|seen| seen.session == child.pid));
    becomes("a child has left the session", || process::descendants(program.pid).unwrap().iter().any(left));
    process::signal(&seen.keeper.clone().unwrap(), process::Signal::KILL).unwrap();
    let asked = [known(&mark, Some(seen))];
    let adrift = eventually("it is lost and something is left", || {
        let look = bench.look(&asked);
        let lost = look.found.iter().any(|found| found.life == Life::Lost && matches!(found.instance.seat, Seat::Pane { .. }));
        let adrift = look.found.iter().find(|found| matches!(found.instance.seat, Seat::Adrift { .. })).cloned();
        adrift.filter(|_| lost).ok_or_else(|| format!("{look:#?}"))
    });
    assert_eq!(adrift.instance.mark.as_ref(), Some(&mark));
    assert_eq!(bench.live.act(&[Act::Kill { only: adrift.instance.clone() }]), [Outcome::Done]);
    let Seat::Adrift { processes } = adrift.instance.seat else { unreachable!() };
    assert!(processes.iter().all(|process| process.liveness() == Liveness::Gone), "{processes:?}");
}

#[test]
fn the_environment_is_exactly_what_was_declared() {
    let mut bench = Bench::new();
    let mut spec = bench.pane("a", &["sh", "-c", "env > env.new; mv env.new env; exec sleep 100000"]);
    spec.launch.inherit_env = Inherit::Only(vec!["PATH".to_owned()]);
    spec.launch.env = BTreeMap::from([("A".to_owned(), "it's $HOME #{pid}\nline".to_owned())]);
    let secret = bench.path("secret");
    std::fs::write(&secret, "hush\n").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    spec.launch.secrets = BTreeMap::from([("TOKEN".to_owned(), Secret { from: SecretSource::File(secret), on_change: OnChange::Ignore })]);
    let mark = bench.spawn("a", spec);
    bench.running(&mark);
    let file = bench.path("env");
    let text = eventually("it wrote its environment", || std::fs::read_to_string(&file).map_err(|error| error.to_string()));
    let shells_own = ["_", "SHLVL", "OLDPWD"];
    let mut names: Vec<&str> =
        text.lines().filter_map(|line| Some(line.split_once('=')?.0)).filter(|name| !shells_own.contains(name)).collect();
    names.sort_unstable();
    let ours = [
        "RECONCILE",
        "RECONCILE_AGENT",
        "RECONCILE_FLEET",
        "RECONCILE_GENERATION",
        "RECONCILE_HEARTBEAT",
        "RECONCILE_INBOX",
        "RECONCILE_STATE_DIR",
    ];
    assert_eq!(names, [&["A", "PATH", "PWD"][..], &ours, &["TERM", "TOKEN"]].concat());
    for line in ["A=it's $HOME #{pid}\nline\n", &format!("RECONCILE={mark}\n"), "TOKEN=hush\n"] {
        assert!(text.contains(line), "{line} in {text}");
    }
    // Nothing of it can be seen from outside of the process itself.
    let seen = bench.tmux(&["list-panes", "-a", "-F", "#{pane_start_command}"]) + &bench.tmux(&["show-environment", "-g"]);
    assert!(!seen.contains("hush") && !seen.contains("CARGO"), "{seen}");
}

#[test]
fn care_is_put_on_in_place_and_a_new_name_moves_the_session() {
    let mut bench = Bench::new();
    let mut spec = bench.pane("old", &SLEEP);
    let mark = bench.spawn("old", spec.clone());
    let seen = bench.running(&mark);
    spec.care.title = Some("#(touch x) ok".to_owned());
    spec.care.session_options = BTreeMap::from([("status-left".to_owned(), "it's; a \"test\"".to_owned())]);
    let mut renamed = bench.pane("new", &SLEEP);
    renamed.care = spec.care.clone();
    let outcomes = bench.live.act(&[
        Act::Dress { only: seen.clone(), spec: Box::new(spec) },
        Act::Rename { only: seen.clone(), spec: Box::new(renamed), to: name("new") },
    ]);
    assert_eq!(outcomes, [Outcome::Done, Outcome::Done]);
    let now = bench.running(&mark);
    assert_eq!((pane_of(&now).0.as_str(), pane_of(&now).1.as_str(), &now.program), ("new", "new", &seen.program));
    let pane = pane_of(&now).2;
    assert_eq!(bench.tmux(&["display-message", "-p", "-t", &pane, "#{pane_title}"]), "#(touch x) ok\n");
    assert_eq!(bench.tmux(&["show-options", "-v", "-t", "=new:", "status-left"]), "it's; a \"test\"\n");
    assert!(!bench.path("x").exists());
}
