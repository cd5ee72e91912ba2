//! How the terminal of an agent is read, and what is typed into it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::time::Duration;

/// The largest text in bytes that is typed into a terminal.
pub const MOST_TYPED: u64 = 1024 * 1024;

/// By which rules the screens of a program are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Rules that come with this program.
    Named(String),
    /// A user's own.
    File {
        /// Where they are written.
        path: PathBuf,
        /// What stood there when the manifest was loaded, in TOML: an agent that left the manifest is looked after by them too.
        text: String,
    },
}

/// A dialog that the manifest tells how to answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialogRule {
    /// Its name; it takes the place of a preset's dialog of that name.
    pub name: String,
    /// A regular expression for its question.
    pub question: String,
    /// How it is answered.
    pub answer: DialogAnswer,
    /// How often it may be answered in one life of an agent.
    pub max: u32,
    /// Whether it counts as answered only when it is gone from the screen.
    pub confirm_gone: bool,
}

/// How a dialog is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DialogAnswer {
    /// By the row whose label matches this regular expression.
    Choose(String),
    /// By these keys, one after the other, by tmux's names.
    Keys(Vec<String>),
    /// Not at all: a person is needed.
    Stop,
}

/// How a program is told to be at work, on top of its preset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Idle {
    /// It works while its screen matches this regular expression.
    pub busy: Option<String>,
    /// It rests while its screen matches this one.
    pub idle: Option<String>,
    /// It rests when nothing was written to its window for this long; counts only where no pattern does.
    pub quiet: Option<Duration>,
}

/// A text that is typed into a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Text {
    /// This.
    Plain(String),
    /// What stands in a file when it is typed.
    File(PathBuf),
}

/// Keys with names, as tmux has them.
const KEYS: [&str; 31] = [
    "Up", "Down", "Left", "Right", "Home", "End", "NPage", "PageDown", "PgDn", "PPage", "PageUp", "PgUp", "IC", "Insert", "DC", "Delete",
    "Enter", "Escape", "Space", "Tab", "BTab", "BSpace", "KPEnter", "KP/", "KP*", "KP-", "KP+", "KP.", "KP0", "KP1", "KP2",
];

/// Whether tmux knows a key of this name: it types any other text letter by letter.
pub fn is_key(name: &str) -> bool {
    let bare = ["C-", "M-", "S-", "^"].iter().fold(name, |rest, modifier| match rest.strip_prefix(modifier) {
        Some(rest) if !rest.is_empty() => rest,
        Some(_) | None => rest,
    });
    let function = bare.strip_prefix('F').and_then(|number| number.parse::<u8>().ok()).is_some_and(|number| (1..=12).contains(&number));
    let keypad = bare.strip_prefix("KP").and_then(|number| number.parse::<u8>().ok()).is_some_and(|number| number <= 9);
    let named = KEYS.iter().any(|key| key.eq_ignore_ascii_case(bare));
    bare.chars().count() == 1 || function || keypad || named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_names_that_tmux_gives_them() {
        for key in ["a", "ż", "C-c", "M-Enter", "C-M-x", "S-Up", "Enter", "escape", "F12", "KP5", "KP*", "^", "-", "C-"] {
            assert_eq!(is_key(key), key != "C-", "{key}");
        }
        for text in ["", "NotAKey", "ab", "F13", "KP10", "/exit"] {
            assert!(!is_key(text), "{text}");
        }
    }
}
