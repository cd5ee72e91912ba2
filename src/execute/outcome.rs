//! What came of the steps of a round, and whose fault it is where a start did not work: only the agent's own counts for it.

use std::collections::BTreeMap;

use anyhow::Result;

use super::{Round, Task};
use crate::desired::AgentName;
use crate::event::{Event, What};
use crate::host::{Act, Outcome};
use crate::observed::{Ended, Exit};
use crate::state::Record;
use crate::time::Timestamp;

impl Round<'_> {
    /// Tells what came of a step. A start that failed is an end, and remembered as one; one that the machine hindered, or that was refused, has not
    /// taken place.
    pub(super) fn conclude<'a>(
        &mut self,
        task: Task<'a>,
        outcomes: &[Outcome],
        events: &mut Vec<Event>,
        hindered: &mut BTreeMap<String, Vec<&'a AgentName>>,
    ) -> Result<()> {
        let at = self.host.now();
        let agent = task.agent;
        let generation = task.event.generation;
        let what = task.event.what;
        events.push(task.event);
        for (act, outcome) in task.acts.iter().zip(outcomes) {
            let why = match outcome {
                Outcome::Skipped if what == What::Type => {
                    self.take_back(agent, "a signal asked to stop")?;
                    continue;
                }
                Outcome::Skipped if matches!(act, Act::Spawn(_)) => {
                    self.take_back_start(task.before.as_deref())?;
                    continue;
                }
                Outcome::Done | Outcome::Skipped => continue,
                // That something to be removed is not there is as good as removed.
                Outcome::Refused(_) if matches!(act, Act::Clear { .. }) => continue,
                Outcome::Hindered(why) if matches!(act, Act::Spawn(_)) => {
                    self.take_back_start(task.before.as_deref())?;
                    hindered.entry(why.clone()).or_default().push(agent);
                    continue;
                }
                Outcome::Refused(why) => format!("nothing was done: {why}"),
                Outcome::Failed(why) | Outcome::Hindered(why) => why.clone(),
                Outcome::Unknown(why) => format!("it cannot be told whether it was done: {why}"),
            };
            let failed = matches!(outcome, Outcome::Refused(_) | Outcome::Failed(_) | Outcome::Hindered(_));
            if failed && what == What::Type {
                self.take_back(agent, &why)?;
            }
            if failed && what == What::Submit {
                self.take_back_enter(agent)?;
            }
            match outcome {
                // Something of the agent lives that was not seen: the next look searches for it.
                Outcome::Refused(_) if matches!(act, Act::Spawn(_)) => {
                    let before = task.before.as_deref().map(|before| Record { predecessor_unproven: true, ..before.clone() });
                    self.take_back_start(before.as_ref())?;
                }
                Outcome::Failed(_) if matches!(act, Act::Spawn(_)) => self.start_failed(agent, &why, at)?,
                Outcome::Refused(_)
                | Outcome::Failed(_)
                | Outcome::Hindered(_)
                | Outcome::Done
                | Outcome::Unknown(_)
                | Outcome::Skipped => {}
            }
            events.push(Event { at, agent: Some(agent.clone()), generation, what: What::Failed, reason: None, why });
        }
        Ok(())
    }

    /// Remembers a start that failed as an end.
    fn start_failed(&mut self, agent: &AgentName, why: &str, at: Timestamp) -> Result<()> {
        let Some(record) = self.seen.records.get(agent).cloned() else { return Ok(()) };
        let exit = Exit::Failed(why.to_owned());
        self.write(Record {
            ended: Some(Ended { at, since: at, was_ready: false, exit, asked: None, outcome: None, excuse: None }),
            ..record
        })
    }

    /// Remembers what was before a start that did not take place: nothing has happened to the agent, and nothing counts.
    fn take_back_start(&mut self, before: Option<&Record>) -> Result<()> {
        before.map_or(Ok(()), |before| self.write(before.clone()))
    }
}

/// What kept agents from being started, for all of them in one line.
pub(super) fn told_once(at: Timestamp, agents: &[&AgentName], why: &str) -> Event {
    const NAMED: usize = 3;
    let names: Vec<&str> = agents.iter().take(NAMED).map(|agent| agent.as_str()).collect();
    let more = agents.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let why = format!("{}{more} could not be started, through no fault of their own: {why}", names.join(", "));
    Event { at, agent: None, generation: None, what: What::Failed, reason: None, why }
}
