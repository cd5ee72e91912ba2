//! The laws themselves.

use std::collections::BTreeMap;

use super::world::{Ended, Who, World};
use crate::converge::Ending;
use crate::desired::{AgentName, HoldOn, Mark, Wish, canonical_digest};
use crate::event::{Event, What};
use crate::host::sim::{Deed, LifeSpan, NATIVE};
use crate::host::{Act, Host, Successor};
use crate::plan::{Change, Next};
use crate::state::{Foreign, Record};
use crate::time::{Duration, Timestamp};

impl World {
    /// Holds what was done since the last time, and what there is, against the laws. An error names the one that is broken.
    pub(super) fn judge(&mut self) -> Result<(), String> {
        let lives: BTreeMap<Mark, LifeSpan> = self.sim.lives().map(|life| (life.mark.clone(), life)).collect();
        let deeds: Vec<Deed> = self.sim.done[self.history.judged..].to_vec();
        self.history.judged = self.sim.done.len();
        for deed in &deeds {
            if let Some(mark) = ended_by(&deed.act) {
                self.judge_end(deed, &lives[mark], &lives)?;
            }
        }
        // From inside of another pid namespace, what has lost its keeper cannot be seen, and where no record tells of a life outside that has one,
        // nothing says that there is an outside.
        let is_kept =
            |life: &LifeSpan, at| life.home.namespace == NATIVE && lived(life, at) && life.orphaned.is_none_or(|since| at < since);
        let is_excused = |mark: &&Mark| {
            let double = &lives[*mark];
            let is_known =
                !self.history.has_forgotten && lives.values().any(|life| life.since < double.since && is_kept(life, double.since));
            double.home.namespace != NATIVE && !is_known
        };
        if let Some(double) = self.sim.doubles.iter().find(|mark| !is_excused(mark)) {
            return Err(format!("{double} was started while another instance lived"));
        }
        self.nothing_is_told_twice(&lives)
    }

    fn judge_end(&mut self, deed: &Deed, life: &LifeSpan, lives: &BTreeMap<Mark, LifeSpan>) -> Result<(), String> {
        let agent = &life.mark.agent;
        let broken = |law: &str| Err(format!("{law}: {} of {}", word(&deed.act), life.mark));
        if life.home.folder != deed.by.folder && self.remembers(&life.home.folder, &life.mark) {
            return broken("another state folder remembers it");
        }
        let Some(spec) = self.desired().agents.get(agent).map(|declared| declared.spec.clone()) else { return Ok(()) };
        let should_run = spec.care.desired == Wish::Running && !self.history.stopped.contains(agent);
        if !should_run {
            return Ok(());
        }
        if spec.care.protect {
            return broken("it is protected");
        }
        let is_attended = self.sim.attached.contains_key(agent.as_str());
        if is_attended && spec.care.hold.contains(&HoldOn::Attached) {
            return broken("somebody is attached to it");
        }
        let successor = Successor { agent: agent.clone(), spec: &spec, of: None };
        if !self.sim.preflight(&[successor]).is_empty() {
            return broken("its successor cannot start");
        }
        let is_newest = !lives.values().any(|other| {
            other.mark.agent == *agent && other.mark.generation > life.mark.generation && lived(other, deed.at) && other.since <= deed.at
        });
        let is_kept = life.orphaned.is_none_or(|at| deed.at < at);
        let is_asked = self.history.replaced.contains(&life.mark);
        if is_newest && is_kept && !is_asked && life.mark.digest == canonical_digest(&spec.launch) {
            return broken("it runs as declared");
        }
        Ok(())
    }

    fn remembers(&self, folder: &Option<std::path::PathBuf>, mark: &Mark) -> bool {
        let record = [Who::First, Who::Second]
            .map(|who| self.fleet(who))
            .into_iter()
            .find(|fleet| Some(fleet.paths().folder()) == folder.as_deref())
            .and_then(|fleet| fleet.record(&mark.agent).ok()??.ok());
        record.is_some_and(|record| record.mark.as_ref() == Some(mark))
    }

    fn nothing_is_told_twice(&self, lives: &BTreeMap<Mark, LifeSpan>) -> Result<(), String> {
        for (of, times) in ends(self.written()) {
            let ends = lives.values().filter(|life| key(life) == of && is_over(life)).count();
            // A record from before an end knows nothing of it.
            if times > ends + usize::from(self.history.has_forgotten) {
                return Err(format!("the end of {} {} was told {times} times, and there were {ends}", of.0, of.1));
            }
        }
        Ok(())
    }

