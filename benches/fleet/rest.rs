//! A fleet at rest: what every look costs.

use std::fmt::Write;

use crate::Task;
use crate::ground::{FIELDS, Ground};
use crate::measure::{Aim, Row, Samples, timed};

/// The aim of everything that looks once.
const ONE_LOOK: Aim = Aim { times: 1.5, plus: 2.0 };

/// `plan`, `status` and `apply` that find nothing to do, beside one bare listing of the same fields from the same server.
pub(crate) fn at_rest(task: &Task) -> Vec<Row> {
    let mut rows = Vec::new();
    for agents in &task.agents {
        let ground = Ground::new(task);
        ground.declare(&copies(*agents));
        ground.reconcile(&["apply", "--auto-approve"]);
        ground.reconcile(&["plan"]);
        let repeat = task.repeat(15);
        for (what, words) in
            [("plan at rest", &["plan"][..]), ("status at rest", &["status"]), ("apply at rest", &["apply", "--auto-approve"])]
        {
            rows.push(pairs(&ground, what, *agents, words, repeat));
        }
        ground.declare(&tables(*agents));
        rows.push(pairs(&ground, "plan at rest, N tables", *agents, &["plan"], repeat));
    }
    rows
}

fn pairs(ground: &Ground, what: &str, agents: usize, words: &[&str], repeat: usize) -> Row {
    let (mut ours, mut yardstick) = (Samples::default(), Samples::default());
    for _ in 0..repeat {
        let (took, listed) = timed(|| ground.tmux(&["list-panes", "-a", "-F", FIELDS]));
        assert_eq!(listed.stdout.split(|byte| *byte == b'\n').count(), agents + 1, "every agent has its pane");
        yardstick.0.push(took);
        let (took, said) = timed(|| ground.reconcile(words));
        ours.0.push(took);
        assert!(words[0] == "status" || said.stdout.starts_with(b"No changes"), "it is at rest: {}", String::from_utf8_lossy(&said.stdout));
    }
    Row { what: what.to_owned(), agents, unit: "ms", ours, yardstick, aim: ONE_LOOK }
}

/// So many agents as copies of one table.
pub(crate) fn copies(agents: usize) -> String {
    format!("[agents.clone]\ncommand = [\"sleep\", \"100000\"]\nreplicas = {agents}\n")
}

/// The same agents with a table each.
fn tables(agents: usize) -> String {
    let mut text = String::new();
    for agent in 1..=agents {
        writeln!(text, "[agents.clone-{agent}]\ncommand = [\"sleep\", \"100000\"]").expect("a string takes everything");
    }
    text
}
