//! What is answered on the terminal of an agent, key by key, and what needs a person.

use super::local::{Agent, blocked};
use super::talk::{LOOK_AGAIN, MOST_ENTERS};
use super::{Action, Cause, Change, Held, Kind, Next, Reason, Wait};
use crate::desired::Care;
use crate::observed::{Activity, Press, Question, Screen};
use crate::time::Duration;

/// The pause after each key of a dialog: programs lose keys that come faster.
const KEY_PAUSE: Duration = Duration::from_millis(200);

/// How long a dialog may take to go once it was answered, before its answer is given again.
const DIALOG_PATIENCE: Duration = Duration::from_secs(2);

/// So many keys are pressed at most to get to the row of an answer.
const MOST_PRESSES: u32 = 60;

/// What a screen that needs an answer, or a person, leads to.
pub(super) fn asked(agent: &Agent<'_>, care: &Care, kind: Kind) -> Option<Change> {
    let screen = &agent.sighting.screen;
    let (cause, next) = match &screen.activity {
        Activity::Asks(question) => asks(agent, care, question),
        Activity::Permission => {
            let what = format!("it asks for a permission: {}; answer it: `reconcile attach {} --rw`", said(screen), agent.name);
            ("it asks for a permission".to_owned(), blocked(Reason::Permission, what))
        }
        Activity::Login => {
            let what = format!("a person must log in: {}; do it: `reconcile attach {} --rw`", said(screen), agent.name);
            ("it waits for a login".to_owned(), blocked(Reason::Login, what))
        }
        Activity::Exhausted => {
            let what =
                format!("its context is full, so it cannot go on: {}; start it over: `reconcile restart {}`", said(screen), agent.name);
            ("its context is full".to_owned(), blocked(Reason::ContextFull, what))
        }
        Activity::Crashed => {
            let what = format!("it crashed and left its screen behind: {}; `reconcile restart {}`", said(screen), agent.name);
            ("it crashed".to_owned(), blocked(Reason::Crashed, what))
        }
        Activity::Unwatched
        | Activity::Unclear
        | Activity::Starting
        | Activity::Idle
        | Activity::Draft
        | Activity::Busy
        | Activity::Limit { .. } => return None,
    };
    Some(Change { kind, cause: Cause::Shows(cause), fields: Vec::new(), next })
}

/// What a dialog leads to, and what it is called.
pub(super) fn asks(agent: &Agent<'_>, care: &Care, question: &Question) -> (String, Next) {
    let shown = said(&agent.sighting.screen);
    let by_hand = format!("answer it: `reconcile attach {} --rw`", agent.name);
    let Some(name) = &question.name else {
        return ("it asks something".to_owned(), blocked(Reason::Dialog, format!("no rule knows what it asks: {shown}; {by_hand}")));
    };
    let cause = format!("it asks `{name}`");
    let needs_a_person = |why: String| (cause.clone(), blocked(Reason::Dialog, why));
    if !care.accepts(name) {
        let own = care.dialogs.iter().any(|rule| rule.name == *name);
        let allow = if own { String::new() } else { format!(" allow it with accept = [\"{name}\"], or") };
        return needs_a_person(format!("it asks `{name}`: {shown};{allow} {by_hand}"));
    }
    let press = match &question.next {
        Ok(press) => press,
        Err(why) => return needs_a_person(format!("`{name}` cannot be answered: {why}; {by_hand}")),
    };
    let own = care.dialogs.iter().find(|rule| rule.name == *name);
    let most = own.map_or(1, |rule| rule.max);
    let answered = agent.sighting.answered.get(name).copied().unwrap_or(0);
    let begun = agent.sighting.answering.as_ref().filter(|answering| answering.dialog == *name);
    let next = match begun {
        None if answered >= most => {
            return needs_a_person(format!("it asks `{name}` again, which was answered in this life before; {by_hand}"));
        }
        Some(begun) => {
            // A key that shows no effect yet may be on its way: pressed again, both would take effect, the second perhaps after the row was read.
            let shows_nothing = press.row.is_some() && press.row == begun.row;
            let is_unsure = begun.answers > 0 || shows_nothing || (begun.doubled && press.answers);
            let pause = if is_unsure { DIALOG_PATIENCE } else { KEY_PAUSE };
            if agent.now < begun.at + pause {
                let until = (agent.now + LOOK_AGAIN).max(begun.at + KEY_PAUSE);
                return (cause, Next::Wait(Wait::Dialog { until: until.min(begun.at + pause) }));
            }
            // One that comes again at once looks like one that stays: a rule that says how often is kept to.
            let used_up = own.is_some() && answered + begun.answers >= most && press.answers;
            if used_up || begun.answers >= MOST_ENTERS || begun.presses >= MOST_PRESSES {
                return needs_a_person(format!("`{name}` does not go away, whatever is pressed; {by_hand}"));
            }
            answer(agent, name, press, begun.presses)
        }
        None => answer(agent, name, press, 0),
    };
    (cause, next)
}

fn answer(agent: &Agent<'_>, dialog: &str, press: &Press, presses: u32) -> Next {
    if let Some(pid) = agent.sighting.screen.suspended {
        return Next::Held(Held::Suspended(pid));
    }
    Next::Act(Action::Answer {
        generation: agent.sighting.generation,
        dialog: dialog.to_owned(),
        press: press.clone(),
        presses: presses + 1,
    })
}

/// The lines that a person should see, in one.
pub(super) fn said(screen: &Screen) -> String {
    // Lines that are only drawn say nothing.
    let speaks = |line: &&str| line.chars().any(char::is_alphanumeric);
    let lines: Vec<&str> = screen.lines.iter().map(|line| line.trim()).filter(speaks).collect();
    let text = lines.join(" / ");
    let end = text.char_indices().nth(300).map_or(text.len(), |(at, _)| at);
    if end < text.len() { format!("\"{}…\"", &text[..end]) } else { format!("\"{text}\"") }
}
