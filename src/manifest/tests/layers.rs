//! Defaults, templates and agents on top of each other; variables.

use super::{check, outcome};
use crate::manifest::{Memory, load};

#[test]
fn tables_merge_and_everything_else_replaces() {
    insta::assert_snapshot!(
        check(
            r#"
[defaults]
env = { A = "defaults", B = "defaults", C = "defaults" }
hold = ["busy"]
restart = { backoff = { first = "1s", max = "30s" }, policy = "always" }
after = ["db"]
[templates.base]
env = { B = "base", C = "base" }
command = ["base", "1"]
labels = { tier = "base" }
[templates.coder]
extends = "base"
env = { C = "coder" }
command = ["coder"]
restart.backoff.max = "40s"
[agents.lead]
template = "coder"
env = { D = 4, E = true }
restart = { backoff = { first = "2s" } }
after = { db = "started" }
[agents.db]
command = "db"
after = []
"#
        ),
        @r#"
        db command="db" env={"A":"defaults","B":"defaults","C":"defaults"} hold=["busy"] restart={"backoff":{"factor":2.0,"first":"1s","jitter":0.1,"max":"30s"},"give_up":{"failures":5,"within":"15m"},"healthy_after":"10s","policy":"always","success":[0]}
        lead after={"db":"started"} command=["coder"] env={"A":"defaults","B":"base","C":"coder","D":"4","E":"true"} hold=["busy"] labels={"tier":"base"} restart={"backoff":{"factor":2.0,"first":"2s","jitter":0.1,"max":"40s"},"give_up":{"failures":5,"within":"15m"},"healthy_after":"10s","policy":"always","success":[0]}
        "#
    );
}

#[test]
fn another_kind_of_probe_drops_the_lower_one() {
    insta::assert_snapshot!(
        check(
            r#"
[templates.web]
command = ["x"]
ready = { http = "http://a:1/", status = 204, timeout = "5s" }
secrets = { KEY = { file = "key", on_change = "replace" } }
[agents.a]
template = "web"
ready = { tcp = "a:1" }
secrets.KEY.env = "KEY"
[agents.b]
template = "web"
ready = { status = 200 }
[agents.c]
template = "web"
ready = { tcp = "a:1", status = 200 }
"#
        ),
        @"Error 17 «200»: `status` goes with `http`"
    );
}

#[test]
fn templates_that_are_not_there_or_run_in_a_circle() {
    insta::assert_snapshot!(
        check(
            r#"
[templates.a]
extends = "b"
[templates.b]
extends = "c"
[templates.c]
extends = "b"
[templates.d]
extends = "d"
template = "a"
[templates.e]
extends = "codr"
[templates.coder]
command = 1
[agents.x]
template = "coder"
[agents.y]
template = "cdoer"
command = ["x"]
extends = "a"
[agents.z]
template = "e"
command = ["x"]
[defaults]
template = "a"
"#
        ),
        @r#"
        Error 7 «"c"»: templates extend each other in a cycle: b → c → b
        Error 11 «"d"»: templates extend each other in a cycle: d → d
        Error 12 «template»: `template` has no place in a template; it takes fields from another one by `extends`
        Error 14 «"codr"»: there is no template `codr`
          hint: did you mean `coder`?
        Error 16 «1»: expected an array of words such as ["claude", "--continue"], or a string for `sh -c`, found the number 1
        Error 20 «"cdoer"»: there is no template `cdoer`
          hint: did you mean `coder`?
        Error 22 «extends»: `extends` has no place in an agent; it takes fields from a template by `template`
        Error 27 «template»: `template` has no place in [defaults]
        "#
    );
}

#[test]
fn an_error_in_a_template_is_told_once() {
    insta::assert_snapshot!(
        check("[templates.t]\nready = { screen = '(' , timeout = 5 }\n[agents.a]\ntemplate = 't'\nreplicas = 3\ncommand = ['x']\n[agents.b]\ntemplate = 't'\ncommand = ['x']\n"),
        @r#"
        Error 4 «'('»: this is no regular expression: unclosed group
          hint: in a TOML string with '…' a backslash needs no doubling
        Error 4 «5»: expected a string, found the number 5
        "#
    );
}

