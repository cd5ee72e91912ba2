//! What terminals show, read by the rules of their agents.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Desired, care_of};
use crate::desired::{AgentName, Care, Channel, DialogAnswer, DialogRule, Idle, MOST_TYPED, Preset, Text};
use crate::host::{Host, Shown};
use crate::observed::{
    Activity, Body, Composed, Excuse, Message, MessageKind, Phase, Press, Question, Screen, Sighting, as_typed, without_blanks,
};
use crate::screen::{self, Answer, Commands, Dialog, Meaning, Pattern, Reading, Rules};
use crate::state::handoff::{NoteId, archive};
use crate::state::{Posted, Record};
use crate::time::{Duration, Timestamp};

/// How many lines of a screen are shown to a person.
const LINES: usize = 6;

/// A program that shows an empty input box and has written nothing for this long has started, whatever is still on its screen.
const STARTED: Duration = Duration::from_secs(30);

/// So much of the end of a screen is kept to look for a typed text in: a text's tail is shorter.
const TAIL: usize = 600;

/// Reads the terminals of those of whom it matters what they show: of who has rules, who is being typed at or is to be, and who has just ended.
pub(super) fn look(
    desired: &Desired,
    sightings: &mut BTreeMap<AgentName, Sighting>,
    records: &BTreeMap<AgentName, Record>,
    host: &mut dyn Host,
    now: Timestamp,
) {
    let mut names = Vec::new();
    let mut instances = Vec::new();
    for (name, sighting) in &*sightings {
        let care = care_of(name, desired, sighting.spec.as_ref());
        let record = records.get(name);
        let has_rules = care.is_some_and(Care::reads_screen);
        let matters = match &sighting.phase {
            Phase::Running { .. } | Phase::Leaving(_) => {
                let watched = care.is_some_and(|care| care.live.screen_unchanged.is_some());
                has_rules || watched || sighting.typing.is_some() || sighting.unsettled.is_some() || has_text(sighting, care)
            }
            Phase::Exited(ended) => has_rules && ended.asked.is_none() && record.is_some_and(|record| record.ended.is_none()),
            Phase::Absent | Phase::Unknown { .. } => false,
        };
        if let (true, Some(instance)) = (matters, &sighting.instance) {
            names.push(name.clone());
            instances.push(instance);
        }
    }
    if names.is_empty() {
        return;
    }
    let shown = host.screens(&instances);
    let mut known = Known::default();
    for (name, shown) in names.into_iter().zip(shown) {
        let Some(sighting) = sightings.get_mut(&name) else { continue };
        let care = care_of(&name, desired, sighting.spec.as_ref()).cloned().unwrap_or_default();
        let limit_seen = records.get(&name).and_then(|record| record.limit_seen).unwrap_or(now);
        sighting.screen = match &shown {
            Ok(shown) => {
                let rules = known.rules(&care, &sighting.answered);
                let was_ready = records.get(&name).is_some_and(|record| record.ready_at.is_some());
                let unsettled = if was_ready { (rules.streams, Activity::Busy) } else { (rules.settles, Activity::Starting) };
                read(shown, rules, &care, unsettled, limit_seen, now)
            }
            Err(why) => Screen { activity: unread(&care), lines: vec![why.clone()], ..Screen::default() },
        };
        if let Phase::Exited(ended) = &mut sighting.phase {
            ended.excuse = excuse(&sighting.screen.activity);
        }
    }
}

/// Whether something waits to be typed, in its place or still as a note.
fn has_text(sighting: &Sighting, care: Option<&Care>) -> bool {
    let pastes = care.is_some_and(|care| care.handoff.deliver.contains(&Channel::Paste));
    !sighting.messages.is_empty() || (pastes && !sighting.notes.is_empty())
}

fn unread(care: &Care) -> Activity {
    if care.reads_screen() { Activity::Unclear } else { Activity::Unwatched }
}

