//! What a watcher says of what happens.

use crate::cli::terminal::Terminal;
use crate::converge::Audience;
use crate::event::Entry;
use crate::observed::Observed;
use crate::plan::Plan;
use crate::render::{self, json};

/// Says each event, a line each.
pub(super) struct Listener<'a> {
    pub(super) terminal: &'a Terminal,
    pub(super) as_json: bool,
    /// The columns of the longest name so far.
    pub(super) names: usize,
}

impl Audience for Listener<'_> {
    fn event(&mut self, entry: &Entry) {
        self.names = self.names.max(entry.event.agent.as_ref().map_or(0, |agent| agent.as_str().len()));
        if self.as_json {
            // A reader that went away is no reason to leave the agents alone.
            let _ = self.terminal.print(&json::entry_line(entry));
        } else {
            self.terminal.say(&render::event_human(&entry.event, self.names, self.terminal.err()));
        }
    }

    fn round(&mut self, _: &Plan, _: &Observed) {}
}
