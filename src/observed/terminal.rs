//! What the terminal of an agent shows it to be doing, and what is being typed into it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What the terminal of an agent shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    /// What the agent does, by its rules.
    pub activity: Activity,
    /// The lines that show it, without control characters.
    pub lines: Vec<String>,
    /// What stands where a person types; none where no rule shows such a place.
    pub composer: Option<Composed>,
    /// Where the cursor is: column and row, which grows while text scrolls. None where nothing could be read.
    pub cursor: Option<(u64, u64)>,
    /// The end of what is shown, without blanks: where a typed text is looked for that no rule can tell.
    pub tail: String,
    /// When something was last written to its window, to the second; none where nothing could be read.
    pub written_at: Option<Timestamp>,
    /// The shell that waits for commands in the foreground of the terminal, if one does.
    pub shell: Option<String>,
    /// How the terminal takes what is typed; none where that could not be read.
    pub input: Option<Input>,
    /// The process that would read the terminal and is suspended (SIGSTOP), if one is: it takes nothing before it is resumed.
    pub suspended: Option<u32>,
}

/// How a terminal takes what is typed, as the kernel tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    /// Whether the kernel or the program edits and echoes what is typed.
    pub mode: InputMode,
    /// How many bytes of it the program has not read yet. Of a line that the kernel edits, none count before Enter.
    pub unread: u64,
}

/// Whether the kernel or the program edits and echoes what is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputMode {
    /// The kernel, line by line: what is seen of a text says nothing of the program, which may not read at all.
    Lines,
    /// The program.
    Keys,
}

/// What stands where a person types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Composed {
    /// Nothing.
    Empty,
    /// This, without its blanks.
    Text(String),
    /// A mark for a long text that was pasted.
    Pasted,
}

/// What an agent does, as far as its terminal shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Activity {
    /// No rule tells: it counts as never busy.
    #[default]
    Unwatched,
    /// It has rules, and none of them knows what is shown, or nothing could be read.
    Unclear,
    /// It still starts, or starts again: what is typed now may get lost.
    Starting,
    /// It rests and takes input.
    Idle,
    /// It rests, and a text that nobody submitted stands where a person types.
    Draft,
    /// It works.
    Busy,
    /// It asks something before it goes on.
    Asks(Question),
    /// It asks whether it may do something.
    Permission,
    /// A person must log in.
    Login,
    /// Its usage limit is reached.
    Limit {
        /// Until when, if that could be told.
        until: Option<Timestamp>,
    },
    /// Its context is full.
    Exhausted,
    /// It crashed and left this screen behind.
    Crashed,
}

/// A dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name of the rule that knows it; none if none does.
    pub name: Option<String>,
    /// The keys that come next to answer it, or why none is safe.
    pub next: Result<Press, String>,
}

/// Keys towards the answer of a dialog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Press {
    /// The keys, by tmux's names.
    pub keys: Vec<String>,
    /// Whether they are the answer, and not only a step towards its row.
    pub answers: bool,
    /// The place of the row that is selected before they are pressed; none where no row is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<usize>,
}

/// A dialog that is being answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answering {
    /// Its name.
    pub dialog: String,
    /// When the last key was pressed.
    pub at: Timestamp,
    /// How many times keys were pressed.
    pub presses: u32,
    /// How many of these were the answer.
    pub answers: u32,
    /// The place of the row that was selected when the last key was pressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<usize>,
    /// Whether a key was pressed again because nothing of the first was seen: both may still take effect.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub doubled: bool,
}

/// Something that is to be typed into the terminal of an agent, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What tells it from every other.
    pub id: String,
    /// What it is.
    pub kind: MessageKind,
    /// What is typed.
    pub body: Body,
    /// Whether it is typed while the agent works.
    pub interrupts: bool,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageKind {
    /// The prompt of its care.
    Prompt,
    /// Something that a person sends.
    Sent,
    /// A note for a successor.
    Handoff,
    /// The question of a drain step.
    Ask,
    /// The nudge of one whose heart does not beat.
    Nudge,
}

impl MessageKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Sent => "text",
            Self::Handoff => "handoff",
            Self::Ask => "request to end",
            Self::Nudge => "nudge",
        }
    }
}

/// What is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A text, pasted and submitted.
    Text(String),
    /// Keys, by tmux's names.
    Keys(Vec<String>),
    /// A text that could not be read, and why.
    Unreadable(String),
}

/// A text as it is typed: lines end with a line feed, there is none at the end, and nothing in it commands a terminal.
pub fn as_typed(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let kept: String = text.chars().filter(|letter| !letter.is_control() || matches!(letter, '\n' | '\t')).collect();
    kept.trim_end_matches('\n').to_owned()
}

/// A text without its white space and its frames: what a program wraps, pads and draws lines around is the same then.
pub fn without_blanks(text: &str) -> String {
    // Box drawing and block elements.
    text.chars().filter(|letter| !letter.is_whitespace() && !('\u{2500}'..='\u{259f}').contains(letter)).collect()
}

