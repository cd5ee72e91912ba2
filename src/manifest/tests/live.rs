//! `live`, `limits`, `restart.only_if` and the heartbeat probe: what they come to, and what is wrong with them.

use super::*;

#[test]
fn what_is_written_is_shown_and_nothing_else() {
    insta::assert_snapshot!(
        check(
            r#"
[agents.pane]
command = ["x"]
live = { command = ["./alive"], interval = "1m", heartbeat = { nudge_after = "15m", replace_after = "30m", nudge = "${name}?" }, screen_unchanged = "30m" }
limits = { memory = "4096MiB", runtime = "8h" }
restart = { only_if = { command = ["./has-work"] } }
[agents.daemon]
command = ["x"]
runtime = "daemon"
live = { heartbeat = "beat", max_age = "5m", failures = 1 }
ready = { heartbeat = "beat", max_age = "5m" }
[agents.own]
command = ["x"]
runtime = "daemon"
live = { heartbeat = { file = "${name}.beat", replace_after = "30m" } }
"#
        ),
        @r#"
        daemon command=["x"] live={"failures":1,"heartbeat":"/work/beat","interval":"10s","max_age":"5m"} ready={"heartbeat":"/work/beat","interval":"250ms","max_age":"5m","on_timeout":"fail","timeout":"1m30s"}
        own command=["x"] live={"heartbeat":{"file":"/work/own.beat","replace_after":"30m"}}
        pane command=["x"] limits={"memory":"4GiB","runtime":"8h"} live={"command":["./alive"],"failures":3,"heartbeat":{"nudge":"pane?","nudge_after":"15m","replace_after":"30m"},"interval":"1m","screen_unchanged":"30m"} restart={"backoff":{"factor":2.0,"first":"1s","jitter":0.1,"max":"1m"},"give_up":{"failures":5,"within":"15m"},"healthy_after":"10s","only_if":{"command":["./has-work"]},"policy":"on-failure","success":[0]}
        "#
    );
}

#[test]
fn everything_that_can_be_wrong_is_told() {
    insta::assert_snapshot!(
        check(
            r#"
[agents.a]
command = ["x"]
live = { interval = "1ms", failures = 0 }
limits = { memory = "0B", runtime = "90s" }
restart = { only_if = { } }
[agents.b]
command = ["x"]
live = { heartbeat = "beat" }
ready = { heartbeat = "beat", max_age = "0s" }
restart = { only_if = { max_age = "5m" } }
[agents.c]
command = ["x"]
live = { tcp = "localhost", screen_unchanged = "0s", heartbeat = { nudge_after = "30m", replace_after = "30m", nudge = " " } }
[agents.d]
command = ["x"]
live = { status = 200, heartbeat = { nudge = "hey" } }
[agents.e]
command = ["x"]
runtime = "daemon"
live = { screen = "x", screen_unchanged = "5m", heartbeat = { nudge_after = "15m" } }
[agents.f]
command = ["x"]
live = { tcp = "a:1", heartbeat = "beat", max_age = "5m" }
"#
        ),
        @r#"
        Error 6 «"1ms"»: `interval` goes with a probe, and there is none
          hint: write what is asked, such as { tcp = "127.0.0.1:7411" }
        Error 6 «"1ms"»: looking that often would keep the machine busy: `interval` is at least "10ms"
        Error 6 «0»: `failures` goes with a probe, and there is none
          hint: write what is asked, such as { tcp = "127.0.0.1:7411" }
        Error 6 «0»: `failures` is at least 1
        Error 7 «"0B"»: every program needs some memory: `memory` is larger than 0
        Error 8 «{ }»: `only_if` needs a probe
          hint: write what is asked, such as { command = ["./has-work.sh"] }
        Error 11 «"beat"»: a file in `heartbeat` needs a `max_age` that is longer than nothing
          hint: write how old its last change may be: max_age = "5m"
        Error 12 «"0s"»: a file in `heartbeat` needs a `max_age` that is longer than nothing
          hint: write how old its last change may be: max_age = "5m"
        Error 13 «{ max_age = "5m" }»: `only_if` needs a probe
          hint: write what is asked, such as { command = ["./has-work.sh"] }
        Error 13 «"5m"»: `max_age` goes with a file in `heartbeat`
        Error 16 «"localhost"»: `localhost` is no address: there is no port
          hint: write host and port like "127.0.0.1:7411"
        Error 16 «"0s"»: `screen_unchanged` must be longer than nothing
        Error 16 «"30m"»: it would be replaced after 30m, before it could be nudged after 30m
          hint: set a shorter `nudge_after`
        Error 16 «" "»: an empty text would be no nudge
        Error 19 «200»: `status` goes with `http`
        Error 19 «{ nudge = "hey" }»: a silence would lead to nothing
          hint: write `nudge_after`, `replace_after`, or both
        Error 19 «"hey"»: `nudge` goes with `nudge_after`
        Error 23 «"x"»: `live.screen` makes no sense for a daemon
          hint: it is for tmux panes: set `runtime = "tmux"`, or take it out
        Error 23 «"5m"»: `live.screen_unchanged` makes no sense for a daemon
          hint: it is for tmux panes: set `runtime = "tmux"`, or take it out
        Error 23 «"15m"»: `live.heartbeat.nudge_after` makes no sense for a daemon
          hint: it is for tmux panes: set `runtime = "tmux"`, or take it out
        Error 26 «"beat"», 26 «"a:1"»: one probe is enough: `tcp` and `heartbeat` exclude each other
        "#
    );
}

