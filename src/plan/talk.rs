//! What is typed on the terminal of an agent, one text at a time, and what keeps from it.

use super::dialogs::{self, said};
use super::local::{Agent, blocked};
use super::{Action, Cause, Change, Held, Kind, Next, Reason, Wait, unconfirmed};
use crate::desired::{Care, Ready};
use crate::observed::{
    Activity, Body, Composed, Health, Input, InputMode, Message, MessageKind, Phase, Purpose, Receipt, Screen, Typing, as_typed,
};
use crate::time::{Duration, Timestamp};

/// The pause between a text and Enter: an Enter that arrives with the end of a text counts as a part of it.
const SETTLE: Duration = Duration::from_millis(300);

/// How long a prompt is waited with for one that works right after it got ready, as programs do that prepare themselves.
const PROMPT_PATIENCE: Duration = Duration::from_secs(30);

/// How long a text may take to be seen where a person types.
const ARRIVAL: Duration = Duration::from_secs(5);

/// How long it may take where no such place is seen, as with a program that still starts.
const LATE_ARRIVAL: Duration = Duration::from_secs(45);

/// How long a program may take to take a text away after Enter, before Enter is pressed again.
const ENTER_PATIENCE: Duration = Duration::from_secs(1);

/// So many times Enter is pressed at most.
pub(super) const MOST_ENTERS: u32 = 5;

/// A line that the kernel edits is cut after this many bytes: N_TTY_BUF_SIZE.
const LONGEST_EDITED_LINE: usize = 4095;

/// How soon a screen that may take long to change is checked again.
const LOOK_LATER: Duration = Duration::from_secs(1);

/// How soon a screen is looked at again that is about to change.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The next step of what is being typed, or the first of what waits to be.
pub(super) fn messages(agent: &Agent<'_>, care: &Care) -> Option<Change> {
    let change = |cause, next| Some(Change { kind: Kind::Deliver, cause, fields: Vec::new(), next });
    if let Some(typing) = &agent.sighting.typing {
        return change(Cause::Message(typing.kind), go_on(agent, typing));
    }
    if let Some((kind, next)) = unconfirmed::late(agent) {
        return change(Cause::Message(kind), next);
    }
    let message = agent.sighting.messages.first();
    // Keys that a person has pressed are the way to see to it.
    let message = match (message, unconfirmed::stands_out(agent, care)) {
        (Some(Message { body: Body::Keys(_), .. }), _) | (_, None) => message?,
        (_, Some((kind, next))) => return change(Cause::Message(kind), next),
    };
    if let Some(shell) = &agent.sighting.screen.shell {
        return change(Cause::Message(message.kind), Next::Held(Held::Shell(shell.clone())));
    }
    if let (Some(pid), false) = (agent.sighting.screen.suspended, is_meant(message)) {
        return change(Cause::Message(message.kind), Next::Held(Held::Suspended(pid)));
    }
    if let Some(why) = too_long(&message.body, agent.sighting.screen.input) {
        return change(
            Cause::Message(message.kind),
            match message.kind {
                // It is in the manifest, and typed as soon as the program reads its terminal by itself.
                MessageKind::Prompt => blocked(Reason::Untypable, format!("its prompt cannot be typed: {why}")),
                MessageKind::Handoff | MessageKind::Sent | MessageKind::Ask | MessageKind::Nudge => refuse(agent, message, why),
            },
        );
    }
    if let (Body::Unreadable(why), MessageKind::Handoff) = (&message.body, message.kind) {
        // Nothing brings it back, and it must not keep everything else from being typed.
        return change(Cause::Message(message.kind), refuse(agent, message, why.clone()));
    }
    if let Body::Unreadable(why) = &message.body {
        return change(
            Cause::Message(message.kind),
            blocked(Reason::Unreadable, format!("its {} cannot be read: {why}", message.kind.as_str())),
        );
    }
    let is_fresh = matches!(agent.sighting.phase, Phase::Running { health: Health::Ready(at), .. } if agent.now < at + PROMPT_PATIENCE);
    let next = match &agent.sighting.screen.activity {
        // Who presses keys and says so knows what they are pressed at.
        _ if is_meant(message) => begin(agent, message),
        Activity::Busy | Activity::Unclear | Activity::Starting if message.kind == MessageKind::Prompt && is_fresh => {
            Next::Wait(Wait::Screen { until: agent.now + LOOK_AGAIN })
        }
        Activity::Draft if frees_ours(agent, message) => begin(agent, message),
        Activity::Busy if !message.interrupts => Next::Held(Held::Busy),
        Activity::Draft => Next::Held(Held::Draft),
        Activity::Unclear | Activity::Starting => Next::Held(Held::Unclear),
        Activity::Unwatched if may_not_read(agent, care) => Next::Held(Held::NotReading),
        Activity::Limit { until } if until.is_none_or(|until| agent.now < until) => Next::Held(Held::Limit(*until)),
        Activity::Unwatched | Activity::Idle | Activity::Busy | Activity::Limit { .. } => begin(agent, message),
        // Those come before everything else.
        Activity::Asks(_) | Activity::Permission | Activity::Login | Activity::Exhausted | Activity::Crashed => return None,
    };
    change(Cause::Message(message.kind), next)
}