/// What is due to be typed into the terminal of a running agent: its prompt, its notes, what was asked for, and what somebody sends who waits for it.
pub(super) fn messages(
    sighting: &Sighting,
    record: Option<&Record>,
    care: Option<&Care>,
    sent: Option<&Message>,
    host: &mut dyn Host,
    now: Timestamp,
) -> Vec<Message> {
    let prompt = care.and_then(|care| care.prompt.as_ref()).filter(|_| record.is_some_and(|record| record.prompt_due));
    let prompt = prompt.map(|text| Message {
        id: format!("prompt-{}", sighting.generation),
        kind: MessageKind::Prompt,
        body: match text {
            Text::Plain(text) => Body::Text(text.clone()),
            Text::File(path) => host.text(path).map_or_else(Body::Unreadable, Body::Text),
        },
        interrupts: false,
    });
    let (untyped, posted) = record.map_or((&[][..], &[][..]), |record| (&record.untyped, &record.posted));
    if prompt.is_none() && sent.is_none() && untyped.is_empty() && posted.is_empty() {
        return Vec::new();
    }
    let begun = |id: &str| {
        let typing = sighting.typing.as_ref().is_some_and(|typing| typing.id == id);
        typing || sighting.received.as_ref().is_some_and(|received| received.of(id).is_some())
    };
    let sent = sent.filter(|message| !begun(&message.id)).cloned();
    let notes = untyped.iter().map(|untyped| Message {
        id: untyped.id.to_string(),
        kind: MessageKind::Handoff,
        body: note(untyped.id, &untyped.archive),
        interrupts: false,
    });
    let is_due = |posted: &&Posted| !posted.is_over(now) && !begun(&posted.message_id());
    let (raw, posted): (Vec<&Posted>, Vec<&Posted>) = posted.iter().filter(is_due).partition(|posted| posted.raw);
    let commands = care.map(|care| commands(&care.preset)).unwrap_or_default();
    let keep = |message: Message| match message.body {
        Body::Text(text) => Message { body: Body::Text(screen::as_text(&commands, &text).into_owned()), ..message },
        Body::Keys(_) | Body::Unreadable(_) => message,
    };
    // What a person sends was made a text before, or is meant to be a command.
    let mut messages: Vec<Message> = prompt
        .into_iter()
        .chain(notes)
        .chain(posted.into_iter().map(text))
        .map(keep)
        .chain(raw.into_iter().map(text))
        .chain(sent)
        .collect();
    // What may interrupt does not wait behind what may not.
    messages.sort_by_key(|message| !message.interrupts);
    messages
}

fn text(posted: &Posted) -> Message {
    let body = Body::Text(posted.text.clone());
    Message { id: posted.message_id(), kind: MessageKind::Sent, body, interrupts: posted.interrupts }
}

/// The texts that a program with these presets takes for commands.
pub fn commands(presets: &[Preset]) -> Vec<Commands> {
    rules(presets, &[], None).commands
}

/// The text of a note that was archived.
fn note(id: NoteId, folder: &Path) -> Body {
    match archive::text(folder, id) {
        Ok(Some(text)) if text.len() as u64 > MOST_TYPED => {
            Body::Unreadable("it is larger than 1 MiB, which is the most that is typed".to_owned())
        }
        Ok(Some(text)) if as_typed(&text).trim().is_empty() => Body::Unreadable("there is nothing in it that could be typed".to_owned()),
        Ok(Some(text)) => Body::Text(text),
        Ok(None) => Body::Unreadable(format!("there is no copy of {id} in {}", folder.display())),
        Err(error) => Body::Unreadable(format!("{error:#}")),
    }
}

/// The rules of agents, each read once: many agents have the same.
#[derive(Default)]
struct Known(Vec<(Written, Rules)>);

/// What rules are made of.
type Written = (Vec<Preset>, Vec<DialogRule>, Option<Idle>);

