//! What agents say of each other: dependencies, names and places.

use super::{check, outcome};
use crate::manifest::Memory;

#[test]
fn cycles_are_spelled_out() {
    insta::assert_snapshot!(
        check(
            r#"
[defaults]
command = ["x"]
[agents.a]
after = ["b"]
[agents.b]
after = { c = "started" }
[agents.c]
after = ["d", "a"]
[agents.d]
[agents.self]
after = ["self"]
[agents.many]
replicas = 2
after = ["many"]
"#
        ),
        @r#"
        Error 11 «"a"», 7 «"b"», 9 «c»: agents wait for each other in a cycle: a → b → c → a
        Error 14 «"self"»: agents wait for each other in a cycle: self → self
        Error 17 «"many"»: agents wait for each other in a cycle: many-1 → many-1
        "#
    );
}

#[test]
fn a_long_chain_is_no_cycle() {
    let chain: String = (1..5_000).map(|n| format!("[agents.a{n}]\ncommand = ['x']\nafter = ['a{}']\n", n - 1)).collect();
    let text = outcome(
        &Memory::with_manifest(&format!("version = 1\nfleet = 'f'\n[agents.a0]\ncommand = ['x']\nafter = ['a4999']\n{chain}")),
        &[],
    );
    assert!(text.contains("cycle: a0 → a4999 → a4998"), "{}", &text[..200.min(text.len())]);
}

#[test]
fn unknown_agents_get_a_suggestion() {
    insta::assert_snapshot!(
        check(
            r#"
[defaults]
command = ["x"]
[agents.clone]
replicas = 2
[agents.lead]
after = ["clone-3", "claude", "leed", "xyz"]
[agents.other]
after = { lead = "redy", clone = "exited" }
"#
        ),
        @r#"
        Error 9 «"clone-3"»: there is no agent `clone-3`
          hint: the copies of `clone` are `clone-1` to `clone-2`; `clone` means all of them
        Error 9 «"claude"»: there is no agent `claude`
        Error 9 «"leed"»: there is no agent `leed`
          hint: did you mean `lead`?
        Error 9 «"xyz"»: there is no agent `xyz`
        Error 11 «"redy"»: `redy` is not one of `started`, `ready`, `exited`, `succeeded`
          hint: did you mean `ready`?
        "#
    );
}

#[test]
fn agents_in_each_others_way() {
    insta::assert_snapshot!(
        check(
            r#"
[defaults]
command = ["x"]
[templates.d]
runtime = "daemon"
pidfile = "run/d.pid"
[agents.a]
template = "d"
[agents.b]
template = "d"
[agents.c]
runtime = "daemon"
replicas = 2
log = { file = "c.log" }
[agents.pane-1]
session = "s"
window = "w"
[agents.pane-2]
session = "s"
window = "w"
[agents.new]
renamed_from = "old"
[agents.new2]
renamed_from = "old"
[agents.new3]
renamed_from = "a"
[agents.new4]
replicas = 2
renamed_from = "older-${index}"
"#
        ),
        @r#"
        Error 11 «b», 9 «a»: `b` and `a` write the same file /work/run/d.pid
          hint: copies can have a file each with `${name}` in its path
        Error 13 «c», 13 «c»: `c-2` and `c-1` write the same file /work/c.log
          hint: copies can have a file each with `${name}` in its path
        Error 26 «"old"», 24 «"old"»: `new` and `new2` cannot both take over from `old`
        Error 28 «"a"», 9 «a» (declared here): `new3` cannot take over from `a`, which still exists
        "#
    );
}
