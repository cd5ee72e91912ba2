//! What is wrong with a manifest: for people underlined in its text, for programs as places.

use std::collections::BTreeMap;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::{Deserialize, Serialize};

use super::Style;
use super::text::plain;
use crate::diagnostic::{Diagnostic, Severity, Span};

type Texts = BTreeMap<Arc<str>, Arc<str>>;

/// Each diagnostic with the lines that it is about, underlined, and its hint on a line of its own. Empty if there is none.
pub fn diagnostics(diagnostics: &[Diagnostic], texts: &Texts, style: Style) -> String {
    let renderer = if style.color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.term_width(style.width);
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&one(diagnostic, texts, &renderer));
        out.push_str("\n\n");
    }
    out
}

/// The first error in a line, with its place, and how many more there are; none if there is none.
pub fn first_error(diagnostics: &[Diagnostic], texts: &Texts) -> Option<String> {
    let mut errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    let first = errors.next()?;
    let more = match errors.count() {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Some(format!("{}{more}", in_a_line(first, texts)))
}

/// Each warning in a line, with its place.
pub fn warnings(diagnostics: &[Diagnostic], texts: &Texts) -> Vec<String> {
    diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Warning).map(|warning| in_a_line(warning, texts)).collect()
}

/// A diagnostic with its place.
fn in_a_line(diagnostic: &Diagnostic, texts: &Texts) -> String {
    let place = diagnostic.spans.first().map(|span| {
        let text = texts.get(&span.file).map_or("", |text| &text[..within(span, text).start]);
        format!("{}:{}: ", plain(&span.file), text.matches('\n').count() + 1)
    });
    format!("{}{}", place.unwrap_or_default(), diagnostic.message)
}

fn one(diagnostic: &Diagnostic, texts: &Texts, renderer: &Renderer) -> String {
    let Diagnostic { severity, message, spans, hint } = diagnostic;
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let message = plain(message);
    let mut group = Group::with_title(level.primary_title(message.as_ref()));
    // One snippet per file, in the order of the spans: the place itself comes first.
    let mut files: Vec<&Arc<str>> = Vec::new();
    for span in spans {
        if !files.contains(&&span.file) {
            files.push(&span.file);
        }
    }
    for file in files {
        let Some(text) = texts.get(file) else { continue };
        if text.is_empty() {
            // There is nothing to underline.
            group = group.element(Origin::path(plain(file)));
            continue;
        }
        let mut snippet = Snippet::source(text.as_ref()).path(plain(file));
        for (place, span) in spans.iter().enumerate().filter(|(_, span)| span.file == *file) {
            let kind = if place == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            let annotation = kind.span(within(span, text));
            snippet = snippet.annotation(if span.label.is_empty() { annotation } else { annotation.label(plain(&span.label)) });
        }
        group = group.element(snippet);
    }
    let shown = renderer.render(&[group]);
    match hint {
        Some(hint) => format!("{shown}\nhint: {}", plain(hint)),
        None => shown,
    }
}

/// The bytes of a span, kept within the text and on whole characters.
fn within(span: &Span, text: &str) -> std::ops::Range<usize> {
    let whole = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    whole(span.bytes.start)..whole(span.bytes.end.max(span.bytes.start))
}

/// What `validate --json` writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DiagnosticsDocument {
    /// Whether the manifest can be used.
    pub valid: bool,
    /// What is wrong, in the order of files and lines.
    pub diagnostics: Vec<DiagnosticEntry>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DiagnosticEntry {
    /// `error` or `warning`.
    pub severity: String,
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
    /// The place itself, then others that belong to it.
    pub places: Vec<PlaceEntry>,
}

/// A place in a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PlaceEntry {
    /// The file as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The line of its end.
    pub end_line: usize,
    /// The column behind its end.
    pub end_column: usize,
    /// What is there; empty where the message says it.
    pub label: String,
}

/// The diagnostics for programs.
pub fn diagnostics_document(diagnostics: &[Diagnostic], texts: &Texts) -> DiagnosticsDocument {
    let place = |span: &Span| {
        let text = texts.get(&span.file).map_or("", |text| text);
        let bytes = within(span, text);
        let (line, column) = position(text, bytes.start);
        let (end_line, end_column) = position(text, bytes.end);
        PlaceEntry { file: span.file.to_string(), line, column, end_line, end_column, label: span.label.clone() }
    };
    let entry = |diagnostic: &Diagnostic| DiagnosticEntry {
        severity: match diagnostic.severity {
            Severity::Error => "error".to_owned(),
            Severity::Warning => "warning".to_owned(),
        },
        message: diagnostic.message.clone(),
        hint: diagnostic.hint.clone(),
        places: diagnostic.spans.iter().map(place).collect(),
    };
    DiagnosticsDocument {
        valid: diagnostics.iter().all(|diagnostic| diagnostic.severity != Severity::Error),
        diagnostics: diagnostics.iter().map(entry).collect(),
    }
}

/// Line and column, from 1, of a byte of a text.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Vec<Diagnostic>, Texts) {
        let text = "version = 1\n[agents.ä]\nreplica = 3\n";
        let file: Arc<str> = "c.toml".into();
        let at = text.find("replica").unwrap();
        let span = |bytes: std::ops::Range<usize>, label: &str| Span { file: file.clone(), bytes, label: label.to_owned() };
        let diagnostic = Diagnostic {
            severity: Severity::Error,
            message: "unknown key `replica`\u{1b}[2J".to_owned(),
            spans: vec![span(at..at + 7, ""), span(12..23, "in this table")],
            hint: Some("did you mean `replicas`?".to_owned()),
        };
        (vec![diagnostic], Texts::from([(file, text.into())]))
    }

    #[test]
    fn people_see_the_place_and_the_way_out() {
        let (found, texts) = sample();
        insta::assert_snapshot!(diagnostics(&found, &texts, Style::PLAIN), @r"
        error: unknown key `replica`\u{1b}[2J
         --> c.toml:3:1
          |
        2 | [agents.ä]
          | ---------- in this table
        3 | replica = 3
          | ^^^^^^^
        hint: did you mean `replicas`?
        ");
    }

    #[test]
    fn programs_get_lines_and_columns_in_characters() {
        let (found, texts) = sample();
        let document = diagnostics_document(&found, &texts);
        assert!(!document.valid);
        let place = &document.diagnostics[0].places[0];
        assert_eq!((place.line, place.column, place.end_line, place.end_column), (3, 1, 3, 8));
        let place = &document.diagnostics[0].places[1];
        assert_eq!((place.line, place.column, place.end_column), (2, 1, 11));
    }

    #[test]
    fn a_span_beside_the_text_is_no_panic() {
        let (mut found, texts) = sample();
        found[0].spans[0].bytes = 15..4000;
        found[0].spans[1].bytes = 21..22;
        diagnostics(&found, &texts, Style::PLAIN);
        diagnostics_document(&found, &texts);
    }
}