impl Known {
    fn rules(&mut self, care: &Care, answered: &BTreeMap<String, u32>) -> &Rules {
        let is_over = |rule: &DialogRule| !rule.confirm_gone && answered.get(&rule.name).is_some_and(|times| *times >= rule.max);
        let dialogs: Vec<DialogRule> = care.dialogs.iter().filter(|rule| !is_over(rule)).cloned().collect();
        let same = |((preset, rules, idle), _): &(Written, Rules)| *preset == care.preset && *rules == dialogs && *idle == care.idle;
        let place = self.0.iter().position(same).unwrap_or_else(|| {
            let rules = rules(&care.preset, &dialogs, care.idle.as_ref());
            self.0.push(((care.preset.clone(), dialogs, care.idle.clone()), rules));
            self.0.len() - 1
        });
        &self.0[place].1
    }
}

/// The rules of a care in one. What was right when the manifest was loaded is right here; a record of another version may know more, and that
/// part says nothing then.
pub fn rules(presets: &[Preset], dialogs: &[DialogRule], idle: Option<&Idle>) -> Rules {
    let preset = |preset: &Preset| match preset {
        Preset::Named(name) => Rules::preset(name).cloned(),
        Preset::File { text, .. } => Rules::parse(text).ok(),
    };
    let all = presets.iter().filter_map(preset).reduce(Rules::merge).unwrap_or_else(Rules::none);
    let mut rules = all.with_dialogs(dialogs.iter().filter_map(dialog).collect());
    let sign = |text: Option<&String>| text.and_then(|text| Pattern::parse(text).ok());
    rules.signs.busy.extend(sign(idle.and_then(|idle| idle.busy.as_ref())));
    rules.signs.idle.extend(sign(idle.and_then(|idle| idle.idle.as_ref())));
    rules
}

fn dialog(rule: &DialogRule) -> Option<Dialog> {
    let DialogRule { name, question, answer, max, confirm_gone: _ } = rule;
    let plain = Dialog {
        name: name.clone(),
        question: Pattern::parse(question).ok()?,
        options: Vec::new(),
        choose: None,
        keys: Vec::new(),
        decline: None,
        max: *max,
        human: false,
        rowless: false,
    };
    Some(match answer {
        DialogAnswer::Choose(label) => Dialog { choose: Some(Pattern::parse(label).ok()?), ..plain },
        DialogAnswer::Keys(keys) => Dialog { keys: keys.clone(), ..plain },
        DialogAnswer::Stop => Dialog { human: true, rowless: true, ..plain },
    })
}

/// As long as something was written not longer ago than this, what looks like rest is this.
type Unsettled = (Option<Duration>, Activity);

/// `unsettled` is what one does that looks at rest and has written not longer ago than that.
fn read(shown: &Shown, rules: &Rules, care: &Care, unsettled: Unsettled, limit_seen: Timestamp, now: Timestamp) -> Screen {
    let reading = screen::read(&shown.text, rules);
    let composer = reading.composer.as_ref().map(|composer| match (composer.pasted, composer.text.as_str()) {
        (true, _) => Composed::Pasted,
        (false, "") => Composed::Empty,
        (false, text) => Composed::Text(without_blanks(text)),
    });
    let lines = if reading.evidence.lines.is_empty() { last_lines(&shown.text) } else { reading.evidence.lines.clone() };
    let skipped = lines.len().saturating_sub(LINES);
    let tail = without_blanks(&shown.text);
    let cut = tail.char_indices().rev().nth(TAIL).map_or(0, |(at, _)| at);
    Screen {
        activity: settled(
            activity(&reading, rules, care, shown, limit_seen, now),
            composer.as_ref(),
            unsettled,
            now.since(shown.written_at),
        ),
        lines: lines[skipped..].iter().map(|line| line.chars().filter(|letter| !letter.is_control()).collect()).collect(),
        composer,
        cursor: Some(shown.cursor),
        tail: tail[cut..].to_owned(),
        written_at: Some(shown.written_at),
        shell: shown.shell.clone(),
        input: shown.input,
        suspended: shown.suspended,
    }
}

