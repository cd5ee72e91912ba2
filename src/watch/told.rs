//! What happened is told once, whoever wrote it down and however often a watcher is killed: up to which entry of the journal all is told is written
//! down.

use std::collections::BTreeSet;

use anyhow::Result;

use super::Watch;
use super::notices::Notices;
use crate::converge::Audience;
use crate::desired::{AgentName, Desired};
use crate::event::{Entry, What, Word};
use crate::host::Host;
use crate::observed::Observed;
use crate::plan::Plan;
use crate::state::{Fleet, Unremembered};

/// Passes on what happens, and keeps it.
pub(super) struct Heard<'a> {
    pub(super) audience: &'a mut dyn Audience,
    pub(super) entries: Vec<Entry>,
}

impl Audience for Heard<'_> {
    fn event(&mut self, entry: &Entry) {
        self.entries.push(entry.clone());
        self.audience.event(entry);
    }

    fn round(&mut self, plan: &Plan, observed: &Observed) {
        self.audience.round(plan, observed);
    }
}

impl Watch {
    /// Hears what commands wrote into the journal since the last round, in order; at first, what was written since an earlier watcher told of
    /// something. Where there was none, nothing is news.
    pub(super) fn hear_others(&mut self, desired: &Desired, fleet: &Fleet, host: &mut dyn Host, audience: &mut dyn Audience) -> Result<()> {
        let last = match self.heard {
            Some(last) => last,
            None => {
                let last = fleet.last_entry()?;
                // One from beyond the end is of another journal.
                self.told = fleet.told().unwrap_or_default().filter(|told| *told <= last);
                self.told.unwrap_or(last)
            }
        };
        let entries = fleet.entries_after(last)?;
        self.heard = entries.last().map(|entry| entry.number).or(Some(last));
        let own = std::mem::take(&mut self.own);
        for entry in entries.into_iter().filter(|entry| !own.contains(&entry.number)) {
            audience.event(&entry);
            let is_crash = entry.event.what == What::Exited && entry.event.reason == Some(Word::FAILED);
            let crashed: BTreeSet<AgentName> = entry.event.agent.iter().filter(|_| is_crash).cloned().collect();
            self.hear(vec![entry], &crashed, desired, host);
        }
        Ok(())
    }

    /// Sends the notices of what a round brought, and those that were due before. A round that fails does not come here: the next one hears its events
    /// as those of others, so no notice is lost.
    pub(super) fn tell_of(
        &mut self,
        Heard { entries, audience: _ }: Heard<'_>,
        crashed: &BTreeSet<AgentName>,
        desired: &Desired,
        fleet: &Fleet,
        host: &mut dyn Host,
    ) -> Result<()> {
        self.own.extend(entries.iter().map(|entry| entry.number).filter(|number| *number > 0));
        self.hear(entries, crashed, desired, host);
        self.send(desired, fleet, host)
    }

    /// Takes note of what somebody wants to hear of. On a full disk, where an end cannot be written down, each round brings it again.
    fn hear(&mut self, mut entries: Vec<Entry>, crashed: &BTreeSet<AgentName>, desired: &Desired, host: &mut dyn Host) {
        entries.retain(|Entry { event, .. }| match (event.what, &event.agent, event.generation) {
            (What::Exited, Some(agent), Some(generation)) => self.ends.insert(agent.clone(), generation) != Some(generation),
            (_, _, _) => true,
        });
        self.notices.hear(&entries, crashed, self.deaths.are_many(), desired, host.now());
    }

    /// Sends what is due. What another watcher need not send is written down before: one that is killed on the way sends nothing twice.
    pub(super) fn send(&mut self, desired: &Desired, fleet: &Fleet, host: &mut dyn Host) -> Result<()> {
        let due = self.notices.take_due(host.now());
        let read = self.heard.into_iter().chain(self.own.last().copied()).max();
        let told = self.notices.first().map(|first| first - 1).or(read).unwrap_or(0);
        // On a full disk it is tried again in the next round.
        if self.told.is_none_or(|before| told > before) && fleet.or_unremembered(Unremembered::Told, fleet.write_told(told))?.is_some() {
            self.told = Some(told);
        }
        Notices::send(due, desired, host);
        Ok(())
    }
}
