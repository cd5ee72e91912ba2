//! What is pressed and typed on terminals: written down first, so that no text is ever typed twice.

use anyhow::Result;

use super::Round;
use crate::desired::AgentName;
use crate::host::Act;
use crate::observed::{Answering, Body, Message, MessageKind, Press, Receipt, Received, Sighting, Typing, as_typed, without_blanks};
use crate::state::{Record, Untyped};
use crate::time::Timestamp;

impl Round<'_> {
    pub(super) fn answer(
        &mut self,
        record: Record,
        sighting: Sighting,
        dialog: &str,
        press: &Press,
        presses: u32,
        now: Timestamp,
    ) -> Result<Vec<Act>> {
        let before = record.answering.as_ref().filter(|before| before.dialog == dialog).map_or(0, |before| before.answers);
        let spec = self.spec(&record.agent)?;
        let stays = press.answers && spec.care.dialogs.iter().any(|rule| rule.name == dialog && !rule.confirm_gone);
        let mut record = record;
        if stays {
            // Its text may stay on the screen for ever: that the keys were pressed is all that will be known.
            *record.answered.entry(dialog.to_owned()).or_default() += 1;
            record.answering = None;
        } else {
            let answers = before + u32::from(press.answers);
            let begun = record.answering.as_ref().filter(|begun| begun.dialog == dialog);
            let doubled = begun.is_some_and(|begun| begun.doubled || (press.row.is_some() && begun.row == press.row));
            record.answering = Some(Answering { dialog: dialog.to_owned(), at: now, presses, answers, row: press.row, doubled });
        }
        self.write(record)?;
        Ok(sighting.instance.into_iter().map(|only| Act::Keys { only, keys: press.keys.clone() }).collect())
    }

    /// Whoever asked for a text by a file has its request taken away before the first key: else it would be asked for again.
    pub(super) fn end_its_request(&self, record: &Record, message: &Message) -> Result<()> {
        let posted = record.posted.iter().find(|posted| posted.message_id() == message.id);
        posted.map_or(Ok(()), |posted| self.fleet.end_request(&posted.request, posted.id))
    }

    pub(super) fn begin_typing(&mut self, record: Record, sighting: Sighting, message: &Message, now: Timestamp) -> Result<Vec<Act>> {
        let mode = sighting.screen.input.map(|input| input.mode);
        let Some(only) = sighting.instance else { return Ok(Vec::new()) };
        let (act, submits, tail) = match &message.body {
            Body::Text(text) => (Act::Paste { only, text: text.clone() }, true, tail(text)),
            Body::Keys(keys) => (Act::Keys { only, keys: keys.clone() }, false, String::new()),
            Body::Unreadable(_) => return Ok(Vec::new()),
        };
        let frees = matches!(&message.body, Body::Keys(keys) if keys.iter().any(|key| FREEING.contains(&key.as_str())));
        let typing = Typing { id: message.id.clone(), kind: message.kind, at: now, enters: 0, submits, cursor: None, tail, mode, frees };
        let prompt_due = record.prompt_due && message.kind != MessageKind::Prompt;
        let untyped = record.untyped.iter().filter(|note| note.id.to_string() != message.id).cloned().collect();
        self.write(Record { typing: Some(Box::new(typing)), prompt_due, untyped, ..record })?;
        Ok(vec![act])
    }

    pub(super) fn submit(&mut self, record: Record, sighting: Sighting, enters: u32, now: Timestamp) -> Result<Vec<Act>> {
        let cursor = sighting.screen.cursor;
        let late = || record.unsettled.clone().filter(|typing| typing.enters == 0);
        let typing = record.typing.clone().or_else(late).map(|typing| Box::new(Typing { at: now, enters, cursor, ..*typing }));
        self.write(Record { typing, ..record })?;
        Ok(sighting.instance.into_iter().map(|only| Act::Enter { only }).collect())
    }

    /// Notes that Enter was not pressed, because the machine said so.
    pub(super) fn take_back_enter(&mut self, agent: &AgentName) -> Result<()> {
        let Some(record) = self.seen.records.get(agent).cloned() else { return Ok(()) };
        let typing = record.typing.clone().map(|typing| Box::new(Typing { enters: typing.enters.saturating_sub(1), ..*typing }));
        self.write(Record { typing, ..record })
    }

    /// Notes that nothing was typed, because the machine said so.
    pub(super) fn take_back(&mut self, agent: &AgentName, why: &str) -> Result<()> {
        let Some(record) = self.seen.records.get(agent).cloned() else { return Ok(()) };
        let Some(typing) = record.typing.clone() else { return Ok(()) };
        let Typing { id, kind, at, .. } = *typing;
        let its_id = id.clone();
        let prompt_due = record.prompt_due || kind == MessageKind::Prompt;
        let received = Received { id, kind, at, receipt: Receipt::Refused(why.to_owned()), earlier: Vec::new() };
        let received = Some(Box::new(received.after(record.received.as_deref())));
        // What nobody waits for is tried again; whoever sent something hears of it.
        let waits = kind == MessageKind::Sent && !record.posted.iter().any(|posted| posted.message_id() == its_id);
        let received = if waits { received } else { record.received.clone() };
        let mut untyped = record.untyped.clone();
        if let (MessageKind::Handoff, Ok(id)) = (kind, its_id.parse()) {
            untyped.insert(0, Untyped { id, archive: self.archive_of(agent)? });
        }
        self.write(Record { typing: None, prompt_due, received, untyped, ..record })
    }
}

/// The keys that submit or clear what stands where a person types: whoever presses them has seen to it.
const FREEING: [&str; 6] = ["Enter", "KPEnter", "C-m", "C-j", "C-u", "C-c"];

/// What may wait in the terminal once it is known what came of a message.
pub(super) fn unsettled(record: &Record, id: &str, receipt: &Receipt, now: Timestamp) -> Option<Box<Typing>> {
    let typing = record.typing.as_deref().filter(|typing| typing.id == id);
    match (receipt, typing) {
        (Receipt::Unconfirmed(_) | Receipt::Stranded(_), Some(typing)) if typing.submits => {
            Some(Box::new(Typing { at: now, ..typing.clone() }))
        }
        (Receipt::Confirmed, Some(typing)) if typing.submits || typing.frees => None,
        (Receipt::Confirmed | Receipt::Refused(_) | Receipt::Unconfirmed(_) | Receipt::Stranded(_), _) => record.unsettled.clone(),
    }
}

/// So many characters of the end of a text tell that all of it arrived.
const TAIL: usize = 24;

/// The end of a text as it is looked for on a screen.
fn tail(text: &str) -> String {
    let text = without_blanks(&as_typed(text));
    let start = text.char_indices().rev().nth(TAIL - 1).map_or(0, |(at, _)| at);
    text[start..].to_owned()
}