/// Whether nothing tells that the program reads its terminal: the kernel edits and echoes what is typed, and neither rules nor a probe say that the
/// program has got as far as that.
fn may_not_read(agent: &Agent<'_>, care: &Care) -> bool {
    let echoed = agent.sighting.screen.input.is_some_and(|input| input.mode == InputMode::Lines);
    echoed && care.preset.is_empty() && care.ready == Ready::default()
}

/// The rest of what is being typed, which goes before anything that would interrupt it.
pub(super) fn unfinished(agent: &Agent<'_>) -> Option<Next> {
    agent.sighting.typing.as_ref().map(|typing| go_on(agent, typing))
}

fn refuse(agent: &Agent<'_>, message: &Message, why: String) -> Next {
    let (id, receipt) = (message.id.clone(), Receipt::Refused(why));
    Next::Act(Action::Receive { generation: agent.sighting.generation, id, kind: message.kind, receipt })
}

/// Why a text cannot be typed: a line of it is longer than the kernel keeps of one that it edits.
fn too_long(body: &Body, input: Option<Input>) -> Option<String> {
    let Body::Text(text) = body else { return None };
    let longest = as_typed(text).lines().map(str::len).max().unwrap_or(0);
    let is_edited = input.is_some_and(|input| input.mode == InputMode::Lines);
    (is_edited && longest >= LONGEST_EDITED_LINE).then(|| {
        format!(
            "one of its lines has {longest} bytes, and its terminal takes fewer than {LONGEST_EDITED_LINE} while the kernel edits its lines; \
             write the text to a file and name that file instead"
        )
    })
}

/// Whether they are keys for whatever is there.
fn is_meant(message: &Message) -> bool {
    message.interrupts && matches!(message.body, Body::Keys(_))
}

/// Whether they are keys for a text that stands there because we could not submit it.
fn frees_ours(agent: &Agent<'_>, message: &Message) -> bool {
    matches!(message.body, Body::Keys(_)) && unconfirmed::stranded(agent.sighting).is_some()
}

fn begin(agent: &Agent<'_>, message: &Message) -> Next {
    if let (Body::Text(_), Some((_, next))) = (&message.body, unconfirmed::in_the_way(agent)) {
        return next;
    }
    Next::Act(Action::Type { generation: agent.sighting.generation, message: message.clone() })
}

fn go_on(agent: &Agent<'_>, typing: &Typing) -> Next {
    let generation = agent.sighting.generation;
    let conclude = |receipt| Next::Act(Action::Receive { generation, id: typing.id.clone(), kind: typing.kind, receipt });
    let enter = || Next::Act(Action::Submit { generation, id: typing.id.clone(), enters: typing.enters + 1 });
    let wait = |until: Timestamp| Next::Wait(Wait::Screen { until: until.min(agent.now + LOOK_AGAIN).max(agent.now) });
    let wait_long = |until: Timestamp| Next::Wait(Wait::Screen { until: until.min(agent.now + LOOK_LATER) });
    let screen = &agent.sighting.screen;
    let waited = |length: Duration| agent.now >= typing.at + length;
    if !typing.submits {
        return conclude(Receipt::Confirmed);
    }
    if let Some(shell) = &screen.shell {
        // It would run what stands there, whoever wrote that.
        return conclude(Receipt::Unconfirmed(format!("`{shell}` waits for commands in its terminal now")));
    }
    if let Some(pid) = screen.suspended {
        let why = format!("a signal has stopped its program (pid {pid}), and it reads nothing");
        return if waited(ARRIVAL) { conclude(Receipt::Unconfirmed(why)) } else { wait(typing.at + ARRIVAL) };
    }
    if screen.activity == Activity::Starting && !waited(LATE_ARRIVAL) {
        // It takes a text then, or throws it away.
        return wait_long(typing.at + LATE_ARRIVAL);
    }
    if typing.enters == 0 {
        if !waited(SETTLE) {
            return Next::Wait(Wait::Screen { until: typing.at + SETTLE });
        }
        return match arrived(screen, typing) {
            Arrived::Yes => enter(),
            Arrived::NotYet if !waited(ARRIVAL) => wait(typing.at + ARRIVAL),
            Arrived::NotYet if !waited(arrival(screen)) => wait_long(typing.at + arrival(screen)),
            // What stands there may be shown otherwise than it was typed.
            Arrived::NotYet if matches!(screen.composer, Some(Composed::Text(_))) || screen.activity == Activity::Unwatched => enter(),
            Arrived::NotYet => {
                conclude(Receipt::Unconfirmed(format!("{} after it was typed, nothing of it shows in the input box", arrival(screen))))
            }
        };
    }
    match typing.was_taken(screen) {
        Some(true) => conclude(Receipt::Confirmed),
        Some(false) if !waited(ENTER_PATIENCE) => wait(typing.at + ENTER_PATIENCE),
        Some(false) if typing.enters < MOST_ENTERS => enter(),
        Some(false) => {
            conclude(Receipt::Stranded(format!("Enter was pressed {} times, and it still stands where a person types", typing.enters)))
        }
        None if !waited(ARRIVAL) => wait(typing.at + ARRIVAL),
        None => conclude(Receipt::Unconfirmed(untold(screen, typing))),
    }
}

