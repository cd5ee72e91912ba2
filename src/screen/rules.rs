//! The rules of a program: the data by which its screens are read. Reads no file: a user's own rules come as text.

use std::sync::OnceLock;

use serde::Deserialize;

use super::commands::Commands;
use super::pattern::Pattern;
use crate::desired::SignalTo;
use crate::time::Duration;

/// The rules that come with this program.
const PRESETS: [(&str, &str); 4] = [
    ("claude", include_str!("presets/claude.toml")),
    ("codex", include_str!("presets/codex.toml")),
    ("gemini", include_str!("presets/gemini.toml")),
    ("opencode", include_str!("presets/opencode.toml")),
];

/// The version of the rules that this program reads.
const VERSION: u32 = 1;

/// By what the screens of one program are read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The version of the form of these rules: 1.
    pub version: u32,
    /// The name of the program, for messages.
    pub name: String,
    /// The versions of the program that these rules were tried on.
    #[serde(default)]
    pub tried: Vec<String>,
    /// What is typed to end the program.
    #[serde(default)]
    pub exit: Option<String>,
    /// Which processes get TERM when the program does not end by itself: `tree` if its first process ignores TERM.
    #[serde(default)]
    pub term: Option<SignalTo>,
    /// The program looks as if it took input while it still starts: it has started once nothing was written to its window for this long.
    #[serde(default)]
    pub settles: Option<Duration>,
    /// The program looks at rest while an answer streams: it rests once nothing was written to its window for this long.
    #[serde(default)]
    pub streams: Option<Duration>,
    /// What the first character of a text means to the program.
    #[serde(default)]
    pub commands: Vec<Commands>,
    /// Where a person types; none if that cannot be told from the text.
    #[serde(default)]
    pub composer: Option<ComposerRule>,
    /// What single lines mean.
    #[serde(default)]
    pub signs: Signs,
    /// The dialogs that are known by name; of two that match, the later one counts.
    #[serde(default, rename = "dialog")]
    pub dialogs: Vec<Dialog>,
}

/// How the line is found in which a person types.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComposerRule {
    /// What its first line starts with: one of these characters.
    pub marks: Vec<char>,
    /// Whether it always stands between two rules or in a box. If not, one of the signs `ready` must follow it where it does not: a shell has such
    /// a prompt too.
    pub framed: bool,
    /// The character below it, where it is a block of lines that all begin with a mark; the last of these lines is no part of the text.
    #[serde(default)]
    pub foot: Option<char>,
    /// What stands in it while it is empty. Text does not show that this is dimmed, so a draft of the very same words counts as empty.
    #[serde(default)]
    pub placeholder: Vec<Pattern>,
}

/// What single lines mean. Each is a list of which one match is enough, unless it says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Signs {
    /// It takes input: below a composer without a frame, or near the end where there is no rule for a composer.
    pub ready: Vec<Pattern>,
    /// It still starts, or starts again: what is typed now may get lost. Outweighs a composer, and a dialog above it.
    pub starting: Vec<Pattern>,
    /// It works.
    pub busy: Vec<Pattern>,
    /// It may be working: only two different ones together say so, since some of them stay on the screen of a program at rest.
    pub busy_hints: Vec<Pattern>,
    /// It came to rest: outweighs the hints, not the signs, that it works.
    pub idle: Vec<Pattern>,
    /// A line that starts what a person or the program said. What stands above the last of them is over.
    pub said: Vec<Pattern>,
    /// What stands in the composer for a long text that was pasted.
    pub pasted: Vec<Pattern>,
    /// The usage limit is reached.
    pub limit: Vec<Pattern>,
    /// A person must log in, and the composer is still there.
    pub login: Vec<Pattern>,
    /// A person must log in, on a screen of its own without a composer.
    pub login_screen: Vec<Pattern>,
    /// It asks whether it may do something.
    pub permission: Vec<Pattern>,
    /// The context is full: it can act no more.
    pub exhausted: Vec<Pattern>,
    /// It crashed and left this behind.
    pub crashed: Vec<Pattern>,
}

