//! A field that differs, within a column: where the values are long, the part of them that differs.

use super::text::columns;
use crate::plan::FieldChange;

/// This much of what is the same is shown before what differs.
const BEFORE: usize = 8;

/// `command[2] "…--model sonnet…" → "…--model opus…"`: what differs, in at most this many columns where its name leaves room for that.
pub(super) fn difference(field: &FieldChange, most: usize) -> String {
    let whole = field.to_string();
    let (Some(before), Some(after)) = (&field.before, &field.after) else { return whole };
    if columns(&whole) <= most {
        return whole;
    }
    let (before, after) = (before.to_string(), after.to_string());
    // What tells the field is what is left of it without its values.
    let values = format!(" {before} → {after}");
    let Some(place) = whole.strip_suffix(&values) else { return whole };
    let room = most.saturating_sub(columns(place) + 4) / 2;
    let (before, after): (Vec<char>, Vec<char>) = (before.chars().collect(), after.chars().collect());
    let start = before.iter().zip(&after).take_while(|(one, other)| one == other).count();
    let limit = before.len().min(after.len()) - start;
    let end = before.iter().rev().zip(after.iter().rev()).take(limit).take_while(|(one, other)| one == other).count();
    format!("{place} {} → {}", part(&before, start, end, room), part(&after, start, end, room))
}

/// The part of a value between what is the same at its start and at its end, with an ellipsis where something is left out.
fn part(value: &[char], start: usize, end: usize, room: usize) -> String {
    if value.len() <= room {
        return value.iter().collect();
    }
    let room = room.max(BEFORE * 2);
    let from = start.saturating_sub(BEFORE);
    let left = if from > 0 { "…" } else { "" };
    let fits = room.saturating_sub(left.len().min(1) + 1);
    let last = value.len() - end;
    let to = if value.len() - from <= fits + 1 { value.len() } else { (from + fits).min(value.len()).min(last.max(from + 1) + BEFORE) };
    let right = if to < value.len() { "…" } else { "" };
    format!("{left}{}{right}", value[from..to].iter().collect::<String>())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn field(before: &str, after: &str) -> FieldChange {
        FieldChange { path: vec![Value::from("command"), Value::from(2)], before: Some(json!(before)), after: Some(json!(after)) }
    }

    #[test]
    fn a_short_difference_is_shown_whole() {
        assert_eq!(difference(&field("sonnet", "opus"), 72), r#"command[2] "sonnet" → "opus""#);
    }

    #[test]
    fn of_long_values_the_part_that_differs_is_shown() {
        let script = |model: &str| {
            format!("cd /srv/app && export A=1 B=2 C=3 D=4 && exec claude --model {model} --continue --verbose --permission-mode plan")
        };
        assert_eq!(
            difference(&field(&script("sonnet"), &script("opus")), 72),
            r#"command[2] …--model sonnet --conti… → …--model opus --conti…"#
        );
        let end = |last: &str| format!("{}{last}", "x".repeat(100));
        assert_eq!(difference(&field(&end("1"), &end("2")), 72), r#"command[2] …xxxxxxxx1" → …xxxxxxxx2""#);
        let start = |first: &str| format!("{first}{}", "x".repeat(100));
        assert_eq!(difference(&field(&start("1"), &start("2")), 72), r#"command[2] "1xxxxxxxx… → "2xxxxxxxx…"#);
        // One that goes on where the other ends.
        let text = difference(&field(&"x".repeat(100), &"x".repeat(140)), 72);
        assert!(columns(&text) <= 72 && text.contains('→'), "{text}");
    }
}
