//! Whom to tell of what has happened. Each thing is a change and is told once; ends that are some of many are told as one.

use std::collections::BTreeSet;

use serde_json::json;

use super::Event;
use crate::desired::{AgentName, Desired, Notice, Occasion};
use crate::event::What;
use crate::host::Host;
use crate::observe::Seen;
use crate::time::{Duration, Timestamp};

/// A crash is told after this time: by then it is known whether it is one of many.
const TOGETHER: Duration = Duration::from_secs(1);

/// What is to be told.
#[derive(Debug, Default)]
pub(super) struct Notices {
    pending: Vec<Pending>,
}

#[derive(Debug)]
struct Pending {
    due: Timestamp,
    on: Occasion,
    event: Event,
}

/// Who of those whose end is news crashed.
pub(super) fn crashed(news: &[Event], desired: &Desired, seen: &Seen) -> BTreeSet<AgentName> {
    let crashed = |agent: &&AgentName| {
        let record = seen.records.get(*agent);
        let care = desired.agents.get(*agent).map(|declared| &declared.spec.care);
        let care = care.or(record.and_then(|record| record.spec.as_ref()).map(|spec| &spec.care));
        let ended = record.and_then(|record| record.ended.as_ref());
        ended.is_some_and(|ended| ended.is_crash(care.map(|care| &care.restart)))
    };
    news.iter().filter(|event| event.what == What::Exited).filter_map(|event| event.agent.as_ref()).filter(crashed).cloned().collect()
}

impl Notices {
    /// Takes note of what somebody wants to hear of. Where ends are some of `many`, they are told as one.
    pub(super) fn hear(&mut self, events: &[Event], crashed: &BTreeSet<AgentName>, many: bool, desired: &Desired, now: Timestamp) {
        for event in events {
            let crash = event.agent.as_ref().is_some_and(|agent| crashed.contains(agent));
            let Some(on) = occasion(event.what, crash) else { continue };
            if desired.notify.iter().any(|notice| notice.on.contains(&on)) {
                let due = if on == Occasion::Crash { now + TOGETHER } else { now };
                self.pending.push(Pending { due, on, event: event.clone() });
            }
        }
        if many {
            self.pending.retain(|pending| pending.on != Occasion::Crash);
        }
    }

    /// When the next one is to be told.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.pending.iter().map(|pending| pending.due).min()
    }

    /// Tells what is due.
    pub(super) fn send(&mut self, desired: &Desired, host: &mut dyn Host) {
        let now = host.now();
        let (due, later): (Vec<Pending>, Vec<Pending>) =
            std::mem::take(&mut self.pending).into_iter().partition(|pending| pending.due <= now);
        self.pending = later;
        for Pending { on, event, .. } in due {
            let text = text(desired, on, &event);
            for Notice { to, .. } in desired.notify.iter().filter(|notice| notice.on.contains(&on)) {
                host.notify(to, &text);
            }
        }
    }
}

/// An event as those hear of it who want to: one line of JSON.
fn text(desired: &Desired, on: Occasion, event: &Event) -> String {
    let Event { at, agent, generation, what, reason, why } = event;
    json!({
        "format_version": "1.0",
        "fleet": desired.fleet,
        "on": on,
        "at": at,
        "agent": agent,
        "generation": generation,
        "what": what,
        "reason": reason,
        "why": why,
    })
    .to_string()
}

fn occasion(what: What, crash: bool) -> Option<Occasion> {
    Some(match what {
        What::Exited if crash => Occasion::Crash,
        What::MassDeath => Occasion::MassDeath,
        What::Limit => Occasion::Limit,
        What::Unchanged => Occasion::Unchanged,
        What::Held => Occasion::Held,
        What::HeldOverdue => Occasion::HeldOverdue,
        What::Blocked => Occasion::Blocked,
        What::FailedRepeatedly => Occasion::FailedRepeatedly,
        What::Undelivered | What::DeadLetter => Occasion::Undelivered,
        What::Overdue => Occasion::NotReady,
        What::Ready => Occasion::Ready,
        What::Manifest => Occasion::Manifest,
        What::Began
        | What::Planned
        | What::Spawn
        | What::Drain
        | What::Stay
        | What::Kill
        | What::Sweep
        | What::Amend
        | What::Rename
        | What::Adopt
        | What::Forget
        | What::Started
        | What::Answer
        | What::Answered
        | What::Type
        | What::Submit
        | What::Receipt
        | What::Asked
        | What::Delivered
        | What::Acknowledged
        | What::Exited
        | What::Left
        | What::Requested
        | What::Ignored
        | What::Failed
        | What::Done => return None,
    })
}
