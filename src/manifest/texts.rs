//! The manifest's own file and those it includes: reading them, and their TOML syntax.

use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::paths;
use super::read::Layer;
use super::report::{Report, Spot};
use super::sources::{Kind, Sources};
use crate::desired::is_glob;

/// The longest text in bytes that is read: far above any fleet, far below what a place in it can count.
const MAX_TEXT: usize = 16 * 1024 * 1024;

/// After so many errors, the first places of what is declared twice are not looked for any more: that is slow.
const MAX_PAIRS: usize = 100;

/// One file of a manifest.
pub(crate) struct Text {
    /// As it was named on the command line or in `include`.
    pub(crate) name: Arc<str>,
    /// Where it is, absolute.
    pub(crate) path: PathBuf,
    /// The folder it is in: relative paths in it start there.
    pub(crate) folder: PathBuf,
    /// What stands in it; empty if it could not be read.
    pub(crate) text: Arc<str>,
}

/// The manifest's own file. What is wrong with it is reported.
pub(crate) fn main(name: &str, sources: &dyn Sources, report: &Report) -> Text {
    // One that does not depend on the current folder works also where that was removed.
    let folder = if name.starts_with(['/', '~']) { Ok(PathBuf::from("/")) } else { sources.current_folder() };
    let path = folder.and_then(|folder| paths::absolute(name, &folder, sources));
    let path = path.unwrap_or_else(|why| {
        report.error(Spot::default(), why, None);
        PathBuf::from(name)
    });
    read(name.into(), path, Spot::default(), sources, report)
}

fn read(name: Arc<str>, path: PathBuf, asked: Spot, sources: &dyn Sources, report: &Report) -> Text {
    let wrong = |message: String| {
        report.error(asked, message, None);
        String::new()
    };
    let text = match sources.text(&path) {
        Ok(Some(text)) if text.len() > MAX_TEXT => wrong(format!("{} is larger than 16 MiB", name.escape_debug())),
        // A line of a command that ends with a carriage return is another one to every shell.
        Ok(Some(text)) => {
            if text.contains('\r') {
                text.replace("\r\n", "\n")
            } else {
                text
            }
        }
        Ok(None) => wrong(format!("{} does not exist", name.escape_debug())),
        Err(why) => wrong(format!("{} could not be read: {why}", name.escape_debug())),
    };
    let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
    Text { name, path, folder, text: text.into() }
}

/// The files that a document includes, and the folders that were listed for that.
pub(crate) fn included(main: &Text, document: &Spanned<DeValue<'_>>, sources: &dyn Sources, report: &Report) -> (Vec<Text>, Vec<PathBuf>) {
    let mut texts: Vec<Text> = Vec::new();
    let mut listed = Vec::new();
    let mut seen = HashSet::from([main.path.clone()]);
    for (written, spot) in patterns(document) {
        let pattern = match paths::absolute(written, &main.folder, sources) {
            Ok(pattern) => pattern,
            Err(why) => {
                report.error(spot, why, None);
                continue;
            }
        };
        let found = if is_glob(written) {
            match paths::glob(&pattern, Kind::File, sources) {
                Ok((found, folders)) => {
                    listed.extend(folders);
                    found
                }
                Err(why) => {
                    report.error(spot, format!("it is not known which files to include: {why}"), None);
                    continue;
                }
            }
        } else {
            vec![pattern]
        };
        if found.is_empty() {
            report.warning(spot, format!("`{}` matches no file", written.escape_debug()), None);
        }
        for path in found {
            if !seen.insert(path.clone()) {
                continue;
            }
            texts.push(read(displayed(&path, main), path, spot, sources, report));
        }
    }
    (texts, listed)
}

fn patterns<'a>(document: &'a Spanned<DeValue<'_>>) -> impl Iterator<Item = (&'a str, Spot)> {
    let items = document.get_ref().as_table().and_then(|table| table.get("include")).and_then(|value| value.get_ref().as_array());
    // What is no string is reported when the whole document is read.
    items.into_iter().flat_map(|items| items.iter()).filter_map(|item| {
        let text = item.get_ref().as_str()?;
        Some((text, Spot::new(0, false, &item.span())))
    })
}

