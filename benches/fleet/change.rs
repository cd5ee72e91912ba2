//! Changing and ending a fleet that runs.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::Signal;

use crate::Task;
use crate::ground::{FIELDS, Ground, end, lives, wait_for_end};
use crate::measure::{Aim, Row, Samples, timed};
use crate::rest::copies;

/// The age at which an instance is changed or ended here. A keeper lives for a tenth of a second at least, so that tmux does not lose its last
/// words; whatever is ended sooner is not what people have.
const GROWN: Duration = Duration::from_millis(200);

/// One agent of many gets another command: three bare looks and its drain may pass. The others are not touched.
pub(crate) fn replace_one(task: &Task) -> Vec<Row> {
    let mut rows = Vec::new();
    for agents in &task.agents {
        let ground = Ground::new(task);
        let declare =
            |round: usize| ground.declare(&format!("{}[agents.one]\ncommand = [\"sleep\", \"{}\"]\n", copies(agents - 1), 100_000 + round));
        declare(0);
        ground.reconcile(&["apply", "--auto-approve"]);
        let (mut ours, mut looks, mut drains) = (Samples::default(), Samples::default(), Samples::default());
        for round in 1..=task.repeat(9) {
            declare(round);
            std::thread::sleep(GROWN);
            looks.0.push(timed(|| ground.tmux(&["list-panes", "-a", "-F", FIELDS])).0);
            drains.0.push(bare_drain(&ground));
            let before: BTreeMap<String, u32> = ground.panes().into_iter().collect();
            ours.0.push(timed(|| ground.reconcile(&["apply", "--auto-approve"])).0);
            let after: BTreeMap<String, u32> = ground.panes().into_iter().collect();
            let changed: Vec<&String> = before.iter().filter(|(name, pid)| after.get(*name) != Some(pid)).map(|(name, _)| name).collect();
            assert_eq!(changed, ["one"], "nobody else is touched");
        }
        let aim = Aim { times: 3.0, plus: drains.median() };
        rows.push(Row { what: "replace one of N".to_owned(), agents: *agents, unit: "ms", ours, yardstick: looks, aim });
    }
    rows
}

/// How long a program in a pane of the same server takes to leave after Ctrl-C from a bare client.
fn bare_drain(ground: &Ground) -> f64 {
    let started = ground.tmux(&["new-session", "-d", "-P", "-F", "#{pane_pid}", "-s", "_drained", "--", "sleep", "100000"]);
    let pid: u32 = String::from_utf8_lossy(&started.stdout).trim().parse().expect("tmux prints a number");
    // A program that is not yet there cannot be interrupted.
    let words = || std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    while !words().starts_with(b"sleep") {
        std::thread::sleep(Duration::from_millis(1));
    }
    let (took, ()) = timed(|| {
        ground.tmux(&["send-keys", "-t", "=_drained:", "C-c"]);
        wait_for_end(&[pid]);
    });
    ground.tmux(&["kill-session", "-t", "=_drained"]);
    took
}

/// `down`, until no process of the fleet is left, beside the same signal to the same programs and the wait for their end.
pub(crate) fn down(task: &Task) -> Vec<Row> {
    let mut rows = Vec::new();
    for (what, more) in [("down, tmux", ""), ("down, daemons", "runtime = \"daemon\"\n")] {
        for agents in &task.agents {
            let (mut ours, mut yardstick) = (Samples::default(), Samples::default());
            for _ in 0..task.repeat(if *agents < 500 { 5 } else { 3 }) {
                yardstick.0.push(ended(task, *agents, more, |_, programs, keepers| {
                    for program in programs {
                        end(*program, Signal::TERM);
                    }
                    wait_for_end(programs);
                    wait_for_end(keepers);
                }));
                ours.0.push(ended(task, *agents, more, |ground, _, _| drop(ground.reconcile(&["down", "--auto-approve"]))));
            }
            rows.push(Row { what: what.to_owned(), agents: *agents, unit: "ms", ours, yardstick, aim: Aim { times: 2.0, plus: 0.0 } });
        }
    }
    rows
}

/// How long `work` takes to end a new fleet; nothing of it lives afterwards.
fn ended(task: &Task, agents: usize, more: &str, work: impl FnOnce(&Ground, &[u32], &[u32])) -> f64 {
    let ground = Ground::new(task);
    ground.declare(&format!("{}{more}", copies(agents)));
    ground.reconcile(&["apply", "--auto-approve"]);
    let (keepers, programs) = ground.settled(agents);
    std::thread::sleep(GROWN);
    let (took, ()) = timed(|| work(&ground, &programs, &keepers));
    let left: Vec<u32> = keepers.into_iter().chain(programs).filter(|pid| lives(*pid)).collect();
    assert_eq!(left, [0; 0], "nothing is left");
    took
}
