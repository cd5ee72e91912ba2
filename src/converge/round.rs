//! One round: what a look brought is told, the plan is made, written down, and done. What `apply` and a watcher have in common.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::Audience;
use crate::desired::{AgentName, Desired};
use crate::event::{Event, What};
use crate::execute::{execute, greet, take_back_requests};
use crate::host::Host;
use crate::observe::Seen;
use crate::observed::{Instance, Observed, Phase, Sighting};
use crate::plan::{Action, Blocked, Change, KILL_PATIENCE, Next, Plan, Reason, ServerChange, Terms, Wait, plan};
use crate::process::ProcId;
use crate::state::{Fleet, Journal, Unremembered};
use crate::time::{Duration, Timestamp};

/// The pause before the same step is taken again, where one look later it is still due.
pub(crate) const AGAIN: Duration = Duration::from_millis(50);

/// The pause before a step is tried again that could not be written down.
const UNWRITABLE: Duration = Duration::from_secs(10);

/// What a round works on and with.
pub(crate) struct Round<'a> {
    pub(crate) desired: &'a Desired,
    pub(crate) fleet: &'a Fleet,
    pub(crate) terms: &'a Terms,
    pub(crate) audience: &'a mut dyn Audience,
    pub(crate) journal: &'a mut Journal,
}

/// A round that has begun: what is due is known, and nothing is done yet.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) plan: Plan,
    /// What the look brought.
    pub(crate) news: Vec<Event>,
    /// Whether a step is tried again.
    pub(crate) again: bool,
}

impl Round<'_> {
    /// Tells what a look brought, and plans.
    pub(crate) fn begin(&mut self, seen: &mut Seen, patience: &mut Patience) -> Result<Begun> {
        let mut news = std::mem::take(&mut seen.events);
        leave_out_what_was_told(&mut news, seen, self.journal);
        self.tell(&news);
        let mut plan = plan(self.desired, &seen.observed, self.terms);
        self.audience.round(&plan, &seen.observed);
        let again = patience.try_on(&mut plan, seen.observed.at);
        Ok(Begun { plan, news, again })
    }

    /// Writes down what was learned, where no step of the round does that anyway, and does what follows from the news themselves.
    pub(crate) fn remember(&mut self, begun: &Begun, acts: Option<&Plan>, seen: &mut Seen, host: &mut dyn Host) -> Result<()> {
        let lost = remember(seen, acts, self.fleet)?;
        // An agent whose readiness is not recorded would get its ready hook once more from another run.
        let is_kept = |event: &&Event| event.agent.as_ref().is_none_or(|agent| !lost.contains(agent));
        let kept: Vec<Event> = begun.news.iter().filter(is_kept).cloned().collect();
        let mut events = take_back_requests(seen, self.fleet, seen.observed.at)?;
        events.extend(greet(&kept, self.desired, seen, host));
        self.tell(&events);
        Ok(())
    }

    /// Does the steps of the plan, and says who was asked to end by them if nothing else was asked, and how long to wait before the next look.
    pub(crate) fn act(
        &mut self,
        begun: &Begun,
        seen: &mut Seen,
        patience: &mut Patience,
        host: &mut dyn Host,
    ) -> Result<(Vec<ProcId>, Duration)> {
        let events = execute(&begun.plan, self.desired, seen, self.fleet, host)?;
        patience.learn(begun, std::mem::take(&mut seen.undone), host.now());
        self.tell(&events);
        let leaving = leaving(&begun.plan, &seen.observed);
        let pause = if begun.again || !leaving.is_empty() { AGAIN } else { Duration::ZERO };
        Ok((leaving, pause))
    }

    /// Writes events into the journal and tells them.
    pub(crate) fn tell(&mut self, events: &[Event]) {
        for entry in self.fleet.tell(self.journal, events) {
            self.audience.event(&entry);
        }
    }
}

/// A run that told of an end may have been killed before it was in the record.
pub(super) fn leave_out_what_was_told(news: &mut Vec<Event>, seen: &Seen, journal: &Journal) {
    if !news.iter().any(|event| event.what == What::Exited) {
        return;
    }
    // A journal that cannot be read keeps nothing from being told.
    let told = journal.last_ends().unwrap_or_default();
    let was_told = |event: &Event| {
        let life = (event.agent.clone()?, event.generation?);
        let began = seen.records.get(&life.0)?.asked_at;
        // Numbers are given out again after an agent was forgotten.
        told.get(&life).map(|at| *at >= began)
    };
    news.retain(|event| event.what != What::Exited || was_told(event) != Some(true));
}

/// Writes down what a look brought, but for the records that a step of this round writes or removes anyway. Returns of whom it is not remembered, for
/// the disk is full.
pub(super) fn remember(seen: &mut Seen, steps: Option<&Plan>, fleet: &Fleet) -> Result<BTreeSet<AgentName>> {
    let mut lost = BTreeSet::new();
    let writes = |change: &Change| match &change.next {
        Next::Act(Action::Sweep { ask: None }) | Next::Wait(_) | Next::Held(_) | Next::Blocked(_) => false,
        Next::Act(_) => true,
    };
    for name in std::mem::take(&mut seen.learned) {
        let is_written = steps.and_then(|plan| plan.changes.get(&name)).is_some_and(writes);
        let Some(record) = seen.records.get(&name).filter(|_| !is_written) else { continue };
        if fleet.or_unremembered(Unremembered::State(name.clone()), fleet.write(record))?.is_none() {
            lost.insert(name);
        }
    }
    // It is tried again in the next round.
    seen.learned.clone_from(&lost);
    Ok(lost)
}

