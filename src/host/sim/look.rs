//! What a look at the simulated machine brings. It finds what one at the real machine would: what a record knows, what is in a pane, and what only a
//! search among the processes shows, where there is reason for one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::super::owner::other_folder;
use super::super::{Ask, Found, Gap, Known, Life, Look, Unproven};
use super::{Lived, Sim};
use crate::desired::{AgentName, AgentSpec, Command, FleetName, Generation, Mark, Place};
use crate::observed::{Exit, Instance, Obstacle, Seat, Stranger};
use crate::paths::Paths;

/// What there is on the machine, as far as a change of it is news.
pub(super) type Trace = (FleetName, Vec<(Instance, bool, bool, u32)>, BTreeSet<String>);

impl Sim {
    pub(super) fn look_at(&mut self, ask: &Ask<'_>) -> Look {
        let call = self.call();
        let blind = self.faults.blind.contains(&call);
        if !ask.closely {
            self.last_look = (!blind).then(|| self.trace(ask.fleet));
        }
        let mut gaze = Gaze { sim: self, ask, blind, found: Vec::new(), lost: Vec::new(), is_missing: false };
        gaze.look_at_the_known();
        if !blind && !ask.closely {
            gaze.look_at_panes();
        }
        let (searched, fenced) = gaze.search();
        let found = gaze.found;
        let stranger = |session: &String| Stranger { place: format!("sim:{session}"), pid: Some(1), why: "no mark".to_owned() };
        Look {
            at: self.now,
            found,
            strangers: self.strangers.iter().map(stranger).collect(),
            gaps: if blind { vec![Gap::Server(PathBuf::from("/sim"), "no answer".to_owned())] } else { Vec::new() },
            warnings: Vec::new(),
            foreign_server: false,
            conditions: self.conditions.clone(),
            left: ask.left.clone(),
            complaints: BTreeMap::new(),
            namespace: Some(self.viewer.namespace),
            searched: searched.then(|| "sim".into()),
            fenced,
        }
    }

    pub(super) fn obstacle(&self, agent: &AgentName, spec: &AgentSpec) -> Option<Obstacle> {
        match &spec.launch.place {
            _ if self.missing.contains(&spec.launch.cwd) => Some(Obstacle::CwdMissing(spec.launch.cwd.clone())),
            _ if self.lacks_program(spec) => Some(Obstacle::CommandMissing("the program is not there".to_owned())),
            _ if self.unreadable.contains(agent) => Some(Obstacle::Unreadable("a pipe is in the place of a file".to_owned())),
            Place::Tmux { session, .. } if self.strangers.contains(session.as_str()) => {
                Some(Obstacle::PlaceTaken(format!("session {session} is not ours")))
            }
            Place::Tmux { .. } | Place::Daemon { .. } => None,
        }
    }

    /// Whether an instance could not begin, whatever else there is.
    pub(super) fn lacks_something(&self, agent: &AgentName, spec: &AgentSpec) -> bool {
        self.missing.contains(&spec.launch.cwd) || self.lacks_program(spec) || self.unreadable.contains(agent)
    }

    fn lacks_program(&self, spec: &AgentSpec) -> bool {
        match &spec.launch.command {
            Command::Argv(argv) => argv.first().is_some_and(|program| self.missing.contains(Path::new(program))),
            Command::Shell(_) => false,
        }
    }

    /// Whether another look would find what the last one did.
    pub(super) fn is_as_last_seen(&mut self) -> bool {
        self.call();
        let Some(last) = self.last_look.take() else { return false };
        let same = self.ended.is_empty() && last == self.trace(&last.0);
        self.last_look = same.then_some(last);
        same
    }

    fn trace(&self, fleet: &FleetName) -> Trace {
        let now = self.now;
        let there = self.instances.iter().filter(|life| is_of(life, fleet) && !life.cleared);
        let trace = |life: &Lived| (life.instance.clone(), life.lives(now), life.is_kept(now), self.people(life));
        (fleet.clone(), there.map(trace).collect(), self.strangers.clone())
    }

    fn people(&self, life: &Lived) -> u32 {
        life.session.as_ref().and_then(|session| self.attached.get(session)).copied().unwrap_or(0)
    }
}

fn is_of(life: &Lived, fleet: &FleetName) -> bool {
    life.instance.mark.as_ref().is_some_and(|mark| mark.fleet == *fleet)
}

