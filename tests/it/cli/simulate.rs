//! A manifest that is played, and not carried out.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::Program;

const FLEET: &str = r#"
version = 1
fleet = "played"

[agents.job]
runtime = "daemon"
command = "make ready"

[agents.lead]
preset = "codex"
command = "codex"
prompt = "Begin."
after = { job = "succeeded" }
live = { command = ["true"], interval = "30s" }

[agents.worker-1]
command = "sleep 1"
after = ["lead"]

[agents.worker-2]
command = "sleep 2"
after = ["lead"]
desired = "stopped"
"#;

#[test]
fn what_would_happen_is_told_and_nothing_happens() {
    let program = Program::new(FLEET);
    let scenario =
        ["simulate", "--for", "2h", "--kill", "worker-*@10m", "--hang", "lead@30m", "--hang", "worker-1@1h", "--crash", "worker-2@1s"];
    assert_snapshot!(program.shot(&scenario), @"
    exit 3
    --- stdout
    fleet played · 4 agents · 2h simulated, 290 rounds

      NAME      AT THE END  STARTS  ENDS  HANGS  DOWN   WORST            STOOD STILL FOR
      job       exited      1       1     0      -      -
      lead      ready       2       1     1      1m33s  1m33s after 30m  after 9s, backoff 1s, drain 19s, ready 4s
      worker-1  ready       2       1     1      1h     1h after 1h      after 11s, backoff 1s, ready 1s
      worker-2  absent      0       0     0      -      -

    worker-1 hung after 1h, and 1h later nobody had noticed: a probe or a heartbeat in `live` would tell
    ");
    assert_snapshot!(program.shot(&["simulate", "--for", "1h", "--crash", "lead@5s", "--lose-server", "30m", "--events"]), @"
    exit 3
    --- stdout
           0s  job       spawn    new in the manifest
           0s  job       started
           1s  job       ready
          10s  job       exited   exited with status 0
          10s  lead      spawn    new in the manifest
          10s  lead      started
          12s  lead      ready
          12s  lead      type     prompt
          12s  worker-1  spawn    new in the manifest
          12s  worker-1  started
          12s  lead      submit
          12s  lead      receipt  prompt confirmed
          13s  worker-1  ready
          15s  lead      exited   exited with status 1: the last line
          16s  lead      spawn    it exited with status 1
          16s  lead      started
          18s  lead      ready
          18s  lead      type     prompt
          18s  lead      submit
          18s  lead      receipt  prompt confirmed
          21s  lead      exited   exited with status 1: the last line
          23s  lead      spawn    it exited with status 1
          23s  lead      started
          25s  lead      ready
          25s  lead      type     prompt
          25s  lead      submit
          25s  lead      receipt  prompt confirmed
          28s  lead      exited   exited with status 1: the last line
          32s  lead      spawn    it exited with status 1
          32s  lead      started
          34s  lead      ready
          34s  lead      type     prompt
          34s  lead      submit
          34s  lead      receipt  prompt confirmed
          37s  lead      exited   exited with status 1: the last line
          46s  lead      spawn    it exited with status 1
          46s  lead      started
          48s  lead      ready
          48s  lead      type     prompt
          48s  lead      submit
          48s  lead      receipt  prompt confirmed
          51s  lead      exited   exited with status 1: the last line
          51s  lead      failed repeatedly  it exited with status 1 and failed 5 times within 15m; see its output, then change it or try again: `reconcile start lead`
          30m  worker-1  exited   ended unseen: the last line
        30m1s  worker-1  blocked  waits for lead to be ready, but lead is blocked: it exited with status 1 and failed 5 times within 15m; see its output, then change it or try again: `reconcile start lead`

    fleet played · 4 agents · 1h simulated, 206 rounds

      NAME      AT THE END  STARTS  ENDS  HANGS  DOWN    WORST            STOOD STILL FOR
      job       exited      1       1     0      -       -
      lead      exited      5       5     0      59m24s  59m8s after 51s  after 9s, backoff 15s, failed_repeatedly 59m8s, ready 10s, screen 1s
      worker-1  exited      1       1     0      30m     30m after 30m    after 11s, backoff 1s, dependency_ended 29m58s
      worker-2  absent      0       0     0      -       -

    lead failed repeatedly, and was given up after 51s: `restart.give_up` says how often it may fail, and `reconcile start lead` starts it again
    ");
    assert!(!program.at("state").join(&program.fleet.1).exists(), "it left something behind");
    assert!(program.pids().is_empty());
}

#[test]
fn equal_seeds_bring_the_same_and_programs_can_read_it() {
    let program = Program::new(FLEET);
    let run = |seed: &str| {
        let output = program.command(&["simulate", "--for", "12h", "--seed", seed, "--json"]).output().unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        document
    };
    let first = run("7");
    assert_eq!(first, run("7"));
    assert_ne!(first["agents"], run("8")["agents"]);
    assert_eq!((&first["fleet"], &first["length_ms"], &first["seed"]), (&json!(program.fleet.1), &json!(43_200_000), &json!(7)));
    let lead = first["agents"].as_array().unwrap().iter().find(|agent| agent["name"] == "lead").unwrap();
    assert!(lead["starts"].as_u64() > Some(1), "{lead}");
    let lines = program.command(&["simulate", "--for", "1m", "--json", "--events"]).output().unwrap().stdout;
    let lines: Vec<Value> = String::from_utf8(lines).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["what"], "spawn");
    assert_eq!(lines.last().unwrap()["rounds"].as_u64().map(|rounds| rounds > 3), Some(true));
}

#[test]
fn whom_nobody_knows_is_named() {
    let program = Program::new(FLEET);
    assert_snapshot!(program.shot(&["simulate", "--kill", "worker-3@1m"]), @"
    exit 1
    --- stderr
    error: no agent is called `worker-3`; did you mean `worker-1`?
    ");
    assert_snapshot!(program.shot(&["simulate", "--hang", "worker-1@soon"]), @r#"
    exit 1
    --- stderr
    error: invalid value 'worker-1@soon' for '--hang <AGENT@TIME>': `soon` is not a length of time: write it like "90s", "5m", "1h30m" or "500ms"

    For more information, try '--help'.
    "#);
    assert_snapshot!(program.shot(&["simulate", "--kill", "lead@9h"]), @"
    exit 1
    --- stderr
    error: what happens after 9h is not played: --for says 8h
    ");
    assert_snapshot!(program.shot(&["simulate", "--lose-server", "0s"]), @"
    exit 1
    --- stderr
    error: nothing runs yet at 0s: say a later time
    ");
}
