//! What a watcher says of what happens.

use super::speaker::Speaker;
use crate::cli::setup::Setup;
use crate::cli::terminal::Terminal;
use crate::converge::Audience;
use crate::event::{Entry, Event};
use crate::observed::Observed;
use crate::plan::Plan;
use crate::render::{self, Invocation, Style, json};

/// Says each event, a line each.
pub(super) struct Listener {
    speaker: Speaker,
    style: Style,
    as_json: bool,
    about: Invocation,
    /// The columns of the longest name so far.
    names: usize,
}

impl Listener {
    pub(super) fn new(terminal: &Terminal, as_json: bool, Setup { desired, manifest, .. }: &Setup) -> Self {
        let names = desired.agents.keys().map(|agent| agent.as_str().len()).max().unwrap_or(0);
        Self { speaker: Speaker::new(terminal.out(), terminal.err()), style: terminal.err(), as_json, about: manifest.clone(), names }
    }

    /// Says something that is no event.
    pub(super) fn say(&mut self, text: String) {
        self.speaker.say(text);
    }

    /// Says that nothing is due, to people: programs hear events.
    pub(super) fn converged(&mut self, agents: usize) {
        if !self.as_json {
            self.speaker.say(render::nothing_due(agents));
        }
    }

    /// Says what went wrong.
    pub(super) fn error(&mut self, error: &anyhow::Error) {
        self.speaker.say(Terminal::as_error(error, self.style));
    }

    /// Says something that is in no journal.
    pub(super) fn aside(&mut self, event: Event) {
        self.event(&Entry { number: 0, event });
    }
}

impl Audience for Listener {
    fn event(&mut self, entry: &Entry) {
        self.names = self.names.max(entry.event.agent.as_ref().map_or(0, |agent| agent.as_str().len()));
        if self.as_json {
            self.speaker.print(json::entry_line(entry));
        } else {
            let text = render::event_human(&entry.event, self.names, self.style);
            self.speaker.say(self.about.complete(&text).into_owned());
        }
    }

    fn round(&mut self, _: &Plan, _: &Observed) {}
}
