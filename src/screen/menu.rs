//! Rows of which one can be selected. Decides nothing about what they mean.

use std::ops::Range;

use super::lines::{Lines, indent};

/// What stands before the row that is selected.
const MARKS: [char; 4] = ['❯', '›', '●', '>'];

/// One row of a menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its label, with what is written under it.
    pub label: String,
    /// The number before it.
    pub number: Option<u32>,
}

/// A menu on the screen.
#[derive(Debug)]
pub(super) struct Menu {
    pub(super) choices: Vec<Choice>,
    /// The place in `choices` of the row that is marked.
    pub(super) selected: Option<usize>,
    /// The glyph of the mark.
    pub(super) mark: Option<char>,
    /// All lines of the menu.
    pub(super) lines: Range<usize>,
}

/// A line taken apart as a row of a menu.
#[derive(Debug)]
struct Row {
    mark: Option<char>,
    number: Option<u32>,
    /// The column in which number or label starts.
    column: usize,
    label: String,
}

/// The lowest menu of two rows or more whose marked row is seen; where there is none, the lowest numbered list. `not` are the lines of a composer.
pub(super) fn find(lines: &Lines, not: Option<&Range<usize>>) -> Option<Menu> {
    let rows: Vec<Option<Row>> = lines.0.iter().map(|line| row(line)).collect();
    let free = |place: &usize| not.is_none_or(|not| !not.contains(place));
    let is = |place: usize, wanted: fn(&Row) -> bool| rows[place].as_ref().is_some_and(wanted);
    let places = || (0..rows.len()).rev().filter(free);
    let marked = places().filter(|place| is(*place, |row| row.mark.is_some())).find_map(|place| around(lines, &rows, place));
    marked.or_else(|| places().filter(|place| is(*place, |row| row.number.is_some())).find_map(|place| around(lines, &rows, place)))
}

fn row(line: &str) -> Option<Row> {
    let blanks = indent(line);
    let rest: Vec<char> = line.chars().skip(blanks).collect();
    let mark = rest.first().copied().filter(|first| MARKS.contains(first) && rest.get(1) == Some(&' '));
    let after = |start: usize| start + rest[start..].iter().take_while(|c| **c == ' ').count();
    let start = if mark.is_some() { after(1) } else { 0 };
    // A tick before a label says which row is in force now, and is no part of the label.
    let is_ticked = rest.get(start) == Some(&'✔') && rest.get(start + 1) == Some(&' ');
    let start = if is_ticked { after(start + 1) } else { start };
    let body: String = rest[start..].iter().collect();
    let digits = body.bytes().take_while(u8::is_ascii_digit).count();
    let numbered = body[digits..].strip_prefix(". ").or_else(|| body[digits..].strip_prefix(") ")).map(str::trim_start);
    let number = if digits <= 2 { body[..digits].parse().ok() } else { None };
    let (number, label) = match (number, numbered) {
        (Some(number), Some(label)) => (Some(number), label),
        (Some(_) | None, _) => (None, body.as_str()),
    };
    (!label.is_empty()).then(|| Row { mark, number, column: blanks + start, label: label.to_owned() })
}

/// The menu to which the row at this place belongs.
fn around(lines: &Lines, rows: &[Option<Row>], place: usize) -> Option<Menu> {
    let own = rows[place].as_ref()?;
    let mut places = vec![place];
    for step in [-1, 1] {
        let mut at = place;
        let mut number = own.number;
        while let Some(next) = at.checked_add_signed(step).filter(|next| *next < rows.len()) {
            at = next;
            let Some(row) = &rows[at] else {
                // Numbers hold a menu together over empty lines; without them, what follows is other text.
                if own.number.is_some() {
                    continue;
                } else {
                    break;
                };
            };
            let wanted = number.and_then(|number| number.checked_add_signed(if step < 0 { -1 } else { 1 }));
            if row.column == own.column && row.mark.is_none() && row.number == wanted {
                places.push(at);
                number = row.number;
            } else if row.mark.is_some() || row.column <= own.column {
                break;
            }
        }
    }
    places.sort_unstable();
    if places.len() < 2 {
        return None;
    }
    let under = |place: usize| {
        let deeper = |line: &&String| !line.is_empty() && indent(line) > own.column;
        let next = places.iter().find(|other| **other > place).copied().unwrap_or(lines.0.len());
        lines.0[place + 1..next].iter().take_while(deeper).map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let choice = |place: &usize| {
        let row = rows[*place].as_ref()?;
        let label = std::iter::once(row.label.clone()).chain(under(*place)).collect::<Vec<_>>().join(" ");
        Some(Choice { label, number: row.number })
    };
    let last = *places.last()?;
    Some(Menu {
        choices: places.iter().filter_map(choice).collect(),
        selected: own.mark.and(places.iter().position(|other| *other == place)),
        mark: own.mark,
        lines: *places.first()?..last + 1 + under(last).len(),
    })
}
