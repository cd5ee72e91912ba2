//! Where output goes: data to stdout, talk to stderr, colour to terminals only.

use std::cell::{Cell, RefCell};
use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use anyhow::Result;
use clap::ValueEnum;

use super::ExitStatus;
use super::error::{code_for, code_of, hint};
use crate::plan::Unfinished;
use crate::render::Style;
use crate::render::json::{self, ErrorCode, ErrorDocument, ErrorEntry};

/// When colour is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless NO_COLOR is set; with CLICOLOR_FORCE everywhere.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// The two streams of this process.
#[derive(Debug)]
pub(super) struct Terminal {
    out: Style,
    err: Style,
    /// Whether what goes to stdout is for programs.
    is_for_programs: bool,
    /// What went wrong so far, and its code where it has one.
    errors: RefCell<Vec<(Option<ErrorCode>, String)>>,
    /// What is left to do of agents that are not as they should be.
    unfinished: RefCell<Vec<Unfinished>>,
    /// Whether what went wrong is a part of a document that was written.
    is_told: Cell<bool>,
}

impl Terminal {
    pub(super) fn new(color: Color, is_for_programs: bool) -> Self {
        let choice = |auto: ColorChoice| match color {
            Color::Auto => auto != ColorChoice::Never,
            Color::Always => true,
            Color::Never => false,
        };
        let width = rustix::termios::tcgetwinsize(io::stdout()).map_or(Style::PLAIN.width, |size| usize::from(size.ws_col).max(60));
        Self {
            out: Style { color: choice(AutoStream::choice(&io::stdout())), width },
            err: Style { color: choice(AutoStream::choice(&io::stderr())), width },
            is_for_programs,
            errors: RefCell::default(),
            unfinished: RefCell::default(),
            is_told: Cell::new(false),
        }
    }

    /// How data is to be styled.
    pub(super) fn out(&self) -> Style {
        self.out
    }

    /// How talk is to be styled.
    pub(super) fn err(&self) -> Style {
        self.err
    }

    /// How data is to be styled, and how many lines there are, as the terminal is now; none where data does not go to one.
    pub(super) fn window(&self) -> Option<(Style, usize)> {
        if !io::stdout().is_terminal() {
            return None;
        }
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0)?;
        Some((Style { width: size.ws_col.into(), ..self.out }, size.ws_row.into()))
    }

    /// Whether there is a person to ask.
    pub(super) fn can_ask(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Writes data.
    pub(super) fn print(&self, text: &str) -> Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    /// Writes talk. That it cannot be written is no reason to stop.
    pub(super) fn say(&self, text: &str) {
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    /// Asks a question and returns the answer without the white space around it; none at the end of the input.
    pub(super) fn ask(&self, question: &str) -> Result<Option<String>> {
        self.say(question);
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer)?;
        Ok((read > 0).then(|| answer.trim().to_owned()))
    }

    /// Says what went wrong, and what belongs to it.
    pub(super) fn error(&self, error: &anyhow::Error) {
        self.say(&Self::as_error(error, self.err));
        self.note_error(error);
    }

    /// What went wrong, as it is said.
    pub(super) fn as_error(error: &anyhow::Error, style: Style) -> String {
        let (start, end) = if style.color { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
        format!("{start}error:{end} {}\n", harmless(error))
    }

    /// Takes note of something that went wrong and was said otherwise.
    pub(super) fn note_error(&self, error: &anyhow::Error) {
        self.errors.borrow_mut().push((code_of(error), harmless(error)));
    }

    /// Takes note of what is left to do.
    pub(super) fn note_unfinished(&self, agents: Vec<Unfinished>) {
        *self.unfinished.borrow_mut() = agents;
    }

    /// Forgets what went wrong before: another attempt begins.
    pub(super) fn begin_anew(&self) {
        self.errors.borrow_mut().clear();
        self.unfinished.borrow_mut().clear();
        self.is_told.set(false);
    }

    /// What went wrong, for a document that tells it itself.
    pub(super) fn tell_in_document(&self, status: ExitStatus) -> Option<ErrorEntry> {
        self.is_told.set(true);
        self.failure(status)
    }

    /// Tells a program that asked for JSON why it did not get what it asked for, in a line of JSON.
    pub(super) fn conclude(&self, status: ExitStatus) {
        if !self.is_for_programs || self.is_told.get() {
            return;
        }
        if let Some(error) = self.failure(status) {
            let _ = self.print(&json::compact(&ErrorDocument { error }));
        }
    }

    /// What went wrong, all in one; none if nothing did.
    pub(super) fn failure(&self, status: ExitStatus) -> Option<ErrorEntry> {
        let errors = self.errors.borrow();
        let (code, rest) = (code_for(status)?, errors.first()?.0);
        // Several that differ are told by what they have in common.
        let code = rest.filter(|_| errors.iter().all(|(code, _)| *code == rest)).unwrap_or(code);
        let messages: Vec<&str> = errors.iter().map(|(_, message)| message.as_str()).collect();
        let agents = self.unfinished.borrow().clone();
        Some(ErrorEntry { agents, ..ErrorEntry::new(code, messages.join("; "), hint(code).map(str::to_owned)) })
    }

    /// An error as programs are told it.
    pub(super) fn failure_of(error: &anyhow::Error) -> ErrorEntry {
        ErrorEntry::new(code_of(error).unwrap_or(ErrorCode::Failed), harmless(error), None)
    }
}

fn harmless(error: &anyhow::Error) -> String {
    format!("{error:#}").chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}
