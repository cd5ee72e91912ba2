//! What the text of a pane means, and which key comes next to answer a dialog. Looks at no pane, presses no key and has no clock: [`read`] and
//! [`answer`] are functions of a text and of [`Rules`], which are data.
//!
//! Whoever acts on a reading reads the screen again after each key: a dialog is answered by the label of the row that is seen to be selected,
//! since versions of the same program differ in the order of the rows, in their numbers and in which one is selected at first.

mod answer;
mod commands;
mod limit;
mod lines;
mod menu;
mod pattern;
mod rules;

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

pub use answer::{Answer, answer};
pub use commands::{Commands, as_text};
pub use limit::Until;
pub use menu::Choice;
pub use pattern::Pattern;
pub use rules::{ComposerRule, Dialog, Rules, Signs};

use lines::{Found, Lines};
use menu::Menu;

/// What a screen means, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What it means.
    pub meaning: Meaning,
    /// The composer, if one is seen, also while the program works.
    pub composer: Option<Composer>,
    /// The rule that matched and what it matched.
    pub evidence: Evidence,
}

/// What a screen means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing that a rule knows: a program that draws nothing yet, a shell, output.
    Unclear,
    /// It still starts, or starts again: what is typed now may get lost.
    Starting,
    /// It is at rest and takes input.
    Ready,
    /// It is at rest with a text in its composer that is not submitted.
    Draft,
    /// It works.
    Busy,
    /// A dialog that a rule knows.
    Dialog {
        /// The name of the rule.
        name: String,
        /// Its rows, as far as they are seen.
        choices: Vec<Choice>,
        /// The place of the selected row in `choices`, if it can be seen.
        selected: Option<usize>,
    },
    /// A dialog that no rule knows.
    UnknownDialog,
    /// It asks whether it may do something.
    Permission,
    /// A person must log in.
    Login,
    /// The usage limit is reached.
    Limit {
        /// Until when, if the screen says so.
        until: Option<Until>,
    },
    /// The context is full: it can act no more.
    ContextExhausted,
    /// It crashed and left this screen behind.
    Crashed,
}

/// Where a person types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composer {
    /// The text in it; empty if there is none but the placeholder.
    pub text: String,
    /// Whether a mark like `[Pasted text #1 +9 lines]` stands in it for a text that was pasted.
    pub pasted: bool,
}

/// Why a screen means what it means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// What matched, like `busy: esc to interrupt` or `dialog trust`; empty if nothing did.
    pub rule: String,
    /// The lines that show it.
    pub lines: Vec<String>,
}

/// What programs write below a menu to say which keys answer it.
static HINT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)enter\s*(?:to\s*)?(?:confirm|continue|select|submit|approve)\b|esc\s*to\s*(?:cancel|exit|go\s*back)\b|↑/↓|⇆\s*select")
        .expect("tests use it")
});

/// A line of a shell that waits below something: then that is over.
static PROMPT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?m)^(?:\S.*)?[$#%❯➜]$|^[$%❯➜] |^\S+@\S+.*[$#%❯] ").expect("tests use it"));

/// What the text of a pane means to a program with these rules.
///
/// Only the last 25 lines with text count. What is drawn now outweighs what was written: first dialogs, then work, then what was said last.
pub fn read(text: &str, rules: &Rules) -> Reading {
    let lines = Lines::of(text);
    let found = rules.composer.as_ref().and_then(|rule| lines::composer(text, &lines, rule, &rules.signs));
    // Without a frame, only what follows tells a numbered draft from the rows of a menu.
    let found = found.filter(|found| found.framed || !HINT.is_match(&found.text));
    let screen = Screen { lines: &lines, rules, found: found.as_ref() };
    let (meaning, evidence) = match screen.dialog() {
        Some(dialog) => dialog,
        None => screen.starting().or_else(|| screen.state()).unwrap_or((Meaning::Unclear, Evidence::default())),
    };
    let composer = found.map(|Found { text, .. }| {
        let pasted = rules.signs.pasted.iter().any(|sign| sign.matches(&text));
        Composer { text, pasted }
    });
    Reading { meaning, composer, evidence }
}

/// A screen with its rules and its composer.
struct Screen<'s> {
    lines: &'s Lines,
    rules: &'s Rules,
    found: Option<&'s Found>,
}

