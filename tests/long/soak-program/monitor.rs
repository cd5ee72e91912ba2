//! Looks all the time whether an agent is there twice.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reconcile::process::{Liveness, ProcId};

use super::{commands, machine};

/// Between two looks.
const BREATH: Duration = Duration::from_millis(20);

/// What a soak and its monitor share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) over: AtomicBool,
    pub(crate) looks: AtomicU64,
    pub(crate) twice: Mutex<Option<String>>,
}

/// Looks until the soak is over.
pub(crate) fn run(fleet: &str, lives: &PathBuf, shared: &Shared) {
    while !shared.over.load(Ordering::Relaxed) {
        for (agent, marks) in machine::marked(fleet) {
            let all: Vec<(&String, &Vec<ProcId>)> = marks.iter().collect();
            for (at, (one, ours)) in all.iter().enumerate() {
                for (other, theirs) in &all[at + 1..] {
                    if let Some((a, b)) = both_live(ours, theirs) {
                        say(shared, format!("{agent} is there twice: process {a} of {one} and process {b} of {other}"));
                    }
                }
            }
        }
        for entry in std::fs::read_dir(lives).into_iter().flatten().flatten() {
            if commands::read(&entry.path()).contains("\"what\":\"twice\"") {
                say(shared, format!("a program found another life of its agent: see {}", entry.path().display()));
            }
        }
        shared.looks.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(BREATH);
    }
}

fn say(shared: &Shared, what: String) {
    if let Ok(mut twice) = shared.twice.lock() {
        twice.get_or_insert(what);
    }
}

/// Two that live at the same moment: one is seen before and after the other.
fn both_live(ours: &[ProcId], theirs: &[ProcId]) -> Option<(u32, u32)> {
    let lives = |process: &ProcId| process.liveness() == Liveness::Alive;
    let pairs = ours.iter().flat_map(|one| theirs.iter().map(move |other| (one, other)));
    pairs.filter(|(one, other)| lives(one) && lives(other) && lives(one)).map(|(one, other)| (one.pid, other.pid)).next()
}
