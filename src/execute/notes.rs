//! Delivering notes: what is still to be typed is written down between the claim of a note and its end.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::Round;
use crate::desired::{AgentName, AgentSpec, Channel};
use crate::event::{Event, What};
use crate::observed::{Exit, Instance, Note, Sighting, Unread};
use crate::state::handoff::{Claim, NoteId, Route, archive, claim, finish, spool};
use crate::state::{Record, Untyped};
use crate::time::Timestamp;

impl Round<'_> {
    /// Every note that is still to be typed, whoever it is for: agents may share an archive.
    pub(super) fn untyped(&self) -> BTreeSet<NoteId> {
        self.seen.records.values().flat_map(|record| &record.untyped).map(|note| note.id).collect()
    }

    /// The archive of an agent.
    pub(super) fn archive_of(&self, agent: &AgentName) -> Result<PathBuf> {
        Ok(self.spec(agent)?.care.handoff.archive.clone().unwrap_or_else(|| self.fleet.paths().archive(agent)))
    }

    /// Puts a note aside for the successor of one that ended unexpectedly, if it is to get one. Its name is that of the life that ended: however
    /// often this is done, it is one note.
    pub(super) fn crash_note(&mut self, record: &Record, sighting: &Sighting, spec: &AgentSpec, now: Timestamp) -> Result<()> {
        let (Some(ended), Some(mark)) = (&record.ended, &record.mark) else { return Ok(()) };
        let is_success = matches!(ended.exit, Exit::Code(code) if spec.care.restart.success.contains(&code));
        if !spec.care.handoff.crash_note || ended.asked.is_some() || ended.excuse.is_some() || is_success {
            return Ok(());
        }
        let id: NoteId = mark.id.parse().map_err(anyhow::Error::msg)?;
        let paths = self.fleet.paths();
        let (spool, archive) = (paths.spool(&record.agent), paths.archive(&record.agent));
        let archive = spec.care.handoff.archive.clone().unwrap_or(archive);
        if spool::list(&spool)?.iter().any(|note| note.id == id) || archive::find(&archive, id)?.is_some() {
            return Ok(());
        }
        let lines = match sighting.instance.as_ref().or(record.instance.as_ref()) {
            Some(instance) => self.host.last_lines(instance, spec),
            None => Vec::new(),
        };
        let mut text = format!(
            "Your predecessor, {} in its life {}, ended unexpectedly: it {} at {}, after {}.\n",
            record.agent,
            record.generation,
            ended.exit,
            ended.at.date_and_clock(),
            ended.at.since(ended.since).rough()
        );
        if sighting.failures.restarts > 0 {
            text += &format!("It was started again {} times after failures before.\n", sighting.failures.restarts);
        }
        if !lines.is_empty() {
            text += "\nWhat it printed last:\n\n";
            lines.iter().for_each(|line| text += &format!("    {line}\n"));
        }
        spool::put(&spool, id, &text, now)?;
        Ok(())
    }

    /// Claims a note and finishes its delivery; says what came of it.
    pub(super) fn deliver(&mut self, agent: &AgentName, record: Record, sighting: &Sighting, note: &Note, now: Timestamp) -> Result<Event> {
        let handoff = self.spec(agent)?.care.handoff.clone();
        let paths = self.fleet.paths();
        let id: NoteId = match &note.id {
            Some(id) => id.parse().map_err(anyhow::Error::msg)?,
            None => self.host.fresh_id().parse().map_err(anyhow::Error::msg)?,
        };
        let inbox = handoff.inbox.clone().unwrap_or_else(|| paths.inbox(lives_as(agent, sighting.instance.as_ref())));
        let archive = handoff.archive.clone().unwrap_or_else(|| paths.archive(agent));
        let route = Route {
            source: &note.source,
            inbox: handoff.deliver.contains(&Channel::Inbox).then_some(inbox.as_path()),
            archive: &archive,
            dead: &paths.dead(agent),
            from: handoff.from.as_deref().unwrap_or(agent.as_str()),
            to: agent,
            keep: handoff.keep as usize,
            max_size: handoff.max_size,
            expires: handoff.expires,
        };
        let generation = record.generation;
        let tell = |what, why| Event { at: now, agent: Some(agent.clone()), generation: Some(generation), what, reason: None, why };
        let claimed = match claim(&route, id, now)? {
            Claim::Claimed(note) => note,
            Claim::Nothing => return Ok(tell(What::Failed, format!("the note {} is gone", note.source.display()))),
            Claim::Unusable(why) => return Ok(tell(What::Failed, format!("the note {} was left alone: {why}", note.source.display()))),
            Claim::Dead { id, why } => {
                let untyped = record.untyped.iter().filter(|other| other.id != id).cloned().collect();
                let event = tell(What::DeadLetter, format!("note {id}: {why}; see `reconcile handoff show {id}`"));
                self.write(Record { untyped, ..record })?;
                return Ok(event);
            }
        };
        let mut record = Record { undelivered: None, ..record };
        let id = claimed.id;
        if handoff.deliver.contains(&Channel::Paste) && !record.untyped.iter().any(|note| note.id == id) && !was_typed(&record, id) {
            record.untyped.push(Untyped { id, archive: archive.clone() });
        }
        if handoff.ack.is_some() {
            record.unread = Some(Unread { id: id.to_string(), since: now, answer: None });
        }
        // What is only typed is delivered once that is confirmed.
        let what = if handoff.deliver.contains(&Channel::Inbox) { What::Delivered } else { What::Claimed };
        let event = |bytes| tell(what, format!("note {id} from {} ({bytes} bytes)", note.source.display()));
        self.write(record)?;
        let pending = self.untyped();
        let delivered = finish(&route, &claimed, now, &pending).with_context(|| format!("the note {id} of generation {generation}"))?;
        Ok(event(delivered.bytes))
    }
}

/// Whether typing it was begun, or is over.
fn was_typed(record: &Record, id: NoteId) -> bool {
    let id = id.to_string();
    record.typing.as_ref().is_some_and(|typing| typing.id == id)
        || record.received.as_ref().is_some_and(|received| received.of(&id).is_some())
}

/// The name under which an instance was started, and by which it was told where its inbox is.
pub(super) fn lives_as<'a>(agent: &'a AgentName, instance: Option<&'a Instance>) -> &'a AgentName {
    instance.and_then(|instance| instance.mark.as_ref()).map_or(agent, |mark| &mark.agent)
}
