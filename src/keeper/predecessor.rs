//! What a keeper that was killed may have left: who holds the fence looks for a living program of another life before it starts its own. It refuses, and
//! ends nothing: whether what lives is asked or killed is decided by the next look.
//!
//! Whoever asks for a start has looked at all processes just before, once for many starts. Between that look and the fence another keeper may have had
//! its whole life, so what was started since is looked at once more.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::life::Refusal;
use super::{LOCKED, NO_LOCK, RuledOut};
use crate::desired::Mark;
use crate::process::{self, Among, Keeper, ProcId};

/// Another keeper that waits for the fence in vain is gone by then, and a process that a killed keeper had just begun has become the program.
const PATIENCE: Duration = Duration::from_millis(700);

/// The pause before the next look while there is such a keeper.
const PAUSE: Duration = Duration::from_millis(5);

/// How many looks in a row must find nothing: a process that is just becoming another program shows neither what it was nor what it will be.
const LOOKS: u32 = 2;

/// Which processes are still to be looked at; none if the start was not asked for after a look and nobody else was met.
pub(super) fn unseen(ruled_out: Option<RuledOut>, contested: bool) -> Option<Among> {
    match ruled_out {
        Some(known) if known.namespace.is_some() && known.namespace == process::pid_namespace() => Some(Among::Since(known.number)),
        Some(_) => Some(Among::All),
        None => contested.then_some(Among::All),
    }
}

/// Refuses if anything of another life of this agent lives, whichever state folder it was started for.
pub(super) fn rule_out(label: &Mark, among: Among) -> Result<(), Refusal> {
    let untold = |error: io::Error| Refusal {
        code: NO_LOCK,
        why: format!("whether another instance of this agent lives could not be told: {error}"),
    };
    let until = Instant::now() + PATIENCE;
    let mut clean = 0;
    while clean < LOOKS {
        // In this order: a keeper's child may have become the program by the second look, and never the other way round.
        let keeper = keeper(label, among).map_err(untold)?;
        if let Some((mark, process)) = program(label, among).map_err(untold)? {
            return Err(refused(&mark, &process));
        }
        match keeper {
            Some(keeper) if Instant::now() >= until => return Err(refused(&keeper.mark, &keeper.process)),
            Some(_) => {
                clean = 0;
                std::thread::sleep(PAUSE);
            }
            None => clean += 1,
        }
    }
    Ok(())
}

fn keeper(label: &Mark, among: Among) -> io::Result<Option<Keeper>> {
    let is_other = |keeper: &Keeper| keeper.mark.fleet == label.fleet && keeper.mark.agent == label.agent && keeper.mark != *label;
    Ok(process::keepers_among(among)?.into_iter().find(is_other))
}

fn program(label: &Mark, among: Among) -> io::Result<Option<(Mark, ProcId)>> {
    let found = process::living_of(among, &label.fleet, |agent| *agent == label.agent)?;
    Ok(found.into_iter().filter(|(mark, _)| mark != label).find_map(|(mark, processes)| Some((mark, processes.into_iter().next()?))))
}

fn refused(mark: &Mark, process: &ProcId) -> Refusal {
    let folder = process::variable(process.pid, "RECONCILE_STATE_DIR").ok().flatten().map(PathBuf::from);
    let folder = folder.map(|folder| format!(" for the state folder {}", folder.display())).unwrap_or_default();
    let why = format!("{process} of this agent's generation {}, started{folder}, still runs; nothing was started", mark.generation);
    Refusal { code: LOCKED, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_met_another_or_cannot_tell_what_was_looked_at_looks_at_all() {
        let namespace = process::pid_namespace();
        let known = |namespace| Some(RuledOut { number: 7, namespace });
        for contested in [false, true] {
            assert_eq!(unseen(known(namespace), contested), Some(Among::Since(7)), "what was started before was looked at");
            assert_eq!(unseen(known(Some(1)), contested), Some(Among::All), "numbers of another namespace mean others");
            assert_eq!(unseen(known(None), contested), Some(Among::All));
        }
        assert_eq!((unseen(None, false), unseen(None, true)), (None, Some(Among::All)));
    }
}
