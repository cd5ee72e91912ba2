//! What is due for one agent by itself, as if it were alone.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Action, Blocked, Cause, Change, Kind, Next, Reason, Terms, Wait, dialogs, diff, ground, leave, live, notes, start, sweep, talk,
};
use crate::desired::{AgentName, Declared, Desired, OnRemove, Policy, Wish, canonical_digest};
use crate::observed::{Condition, Health, Leaving, LogPipe, Observed, Obstacle, Phase, Purpose, Sighting};
use crate::time::Timestamp;

/// What is due for each agent, before order and guards.
pub(super) fn judge(desired: &Desired, observed: &Observed, terms: &Terms) -> BTreeMap<AgentName, Change> {
    let never_seen = Sighting::default();
    let renamed = renames(desired, observed);
    let mut changes = BTreeMap::new();
    for (name, declared) in &desired.agents {
        if !terms.covers(name) {
            continue;
        }
        let agent = Agent {
            sighting: observed.agents.get(name).unwrap_or(&never_seen),
            now: observed.at,
            terms,
            name,
            conditions: &observed.conditions,
        };
        if terms.only_messages {
            changes.extend(agent.messages(declared).map(|change| (name.clone(), change)));
            continue;
        }
        match renamed.get(name) {
            Some(from) => changes.extend([renaming(observed, name, from, terms)]),
            None => changes.extend(agent.declared(declared).map(|change| (name.clone(), change))),
        }
    }
    let goes_on: BTreeSet<&AgentName> = renamed.into_values().collect();
    for (name, sighting) in &observed.agents {
        if terms.only_messages || desired.agents.contains_key(name) || goes_on.contains(name) || !terms.covers(name) {
            continue;
        }
        let agent = Agent { sighting, now: observed.at, terms, name, conditions: &observed.conditions };
        changes.extend(agent.undeclared().map(|change| (name.clone(), change)));
    }
    changes
}

/// The agents of which an instance would be started, at once or once another one has ended: what stands in its way is worth a look.
pub fn successors(desired: &Desired, observed: &Observed) -> BTreeSet<AgentName> {
    let starts = |(name, change): &(AgentName, Change)| match change.kind {
        Kind::Replace | Kind::Restart => true,
        Kind::Spawn => !observed.agents.get(name).is_some_and(|sighting| matches!(sighting.phase, Phase::Running { .. })),
        Kind::Amend | Kind::Deliver | Kind::Stop | Kind::Adopt | Kind::Forget => false,
    };
    judge(desired, observed, &Terms::default()).into_iter().filter(starts).map(|(name, _)| name).collect()
}

/// Agents that go on under another name: the new one, and the old one.
fn renames<'a>(desired: &'a Desired, observed: &Observed) -> BTreeMap<&'a AgentName, &'a AgentName> {
    let lived = |name: &AgentName| observed.agents.get(name).is_some_and(|sighting| sighting.generation.0 > 0);
    desired
        .agents
        .iter()
        .filter_map(|(to, declared)| declared.renamed_from.as_ref().map(|from| (to, from)))
        .filter(|(to, from)| lived(from) && !lived(to) && !desired.agents.contains_key(*from))
        .collect()
}

/// The step towards a new name, and whose step it is. What an earlier life left is found by the old name, so that goes first.
fn renaming(observed: &Observed, to: &AgentName, from: &AgentName, terms: &Terms) -> (AgentName, Change) {
    let why_unknown = |name: &AgentName| match &observed.agents.get(name)?.phase {
        Phase::Unknown { why } => Some(why),
        Phase::Absent | Phase::Running { .. } | Phase::Leaving(_) | Phase::Exited(_) => None,
    };
    let cause = Cause::Renamed(from.clone());
    if let Some(why) = why_unknown(from).or_else(|| why_unknown(to)) {
        let next = blocked(Reason::Unknown, why.clone());
        return (to.clone(), Change { kind: Kind::Amend, cause, fields: Vec::new(), next });
    }
    let before = Agent { sighting: &observed.agents[from], now: observed.at, terms, name: from, conditions: &observed.conditions };
    if let Some(change) = sweep::due(&before, Kind::Amend, None) {
        return (from.clone(), change);
    }
    (to.clone(), Change { kind: Kind::Amend, cause, fields: Vec::new(), next: Next::Act(Action::Rename { from: from.clone() }) })
}

