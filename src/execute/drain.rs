//! The steps by which an agent is asked to end.

use anyhow::{Context, Result};

use super::{Round, notes};
use crate::desired::{AgentName, DrainAsk};
use crate::event::{Event, What};
use crate::host::Act;
use crate::observe::Seen;
use crate::observed::{Body, Message, MessageKind, Sighting};
use crate::state::handoff::shutdown::{self, ShutdownMessage};
use crate::state::handoff::{Note, NoteId, Route};
use crate::state::{Fleet, Record, Unremembered};
use crate::time::{Duration, Timestamp};

impl Round<'_> {
    /// What is asked of the machine for a step; that it was taken is written down already.
    pub(super) fn drain(&mut self, agent: &AgentName, sighting: Sighting, step: usize, ask: &DrainAsk, now: Timestamp) -> Result<Vec<Act>> {
        let Some(only) = sighting.instance.clone() else { return Ok(Vec::new()) };
        Ok(match ask {
            DrainAsk::Keys(keys) => vec![Act::Keys { only, keys: keys.clone() }],
            DrainAsk::Signal { signal, to } => vec![Act::Signal { only, signal: *signal, to: *to }],
            DrainAsk::Command(argv) => {
                let steps = |care: &crate::desired::Care| care.drain.get(step).map(|step| step.wait);
                let declared = self.desired.agents.get(agent).and_then(|declared| steps(&declared.spec.care));
                let patience = declared.or_else(|| steps(&sighting.spec.as_ref()?.care)).unwrap_or(Duration::ZERO);
                let inbox = self.inbox(agent, &sighting);
                vec![Act::Run { only, argv: argv.clone(), cwd: self.cwd(agent, &sighting), inbox, patience }]
            }
            DrainAsk::Ask(text) => {
                let record = self.seen.records.get(agent).cloned().unwrap_or_else(|| Record::new(agent.clone()));
                let id = format!("ask-{}-{}", sighting.generation, step + 1);
                let message = Message { id, kind: MessageKind::Ask, body: Body::Text(text.clone()), interrupts: true };
                self.begin_typing(record, sighting, &message, now)?
            }
            DrainAsk::Message(text) => {
                self.request(agent, &sighting, text, now)?;
                Vec::new()
            }
        })
    }

    /// Where the agent finds its notes.
    fn inbox(&self, agent: &AgentName, sighting: &Sighting) -> std::path::PathBuf {
        let applied = sighting.spec.as_ref().and_then(|spec| spec.care.handoff.inbox.clone());
        applied.unwrap_or_else(|| self.fleet.paths().inbox(notes::lives_as(agent, sighting.instance.as_ref())))
    }

    /// Where the instance was started; commands about it are run there.
    fn cwd(&self, agent: &AgentName, sighting: &Sighting) -> std::path::PathBuf {
        let spec = sighting.spec.as_ref().or(self.desired.agents.get(agent).map(|declared| &declared.spec));
        spec.map_or_else(|| "/".into(), |spec| spec.launch.cwd.clone())
    }

    /// Lays a note into the inbox that is for this life only: it waits in no queue, and is taken back when the life is over.
    fn request(&mut self, agent: &AgentName, sighting: &Sighting, text: &str, now: Timestamp) -> Result<()> {
        let handoff = sighting.spec.as_ref().map(|spec| spec.care.handoff.clone()).unwrap_or_default();
        let paths = self.fleet.paths();
        let inbox = self.inbox(agent, sighting);
        let route = Route {
            source: &paths.run(),
            inbox: Some(&inbox),
            archive: &handoff.archive.clone().unwrap_or_else(|| paths.archive(agent)),
            dead: &paths.dead(agent),
            from: shutdown::SENDER,
            to: agent,
            keep: handoff.keep as usize,
            max_size: u64::MAX,
            expires: None,
        };
        let id: NoteId = self.host.fresh_id().parse().map_err(anyhow::Error::msg)?;
        // Known before it is there, so that it is taken back whoever is killed meanwhile.
        let mut record = self.seen.records.get(agent).cloned().unwrap_or_else(|| Record::new(agent.clone()));
        record.requested.push(ShutdownMessage { id, inbox: inbox.clone(), laid: false });
        self.write(record.clone())?;
        shutdown::lay(&route, &inbox, &Note { id, text: text.to_owned() }, now, &self.untyped())?;
        record.requested.iter_mut().filter(|message| message.id == id).for_each(|message| message.laid = true);
        self.write_end(record)
    }
}

/// Takes back the messages that asked lives to end which are over, or which may go on after all. To be done before the steps of a round; a
/// successor is started only where it was.
///
/// # Errors
///
/// If the state folder cannot be written.
pub fn take_back_requests(seen: &mut Seen, fleet: &Fleet, now: Timestamp) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    for record in seen.records.values_mut() {
        let is_over = record.ended.is_some() || record.leaving.is_none();
        if !is_over || record.requested.is_empty() {
            continue;
        }
        let before = record.requested.len();
        record.requested.retain(|message| match shutdown::take_back(message) {
            Ok(was_there) => {
                if was_there {
                    let why = "request to end taken out of the inbox, where it was not read".to_owned();
                    let (agent, generation) = (Some(record.agent.clone()), Some(record.generation));
                    events.push(Event { at: now, agent, generation, what: What::Asked, reason: None, why });
                }
                false
            }
            Err(_) => true,
        });
        if record.requested.len() < before
            && fleet.or_unremembered(Unremembered::State(record.agent.clone()), fleet.write(record))?.is_none()
        {
            seen.learned.insert(record.agent.clone());
        }
    }
    Ok(events)
}

/// The same for one whose successor is about to start, or which is forgotten.
pub(super) fn take_back(record: &mut Record) -> Result<()> {
    for message in &record.requested {
        let at = || format!("the message that asked its last life to end is still in {}", message.inbox.display());
        shutdown::take_back(message).with_context(at)?;
    }
    record.requested.clear();
    Ok(())
}