/// How long a text may take to be seen.
fn arrival(screen: &Screen) -> Duration {
    if screen.composer.is_none() && screen.activity == Activity::Unclear { LATE_ARRIVAL } else { ARRIVAL }
}

/// Why it cannot be told whether a text was taken.
fn untold(screen: &Screen, typing: &Typing) -> String {
    match (screen.input, typing.mode) {
        (Some(Input { unread, .. }), _) if unread > 0 => format!("its program has not read it: {unread} bytes wait in its terminal"),
        (Some(Input { mode: InputMode::Keys, .. }), Some(InputMode::Lines)) => {
            "its program took its terminal over after the text was typed, and may have discarded it".to_owned()
        }
        (Some(_) | None, _) => format!("its screen does not say: {}", said(screen)),
    }
}

enum Arrived {
    Yes,
    NotYet,
}

/// Whether a text that was typed stands where a person types, all of it.
fn arrived(screen: &Screen, typing: &Typing) -> Arrived {
    let whole = match &screen.composer {
        Some(Composed::Pasted) => true,
        // A program may show what it offers to go on with behind it.
        Some(Composed::Text(text)) => text.contains(&typing.tail),
        Some(Composed::Empty) => false,
        None => {
            let tells = matches!(screen.activity, Activity::Unwatched | Activity::Idle | Activity::Busy | Activity::Unclear);
            tells && screen.tail.contains(&typing.tail)
        }
    };
    if whole { Arrived::Yes } else { Arrived::NotYet }
}

/// Whether a request to end can be typed: not at a shell, not over a draft or a text that may wait there, and not where something is asked.
pub(super) fn takes_text(agent: &Agent<'_>) -> bool {
    let rests = match &agent.sighting.screen.activity {
        // Work was held for, or is to be interrupted.
        Activity::Unwatched | Activity::Idle | Activity::Busy | Activity::Limit { .. } => true,
        Activity::Unclear
        | Activity::Starting
        | Activity::Draft
        | Activity::Asks(_)
        | Activity::Permission
        | Activity::Login
        | Activity::Exhausted
        | Activity::Crashed => false,
    };
    let screen = &agent.sighting.screen;
    let reads = screen.shell.is_none() && screen.suspended.is_none();
    rests && reads && agent.sighting.typing.is_none() && unconfirmed::in_the_way(agent).is_none()
}

/// What is due on the terminal of an agent that was asked to end: the rest of the request that is being typed, and, where a successor follows,
/// the answer to what it asks before it ends. An agent that should be gone is asked no more than to end.
pub(super) fn request(agent: &Agent<'_>, purpose: Purpose, care: Option<&Care>) -> Option<Next> {
    if let Some(typing) = agent.sighting.typing.as_ref().filter(|typing| typing.kind == MessageKind::Ask) {
        return Some(go_on(agent, typing));
    }
    if purpose == Purpose::Stop {
        return None;
    }
    match dialogs::asked(agent, care?, Kind::Replace)?.next {
        next @ (Next::Act(_) | Next::Wait(_)) => Some(next),
        Next::Held(_) | Next::Blocked(_) => None,
    }
}

/// What else is due on the terminal of an agent by a run that is there for nothing but that: nothing is started, stopped or answered.
pub(super) fn only_messages(agent: &Agent<'_>, care: &Care) -> Option<Change> {
    let first = agent.sighting.messages.first();
    if agent.sighting.typing.is_none()
        && let Some(message) = first
        && !is_meant(message)
        && let Some(Change { next, .. }) = dialogs::asked(agent, care, Kind::Deliver)
    {
        // A dialog that an apply would answer is one that this run does not.
        let next = match next {
            Next::Act(_) | Next::Wait(_) => blocked(Reason::Dialog, format!("it asks something: {}", said(&agent.sighting.screen))),
            next @ (Next::Held(_) | Next::Blocked(_)) => next,
        };
        return Some(Change { kind: Kind::Deliver, cause: Cause::Message(message.kind), fields: Vec::new(), next });
    }
    messages(agent, care)
}

/// Whether a message is keys, whose effect nobody can tell.
pub(super) fn submits(body: &Body) -> bool {
    matches!(body, Body::Text(_))
}