/// One agent with what judging it needs.
pub(super) struct Agent<'a> {
    pub(super) name: &'a AgentName,
    pub(super) sighting: &'a Sighting,
    pub(super) now: Timestamp,
    pub(super) terms: &'a Terms,
    pub(super) conditions: &'a [Condition],
}

impl Agent<'_> {
    fn declared(&self, declared: &Declared) -> Option<Change> {
        let wanted = declared.spec.care.desired == Wish::Running && self.sighting.wanted == Wish::Running;
        let kind = if wanted { Kind::Spawn } else { Kind::Stop };
        let change = self.unknown(kind).or_else(|| self.elsewhere(kind)).or_else(|| sweep::due(self, kind, Some(declared)));
        if change.is_some() {
            return change;
        }
        match (&self.sighting.phase, wanted) {
            (Phase::Unknown { .. }, _) | (Phase::Absent, false) => None,
            (Phase::Absent, true) => {
                let begun = self.sighting.generation.0 > 0;
                let (kind, cause) = if begun { (Kind::Restart, Cause::StartInterrupted) } else { (Kind::Spawn, Cause::New) };
                Some(self.spawn(kind, cause, declared, self.sighting.failures.clone()))
            }
            (Phase::Exited(ended), true) => start::after_end(self, declared, ended),
            (Phase::Exited(_), false) => self.amend(declared),
            (Phase::Running { .. }, false) => Some(self.leave(Kind::Stop, Cause::WantedStopped, Purpose::Stop, Some(declared), None)),
            (Phase::Running { since, health }, true) => self.running(declared, *since, health),
            (Phase::Leaving(leaving), wanted) => Some(self.leaving(leaving, wanted, declared)),
        }
    }

    fn undeclared(&self) -> Option<Change> {
        let change = self.unknown(Kind::Stop).or_else(|| self.elsewhere(Kind::Stop)).or_else(|| sweep::due(self, Kind::Stop, None));
        if change.is_some() {
            return change;
        }
        // A run that is there to stop everything says so, rather than that the manifest does not declare what it does.
        let cause = || if self.terms.unbound { Cause::Asked } else { Cause::NotDeclared };
        let forget = |next| Some(Change { kind: Kind::Forget, cause: cause(), fields: Vec::new(), next });
        let on_remove = self.sighting.spec.as_ref().map_or(OnRemove::Drain, |spec| spec.care.on_remove);
        match &self.sighting.phase {
            Phase::Unknown { .. } => None,
            // Only notes are kept, for when it is declared again.
            Phase::Absent if self.sighting.untyped > 0 && self.sighting.generation.0 == 0 => None,
            Phase::Absent | Phase::Exited(_) => forget(Next::Act(Action::Forget)),
            Phase::Running { .. } if self.sighting.released => None,
            Phase::Running { .. } => match on_remove {
                OnRemove::Leave => forget(Next::Act(Action::Forget)),
                OnRemove::Drain | OnRemove::Kill => Some(self.leave(Kind::Stop, cause(), Purpose::Stop, None, None)),
            },
            Phase::Leaving(leaving) => Some(self.leave(Kind::Stop, cause(), Purpose::Stop, None, Some(leaving))),
        }
    }

    fn unknown(&self, kind: Kind) -> Option<Change> {
        let Phase::Unknown { why } = &self.sighting.phase else { return None };
        let next = ground::hides(self.conditions, why).unwrap_or_else(|| blocked(Reason::Unknown, why.clone()));
        Some(Change { kind, cause: Cause::Unknown, fields: Vec::new(), next })
    }

    /// An instance that another state folder remembers is that folder's.
    fn elsewhere(&self, kind: Kind) -> Option<Change> {
        let folder = self.sighting.elsewhere.as_ref()?.display();
        let why = format!("the state folder {folder} has the record of its instance: use that one, or take it over with --take-over");
        Some(Change { kind, cause: Cause::Unrecorded, fields: Vec::new(), next: blocked(Reason::OtherStateFolder, why) })
    }

    fn running(&self, declared: &Declared, since: Timestamp, health: &Health) -> Option<Change> {
        if let Some(cause) = self.reason_to_replace(declared) {
            return Some(self.replace(cause, declared));
        }
        if self.sighting.spec.is_none() || self.sighting.released {
            let next = Next::Act(Action::Adopt { generation: self.sighting.generation });
            return Some(Change { kind: Kind::Adopt, cause: Cause::Unrecorded, fields: Vec::new(), next });
        }
        if let Some(change) = self.amend(declared).or_else(|| self.reopen_log(declared)) {
            return Some(change);
        }
        if let Some(change) = live::faulty(self, declared, since, health) {
            return Some(change);
        }
        let is_ready = matches!(health, Health::Ready(_));
        if is_ready && let Some(change) = notes::due(self, &declared.spec.care).filter(|change| matches!(change.next, Next::Act(_))) {
            return Some(change);
        }
        if let Some(change) = dialogs::asked(self, &declared.spec.care, if is_ready { Kind::Deliver } else { Kind::Spawn }) {
            return Some(change);
        }
        let next = match health {
            Health::Ready(_) => return talk::messages(self, &declared.spec.care).or_else(|| notes::due(self, &declared.spec.care)),
            Health::Starting => {
                let ready = &declared.spec.care.ready;
                let look_at = start::look_at(ready, since, self.now);
                // Of one whose program has not been started nothing is overdue.
                let until = Some(since + ready.timeout).filter(|until| *until > self.now).unwrap_or(look_at);
                Next::Wait(Wait::Ready { look_at, until })
            }
            Health::Failing { why } => blocked(
                Reason::NotReady,
                format!("not ready: {why}; it was left running; fix what it waits for, or replace it: `reconcile restart {}`", self.name),
            ),
        };
        Some(Change { kind: Kind::Spawn, cause: Cause::NotReady, fields: Vec::new(), next })
    }

    /// The next step of what waits to be typed, for a run that is there for nothing else.
    fn messages(&self, declared: &Declared) -> Option<Change> {
        if let Some(change) = self.elsewhere(Kind::Deliver) {
            return Some(change);
        }
        match &self.sighting.phase {
            Phase::Running { health: Health::Ready(_), .. } => talk::only_messages(self, &declared.spec.care),
            Phase::Running { .. } | Phase::Absent | Phase::Leaving(_) | Phase::Exited(_) | Phase::Unknown { .. } => None,
        }
    }

    /// Why a living instance must give way to another, if it must.
    pub(super) fn reason_to_replace(&self, declared: &Declared) -> Option<Cause> {
        let sighting = self.sighting;
        if sighting.replace_up_to >= sighting.generation && sighting.generation.0 > 0 {
            return Some(Cause::Asked);
        }
        match (&sighting.spec, &sighting.digest) {
            (Some(spec), _) if spec.launch != declared.spec.launch => return Some(Cause::LaunchChanged),
            (None, Some(digest)) if *digest != canonical_digest(&declared.spec.launch) => return Some(Cause::LaunchUnknown),
            (Some(_) | None, _) => {}
        }
        (!sighting.changed_secrets.is_empty()).then(|| Cause::SecretChanged(sighting.changed_secrets.clone()))
    }

    pub(super) fn replace(&self, cause: Cause, declared: &Declared) -> Change {
        // What the successor needs is checked before the first drain: a replacement that cannot start would leave nothing running.
        let change = self.leave(Kind::Replace, cause, Purpose::Replace, Some(declared), None);
        match self.kept_back(declared) {
            Some(next) => Change { next, ..change },
            None => change,
        }
    }

    /// An end that was begun goes on to its end, unless the agent is wanted again and takes no notice.
    fn leaving(&self, leaving: &Leaving, wanted: bool, declared: &Declared) -> Change {
        let fault = || self.sighting.vitals.pulse.fault.clone().map(Cause::Faulty);
        let (kind, cause, purpose) = match (wanted, self.reason_to_replace(declared).or_else(fault)) {
            (true, Some(cause @ Cause::Faulty(_))) if declared.spec.care.restart.policy == Policy::Never => {
                (Kind::Stop, cause, Purpose::Stop)
            }
            (true, Some(cause)) => (Kind::Replace, cause, Purpose::Replace),
            (true, None) => (Kind::Replace, Cause::WantedAgain, Purpose::Replace),
            (false, _) => (Kind::Stop, Cause::WantedStopped, Purpose::Stop),
        };
        // One whose successor cannot start is asked nothing more either: what it was asked may still end it, and if not, it stays.
        let is_hopeless = wanted && self.kept_back(declared).is_some();
        if let (true, Some(next)) = (wanted && cause == Cause::WantedAgain || is_hopeless, leave::stay(self, leaving, declared)) {
            return Change { kind, cause, fields: self.fields(Some(declared)), next };
        }
        self.leave(kind, cause, purpose, Some(declared), Some(leaving))
    }

    pub(super) fn leave(
        &self,
        kind: Kind,
        cause: Cause,
        purpose: Purpose,
        declared: Option<&Declared>,
        leaving: Option<&Leaving>,
    ) -> Change {
        let recorded = self.sighting.spec.as_ref().map(|spec| &*spec.care);
        let next = match leaving {
            Some(leaving) => leave::next_step(self, leaving, purpose, declared, recorded),
            None => leave::first_step(self, purpose, declared, recorded),
        };
        Change { kind, cause, fields: self.fields(declared), next }
    }

    /// The care is applied in place, if it differs.
    pub(super) fn amend(&self, declared: &Declared) -> Option<Change> {
        let before = self.sighting.spec.as_ref().map(|spec| &spec.care).filter(|care| **care != declared.spec.care)?;
        let fields = diff::care(before, &declared.spec.care, &declared.spec.launch.place);
        Some(Change { kind: Kind::Amend, cause: Cause::CareChanged, fields, next: Next::Act(Action::Amend) })
    }

    /// A log whose pipe something closed goes on.
    fn reopen_log(&self, declared: &Declared) -> Option<Change> {
        let is_due = self.sighting.log_pipe == Some(LogPipe::Closed) && declared.spec.care.pane_log.is_some();
        is_due.then(|| Change { kind: Kind::Amend, cause: Cause::LogClosed, fields: Vec::new(), next: Next::Act(Action::Amend) })
    }

    /// A start, unless something stands in its way.
    pub(super) fn spawn(&self, kind: Kind, cause: Cause, declared: &Declared, failures: crate::observed::Failures) -> Change {
        let spawn = || {
            Next::Act(Action::Spawn {
                generation: self.sighting.generation.max(self.sighting.replace_up_to).max(self.sighting.spent).next(),
                failures,
            })
        };
        let next = self.kept_back(declared).unwrap_or_else(spawn);
        Change { kind, cause, fields: self.fields(Some(declared)), next }
    }

    /// What keeps an instance from being started as declared: first conditions of the fleet, then what is wrong with its own launch.
    pub(super) fn kept_back(&self, declared: &Declared) -> Option<Next> {
        let of_all = ground::keeps_back(self.conditions, &declared.spec.launch.place, self.now);
        of_all.or_else(|| self.sighting.obstacle.as_ref().map(blocked_by))
    }

    fn fields(&self, declared: Option<&Declared>) -> Vec<super::FieldChange> {
        match (&self.sighting.spec, declared) {
            (Some(before), Some(declared)) => diff::spec(before, &declared.spec),
            (Some(_) | None, _) => Vec::new(),
        }
    }
}

pub(super) fn blocked(reason: Reason, message: String) -> Next {
    Next::Blocked(Blocked { reason, message })
}

pub(super) fn blocked_by(obstacle: &Obstacle) -> Next {
    match obstacle {
        Obstacle::PlaceTaken(by) => blocked(Reason::PlaceTaken, by.clone()),
        Obstacle::CwdMissing(path) => blocked(Reason::CwdMissing, format!("cwd \"{}\" does not exist", path.display())),
        Obstacle::CommandMissing(what) => blocked(Reason::CommandMissing, what.clone()),
        Obstacle::TooManyPanes(numbers) => blocked(Reason::TooManyPanes, numbers.clone()),
        Obstacle::Unreadable(what) => blocked(Reason::Unreadable, what.clone()),
        Obstacle::RecordMismatch(what) => blocked(Reason::RecordMismatch, what.clone()),
    }
}
