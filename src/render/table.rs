//! Tables for people.

use anstyle::Style as Ink;

use super::Style;
use super::text::{columns, line, paint, shortened};

/// A row: the colour of its second cell, and the cells.
pub(super) type Row<const N: usize> = (Ink, [String; N]);

/// A reason that is cut too short says nothing.
const LEAST: usize = 40;

/// Titles and rows in columns, two spaces apart. The last column is cut where the line would be too long.
pub(super) fn write<const N: usize>(titles: &[&str; N], rows: &[Row<N>], style: Style, out: &mut String) {
    let mut widths = titles.map(columns);
    for (_, cells) in rows {
        widths.iter_mut().zip(cells).for_each(|(width, cell)| *width = (*width).max(columns(cell)));
    }
    let indent: usize = 2 + widths[..N - 1].iter().map(|width| width + 2).sum::<usize>();
    let room = style.width.saturating_sub(indent).max(LEAST);
    let mut write = |cells: &[String; N], ink: Ink| {
        let mut text = String::from("  ");
        for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
            match index {
                1 => text.push_str(&paint(&format!("{cell:width$}"), ink, style.color)),
                _ if index == N - 1 => text.push_str(&shortened(cell, room)),
                _ => text.push_str(&format!("{cell:width$}")),
            }
            text.push_str("  ");
        }
        line(&text, out);
    };
    write(&titles.map(str::to_owned), Ink::new());
    rows.iter().for_each(|(ink, cells)| write(cells, *ink));
}
