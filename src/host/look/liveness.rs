//! Whether an instance lives and since when, or how it ended: by its processes and by the status that its keeper wrote.

use super::Looking;
use crate::desired::{AgentName, Mark};
use crate::host::tmux::Pane;
use crate::host::{Gap, Known, Life, story};
use crate::keeper::Status;
use crate::observed::Instance;
use crate::process::{self, Liveness, ProcId};
use crate::time::Timestamp;

impl Looking<'_> {
    /// An instance of which only its processes tell.
    pub(super) fn look_at_processes(&mut self, at: usize, known: &Known, instance: &Instance, attached: u32) {
        let Some(process) = instance.keeper.as_ref().or(instance.program.as_ref()) else {
            // Asked for and never seen: it is searched for.
            return;
        };
        match self.live.vigil.liveness(process) {
            Liveness::Alive => {
                let mut instance = instance.clone();
                let since = known.mark.as_ref().and_then(|mark| self.complete(mark, &mut instance));
                self.answer(at, instance, Life::Alive { since }, attached);
            }
            Liveness::Gone => self.answer_gone(at, known, instance.clone(), attached),
            Liveness::Unknown => {
                let why = format!("whether {process} lives could not be told");
                self.look.gaps.push(Gap::Agent(known.agent.clone(), why.clone()));
                self.answer(at, instance.clone(), Life::Unknown(why), attached);
            }
        }
    }

    /// Fills in the program of a living instance, once its keeper has named it, and returns since when it lives.
    pub(super) fn complete(&mut self, mark: &Mark, instance: &mut Instance) -> Option<Timestamp> {
        if instance.program.is_none()
            && let Ok(Some(status)) = story::of(&self.live.paths, mark)
        {
            instance.program.clone_from(&status.program);
            if status.program.is_some() {
                self.live.since.insert(mark.id.clone(), status.started_at);
            }
        }
        self.live.since.get(&mark.id).copied()
    }

    /// An instance whose processes are gone: its keeper said how it ended, if it still could.
    fn answer_gone(&mut self, at: usize, known: &Known, mut instance: Instance, attached: u32) {
        let life = match &known.mark {
            Some(mark) => self.gone(mark, &mut instance),
            None => self.why_not_gone(known).map_or(Life::Lost, Life::Unknown),
        };
        self.answer(at, instance, life, attached);
    }

    pub(super) fn gone(&mut self, mark: &Mark, instance: &mut Instance) -> Life {
        let mut told = story::of(&self.live.paths, mark);
        if let Ok(Some(status)) = &told {
            if status.keeper.liveness() == Liveness::Alive {
                instance.keeper = Some(status.keeper.clone());
                instance.program = instance.program.take().or_else(|| status.program.clone());
                return Life::Alive { since: status.program.as_ref().map(|_| status.started_at) };
            }
            if status.ended.is_none() {
                // It may have ended after that was read, and has then written how.
                told = story::of(&self.live.paths, mark);
            }
        }
        let life = match told {
            Ok(Some(status)) => {
                if instance.program.is_none() {
                    instance.program.clone_from(&status.program);
                }
                match story::end(&status) {
                    Some((life, survivors)) => {
                        self.adrift(mark, survivors, instance);
                        self.hear_of_the_end(&status, &instance.agent);
                        life
                    }
                    None => Life::Lost,
                }
            }
            Ok(None) => Life::Lost,
            Err(why) => {
                self.look.gaps.push(Gap::Agent(instance.agent.clone(), why.clone()));
                Life::Unknown(why)
            }
        };
        if life == Life::Lost {
            self.lost.push(mark.clone());
        }
        life
    }

    /// The instance whose keeper runs in this pane, completed, and how it does.
    pub(super) fn life_in_pane(&mut self, pane: &Pane, mut instance: Instance) -> (Instance, Life) {
        let same = instance.keeper.as_ref().is_some_and(|keeper| keeper.pid == pane.pid && !self.live.vigil.saw_end_of(keeper));
        if same && !pane.dead && instance.program.is_some() {
            let since = instance.mark.as_ref().and_then(|mark| self.live.since.get(&mark.id).copied());
            return (instance, Life::Alive { since });
        }
        let Some(mark) = instance.mark.clone() else { return (instance, Life::Lost) };
        if pane.pid == 0 && !pane.dead {
            let why = format!("tmux names no process of the pane {}", pane.id);
            self.look.gaps.push(Gap::Agent(instance.agent.clone(), why.clone()));
            return (instance, Life::Unknown(why));
        }
        let process = if pane.dead { Ok(None) } else { ProcId::of(pane.pid) };
        let life = match process {
            Ok(Some(keeper)) => {
                instance.keeper = Some(keeper);
                Life::Alive { since: self.complete(&mark, &mut instance) }
            }
            Ok(None) => self.gone(&mark, &mut instance),
            Err(error) => {
                let why = format!("process {} could not be inspected: {error}", pane.pid);
                self.look.gaps.push(Gap::Agent(instance.agent.clone(), why.clone()));
                Life::Unknown(why)
            }
        };
        (instance, life)
    }

    /// What was left running as declared, and what went wrong with hooks.
    fn hear_of_the_end(&mut self, status: &Status, agent: &AgentName) {
        let Some(end) = &status.ended else { return };
        if !end.left.is_empty() {
            let known = self.look.left.entry(agent.clone()).or_default();
            let new = end.left.iter().filter(|remnant| remnant.process.liveness() != Liveness::Gone).cloned();
            known.extend(new);
            known.sort_by(|one, other| one.process.cmp(&other.process));
            known.dedup_by(|one, other| one.process == other.process);
        }
        if !end.complaints.is_empty() {
            self.look.complaints.insert(agent.clone(), end.complaints.clone());
        }
    }
}

/// The program of a keeper whose status was lost with its record: the first that it started and that bears its mark.
pub(super) fn oldest_child(keeper: &ProcId, label: &str) -> Option<ProcId> {
    let children = process::children(keeper.pid).ok()?.into_iter();
    let bears_mark = |pid: &u32| process::variable(*pid, process::MARK_VARIABLE).ok().flatten().is_some_and(|value| value == label);
    children.filter(bears_mark).filter_map(|pid| ProcId::of(pid).ok().flatten()).min_by_key(|child| (child.start_time, child.pid))
}
