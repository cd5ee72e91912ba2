//! A status that stays: drawn anew in its place whenever something happens.

use anyhow::{Context, Result, bail};

use super::Picture;
use crate::cli::ExitStatus;
use crate::cli::setup::{Global, Setup};
use crate::cli::terminal::Terminal;
use crate::converge::processes;
use crate::host::{Host, Interrupts, Wake};
use crate::render::{self, StatusView, Style, json};
use crate::time::Duration;

/// How long what no event announces, such as a screen, is shown as it was.
const AGAIN: Duration = Duration::from_secs(2);

/// Another screen, whose cursor is not seen.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";

/// The screen that there was before.
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// Shows the status until a signal ends it.
pub(super) fn show(mut setup: Setup, agents: &[String], as_json: bool, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    if !as_json && terminal.window().is_none() {
        bail!("status --watch draws on a terminal: say --json for a program, or follow what happens with `reconcile events --follow`");
    }
    let mut host = setup.machine()?;
    host.heed(Interrupts::install().context("cannot take over the signals")?);
    let screen = (!as_json).then(|| Screen::enter(terminal)).transpose()?;
    loop {
        let trouble = reread(&mut setup, global);
        let files = setup.depends_on.files.iter().cloned().chain([setup.fleet.paths().journal(), setup.fleet.paths().watch_status()]);
        host.attend(&files.collect(), &setup.depends_on.folders);
        let picture = Picture::take(&setup, agents, &mut host)?;
        let view = picture.view();
        match &screen {
            Some(screen) => screen.draw(&view, trouble.as_deref())?,
            None => terminal.print(&json::compact(&json::status_document(&view)))?,
        }
        let living = processes(picture.observed.agents.keys(), &picture.observed);
        if host.wait(&living, host.now() + AGAIN) == Wake::Signal {
            return Ok(ExitStatus::Interrupted);
        }
    }
}

/// Takes the manifest as it is now, or says why it stays as it was.
fn reread(setup: &mut Setup, global: &Global) -> Option<String> {
    let loaded = match global.read_at(setup.path.clone()) {
        Ok(read) => read.loaded,
        Err(error) => return Some(format!("{error:#}")),
    };
    match loaded.desired {
        Some(desired) if desired.fleet == setup.desired.fleet => {
            (setup.desired, setup.depends_on) = (desired, loaded.depends_on);
            None
        }
        Some(desired) => Some(format!("it is another fleet's now, {}", desired.fleet)),
        None => render::first_error(&loaded.diagnostics, &loaded.texts),
    }
}

/// A screen of its own, until this is dropped.
struct Screen<'a> {
    terminal: &'a Terminal,
}

impl<'a> Screen<'a> {
    fn enter(terminal: &'a Terminal) -> Result<Self> {
        terminal.draw(ENTER)?;
        Ok(Self { terminal })
    }

    fn draw(&self, view: &StatusView<'_>, trouble: Option<&str>) -> Result<()> {
        let (style, rows) = self.terminal.window().unwrap_or((Style::PLAIN, usize::MAX));
        let mut text = render::status_human(view, style);
        if let Some(trouble) = trouble {
            text.push_str(&format!("the manifest is not valid, and is shown as it was before: {}\n", render::plain(trouble)));
        }
        self.terminal.draw(&drawn(&render::defused(&text, style.color), rows))
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        let _ = self.terminal.draw(LEAVE);
    }
}

/// The text over whatever is on the screen: at most so many rows, the last of which says what is missing. Nothing flickers, as nothing is cleared
/// before it is drawn over.
fn drawn(text: &str, rows: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let whole = lines.len() <= rows;
    let fit = if whole { lines.len() } else { rows.saturating_sub(1) };
    let more = format!("… {} more lines: make the window higher, or see `reconcile status`", lines.len() - fit);
    let shown = lines[..fit].iter().copied().chain((!whole).then_some(more.as_str()));
    let shown: Vec<String> = shown.map(|line| format!("{line}\x1b[K")).collect();
    format!("\x1b[H\x1b[?7l{}\x1b[J\x1b[?7h", shown.join("\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted() {
        assert_eq!(drawn("a\nb\nc\n", 3), "\x1b[H\x1b[?7la\x1b[K\r\nb\x1b[K\r\nc\x1b[K\x1b[J\x1b[?7h");
        assert!(drawn("a\nb\nc\nd\n", 3).contains("b\x1b[K\r\n… 2 more lines"));
        assert!(!drawn("a\nb\nc\nd\n", 3).contains("c\x1b[K"));
    }
}