/// Who was just asked to end, if nothing else was asked: before one of them has, or has taken its time, a look would show nothing new.
fn leaving(plan: &Plan, observed: &Observed) -> Vec<ProcId> {
    let acts = || plan.changes.iter().filter(|(_, change)| matches!(change.next, Next::Act(_)));
    let ends = |change: &Change| matches!(change.next, Next::Act(Action::Drain { .. } | Action::Kill { .. }));
    if plan.server.is_some() || !acts().all(|(_, change)| ends(change)) {
        return Vec::new();
    }
    processes(acts().map(|(name, _)| name), observed)
}

/// When the first of the plan's waits is over by the clock.
pub(crate) fn wake_at(plan: &Plan) -> Option<Timestamp> {
    let time = |change: &Change| match &change.next {
        Next::Wait(
            Wait::Backoff { until } | Wait::Condition { until } | Wait::Dialog { until } | Wait::Screen { until } | Wait::Wave { until },
        ) => Some(*until),
        Next::Wait(Wait::Ready { look_at, until } | Wait::Read { look_at, until } | Wait::Leave { look_at, until, .. }) => {
            Some((*look_at).min(*until))
        }
        Next::Wait(Wait::After { .. } | Wait::Dependants(_) | Wait::Turn) | Next::Act(_) | Next::Held(_) | Next::Blocked(_) => None,
    };
    plan.changes.values().filter_map(time).min()
}

/// Whether somebody waits for an agent that gets on by itself, as one does that is held or left out of this run.
pub(crate) fn has_silent_waits(plan: &Plan) -> bool {
    let gets_a_step = |agent: &AgentName| plan.changes.get(agent).is_some_and(|change| matches!(change.next, Next::Act(_) | Next::Wait(_)));
    plan.changes.values().any(|change| matches!(&change.next, Next::Wait(Wait::After { agent, .. }) if !gets_a_step(agent)))
}

/// The process of each agent that is the last to end, and the programs that earlier lives left. One that has ended is no news any more: to wait for
/// it would be no wait.
pub(crate) fn processes<'a>(names: impl Iterator<Item = &'a AgentName>, observed: &Observed) -> Vec<ProcId> {
    let lives = |sighting: &Sighting| matches!(sighting.phase, Phase::Running { .. } | Phase::Leaving(_));
    let process = |instance: &Instance| instance.keeper.clone().or_else(|| instance.program.clone());
    let of_agent = |sighting: &Sighting| -> Vec<ProcId> {
        let present = sighting.instance.iter().filter(|_| lives(sighting));
        present.chain(&sighting.remains).filter_map(process).collect()
    };
    names.filter_map(|name| observed.agents.get(name)).flat_map(of_agent).collect()
}

/// Steps that are taken again and again without an effect are given up, so that nobody goes round and round.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    trying: BTreeMap<AgentName, (Action, Timestamp)>,
    server: Option<(ServerChange, Timestamp)>,
    /// Steps that could not be written down and so were not done: when, and why not.
    undone: BTreeMap<AgentName, (Action, Timestamp, String)>,
    /// Agents whose steps were given up, and the step.
    pub(crate) stalled: BTreeMap<AgentName, Action>,
    /// What is due for the tmux server and was given up.
    pub(crate) stalled_server: Option<ServerChange>,
}

impl Patience {
    /// Takes stalled steps out of a plan, and says whether some step is tried again.
    fn try_on(&mut self, plan: &mut Plan, now: Timestamp) -> bool {
        let mut trying = BTreeMap::new();
        let mut again = false;
        for (name, change) in &mut plan.changes {
            let Next::Act(action) = &change.next else { continue };
            if let Some((_, _, why)) = self.undone.get(name).filter(|(before, at, _)| before == action && now.since(*at) < UNWRITABLE) {
                self.stalled.insert(name.clone(), action.clone());
                change.next = Next::Blocked(Blocked { reason: Reason::NoEffect, message: why.clone() });
                continue;
            }
            let since = match self.trying.get(name) {
                Some((before, since)) if before == action => *since,
                Some(_) | None => now,
            };
            again |= since < now;
            trying.insert(name.clone(), (action.clone(), since));
            if now.since(since) >= KILL_PATIENCE {
                self.stalled.insert(name.clone(), action.clone());
                let message = format!("{action} was asked for again and again for {KILL_PATIENCE} without an effect");
                change.next = Next::Blocked(Blocked { reason: Reason::NoEffect, message });
            }
        }
        self.trying = trying;
        again | self.try_server(plan, now)
    }

    /// The same of what is due for the tmux server.
    fn try_server(&mut self, plan: &mut Plan, now: Timestamp) -> bool {
        let Some(change) = &plan.server else {
            (self.server, self.stalled_server) = (None, None);
            return false;
        };
        let since = self.server.take().filter(|(before, _)| before == change).map_or(now, |(_, since)| since);
        self.server = Some((change.clone(), since));
        if now.since(since) >= KILL_PATIENCE {
            self.stalled_server = plan.server.take();
        }
        since < now
    }

    /// Takes note of what was not done in a round, and why.
    fn learn(&mut self, begun: &Begun, undone: BTreeMap<AgentName, String>, now: Timestamp) {
        for (name, why) in undone {
            if let Some(Next::Act(action)) = begun.plan.changes.get(&name).map(|change| &change.next) {
                self.undone.insert(name, (action.clone(), now, why));
            }
        }
    }
}
