//! What single fields must be like.

use super::{check, outcome};
use crate::manifest::Memory;

#[test]
fn keys_of_the_other_runtime() {
    insta::assert_snapshot!(
        check(
            r#"
[templates.log]
log = { keep = 1 }
[agents.pane]
command = ["x"]
template = "log"
pidfile = "x"
stdin_file = "x"
[agents.daemon]
command = ["x"]
runtime = "daemon"
session = "s"
window = "w"
ready = { screen = "x" }
drain = [{ keys = ["C-c"] }]
"#
        ),
        @r#"
        Error 9 «"x"»: `pidfile` makes no sense in a tmux pane
          hint: it is for daemons: set `runtime = "daemon"`, or take it out
        Error 10 «"x"»: `stdin_file` makes no sense in a tmux pane
          hint: it is for daemons: set `runtime = "daemon"`, or take it out
        Error 14 «"s"»: `session` makes no sense for a daemon
          hint: it is for tmux panes: set `runtime = "tmux"`, or take it out
        Error 15 «"w"»: `window` makes no sense for a daemon
          hint: it is for tmux panes: set `runtime = "tmux"`, or take it out
        Error 16 «"x"»: `ready.screen` makes no sense for a daemon
          hint: it is for tmux panes: set `runtime = "tmux"`, or take it out
        Error 17 «["C-c"]»: `keys` makes no sense for a daemon
          hint: a daemon has no keyboard: ask it by { signal = "TERM" }
        "#
    );
    insta::assert_snapshot!(
        check(
            r#"
[defaults]
log = { keep = 1 }
ready = { screen = "x", timeout = "5s" }
drain = [{ keys = ["C-d"], wait = "1s" }, { signal = "INT", to = "tree" }]
[agents.pane]
command = ["x"]
[agents.daemon]
command = ["x"]
runtime = "daemon"
"#
        ),
        @r#"
        daemon command=["x"] drain=[{"signal":"INT","to":"tree","wait":"10s"}] log={"file":null,"keep":1,"max_size":20971520} ready={"delay":"1s","interval":"250ms","on_timeout":"fail","timeout":"5s"}
        pane command=["x"] drain=[{"keys":["C-d"],"wait":"1s"},{"signal":"INT","to":"tree","wait":"10s"}] log={"file":null,"keep":1,"max_size":20971520} ready={"interval":"250ms","on_timeout":"fail","screen":"x","timeout":"5s"}
        "#
    );
}