#[test]
fn variables_are_filled_in() {
    let world = Memory {
        variables: [("TOKEN_DIR".to_owned(), "/tokens".to_owned())].into(),
        ..Memory::with_manifest(
            r#"
version = 1
fleet = "atlas"
[vars]
model = "opus"
port = 7411
tokens = { env = "TOKEN_DIR" }
[agents.lead]
command = ["claude", "--model", "${var.model}", "$${HOME}"]
cwd = "~/${fleet}/${name}"
env = { PORT = "${var.port}", STATE = "${dir.state}", HERE = "${dir.manifest}" }
env_file = ["${var.tokens}/env"]
ready = { tcp = "localhost:${var.port}" }
[agents.shell]
command = "echo ${var.model} \"$HOME\" $${HOME}"
"#,
        )
    };
    insta::assert_snapshot!(outcome(&world, &[]), @r#"
        lead command=["claude","--model","opus","${HOME}"] cwd="/home/me/atlas/lead" env={"HERE":"/work","PORT":"7411","STATE":"/state/atlas"} env_file=["/tokens/env"] ready={"interval":"250ms","on_timeout":"fail","owner":"tree","tcp":"localhost:7411","timeout":"1m30s"}
        shell command="echo opus \"$HOME\" ${HOME}"
        "#);
    insta::assert_snapshot!(outcome(&world, &[("model", "it's; rm -rf /"), ("prot", "1"), ("tokens", "/t")]), @r#"
        Warning 1 «»: variable `prot` is given, but not used or declared
          hint: did you mean `port`?
        lead command=["claude","--model","it's; rm -rf /","${HOME}"] cwd="/home/me/atlas/lead" env={"HERE":"/work","PORT":"7411","STATE":"/state/atlas"} env_file=["/t/env"] ready={"interval":"250ms","on_timeout":"fail","owner":"tree","tcp":"localhost:7411","timeout":"1m30s"}
        shell command="echo 'it'\\''s; rm -rf /' \"$HOME\" ${HOME}"
        "#);
    // What a variable given from outside replaces is not read.
    let read = |given: &[(&str, &str)]| {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        load("constellation.toml", &world, &given).depends_on.variables.into_iter().collect::<Vec<_>>()
    };
    assert_eq!((read(&[]), read(&[("tokens", "/t")])), (vec!["TOKEN_DIR".to_owned()], Vec::new()));
}

#[test]
fn unknown_variables_are_underlined() {
    insta::assert_snapshot!(
        check(
            r#"
[vars]
model = "opus"
gone = { env = "GONE" }
"b c" = 1
odd = { env = "A", default = "b" }
[agents.lead]
command = ["a ${var.modle} ${fleeet}", "${model}", "${HOME}", "${each} ${index}", "${", "\u0041${nam}"]
cwd = "${dir.inbox}"
ready = { timeout = "${var.model}" }
"#
        ),
        @r#"
        Error 6 «"GONE"»: the environment variable `GONE` is not set
          hint: set it, or give the value by `--var`
        Error 7 «"b c"»: `b c` cannot be the name of a variable
          hint: use letters, digits, `_` and `-`
        Error 8 «"A"»: the environment variable `A` is not set
          hint: set it, or give the value by `--var`
        Error 8 «default»: unknown key `default`
          hint: known here: `env`
        Error 10 «${var.modle}»: unknown variable `${var.modle}`
          hint: did you mean `${var.model}`?
        Error 10 «${fleeet}»: unknown variable `${fleeet}`
          hint: did you mean `${fleet}`?
        Error 10 «${model}»: unknown variable `${model}`
          hint: did you mean `${var.model}`?
        Error 10 «${HOME}»: unknown variable `${HOME}`
          hint: write `$${` for a literal `${`, which is what a shell or the program itself should see
        Error 10 «${each}»: `${each}` has no value here: it is the value for which `for_each` made a copy
        Error 10 «${index}»: `${index}` has no value here: it is the number of a copy made by `replicas`
        Error 10 «${»: `${` without a `}`
          hint: write `$${` for a literal `${`
        Error 10 «${nam}»: unknown variable `${nam}`
          hint: did you mean `${name}`?
        Error 11 «${dir.inbox}»: unknown variable `${dir.inbox}`
          hint: write `$${` for a literal `${`, which is what a shell or the program itself should see
        Error 12 «"${var.model}"»: `${var.model}` is not a length of time: write it like "90s", "5m", "1h30m" or "500ms"
          hint: variables are filled in only where any text may stand
        "#
    );
}

#[test]
fn twenty_thousand_included_files_are_read_in_a_moment() {
    let mut sources = Memory::default().file("/work/m.toml", "version = 1\nfleet = \"f\"\ninclude = [\"parts/*.toml\"]\n");
    for number in 0..20_000 {
        sources = sources.file(&format!("/work/parts/{number:05}.toml"), &format!("[agents.a{number}]\ncommand = \"x\"\n"));
    }
    let begun = std::time::Instant::now();
    let loaded = load("m.toml", &sources, &std::collections::BTreeMap::new());
    assert_eq!(loaded.desired.unwrap().agents.len(), 20_000);
    // A few seconds without optimization on a busy machine; a comparison of each with each takes minutes.
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
}
