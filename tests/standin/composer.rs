//! The text that is not submitted yet. Knows no terminal.

/// Pastes above these lengths are shown as a mark, as Claude Code does.
const LINES: usize = 3;
const CHARACTERS: usize = 800;

enum Part {
    Text(String),
    Marked { text: String, mark: String },
}

/// What stands in the composer.
#[derive(Default)]
pub(crate) struct Composer {
    parts: Vec<Part>,
    /// Whether some of it was pasted, with or without a mark.
    pub(crate) pasted: bool,
    /// How many marks there were so far; they are numbered.
    marks: u32,
}

impl Composer {
    /// A composer with what a person typed in it.
    pub(crate) fn with_draft(draft: &str) -> Self {
        let mut composer = Self::default();
        composer.insert(draft);
        composer
    }

    /// Appends what was typed.
    pub(crate) fn insert(&mut self, typed: &str) {
        match self.parts.last_mut() {
            Some(Part::Text(text)) => text.push_str(typed),
            Some(Part::Marked { .. }) | None => self.parts.push(Part::Text(typed.to_owned())),
        }
    }

    /// Appends what was pasted.
    pub(crate) fn paste(&mut self, text: String) {
        self.pasted |= !text.is_empty();
        let breaks = breaks(&text).matches('\n').count();
        if breaks < LINES && text.chars().count() <= CHARACTERS {
            return self.insert(&text);
        }
        self.marks += 1;
        let mark =
            if breaks == 0 { format!("[Pasted text #{}]", self.marks) } else { format!("[Pasted text #{} +{breaks} lines]", self.marks) };
        self.parts.push(Part::Marked { text, mark });
    }

    /// Takes away the last character, or the last mark with its text.
    pub(crate) fn backspace(&mut self) {
        match self.parts.last_mut() {
            Some(Part::Text(text)) if text.chars().count() > 1 => drop(text.pop()),
            Some(_) => drop(self.parts.pop()),
            None => {}
        }
        self.pasted &= !self.parts.is_empty();
    }

    /// Takes away everything.
    pub(crate) fn clear(&mut self) {
        self.parts.clear();
        self.pasted = false;
    }

    /// The text in full.
    pub(crate) fn text(&self) -> String {
        let text = |part: &Part| match part {
            Part::Text(text) | Part::Marked { text, .. } => text.clone(),
        };
        self.parts.iter().map(text).collect()
    }

    /// The text as it is shown.
    pub(crate) fn shown(&self) -> String {
        let shown = |part: &Part| match part {
            Part::Text(text) => breaks(text),
            Part::Marked { mark, .. } => mark.clone(),
        };
        self.parts.iter().map(shown).collect()
    }
}

/// The text with all line breaks in one form.
fn breaks(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}
