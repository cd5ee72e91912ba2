//! A simulated machine: a virtual clock, agents that behave as scripted, and faults.
//!
//! It keeps to the same promises as the live one: acts are conditional, looks may be partial. Time passes in [`Host::wait`] only, but for a
//! millisecond per call.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Act, Answer, Ask, Host, Look, Outcome, Query, Seal, SecretQuery, Shown, Successor, Wake};
use crate::desired::{AgentName, AgentSpec, Mark, NoticeChannel};
use crate::observed::{Condition, Exit, Instance, Obstacle};
use crate::process::ProcId;
use crate::time::{Duration, Timestamp};

mod act;
mod history;
mod look;
mod script;
mod terminal;

pub use history::{Deed, LifeSpan};
pub use script::{Accident, Behaviour, Faults, Interlude, NATIVE, Viewer};
pub use terminal::Terminal;

/// What is thrown where the simulated tool is killed.
#[derive(Clone, Copy, Debug)]
pub struct Crash;

/// The simulated machine.
#[derive(Clone, Debug)]
pub struct Sim {
    now: Timestamp,
    calls: u64,
    next_pid: u32,
    instances: Vec<Lived>,
    /// How the agents behave; the others by default.
    pub behaviours: BTreeMap<AgentName, Behaviour>,
    /// What goes wrong.
    pub faults: Faults,
    /// What is wrong with the machine that is no agent's fault.
    pub conditions: Vec<Condition>,
    /// Folders and programs that do not exist.
    pub missing: BTreeSet<PathBuf>,
    /// Agents of which a file cannot be read, such as a pipe in its place.
    pub unreadable: BTreeSet<AgentName>,
    /// Who looks and acts from here on.
    pub viewer: Viewer,
    /// What happens at the call of this number.
    pub interlude: Option<(u64, Interlude)>,
    /// Sessions of strangers.
    pub strangers: BTreeSet<String>,
    /// People attached, by session.
    pub attached: BTreeMap<String, u32>,
    /// What happens to agents by itself, and when.
    pub accidents: BTreeMap<Timestamp, Vec<Accident>>,
    /// Everything that somebody was told.
    pub told: Vec<String>,
    /// Everything that was done to somebody, for tests to judge.
    pub done: Vec<Deed>,
    /// Instances that were started while another one of their agent lived. There should never be any.
    pub doubles: Vec<Mark>,
    /// Whose end the last wait saw.
    ended: Vec<ProcId>,
    /// What there was at the last look that saw everything.
    last_look: Option<look::Trace>,
}

/// One simulated instance.
#[derive(Clone, Debug)]
struct Lived {
    instance: Instance,
    home: Viewer,
    session: Option<String>,
    since: Timestamp,
    keeper_died: Option<Timestamp>,
    ends_at: Option<(Timestamp, Exit)>,
    hung: Option<Timestamp>,
    cleared: bool,
    terminal: Terminal,
}

impl Lived {
    fn hangs(&self, now: Timestamp) -> bool {
        self.hung.is_some_and(|at| at <= now)
    }

    fn lives(&self, now: Timestamp) -> bool {
        self.ends_at.as_ref().is_none_or(|(at, _)| now < *at)
    }

    /// Whether it has a keeper, which holds the agent's fence.
    fn is_kept(&self, now: Timestamp) -> bool {
        self.lives(now) && self.keeper_died.is_none_or(|at| now < at)
    }

    fn end_by(&mut self, at: Timestamp, exit: Exit) {
        if self.ends_at.as_ref().is_none_or(|(earlier, _)| at < *earlier) {
            self.ends_at = Some((at, exit));
        }
    }
}

impl Sim {
    /// A machine on which nothing runs, at this time.
    pub fn new(now: Timestamp) -> Self {
        Self {
            now,
            calls: 0,
            next_pid: 100,
            instances: Vec::new(),
            behaviours: BTreeMap::new(),
            faults: Faults::default(),
            conditions: Vec::new(),
            missing: BTreeSet::new(),
            unreadable: BTreeSet::new(),
            viewer: Viewer { folder: None, namespace: NATIVE },
            interlude: None,
            strangers: BTreeSet::new(),
            attached: BTreeMap::new(),
            accidents: BTreeMap::new(),
            told: Vec::new(),
            done: Vec::new(),
            doubles: Vec::new(),
            ended: Vec::new(),
            last_look: None,
        }
    }

    /// How many host calls were made.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// The instances of which the program lives now, with a keeper or without.
    pub fn living(&self) -> impl Iterator<Item = &Instance> {
        self.instances.iter().filter(|life| life.lives(self.now)).map(|life| &life.instance)
    }