struct Gaze<'a> {
    sim: &'a Sim,
    ask: &'a Ask<'a>,
    blind: bool,
    found: Vec<Found>,
    /// Whose keeper is gone without a word, by the names of agent and mark.
    lost: Vec<(AgentName, AgentName)>,
    /// Whether something that a record knows was not found.
    is_missing: bool,
}

impl<'a> Gaze<'a> {
    fn look_at_the_known(&mut self) {
        let sim = self.sim;
        for known in &self.ask.known {
            if self.is_foreign(known) {
                let instance = known.instance.clone().unwrap_or_else(|| blank(known));
                self.answer(instance, Life::Unknown("it runs in another pid namespace".to_owned()), 0);
                continue;
            }
            let life = sim.instances.iter().find(|life| life.instance.mark == known.mark && !life.cleared);
            match life {
                Some(life) if self.blind && life.session.is_some() => {}
                Some(life) => {
                    self.is_missing |= known.instance.is_none() && life.session.is_none();
                    self.see(life, &known.agent, None);
                }
                None => {
                    self.is_missing = true;
                    match (&known.instance, &known.mark) {
                        (Some(instance), _) => self.lose(instance.clone(), &known.agent, 0, None),
                        // It never began.
                        (None, Some(mark)) => self.lost.push((known.agent.clone(), mark.agent.clone())),
                        (None, None) => {}
                    }
                }
            }
        }
    }

    /// Whether it lives in another pid namespace: the first one sees into all others, and each other one knows by the locks that one lives.
    fn is_foreign(&self, known: &Known) -> bool {
        let sim = self.sim;
        let is_kept = |known: &Known| sim.instances.iter().any(|life| life.instance.mark == known.mark && life.is_kept(sim.now));
        let is_beside = |other: &&Known| other.namespace == known.namespace && sim.viewer.namespace != super::NATIVE;
        known.namespace.is_some_and(|namespace| namespace != sim.viewer.namespace)
            && (is_kept(known) || self.ask.known.iter().filter(is_beside).any(is_kept))
    }

    fn look_at_panes(&mut self) {
        for life in self.unknown().into_iter().filter(|life| life.session.is_some()) {
            let elsewhere = self.elsewhere(life);
            self.see(life, &life.instance.agent, elsewhere);
        }
    }

    /// Searches the processes, if something asks for that. Says whether it did, and which fences are held against what was found.
    fn search(&mut self) -> (bool, BTreeMap<AgentName, String>) {
        let sim = self.sim;
        let holds = |named: &AgentName| {
            let is_its = |life: &&Lived| life.instance.mark.as_ref().is_some_and(|mark| mark.agent == *named);
            sim.instances.iter().filter(is_its).any(|life| life.is_kept(sim.now))
        };
        let silent = self.ask.silent.iter().map(|(agent, named)| (agent.clone(), named.clone()));
        let mut fenced: BTreeMap<AgentName, AgentName> = silent.chain(self.lost.clone()).filter(|(_, named)| holds(named)).collect();
        fenced.retain(|agent, named| !self.has_life(agent, named));
        let Ask { search, unproven, closely, .. } = self.ask;
        if !(*search || self.is_missing || !self.lost.is_empty() || !unproven.is_empty() || !fenced.is_empty()) {
            return (false, BTreeMap::new());
        }
        if sim.viewer.namespace == super::NATIVE {
            for life in self.unknown().into_iter().filter(|life| life.session.is_none() && life.is_kept(sim.now)) {
                let elsewhere = self.elsewhere(life);
                self.see(life, &life.instance.agent, elsewhere);
            }
            self.look_for_orphans();
        }
        fenced.retain(|agent, named| !self.has_life(agent, named));
        let is_hidden = |ended: &&Unproven| {
            let beside = |known: &Known| known.namespace == ended.namespace && self.is_foreign(known);
            sim.viewer.namespace != super::NATIVE && self.ask.known.iter().any(beside)
        };
        let hidden = unproven.iter().filter(is_hidden).map(|ended| ended.agent.clone());
        let why = "it cannot be seen from this pid namespace";
        (!closely, fenced.into_keys().chain(hidden).map(|agent| (agent, why.to_owned())).collect())
    }

