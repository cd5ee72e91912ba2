//! The terminal of a simulated agent: dialogs at the start, a place to type, work after each text. It is drawn as Claude Code draws it.

use crate::time::{Duration, Timestamp};

/// What a terminal shows at the start, and how it takes what is typed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terminal {
    /// The dialogs that are shown one after the other, `trust` or `bypass`; no is selected at first.
    pub asks: Vec<&'static str>,
    /// So many Enters have no effect.
    pub swallows: u32,
    /// How long it works on each text.
    pub works_for: Duration,
    /// What stands where a person types.
    pub composer: String,
    yes: bool,
    declined: bool,
    works_until: Option<Timestamp>,
    typed_at: Option<Timestamp>,
    submitted: Vec<String>,
}

/// Whether a key is one that a person uses in a terminal, and none that asks for an end.
pub(super) fn is_for_people(key: &str) -> bool {
    matches!(key, "Up" | "Down" | "Enter")
}

impl Terminal {
    /// The texts that were submitted.
    pub fn submitted(&self) -> &[String] {
        &self.submitted
    }

    /// Whether a dialog was answered with no.
    pub(super) fn is_declined(&self) -> bool {
        self.declined
    }

    /// When it last wrote something, of a program that was started at `since`.
    pub(super) fn written_at(&self, since: Timestamp, now: Timestamp) -> Timestamp {
        let worked = self.works_until.map(|until| until.min(now));
        since.max(self.typed_at.unwrap_or(since)).max(worked.unwrap_or(since))
    }

    pub(super) fn paste(&mut self, text: &str, now: Timestamp) {
        self.typed_at = Some(now);
        // A dialog takes no text.
        if self.asks.is_empty() {
            self.composer.push_str(text);
        }
    }

    pub(super) fn press(&mut self, key: &str, now: Timestamp) {
        self.typed_at = Some(now);
        match key {
            "Up" => self.yes = false,
            "Down" => self.yes = true,
            _ if self.swallows > 0 => self.swallows -= 1,
            _ if !self.asks.is_empty() => {
                self.declined |= !self.yes;
                self.asks.remove(0);
                self.yes = false;
            }
            _ if !self.composer.is_empty() => {
                self.submitted.push(std::mem::take(&mut self.composer));
                self.works_until = Some(now + self.works_for);
            }
            _ => {}
        }
    }

    pub(super) fn text(&self, now: Timestamp) -> String {
        let rule = "─".repeat(60);
        if let Some(asked) = self.asks.first() {
            let (no, yes) = if self.yes { (" ", "❯") } else { ("❯", " ") };
            let (question, label) = match *asked {
                "trust" => ("Do you trust the files in this folder?", "Yes, I trust this folder"),
                _ => ("WARNING: Claude Code running in Bypass Permissions mode", "Yes, I accept"),
            };
            return format!("{rule}\n {question}\n\n {no} No, exit\n {yes} {label}\n\n Enter to confirm · Esc to cancel\n");
        }
        let work = if self.works_until.is_some_and(|until| now < until) { "✻ Cooking… (2s · esc to interrupt)\n\n" } else { "" };
        format!("{work}{rule}\n❯\u{a0}{}\n{rule}\n  ? for shortcuts\n", self.composer)
    }
}