#[test]
fn text_of_the_wrong_form() {
    insta::assert_snapshot!(
        check(
            r#"
[tmux]
size = "10x10"
socket = "a b"
options = { "a b" = 1, ok = "x\u0007" }
[guard]
max_stop = "130%"
[sessions._own]
[sessions.unused]
layout = "tield"
[agents.a]
command = []
session = "_x"
window = "a b"
title = "tab\tb"
cwd = "~bob/x"
env = { "A=B" = "1", RECONCILE_X = "2", "" = "3", OK = "a\u0000b" }
unset_env = ["A=B"]
inherit_env = "al"
labels = { "a b" = "x" }
secrets = { A = {}, B = { file = "a", env = "b" }, OK = { env = "x" }, C = { command = [] } }
replace_on = ["gone", "dir/"]
[agents.b]
command = ""
title = "x #(rm)"
ready = { screen = "[", timeout = "0s", interval = "1ms" }
replace_on = ["exe"]
[agents.c]
command = [""]
ready = { tcp = "host:99999" }
restart = { success = [256], backoff = { first = "2m", jitter = 2 }, give_up = { failures = 0, within = "0s" } }
[agents.d]
command = ["nope"]
runtime = "daemon"
ready = { http = "https://x/" }
replace_on = ["exe"]
log = { max_size = "20MB", file = "logs/" }
[agents.e]
command = ["x"]
ready = { http = "http://:80/", status = 99 }
drain = [{ keys = ["C-c"], to = "tree" }, { keys = [] }]
[agents.f]
command = ["x"]
ready = { tcp = "a:1", file = "x" }
[agents.g]
command = ["x"]
ready = { delay = "2m" }
[agents.h]
command = ["x"]
ready = { status = 200 }
"#
        ),
        @r#"
        Error 5 «"10x10"»: `10x10` is not a size: write columns and rows like "200x50", from "20x5" to "2000x2000"
        Error 6 «"a b"»: `a b` cannot be the name of a socket
        Error 7 «"a b"»: `a b` is no option of tmux
          hint: options of tmux look like `history-limit` or `@mine`
        Error 7 «"x\u0007"»: control characters have no place here
        Error 9 «"130%"»: `130%` is not a limit: write a number like 3 or a share like "30%"
        Error 10 «_own»: session `_own` cannot be declared: names that begin with `_` are the tool's own
        Warning 11 «unused»: no agent is in session `unused`
        Error 12 «"tield"»: `tield` is not one of `even-horizontal`, `even-vertical`, `main-horizontal`, `main-vertical`, `tiled`
          hint: did you mean `tiled`?
        Error 14 «[]»: an empty command: the first word is the program
        Error 15 «"_x"»: `_x` cannot be the name of a session or window: use up to 63 of a-z, 0-9, `_` and `-`, beginning with a letter or digit
          hint: names that begin with `_` are the tool's own
        Error 16 «"a b"»: `a b` cannot be the name of a session or window: use up to 63 of a-z, 0-9, `_` and `-`, beginning with a letter or digit
        Error 17 «"tab\tb"»: control characters have no place here
        Error 18 «"~bob/x"»: `~bob/x`: only your own home can be written as `~`
        Error 19 «"A=B"»: `A=B` cannot be the name of a variable
          hint: use letters, digits and `_`
        Error 19 «RECONCILE_X»: `RECONCILE_X` cannot be set: `RECONCILE` and `RECONCILE_…` are given to every agent by the tool itself
        Error 19 «""»: `` cannot be the name of a variable
          hint: use letters, digits and `_`
        Error 19 «"a\u0000b"»: a NUL character cannot be handed to a program
        Error 20 «"A=B"»: `A=B` is no name or glob of variables
        Error 21 «"al"»: `al` is not one of `minimal`, `all`, `none`
          hint: did you mean `all`?
        Error 22 «"a b"»: `a b` cannot be the name of a label
        Error 23 «{}»: a secret needs exactly one of `file`, `command` and `env`
          hint: write one such as { file = "token" }
        Error 23 «{ file = "a", env = "b" }»: a secret needs exactly one of `file`, `command` and `env`
          hint: write one such as { file = "token" }
        Error 23 «OK», 19 «OK» (and as a variable here): `OK` is declared as a secret and as a variable
        Error 23 «[]»: an empty command: the first word is the program
        Error 24 «"gone"»: /work/gone does not exist
          hint: its content is part of the launch, so without it nothing can be said about the agent
        Error 24 «"dir/"»: expected the path of a file, found that of a folder
        Error 26 «""»: an empty command
        Error 27 «"x #(rm)"»: tmux would read a part of this title as a format
          hint: put a space after the `#`, or leave it out
        Error 28 «"["»: this is no regular expression: unclosed character class
          hint: in a TOML string with '…' a backslash needs no doubling
        Error 28 «"0s"»: nothing is ready in no time: `timeout` is longer than nothing
        Error 28 «"1ms"»: looking that often would keep the machine busy: `interval` is at least "10ms"
        Error 29 «"exe"»: "exe" would mean the shell: `command` is a string for `sh -c`
          hint: write `command` as an array of words, or name the file instead of "exe"
        Error 31 «""»: the program has no name
        Error 32 «"host:99999"»: `host:99999` is no address: a port is a number from 1 to 65535
          hint: write host and port like "127.0.0.1:7411"
        Error 33 «256»: 256 is no exit code: they go from 0 to 255
        Error 33 «"2m"»: the first pause, 2m, is longer than the longest one, 1m
          hint: change `first` or `max`
        Error 33 «2»: `jitter` is a share from 0 to 1
        Error 33 «0»: `failures` is at least 1
          hint: write `restart = { policy = "never" }` for no second try
        Error 33 «"0s"»: `within` must be longer than nothing
        Error 37 «"https://x/"»: `https://x/` does not begin with `http://`
          hint: write it like "http://127.0.0.1:7411/healthz"
        Error 38 «"exe"»: there is no program `nope` in PATH
        Error 39 «"20MB"»: `20MB` is not a size: write it like "20MiB", with B, KiB, MiB, GiB or TiB
        Error 39 «"logs/"»: expected the path of a file, found that of a folder
        Error 42 «"http://:80/"»: `http://:80/` is no address: there is no host
          hint: write it like "http://127.0.0.1:7411/healthz"
        Error 42 «99»: 99 is no HTTP status: they go from 100 to 599
        Error 43 «"tree"»: `to` goes with `signal`
        Error 43 «[]»: no keys
          hint: tmux's names for keys look like "C-c" or "Enter"
        Error 46 «"a:1"», 46 «"x"»: one probe is enough: `file` and `tcp` exclude each other
        Error 49 «"2m"»: it would never be ready: it counts as ready after 2m, but has failed after 1m30s
          hint: set a longer `timeout`
        Error 52 «200»: `status` goes with `http`
        "#
    );
}

