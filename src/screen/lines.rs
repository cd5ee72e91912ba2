//! The lines of a pane, brought into one form, and the composer among them. Knows no dialogs.

use std::ops::Range;

use unicode_width::UnicodeWidthChar;

use super::rules::{ComposerRule, Signs};

/// How many lines with text, counted from the last one, are looked at: what stands above them scrolled by long ago.
const TAIL: usize = 25;

/// The end of a screen, line by line: no-break spaces are blanks, frames are blanks, nothing follows the last character.
#[derive(Debug)]
pub(super) struct Lines(pub(super) Vec<String>, usize);

impl Lines {
    /// The last lines of the text of a pane. Empty ones between them stay: they part a menu from what surrounds it.
    pub(super) fn of(text: &str) -> Self {
        let all: Vec<String> = text.lines().map(plain).collect();
        let end = all.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
        let start = all[..end].iter().enumerate().rev().filter(|(_, line)| !line.is_empty()).nth(TAIL - 1).map_or(0, |(first, _)| first);
        Self(all[start..end].to_vec(), start)
    }

    /// The lines of a range as one text.
    pub(super) fn text(&self, range: Range<usize>) -> String {
        self.0[range].join("\n")
    }

    /// The lines of a range that are not empty, as they are shown to a person.
    pub(super) fn shown(&self, range: Range<usize>) -> Vec<String> {
        self.0[range].iter().filter(|line| !line.is_empty()).cloned().collect()
    }
}

/// The line without frame, no-break spaces, control characters and trailing blanks; columns stay where they are.
fn plain(line: &str) -> String {
    let mut chars: Vec<char> = line.chars().map(|c| if c.is_whitespace() || c.is_control() { ' ' } else { c }).collect();
    let is_side = |c: &char| matches!(c, '│' | '┃' | '║');
    if let Some(first) = chars.iter().position(|c| *c != ' ').filter(|first| is_side(&chars[*first])) {
        chars[first] = ' ';
    }
    if let Some(last) = chars.iter().rposition(|c| *c != ' ').filter(|last| is_side(&chars[*last])) {
        chars[last] = ' ';
    }
    chars.into_iter().collect::<String>().trim_end().to_owned()
}

/// How many blanks a line starts with.
pub(super) fn indent(line: &str) -> usize {
    line.chars().take_while(|c| *c == ' ').count()
}

/// Whether a line is drawn across the pane, also with a title in it.
pub(super) fn is_rule(line: &str) -> bool {
    let drawn = |c: char| matches!(c, '─' | '━' | '═' | '▀' | '▄' | '╭' | '╮' | '╰' | '╯' | '┌' | '┐' | '└' | '┘');
    let line = line.trim();
    let leading = line.chars().take_while(|c| drawn(*c)).count();
    leading >= 3 && line.chars().next_back().is_some_and(drawn)
}

/// The lines in which a person types.
#[derive(Debug)]
pub(super) struct Found {
    /// The lines of the composer without its frame.
    pub(super) lines: Range<usize>,
    /// What stands in it, empty if only the placeholder does.
    pub(super) text: String,
    /// Whether it stands between two rules.
    pub(super) framed: bool,
}

/// The last composer of the screen.
pub(super) fn composer(text: &str, lines: &Lines, rule: &ComposerRule, signs: &Signs) -> Option<Found> {
    match rule.foot {
        Some(foot) => block(text, lines, rule, foot),
        None => after_mark(lines, rule, signs),
    }
}

/// A composer that is a block of lines with a mark at their left above a foot; its last line tells of the program's state. It is as wide as its foot
/// is drawn: what is to the right of that, such as a sidebar, is no part of it.
fn block(text: &str, lines: &Lines, rule: &ComposerRule, foot: char) -> Option<Found> {
    let end = text.lines().collect::<Vec<_>>().iter().rposition(|line| line.trim_start().starts_with(foot))?;
    let edge = text.lines().nth(end).map_or(0, drawn_until);
    let all: Vec<&str> = text.lines().map(|line| until_column(line, edge).trim_start()).collect();
    let start = all[..end].iter().rposition(|line| !line.starts_with(&rule.marks[..])).map_or(0, |above| above + 1);
    let typed: Vec<&str> = all[start..end].iter().map(|line| line.trim_start_matches(&rule.marks[..]).trim()).collect();
    let last = typed.iter().rposition(|line| !line.is_empty())?;
    let text = typed[..last].join("\n").trim().to_owned();
    let text = if rule.placeholder.iter().any(|empty| empty.matches(&text)) { String::new() } else { text };
    let here = |line: usize| line.checked_sub(lines.1);
    Some(Found { lines: here(start).unwrap_or(0)..here(end)?, text, framed: true })
}

/// The column after the last that a foot is drawn in.
fn drawn_until(foot: &str) -> usize {
    let start = indent(foot) + 1;
    start + foot.chars().skip(start).take_while(|c| matches!(c, '▀' | '▄' | '─' | '━' | '═')).count()
}

/// A line up to a column of the pane, where some characters take two.
fn until_column(line: &str, edge: usize) -> &str {
    let mut column = 0;
    let cut = line.char_indices().find(|(_, c)| {
        column += c.width().unwrap_or(0);
        column > edge
    });
    cut.map_or(line, |(at, _)| &line[..at])
}

/// A composer whose first line begins with a mark.
fn after_mark(lines: &Lines, rule: &ComposerRule, signs: &Signs) -> Option<Found> {
    let starts = |line: &str| {
        let mut chars = line.trim_start().chars();
        chars.next().is_some_and(|c| rule.marks.contains(&c)) && chars.next().is_none_or(|c| c == ' ')
    };
    let is_framed = |first: usize| first > 0 && is_rule(&lines.0[first - 1]);
    let in_frame = |first: usize| {
        let end = first + lines.0[first..].iter().position(|line| is_rule(line))?;
        is_framed(first).then_some((first..end, true))
    };
    let above_footer = |first: usize| {
        let below = lines.text(first + 1..lines.0.len());
        let footers = signs.ready.iter().chain(&signs.starting).filter_map(|sign| sign.find(&below));
        let footer = footers.map(|found| found.start + below[found].find(|c: char| !c.is_whitespace()).unwrap_or(0)).min();
        let is_pasted = || signs.pasted.iter().any(|sign| sign.matches(&lines.0[first]));
        // A program that still starts may draw nothing below a text that was pasted.
        let rows = match footer {
            Some(footer) => below[..footer].matches('\n').count(),
            None if below.trim().is_empty() && is_pasted() => 0,
            None => return None,
        };
        Some((first..first + 1 + rows, false))
    };
    let find = |first: usize| in_frame(first).or_else(|| if rule.framed { None } else { above_footer(first) });
    let (range, framed) = (0..lines.0.len()).rev().filter(|first| starts(&lines.0[*first])).find_map(find)?;
    let first = lines.0[range.start].trim_start().chars().skip(1).collect::<String>();
    let column = indent(&lines.0[range.start]) + 2;
    let rest = lines.0[range.start + 1..range.end].iter().map(|line| line.chars().skip(column.min(indent(line))).collect::<String>());
    let text = std::iter::once(first.trim_start().to_owned()).chain(rest).collect::<Vec<_>>().join("\n");
    let text = text.trim_end();
    let text = if rule.placeholder.iter().any(|empty| empty.matches(text)) { "" } else { text };
    Some(Found { lines: range, text: text.to_owned(), framed })
}