/// The activity, given how long ago the window was written to.
fn settled(activity: Activity, composer: Option<&Composed>, (length, unsettled): Unsettled, quiet: Duration) -> Activity {
    if activity == Activity::Idle && length.is_some_and(|length| quiet < length) {
        return unsettled;
    }
    // What told that it starts is old text by now.
    let has_started = activity == Activity::Starting && quiet >= STARTED && composer == Some(&Composed::Empty);
    if has_started { Activity::Idle } else { activity }
}

fn last_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> =
        text.lines().rev().map(str::trim_end).filter(|line| !line.is_empty()).take(LINES).map(str::to_owned).collect();
    lines.reverse();
    lines
}

fn activity(reading: &Reading, rules: &Rules, care: &Care, shown: &Shown, limit_seen: Timestamp, now: Timestamp) -> Activity {
    match &reading.meaning {
        Meaning::Ready => Activity::Idle,
        Meaning::Starting => Activity::Starting,
        Meaning::Draft => Activity::Draft,
        Meaning::Busy => Activity::Busy,
        Meaning::Dialog { name, selected, .. } => {
            let next = rules.dialog(name).map(|dialog| next(screen::answer(reading, dialog), *selected));
            Activity::Asks(Question { name: Some(name.clone()), next: next.unwrap_or_else(|| Err("no rule says how".to_owned())) })
        }
        // What a menu looks like is known of the programs with a preset only.
        Meaning::UnknownDialog if !care.preset.is_empty() => {
            Activity::Asks(Question { name: None, next: Err("no rule knows it".to_owned()) })
        }
        Meaning::Permission => Activity::Permission,
        Meaning::Login => Activity::Login,
        Meaning::Limit { until } => Activity::Limit { until: until.as_ref().and_then(|until| super::limit::ends(until, limit_seen)) },
        Meaning::ContextExhausted => Activity::Exhausted,
        Meaning::Crashed => Activity::Crashed,
        Meaning::UnknownDialog | Meaning::Unclear if care.preset.is_empty() => by_patterns(care.idle.as_ref(), shown, now),
        Meaning::UnknownDialog | Meaning::Unclear => Activity::Unclear,
    }
}

fn next(answer: Answer, row: Option<usize>) -> Result<Press, String> {
    let keys = answer.keys();
    match answer {
        Answer::Move(_) => Ok(Press { keys, answers: false, row }),
        Answer::Confirm | Answer::Press(_) => Ok(Press { keys, answers: true, row }),
        Answer::Refuse(why) => Err(why),
    }
}

/// What an agent without a preset does, where neither of its patterns matched.
fn by_patterns(idle: Option<&Idle>, shown: &Shown, now: Timestamp) -> Activity {
    let Some(Idle { busy, idle, quiet }) = idle else { return Activity::Unwatched };
    match (busy, idle, quiet) {
        (Some(_), None, _) => Activity::Idle,
        (None, Some(_), _) => Activity::Busy,
        (Some(_), Some(_), _) => Activity::Unclear,
        (None, None, Some(quiet)) if now.since(shown.written_at) < *quiet => Activity::Busy,
        (None, None, Some(_)) => Activity::Idle,
        (None, None, None) => Activity::Unwatched,
    }
}

/// Why an end by itself with this screen is no failure.
fn excuse(activity: &Activity) -> Option<Excuse> {
    match activity {
        Activity::Limit { until } => Some(Excuse::Limit { until: *until }),
        Activity::Login => Some(Excuse::Login),
        Activity::Unwatched
        | Activity::Unclear
        | Activity::Starting
        | Activity::Idle
        | Activity::Draft
        | Activity::Busy
        | Activity::Asks(_)
        | Activity::Permission
        | Activity::Exhausted
        | Activity::Crashed => None,
    }
}