#[test]
fn content_that_counts_is_part_of_the_launch() {
    let manifest = r#"
version = 1
fleet = "atlas"
[agents.a]
command = ["tool", "x"]
replace_on = ["exe", "a.conf"]
[agents.b]
command = ["./run"]
cwd = "bin"
replace_on = ["exe"]
[agents.c]
command = ["tool"]
env = { PATH = "/opt/bin" }
replace_on = ["exe"]
"#;
    let world = Memory::with_manifest(manifest)
        .file("/usr/bin/tool", "1")
        .file("/opt/bin/tool", "2")
        .file("/work/a.conf", "3")
        .file("/work/bin/run", "4");
    insta::assert_snapshot!(outcome(&world, &[]), @r#"
        a command=["tool","x"] replace_on={"/usr/bin/tool":"blake3:d63bd9a826af91c1fea371965a64e11ee20f13e46b5f52c59901136605b3a487","/work/a.conf":"blake3:58d6fd3dc609068615d66b6a2616cce521e6bd49bbcd7854e3f2573b142c6637"}
        b command=["./run"] cwd="/work/bin" replace_on={"/work/bin/run":"blake3:e67a9c4536256f1ec7495a146b5442fa7c0ed99e258a08260a4a244fa31c7c61"}
        c command=["tool"] env={"PATH":"/opt/bin"} replace_on={"/opt/bin/tool":"blake3:813e9b729141e7f385afa0a2d0df3e6c3789e427ffe4aeef566a565bc8f2fe3d"}
        "#);
}

#[test]
fn everything_that_can_be_said_of_the_fleet_itself() {
    let loaded = crate::manifest::load(
        "constellation.toml",
        &Memory::with_manifest(
            "version = 1\nfleet = 'atlas'\n[tmux]\nsocket = './sock'\nsize = '100x30'\nconfig = '~/t.conf'\noptions = { history-limit = 2000, mouse = true }\n[guard]\nmax_stop = 3\nallow_empty = true",
        ),
        &Default::default(),
    );
    let desired = loaded.desired.unwrap();
    insta::assert_debug_snapshot!((desired.server, desired.guard), @r#"
        (
            Server {
                socket: Socket(
                    "/work/sock",
                ),
                config: Some(
                    "/home/me/t.conf",
                ),
                size: Size {
                    columns: 100,
                    rows: 30,
                },
                options: {
                    "history-limit": "2000",
                    "mouse": "on",
                },
            },
            Guard {
                max_stop: Some(
                    Count(
                        3,
                    ),
                ),
                allow_empty: true,
            },
        )
        "#);
}

#[test]
fn hooks_and_leftovers() {
    insta::assert_snapshot!(
        check(
            r#"
[defaults]
leftovers = "keep"
[defaults.hooks]
on_crash = ["a", "${name}"]
[agents.a]
command = ["x"]
[agents.b]
command = ["x"]
leftovers = "report"
hooks = { on_crash = { command = ["b"], timeout = "5s" }, before_spawn = { command = ["c"], on_fail = "fail" } }
"#
        ),
        @r#"
        a command=["x"] hooks={"on_crash":{"command":["a","a"],"on_fail":"ignore","timeout":"30s"}} leftovers="keep"
        b command=["x"] hooks={"before_spawn":{"command":["c"],"on_fail":"fail","timeout":"30s"},"on_crash":{"command":["b"],"on_fail":"ignore","timeout":"5s"}} leftovers="report"
        "#
    );
    insta::assert_snapshot!(
        check(
            r#"
[agents.c]
command = ["x"]
hooks = { on_crash = { command = ["b"], on_fail = "fail" }, after_stop = { command = ["c"], timeout = "11m" }, before_stop = { timeout = "1s" } }
[agents.d]
command = ["x"]
hooks = { on_crash = [""], after_ready = { command = [], timeout = "0s" }, before_spawn = "x" }
"#
        ),
        @r#"
        Error 6 «"fail"»: only `before_spawn` can fail something, which is the start
          hint: take it out, or write "ignore"
        Error 6 «"11m"»: a hook takes more than no time, and at most 10m
        Error 6 «{ timeout = "1s" }»: a hook needs a `command`
          hint: write it like { command = ["notify-send", "it crashed"], timeout = "10s" }
        Error 9 «""»: the program has no name
        Error 9 «[]»: an empty command: the first word is the program
        Error 9 «"0s"»: a hook takes more than no time, and at most 10m
        Error 9 «"x"»: expected an array of words, or a table with `command`, found the string "x"
        "#
    );
}