    /// With everything mended and time to spare, the fleet is as declared, its plan is empty, and each death was told.
    pub(super) fn comes_right(&mut self) -> Result<(), String> {
        self.take(&super::world::Move::Disk(false))?;
        self.sim.missing.clear();
        self.sim.unreadable.clear();
        self.sim.pass(Duration::from_secs(3600));
        for _ in 0..3 {
            let ended = self.settle(Who::First)?;
            if ended == Ended::Refused {
                // What the other folder has by now is given back.
                let (first, second) = (self.fleet(Who::First).clone(), self.fleet(Who::Second).clone());
                let records = second.records().map_err(|error| error.to_string())?.into_values().flatten();
                let foreign = |record: Record| {
                    let mark = record.mark?;
                    let home = self.sim.lives().find(|life| life.mark == mark)?.home.folder?;
                    Some(Foreign { agent: record.agent, mark, home })
                };
                let instances: Vec<Foreign> = records.filter_map(foreign).collect();
                first.take_over(second.paths().folder(), &instances).map_err(|error| format!("{error:#}"))?;
                self.history.has_forgotten = true;
            }
            self.judge()?;
            self.sim.pass(Duration::from_secs(3600));
        }
        let Ended::Done(ending, plan) = self.settle(Who::First)? else { return Err("it is refused for good".to_owned()) };
        self.judge()?;
        let held = |agent: &AgentName| {
            let spec = &self.desired().agents.get(agent).map(|declared| declared.spec.clone());
            let is_attended = self.sim.attached.contains_key(agent.as_str());
            is_attended || spec.as_ref().is_none_or(|spec| spec.care.protect)
        };
        // A text that was typed before its record was lost is nobody's, and so a person's.
        let is_lost = |change: &Change| self.history.has_forgotten && matches!(change.next, Next::Held(_));
        if let Some((agent, change)) = plan.changes.iter().find(|(agent, change)| !held(agent) && !is_lost(change)) {
            return Err(format!("{ending:?}, and {agent} is not at rest: {change:?}"));
        }
        if plan.is_empty() && ending != Ending::AtRest {
            return Err(format!("{ending:?} and nothing is due"));
        }
        self.each_runs_that_should(&plan.changes.keys().cloned().collect())?;
        self.each_death_was_told()
    }

    fn each_runs_that_should(&self, due: &std::collections::BTreeSet<AgentName>) -> Result<(), String> {
        let living: Vec<String> = self.sim.living().map(|instance| instance.agent.to_string()).collect();
        let wanted = |record: &Record| record.wanted == Wish::Running;
        let records = self.fleet(Who::First).records().map_err(|error| error.to_string())?;
        for agent in self.desired().agents.keys().filter(|agent| !due.contains(*agent)) {
            let is_wanted = records.get(agent).is_some_and(|record| record.as_ref().is_ok_and(wanted));
            let runs = living.iter().filter(|living| *living == agent.as_str()).count();
            if runs != usize::from(is_wanted) {
                return Err(format!("{runs} instances of {agent} run, wanted: {is_wanted}"));
            }
        }
        // Of what no record and no manifest names, nobody knows.
        let is_over = |agent: &&String| !self.desired().agents.contains_key(agent.as_str()) && !due.contains(agent.as_str());
        match living.iter().filter(|_| !self.history.has_forgotten).find(is_over) {
            Some(agent) => Err(format!("{agent} runs and is not declared")),
            None => Ok(()),
        }
    }

    fn each_death_was_told(&self) -> Result<(), String> {
        // What could not be written was told all the same.
        let told = ends(self.written().into_iter().chain(self.history.unwritten.iter().cloned()));
        let ended = self.sim.lives().filter(|life| !self.history.has_forgotten && is_over(life));
        match ended.filter(|life| !told.contains_key(&key(life))).map(|life| life.mark).next() {
            Some(mark) => Err(format!("the end of {mark} was never told")),
            None => Ok(()),
        }
    }
}

/// How often the end of each life was told.
fn ends(events: impl IntoIterator<Item = Event>) -> BTreeMap<(AgentName, u64), usize> {
    let mut ends = BTreeMap::new();
    for event in events.into_iter().filter(|event| event.what == What::Exited) {
        if let (Some(agent), Some(generation)) = (event.agent, event.generation) {
            *ends.entry((agent, generation.0)).or_default() += 1;
        }
    }
    ends
}

fn key(life: &LifeSpan) -> (AgentName, u64) {
    (life.mark.agent.clone(), life.mark.generation.0)
}

/// Whether a life is over as far as anybody is told: one without its keeper is, whatever its program does.
fn is_over(life: &LifeSpan) -> bool {
    life.ended.is_some() || life.orphaned.is_some()
}

fn lived(life: &LifeSpan, at: Timestamp) -> bool {
    life.ended.as_ref().is_none_or(|(end, _)| at < *end)
}

/// Whom an act asks to end, or ends.
fn ended_by(act: &Act) -> Option<&Mark> {
    match act {
        Act::Kill { only } | Act::Signal { only, .. } | Act::Run { only, .. } => only.mark.as_ref(),
        Act::Keys { only, keys } if !keys.iter().all(|key| matches!(key.as_str(), "Up" | "Down" | "Enter")) => only.mark.as_ref(),
        Act::Keys { .. }
        | Act::Spawn(_)
        | Act::Enter { .. }
        | Act::Paste { .. }
        | Act::Freeze { .. }
        | Act::Thaw { .. }
        | Act::Clear { .. }
        | Act::Dress { .. }
        | Act::Release { .. }
        | Act::Hook { .. }
        | Act::Rename { .. }
        | Act::SetServer(_)
        | Act::CloseServer(_) => None,
    }
}

fn word(act: &Act) -> &'static str {
    if matches!(act, Act::Kill { .. }) { "a kill" } else { "a request for the end" }
}