/// A message whose typing was begun. It is written down before the first key, so that its text is never typed again and never taken for a
/// person's draft.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typing {
    /// The message's.
    pub id: String,
    /// What it is.
    pub kind: MessageKind,
    /// When the last step was.
    pub at: Timestamp,
    /// How many times Enter was pressed.
    pub enters: u32,
    /// Whether Enter is to follow.
    pub submits: bool,
    /// Where the cursor was when Enter was pressed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<(u64, u64)>,
    /// The end of the text without blanks: by which it is found on a screen that no rule reads.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tail: String,
    /// Whether the kernel or the program edited and echoed input when this was typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<InputMode>,
    /// Whether it is keys of a person's that submit or clear what stood there before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub frees: bool,
}

impl Typing {
    /// Whether the program took what was submitted; none where that cannot be told.
    pub fn was_taken(&self, screen: &Screen) -> Option<bool> {
        // The terminal echoes a text and moves on, whether or not the program reads: only that it was read tells.
        let was_read = screen.suspended.is_none()
            && screen.input.is_none_or(|input| input.unread == 0 && self.mode.is_none_or(|mode| mode == input.mode));
        match (&screen.composer, &screen.activity) {
            (Some(Composed::Empty), _) => Some(true),
            (Some(Composed::Text(_) | Composed::Pasted), _) => Some(false),
            // It gave way to what came of it.
            (
                None,
                Activity::Busy | Activity::Permission | Activity::Asks(_) | Activity::Limit { .. } | Activity::Login | Activity::Exhausted,
            ) => was_read.then_some(true),
            (None, Activity::Unwatched | Activity::Idle | Activity::Unclear) => {
                let row = |cursor: Option<(u64, u64)>| cursor.map(|(_, row)| row);
                (was_read && row(screen.cursor) > row(self.cursor)).then_some(true)
            }
            (None, Activity::Starting | Activity::Draft | Activity::Crashed) => None,
        }
    }

    /// Whether it is known that nothing of it waits in the terminal any more.
    pub fn is_gone(&self, screen: &Screen) -> bool {
        if screen.suspended.is_some() || screen.input.is_some_and(|input| input.unread > 0) {
            return false;
        }
        match &screen.composer {
            Some(Composed::Empty) => true,
            Some(Composed::Text(text)) => !text.contains(&self.tail),
            Some(Composed::Pasted) => false,
            None => self.enters > 0 && self.was_taken(screen) == Some(true),
        }
    }
}

/// The last message, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// The message's.
    pub id: String,
    /// What it was.
    pub kind: MessageKind,
    /// When that was known.
    pub at: Timestamp,
    /// What came of it.
    pub receipt: Receipt,
    /// What came of those before it, newest first: whoever sent one may look only after other texts went the same way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<(String, Receipt)>,
}

/// Of so many earlier messages it is known what came of them.
const EARLIER: usize = 16;

impl Received {
    /// What came of a message of which that is known.
    pub fn of(&self, id: &str) -> Option<&Receipt> {
        let last = (self.id == id).then_some(&self.receipt);
        last.or_else(|| self.earlier.iter().find(|(earlier, _)| earlier == id).map(|(_, receipt)| receipt))
    }

    /// The same, after what was received before.
    #[must_use]
    pub fn after(self, before: Option<&Self>) -> Self {
        let last = before.map(|before| (before.id.clone(), before.receipt.clone()));
        let others = before.into_iter().flat_map(|before| &before.earlier).cloned();
        let earlier = last.into_iter().chain(others).filter(|(id, _)| *id != self.id).take(EARLIER).collect();
        Self { earlier, ..self }
    }
}

/// What came of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Receipt {
    /// It was submitted: the agent works, or what was typed is gone from where a person types.
    Confirmed,
    /// It was typed, and whether it arrived cannot be told.
    Unconfirmed(String),
    /// It stands where a person types, and could not be submitted.
    Stranded(String),
    /// It was not typed.
    Refused(String),
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confirmed => f.write_str("confirmed"),
            Self::Unconfirmed(why) => write!(f, "unconfirmed: {why}"),
            Self::Stranded(why) => write!(f, "stranded: {why}"),
            Self::Refused(why) => write!(f, "refused: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_the_last_messages_is_known_and_of_each_the_newest() {
        let received = |id: &str, receipt| Received {
            id: id.to_owned(),
            kind: MessageKind::Sent,
            at: Timestamp::default(),
            receipt,
            earlier: Vec::new(),
        };
        let one = received("one", Receipt::Unconfirmed("late".to_owned()));
        let two = received("two", Receipt::Confirmed).after(Some(&one));
        assert_eq!((two.of("one"), two.of("two"), two.of("three")), (Some(&one.receipt), Some(&Receipt::Confirmed), None));
        let again = received("one", Receipt::Confirmed).after(Some(&two));
        assert_eq!((again.of("one"), again.earlier.len()), (Some(&Receipt::Confirmed), 1));
        let many = (0..100).fold(again, |before, number| received(&number.to_string(), Receipt::Confirmed).after(Some(&before)));
        assert_eq!((many.earlier.len(), many.of("83").is_some(), many.of("82").is_some()), (EARLIER, true, false));
    }

    #[test]
    fn nothing_in_a_text_commands_a_terminal() {
        assert_eq!(as_typed("one\r\ntwo\rthree\n\n"), "one\ntwo\nthree");
        assert_eq!(as_typed("a\u{1b}[31mb\u{8}\u{7f}\u{9b}c\td\u{3}"), "a[31mbc\td");
        assert_eq!(as_typed("żółć 日本 🎉"), "żółć 日本 🎉");
    }
}
