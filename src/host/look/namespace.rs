//! Whether the numbers in a record mean processes of the pid namespace of this look.

use super::Looking;
use crate::host::Known;
use crate::observed::{Instance, Seat};
use crate::process::{self, Liveness, ProcId};

impl Looking<'_> {
    /// Why the end of an adopted process that is not there cannot be told. Nothing holds a lock or a fence for it, and a record of version 0.1.0 does
    /// not say in which namespace it has its number: where nothing else that the records know is here either, this may be another one.
    pub(super) fn why_not_gone(&self, known: &Known) -> Option<String> {
        let process = known.instance.as_ref().and_then(|instance| instance.program.as_ref())?;
        let sees_all = self.look.namespace == Some(process::FIRST_NAMESPACE);
        if known.namespace.is_some()
            || process.boot_id != process::boot_id()
            || sees_all
            || self.ask.known.iter().any(|other| self.is_here(other))
        {
            return None;
        }
        Some(format!("process {} is not in this pid namespace, and its record does not say whether it should be", process.pid))
    }

    fn is_here(&self, known: &Known) -> bool {
        if known.namespace.is_some() {
            return known.namespace == self.look.namespace;
        }
        let lives = |process: &ProcId| process.liveness() == Liveness::Alive;
        let Some(Instance { keeper, program, seat, .. }) = &known.instance else { return false };
        let server = match seat {
            Seat::Pane { server, .. } => Some(server),
            Seat::Detached { .. } | Seat::Adrift { .. } => None,
        };
        keeper.iter().chain(program).chain(server).any(lives)
    }
}
