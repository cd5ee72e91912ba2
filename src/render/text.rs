//! Text for terminals: harmless, aligned, coloured.

use std::borrow::Cow;
use std::sync::LazyLock;

use anstyle::{AnsiColor, Style as Ink};
use regex::{Captures, Regex};

use super::{Fold, Style};

/// What is new.
pub(super) const GREEN: Ink = AnsiColor::Green.on_default();
/// What changes.
pub(super) const YELLOW: Ink = AnsiColor::Yellow.on_default();
/// What ends, or is wrong.
pub(super) const RED: Ink = AnsiColor::Red.on_default();
/// What is told beside.
pub(super) const DIM: Ink = Ink::new().dimmed();
/// Headings.
pub(super) const BOLD: Ink = Ink::new().bold();

/// What a program has printed, as text alone: without the sequences by which it commands a terminal, and without control characters but the ends of
/// lines and tabs. Of a line that was written over, as by a progress bar, what stood there last.
pub fn printed(bytes: &[u8]) -> String {
    static COMMAND: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\x00|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?|\r+\n").expect("tests use it")
    });
    let text = String::from_utf8_lossy(bytes);
    let text = COMMAND.replace_all(&text, |found: &Captures<'_>| match &found[0] {
        end if end.ends_with('\n') => "\n",
        "\x1b[K" | "\x1b[0K" | "\x1b[2K" => "\0",
        _ => "",
    });
    let lines: Vec<String> = text.split('\n').map(as_it_stood).collect();
    lines.join("\n").chars().filter(|letter| matches!(letter, '\n' | '\t') || !is_unsafe(*letter)).collect()
}

/// A line in its last state: a carriage return moves to its beginning, and a zero, which no text has by then, clears the rest.
fn as_it_stood(line: &str) -> String {
    if !line.contains(['\r', '\0']) {
        return line.to_owned();
    }
    let (mut shown, mut column): (Vec<char>, usize) = (Vec::new(), 0);
    for letter in line.chars() {
        match letter {
            '\r' => column = 0,
            '\0' => shown.truncate(column),
            letter => {
                if column < shown.len() {
                    shown[column] = letter
                } else {
                    shown.push(letter)
                }
                column += 1;
            }
        }
    }
    shown.into_iter().collect()
}

/// The text with everything written out that a terminal would obey or hide: control characters, and those that turn the direction of text.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_unsafe(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// The text as it may go to a terminal, with what this program itself writes there: line ends, tabs, and the commands for colour where there is
/// colour. The last check of all that is printed: what comes from outside went through [`plain`] before, and what was forgotten there is caught here.
pub fn defused(text: &str, color: bool) -> Cow<'_, str> {
    let is_layout = |letter: char| matches!(letter, '\n' | '\r' | '\t');
    if !text.contains(|letter| is_unsafe(letter) && !is_layout(letter)) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let length = if color { own_color(rest) } else { 0 }.max(letter.len_utf8());
        match &rest[..length] {
            one if length == letter.len_utf8() && is_unsafe(letter) && !is_layout(letter) => {
                safe.extend(one.chars().flat_map(char::escape_default))
            }
            other => safe.push_str(other),
        }
        rest = &rest[length..];
    }
    Cow::Owned(safe)
}

/// How long the command for a colour is with which a text begins, if it is one that this program writes; 0 if it is none.
fn own_color(text: &str) -> usize {
    static OWN: LazyLock<Regex> = LazyLock::new(|| {
        // Bold, dimmed, underlined and colours, as they are written here, in diagnostics and by clap; nothing that hides a text.
        let one = "(?:[0124]|3[1-3]|9[1-6])";
        Regex::new(&format!(r"^\x1b\[(?:{one}(?:;{one})*)?m")).expect("tests use it")
    });
    OWN.find(text).map_or(0, |found| found.len())
}

/// The text in lines of at most `width` columns, broken between words where that can be.
pub(super) fn folded(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let (mut lines, mut current) = (Vec::new(), String::new());
    for word in text.split(' ') {
        if !current.is_empty() && columns(&current) + 1 + columns(word) > width {
            lines.push(std::mem::take(&mut current));
        } else if !current.is_empty() {
            current.push(' ');
        }
        let mut rest: Vec<char> = word.chars().collect();
        while rest.len() > width {
            lines.push(rest.drain(..width).collect());
        }
        current.extend(rest);
    }
    lines.push(current);
    lines
}

