//! Copies by `replicas` and `for_each`, their names, and whom they wait for.

use super::{check, outcome};
use crate::manifest::Memory;
use crate::time::{Duration, Timestamp};

#[test]
fn replicas_are_numbered() {
    insta::assert_snapshot!(
        check(
            r#"
[agents.clone]
command = ["x", "${name}", "${index}"]
replicas = 2
[agents.worker]
command = ["x"]
replicas = 2
name = "w${index}"
window = "all"
session = "work"
after = { clone = "started" }
[agents.none]
command = ["x"]
replicas = 0
[agents.boss]
command = ["x"]
after = ["clone", "w2", "none"]
[sessions.work]
layout = "tiled"
options = { status = false, history-limit = 10 }
"#
        ),
        @r#"
        boss after={"clone-1":"ready","clone-2":"ready","w2":"ready"} command=["x"]
        clone-1 command=["x","clone-1","1"]
        clone-2 command=["x","clone-2","2"]
        w1 after={"clone-1":"started","clone-2":"started"} command=["x"] layout="tiled" session="work" session_options={"history-limit":"10","status":"off"} window="all"
        w2 after={"clone-1":"started","clone-2":"started"} command=["x"] layout="tiled" session="work" session_options={"history-limit":"10","status":"off"} window="all"
        "#
    );
}