    fn look_for_orphans(&mut self) {
        let sim = self.sim;
        let is_orphan = |life: &&Lived| life.lives(sim.now) && !life.is_kept(sim.now);
        for life in sim.instances.iter().filter(|life| is_of(life, self.ask.fleet)).filter(is_orphan) {
            let Some(mark) = life.instance.mark.clone().filter(|mark| self.is_meant(mark)) else { continue };
            let known = self.ask.known.iter().find(|known| known.mark.as_ref() == Some(&mark)).map(|known| &known.agent);
            let ended = self.ask.unproven.iter().find(|ended| ended.mark == mark).map(|ended| &ended.agent);
            let agent = known.or(ended).unwrap_or(&mark.agent).clone();
            let processes = life.instance.program.iter().cloned().collect();
            let elsewhere = if known.is_some() || ended.is_some() { None } else { self.elsewhere(life) };
            let instance = Instance { agent, keeper: None, seat: Seat::Adrift { processes }, ..life.instance.clone() };
            self.found.push(Found { instance, life: Life::Alive { since: None }, attached: 0, log_pipe: None, elsewhere });
        }
    }

    /// What is there of the fleet and no record knows.
    fn unknown(&self) -> Vec<&'a Lived> {
        let known: BTreeSet<&Mark> = self.ask.known.iter().filter_map(|known| known.mark.as_ref()).collect();
        let is_unknown =
            |life: &&Lived| life.instance.mark.as_ref().is_some_and(|mark| !known.contains(mark) && self.is_meant(mark)) && !life.cleared;
        self.sim.instances.iter().filter(|life| is_of(life, self.ask.fleet)).filter(is_unknown).collect()
    }

    fn is_meant(&self, mark: &Mark) -> bool {
        !self.ask.closely || self.ask.known.iter().any(|known| known.mark.as_ref() == Some(mark) || known.agent == mark.agent)
    }

    fn has_life(&self, agent: &AgentName, named: &AgentName) -> bool {
        let is_its =
            |found: &Found| found.instance.agent == *agent || found.instance.mark.as_ref().is_some_and(|mark| mark.agent == *named);
        let lives = |found: &Found| match found.life {
            Life::Alive { .. } => found.instance.keeper.is_some(),
            Life::Unknown(_) => true,
            Life::Ended { .. } | Life::Lost => false,
        };
        self.found.iter().any(|found| is_its(found) && lives(found))
    }

    /// The other state folder that remembers this life.
    fn elsewhere(&self, life: &Lived) -> Option<PathBuf> {
        let own = Paths::new(self.sim.viewer.folder.clone()?);
        other_folder(life.home.folder.as_deref()?, &own, life.instance.mark.as_ref()?)
    }

    /// A life that is there, as this viewer sees it.
    fn see(&mut self, life: &Lived, agent: &AgentName, elsewhere: Option<PathBuf>) {
        let (sim, instance) = (self.sim, life.instance.clone());
        let people = sim.people(life);
        let is_seen = life.home.namespace == sim.viewer.namespace;
        // How it ended stands in the folder that it was started for.
        let is_told = elsewhere.is_none() && life.keeper_died.is_none_or(|at| life.ends_at.as_ref().is_some_and(|(end, _)| *end <= at));
        let state = match &life.ends_at {
            Some((at, exit)) if sim.now >= *at && is_told && *exit != Exit::Unseen => {
                Life::Ended { since: Some(life.since), at: *at, exit: exit.clone(), clean: true }
            }
            Some(_) | None if life.is_kept(sim.now) && is_seen => Life::Alive { since: Some(life.since) },
            Some(_) | None => return self.lose(instance, agent, people, elsewhere),
        };
        self.found.push(Found { instance, life: state, attached: people, log_pipe: None, elsewhere });
    }

    fn lose(&mut self, instance: Instance, agent: &AgentName, attached: u32, elsewhere: Option<PathBuf>) {
        if let Some(mark) = &instance.mark {
            self.lost.push((agent.clone(), mark.agent.clone()));
        }
        self.found.push(Found { instance, life: Life::Lost, attached, log_pipe: None, elsewhere });
    }

    fn answer(&mut self, instance: Instance, life: Life, attached: u32) {
        self.found.push(Found { instance, life, attached, log_pipe: None, elsewhere: None });
    }
}

/// An instance of which only the mark is known.
fn blank(known: &Known) -> Instance {
    let generation = known.mark.as_ref().map_or(Generation(0), |mark| mark.generation);
    let (agent, mark) = (known.agent.clone(), known.mark.clone());
    Instance { agent, generation, mark, keeper: None, program: None, seat: Seat::Adrift { processes: Vec::new() } }
}