/// Appends a line, folded with two columns of indent where it is too wide for a terminal.
pub(super) fn folded_line(text: &str, ink: Ink, style: Style, into: &mut String) {
    if style.fold == Fold::Never || columns(text) <= style.width {
        return line(&paint(text, ink, style.color), into);
    }
    for (number, part) in folded(text, style.width.saturating_sub(2)).iter().enumerate() {
        line(&format!("{}{}", if number == 0 { "" } else { "  " }, paint(part, ink, style.color)), into);
    }
}

/// Whether a character does something else than to show itself.
pub(super) fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{61c}' | '\u{feff}')
}

/// The text in a colour, where colour can be shown.
pub(super) fn paint(text: &str, ink: Ink, color: bool) -> String {
    if color && !text.is_empty() { format!("{ink}{text}{ink:#}") } else { text.to_owned() }
}

/// The columns that a text takes.
pub(super) fn columns(text: &str) -> usize {
    text.chars().count()
}

/// At most `most` columns of a text, with an ellipsis where something is missing.
pub(super) fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    if columns(text) <= most {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().take(most.saturating_sub(1)).chain(['…']).collect())
}

/// `1 agent`, `2 agents`.
pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Names with commas, at most `most` of them.
pub(super) fn names(names: &[&str], most: usize) -> String {
    let more = names.len().saturating_sub(most);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names[..names.len().min(most)].join(", "))
}

/// Appends a line without spaces at its end.
pub(super) fn line(text: &str, into: &mut String) {
    into.push_str(text.trim_end());
    into.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_that_a_terminal_obeys_gets_through(text in any::<String>()) {
            prop_assert!(!plain(&text).contains(is_unsafe));
        }
    }

    #[test]
    fn lines_are_folded_between_words_and_nothing_is_lost() {
        assert_eq!(folded("one two three", 7), ["one two", "three"]);
        assert_eq!(folded("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(folded("", 4), [""]);
    }

    #[test]
    fn the_last_door_lets_our_own_colours_through_and_no_other_command() {
        let check = |text: &str, color: bool, expected: &str| assert_eq!(defused(text, color), expected);
        check("\x1b[1mbold\x1b[0m\n\ta\u{9b}2J\u{202e}b\u{7}", true, "\x1b[1mbold\x1b[0m\n\ta\\u{9b}2J\\u{202e}b\\u{7}");
        check("\x1b[1;31merror:\x1b[0m é", true, "\x1b[1;31merror:\x1b[0m é");
        for command in ["[8m", "[1;8m", "[2J", "]0;title\x1b\\", "c", "[31", "(0", "P"] {
            let expected = format!("a{}", command.replace('\x1b', "\\u{1b}"));
            check(&format!("a\x1b{command}"), true, &expected.replacen('a', "a\\u{1b}", 1));
        }
        // Where nothing is coloured, no command is ours.
        check("\x1b[1mbold\x1b[0m", false, "\\u{1b}[1mbold\\u{1b}[0m");
        check("plain é", false, "plain é");
    }

    #[test]
    fn every_ink_gets_through_the_last_door() {
        for ink in [GREEN, YELLOW, RED, DIM, BOLD, RED.bold()] {
            let text = paint("text", ink, true);
            assert_eq!(defused(&text, true), text);
        }
    }

    #[test]
    fn what_is_written_out_can_be_read() {
        assert_eq!(plain("a\x1b[2Jb\u{9b}c\n\u{202e}é"), "a\\u{1b}[2Jb\\u{9b}c\\n\\u{202e}é");
    }

    #[test]
    fn a_text_that_is_too_long_says_so() {
        assert_eq!(shortened("abcdef", 6), "abcdef");
        assert_eq!(shortened("abcdefg", 6), "abcde…");
        assert_eq!(names(&["a", "b"], 2), "a, b");
        assert_eq!(names(&["a", "b", "c"], 2), "a, b and 1 more");
    }
}
