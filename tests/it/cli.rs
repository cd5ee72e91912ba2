//! The commands from outside: exit codes and what is written where, on real tmux and real processes.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::process::{Child, Command, Output, Stdio};

use insta::assert_snapshot;
use reconcile::process::{self, Liveness, ProcId, Signal};
use regex::Regex;
use serde_json::Value;

use crate::support::{LIMIT, Program, Tmux, eventually};

mod approval;
mod asks;
mod broken;
mod escapes;
mod files;
mod ground;
mod handoff;
mod hints;
mod hooks;
mod launch;
mod live;
mod lives;
mod logs;
mod look;
mod order;
mod ownership;
mod quit;
mod run;
mod screen;
mod secrets;
mod server;
mod service;
mod shared;
mod simulate;
mod strangers;
mod terminal;
mod watch;

/// Two agents in tmux and a daemon, one after the other so that their events have one order.
const FLEET: &str = r#"
version = 1
fleet = "it"

[defaults]
ready = { delay = "10ms" }

[agents.ada]
runtime = "daemon"
command = ["sleep", "1001"]

[agents.bob]
command = ["sleep", "1002"]
after = ["ada"]

[agents.cyd]
command = "sleep 1003"
after = ["bob"]
"#;

/// A daemon that is ready once the file `go` is there, and one that waits for it.
const SLOW: &str = r#"
version = 1
fleet = "slow"

[agents.ada]
runtime = "daemon"
command = ["sleep", "1004"]
ready = { file = "go", interval = "10ms" }

[agents.bob]
runtime = "daemon"
command = ["sleep", "1005"]
after = ["ada"]
ready = { delay = "10ms" }
"#;

impl Program {
    /// Exit code, stdout and stderr of a command, without what differs from run to run.
    fn shot(&self, arguments: &[&str]) -> String {
        shown(&self.command(arguments).output().unwrap(), |text| self.normal(text))
    }

    /// The same without the details and the rounds of a plan.
    fn brief(&self, arguments: &[&str]) -> String {
        shown(&self.command(arguments).output().unwrap(), |text| brief(&self.normal(text)))
    }

    fn code(&self, arguments: &[&str]) -> i32 {
        self.command(arguments).output().unwrap().status.code().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", shown(&output, str::to_owned)))
    }

    /// The pids of all agents that run. The keeper of one that is ready may not have named its program yet.
    fn pids(&self) -> BTreeMap<String, u64> {
        let look = || {
            let status = self.json(&["status", "--json"]);
            let agents = status["agents"].as_array().unwrap();
            let unnamed = agents.iter().any(|agent| agent["state"] == "ready" && agent["pid"].is_null());
            let pid = |agent: &Value| Some((agent["name"].as_str()?.to_owned(), agent["pid"].as_u64()?));
            (!unnamed).then(|| agents.iter().filter_map(pid).collect())
        };
        eventually(look, LIMIT)
    }

    /// Writes the manifest anew with this text in the place of that.
    fn edit(&self, from: &str, to: &str) {
        let manifest = std::fs::read_to_string(self.at("constellation.toml")).unwrap();
        assert!(manifest.contains(from));
        self.write("constellation.toml", &manifest.replace(from, to));
    }

    fn normal(&self, text: &str) -> String {
        let text = text.replace(self.folder.path().to_str().unwrap(), "FOLDER").replace(&self.fleet.1, &self.fleet.0);
        let text = Regex::new(r"\d\d:\d\d:\d\d").unwrap().replace_all(&text, "HH:MM:SS").into_owned();
        let text = Regex::new(r"up \d+(ms|s|m)(\d+s)?").unwrap().replace_all(&text, "up AGE").into_owned();
        Regex::new(r"pid \d+").unwrap().replace_all(&text, "pid PID").into_owned()
    }
}

fn shown(output: &Output, normal: impl Fn(&str) -> String) -> String {
    let code = output.status.code().map_or("signal".to_owned(), |code| code.to_string());
    let stream = |name: &str, bytes: &[u8]| match normal(&String::from_utf8_lossy(bytes)) {
        text if text.is_empty() => String::new(),
        text => format!("--- {name}\n{text}"),
    };
    format!("exit {code}\n{}{}", stream("stdout", &output.stdout), stream("stderr", &output.stderr))
}

