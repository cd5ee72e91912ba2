//! Tables for people.

use anstyle::Style as Ink;

use super::text::{columns, folded, line, paint};
use super::{Fold, Style};

/// A row: the colour of its second cell, and the cells.
pub(super) type Row<const N: usize> = (Ink, [String; N]);

/// With less room than this, columns are left out.
const TIGHT: usize = 20;

/// A reason is folded in its column where that is at least this wide, and else on lines of its own.
const WIDE: usize = 40;

/// How far these lines are indented.
const BELOW: usize = 6;

/// Titles and rows in columns, two spaces apart. Where it is too wide for a terminal, the `spare` columns are left out, the first one first, and the
/// last column is folded. Nothing of it is ever cut.
pub(super) fn write<const N: usize>(titles: &[&str; N], spare: &[usize], rows: &[Row<N>], style: Style, out: &mut String) {
    let mut widths = titles.map(columns);
    for (_, cells) in rows {
        widths.iter_mut().zip(cells).for_each(|(width, cell)| *width = (*width).max(columns(cell)));
    }
    let mut shown = [true; N];
    let room = |shown: &[bool; N]| {
        let indent: usize = (0..N - 1).filter(|column| shown[*column]).map(|column| widths[column] + 2).sum();
        style.width.saturating_sub(2 + indent)
    };
    if style.fold == Fold::AtWidth {
        for column in spare {
            if room(&shown) >= TIGHT.min(widths[N - 1]) {
                break;
            }
            shown[*column] = false;
        }
    }
    let room = room(&shown);
    let mut write = |cells: &[String; N], ink: Ink| {
        let mut text = String::from("  ");
        for (index, (cell, width)) in cells[..N - 1].iter().zip(widths).enumerate().filter(|(index, _)| shown[*index]) {
            let padded = format!("{cell:width$}");
            text.push_str(&if index == 1 { paint(&padded, ink, style.color) } else { padded });
            text.push_str("  ");
        }
        let last = &cells[N - 1];
        match style.fold {
            Fold::AtWidth if columns(last) > room && room >= WIDE => {
                let indent = style.width - room;
                let mut lines = folded(last, room).into_iter();
                line(&format!("{text}{}", lines.next().unwrap_or_default()), out);
                lines.for_each(|more| line(&format!("{:indent$}{more}", ""), out));
            }
            Fold::AtWidth if columns(last) > room => {
                line(&text, out);
                folded(last, style.width.saturating_sub(BELOW)).iter().for_each(|more| line(&format!("{:BELOW$}{more}", ""), out));
            }
            Fold::AtWidth | Fold::Never => line(&format!("{text}{last}"), out),
        }
    };
    write(&titles.map(str::to_owned), Ink::new());
    rows.iter().for_each(|(ink, cells)| write(cells, *ink));
}
