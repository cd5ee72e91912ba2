//! What lives of agents that are to be started and no record of this state folder knows: a program whose keeper was killed, started for another state
//! folder since the last life of the agent here ended. One pass over the processes for many starts; what lives is left alone here.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Mutex, PoisonError};

use super::{Outcome, Spawn};
use crate::desired::{AgentName, FleetName, Leftovers, Mark};
use crate::keeper::RuledOut;
use crate::process::{self, Among, ProcId};

/// After so many new processes all are looked at again: each keeper looks at those that were started since, and a thousand starts are a few thousand
/// processes.
const STALE: u32 = 256;

/// The look at all processes that comes before the starts of a round.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Those that are started in this round.
    agents: BTreeSet<AgentName>,
    seen: Mutex<Option<Seen>>,
}

#[derive(Debug)]
struct Seen {
    ruled_out: RuledOut,
    living: BTreeMap<Mark, ProcId>,
}

impl Survey {
    /// Before the starts of a round.
    pub(super) fn begin<'a>(&mut self, spawns: impl Iterator<Item = &'a Spawn>) {
        // What was left running as declared is in nobody's way.
        let asked = spawns.filter(|spawn| spawn.spec.care.leftovers == Leftovers::Kill);
        *self = Self { agents: asked.map(|spawn| spawn.mark.agent.clone()).collect(), seen: Mutex::default() };
    }

    /// Up to where it is ruled out that another instance of this agent lives; none if that is not asked of it. The outcome says which one lives.
    pub(super) fn rule_out(&self, fleet: &FleetName, spawn: &Spawn) -> Result<Option<RuledOut>, Outcome> {
        if !self.agents.contains(&spawn.mark.agent) {
            return Ok(None);
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let untold = |error: io::Error| Outcome::Hindered(format!("the processes of this machine could not be looked at: {error}"));
        let newest = process::newest_number().map_err(untold)?;
        let is_fresh = |seen: &Seen| newest.checked_sub(seen.ruled_out.number).is_some_and(|started| started < STALE);
        if !seen.as_ref().is_some_and(is_fresh) {
            *seen = Some(self.look(fleet, newest).map_err(untold)?);
        }
        let Some(Seen { ruled_out, living }) = &*seen else { return Ok(None) };
        match living.iter().find(|(mark, _)| mark.agent == spawn.mark.agent && **mark != spawn.mark) {
            Some((mark, process)) => Err(Outcome::Refused(lives(mark, process))),
            None => Ok(Some(*ruled_out)),
        }
    }

    fn look(&self, fleet: &FleetName, number: u32) -> io::Result<Seen> {
        let is_meant = |agent: &AgentName| self.agents.contains(agent);
        // In this order: a keeper's child may have become the program by the second look, and never the other way round.
        let keepers = process::keepers()?.into_iter().filter(|keeper| keeper.mark.fleet == *fleet && is_meant(&keeper.mark.agent));
        let mut living: BTreeMap<Mark, ProcId> = keepers.map(|keeper| (keeper.mark, keeper.process)).collect();
        for (mark, processes) in process::living_of(Among::All, fleet, is_meant)? {
            living.extend(processes.into_iter().next().map(|process| (mark, process)));
        }
        Ok(Seen { ruled_out: RuledOut { number, namespace: process::pid_namespace() }, living })
    }
}

fn lives(mark: &Mark, process: &ProcId) -> String {
    let folder = process::variable(process.pid, "RECONCILE_STATE_DIR").ok().flatten();
    let folder = folder.map(|folder| format!(" for the state folder {}", folder.to_string_lossy())).unwrap_or_default();
    format!("{process} of its generation {}, started{folder}, still runs", mark.generation)
}
