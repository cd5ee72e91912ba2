//! Stopping the processes of an instance where they are, and setting them going again.

use std::collections::BTreeSet;

use super::Outcome;
use super::act::{below, is_of};
use crate::observed::Instance;
use crate::process::{self, Liveness, ProcId, Signal};

/// So often at most is it looked for processes that were started meanwhile.
const ROUNDS: usize = 20;

/// Stops the program and all its descendants. Its keeper goes on: it does nothing but wait.
pub(super) fn freeze(only: &Instance) -> Outcome {
    let Some(program) = program(only) else { return Outcome::Refused("it does not run".to_owned()) };
    let mut stopped: BTreeSet<ProcId> = BTreeSet::new();
    for _ in 0..ROUNDS {
        let new: Vec<ProcId> = all(only, program).into_iter().filter(|process| !stopped.contains(process)).collect();
        if new.is_empty() {
            return Outcome::Done;
        }
        for process in new {
            if let Err(error) = process::signal(&process, Signal::STOP) {
                return Outcome::Failed(format!("{process} could not be stopped: {error}"));
            }
            stopped.insert(process);
        }
    }
    Outcome::Failed("it starts processes faster than they can be stopped".to_owned())
}

/// Sets them going again, the program last.
pub(super) fn thaw(only: &Instance) -> Outcome {
    let Some(program) = program(only) else { return Outcome::Refused("it does not run".to_owned()) };
    let mut failed = None;
    for process in all(only, program).iter().rev() {
        if let Err(error) = process::signal(process, Signal::CONT) {
            failed = Some(Outcome::Failed(format!("{process} could not be set going: {error}")));
        }
    }
    failed.unwrap_or(Outcome::Done)
}

fn program(only: &Instance) -> Option<&ProcId> {
    only.program.as_ref().filter(|program| program.liveness() == Liveness::Alive)
}

/// The program and its descendants, parents first.
fn all(only: &Instance, program: &ProcId) -> Vec<ProcId> {
    let own = below(program, only.mark.as_ref()).into_iter().filter(|process| is_of(process, only.mark.as_ref()));
    std::iter::once(program.clone()).chain(own).collect()
}
