//! What is found among all processes of the machine: keepers that no listing shows, what lives left behind, and who holds the fence of an agent of
//! which nothing was found. One pass for all, and only where something asks for it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::liveness::oldest_child;
use super::{Looking, blank};
use crate::desired::{AgentName, Mark};
use crate::host::owner::other_folder;
use crate::host::{Found, Gap, Known, Life, story};
use crate::keeper;
use crate::observed::{Instance, Seat};
use crate::process::{self, Keeper, Liveness, ProcId};

impl Looking<'_> {
    /// Which of the agents of which nothing should live have a fence that is held. Nothing is read where there are none.
    pub(super) fn look_at_fences(&mut self) {
        let lost = self.lost.iter().map(|mark| (self.agent_of(mark), mark.agent.clone()));
        let silent: BTreeMap<AgentName, AgentName> =
            self.ask.silent.iter().map(|(agent, named)| (agent.clone(), named.clone())).chain(lost).collect();
        if silent.is_empty() {
            return;
        }
        let held = keeper::held_fences(&self.live.fleet, silent.values());
        let has_life = |agent: &AgentName| {
            self.look
                .found
                .iter()
                .any(|found| found.instance.agent == *agent && matches!(found.life, Life::Alive { .. } | Life::Unknown(_)))
        };
        self.fenced = silent.into_iter().filter(|(agent, named)| held.contains(named) && !has_life(agent)).collect();
    }

    fn agent_of(&self, mark: &Mark) -> AgentName {
        self.known.bearing(&mark.to_string()).map_or_else(|| mark.agent.clone(), |at| self.ask.known[at].agent.clone())
    }

    /// Names the holders of fences whose agents the search has not found either, and locks that are held although the record says that the agent ended.
    fn name_the_holders(&mut self) {
        let lost = self.lost.iter().map(|mark| (self.agent_of(mark), mark.agent.clone()));
        let over: Vec<(AgentName, AgentName)> =
            self.ask.unproven.iter().map(|ended| (ended.agent.clone(), ended.mark.agent.clone())).chain(lost).collect();
        for (agent, named) in over {
            let is_its =
                |found: &Found| found.instance.agent == agent || found.instance.mark.as_ref().is_some_and(|mark| mark.agent == named);
            let lives = |found: &Found| found.instance.keeper.is_some() && matches!(found.life, Life::Alive { .. }) && is_its(found);
            if !self.look.found.iter().any(lives) && keeper::is_locked(&self.live.paths.agent_lock(&named)).unwrap_or(false) {
                let why = "its lock is held by a process that cannot be seen from this pid namespace";
                self.look.fenced.insert(agent, why.to_owned());
            }
        }
        for ended in self.ask.unproven.iter().filter(|ended| ended.namespace.is_some_and(|namespace| self.hidden.contains(&namespace))) {
            let why = "what is left of its last life cannot be seen from this pid namespace";
            self.look.fenced.insert(ended.agent.clone(), why.to_owned());
        }
        for (agent, named) in std::mem::take(&mut self.fenced) {
            let lives = |found: &Found| found.instance.mark.as_ref().is_some_and(|mark| mark.agent == named);
            if self.look.found.iter().any(|found| lives(found) && matches!(found.life, Life::Alive { .. })) {
                continue;
            }
            let why = match keeper::fence_holder(&self.live.fleet, &named) {
                // Another user holds a name, or it was let go just now.
                Ok(None) => continue,
                Ok(Some(Some(pid))) => format!("its fence is held by process {pid}, which bears no mark of it that can be read"),
                Ok(Some(None)) => "its fence is held by a process that cannot be seen from this pid namespace".to_owned(),
                Err(error) => format!("it is not known whether its fence is held: {error}"),
            };
            self.look.fenced.insert(agent, why);
        }
    }

    /// The state folder for which a keeper with this spec works, if that is another one than this run's, is there, and has a record of the agent.
    pub(super) fn elsewhere(&self, spec: &Path, mark: &Mark) -> Option<PathBuf> {
        other_folder(spec.parent()?.parent()?, &self.live.paths, mark)
    }

    /// Searches the list of processes for keepers of the fleet.
    pub(super) fn search(&mut self, missing: &[usize], unreadable: Option<String>) {
        let keepers = process::keepers().map_err(|error| format!("the processes could not be listed: {error}"));
        if let Err(why) = &keepers {
            self.look.gaps.push(Gap::Processes(why.clone()));
        }
        let no_list = keepers.as_ref().err().cloned();
        // In a server that does not answer, one may be about to start.
        let may_start = |known: &Known| unreadable.clone().filter(|_| !known.is_daemon);
        let of_fleet = keepers.unwrap_or_default().into_iter().filter(|keeper| keeper.mark.fleet == self.live.fleet);
        let keepers_known = no_list.is_none() && unreadable.is_none();
        let mut keepers: BTreeMap<Mark, Keeper> = of_fleet.map(|keeper| (keeper.mark.clone(), keeper)).collect();
        for at in missing {
            let known = &self.ask.known[*at];
            if keepers_known && self.never_began(known, &keepers) {
                continue;
            }
            let mut instance = known.instance.clone().unwrap_or_else(|| blank(known, Seat::Adrift { processes: Vec::new() }));
            let keeper = known.mark.as_ref().and_then(|mark| keepers.remove(mark));
            let trouble = no_list.clone().or_else(|| may_start(known));
            let life = match (&known.mark, keeper, trouble) {
                (Some(mark), Some(keeper), _) => {
                    if known.instance.is_none() {
                        instance.seat = self.seat_of(&keeper.process, mark);
                    }
                    instance.keeper = Some(keeper.process);
                    Life::Alive { since: self.complete(mark, &mut instance) }
                }
                (_, None, Some(why)) => Life::Unknown(why),
                (Some(mark), None, None) => self.gone(mark, &mut instance),
                (None, _, _) => Life::Lost,
            };
            self.answer(*at, instance, life, 0);
        }
        let found: BTreeSet<Mark> = self.look.found.iter().filter_map(|found| found.instance.mark.clone()).collect();
        keepers.retain(|mark, _| !found.contains(mark) && self.is_meant(mark));
        for (mark, keeper) in keepers {
            let seat = self.seat_of(&keeper.process, &mark);
            let known = Known { agent: mark.agent.clone(), mark: Some(mark.clone()), instance: None, is_daemon: false, namespace: None };
            let mut instance = Instance { keeper: Some(keeper.process), ..blank(&known, seat) };
            let since = self.complete(&mark, &mut instance);
            instance.program = instance.program.or_else(|| oldest_child(instance.keeper.as_ref()?, &mark.to_string()));
            let elsewhere = self.elsewhere(&keeper.spec, &mark);
            self.look.found.push(Found { instance, life: Life::Alive { since }, attached: 0, log_pipe: None, elsewhere });
        }
        if no_list.is_none() && self.look_at_what_is_left() && !self.ask.closely {
            self.look.searched = Some(process::boot_id());
        }
        self.name_the_holders();
    }

    /// Whether a start was written down and nothing of it ever took place: its keeper, which writes before it starts anything, wrote nothing.
    fn never_began(&mut self, known: &Known, keepers: &BTreeMap<Mark, Keeper>) -> bool {
        let Some(mark) = known.mark.as_ref().filter(|mark| known.instance.is_none() && !keepers.contains_key(*mark)) else { return false };
        let is_silent = matches!(story::of(&self.live.paths, mark), Ok(None));
        if is_silent {
            // Its fence may be held all the same.
            self.lost.push(mark.clone());
        }
        is_silent
    }

    /// Whether a mark is of an agent that this look is about.
    fn is_meant(&self, mark: &Mark) -> bool {
        !self.ask.closely || self.ask.known.iter().any(|known| known.mark.as_ref() == Some(mark) || known.agent == mark.agent)
    }

    /// Where a keeper is that no listing shows: detached, or in a pane of a server that was not asked.
    fn seat_of(&self, keeper: &ProcId, mark: &Mark) -> Seat {
        let parent = process::stat(keeper.pid).ok().flatten().and_then(|seen| process::stat(seen.ppid).ok().flatten());
        if parent.is_some_and(|parent| parent.comm.starts_with("tmux: server")) {
            Seat::Adrift { processes: vec![keeper.clone()] }
        } else {
            Seat::Detached { pidfile: self.live.paths.pidfile(&mark.agent) }
        }
    }

    /// What lives left behind, found by the mark in its environment: one pass for all of them. Says whether it could be listed.
    fn look_at_what_is_left(&mut self) -> bool {
        let marked = match process::marks_of() {
            Ok(marked) => marked,
            Err(error) => {
                self.look.gaps.push(Gap::Processes(format!("the processes could not be listed: {error}")));
                return false;
            }
        };
        let lives = |found: &Found| matches!(found.life, Life::Alive { .. } | Life::Unknown(_));
        let living: BTreeSet<Mark> =
            self.look.found.iter().filter(|found| lives(found)).filter_map(|found| found.instance.mark.clone()).collect();
        for (mark, processes) in marked {
            if mark.fleet == self.live.fleet && !living.contains(&mark) && self.is_meant(&mark) {
                let known = self.known.bearing(&mark.to_string()).map(|at| &self.ask.known[at]);
                let ended = self.ask.unproven.iter().find(|ended| ended.mark == mark);
                let agent = known.map(|known| &known.agent).or(ended.map(|ended| &ended.agent)).unwrap_or(&mark.agent).clone();
                let seen = known.and_then(|known| known.instance.as_ref()?.program.clone());
                // Of a life that no record knows, what was started first is taken for its program.
                let first = || processes.iter().min_by_key(|process| (process.start_time, process.pid)).cloned();
                let program = seen.or_else(|| ended.and_then(|ended| ended.program.clone())).or_else(first);
                let is_ours = known.is_some() || ended.is_some();
                let elsewhere = program.as_ref().filter(|_| !is_ours).and_then(|program| self.folder_of(program, &mark));
                let known = Known { agent, mark: Some(mark.clone()), instance: None, is_daemon: false, namespace: None };
                let instance = Instance { program, ..blank(&known, Seat::Adrift { processes: Vec::new() }) };
                self.adrift(&mark, processes, &instance);
                if let Some(left) = self.look.found.last_mut().filter(|left| left.instance.mark.as_ref() == Some(&mark)) {
                    left.elsewhere = elsewhere;
                }
            }
        }
        true
    }

    /// The other state folder that remembers what a program was started for, which its environment names.
    fn folder_of(&self, program: &ProcId, mark: &Mark) -> Option<PathBuf> {
        let folder = process::variable(program.pid, "RECONCILE_STATE_DIR").ok().flatten()?;
        other_folder(Path::new(&folder), &self.live.paths, mark)
    }

    /// Adds the living of `processes` as what is left of the instance.
    pub(super) fn adrift(&mut self, mark: &Mark, mut processes: Vec<ProcId>, of: &Instance) {
        let caller = std::process::id();
        processes.retain(|process| process.pid != caller && process.liveness() != Liveness::Gone);
        if processes.is_empty() {
            return;
        }
        let program = of.program.clone().filter(|program| processes.contains(program));
        let instance = Instance {
            agent: of.agent.clone(),
            generation: mark.generation,
            mark: Some(mark.clone()),
            keeper: None,
            program,
            seat: Seat::Adrift { processes },
        };
        self.look.found.push(Found { instance, life: Life::Alive { since: None }, attached: 0, log_pipe: None, elsewhere: None });
    }
}
