//! What runs already and is adopted, and what is let go: on real tmux and real processes, none of which notices.

use std::process::{Child, Stdio};

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{Running, alive};
use crate::support::{Doomed, LIMIT, Program, Tmux, command, eventually};
use reconcile::process::{self, ProcId, Signal};

mod refused;

/// An agent in tmux and a daemon, with a pause before a restart that is over at once.
const FLEET: &str = r#"
version = 1
fleet = "own"

[defaults]
ready = { delay = "0s" }
restart = { backoff = { first = "10ms", max = "20ms" } }

[agents.ada]
command = ["sleep", "1041"]

[agents.bob]
runtime = "daemon"
command = ["sleep", "1042"]
"#;

/// A process that a test has started by itself, ended with it.
struct Own(Child);

impl Own {
    fn start(program: &Program, words: &[&str]) -> Self {
        let mut command = command(words[0]);
        command.args(&words[1..]).current_dir(program.folder.path());
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn pid(&self) -> u64 {
        u64::from(self.0.id())
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        drop(Doomed(process::descendants(self.0.id()).unwrap_or_default()));
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The fleet's tmux server, as a person has it before any agent runs there.
fn server(program: &Program) -> Tmux {
    use std::os::unix::fs::DirBuilderExt;
    let socket = program.socket();
    std::fs::DirBuilder::new().mode(0o700).recursive(true).create(socket.parent().unwrap()).unwrap();
    Tmux { socket }
}

/// A session with this program in its pane: the pane and the program's pid.
fn session(program: &Program, tmux: &Tmux, name: &str, command: &str) -> (String, u64) {
    let folder = program.folder.path().to_str().unwrap();
    let line = ["new-session", "-d", "-P", "-F", "#{pane_id} #{pane_pid}", "-c", folder, "-s", name, command];
    let (pane, pid) = tmux.run(line).trim().split_once(' ').map(|(pane, pid)| (pane.to_owned(), pid.parse().unwrap())).unwrap();
    // tmux has started the program itself when its process is no copy of tmux any more.
    let word = command.split(' ').next().unwrap();
    let is_it = |pid: u64| {
        process::cmdline(u32::try_from(pid).unwrap()).unwrap().first().is_some_and(|first| first.to_string_lossy().ends_with(word))
    };
    eventually(|| is_it(pid).then_some(()), LIMIT);
    (pane, pid)
}

fn kill(pid: u64) {
    let id = ProcId::of(u32::try_from(pid).unwrap()).unwrap().unwrap();
    process::signal(&id, Signal::KILL).unwrap();
}

fn agent(program: &Program, name: &str) -> Value {
    let status = program.json(&["status", "--json"]);
    status["agents"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone()
}

fn mark_of(tmux: &Tmux, pane: &str) -> String {
    tmux.run(["show-options", "-pqv", "-t", pane, "@reconcile"]).trim().to_owned()
}

/// Both agents adopted: the server, the pane of ada, its pid, and the process of bob.
fn adopted(program: &Program) -> (Tmux, String, u64, Own) {
    let tmux = server(program);
    let (pane, ada) = session(program, &tmux, "notes", "sleep 1041");
    let bob = Own::start(program, &["sleep", "1042"]);
    assert_eq!(program.code(&["adopt", "ada", "--session", "notes"]), 0);
    assert_eq!(program.code(&["adopt", "bob", "--pid", &bob.pid().to_string()]), 0);
    (tmux, pane, ada, bob)
}

#[test]
fn what_runs_is_adopted_and_nothing_is_due() {
    let program = Program::new(FLEET);
    let tmux = server(&program);
    let (pane, ada) = session(&program, &tmux, "notes", "sleep 1041");
    let bob = Own::start(&program, &["sleep", "1042"]);
    let normal = |text: String| text.replace(&ada.to_string(), "PID").replace(&bob.pid().to_string(), "PID").replace(&pane, "PANE");
    assert_eq!(program.code(&["pause", "ada"]), 0);
    assert_snapshot!(normal(program.shot(&["adopt", "ada", "--session", "notes"])), @"
    exit 0
    --- stdout
    ada: adopted process PID in the pane PANE of the session notes
    ");
    let said = program.json(&["adopt", "bob", "--pid", &bob.pid().to_string(), "--json"]);
    assert_eq!((&said["events"][0]["what"], &said["events"][0]["agent"]), (&json!("adopt"), &json!("bob")));
    let state = &said["status"]["agents"][0];
    assert_eq!(
        (&state["name"], &state["pid"], &state["state"], &state["keeper"]),
        (&json!("bob"), &json!(bob.pid()), &json!("ready"), &Value::Null)
    );
    assert_eq!(said["plan"]["resource_changes"], json!([]));

    // Whoever wants it to be left alone still does.
    assert!(!agent(&program, "ada")["paused"].is_null());
    assert_eq!(program.code(&["resume", "ada"]), 0);
    assert_eq!(program.code(&["plan", "--detailed-exitcode"]), 0);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let pids = program.pids();
    assert_eq!((pids["ada"], pids["bob"]), (ada, bob.pid()));
    let fleet = &program.fleet.1;
    assert!(mark_of(&tmux, &pane).starts_with(&format!("v1/{fleet}/ada/1/")), "{}", mark_of(&tmux, &pane));
    assert_eq!(program.json(&["status", "--json"])["strangers"], json!([]));
    let history = String::from_utf8(program.command(&["history"]).output().unwrap().stdout).unwrap();
    assert_eq!(history.lines().filter(|line| line.contains("  adopt")).count(), 2, "{history}");
    // Who runs is not adopted twice.
    assert_snapshot!(normal(program.shot(&["adopt", "ada", "--session", "notes"])), @"
    exit 4
    --- stderr
    error: process PID is the instance of ada already; nothing was done
    ");
}

#[test]
fn care_is_put_on_what_was_adopted_and_another_launch_replaces_it() {
    let program = Program::new(FLEET);
    let (tmux, pane, ada, bob) = adopted(&program);
    program.edit("[agents.ada]\n", "[agents.ada]\ntitle = \"the first\"\n");
    assert!(program.brief(&["plan"]).contains("~ ada    amend"), "{}", program.brief(&["plan"]));
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(tmux.run(["display-message", "-p", "-t", &pane, "#{pane_title}"]).trim(), "the first");
    assert_eq!(program.code(&["keys", "ada", "Enter"]), 0);
    assert_eq!(program.pids()["ada"], ada);

    program.edit("1041", "1051");
    program.edit("1042", "1052");
    assert_snapshot!(program.brief(&["plan"]), @r#"
    exit 0
    --- stdout
    fleet own · constellation.toml · 2 agents, 2 running · observed HH:MM:SS

      ± ada    replace    command[1] "1041" → "1051"    interrupts: up AGE
      ± bob    replace    command[1] "1042" → "1052"    interrupts: up AGE

    2 to replace. 0 at rest.
    "#);
    assert!(alive(ada) && alive(bob.pid()));
    // A process that nobody waits for stays in the table: bob's parent is this test.
    let mut bob = bob;
    let mut apply = program.command(&["apply", "--auto-approve", "--max-stop", "100%"]);
    let mut apply = Own(apply.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    bob.0.wait().unwrap();
    assert_eq!(apply.0.wait().unwrap().code(), Some(0));
    assert!(!alive(ada));
    let keepers: Vec<bool> = ["ada", "bob"].iter().map(|name| agent(&program, name)["keeper"].is_u64()).collect();
    assert_eq!(keepers, [true, true]);
    assert_eq!(agent(&program, "ada")["generation"], 2);
    assert_eq!(program.code(&["plan", "--detailed-exitcode"]), 0);
}

#[test]
fn the_end_of_what_was_adopted_is_noticed_and_it_is_started_again() {
    let program = Program::new(FLEET);
    let (_tmux, _, ada, mut bob) = adopted(&program);
    kill(ada);
    kill(bob.pid());
    bob.0.wait().unwrap();
    eventually(|| (!alive(ada)).then_some(()), LIMIT);
    assert_snapshot!(program.brief(&["plan"]), @"
    exit 0
    --- stdout
    fleet own · constellation.toml · 2 agents, 0 running · observed HH:MM:SS

      + ada    restart    it ended unseen    tries again at HH:MM:SS
      + bob    restart    it ended unseen    tries again at HH:MM:SS

    2 to restart. 0 at rest.
    ");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let pids = program.pids();
    assert_eq!(pids.len(), 2);
    assert_eq!(agent(&program, "bob")["generation"], 2);
    assert!(agent(&program, "ada")["keeper"].is_u64());

    // A watcher sees it too.
    assert_eq!(program.code(&["stop", "bob"]), 0);
    let mut other = Own::start(&program, &["sleep", "1042"]);
    assert_eq!(program.code(&["adopt", "bob", "--pid", &other.pid().to_string()]), 0);
    let _watcher = Running::start(program.command(&["watch"]));
    eventually(|| (!program.json(&["status", "--json"])["watcher"].is_null()).then_some(()), LIMIT);
    assert_eq!(program.pids()["bob"], other.pid());
    kill(other.pid());
    other.0.wait().unwrap();
    eventually(|| agent(&program, "bob")["keeper"].is_u64().then_some(()), LIMIT);

    // It starts another beside what is let go, and a person is told so. It is in the middle of a round now and then.
    assert_eq!(program.code(&["stop", "bob"]), 0);
    let last = Own::start(&program, &["sleep", "1042"]);
    assert_eq!(program.code(&["adopt", "bob", "--pid", &last.pid().to_string(), "--lock-timeout", "10s"]), 0);
    assert_eq!(program.code(&["halt"]), 0);
    assert_snapshot!(program.shot(&["forget", "bob", "--lock-timeout", "10s"]).replace(&last.pid().to_string(), "PID"), @"
    exit 0
    --- stdout
    bob: let go; its process PID runs on as nobody's

    As the manifest is now, the watcher finds this due:

      ! bob    held       new in the manifest    the fleet is halted; released by `reconcile resume`

    Nothing to do now. 1 held, 0 at rest.
    ");
    assert_eq!(program.code(&["resume"]), 0);
    eventually(|| agent(&program, "bob")["keeper"].is_u64().then_some(()), LIMIT);
    assert!(alive(last.pid()));
}

#[test]
fn without_its_record_an_adopted_pane_is_known_by_its_mark() {
    let program = Program::new(FLEET);
    let (_tmux, _, ada, _bob) = adopted(&program);
    std::fs::remove_file(program.at("state").join(&program.fleet.1).join("agents/ada.json")).unwrap();
    assert_snapshot!(program.brief(&["plan", "--target", "ada"]), @"
    exit 0
    --- stdout
    fleet own · constellation.toml · 2 agents, 2 running · observed HH:MM:SS

      ~ ada    adopt      runs as declared, and no record knows it

    1 to adopt. 0 at rest.
    ");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(program.pids()["ada"], ada);
    assert_eq!(program.code(&["plan", "--detailed-exitcode"]), 0);
}

#[test]
fn what_was_adopted_is_let_go_and_the_plan_tells_what_comes_of_it() {
    let program = Program::new(FLEET);
    let (tmux, pane, ada, bob) = adopted(&program);
    let normal = |text: String| text.replace(&ada.to_string(), "PID").replace(&bob.pid().to_string(), "PID");
    assert_snapshot!(normal(program.shot(&["forget", "ada"])), @"
    exit 0
    --- stdout
    ada: let go; its process PID runs on as nobody's

    As the manifest is now, the next apply finds this due:

      + ada    spawn      new in the manifest

    1 to spawn. 0 at rest.
    ");
    assert!(alive(ada));
    assert_eq!(mark_of(&tmux, &pane), "");
    let said = program.json(&["forget", "bob", "ada", "--json"]);
    assert_eq!(
        said["agents"],
        json!([{ "agent": "ada", "result": "unknown", "pid": null }, { "agent": "bob", "result": "freed", "pid": bob.pid() }])
    );
    assert_eq!(said["plan"]["summary"]["spawn"], 2);
    assert_eq!(program.code(&["plan", "--detailed-exitcode"]), 2);
    assert_eq!(program.pids().len(), 0);
    // Others are started beside them; neither is touched by what comes then.
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(program.code(&["down", "--auto-approve"]), 0);
    assert!(alive(ada) && alive(bob.pid()));
}

#[test]
fn a_session_with_the_agents_own_name_is_in_its_way_once_it_is_let_go() {
    let program = Program::new(FLEET);
    let tmux = server(&program);
    let (_, ada) = session(&program, &tmux, "ada", "sleep 1041");
    assert!(program.brief(&["plan", "--target", "ada"]).contains("blocked"));
    assert_eq!(program.code(&["adopt", "ada", "--session", "ada"]), 0);
    assert_eq!(program.code(&["plan", "--target", "ada", "--detailed-exitcode"]), 0);
    assert_snapshot!(program.shot(&["forget", "ada"]).replace(&ada.to_string(), "PID"), @"
    exit 0
    --- stdout
    ada: let go; its process PID runs on as nobody's

    As the manifest is now, the next apply finds this due:

      ✗ ada    blocked    there is a tmux session `ada` that this fleet did not start

    Nothing to do now. 1 blocked, 0 at rest.
    ");
    assert!(alive(ada));
}

#[test]
fn what_runs_under_its_keeper_is_let_go_when_it_has_left_the_manifest() {
    let program = Program::new(FLEET);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let before = program.pids();
    assert_snapshot!(program.shot(&["forget", "bob"]), @"
    exit 4
    --- stderr
    error: bob runs under its keeper, and the manifest declares it: the next apply would take it up again. Take it out of the manifest first, or stop it: `reconcile stop bob`; nothing was done
    ");
    let bob = "[agents.bob]\nruntime = \"daemon\"\ncommand = [\"sleep\", \"1042\"]\n";
    program.edit(bob, "");
    assert_snapshot!(program.shot(&["forget", "bob"]).replace(&before["bob"].to_string(), "PID"), @"
    exit 0
    --- stdout
    bob: let go; its process PID runs on under its keeper and is ours no more
    ");
    assert_eq!(program.code(&["plan", "--detailed-exitcode"]), 0);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert!(alive(before["bob"]));
    // Declared again, it is taken up as it is.
    program.edit("[agents.ada]\n", &format!("{bob}[agents.ada]\n"));
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(program.pids(), before);

    // What has ended is forgotten with its generation.
    assert_eq!(program.code(&["restart", "bob"]), 0);
    assert_eq!(program.code(&["stop", "bob"]), 0);
    assert_snapshot!(program.shot(&["forget", "bob"]), @"
    exit 0
    --- stdout
    bob: forgotten

    As the manifest is now, the next apply finds this due:

      + bob    spawn      new in the manifest

    1 to spawn. 0 at rest.
    ");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(agent(&program, "bob")["generation"], 1);
}

#[test]
fn a_text_that_waits_for_one_that_is_let_go_is_told() {
    let program = Program::new(FLEET);
    let (_tmux, _pane, _ada, _bob) = adopted(&program);
    // It waits as long as the agent is left alone.
    assert_eq!(program.code(&["pause", "ada"]), 0);
    let requests = program.at("state").join(&program.fleet.1).join("requests");
    std::fs::create_dir_all(&requests).unwrap();
    std::fs::write(requests.join("a.json"), r#"{"version":1,"do":"send","agent":"ada","text":"go on"}"#).unwrap();
    program.code(&["apply", "--auto-approve"]);
    program.code(&["forget", "ada"]);
    let output = program.command(&["history", "--json"]).output().unwrap();
    let events: Vec<Value> = String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = |what: &str| events.iter().filter(|event| event["what"] == what).map(|event| event["why"].clone()).collect::<Vec<_>>();
    assert_eq!((told("requested"), told("type")), (vec![json!("paused"), json!("send")], Vec::new()));
    assert_eq!(told("undelivered"), ["text refused: the agent was let go (request a.json)"]);
}