    /// Ends an instance of an agent as if by its own doing.
    pub fn end(&mut self, agent: &AgentName, exit: Exit) {
        let now = self.now;
        for life in self.instances.iter_mut().filter(|life| life.instance.agent == *agent && life.lives(now)) {
            life.end_by(now, exit.clone());
        }
    }

    /// Ends a pid namespace with all that is in it.
    pub fn end_namespace(&mut self, namespace: u64) {
        let now = self.now;
        for life in self.instances.iter_mut().filter(|life| life.home.namespace == namespace && life.lives(now)) {
            life.keeper_died.get_or_insert(now);
            life.end_by(now, Exit::Unseen);
        }
    }

    /// Every text that was submitted, by the instance that took it.
    pub fn submitted(&self) -> impl Iterator<Item = (&Instance, &[String])> {
        self.instances.iter().map(|life| (&life.instance, life.terminal.submitted()))
    }

    /// Every life that there was, oldest first.
    pub fn lives(&self) -> impl Iterator<Item = LifeSpan> {
        self.instances.iter().filter_map(|life| {
            Some(LifeSpan {
                mark: life.instance.mark.clone()?,
                since: life.since,
                ended: life.ends_at.clone().filter(|(at, _)| *at <= self.now),
                hung: life.hung.filter(|at| *at <= self.now),
                home: life.home.clone(),
                orphaned: life.keeper_died.filter(|at| *at <= self.now),
            })
        })
    }

    /// Lets time pass.
    pub fn pass(&mut self, length: Duration) {
        self.now = self.now + length;
        self.accidents_until_now();
    }

    /// Has everything happen that is due.
    fn accidents_until_now(&mut self) {
        while let Some(entry) = self.accidents.first_entry().filter(|entry| *entry.key() <= self.now) {
            let (at, accidents) = entry.remove_entry();
            accidents.into_iter().for_each(|accident| self.happen(at, accident));
        }
    }

    fn happen(&mut self, at: Timestamp, accident: Accident) {
        let living = self.instances.iter_mut().filter(|life| life.since <= at && life.lives(at));
        match accident {
            Accident::End(agent, exit) => living.filter(|life| life.instance.agent == agent).for_each(|life| life.end_by(at, exit.clone())),
            Accident::Hang(agent) => living.filter(|life| life.instance.agent == agent).for_each(|life| {
                life.hung.get_or_insert(at);
            }),
            Accident::KeeperDies(agent) => living.filter(|life| life.instance.agent == agent).for_each(|life| {
                life.keeper_died.get_or_insert(at);
            }),
            Accident::Other(what) => {
                let viewer = self.viewer.clone();
                what.happen(self);
                self.viewer = viewer;
            }
            Accident::Vanishes(path) => drop(self.missing.insert(path)),
            Accident::Returns(path) => drop(self.missing.remove(&path)),
            Accident::ServerEnds => living.filter(|life| life.session.is_some()).for_each(|life| life.end_by(at, Exit::Unseen)),
        }
    }

    /// One call: a millisecond passes, something else happens, or the tool is killed.
    fn call(&mut self) -> u64 {
        self.calls += 1;
        self.now = self.now + Duration::from_millis(1);
        self.accidents_until_now();
        if let Some((_, what)) = self.interlude.take_if(|(at, _)| *at == self.calls) {
            let viewer = self.viewer.clone();
            what.happen(self);
            self.viewer = viewer;
        }
        if self.faults.crash_at == Some(self.calls) {
            std::panic::panic_any(Crash);
        }
        self.calls
    }

    fn proc(&mut self) -> ProcId {
        self.next_pid += 1;
        ProcId { pid: self.next_pid, start_time: u64::from(self.next_pid), boot_id: Arc::from("sim") }
    }

    fn behaviour(&self, mark: &Mark) -> Behaviour {
        self.behaviours.get(&mark.agent).cloned().unwrap_or_default()
    }

    fn living_one(&mut self, only: &Instance) -> Option<&mut Lived> {
        let now = self.now;
        // What has lost its keeper is known by its mark alone.
        let is_meant = |life: &&mut Lived| life.instance.keeper == only.keeper || only.keeper.is_none();
        self.instances.iter_mut().filter(|life| life.instance.mark == only.mark && life.lives(now)).find(is_meant)
    }
}

impl Host for Sim {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn look(&mut self, ask: &Ask<'_>) -> Look {
        self.look_at(ask)
    }

