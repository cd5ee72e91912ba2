//! What an instance is started with, and what is found out before anything is ended for it.

use std::os::unix::fs::PermissionsExt;

use reconcile::process::{self, ProcId, Signal};
use serde_json::Value;

use super::alive;
use crate::support::{LIMIT, Program, eventually};

fn daemons(agents: &str) -> Program {
    Program::new(&format!(
        "version = 1\nfleet = \"launch\"\n[guard]\nmax_stop = \"100%\"\n[defaults]\nruntime = \"daemon\"\nready = {{ delay = \"10ms\" }}\nrestart = {{ backoff = {{ first = \"10ms\", max = \"20ms\" }}, give_up = {{ failures = 2 }} }}\n{agents}"
    ))
}

fn agent(program: &Program, name: &str) -> Value {
    let status = program.json(&["status", "--json"]);
    status["agents"].as_array().unwrap().iter().find(|agent| agent["name"] == name).unwrap().clone()
}

fn script(program: &Program, name: &str, text: &str) {
    program.write(name, text);
    std::fs::set_permissions(program.at(name), PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn a_script_whose_interpreter_is_missing_replaces_no_healthy_agent() {
    let program = daemons("[agents.ada]\ncommand = [\"./start.sh\"]\n");
    script(&program, "start.sh", "#!/bin/sh\nexec sleep 1001\n");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let before = program.pids();
    script(&program, "next.sh", "#!/bin/sh\r\nexec sleep 1001\r\n");
    let next = std::fs::read_to_string(program.at("constellation.toml")).unwrap().replace("./start.sh", "./next.sh");
    std::fs::write(program.at("constellation.toml"), next).unwrap();
    let said = program.says(&["apply", "--auto-approve"]).1;
    let why = r"./next.sh: its interpreter `/bin/sh\r` does not exist (the script has CRLF line ends)";
    assert!(said.contains(why), "{said}");
    assert_eq!(program.pids(), before, "it lives");
}

#[test]
fn a_daemon_with_a_pidfile_of_its_own_form_is_started_again_and_restarted() {
    let program = daemons("[agents.ada]\ncommand = [\"./ada\"]\npidfile = \"ada.pid\"\n");
    script(
        &program,
        "ada",
        "#!/bin/sh\necho \"{\\\"schema\\\":1,\\\"pid\\\":$$,\\\"version\\\":\\\"2.0\\\"}\" > ada.pid\nexec sleep 1001\n",
    );
    let written = || eventually(|| std::fs::read_to_string(program.at("ada.pid")).ok().filter(|text| text.contains("schema")), LIMIT);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    written();
    assert_eq!(program.says(&["plan", "--replace", "ada"]).1.matches("blocked").count(), 0);
    assert_eq!(program.code(&["restart", "ada"]), 0);
    written();
    // What a killed one left behind names nobody.
    let pid = ProcId::of(u32::try_from(program.pids()["ada"]).unwrap()).unwrap().unwrap();
    process::signal(&pid, Signal::KILL).unwrap();
    eventually(|| (agent(&program, "ada")["state"] == "exited").then_some(()), LIMIT);
    program.write("ada.pid", "{\"schema\":1,\"pid\":4194303}");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(agent(&program, "ada")["generation"], 3);
}

/// What the kernel says of an agent's program: umask, niceness, soft limit of open files.
fn attributes(program: &Program, name: &str) -> (String, i32, String) {
    let pid = u32::try_from(program.pids()[name]).unwrap();
    let field = |file: &str, key: &str| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
        text.lines().find_map(|line| line.strip_prefix(key)).unwrap().split_whitespace().next().unwrap().to_owned()
    };
    (field("status", "Umask:"), process::stat(pid).unwrap().unwrap().nice, field("limits", "Max open files"))
}

#[test]
fn what_an_instance_has_of_the_kernel_does_not_depend_on_the_caller() {
    let program = daemons(
        "[agents.ada]\ncommand = [\"sleep\", \"1001\"]\n[agents.bob]\nruntime = \"tmux\"\ncommand = [\"sleep\", \"1002\"]\n[agents.cyd]\ncommand = [\"sleep\", \"1003\"]\numask = \"027\"\nnice = 7\nlimits = { nofile = 300 }\n",
    );
    let by_cron = |words: &str| {
        let command = program.command(&[]);
        let exe = command.get_program().to_owned();
        let mut shell = crate::support::command("bash");
        shell.args(["-c", &format!("umask 077; ulimit -Sn 512; exec \"$0\" {words}")]).arg(exe);
        shell.current_dir(program.folder.path()).env_clear();
        shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.output().unwrap()
    };
    let output = by_cron("apply --auto-approve");
    assert!(output.status.success(), "{output:?}");
    let hard: u64 = {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse().unwrap_or(u64::MAX)
    };
    let usual = ("0022".to_owned(), 0, hard.min(65_536).to_string());
    assert_eq!([attributes(&program, "ada"), attributes(&program, "bob")], [usual.clone(), usual]);
    assert_eq!(attributes(&program, "cyd"), ("0027".to_owned(), 7, "300".to_owned()));
    // They are launch: another one replaces the instance, and the default written out is no change.
    let manifest = std::fs::read_to_string(program.at("constellation.toml")).unwrap();
    let written = manifest.replace("[agents.bob]", "umask = \"022\"\nnice = 0\n[agents.bob]");
    std::fs::write(program.at("constellation.toml"), &written).unwrap();
    assert!(program.says(&["plan"]).1.contains("No changes"));
    std::fs::write(program.at("constellation.toml"), written.replace("nofile = 300", "nofile = 400")).unwrap();
    let plan = program.says(&["plan"]).1;
    assert!(plan.contains("limits.nofile 300 → 400"), "{plan}");
}

#[test]
fn a_program_that_puts_itself_into_the_background_is_told_or_kept_as_declared() {
    let program = daemons(
        "[agents.ada]\ncommand = [\"./background\"]\nready = { delay = \"20s\" }\n[agents.bob]\ncommand = [\"./background\"]\npidfile = \"bob.pid\"\ndaemonizes = true\n",
    );
    script(
        &program,
        "background",
        "#!/bin/sh\nsetsid -f sh -c 'echo $$ > \"$RECONCILE_AGENT.pid\"; exec sleep 1001'\nuntil test -s \"$RECONCILE_AGENT.pid\"; do :; done\n",
    );
    assert_eq!(program.code(&["apply", "--auto-approve", "--timeout", "20s"]), 3);
    let history = program.says(&["history"]).1;
    assert!(history.contains("went into the background and exited with status 0; the processes that it left (pid "), "{history}");
    assert!(history.contains("were ended: run it in the foreground, or set daemonizes = true"), "{history}");
    assert_eq!(agent(&program, "ada")["blocked"]["reason"], "failed_repeatedly");
    // The other goes on under the number that its pidfile names, and its end is seen.
    let pid = |name: &str| std::fs::read_to_string(program.at(name)).unwrap().trim().parse::<u64>().unwrap();
    let bob = agent(&program, "bob");
    assert_eq!((bob["state"].as_str().unwrap(), bob["pid"].as_u64().unwrap()), ("ready", pid("bob.pid")));
    assert!(!alive(pid("ada.pid")) && alive(pid("bob.pid")));
    let before = pid("bob.pid");
    assert_eq!(program.code(&["restart", "bob"]), 0);
    assert!(!alive(before) && alive(pid("bob.pid")));
    assert_eq!(program.code(&["stop", "bob"]), 0);
    let stopped = agent(&program, "bob");
    assert_eq!((&stopped["exit"]["signal"], program.at("bob.pid").exists()), (&Value::from(15), false));
}

#[test]
fn a_daemon_that_never_reaches_the_background_is_told_so() {
    let program = daemons(
        "[agents.ada]\ncommand = [\"true\"]\npidfile = \"ada.pid\"\ndaemonizes = true\n[agents.bob]\ncommand = \"exit 3\"\npidfile = \"bob.pid\"\ndaemonizes = true\n",
    );
    assert_eq!(program.code(&["apply", "--auto-approve"]), 3);
    let history = program.says(&["history"]).1;
    assert!(history.contains("nothing kept running in the background; there is no pidfile"), "{history}");
    assert!(history.contains("exited with status 3"), "{history}");
}

#[test]
fn a_program_that_is_stopped_is_told_and_hears_the_signal_of_its_drain() {
    let program = daemons("[agents.ada]\ncommand = [\"./ada\"]\ndrain = [{ signal = \"TERM\", wait = \"20s\" }]\n");
    script(&program, "ada", "#!/bin/sh\ntrap 'echo > saved; exit 0' TERM\necho > began\nwhile :; do sleep 0.05; done\n");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    eventually(|| program.at("began").exists().then_some(()), LIMIT);
    let pid = u32::try_from(program.pids()["ada"]).unwrap();
    process::signal(&ProcId::of(pid).unwrap().unwrap(), Signal::STOP).unwrap();
    eventually(|| (process::stat(pid).unwrap().unwrap().state == process::State::Stopped).then_some(()), LIMIT);
    let status = program.says(&["status"]).1;
    assert!(status.contains("stopped by a signal (T)"), "{status}");
    let explained = program.says(&["explain", "ada"]).1;
    assert!(explained.contains(&format!("continue it: kill -CONT {pid}\n")), "{explained}");
    assert_eq!((&agent(&program, "ada")["state"], &agent(&program, "ada")["stopped"]), (&Value::from("ready"), &Value::from(true)));
    let doctor = program.says(&["doctor"]).1;
    assert!(
        doctor.contains(&format!("stopped by a signal (T): ada (pid {pid})")) && doctor.contains(&format!("kill -CONT {pid}")),
        "{doctor}"
    );
    assert_eq!(program.code(&["stop", "ada"]), 0);
    assert!(program.at("saved").exists());
    assert_eq!(agent(&program, "ada")["exit"]["code"], 0);
}

#[test]
fn a_strangers_server_at_its_port_does_not_make_an_agent_ready() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let program = daemons(&format!(
        "[agents.srv]\ncommand = [\"sleep\", \"1001\"]\nready = {{ tcp = \"{address}\", interval = \"10ms\", timeout = \"300ms\" }}\n[agents.cli]\ncommand = [\"sleep\", \"1002\"]\nafter = {{ srv = \"ready\" }}\n"
    ));
    assert_eq!(program.code(&["apply", "--auto-approve"]), 3);
    let srv = agent(&program, "srv");
    let said = srv["blocked"]["message"].as_str().unwrap();
    assert!(said.contains(&format!("{address} is served by process {}", std::process::id())), "{said}");
    assert!(said.contains("owner = \"any\""), "{said}");
    assert!(!program.pids().contains_key("cli"));
    let any = std::fs::read_to_string(program.at("constellation.toml")).unwrap().replace("\"300ms\"", "\"300ms\", owner = \"any\"");
    std::fs::write(program.at("constellation.toml"), any).unwrap();
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert!(program.pids().contains_key("cli"));
    drop(listener);
}

#[test]
fn a_task_over_its_time_has_failed_and_runs_once() {
    let program = daemons(
        "[agents.job]\ncommand = \"echo >> runs; exec sleep 1001\"\nlimits = { runtime = \"200ms\" }\nrestart = { policy = \"never\" }\n",
    );
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let failed = || {
        program.code(&["apply", "--auto-approve"]);
        let job = agent(&program, "job");
        (job["state"] == "exited").then_some(job)
    };
    let job = eventually(failed, LIMIT);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 3);
    let why = job["blocked"]["message"].as_str().unwrap();
    assert!(why.contains("it has failed: it has run for") && why.contains("limits.runtime is 200ms"), "{why}");
    assert_eq!(std::fs::read_to_string(program.at("runs")).unwrap().lines().count(), 1);
}