/// The path as the user would write it: beside the manifest as the manifest was named.
fn displayed(path: &Path, main: &Text) -> Arc<str> {
    let beside = path.strip_prefix(&main.folder).ok().map(|rest| {
        let folder = Path::new(main.name.as_ref()).parent().unwrap_or(Path::new(""));
        folder.join(rest)
    });
    beside.as_deref().unwrap_or(path).display().to_string().into()
}

/// A text as a TOML document. All its syntax errors are reported; what could be read is there all the same.
pub(crate) fn document<'t>(text: &'t str, file: u32, report: &Report) -> Spanned<DeValue<'t>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut twice = HashSet::new();
    for error in errors {
        let bytes = error.span().unwrap_or(0..0);
        let spot = Spot::new(file, false, &bytes);
        if error.message() == "duplicate key" {
            duplicate(text, spot, table.get_ref(), &mut twice, report);
        } else {
            report.syntax(spot, lines_of(text, &bytes), sentence(error.message()));
        }
    }
    let span = table.span();
    Spanned::new(span, DeValue::Table(table.into_inner()))
}

/// The parser's messages begin in lower case already; only its quotes differ from ours.
fn sentence(message: &str) -> String {
    message.replace("'`'", "a backtick")
}

/// The bytes of all lines that a place touches.
fn lines_of(text: &str, bytes: &Range<usize>) -> Range<usize> {
    let start = text.get(..bytes.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let end = text.get(bytes.end..).and_then(|after| after.find('\n')).map_or(text.len(), |at| bytes.end + at);
    start..end
}

/// Names both places of a key that is there twice. Keys of a table that is there twice are left out: it was named itself.
fn duplicate(text: &str, spot: Spot, root: &DeTable<'_>, twice: &mut HashSet<usize>, report: &Report) {
    let key = text.get(spot.bytes()).unwrap_or_default();
    if report.errors() > MAX_PAIRS {
        return report.error(spot, format!("`{}` is declared twice", key.escape_debug()), None);
    }
    let line = text.get(..spot.start as usize).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let in_header = text[line..].starts_with('[');
    let headers = headers(&text[..spot.end as usize]);
    let (own, mut path) = match headers.last() {
        Some((start, keys)) => (*start, keys.clone()),
        None => (0, Vec::new()),
    };
    let first = if in_header {
        twice.insert(own);
        let earlier = headers.iter().rev().skip(1).find(|(_, keys)| *keys == path);
        earlier.and_then(|(start, _)| text[*start..].find(key).map(|at| start + at..start + at + key.len()))
    } else {
        if !headers.is_empty() && twice.contains(&own) {
            return;
        }
        path.push(bare(key));
        first_place(root, &path).filter(|first| first.end <= spot.start as usize)
    };
    let mut spots = vec![(spot, String::new())];
    spots.extend(first.map(|first| (Spot::new(spot.file, false, &first), "first declared here".to_owned())));
    report.clash(spots, format!("`{}` is declared twice", key.escape_debug()), None);
}

/// The lines that look like headers of tables: where they begin, and their keys.
fn headers(text: &str) -> Vec<(usize, Vec<&str>)> {
    let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
    let lines = starts.filter_map(|start| Some((start, text.get(start..)?.lines().next()?)));
    let headers = lines.filter(|(_, line)| line.starts_with('[') && !line.starts_with("[["));
    headers
        .map(|(start, line)| {
            let keys = line.trim_start_matches('[').split(']').next().unwrap_or_default();
            (start, keys.split('.').map(|key| bare(key.trim())).collect())
        })
        .collect()
}

fn bare(key: &str) -> &str {
    key.trim_matches(['"', '\''])
}

fn first_place(root: &DeTable<'_>, path: &[&str]) -> Option<Range<usize>> {
    let (last, parents) = path.split_last()?;
    let mut table = root;
    for key in parents {
        table = table.get(*key)?.get_ref().as_table()?;
    }
    table.get_key_value(*last).map(|(key, _)| key.span())
}

/// The documents as layers, for reading.
pub(crate) fn layers<'a>(documents: impl IntoIterator<Item = &'a Spanned<DeValue<'a>>>) -> Vec<Layer<'a>> {
    (0..).zip(documents).map(|(file, value)| Layer { file, defaults: false, value }).collect()
}
