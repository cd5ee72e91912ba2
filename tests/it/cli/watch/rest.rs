//! What wakes a watcher at rest: what the tmux server tells it where it waits for that, and what it finds at the resync.

use std::os::unix::fs::DirBuilderExt;

use super::{FLEET, comes_to_rest, eventually_told, read_status, watching};
use crate::support::{LIMIT, Program, Tmux, eventually};

/// Waits until the watcher sleeps for longer than it would if it looked now and then.
fn sleeps(program: &Program) {
    let path = program.at("state").join(&program.fleet.1).join("watch.json");
    let times = || {
        let status: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).ok()?).unwrap();
        let time = |name: &str| status[name].as_str()?.parse::<reconcile::time::Timestamp>().ok();
        Some((time("last_round")?, time("next_round")?))
    };
    eventually(|| times().filter(|(last, next)| next.since(*last).as_secs() > 5).map(drop), LIMIT);
}

#[test]
fn what_is_held_for_a_person_is_done_when_that_one_detaches() {
    let program = Program::new(FLEET);
    let _watcher = watching(&program, &[]);
    let tmux = Tmux { socket: program.socket() };
    let (mut person, _doomed) = tmux.attached("ada");
    let before = program.pids();
    program.edit("1001", "1011");
    eventually_told(&program, "held", "attached");
    sleeps(&program);
    assert_eq!(program.pids()["ada"], before["ada"]);
    let clients = tmux.run(["list-clients", "-F", "#{session_name}"]);
    assert_eq!(clients.trim(), "ada", "who listens is attached to nothing");
    tmux.run(["detach-client", "-s", "=ada"]);
    eventually(|| person.try_wait().unwrap(), LIMIT);
    eventually(|| program.pids().get("ada").is_some_and(|pid| *pid != before["ada"]).then_some(()), LIMIT);
    comes_to_rest(&program);
}

#[test]
fn a_place_is_taken_as_soon_as_a_stranger_gives_it_up() {
    let program = Program::new(FLEET);
    let tmux = Tmux { socket: program.socket() };
    std::fs::DirBuilder::new().mode(0o700).create(tmux.socket.parent().unwrap()).unwrap();
    tmux.run(["new-session", "-d", "-s", "ada", "--", "sleep", "3001"]);
    tmux.run(["new-session", "-d", "-s", "other", "--", "sleep", "3002"]);
    let _watcher = crate::cli::Running::start(program.command(&["watch"]));
    eventually_told(&program, "blocked", "session");
    sleeps(&program);
    tmux.run(["kill-session", "-t", "=ada"]);
    comes_to_rest(&program);
    tmux.run(["kill-session", "-t", "=other"]);
}

/// How often somebody had the lock of the fleet so far.
fn turns(program: &Program) -> u64 {
    let lock = program.at("state").join(&program.fleet.1).join("lock");
    eventually(|| std::fs::read_to_string(&lock).unwrap().trim().parse().ok(), LIMIT)
}

/// Waits for a whole look after this one: two, as one may have begun.
fn goes_round(program: &Program) {
    let rounds = || read_status(program)["rounds"].as_u64().unwrap();
    let before = rounds();
    eventually(|| (rounds() >= before + 3).then_some(()), LIMIT);
}

#[test]
fn a_watcher_acts_only_where_something_may_have_changed() {
    let program = Program::new(&FLEET.replace("\"10m\"", "\"1s\""));
    let _watcher = watching(&program, &[]);
    let tmux = Tmux { socket: program.socket() };
    goes_round(&program);
    let before = turns(&program);
    goes_round(&program);
    assert_eq!(turns(&program), before, "where all is as it was, nobody is kept from acting");
    // No file tells of that, and nobody died.
    tmux.run(["new-session", "-d", "-s", "stranger", "--", "sleep", "3003"]);
    eventually(|| (turns(&program) > before).then_some(()), LIMIT);
    goes_round(&program);
    let before = turns(&program);
    goes_round(&program);
    assert_eq!(turns(&program), before);
    // A pane that is looked for elsewhere is found where it is.
    tmux.run(["rename-session", "-t", "=ada", "moved"]);
    eventually(|| (turns(&program) > before).then_some(()), LIMIT);
    tmux.run(["kill-session", "-t", "=stranger"]);
}

#[test]
fn who_is_started_again_only_if_is_asked_about_again_though_nothing_happens() {
    let ada = "runtime = \"daemon\"\ncommand = \"test -e work && exec sleep 1009; exit 1\"\nrestart = { only_if = { command = [\"test\", \"-e\", \"work\"] } }\n";
    let program = Program::new(&format!("version = 1\nfleet = \"asked\"\nwatch = {{ resync = \"1s\" }}\n[agents.ada]\n{ada}"));
    let _watcher = crate::cli::Running::start(program.command(&["watch"]));
    eventually_told(&program, "exited", "1");
    goes_round(&program);
    program.write("work", "");
    eventually(|| program.pids().contains_key("ada").then_some(()), LIMIT);
}
