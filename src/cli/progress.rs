//! What happens, told while it happens: lines, a bar on a terminal, or JSON.

use std::collections::{BTreeMap, BTreeSet};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::terminal::Terminal;
use crate::converge::Audience;
use crate::desired::AgentName;
use crate::event::{Entry, Event, What};
use crate::observed::Observed;
use crate::plan::{Next, Plan, Wait};
use crate::render::{self, json};
use crate::state::{Run, RunPhase};

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    /// For people, on stderr.
    Human,
    /// For programs, on stdout.
    Json,
}

/// What was done, counted, and everything that happened.
pub(super) type Told = (BTreeMap<&'static str, usize>, Vec<Event>);

/// What is counted: agents, however often each tried, or single things.
enum Counted {
    Agents(&'static str),
    Things(&'static str),
}

/// What an event counts as, if as anything.
fn counted(what: What) -> Option<Counted> {
    match what {
        What::Started => Some(Counted::Agents("started")),
        What::Exited => Some(Counted::Agents("ended")),
        What::Amend | What::Rename => Some(Counted::Agents("amended")),
        What::Adopt => Some(Counted::Agents("adopted")),
        What::Forget => Some(Counted::Agents("forgotten")),
        What::Receipt | What::Delivered => Some(Counted::Things("delivered")),
        What::Undelivered => Some(Counted::Things("not confirmed")),
        What::DeadLetter => Some(Counted::Things("dead letters")),
        What::Overdue => Some(Counted::Agents("not ready in time")),
        What::Failed => Some(Counted::Things("failed")),
        What::Began
        | What::Planned
        | What::Spawn
        | What::Drain
        | What::Stay
        | What::Kill
        | What::Sweep
        | What::Ready
        | What::Answer
        | What::Answered
        | What::Limit
        | What::Left
        | What::Unchanged
        | What::LogTaken
        | What::Type
        | What::Submit
        | What::Asked
        | What::Acknowledged
        | What::Held
        | What::Blocked
        | What::FailedRepeatedly
        | What::HeldOverdue
        | What::MassDeath
        | What::Claimed
        | What::Requested
        | What::Ignored
        | What::Manifest
        | What::Done => None,
    }
}

/// What an event begins for its agent that another one will tell the end of.
fn begun_by(what: What) -> Option<&'static str> {
    match what {
        What::Spawn => Some("being started"),
        What::Drain => Some("asked to end"),
        What::Kill => Some("being killed"),
        What::Claimed => Some("to be typed"),
        What::Type => Some("typed and not confirmed yet"),
        What::Began
        | What::Planned
        | What::Stay
        | What::Sweep
        | What::Amend
        | What::Rename
        | What::Adopt
        | What::Forget
        | What::Started
        | What::Ready
        | What::Overdue
        | What::Answer
        | What::Answered
        | What::Limit
        | What::Unchanged
        | What::LogTaken
        | What::Submit
        | What::Receipt
        | What::Undelivered
        | What::Asked
        | What::Delivered
        | What::DeadLetter
        | What::Acknowledged
        | What::Exited
        | What::Left
        | What::Held
        | What::Blocked
        | What::FailedRepeatedly
        | What::HeldOverdue
        | What::MassDeath
        | What::Requested
        | What::Ignored
        | What::Manifest
        | What::Failed
        | What::Done => None,
    }
}

/// Whether an event tells what came of what was begun for its agent.
fn is_end(what: What) -> bool {
    matches!(
        what,
        What::Started | What::Exited | What::Stay | What::Receipt | What::Undelivered | What::Asked | What::Forget | What::Failed
    )
}

/// Tells of a run as it goes on, and keeps its file in `runs/`.
pub(super) struct Progress<'a> {
    terminal: &'a Terminal,
    lines: Lines,
    names: usize,
    bar: ProgressBar,
    run: Option<&'a mut Run>,
    counts: BTreeMap<&'static str, usize>,
    /// Of which agents ends count: of all, without.
    scope: Option<BTreeSet<AgentName>>,
    /// What was begun and is not over.
    begun: BTreeMap<AgentName, &'static str>,
    /// Of which agents what was counted.
    seen: BTreeSet<(&'static str, Option<AgentName>)>,
    events: Vec<Event>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(
        terminal: &'a Terminal,
        lines: Lines,
        plan: &Plan,
        scope: Option<&BTreeSet<AgentName>>,
        run: Option<&'a mut Run>,
    ) -> Self {
        let bar = ProgressBar::with_draw_target(Some(plan.changes.len() as u64), target(terminal, lines));
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} at rest  {elapsed}") {
            bar.set_style(style);
        }
        let names = plan.changes.keys().map(|name| name.as_str().len()).max().unwrap_or(0);
        Self {
            terminal,
            lines,
            names,
            bar,
            run,
            counts: BTreeMap::new(),
            scope: scope.cloned(),
            begun: BTreeMap::new(),
            seen: BTreeSet::new(),
            events: Vec::new(),
        }
    }

    /// Ends the bar. What was begun and goes on counts as that.
    pub(super) fn finish(mut self) -> Told {
        self.bar.finish_and_clear();
        self.begun.values().for_each(|begun| *self.counts.entry(begun).or_default() += 1);
        (self.counts, self.events)
    }
}

