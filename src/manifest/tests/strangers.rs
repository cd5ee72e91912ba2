//! Names of programs that are looked for.

use super::*;

#[test]
fn names_of_programs_are_taken_with_wildcards_and_variables() {
    let text = "version = 1\nfleet = \"atlas\"\nvars.program = \"claude\"\n[strangers]\nmatch = [\"${var.program}\", \"codex-*\"]\n";
    let loaded = load("constellation.toml", &Memory::with_manifest(text), &BTreeMap::new());
    assert_eq!(loaded.diagnostics, []);
    assert_eq!(loaded.desired.unwrap().strangers, ["claude", "codex-*"]);
}

#[test]
fn what_would_match_nothing_or_everything_is_refused() {
    insta::assert_snapshot!(check("[strangers]\nmatch = [\"\", \"*\", \"??\", \"~/bin/claude\", \"cl[a]ude\", \"a\\u0007\", \"${var.x}\", \"ok\"]\n"), @r#"
    Error 4 «""»: this cannot be empty
    Error 4 «"*"»: `*` has nothing but wildcards, and would match whatever runs
      hint: name the programs that are meant, such as "claude" or "claude-*"
    Error 4 «"??"»: `??` has nothing but wildcards, and would match whatever runs
      hint: name the programs that are meant, such as "claude" or "claude-*"
    Error 4 «"~/bin/claude"»: `~/bin/claude` is a path, and a program is known by its name
      hint: write the name of its file alone: "claude"
    Error 4 «"cl[a]ude"»: `cl[a]ude` has brackets, which mean nothing here
      hint: `*` stands for anything and `?` for one character; write a pattern for each name
    Error 4 «"a\u0007"»: control characters have no place here
    Error 4 «${var.x}»: unknown variable `${var.x}`
      hint: declare it under [vars]
    "#);
}
