//! A text that was typed and not confirmed: it may still wait in the terminal, and whatever is typed then becomes one with it. So nothing is, until
//! the terminal is known to be empty, a person presses keys that see to it, or another life begins.

use super::local::{Agent, blocked};
use super::{Action, Held, Next, Reason};
use crate::desired::{Care, Channel};
use crate::observed::{Activity, Composed, MessageKind, Sighting, Typing};
use crate::time::Duration;

/// For how long a paste without Enter that is seen later counts as the one that was not seen in time.
const STILL_OURS: Duration = Duration::from_secs(120);

/// Enter for a text that was not seen in time and is seen now.
pub(super) fn late(agent: &Agent<'_>) -> Option<(MessageKind, Next)> {
    let typing = agent.sighting.unsettled.as_ref().filter(|typing| typing.enters == 0 && agent.now < typing.at + STILL_OURS)?;
    let kind = stranded(agent.sighting)?;
    let screen = &agent.sighting.screen;
    let reads = screen.shell.is_none() && screen.suspended.is_none();
    let enter = Action::Submit { generation: agent.sighting.generation, id: typing.id.clone(), enters: 1 };
    reads.then_some((kind, Next::Act(enter)))
}

/// What was typed and could not be submitted, if that still stands where a person types.
pub(super) fn stranded(sighting: &Sighting) -> Option<MessageKind> {
    let typing = sighting.unsettled.as_ref().filter(|typing| !typing.tail.is_empty())?;
    let ours = match &sighting.screen.composer {
        Some(Composed::Text(text)) => text.ends_with(&typing.tail),
        Some(Composed::Pasted) => true,
        Some(Composed::Empty) | None => false,
    };
    (ours && sighting.screen.activity == Activity::Draft).then_some(typing.kind)
}

/// The text that may still wait in the terminal.
fn waiting(sighting: &Sighting) -> Option<&Typing> {
    sighting.unsettled.as_deref().filter(|typing| !typing.is_gone(&sighting.screen))
}

/// What is told of one that is known to wait, even where nothing is to be typed behind it.
pub(super) fn stands_out(agent: &Agent<'_>, care: &Care) -> Option<(MessageKind, Next)> {
    if let Some(kind) = stranded(agent.sighting) {
        let what = format!(
            "its {} is in its input box and could not be submitted; submit it, or clear it: `reconcile attach {} --rw`",
            kind.as_str(),
            agent.name
        );
        return Some((kind, blocked(Reason::Stranded, what)));
    }
    let typing = waiting(agent.sighting)?;
    let screen = &agent.sighting.screen;
    let is_unread = screen.suspended.is_some() || screen.input.is_some_and(|input| input.unread > 0);
    // What is typed into a program with a preset is seen where a person types, once its screen can be read.
    let never_entered = typing.enters == 0 && care.preset.is_empty();
    if is_unread || never_entered { in_the_way(agent) } else { None }
}

/// Why nothing more can be typed.
pub(super) fn in_the_way(agent: &Agent<'_>) -> Option<(MessageKind, Next)> {
    let kind = waiting(agent.sighting)?.kind;
    let what = format!(
        "its {} was typed and not confirmed, and may still wait in its terminal, so nothing more is typed; look at it: \
         `reconcile screen {name}`, then submit it: `reconcile keys {name} Enter`, or clear it: `reconcile keys {name} C-u`",
        kind.as_str(),
        name = agent.name
    );
    Some((kind, blocked(Reason::Unconfirmed, what)))
}

/// What keeps a note where it is that can only be typed: it is claimed when it can be, and is found in its place until then. None where nothing
/// does; the inner one is none where it only waits for what is typed before it.
pub(super) fn keeps_note(agent: &Agent<'_>, care: &Care) -> Option<Option<Next>> {
    if care.handoff.deliver.contains(&Channel::Inbox) {
        return None;
    }
    if agent.sighting.typing.is_some() || !agent.sighting.messages.is_empty() {
        return Some(None);
    }
    let suspended = agent.sighting.screen.suspended.map(|pid| Next::Held(Held::Suspended(pid)));
    in_the_way(agent).map(|(_, next)| next).or(suspended).map(Some)
}
