//! What is wrong with a manifest, where, and the way out. Loading collects all of them; nothing here prints.

use std::ops::Range;
use std::sync::Arc;

/// One thing that is wrong, or worth a word, in a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the manifest can be used all the same.
    pub severity: Severity,
    /// What is wrong, as one sentence without a full stop.
    pub message: String,
    /// Where; the first is the place itself, the others belong to it ("first declared here").
    pub spans: Vec<Span>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Whether a manifest with a diagnostic can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but somebody should know.
    Warning,
}

/// A place in one of the texts of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The file as it was named.
    pub file: Arc<str>,
    /// Bytes of its text.
    pub bytes: Range<usize>,
    /// What is at this place; empty where the message says it.
    pub label: String,
}
