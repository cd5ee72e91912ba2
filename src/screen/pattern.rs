//! A regular expression as rules write it. Knows nothing of what it is looked for.

use std::fmt;
use std::ops::Range;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer, de};

/// A regular expression in which a blank stands for any white space or none, so that it also matches text that a narrow pane wrapped and text
/// whose blanks a repaint swallowed. `^` and `$` stand for the ends of each line.
#[derive(Clone)]
pub struct Pattern {
    written: String,
    regex: Regex,
}

impl Pattern {
    /// The pattern; the error says what is wrong with it.
    pub fn parse(written: &str) -> Result<Self, String> {
        if written.trim().is_empty() {
            return Err("an empty pattern matches every screen".to_owned());
        }
        let regex = RegexBuilder::new(&loose(written)).multi_line(true).build();
        match regex {
            Ok(regex) => Ok(Self { written: written.to_owned(), regex }),
            Err(error) => Err(format!("`{}` is not a regular expression: {error}", written.escape_debug())),
        }
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The bytes of the first place that matches.
    pub(super) fn find(&self, text: &str) -> Option<Range<usize>> {
        self.regex.find(text).map(|found| found.range())
    }

    /// Whether it matches the text as it stands.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Whether it matches the text, or the text without any white space: a pane may break a line inside a word.
    pub(super) fn matches_broken(&self, text: &str) -> bool {
        self.matches(text) || self.matches(&text.split_whitespace().collect::<String>())
    }
}

/// The expression with each blank outside of brackets replaced by white space or nothing.
fn loose(written: &str) -> String {
    let mut loose = String::with_capacity(written.len() * 2);
    let mut escaped = false;
    let mut brackets = 0_u32;
    for c in written.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => brackets += 1,
            ']' => brackets = brackets.saturating_sub(1),
            ' ' if brackets == 0 => {
                loose.push_str(r"\s*");
                continue;
            }
            _ => {}
        }
        loose.push(c);
    }
    loose
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.written, f)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for Pattern {}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