#[test]
fn for_each_makes_a_copy_of_each() {
    let day = |days: u64| Timestamp::default() + Duration::from_secs(days * 86_400);
    let mut world = Memory::with_manifest(
        r#"
version = 1
fleet = "atlas"
[agents.review]
command = ["x"]
for_each = ["a", "b"]
after = ["${each}-witness"]
[agents.witness]
command = ["x"]
for_each = { dirs = "rigs/*", active_within = "7d", activity = ["last"], keep_if = ["pinned"] }
name = "${each}-witness"
cwd = "${each.path}"
[agents.team]
command = ["x"]
for_each = { file = "teams.json", pointer = "/teams" }
"#,
    )
    .file("/work/rigs/a/last", "")
    .file("/work/rigs/b/pinned", "")
    .file("/work/rigs/old/last", "")
    .file("/work/rigs/Not A Name/last", "")
    .file("/work/rigs/file", "")
    .file("/work/rigs/.hidden/last", "")
    .file("/work/teams.json", r#"{ "teams": ["red", "blue", "No\u0007"] }"#);
    world.now = day(100);
    for (path, when) in
        [("/work/rigs/a/last", 94), ("/work/rigs/b/pinned", 1), ("/work/rigs/old/last", 92), ("/work/rigs/Not A Name/last", 99)]
    {
        world.changed.insert(path.into(), day(when));
    }
    insta::assert_snapshot!(outcome(&world, &[]), @r#"
        Warning 10 «"rigs/*"»: `/work/rigs/Not A Name` is left out: it cannot be part of a name
          hint: only names of a-z, 0-9, `_` and `-`, beginning with a letter or digit, are used
        Warning 15 «"teams.json"»: `No\u{7}` is left out: it cannot be part of a name
          hint: only names of a-z, 0-9, `_` and `-`, beginning with a letter or digit, are used
        a-witness command=["x"] cwd="/work/rigs/a"
        b-witness command=["x"] cwd="/work/rigs/b"
        review-a after={"a-witness":"ready"} command=["x"]
        review-b after={"b-witness":"ready"} command=["x"]
        team-blue command=["x"]
        team-red command=["x"]
        "#);
}

#[test]
fn what_this_program_writes_into_a_folder_does_not_keep_it_active() {
    let day = |days: u64| Timestamp::default() + Duration::from_secs(days * 86_400);
    let mut world = Memory::with_manifest(
        r#"
version = 1
fleet = "atlas"
[defaults]
command = ["x"]
for_each = { dirs = "rigs/*", active_within = "7d" }
[agents.one]
runtime = "daemon"
pidfile = "${each.path}/one.pid"
log = { file = "${each.path}/${name}.log" }
[agents.two]
name = "${each}-two"
handoff = { inbox = "rigs/${each}/${name}/inbox", archive = "${each.path}/archive" }
"#,
    );
    world.now = day(100);
    for file in [
        "ours/one.pid",
        "ours/one-ours.log",
        "ours/one-ours.log.1",
        "ours/ours-two/inbox/1.json",
        "ours/archive/1.json",
        "theirs/one-ours.log",
    ] {
        world = world.file(&format!("/work/rigs/{file}"), "");
        world.changed.insert(format!("/work/rigs/{file}").into(), day(99));
    }
    world.changed.insert("/work/rigs/ours".into(), day(99));
    insta::assert_snapshot!(outcome(&world, &[]), @r#"
        one-theirs command=["x"] log={"file":"/work/rigs/theirs/one-theirs.log","keep":3,"max_size":20971520} pidfile="/work/rigs/theirs/one.pid"
        theirs-two command=["x"] handoff={"archive":"/work/rigs/theirs/archive","crash_note":false,"deliver":["inbox"],"inbox":"/work/rigs/theirs/theirs-two/inbox","keep":100,"max_size":1048576,"require":false}
        "#);
}

#[test]
fn what_is_not_known_is_not_empty() {
    let manifest = |for_each: &str| {
        Memory::with_manifest(&format!("version = 1\nfleet = 'atlas'\n[agents.a]\ncommand = ['x']\nfor_each = {for_each}"))
            .file("/work/bad.json", "{")
            .file("/work/objects.json", r#"["a", {"name": "b"}]"#)
            .file("/work/rigs/a/x", "")
    };
    insta::assert_snapshot!(outcome(&manifest("{ dirs = 'gone/*' }"), &[]), @"Error 5 «'gone/*'»: it is not known which folders there are: /work/gone does not exist");
    insta::assert_snapshot!(outcome(&manifest("{ file = 'gone.json' }"), &[]), @"Error 5 «'gone.json'»: it is not known which copies there are: /work/gone.json does not exist");
    insta::assert_snapshot!(outcome(&manifest("{ file = 'bad.json' }"), &[]), @"Error 5 «'bad.json'»: it is not known which copies there are: /work/bad.json is not JSON: EOF while parsing an object at line 1 column 1");
    insta::assert_snapshot!(outcome(&manifest("{ file = 'objects.json' }"), &[]), @r#"Error 5 «'objects.json'»: it is not known which copies there are: `{\"name\":\"b\"}` in /work/objects.json is not a string"#);
    insta::assert_snapshot!(outcome(&manifest("{ dirs = 'rigs/*', active_within = '1d', activity = ['gone'] }"), &[]), @"");
    insta::assert_snapshot!(outcome(&manifest("{ dirs = 'rigs/*', active_within = '0s', activity = ['gone'] }"), &[]), @r#"a-a command=["x"]"#);
    insta::assert_snapshot!(outcome(&manifest("{ dirs = 'rigs/*' }"), &[]), @r#"a-a command=["x"]"#);
    let mut world = manifest("{ dirs = 'rigs/*' }");
    world.unreadable.insert("/work/rigs".into());
    insta::assert_snapshot!(outcome(&world, &[]), @"Error 5 «'rigs/*'»: it is not known which folders there are: /work/rigs could not be read: permission denied");
    let mut world = manifest("{ dirs = 'rigs/*', active_within = '1d' }");
    world.unreadable.insert("/work/rigs/a".into());
    insta::assert_snapshot!(outcome(&world, &[]), @"Error 5 «'1d'»: it is not known whether /work/rigs/a is active: permission denied");
}

#[test]
fn copies_that_cannot_be() {
    insta::assert_snapshot!(
        check(
            r#"
[agents.a]
command = ["x"]
replicas = 10_001
[agents.b]
command = ["x"]
replicas = 2
for_each = ["x"]
[agents.c]
command = ["x"]
replicas = 2
name = "fixed"
[agents.d]
command = ["x"]
for_each = ["ok", "ok", "Not ok"]
[agents.e]
command = ["x"]
for_each = { dirs = "*", pointer = "/x" }
[agents.f]
command = ["x"]
replicas = -1
[agents.g]
command = ["x"]
replicas = 2
name = "_${index}"
[agents.h]
command = ["x"]
for_each = { dir = "*" }
[agents.clone]
command = ["x"]
replicas = 2
[agents.clone-2]
command = ["x"]
[agents.ok]
command = ["x"]
name = "clone-1"
[agents."no name"]
command = ["x"]
[agents]
scalar = 1
"#
        ),
        @r#"
        Error 6 «10_001»: at most 10000 copies of an agent are possible
        Error 10 «["x"]», 9 «2» (and copies are asked for here): `replicas` and `for_each` exclude each other
        Error 14 «"fixed"»: all copies would have the same name
          hint: put `${index}` into it
        Error 15 «d»: two copies of `d` are called `d-ok`
        Error 17 «"Not ok"»: `Not ok` cannot be part of a name
          hint: a name is made of it: use a-z, 0-9, `_` and `-`, beginning with a letter or digit
        Error 20 «{ dirs = "*", pointer = "/x" }»: `for_each` needs either `dirs` or `file`
          hint: `dirs` goes with `active_within`, `activity` and `keep_if`; `file` goes with `pointer`
        Error 23 «-1»: expected a whole number, 0 or more, found the number -1
        Error 27 «"_${index}"»: `_1` cannot be the name of an agent: use up to 63 of a-z, 0-9, `_` and `-`, beginning with a letter or digit
          hint: names that begin with `_` are the tool's own
        Error 30 «dir»: unknown key `dir`
          hint: did you mean `dirs`?
        Error 34 «clone-2», 31 «clone» (and this one too): two agents are called `clone-2`
        Error 36 «ok», 31 «clone» (and this one too): two agents are called `clone-1`
        Error 39 «"no name"»: `no name` cannot be the name of an agent
          hint: use up to 63 of a-z, 0-9, `_` and `-`, beginning with a letter or digit
        Error 42 «1»: expected a table
        "#
    );
}
