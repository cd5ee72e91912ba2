//! What a look at the simulated machine brings.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::{Ask, Found, Gap, Life, Look};
use super::{Lived, Sim};
use crate::desired::{AgentSpec, FleetName, Place};
use crate::observed::{Exit, Obstacle, Stranger};

impl Sim {
    pub(super) fn look_at(&mut self, ask: &Ask<'_>) -> Look {
        let call = self.call();
        let blind = self.faults.blind.contains(&call);
        let mut found = self.found(ask.fleet, blind);
        if ask.closely {
            found.retain(|found| ask.known.iter().any(|known| known.mark == found.instance.mark));
        } else {
            self.last_look = (!blind).then(|| (ask.fleet.clone(), found.clone(), self.strangers.clone()));
        }
        Look {
            at: self.now,
            found,
            strangers: self
                .strangers
                .iter()
                .map(|session| Stranger { place: format!("sim:{session}"), pid: Some(1), why: "no mark".to_owned() })
                .collect(),
            gaps: if blind { vec![Gap::Server(PathBuf::from("/sim"), "no answer".to_owned())] } else { Vec::new() },
            warnings: Vec::new(),
            foreign_server: false,
            conditions: self.conditions.clone(),
            left: ask.left.clone(),
            complaints: BTreeMap::new(),
            namespace: Some(1),
            searched: Some("sim".into()),
            fenced: BTreeMap::new(),
        }
    }

    pub(super) fn obstacle(&self, spec: &AgentSpec) -> Option<Obstacle> {
        match &spec.launch.place {
            _ if self.missing.contains(&spec.launch.cwd) => Some(Obstacle::CwdMissing(spec.launch.cwd.clone())),
            Place::Tmux { session, .. } if self.strangers.contains(session.as_str()) => {
                Some(Obstacle::PlaceTaken(format!("session {session} is not ours")))
            }
            Place::Tmux { .. } | Place::Daemon { .. } => None,
        }
    }

    /// Whether another look would find what the last one did.
    pub(super) fn is_as_last_seen(&mut self) -> bool {
        self.call();
        let Some((fleet, found, strangers)) = self.last_look.take() else { return false };
        let same = self.ended.is_empty() && (&found, &strangers) == (&self.found(&fleet, false), &self.strangers);
        self.last_look = same.then_some((fleet, found, strangers));
        same
    }

    /// What is there of a fleet, as far as it is seen.
    fn found(&self, fleet: &FleetName, blind: bool) -> Vec<Found> {
        let ours = |life: &&Lived| life.instance.mark.as_ref().is_some_and(|mark| mark.fleet == *fleet);
        let seen = |life: &&Lived| !life.cleared && (!blind || life.session.is_none());
        let found = |life: &Lived| Found {
            instance: life.instance.clone(),
            life: match &life.ends_at {
                Some((at, Exit::Unseen)) if self.now >= *at => Life::Lost,
                Some((at, exit)) if self.now >= *at => Life::Ended { since: Some(life.since), at: *at, exit: exit.clone(), clean: true },
                Some(_) | None => Life::Alive { since: Some(life.since) },
            },
            elsewhere: None,
            attached: life.session.as_ref().and_then(|session| self.attached.get(session)).copied().unwrap_or(0),
        };
        self.instances.iter().filter(ours).filter(seen).map(found).collect()
    }
}
