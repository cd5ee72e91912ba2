//! Notes: when one is delivered, and what is waited for until it was read.

use super::local::{Agent, blocked};
use super::{Action, Cause, Change, Kind, Next, Reason, Wait};
use crate::desired::{Care, OnTimeout};
use crate::observed::{Note, Unread};

/// What is due for the notes of an agent that is ready.
pub(super) fn due(agent: &Agent<'_>, care: &Care) -> Option<Change> {
    let change = |cause, next| Some(Change { kind: Kind::Deliver, cause, fields: Vec::new(), next });
    if let Some(note) = agent.sighting.notes.first() {
        let next = match &note.unusable {
            None => Next::Act(Action::Deliver { generation: agent.sighting.generation, note: note.clone() }),
            Some(why) => blocked(Reason::Unreadable, format!("the note {} cannot be delivered: {why}", note.source.display())),
        };
        return change(cause(note), next);
    }
    let (Some(unread), Some(ack)) = (&agent.sighting.unread, &care.handoff.ack) else { return None };
    let Unread { id, since, answer } = unread;
    let until = *since + ack.timeout;
    let said = match answer {
        Some(Ok(())) => return None,
        Some(Err(why)) => why.as_str(),
        None => "it was not asked",
    };
    let cause = Cause::Unread(id.clone());
    match ack.on_timeout {
        _ if agent.now < until => change(cause, Next::Wait(Wait::Read { look_at: (agent.now + ack.interval).min(until), until })),
        OnTimeout::Proceed => None,
        OnTimeout::Fail => {
            change(cause, blocked(Reason::GaveUp, format!("the note {id} was not acknowledged within {}: {said}", ack.timeout)))
        }
    }
}

fn cause(note: &Note) -> Cause {
    Cause::Note { source: note.source.clone(), bytes: note.bytes }
}

/// Whether a replacement has to wait for a note that the successor needs.
pub(super) fn is_missing(agent: &Agent<'_>, care: Option<&Care>) -> bool {
    care.is_some_and(|care| care.handoff.require) && agent.sighting.notes.is_empty() && agent.sighting.untyped == 0
}