impl Screen<'_> {
    /// What the screen means if it is a question. Above a composer, a question was answered long ago.
    fn dialog(&self) -> Option<(Meaning, Evidence)> {
        let all = self.lines.0.len();
        let start = self.found.map_or(0, |found| found.lines.end);
        let text = self.lines.text(start..all);
        let menu = menu::find(self.lines, self.found.map(|found| &found.lines)).filter(|menu| menu.lines.start >= start);
        let below = menu.as_ref().map_or_else(|| self.last(start, 1), |menu| menu.lines.end..all);
        let below = self.lines.text(below);
        if PROMPT.is_match(&below) || matching("starting", &self.rules.signs.starting, &below).is_some() {
            return None;
        }
        let is_asked = menu.is_some() || HINT.is_match(&self.lines.text(self.last(start, 3)));
        let signs = &self.rules.signs;
        if self.found.is_none()
            && let Some(rule) = matching("login_screen", &signs.login_screen, &text)
        {
            return Some((Meaning::Login, self.evidence(rule, start..all)));
        }
        if is_asked && let Some(rule) = matching("permission", &signs.permission, &text) {
            return Some((Meaning::Permission, self.evidence(rule, start..all)));
        }
        if let Some(menu) = &menu
            && let Some(dialog) = self.known(start, menu)
        {
            let meaning = Meaning::Dialog { name: dialog.name.clone(), choices: menu.choices.clone(), selected: menu.selected };
            return Some((meaning, self.evidence(format!("dialog {}", dialog.name), start..all)));
        }
        let by_its_question = |dialog: &&Dialog| (dialog.rowless || !dialog.keys.is_empty()) && dialog.question.matches_broken(&text);
        if let Some(dialog) = self.rules.dialogs.iter().rev().find(by_its_question) {
            let meaning = Meaning::Dialog { name: dialog.name.clone(), choices: Vec::new(), selected: None };
            return Some((meaning, self.evidence(format!("dialog {}", dialog.name), start..all)));
        }
        let hint = HINT.find(&self.lines.text(self.last(start, 3))).map(|hint| format!("hint: {}", hint.as_str()));
        let hint = match menu {
            // Only Gemini marks rows with a dot, and it writes no hint; a dot before two numbers is still a dialog only at the end of the screen.
            Some(Menu { mark: Some('●'), choices, lines, .. })
                if choices[0].number.is_some() && self.last(lines.end, 3).start == lines.end =>
            {
                hint.or_else(|| Some("a menu".to_owned()))
            }
            Some(Menu { mark: Some(_), .. }) => hint,
            _ => hint.filter(|hint| self.found.is_none() && hint.to_lowercase().contains("enter")),
        };
        hint.map(|rule| (Meaning::UnknownDialog, self.evidence(rule, start..all)))
    }

    /// The dialog that a menu belongs to: by its question, or by its labels if the question scrolled away. The question of a dialog that was answered
    /// may still stand above the menu of the next one, so all labels outweigh a question, and a lower question outweighs a higher one.
    fn known(&self, start: usize, menu: &Menu) -> Option<&Dialog> {
        let above = self.lines.text(start..menu.lines.end);
        let has = |label: &Pattern| menu.choices.iter().any(|choice| label.matches(&choice.label));
        let weight = |dialog: &Dialog| {
            let labelled = !dialog.options.is_empty() && dialog.options.iter().all(has);
            let mut labels = dialog.options.iter().chain(&dialog.choose).chain(&dialog.decline).peekable();
            // Where only the wanted row is named, the question alone tells; that no row fits is then said of it.
            let only_wanted = dialog.options.is_empty() && dialog.decline.is_none();
            let is_its_menu = if labels.peek().is_none() || only_wanted { menu.selected.is_some() } else { labels.any(has) };
            let asked = is_its_menu && dialog.question.matches_broken(&above);
            let place = dialog.question.find(&above).map(|question| question.start);
            (asked || labelled && menu.selected.is_some()).then_some((labelled, asked, place))
        };
        let weighed = self.rules.dialogs.iter().filter_map(|dialog| Some((weight(dialog)?, dialog)));
        weighed.max_by_key(|(weight, _)| *weight).map(|(_, dialog)| dialog)
    }

    /// That it starts, if that is written after what was said last.
    fn starting(&self) -> Option<(Meaning, Evidence)> {
        found("starting", &self.rules.signs.starting, &self.recent()).map(|evidence| (Meaning::Starting, evidence))
    }

    /// What the screen means if nothing is asked.
    fn state(&self) -> Option<(Meaning, Evidence)> {
        let text = self.recent();
        let signs = &self.rules.signs;
        let here = |name: &str, list: &[Pattern]| found(name, list, &text);
        if self.found.is_none()
            && let Some(evidence) = here("crashed", &signs.crashed)
        {
            return Some((Meaning::Crashed, evidence));
        }
        let hints = signs.busy_hints.iter().filter(|hint| hint.matches(&text)).count();
        let hinted = || if hints >= 2 && here("idle", &signs.idle).is_none() { here("busy_hints", &signs.busy_hints) } else { None };
        if let Some(evidence) = here("busy", &signs.busy).or_else(hinted) {
            return Some((Meaning::Busy, evidence));
        }
        if let Some(evidence) = here("login", &signs.login) {
            return Some((Meaning::Login, evidence));
        }
        if let Some(evidence) = here("exhausted", &signs.exhausted) {
            return Some((Meaning::ContextExhausted, evidence));
        }
        if let Some(evidence) = here("limit", &signs.limit) {
            let start = signs.limit.iter().find_map(|sign| sign.find(&text)).map_or(0, |sign| sign.start);
            return Some((Meaning::Limit { until: limit::until(&text[start..]) }, evidence));
        }
        if let Some(found) = self.found {
            let meaning = if found.text.is_empty() { Meaning::Ready } else { Meaning::Draft };
            return Some((meaning, self.evidence("composer".to_owned(), found.lines.clone())));
        }
        let rests = || here("ready", &signs.ready).or_else(|| here("idle", &signs.idle));
        if self.rules.composer.is_none() { rests().map(|evidence| (Meaning::Ready, evidence)) } else { None }
    }

    /// What was said last, and what stands below the composer: without the composer, so that no draft is taken for a sign.
    fn recent(&self) -> String {
        let all = self.lines.0.len();
        let Some(found) = self.found else { return self.lines.text(0..all) };
        let said = |line: &String| self.rules.signs.said.iter().any(|sign| sign.matches(line));
        let start = self.lines.0[..found.lines.start].iter().rposition(said).unwrap_or(0);
        format!("{}\n{}", self.lines.text(start..found.lines.start), self.lines.text(found.lines.end..all))
    }

    /// The last few lines with text, from `start` on.
    fn last(&self, start: usize, count: usize) -> Range<usize> {
        let all = self.lines.0.len();
        let full = (start..all).rev().filter(|place| !self.lines.0[*place].is_empty());
        full.take(count).last().unwrap_or(all)..all
    }

    fn evidence(&self, rule: String, range: Range<usize>) -> Evidence {
        Evidence { rule, lines: self.lines.shown(range) }
    }
}

/// The first sign of a list that matches, with the lines that show it.
fn found(name: &str, list: &[Pattern], text: &str) -> Option<Evidence> {
    let rule = matching(name, list, text)?;
    let sign = list.iter().find_map(|sign| sign.find(text))?;
    let lines = text[..sign.end].lines().skip(text[..sign.start].matches('\n').count()).map(str::to_owned).collect();
    Some(Evidence { rule, lines })
}

/// The first sign of a list that matches, with the name of the list.
fn matching(name: &str, list: &[Pattern], text: &str) -> Option<String> {
    list.iter().find(|sign| sign.matches(text)).map(|sign| format!("{name}: {}", sign.as_str()))
}
