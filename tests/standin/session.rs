//! What the program is doing, and what each key does to it. Reads and draws nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::Args;
use crate::composer::Composer;
use crate::dialog::{Dialog, Effect, Kind};
use crate::keys::Key;
use crate::log::Log;

/// The exit status when the terminal is gone, or a dialog was declined.
pub(crate) const GONE: u8 = 1;

/// How much of what was said is kept: more than a screen.
const SAID: usize = 500;

/// Everything that the screen shows, with the faults that are still to come.
pub(crate) struct Session {
    /// Those to come; the first is shown.
    pub(crate) dialogs: VecDeque<Dialog>,
    pub(crate) composer: Composer,
    /// The lines above the composer, without those of the work that goes on.
    pub(crate) said: VecDeque<String>,
    /// Since when it works.
    pub(crate) works: Option<Instant>,
    /// Submissions that came while it worked.
    queued: u32,
    busy: Duration,
    swallow: u32,
    limit: Option<String>,
    permission: bool,
    no_exit: bool,
    log: Log,
}

impl Session {
    pub(crate) fn new(args: &Args) -> anyhow::Result<Self> {
        Ok(Self {
            dialogs: args.dialog.iter().map(|kind| Dialog::new(*kind)).collect(),
            composer: args.draft.as_deref().map(Composer::with_draft).unwrap_or_default(),
            said: VecDeque::new(),
            works: None,
            queued: 0,
            busy: args.busy,
            swallow: args.swallow_enter,
            limit: args.limit.clone(),
            permission: args.permission,
            no_exit: args.no_exit,
            log: Log::open(args.log.as_deref())?,
        })
    }

    /// Time passes: work is done when its time is over.
    pub(crate) fn pass(&mut self, now: Instant) {
        let Some(since) = self.works else { return };
        let took = now.duration_since(since);
        if took < self.busy {
            return;
        }
        self.works = None;
        match &self.limit {
            Some(limit) => self.say([format!("  ⎿  {limit}"), String::new()]),
            None => self.say(["● Done.".to_owned(), String::new(), format!("✻ Cooked for {}s", took.as_secs()), String::new()]),
        }
        if self.queued > 0 {
            self.queued -= 1;
            self.works = Some(now);
        }
    }

    /// A key was pressed. The exit status if that ends it.
    pub(crate) fn press(&mut self, key: Key) -> anyhow::Result<Option<u8>> {
        if !self.dialogs.is_empty() {
            return self.answer(key);
        }
        match key {
            Key::Text(text) => self.composer.insert(&text),
            Key::Paste(text) => self.composer.paste(text),
            Key::Backspace => self.composer.backspace(),
            Key::Clear => self.composer.clear(),
            Key::Enter if self.swallow > 0 => self.swallow -= 1,
            Key::Enter => return self.submit(),
            Key::Escape => {
                self.log.pressed("Escape")?;
                self.interrupt();
            }
            Key::Interrupt => {
                self.log.pressed("C-c")?;
                if self.works.is_none() {
                    self.composer.clear();
                }
                self.interrupt();
            }
            Key::Up | Key::Down => {}
        }
        Ok(None)
    }

    /// A key was pressed while a dialog is shown: text but for the number of a row is lost.
    fn answer(&mut self, key: Key) -> anyhow::Result<Option<u8>> {
        let Some(dialog) = self.dialogs.front_mut().filter(|dialog| dialog.kind != Kind::Login) else { return Ok(None) };
        let rows = dialog.look().rows.len();
        match key {
            Key::Up => dialog.selected = dialog.selected.saturating_sub(1),
            Key::Down => dialog.selected = (dialog.selected + 1).min(rows - 1),
            Key::Text(text) => {
                let row = text.chars().find_map(|c| c.to_digit(10)).and_then(|digit| usize::try_from(digit).ok()?.checked_sub(1));
                if let Some(row) = row.filter(|row| *row < rows) {
                    dialog.selected = row;
                    let (chose, effect) = (Some(dialog.label()), dialog.confirmed());
                    return self.close(chose, effect);
                }
            }
            Key::Enter => {
                let (chose, effect) = (Some(dialog.label()), dialog.confirmed());
                return self.close(chose, effect);
            }
            Key::Escape | Key::Interrupt => {
                let effect = dialog.left();
                return self.close(None, effect);
            }
            Key::Paste(_) | Key::Clear | Key::Backspace => {}
        }
        Ok(None)
    }

    fn close(&mut self, chose: Option<&str>, effect: Effect) -> anyhow::Result<Option<u8>> {
        let Some(dialog) = self.dialogs.front() else { return Ok(None) };
        let asked_in_work = dialog.kind == Kind::Permission;
        self.log.answered(dialog.name(), chose)?;
        match effect {
            Effect::Exits => return Ok(Some(GONE)),
            Effect::Stays => return Ok(None),
            Effect::Continues | Effect::Stops => drop(self.dialogs.pop_front()),
        }
        if asked_in_work {
            self.works = Some(Instant::now());
            if effect == Effect::Stops {
                self.interrupt();
            }
        }
        Ok(None)
    }

    fn submit(&mut self) -> anyhow::Result<Option<u8>> {
        let text = self.composer.text();
        if text.trim().is_empty() {
            return Ok(None);
        }
        self.log.submitted(&text, self.composer.pasted)?;
        if text.trim() == "/exit" && !self.no_exit {
            return Ok(Some(0));
        }
        let shown = self.composer.shown();
        let lines = shown.lines().enumerate().map(|(at, line)| format!("{} {line}", if at == 0 { '❯' } else { ' ' }));
        self.say(lines.chain([String::new()]).collect::<Vec<_>>());
        self.composer.clear();
        if std::mem::take(&mut self.permission) {
            self.dialogs.push_back(Dialog::new(Kind::Permission));
        } else if self.works.is_some() {
            self.queued += 1;
        } else {
            self.works = Some(Instant::now());
        }
        Ok(None)
    }

    /// Ends the work, and what was to follow.
    fn interrupt(&mut self) {
        if self.works.take().is_some() {
            self.queued = 0;
            self.say(["  ⎿  Interrupted · What should Claude do instead?".to_owned(), String::new()]);
        }
    }

    fn say(&mut self, lines: impl IntoIterator<Item = String>) {
        self.said.extend(lines);
        let old = self.said.len().saturating_sub(SAID);
        self.said.drain(..old);
    }
}