fn target(terminal: &Terminal, lines: Lines) -> ProgressDrawTarget {
    match lines {
        Lines::Human if terminal.can_ask() => ProgressDrawTarget::stderr(),
        Lines::Human | Lines::Json => ProgressDrawTarget::hidden(),
    }
}

impl Audience for Progress<'_> {
    fn event(&mut self, entry: &Entry) {
        let agent = entry.event.agent.as_ref();
        let is_meant = agent.is_none_or(|agent| self.scope.as_ref().is_none_or(|scope| scope.contains(agent)));
        match counted(entry.event.what).filter(|_| is_meant) {
            Some(Counted::Agents(done)) if self.seen.insert((done, entry.event.agent.clone())) => {
                *self.counts.entry(done).or_default() += 1
            }
            Some(Counted::Things(done)) => *self.counts.entry(done).or_default() += 1,
            Some(Counted::Agents(_)) | None => {}
        }
        if let Some(agent) = &entry.event.agent {
            match begun_by(entry.event.what) {
                Some(begun) => drop(self.begun.insert(agent.clone(), begun)),
                None if is_end(entry.event.what) => drop(self.begun.remove(agent)),
                None => {}
            }
        }
        if entry.event.agent.is_none() && entry.event.what == What::Failed {
            // What kept agents from being started is told for all of them at once.
            self.begun.retain(|_, begun| begun_by(What::Spawn) != Some(*begun));
        }
        self.events.push(entry.event.clone());
        match self.lines {
            // A reader that went away is no reason to leave the work half done.
            Lines::Json => drop(self.terminal.print(&json::entry_line(entry))),
            Lines::Human => {
                let text = self.terminal.complete(&render::event_human(&entry.event, self.names, self.terminal.err()));
                self.bar.suspend(|| self.terminal.say(&text));
            }
        }
    }

    fn round(&mut self, plan: &Plan, observed: &Observed) {
        let total = self.bar.length().unwrap_or(0).max(plan.changes.len() as u64);
        self.bar.set_length(total);
        self.bar.set_position(total - plan.changes.len() as u64);
        let starts = |next: &Next| match next {
            Next::Act(_) => true,
            Next::Wait(Wait::Ready { .. } | Wait::Dialog { .. } | Wait::Screen { .. } | Wait::Read { .. })
            | Next::Held(_)
            | Next::Blocked(_) => false,
            Next::Wait(_) => true,
        };
        let phase = match plan {
            plan if plan.changes.values().any(|change| starts(&change.next)) => return,
            plan if plan.has_waits() => RunPhase::Spawned,
            _ => RunPhase::Ready,
        };
        // The file is for whoever looks on; the run itself does not need it.
        let _ = self.run.as_mut().map(|run| run.reach(phase, observed.at));
    }
}
