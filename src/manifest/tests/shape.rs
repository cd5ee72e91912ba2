//! The shape of a manifest: keys, types, syntax, files.

use super::{check, outcome};
use crate::manifest::Memory;

#[test]
fn the_smallest_fleet() {
    insta::assert_snapshot!(check("[agents.lead]\ncommand = ['claude']"), @r#"lead command=["claude"]"#);
}

#[test]
fn all_errors_in_one_run() {
    insta::assert_snapshot!(
        check(
            r#"
[agents.lead]
comand = ["claude"]
replicas = "three"
protect = 1
ready = { tcp = "localhost", timout = "5s", interval = "5" }
drain = [{ signal = "TERMINATE" }, { keys = "C-c" }, { wait = "1s" }]
restart = { policy = "allways", backoff = { factor = 0.5 } }
hold = ["busy", "idle"]
x-note = 1
"#
        ),
        @r#"
    Error 5 «comand»: unknown key `comand`
      hint: did you mean `command`?
    Error 6 «"three"»: expected a whole number, 0 or more, found the string "three"
    Error 7 «1»: expected true or false, found the number 1
    Error 8 «"localhost"»: `localhost` is no address: there is no port
      hint: write host and port like "127.0.0.1:7411"
    Error 8 «timout»: unknown key `timout`
      hint: did you mean `timeout`?
    Error 8 «"5"»: `5` is not a length of time: write it like "90s", "5m", "1h30m" or "500ms"
    Error 9 «"TERMINATE"»: `TERMINATE` is not one of `TERM`, `INT`, `HUP`, `QUIT`, `USR1`, `USR2`, `KILL`
      hint: did you mean `TERM`?
    Error 9 «"C-c"»: expected an array, found the string "C-c"
    Error 9 «{ wait = "1s" }»: a step needs exactly one of `ask`, `keys`, `signal`, `command` and `message`
      hint: write a step such as { signal = "TERM", wait = "10s" }
    Error 10 «"allways"»: `allways` is not one of `always`, `on-failure`, `never`
      hint: did you mean `always`?
    Error 10 «0.5»: a pause cannot get shorter: `factor` is at least 1
    Error 11 «"idle"»: `idle` is not one of `busy`, `attached`
    "#
    );
}

#[test]
fn every_syntax_error_is_found() {
    insta::assert_snapshot!(
        check("[agents.lead\ncommand = ['claude']\n[agents.b]\ncommand = [1, \n[agents.c]\ncommand = nope\n"),
        @r#"
        Error 3 «»: unclosed table, expected `]`
        Error 6 «1»: expected a string, found the number 1
        Error 7 «agents.c»: string values must be quoted, expected literal string
        Error 8 «»: missing comma between array elements, expected `,`
        Error 8 «command»: string values must be quoted, expected literal string
        Error 8 «=»: unexpected `=` in array, expected value, `]`
        Error 8 «»: missing comma between array elements, expected `,`
        Error 8 «nope»: invalid float, expected `nan`
        Error 8 «»: unclosed array, expected `]`
        "#
    );
}

#[test]
fn what_is_declared_twice_is_named_with_both_lines() {
    insta::assert_snapshot!(
        check("[agents.a]\ncommand = ['x']\ncwd = '.'\ncwd = '/'\n[agents.b]\ncommand = ['x']\n[agents.a]\ncommand = ['y']\n"),
        @r#"
        Error 6 «cwd», 5 «cwd» (first declared here): `cwd` is declared twice
        Error 9 «a», 3 «a» (first declared here): `a` is declared twice
        "#
    );
}

#[test]
fn version_and_name_are_required() {
    let world = |text| outcome(&Memory::with_manifest(text), &[]);
    insta::assert_snapshot!(world(""), @r#"
        Error 1 «»: the fleet has no name
          hint: add a line such as: fleet = "atlas"
        Error 1 «»: the version of the format is missing
          hint: add the line: version = 1
        "#);
    insta::assert_snapshot!(world("version = 2\nfleet = 'Atlas'"), @r#"
        Error 1 «2»: version 2 of the format is not known
          hint: this tool reads version 1
        Error 2 «'Atlas'»: `Atlas` cannot be the name of a fleet
          hint: use up to 63 of a-z, 0-9, `_` and `-`, beginning with a letter or digit
        "#);
    insta::assert_snapshot!(world("version = '1'\nfleet = 1"), @r#"
        Error 1 «'1'»: expected a whole number, found the string "1"
        Error 2 «1»: expected a string, found the number 1
        "#);
    insta::assert_snapshot!(outcome(&Memory::default(), &[]), @"Error 1 «»: constellation.toml does not exist");
    let mut world = Memory::with_manifest("");
    world.unreadable.insert("/work/constellation.toml".into());
    insta::assert_snapshot!(outcome(&world, &[]), @"Error 1 «»: constellation.toml could not be read: permission denied");
}

#[test]
fn keys_that_do_not_work_yet_are_unknown() {
    insta::assert_snapshot!(
        check(
            r#"
[retention]
runs = 20
[[hosts]]
name = "far"
[agents.lead]
command = ["claude"]
drain = [{ ask = "bye", wait = "5s" }, { signal = "TERM", until = { file = "x" } }]
"#
        ),
        @"
    Error 4 «retention»: unknown key `retention`
      hint: known here: `version`, `fleet`, `include`, `tmux`, `vars`, `guard`, `strangers`, `watch`, `notify`, `defaults`, `templates`, `sessions`, `agents`
    Error 6 «hosts»: unknown key `hosts`
      hint: known here: `version`, `fleet`, `include`, `tmux`, `vars`, `guard`, `strangers`, `watch`, `notify`, `defaults`, `templates`, `sessions`, `agents`
    "
    );
}

#[test]
fn the_way_out_of_a_preset() {
    let drain = |preset: &str| {
        let agent = check(&format!("[agents.lead]\ncommand = ['x']\npreset = '{preset}'\n"));
        agent.split_once("drain=").map(|(_, rest)| rest.split(' ').next().unwrap().to_owned())
    };
    // Gemini's first process ignores TERM, and ends when the second has.
    insta::assert_snapshot!(drain("gemini").unwrap(), @r#"[{"ask":"/quit","wait":"10s"},{"signal":"TERM","to":"tree","wait":"10s"}]"#);
    insta::assert_snapshot!(drain("claude").unwrap(), @r#"[{"ask":"/exit","wait":"10s"},{"signal":"TERM","to":"main","wait":"10s"}]"#);
}

#[test]
fn notes_for_people_are_left_alone_in_every_table() {
    insta::assert_snapshot!(
        check(
            r#"
x-top = { any = [1, 2] }
[tmux]
x-a = 1
[guard]
x-a = 1
[defaults]
x-a = 1
[templates.t]
x-a = 1
[sessions.s]
x-a = 1
[agents.lead]
command = ["claude"]
session = "s"
x-a = 1
ready = { delay = "1s", x-a = 1 }
restart = { x-a = 1, backoff = { x-a = 1 }, give_up = { x-a = 1 } }
drain = [{ signal = "INT", x-a = 1 }]
secrets.KEY = { env = "KEY", x-a = 1 }
"#
        ),
        @r#"lead command=["claude"] drain=[{"signal":"INT","to":"main","wait":"10s"}] secrets={"KEY":{"env":"KEY","on_change":"ignore"}} session="s""#
    );
}

#[test]
fn included_files_have_the_same_tables() {
    let main = "version = 1\nfleet = 'atlas'\ninclude = ['teams/*.toml', 'none/*.toml', 'gone.toml', 'empty/*.toml', 3]\n[agents.lead]\ncommand = ['x']\ntemplate = 't'";
    let world = Memory::with_manifest(main).folder("/work/empty").file("/work/teams/a.txt", "");
    let good = world.clone().file("/work/teams/a.toml", "version = 1\n[templates.t]\ncwd = 'here'\nenv_file = ['~/e']");
    insta::assert_snapshot!(outcome(&good, &[]), @r#"
        Error 3 «'none/*.toml'»: it is not known which files to include: /work/none does not exist
        Error 3 «'gone.toml'»: gone.toml does not exist
        Warning 3 «'empty/*.toml'»: `empty/*.toml` matches no file
        Error 3 «3»: expected a string, found the number 3
        "#);
    let bad = world
        .file("/work/teams/a.toml", "fleet = 'b'\ninclude = ['x']\n[templates.t]\n[vars]\na = 1\n[sessions.s]\n[defaults]\ncwd = 'x'")
        .file(
            "/work/teams/b.toml",
            "version = 3\n[templates.t]\n[agents.lead]\n[vars]\na = 2\nb = 1\n[sessions.s]\n[defaults]\ncwd = 'y'\nprotect = true",
        );
    insta::assert_snapshot!(outcome(&bad, &[]), @r#"
        Error 3 «'none/*.toml'»: it is not known which files to include: /work/none does not exist
        Error 3 «'gone.toml'»: gone.toml does not exist
        Warning 3 «'empty/*.toml'»: `empty/*.toml` matches no file
        Error 3 «3»: expected a string, found the number 3
        Error teams/a.toml1 «fleet», 2 «fleet» (first declared here): `fleet` is declared twice
        Error teams/a.toml2 «include»: an included file cannot include others
          hint: include them in the manifest itself
        Warning teams/a.toml6 «s»: no agent is in session `s`
        Error teams/b.toml1 «3»: version 3 of the format is not known
          hint: this tool reads version 1
        Error teams/b.toml2 «t», teams/a.toml3 «t» (first declared here): `t` is declared twice
        Error teams/b.toml3 «lead», 4 «lead» (first declared here): `lead` is declared twice
        Error teams/b.toml5 «a», teams/a.toml5 «a» (first declared here): `a` is declared twice
        Error teams/b.toml7 «s», teams/a.toml6 «s» (first declared here): `s` is declared twice
        Error teams/b.toml9 «cwd», teams/a.toml8 «cwd» (first declared here): `cwd` is declared twice
        "#);
}

#[test]
fn an_included_file_is_read_beside_itself() {
    let world = Memory::with_manifest("version = 1\nfleet = 'atlas'\ninclude = ['teams/a.toml']")
        .file("/work/teams/a.toml", "[agents.lead]\ncommand = ['x']\ncwd = 'here'\nenv.F = '${dir.manifest}'");
    insta::assert_snapshot!(outcome(&world, &[]), @r#"lead command=["x"] cwd="/work/teams/here" env={"F":"/work"}"#);
}
