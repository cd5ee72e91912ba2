//! The steps by which an agent is asked to end.

use anyhow::Result;

use super::{Round, notes};
use crate::desired::{AgentName, DrainAsk};
use crate::host::Act;
use crate::observed::{Body, Message, MessageKind, Sighting};
use crate::state::Record;
use crate::state::handoff::{Claim, NoteId, Route, claim, finish, put};
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

    /// Lays a note into the inbox that is for this life only: it waits in no queue, so that no successor gets it.
    fn request(&mut self, agent: &AgentName, sighting: &Sighting, text: &str, now: Timestamp) -> Result<()> {
        let handoff = sighting.spec.as_ref().map(|spec| spec.care.handoff.clone()).unwrap_or_default();
        let paths = self.fleet.paths();
        let source = paths.run().join(format!("{agent}.request"));
        // One that an interrupted run left is of no use any more.
        let _ = std::fs::remove_file(&source);
        put(&source, text)?;
        let inbox = self.inbox(agent, sighting);
        let route = Route {
            source: &source,
            inbox: Some(&inbox),
            archive: &handoff.archive.clone().unwrap_or_else(|| paths.archive(agent)),
            dead: &paths.dead(agent),
            from: "reconcile",
            to: agent,
            keep: handoff.keep as usize,
            max_size: u64::MAX,
            expires: None,
        };
        let id: NoteId = self.host.fresh_id().parse().map_err(anyhow::Error::msg)?;
        if let Claim::Claimed(note) = claim(&route, id, now)? {
            finish(&route, &note, now, &self.untyped())?;
        }
        Ok(())
    }
}
