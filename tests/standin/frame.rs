//! The whole screen as lines, for a terminal of some size. Draws nothing.

use std::time::Duration;

use crate::dialog::Dialog;
use crate::session::Session;

const HEADER: [&str; 2] = [" ▐▛███▛█   Claude Code v2.1.329", "▝▜██████▀  Opus 5.5 · API Usage Billing"];
const SPINNER: [char; 6] = ['✻', '✽', '✶', '✳', '✢', '·'];

/// The lines that the terminal shows. What does not fit scrolls away at the top.
pub(crate) fn of(session: &Session, (columns, rows): (usize, usize)) -> Vec<String> {
    let mut lines: Vec<String> = HEADER.map(str::to_owned).into();
    lines.push(format!(" ▝▝   ▝▝   {}", cwd()));
    lines.extend([String::new(), String::new()]);
    lines.extend(session.said.iter().flat_map(|line| broken(line, columns, 2)));
    match session.dialogs.front() {
        Some(dialog) if session.said.is_empty() => lines = shown(dialog, columns),
        Some(dialog) => lines.extend(shown(dialog, columns)),
        None => {
            lines.extend(session.works.map(|since| spinner(since.elapsed())).into_iter().flatten());
            lines.extend(composer(session, columns));
        }
    }
    let lines: Vec<String> = lines.iter().map(|line| cut(line, columns)).collect();
    lines[lines.len().saturating_sub(rows)..].to_vec()
}

fn shown(dialog: &Dialog, columns: usize) -> Vec<String> {
    let look = dialog.look();
    let indent = " ".repeat(look.indent);
    let mut lines = vec![String::new(), rule(columns)];
    for line in look.text.replace("{cwd}", &cwd()).lines() {
        lines.extend(wrapped(&format!("{indent}{line}"), columns));
    }
    lines.push(String::new());
    for (at, row) in look.rows.iter().enumerate() {
        let mark = if at == dialog.selected { '❯' } else { ' ' };
        let number = if look.numbered { format!("{}. ", at + 1) } else { String::new() };
        lines.push(format!("{indent}{mark} {number}{row}"));
    }
    if !look.hint.is_empty() {
        lines.extend([String::new(), format!("{indent}{}", look.hint)]);
    }
    lines
}

fn spinner(worked: Duration) -> [String; 2] {
    let beat = usize::try_from(worked.as_millis() / 100).unwrap_or(0);
    let glyph = SPINNER[beat % SPINNER.len()];
    [format!("{glyph} Cooking… ({}s · ↓ {} tokens · esc to interrupt)", worked.as_secs(), 12 + beat), String::new()]
}

fn composer(session: &Session, columns: usize) -> Vec<String> {
    let text = session.composer.shown();
    let mut lines = vec![rule(columns)];
    let room = columns.saturating_sub(2).max(1);
    let rows = text.split('\n').flat_map(|line| broken(line, room, 0)).enumerate();
    lines.extend(rows.map(|(at, row)| if at == 0 { format!("❯\u{a0}{row}") } else { format!("  {row}") }));
    lines.push(rule(columns));
    let (left, right) = match (session.works, text.is_empty()) {
        (Some(_), _) => (" · esc to interrupt · ← for agents", ""),
        (None, true) => (" · ← for agents", "◐ medium · /effort"),
        (None, false) => ("", "ctrl+g to edit in Vim"),
    };
    let left = format!("  ⏵⏵ bypass permissions on (shift+tab to cycle){left}");
    let blanks = columns.saturating_sub(width(&left) + width(right) + 2);
    lines.push(if right.is_empty() || blanks < 2 { left } else { format!("{left}{}{right}", " ".repeat(blanks)) });
    lines
}

fn cwd() -> String {
    std::env::current_dir().unwrap_or_default().display().to_string()
}

fn rule(columns: usize) -> String {
    "─".repeat(columns)
}

/// The line broken between words, all parts as far indented as its start.
fn wrapped(line: &str, columns: usize) -> Vec<String> {
    let indent: String = line.chars().take_while(|c| *c == ' ').collect();
    let mut lines = vec![indent.clone()];
    for word in line.split_whitespace() {
        let last = lines.last_mut().expect("there is a first one");
        if last.trim().is_empty() {
            last.push_str(word);
        } else if width(last) + 1 + width(word) <= columns {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(format!("{indent}{word}"));
        }
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

/// The line broken wherever it is full, at least one line; `hang` blanks before all but the first.
fn broken(line: &str, columns: usize, hang: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for c in line.chars().map(|c| if c == '\t' { ' ' } else { c }).filter(|c| !c.is_control()) {
        if width(lines.last().expect("there is a first one")) + wide(c) > columns {
            lines.push(" ".repeat(hang.min(columns.saturating_sub(2))));
        }
        lines.last_mut().expect("there is a first one").push(c);
    }
    lines
}

/// As much of the line as fits.
fn cut(line: &str, columns: usize) -> String {
    let mut used = 0;
    let fits = |c: &char| {
        used += wide(*c);
        used <= columns
    };
    line.chars().take_while(fits).collect()
}

fn width(text: &str) -> usize {
    text.chars().map(wide).sum()
}

/// How many columns a character takes, roughly.
fn wide(c: char) -> usize {
    match u32::from(c) {
        0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xff00..=0xff60 | 0x1f300..=0x1faff | 0x20000..=0x3fffd => {
            2
        }
        _ => 1,
    }
}
