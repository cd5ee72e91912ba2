//! Notes: when one is delivered, and what is waited for until it was read.

use super::local::{Agent, blocked};
use super::{Action, Cause, Change, Kind, Next, Reason, Wait, unconfirmed};
use crate::desired::{Care, OnTimeout};
use crate::observed::{Note, Unread};

/// What is due for the notes of an agent that is ready.
pub(super) fn due(agent: &Agent<'_>, care: &Care) -> Option<Change> {
    if let Some(change) = unread(agent, care) {
        return Some(change);
    }
    let note = agent.sighting.notes.first()?;
    let failed = agent.sighting.undelivered.as_ref().filter(|failed| failed.source == note.source);
    // A run tries each note once; the next run tries again.
    let failed = failed.filter(|failed| agent.terms.begun.is_none_or(|begun| failed.at >= begun));
    let next = match (&note.unusable, failed) {
        (None, Some(failed)) => {
            blocked(Reason::Undelivered, format!("the note {} could not be delivered: {}", note.source.display(), failed.why))
        }
        (None, None) => match unconfirmed::keeps_note(agent, care) {
            Some(kept) => kept?,
            None => Next::Act(Action::Deliver { generation: agent.sighting.generation, note: note.clone() }),
        },
        (Some(why), _) => blocked(Reason::Undelivered, format!("the note {} cannot be delivered: {why}", note.source.display())),
    };
    Some(Change { kind: Kind::Deliver, cause: cause(note), fields: Vec::new(), next })
}

/// What is waited for until the last note was read: notes come one at a time where they are acknowledged.
fn unread(agent: &Agent<'_>, care: &Care) -> Option<Change> {
    let change = |cause, next| Some(Change { kind: Kind::Deliver, cause, fields: Vec::new(), next });
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
        OnTimeout::Fail => change(
            cause,
            blocked(
                Reason::NotAcknowledged,
                format!(
                    "the note {id} was not acknowledged within {}: {said}; start it over: `reconcile restart {}`",
                    ack.timeout, agent.name
                ),
            ),
        ),
    }
}

fn cause(note: &Note) -> Cause {
    Cause::Note { source: note.source.clone(), bytes: note.bytes }
}

/// Whether a replacement has to wait for a note that the successor needs.
pub(super) fn is_missing(agent: &Agent<'_>, care: Option<&Care>) -> bool {
    care.is_some_and(|care| care.handoff.require)
        && agent.sighting.untyped == 0
        && !agent.sighting.notes.iter().any(|note| note.unusable.is_none() && !note.expired)
}