/// A plan without the paragraphs below its listing.
fn brief(text: &str) -> String {
    // Those begin with the names of agents, or with `rounds to come`, alone on a line.
    let names = Regex::new("^[a-z][a-z0-9_, -]*\n").unwrap();
    let is_detail = |paragraph: &str| names.is_match(paragraph);
    let rest: Vec<&str> = text.split("\n\n").filter(|paragraph| !is_detail(paragraph)).collect();
    rest.join("\n\n")
}

fn alive(pid: u64) -> bool {
    let id = ProcId::of(u32::try_from(pid).unwrap()).unwrap();
    id.is_some_and(|id| id.liveness() == Liveness::Alive)
}

/// A command in the background, killed if the test ends before it.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Self {
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// One whose output is read.
    fn reading(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// The next line that it prints, without its end.
    fn line(&mut self) -> String {
        let mut line = Vec::new();
        let stdout = self.0.stdout.as_mut().unwrap();
        let mut byte = [0];
        while stdout.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }

    fn code(&mut self) -> Option<i32> {
        eventually(|| self.0.try_wait().unwrap(), LIMIT).code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn all_errors_of_a_manifest_are_told() {
    let program = Program::new("version = 1\nfleet = \"it\"\n\n[agents.ada]\ncomand = [\"sleep\"]\nready = { delay = \"soon\" }\n");
    assert_snapshot!(program.shot(&["validate"]), @r#"
    exit 1
    --- stdout
    error: unknown key `comand`
     --> constellation.toml:5:1
      |
    5 | comand = ["sleep"]
      | ^^^^^^
    hint: did you mean `command`?

    error: `soon` is not a length of time: write it like "90s", "5m", "1h30m" or "500ms"
     --> constellation.toml:6:19
      |
    6 | ready = { delay = "soon" }
      |                   ^^^^^^
    "#);
    assert_eq!(program.code(&["plan"]), 1);
    assert!(!program.at("state").exists());
}

#[test]
fn a_fleet_is_planned_approved_and_comes_to_rest() {
    let program = Program::new(FLEET);
    assert_snapshot!(program.shot(&["plan"]), @r#"
    exit 0
    --- stdout
    fleet it · constellation.toml · 3 agents, 0 running · observed HH:MM:SS

      + ada    spawn      new in the manifest
      + bob    spawn      new in the manifest    waits for ada to be ready
      + cyd    spawn      new in the manifest    waits for bob to be ready

    3 to spawn. 0 at rest.

    ada
      + command = ["sleep", "1001"]
      + runtime = "daemon"
      + cwd = "FOLDER"
      + ready.delay = "10ms"

    bob
      + command = ["sleep", "1002"]
      + cwd = "FOLDER"
      + after.ada = "ready"
      + ready.delay = "10ms"

    cyd
      + command = "sleep 1003"
      + cwd = "FOLDER"
      + after.bob = "ready"
      + ready.delay = "10ms"

    rounds to come
      1  spawn ada
      2  spawn bob
      3  spawn cyd
    "#);
    assert_eq!(program.code(&["plan", "--detailed-exitcode"]), 2);
    let left: Vec<_> = std::fs::read_dir(program.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["constellation.toml"], "a plan wrote something");

    assert_snapshot!(program.brief(&["apply"]), @r#"
    exit 4
    --- stdout
    fleet it · constellation.toml · 3 agents, 0 running · observed HH:MM:SS

      + ada    spawn      new in the manifest
      + bob    spawn      new in the manifest    waits for ada to be ready
      + cyd    spawn      new in the manifest    waits for bob to be ready

    3 to spawn. 0 at rest.--- stderr
    error: not a terminal, so approval cannot be asked; nothing was done. Pass --auto-approve
    "#);
    assert!(program.keepers().is_empty());
    assert_snapshot!(program.brief(&["apply", "--auto-approve"]), @r#"
    exit 0
    --- stdout
    fleet it · constellation.toml · 3 agents, 0 running · observed HH:MM:SS

      + ada    spawn      new in the manifest
      + bob    spawn      new in the manifest    waits for ada to be ready
      + cyd    spawn      new in the manifest    waits for bob to be ready

    3 to spawn. 0 at rest.

    3 started. 3 at rest.
    --- stderr
    HH:MM:SS  ada  spawn    new in the manifest
    HH:MM:SS  ada  started
    HH:MM:SS  ada  ready
    HH:MM:SS  bob  spawn    new in the manifest
    HH:MM:SS  bob  started
    HH:MM:SS  bob  ready
    HH:MM:SS  cyd  spawn    new in the manifest
    HH:MM:SS  cyd  started
    HH:MM:SS  cyd  ready
    "#);
    assert_eq!(program.keepers().len(), 3);
    assert_snapshot!(program.shot(&["apply", "--auto-approve"]), @r#"
    exit 0
    --- stdout
    No changes. 3 agents at rest.
    "#);
    assert_eq!(program.code(&["plan", "-detailed-exitcode"]), 0);
    assert_eq!(program.code(&["status", "--exit-code"]), 0);
}

#[test]
fn only_what_changed_is_replaced_and_what_left_is_drained() {
    let program = Program::new(FLEET);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let before = program.pids();
    program.edit("1002", "1012");
    assert_snapshot!(program.brief(&["apply", "--auto-approve"]), @r#"
    exit 0
    --- stdout
    fleet it · constellation.toml · 3 agents, 3 running · observed HH:MM:SS

      ± bob    replace    command[1] "1002" → "1012"    interrupts: up AGE

    1 to replace. 2 at rest.

    1 ended, 1 started. 3 at rest.
    --- stderr
    HH:MM:SS  bob  drain    command[1] "1002" → "1012": step 1, keys C-c
    HH:MM:SS  bob  exited   was ended by signal 2, graceful after step 1
    HH:MM:SS  bob  spawn    command[1] "1002" → "1012"
    HH:MM:SS  bob  started
    HH:MM:SS  bob  ready
    "#);
    let after = program.pids();
    assert_eq!((after["ada"], after["cyd"]), (before["ada"], before["cyd"]));
    assert!(after["bob"] != before["bob"] && alive(after["bob"]) && !alive(before["bob"]));

    program.edit("[agents.cyd]\ncommand = \"sleep 1003\"\nafter = [\"bob\"]\n", "");
    assert_snapshot!(program.brief(&["apply", "--auto-approve"]), @"
    exit 0
    --- stdout
    fleet it · constellation.toml · 2 agents, 3 running · observed HH:MM:SS

      - cyd    stop       not in the manifest    interrupts: up AGE

    1 to stop. 2 at rest.

    1 ended, 1 forgotten. 2 at rest.
    --- stderr
    HH:MM:SS  cyd  drain    not in the manifest: step 1, keys C-c
    HH:MM:SS  cyd  exited   was ended by signal 2, graceful after step 1
    HH:MM:SS  cyd  forget   not in the manifest
    ");
    assert!(!alive(after["cyd"]) && alive(after["ada"]) && alive(after["bob"]));

    // What is only about care touches no process.
    program.edit("command = [\"sleep\", \"1001\"]", "command = [\"sleep\", \"1001\"]\ndrain = [{ signal = \"INT\", wait = \"2s\" }]");
    assert_snapshot!(program.brief(&["apply", "--auto-approve"]), @r#"
    exit 0
    --- stdout
    fleet it · constellation.toml · 2 agents, 2 running · observed HH:MM:SS

      ~ ada    amend      drain[0].signal "TERM" → "INT" and 1 more

    1 to amend. 1 at rest.

    1 amended. 2 at rest.
    --- stderr
    HH:MM:SS  ada  amend    drain[0].signal "TERM" → "INT" and 1 more
    "#);
    assert_eq!(program.pids()["ada"], before["ada"]);
}

#[test]
fn what_is_blocked_says_why_and_leaves_the_rest_alone() {
    let program = Program::new(FLEET);
    let tmux = Tmux { socket: program.socket() };
    std::fs::DirBuilder::new().mode(0o700).create(tmux.socket.parent().unwrap()).unwrap();
    tmux.run(["new-session", "-d", "-s", "bob", "sleep 1005"]);
    let stranger = tmux.run(["list-panes", "-a", "-F", "#{session_name} #{pane_id} #{pane_pid}"]);
    program.edit("command = \"sleep 1003\"\nafter = [\"bob\"]", "command = \"sleep 1003\"\ncwd = \"missing\"");
    assert_snapshot!(program.brief(&["apply", "--auto-approve"]), @r#"
    exit 3
    --- stdout
    fleet it · constellation.toml · 3 agents, 0 running · observed HH:MM:SS

      + ada    spawn      new in the manifest
      ✗ bob    blocked    there is a tmux session `bob` that this fleet did not start
      ✗ cyd    blocked    cwd "FOLDER/missing" does not exist

    1 to spawn. 2 blocked, 0 at rest.

    Not at rest: what is left is held or blocked.

      ✗ bob    blocked    there is a tmux session `bob` that this fleet did not start
      ✗ cyd    blocked    cwd "FOLDER/missing" does not exist

    Nothing to do now. 2 blocked, 1 at rest.

    1 started. 1 at rest.
    --- stderr
    HH:MM:SS  ada  spawn    new in the manifest
    HH:MM:SS  ada  started
    HH:MM:SS  ada  ready
    "#);
    assert_eq!(tmux.run(["list-panes", "-a", "-F", "#{session_name} #{pane_id} #{pane_pid}"]), stranger);
    assert_eq!(program.pids().keys().collect::<Vec<_>>(), ["ada"]);
    let plan = program.json(&["plan", "--json"]);
    let reasons: Vec<&Value> = plan["blocked"].as_array().unwrap().iter().map(|blocked| &blocked["reason"]).collect();
    assert_eq!(reasons, ["place_taken", "cwd_missing"]);

    std::fs::create_dir(program.at("missing")).unwrap();
    tmux.run(["kill-session", "-t", "=bob"]);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
}

#[test]
fn more_stops_than_the_guard_allows_are_refused() {
    let program = Program::new(FLEET);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let before = program.pids();
    program.edit("sleep\", \"100", "sleep\", \"101");
    program.edit("[defaults]", "[guard]\nmax_stop = \"50%\"\n\n[defaults]");
    assert_snapshot!(program.brief(&["apply", "--auto-approve"]), @r#"
    exit 4
    --- stdout
    fleet it · constellation.toml · 3 agents, 3 running · observed HH:MM:SS

      ± ada    replace    command[1] "1001" → "1011"    waits for the end of bob; interrupts: up AGE
      ± bob    replace    command[1] "1002" → "1012"    interrupts: up AGE

    2 to replace. 1 at rest.--- stderr
    error: refused by guard max_stop: 2 agents would be stopped or replaced, and the limit is 50%; --max-stop 2 allows it
    "#);
    assert_eq!(program.pids(), before);
    program.write("constellation.toml", "version = 1\nfleet = \"it\"\n");
    assert_snapshot!(program.brief(&["apply", "--auto-approve", "--max-stop", "100%"]), @"
    exit 4
    --- stdout
    fleet it · constellation.toml · nothing wanted, 3 running · observed HH:MM:SS

      - ada    stop       not in the manifest    waits for the end of bob; interrupts: up AGE
      - bob    stop       not in the manifest    waits for the end of cyd; interrupts: up AGE
      - cyd    stop       not in the manifest    interrupts: up AGE

    3 to stop. 0 at rest.--- stderr
    error: refused by guard allow_empty: the manifest declares nothing, and 3 agents would be stopped; --allow-empty allows it
    ");
    assert_eq!(program.pids().len(), 3);
}

#[test]
fn a_second_writer_is_told_who_the_first_one_is() {
    let program = Program::new(SLOW);
    let mut first = Running::start(program.command(&["apply", "--auto-approve"]));
    eventually(|| program.keepers().pop(), LIMIT);
    let second = program.command(&["apply", "--auto-approve"]).output().unwrap();
    assert!(String::from_utf8_lossy(&second.stderr).contains(&format!("(pid {}, since ", first.0.id())));
    assert_eq!(second.status.code(), Some(5));
    assert_snapshot!(program.normal(&String::from_utf8_lossy(&second.stderr)), @"error: `reconcile apply` (pid PID, since HH:MM:SS) is at work on the whole fleet; nothing was done. Wait for it with --lock-timeout 60s, or name other agents");
    // Looking takes no lock.
    assert_eq!(program.code(&["plan"]), 0);
    program.write("go", "");
    assert_eq!(first.code(), Some(0));
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
}

#[test]
fn an_interrupted_apply_is_finished_by_the_next() {
    let program = Program::new(SLOW);
    let mut first = Running::start(program.command(&["apply", "--auto-approve"]));
    let started = eventually(|| program.pids().get("ada").copied(), LIMIT);
    let apply = ProcId::of(first.0.id()).unwrap().unwrap();
    process::signal(&apply, Signal::INT).unwrap();
    assert_eq!(first.code(), Some(130));
    assert!(alive(started));
    assert!(!program.pids().contains_key("bob"));
    program.write("go", "");
    assert_snapshot!(program.brief(&["apply", "--auto-approve"]), @r#"
    exit 0
    --- stdout
    fleet slow · constellation.toml · 2 agents, 1 running · observed HH:MM:SS

      + bob    spawn      new in the manifest

    1 to spawn. 1 at rest.

    1 started. 2 at rest.
    --- stderr
    HH:MM:SS  ada  ready
    HH:MM:SS  bob  spawn    new in the manifest
    HH:MM:SS  bob  started
    HH:MM:SS  bob  ready
    "#);
    assert_eq!(program.pids()["ada"], started);
}

#[test]
fn time_that_is_over_ends_an_apply_and_not_the_work() {
    let program = Program::new(SLOW);
    assert_snapshot!(program.brief(&["apply", "--auto-approve", "--timeout", "1s"]), @r#"
    exit 3
    --- stdout
    fleet slow · constellation.toml · 2 agents, 0 running · observed HH:MM:SS

      + ada    spawn      new in the manifest
      + bob    spawn      new in the manifest    waits for ada to be ready

    2 to spawn. 0 at rest.

    Not at rest after 1s; what was begun goes on with the next apply.

      + bob    spawn      new in the manifest    waits for ada to be ready
      · ada    wait       not ready yet          waits to be ready, until HH:MM:SS

    1 to spawn. 1 starting, 0 at rest.

    1 started. 0 at rest.
    --- stderr
    HH:MM:SS  ada  spawn    new in the manifest
    HH:MM:SS  ada  started
    "#);
    program.write("go", "");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
}

#[test]
fn flags_choose_what_a_plan_is_about() {
    let program = Program::new(FLEET);
    assert_snapshot!(program.brief(&["plan", "--target", "bob"]), @"
    exit 0
    --- stdout
    fleet it · constellation.toml · 3 agents, 0 running · observed HH:MM:SS

      + ada    spawn      new in the manifest
      + bob    spawn      new in the manifest    waits for ada to be ready

    2 to spawn. 0 at rest.
    ");
    assert_snapshot!(program.brief(&["plan", "--exclude", "c*"]), @"
    exit 0
    --- stdout
    fleet it · constellation.toml · 3 agents, 0 running · observed HH:MM:SS

      + ada    spawn      new in the manifest
      + bob    spawn      new in the manifest    waits for ada to be ready

    2 to spawn. 0 at rest.
    ");
    assert_snapshot!(program.shot(&["plan", "--target", "bbo"]), @r#"
    exit 1
    --- stderr
    error: no agent is called `bbo`; did you mean `bob`?
    "#);
    assert_eq!(program.code(&["apply", "--auto-approve", "--target", "bob"]), 0);
    assert_eq!(program.pids().keys().collect::<Vec<_>>(), ["ada", "bob"]);

    let before = program.pids();
    assert_snapshot!(program.brief(&["apply", "--auto-approve", "--exclude", "cyd", "--replace", "ada"]), @"
    exit 0
    --- stdout
    fleet it · constellation.toml · 3 agents, 2 running · observed HH:MM:SS

      ± ada    replace    asked for    interrupts: up AGE

    1 to replace. 1 at rest.

    1 ended, 1 started. 2 at rest.
    --- stderr
    HH:MM:SS  ada  drain    asked for: step 1, signal TERM
    HH:MM:SS  ada  exited   was ended by signal 15, graceful after step 1
    HH:MM:SS  ada  spawn    asked for
    HH:MM:SS  ada  started
    HH:MM:SS  ada  ready
    ");
    let after = program.pids();
    assert!(after["ada"] != before["ada"] && after["bob"] == before["bob"]);
    assert_snapshot!(program.brief(&["plan", "--destroy"]), @"
    exit 0
    --- stdout
    fleet it · constellation.toml · nothing wanted, 2 running · observed HH:MM:SS

      - ada    stop       asked for    waits for the end of bob; interrupts: up AGE
      - bob    stop       asked for    interrupts: up AGE

    2 to stop. 0 at rest.
    ");
}

#[test]
fn down_leaves_no_process() {
    let program = Program::new(
        &FLEET
            .replace("sleep 1003", "trap '' TERM INT HUP; setsid sleep 1006 & while :; do sleep 0.1; done")
            .replace("after = [\"bob\"]", "after = [\"bob\"]\ndrain = [{ signal = \"TERM\", wait = \"100ms\" }]"),
    );
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let keepers = program.keepers();
    assert_eq!(keepers.len(), 3);
    assert_snapshot!(program.brief(&["down", "--auto-approve"]), @"
    exit 0
    --- stdout
    fleet it · constellation.toml · nothing wanted, 3 running · observed HH:MM:SS

      - ada    stop       asked for    waits for the end of bob; interrupts: up AGE
      - bob    stop       asked for    waits for the end of cyd; interrupts: up AGE
      - cyd    stop       asked for    interrupts: up AGE

    3 to stop. 0 at rest.

    3 ended, 3 forgotten. 0 at rest.
    --- stderr
    HH:MM:SS  cyd  drain    asked for: step 1, signal TERM
    HH:MM:SS  cyd  kill     asked for
    HH:MM:SS  cyd  exited   was ended by signal 9, timed out, then killed
    HH:MM:SS  bob  drain    asked for: step 1, keys C-c
    HH:MM:SS  cyd  forget   asked for
    HH:MM:SS  bob  exited   was ended by signal 2, graceful after step 1
    HH:MM:SS  ada  drain    asked for: step 1, signal TERM
    HH:MM:SS  bob  forget   asked for
    HH:MM:SS  ada  exited   was ended by signal 15, graceful after step 1
    HH:MM:SS  ada  forget   asked for
    ");
    for keeper in &keepers {
        assert_eq!(process::with_mark(&keeper.mark.to_string()).unwrap(), [], "{}", keeper.mark);
        assert_eq!(keeper.process.liveness(), Liveness::Gone);
    }
    assert!(program.keepers().is_empty());
    eventually(|| std::os::unix::net::UnixStream::connect(program.socket()).err(), LIMIT);
    assert_snapshot!(program.shot(&["down", "--auto-approve"]), @r#"
    exit 0
    --- stdout
    No changes. 0 agents at rest.
    "#);
}

#[test]
fn a_fleet_belongs_to_the_manifest_that_was_applied() {
    let program = Program::new(SLOW);
    program.write("go", "");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    program.write("other.toml", SLOW);
    assert_snapshot!(program.shot(&["apply", "other.toml", "--auto-approve"]), @r#"
    exit 4
    --- stderr
    error: the fleet slow belongs to FOLDER/constellation.toml; nothing was done. Give this manifest another `fleet` name, or pass --moved if it is the same fleet
    "#);
    assert_eq!(program.code(&["apply", "other.toml", "--auto-approve", "--moved"]), 0);
}
