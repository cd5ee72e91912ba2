//! What acts do to the simulated machine.

use std::path::PathBuf;
use std::sync::Arc;

use super::super::{Act, Outcome, Spawn};
use super::{Deed, Lived, Sim, terminal};
use crate::desired::Place;
use crate::observed::{Exit, Instance, Seat};
use crate::process::ProcId;

impl Sim {
    pub(super) fn act_once(&mut self, act: &Act) -> Outcome {
        let gone = || Outcome::Refused("it is not there any more".to_owned());
        let now = self.now;
        match act {
            Act::Spawn(spawn) => return self.spawn(spawn),
            Act::Keys { only, keys } if keys.iter().all(|key| terminal::is_for_people(key)) => {
                let Some(life) = self.living_one(only) else { return gone() };
                keys.iter().for_each(|key| life.terminal.press(key, now));
                if life.terminal.is_declined() {
                    life.end_by(now, Exit::Code(1));
                }
            }
            Act::Enter { only } => {
                let Some(life) = self.living_one(only) else { return gone() };
                life.terminal.press("Enter", now);
            }
            Act::Paste { only, text } => {
                let Some(life) = self.living_one(only) else { return gone() };
                life.terminal.paste(text, now);
            }
            Act::Keys { only, .. } | Act::Signal { only, .. } | Act::Run { only, .. } => {
                let Some(mark) = only.mark.clone() else { return gone() };
                let obeys = self.behaviour(&mark).obeys;
                let Some(life) = self.living_one(only) else { return gone() };
                if let Some(after) = obeys.filter(|_| !life.hangs(now)) {
                    life.end_by(now + after, Exit::Signal(15));
                }
            }
            Act::Kill { only } => {
                let Some(mark) = only.mark.clone() else { return gone() };
                let after = self.behaviour(&mark).dies_after;
                let Some(life) = self.living_one(only) else { return gone() };
                life.end_by(now + after, Exit::Signal(9));
            }
            Act::Clear { only } => {
                let Some(life) = self.instances.iter_mut().find(|life| life.instance.mark == only.mark) else { return gone() };
                if life.lives(now) {
                    return Outcome::Refused("it lives".to_owned());
                }
                life.cleared = true;
            }
            Act::Rename { only, spec, .. } => {
                let Some(life) = self.living_one(only) else { return gone() };
                if let (Some(session), Place::Tmux { session: new, .. }) = (&mut life.session, &spec.launch.place) {
                    *session = new.to_string();
                }
            }
            Act::Freeze { .. } | Act::Thaw { .. } | Act::Dress { .. } | Act::Release { .. } | Act::Hook { .. } => {}
            Act::SetServer(_) | Act::CloseServer(_) => {}
        }
        self.done.push(Deed { at: now, by: self.viewer.clone(), act: act.clone() });
        Outcome::Done
    }

    fn spawn(&mut self, spawn: &Spawn) -> Outcome {
        let now = self.now;
        let same = |life: &Lived| life.instance.mark.as_ref().is_some_and(|mark| mark.agent == spawn.mark.agent) && life.is_kept(now);
        if now > spawn.not_after {
            return Outcome::Refused("it is too late".to_owned());
        }
        if self.instances.iter().any(same) {
            return Outcome::Failed("the agent's fence is held by a living instance".to_owned());
        }
        if self.lacks_something(&spawn.mark.agent, &spawn.spec) {
            return Outcome::Failed("something that it needs is not there".to_owned());
        }
        let behaviour = self.behaviour(&spawn.mark);
        let (keeper, program) = (self.proc(), self.proc());
        let (seat, session) = match &spawn.spec.launch.place {
            Place::Tmux { session, window, .. } => {
                let server = ProcId { pid: 2, start_time: 2, boot_id: Arc::from("sim") };
                let pane = format!("%{}", keeper.pid);
                let seat =
                    Seat::Pane { socket: PathBuf::from("/sim"), server, session: session.to_string(), window: window.to_string(), pane };
                (seat, Some(session.to_string()))
            }
            Place::Daemon { pidfile } => (Seat::Detached { pidfile: pidfile.clone().unwrap_or_else(|| PathBuf::from("/sim.pid")) }, None),
        };
        let instance = Instance {
            agent: spawn.mark.agent.clone(),
            generation: spawn.mark.generation,
            mark: Some(spawn.mark.clone()),
            keeper: Some(keeper),
            program: Some(program),
            seat,
        };
        if let Some(old) = &spawn.instead_of {
            self.instances.iter_mut().filter(|life| life.instance.mark == old.mark).for_each(|life| life.cleared = true);
        }
        if self.instances.iter().any(|life| life.instance.agent == spawn.mark.agent && life.lives(now)) {
            self.doubles.push(spawn.mark.clone());
        }
        let ends_at = behaviour.life.map(|(length, exit)| (now + length, exit));
        let hung = behaviour.hangs_after.map(|after| now + after);
        let (home, keeper_died, terminal) = (self.viewer.clone(), None, behaviour.terminal);
        self.instances.push(Lived { instance, home, session, since: now, keeper_died, ends_at, hung, cleared: false, terminal });
        self.done.push(Deed { at: now, by: self.viewer.clone(), act: Act::Spawn(Box::new(spawn.clone())) });
        Outcome::Done
    }
}