/// A dialog that is known.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dialog {
    /// The name by which `accept` allows it.
    pub name: String,
    /// Its question.
    #[serde(rename = "match")]
    pub question: Pattern,
    /// The labels by which it is recognised when the question scrolled away: all of them, in any order. None if they could be anybody's.
    #[serde(default)]
    pub options: Vec<Pattern>,
    /// The label of the row that an accepted dialog is answered with. A label is followed by what is written under it.
    #[serde(default)]
    pub choose: Option<Pattern>,
    /// Keys that answer it instead, by tmux's names for them: for a dialog that has no rows to choose from.
    #[serde(default)]
    pub keys: Vec<String>,
    /// The label of the row that must never be confirmed.
    #[serde(default)]
    pub decline: Option<Pattern>,
    /// How often it may be answered in one life of an agent.
    #[serde(default = "once")]
    pub max: u32,
    /// Whether only a person may answer it.
    #[serde(default)]
    pub human: bool,
    /// Whether its question alone shows it, without rows to choose from. Those that are answered by keys are always like that.
    #[serde(default)]
    pub rowless: bool,
}

fn once() -> u32 {
    1
}

impl Rules {
    /// Rules that know nothing yet.
    pub fn none() -> Self {
        Self {
            version: VERSION,
            name: String::new(),
            tried: Vec::new(),
            exit: None,
            term: None,
            settles: None,
            streams: None,
            commands: Vec::new(),
            composer: None,
            signs: Signs::default(),
            dialogs: Vec::new(),
        }
    }

    /// The rules that come with this program under this name.
    pub fn preset(name: &str) -> Option<&'static Self> {
        static RULES: [OnceLock<Rules>; PRESETS.len()] = [const { OnceLock::new() }; PRESETS.len()];
        let place = PRESETS.iter().position(|(preset, _)| *preset == name)?;
        Some(RULES[place].get_or_init(|| Self::parse(PRESETS[place].1).expect("a test parses every preset")))
    }

    /// The names of all presets, sorted.
    pub fn names() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// The rules written in TOML; the error names line and column.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rules: Self = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        if rules.version != VERSION {
            return Err(format!("version = {}: this program reads rules of version {VERSION}", rules.version));
        }
        for (place, dialog) in rules.dialogs.iter().enumerate() {
            if rules.dialogs[..place].iter().any(|other| other.name == dialog.name) {
                return Err(format!("two dialogs are named `{}`", dialog.name.escape_debug()));
            }
            let answers = [dialog.human, dialog.choose.is_some(), !dialog.keys.is_empty()];
            if answers.into_iter().filter(|answer| *answer).count() != 1 {
                return Err(format!("dialog `{}` needs exactly one of `choose`, `keys` and `human = true`", dialog.name.escape_debug()));
            }
        }
        Ok(rules)
    }

    /// These rules with the dialogs added; one with a known name takes the place of that one.
    pub fn with_dialogs(mut self, dialogs: Vec<Dialog>) -> Self {
        for dialog in dialogs {
            self.dialogs.retain(|known| known.name != dialog.name);
            self.dialogs.push(dialog);
        }
        self
    }

    /// These rules with everything that the later ones say in its place: the name, the composer, each list of signs that is not empty, each dialog.
    pub fn merge(mut self, later: Self) -> Self {
        let Self { version, name, tried, exit, term, settles, streams, commands, composer, signs, dialogs } = later;
        self.version = version;
        self.name = name;
        self.tried = tried;
        self.exit = exit.or(self.exit);
        self.term = term.or(self.term);
        self.settles = settles.or(self.settles);
        self.streams = streams.or(self.streams);
        self.commands = if commands.is_empty() { self.commands } else { commands };
        self.composer = composer.or(self.composer);
        self.signs = self.signs.merge(signs);
        self.with_dialogs(dialogs)
    }

    /// The dialog of this name.
    pub fn dialog(&self, name: &str) -> Option<&Dialog> {
        self.dialogs.iter().find(|dialog| dialog.name == name)
    }
}

impl Signs {
    fn merge(self, later: Self) -> Self {
        fn or(later: Vec<Pattern>, earlier: Vec<Pattern>) -> Vec<Pattern> {
            if later.is_empty() { earlier } else { later }
        }
        let Self { ready, starting, busy, busy_hints, idle, said, pasted, limit, login, login_screen, permission, exhausted, crashed } =
            later;
        Self {
            ready: or(ready, self.ready),
            starting: or(starting, self.starting),
            busy: or(busy, self.busy),
            busy_hints: or(busy_hints, self.busy_hints),
            idle: or(idle, self.idle),
            said: or(said, self.said),
            pasted: or(pasted, self.pasted),
            limit: or(limit, self.limit),
            login: or(login, self.login),
            login_screen: or(login_screen, self.login_screen),
            permission: or(permission, self.permission),
            exhausted: or(exhausted, self.exhausted),
            crashed: or(crashed, self.crashed),
        }
    }
}