    fn preflight(&mut self, successors: &[Successor<'_>]) -> BTreeMap<AgentName, Obstacle> {
        let obstacle = |successor: &Successor<'_>| Some((successor.agent.clone(), self.obstacle(&successor.agent, successor.spec)?));
        successors.iter().filter_map(obstacle).collect()
    }

    fn probe(&mut self, questions: &[Query]) -> Vec<Answer> {
        self.call();
        let answer = |Query { instance, .. }: &Query| {
            let life = self.instances.iter().find(|life| life.instance.mark == instance.mark);
            let ready_after = instance.mark.as_ref().map(|mark| self.behaviour(mark).ready_after).unwrap_or_default();
            match life {
                Some(life) if life.hangs(self.now) => Answer::No("it hangs".to_owned()),
                Some(life) if self.now >= life.since + ready_after => Answer::Yes,
                Some(_) => Answer::No("not yet".to_owned()),
                None => Answer::Unknown("it is not there".to_owned()),
            }
        };
        questions.iter().map(answer).collect()
    }

    fn beat(&mut self, instance: &Instance, _: Option<&Path>) -> Result<Option<Timestamp>, String> {
        self.call();
        let life = self.instances.iter().find(|life| life.instance.mark == instance.mark).ok_or("it is not there")?;
        Ok(match life.hung {
            Some(at) if at <= life.since => None,
            Some(at) => Some(self.now.min(at)),
            None => Some(self.now),
        })
    }

    fn memory(&mut self, _: &Instance) -> Option<u64> {
        self.call();
        Some(1 << 20)
    }

    fn screens(&mut self, instances: &[&Instance]) -> Vec<Result<Shown, String>> {
        self.call();
        let now = self.now;
        let shown = |instance: &&Instance| {
            let life = self.instances.iter().find(|life| life.instance.mark == instance.mark);
            let life = life.ok_or_else(|| "it is not there".to_owned())?;
            Ok(Shown {
                text: life.terminal.text(now),
                cursor: (0, 0),
                written_at: life.terminal.written_at(life.since, now),
                shell: None,
                input: None,
                suspended: None,
            })
        };
        instances.iter().map(shown).collect()
    }

    fn last_lines(&mut self, _: &Instance, _: &AgentSpec) -> Vec<String> {
        vec!["the last line".to_owned()]
    }

    fn text(&mut self, path: &Path) -> Result<String, String> {
        Ok(format!("what stands in {}", path.display()))
    }

    fn secrets(&mut self, questions: &[SecretQuery<'_>], seal: &Seal) -> Vec<Option<String>> {
        questions.iter().map(|query| Some(seal(query.variable, "secret"))).collect()
    }

    fn fresh_id(&mut self) -> String {
        self.next_pid += 1;
        format!("{:016x}", self.next_pid)
    }

    fn notify(&mut self, _: &NoticeChannel, text: &str) {
        self.told.push(text.to_owned());
    }

    fn act(&mut self, batch: &[Act]) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for act in batch {
            let call = self.call();
            if self.faults.failing.contains(&call) {
                outcomes.push(Outcome::Failed("a fault".to_owned()));
                continue;
            }
            let outcome = self.act_once(act);
            let lost = self.faults.unanswered.contains(&call);
            outcomes.push(if lost { Outcome::Unknown("no answer".to_owned()) } else { outcome });
        }
        outcomes
    }

    fn ended(&self) -> Vec<ProcId> {
        self.ended.clone()
    }

    fn is_unchanged(&mut self) -> bool {
        self.is_as_last_seen()
    }

    fn wait(&mut self, watched: &[ProcId], until: Timestamp) -> Wake {
        self.call();
        self.ended.clear();
        loop {
            let death = self
                .instances
                .iter()
                .filter(|life| {
                    [&life.instance.keeper, &life.instance.program].into_iter().flatten().any(|process| watched.contains(process))
                })
                .filter_map(|life| life.ends_at.as_ref().map(|(at, _)| *at))
                .filter(|at| *at <= until)
                .min();
            let accident = self.accidents.first_key_value().map(|(at, _)| *at);
            match (death, accident) {
                (_, Some(at)) if at <= until && death.is_none_or(|death| at < death) => {
                    self.now = self.now.max(at);
                    self.accidents_until_now();
                }
                _ => {
                    self.now = self.now.max(death.unwrap_or(until));
                    let has_ended = |life: &&Lived| !life.lives(self.now);
                    let ended = self.instances.iter().filter(has_ended).flat_map(|life| [&life.instance.keeper, &life.instance.program]);
                    self.ended = ended.flatten().filter(|process| watched.contains(process)).cloned().collect();
                    return if death.is_some() { Wake::Death } else { Wake::Time };
                }
            }
        }
    }
}
