//! Where each field of an agent comes from, what a manifest depends on, and that no text makes the loader panic.

use proptest::prelude::*;

use crate::desired::AgentName;
use crate::manifest::{Dependencies, Memory, load};

const MANIFEST: &str = r#"version = 1
fleet = "atlas"
include = ["teams/*.toml"]
[vars]
model = "opus"
[defaults]
env = { A = "1", B = "1" }
ready = { http = "http://a:1/", status = 204, timeout = "5s" }
[templates.base]
command = ["x", "${var.model}"]
restart.backoff = { first = "1s", max = "30s" }
[agents.clone]
template = "coder"
replicas = 2
env.B = "2"
restart = { backoff.max = "40s" }
x-note = "for people"
[agents.rig]
command = ["y"]
for_each = { dirs = "rigs/*", active_within = "7d" }
[agents.team]
command = ["y"]
for_each = { file = "teams.json" }
replace_on = ["a.conf"]
"#;

fn world() -> Memory {
    Memory::with_manifest(MANIFEST)
        .file("/work/teams/coder.toml", "[templates.coder]\nextends = \"base\"\nready = { tcp = \"a:1\" }\nlabels.tier = \"prod\"\n")
        .file("/work/teams.json", "[\"red\"]")
        .file("/work/a.conf", "")
        .file("/work/rigs/one/x", "")
}

#[test]
fn each_field_knows_where_it_comes_from() {
    let loaded = load("constellation.toml", &world(), &Default::default());
    let name: AgentName = "clone-2".parse().unwrap();
    let origins = loaded.explain(&name).unwrap();
    let lines: Vec<_> = origins.iter().map(|o| format!("{:22} {}:{} {}", o.field, o.file, o.line, o.layer)).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
        command                constellation.toml:10 template base
        env.A                  constellation.toml:7 defaults
        env.B                  constellation.toml:15 agent
        labels.tier            teams/coder.toml:4 template coder
        ready.tcp              teams/coder.toml:3 template coder
        ready.timeout          constellation.toml:8 defaults
        replicas               constellation.toml:14 agent
        restart.backoff.first  constellation.toml:11 template base
        restart.backoff.max    constellation.toml:16 agent
        template               constellation.toml:13 agent
        "#);
    assert!(loaded.explain(&"nobody".parse().unwrap()).is_none());
}

#[test]
fn everything_that_it_depends_on_can_be_watched() {
    let Dependencies { files, folders, activity, variables } = load("constellation.toml", &world(), &Default::default()).depends_on;
    insta::assert_debug_snapshot!((files, folders, activity, variables), @r#"
    (
        {
            "/work/a.conf",
            "/work/constellation.toml",
            "/work/teams/coder.toml",
            "/work/teams.json",
        },
        {
            "/work/rigs",
            "/work/teams",
        },
        {
            "/work/rigs/one",
        },
        {},
    )
    "#);
}

/// Pieces that manifests are made of, and some that they should not be made of.
const PIECES: &[&str] = &[
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "=",
    ".",
    ",",
    "\n",
    "#",
    "${",
    "$${",
    "}",
    "${name}",
    "${var.",
    "\\u0000",
    "\u{0}",
    "ä",
    "\u{1b}",
    "-1",
    "1e999",
    "nan",
    "99999999999999999999",
    "true",
    "2020-01-01",
    "[[agents]]",
    "[agents.a]",
    "[agents]",
    "[defaults]",
    "[templates.t]",
    "x-",
    "after = ",
    "ready = ",
    "replicas = ",
    "for_each = ",
    "{ dirs = '*' }",
    "extends = 't'",
    "template = 't'",
    "command = ",
    "env.",
    "~",
    "//",
    "..",
    "*",
    "[a-",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_makes_the_loader_panic(edits in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, prop::sample::select(PIECES)), 1..8)) {
        let mut text = MANIFEST.to_owned();
        for (place, removed, piece) in edits {
            let whole = |mut at: usize| {
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                at
            };
            let start = whole(place.index(text.len()));
            let end = whole((start + removed).min(text.len())).max(start);
            text.replace_range(start..end, piece);
        }
        let world = world().file("/work/constellation.toml", &text);
        let loaded = load("constellation.toml", &world, &Default::default());
        for span in loaded.diagnostics.iter().flat_map(|found| &found.spans) {
            let source = &loaded.texts[&span.file];
            prop_assert!(source.get(span.bytes.clone()).is_some(), "{span:?} is not within its text");
        }
        if let Some(desired) = &loaded.desired {
            for name in desired.agents.keys() {
                prop_assert!(loaded.explain(name).is_some());
            }
        }
    }
}
