//! What the program costs before it does anything, and what stays of it.

use std::process::Command;

use crate::Task;
use crate::ground::Ground;
use crate::measure::{Aim, Row, Samples, timed};
use crate::rest::copies;

/// Its start, its size, and the memory of a keeper.
pub(crate) fn all(task: &Task) -> Vec<Row> {
    let (mut ours, mut yardstick) = (Samples::default(), Samples::default());
    let run = |command: &mut Command| timed(|| command.output().expect("it can be started")).0;
    for _ in 0..task.repeat(41) {
        yardstick.0.push(run(&mut Command::new("/bin/true")));
        ours.0.push(run(Command::new(&task.program).arg("--version")));
    }
    let start =
        Row { what: "--version over /bin/true".to_owned(), agents: 0, unit: "ms", ours, yardstick, aim: Aim { times: 1.0, plus: 3.0 } };
    let alone = |what: &str, unit, values, most| Row {
        what: what.to_owned(),
        agents: 0,
        unit,
        ours: Samples(values),
        yardstick: Samples::default(),
        aim: Aim { times: 0.0, plus: most },
    };
    let size = std::fs::metadata(&task.program).expect("it is there").len() as f64 / 1024.0 / 1024.0;
    let size = alone("size of the program, stripped", "MiB", vec![size], 8.0);
    vec![start, size, alone("private memory of a keeper", "KiB", keepers_memory(task), 512.0)]
}

/// The private memory of ten keepers, in KiB.
fn keepers_memory(task: &Task) -> Vec<f64> {
    let ground = Ground::new(task);
    ground.declare(&copies(10));
    ground.reconcile(&["apply", "--auto-approve"]);
    ground.keepers().into_iter().map(private).collect()
}

fn private(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("it is ours");
    let private = text.lines().filter(|line| line.starts_with("Private_"));
    private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok()).sum()
}
