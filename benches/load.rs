//! How long loading takes: it is on the way of every command.

use std::collections::BTreeMap;
use std::fmt::Write;

use divan::Bencher;
use reconcile::manifest::{Memory, load};

fn main() {
    divan::main();
}

const HEAD: &str = r#"
version = 1
fleet = "atlas"
[vars]
model = "opus"
[defaults]
cwd = "~/src/atlas"
restart = { backoff = { first = "1s", max = "30s" }, give_up = { failures = 5, within = "15m" } }
[templates.coder]
command = ["claude", "--model", "${var.model}", "--name", "${name}"]
ready = { screen = '❯' }
labels = { tier = "prod" }
"#;

/// So many agents as copies of ten tables.
fn copies(agents: usize) -> String {
    let mut text = HEAD.to_owned();
    for group in 0..10 {
        let copies = agents / 10;
        write!(
            text,
            "[agents.a{group}]\ntemplate = \"coder\"\nreplicas = {copies}\nsession = \"s{group}\"\nenv = {{ N = \"${{index}}\" }}\n"
        )
        .expect("a string takes everything");
    }
    text
}

/// So many agents with a table each.
fn tables(agents: usize) -> String {
    let mut text = HEAD.to_owned();
    for agent in 0..agents {
        let before = agent.saturating_sub(1);
        write!(
            text,
            "\n[agents.a{agent}]\ntemplate = \"coder\"\ncwd = \"work/{agent}\"\nenv = {{ A = \"1\", B = \"${{name}}\" }}\nsession = \"s{}\"\nprotect = true\n",
            agent / 10
        )
        .expect("a string takes everything");
        if agent > 0 {
            writeln!(text, "after = [\"a{before}\"]").expect("a string takes everything");
        }
    }
    text
}

fn bench(bencher: Bencher<'_, '_>, text: &str) {
    let world = Memory::with_manifest(text);
    bencher.bench(|| {
        let loaded = load("constellation.toml", &world, &BTreeMap::new());
        assert!(loaded.desired.is_some(), "{:?}", loaded.diagnostics.first());
        loaded
    });
}

#[divan::bench(args = [10, 1_000, 10_000])]
fn copies_of_ten_tables(bencher: Bencher<'_, '_>, agents: usize) {
    bench(bencher, &copies(agents));
}

#[divan::bench(args = [10, 1_000, 10_000])]
fn a_table_for_each_agent(bencher: Bencher<'_, '_>, agents: usize) {
    bench(bencher, &tables(agents));
}