#[test]
fn defaults_of_a_mixed_fleet_fall_away_where_they_do_not_fit() {
    insta::assert_snapshot!(
        check(
            r#"
[defaults]
live = { screen = "x", screen_unchanged = "5m", heartbeat = { nudge_after = "15m" } }
[agents.daemon]
command = ["x"]
runtime = "daemon"
[agents.pane]
command = ["x"]
live = { tcp = "a:1" }
"#
        ),
        @r#"
        daemon command=["x"]
        pane command=["x"] live={"failures":3,"heartbeat":{"nudge":"Are you still working? Touch your heartbeat file.","nudge_after":"15m"},"interval":"10s","screen_unchanged":"5m","tcp":"a:1"}
        "#
    );
}

#[test]
fn a_watcher_and_those_who_hear_of_things_are_checked() {
    insta::assert_snapshot!(
        check(
            r#"
watch = { auto = "alll", resync = "10ms" }
[[notify]]
command = ["x"]
[[notify]]
on = []
file = "events.jsonl"
[[notify]]
on = ["crash", "explosion"]
[[notify]]
on = ["crash"]
[[notify]]
on = ["crash"]
command = []
[[notify]]
on = ["crash"]
command = ["x"]
file = "y"
[agents.a]
command = ["x"]
hold_max = "soon"
"#
        ),
        @r#"
    Error 4 «"alll"»: `alll` is not one of `heal`, `safe`, `all`
      hint: did you mean `all`?
    Error 4 «"10ms"»: `resync` is at least "1s"
      hint: events wake a watcher at once; this is only the net behind them
    Error 5 «[[notify]]»: `on` says about what, and is missing
      hint: add: on = ["crash"]
    Error 8 «[]»: nobody would ever hear of anything
      hint: name what it is about, such as "crash"
    Error 10 «[[notify]]»: nobody is named who would hear of it
      hint: add a `command` or a `file`
    Error 11 «"explosion"»: `explosion` is not one of `blocked`, `failed_repeatedly`, `gave_up`, `held`, `held_overdue`, `crash`, `mass_death`, `limit`, `unchanged`, `log_taken`, `undelivered`, `not_ready`, `ready`, `manifest`
    Error 12 «[[notify]]»: nobody is named who would hear of it
      hint: add a `command` or a `file`
    Error 16 «[]»: an empty command: the first word is the program
    Error 17 «[[notify]]»: `command` and `file` exclude each other
      hint: write two tables
    Error 23 «"soon"»: `soon` is not a length of time: write it like "90s", "5m", "1h30m" or "500ms"
    "#
    );
}

#[test]
fn a_time_to_run_is_held_against_a_time_to_get_ready_that_is_written() {
    insta::assert_snapshot!(
        check(
            r#"
[agents.a]
command = ["x"]
limits = { runtime = "2s" }
[agents.b]
command = ["x"]
limits = { runtime = "90s" }
ready = { timeout = "90s" }
[agents.c]
command = ["x"]
limits = { runtime = "0s" }
"#
        ),
        @r#"
        Error 9 «"90s"»: it would be ended after 1m30s, and it has 1m30s to get ready
          hint: set a longer `runtime`, or a shorter `ready.timeout`
        Error 13 «"0s"»: `runtime` must be longer than 0
        "#
    );
}

#[test]
fn what_an_agent_has_of_the_kernel_and_how_it_daemonizes_are_checked() {
    insta::assert_snapshot!(
        check(
            r#"
[agents.a]
command = ["x"]
umask = "777"
nice = 20
limits = { nofile = 3 }
daemonizes = true
[agents.b]
command = ["x"]
runtime = "daemon"
umask = "u=rwx"
daemonizes = true
ready = { file = "x", owner = "any" }
drain = [{ signal = "TERM", until = { tcp = "a:1", owner = "any" } }]
"#
        ),
        @r#"
        Error 6 «"777"»: `777` would lock it out of its own files: write one from "000" to "077"
        Error 7 «20»: 20 is not a niceness: it must be from -20 to 19
        Error 8 «3»: programs need a few open files: `nofile` must be at least 64
        Error 9 «true»: `daemonizes` makes no sense in a tmux pane
          hint: it is for daemons: set `runtime = "daemon"`, or take it out
        Error 13 «"u=rwx"»: `u=rwx` is not a umask: write three octal digits such as "022"
        Error 14 «true»: `daemonizes` needs `pidfile`: that file tells which process went into the background
          hint: add the file that the program writes, such as: pidfile = "run/server.pid"
        Error 15 «"any"»: `owner` goes with `tcp` or `http`
        Error 16 «{ tcp = "a:1", owner = "any" }»: `until` is a probe alone: how long the step may take is its `wait`
        "#
    );
    insta::assert_snapshot!(
        check(
            r#"
[agents.a]
command = ["x"]
runtime = "daemon"
pidfile = "a.pid"
daemonizes = true
umask = "027"
nice = 5
limits = { nofile = 1024, runtime = "8h" }
ready = { tcp = "a:1", owner = "any" }
"#
        ),
        @r#"a command=["x"] daemonizes=true limits={"nofile":1024,"runtime":"8h"} nice=5 pidfile="/work/a.pid" ready={"interval":"250ms","on_timeout":"fail","owner":"any","tcp":"a:1","timeout":"1m30s"} umask="027""#
    );
}
