//! What was found wrong so far, and where. Renders nothing.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Severity, Span};

/// A place in one of the files, small enough to be kept with every value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Spot {
    /// The file's number: 0 is the manifest itself.
    pub(crate) file: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Whether it lies in `[defaults]`.
    pub(crate) defaults: bool,
}

impl Spot {
    /// These bytes of a file. Files are smaller than 4 GiB: see `MAX_TEXT`.
    pub(crate) fn new(file: u32, defaults: bool, bytes: &Range<usize>) -> Self {
        let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { file, start: narrow(bytes.start), end: narrow(bytes.end), defaults }
    }

    /// The same as two numbers.
    pub(crate) fn pack(self) -> [u64; 2] {
        [u64::from(self.file) << 1 | u64::from(self.defaults), u64::from(self.start) << 32 | u64::from(self.end)]
    }

    /// From two numbers.
    pub(crate) fn unpack([file, bytes]: [u64; 2]) -> Self {
        // The casts cut off exactly what the other half holds.
        Self { file: (file >> 1) as u32, defaults: file & 1 == 1, start: (bytes >> 32) as u32, end: bytes as u32 }
    }

    /// The bytes in its file.
    pub(crate) fn bytes(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

struct Note {
    severity: Severity,
    syntax: bool,
    message: String,
    spots: Vec<(Spot, String)>,
    hint: Option<String>,
}

/// Collects what is wrong.
#[derive(Default)]
pub(crate) struct Report {
    notes: RefCell<Vec<Note>>,
    errors: Cell<usize>,
    /// Lines with errors of the syntax.
    broken: RefCell<Vec<Spot>>,
}

impl Report {
    /// Something that makes the manifest unusable.
    pub(crate) fn error(&self, spot: Spot, message: impl Into<String>, hint: impl Into<Option<String>>) {
        self.add(Severity::Error, false, vec![(spot, String::new())], message.into(), hint.into());
    }

    /// Something that somebody should know.
    pub(crate) fn warning(&self, spot: Spot, message: impl Into<String>, hint: impl Into<Option<String>>) {
        self.add(Severity::Warning, false, vec![(spot, String::new())], message.into(), hint.into());
    }

    /// An error that has to do with several places; the first is the place itself.
    pub(crate) fn clash(&self, spots: Vec<(Spot, String)>, message: impl Into<String>, hint: impl Into<Option<String>>) {
        self.add(Severity::Error, false, spots, message.into(), hint.into());
    }

    fn add(&self, severity: Severity, syntax: bool, spots: Vec<(Spot, String)>, message: String, hint: Option<String>) {
        if severity == Severity::Error {
            self.errors.set(self.errors.get() + 1);
        }
        self.notes.borrow_mut().push(Note { severity, syntax, message, spots, hint });
    }

    /// An error of the syntax. In these lines nothing else is reported: it would only be its echo.
    pub(crate) fn syntax(&self, spot: Spot, lines: Range<usize>, message: String) {
        self.broken.borrow_mut().push(Spot::new(spot.file, false, &lines));
        self.add(Severity::Error, true, vec![(spot, String::new())], message, None);
    }

    /// Whether there are errors of the syntax, so that things may be missing that are written.
    pub(crate) fn is_broken(&self) -> bool {
        !self.broken.borrow().is_empty()
    }

    /// The same, unless something inside of this place was reported already: then this would only be its echo.
    pub(crate) fn error_unless_inside(&self, spot: Spot, message: impl Into<String>, hint: impl Into<Option<String>>) {
        let inside = |other: Spot| spot.file == other.file && spot.start <= other.start && other.end <= spot.end;
        if !self.notes.borrow().iter().any(|note| note.spots.first().is_some_and(|(other, _)| inside(*other))) {
            self.error(spot, message, hint);
        }
    }

    /// How many errors there are.
    pub(crate) fn errors(&self) -> usize {
        self.errors.get()
    }

    /// Everything in the order of the files and lines, each thing once.
    pub(crate) fn diagnostics(self, names: &[Arc<str>]) -> Vec<Diagnostic> {
        let mut notes = self.notes.into_inner();
        let broken = self.broken.into_inner();
        // An empty place is the beginning of a file: that something is missing there is no echo of its first line.
        let in_broken_lines = |spot: Spot| {
            let touches = |lines: &Spot| lines.file == spot.file && lines.start <= spot.end && spot.start <= lines.end;
            spot.start < spot.end && broken.iter().any(touches)
        };
        let place = |note: &Note| note.spots.first().map(|(spot, _)| *spot);
        notes.sort_by(|left, right| place(left).cmp(&place(right)).then_with(|| left.message.cmp(&right.message)));
        let mut diagnostics: Vec<Diagnostic> = notes
            .into_iter()
            .filter(|note| note.syntax || !place(note).is_some_and(in_broken_lines))
            .map(|Note { severity, syntax: _, message, spots, hint }| {
                let spans = spots.into_iter().filter_map(|(spot, label)| {
                    Some(Span { file: Arc::clone(names.get(spot.file as usize)?), bytes: spot.bytes(), label })
                });
                Diagnostic { severity, message, spans: spans.collect(), hint }
            })
            .collect();
        diagnostics.dedup();
        diagnostics
    }
}
