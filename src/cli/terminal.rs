//! Where output goes: data to stdout, talk to stderr, colour to terminals only.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use anyhow::Result;
use clap::ValueEnum;

use super::ExitStatus;
use super::error::{code_for, code_of, hint};
use crate::plan::Unfinished;
use crate::render::json::{self, ErrorCode, ErrorDocument, ErrorEntry};
use crate::render::{self, Fold, Invocation, Style};

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
    /// How the manifest was named, once that is known.
    about: RefCell<Invocation>,
    /// What was said and is not to be said again.
    said: RefCell<BTreeSet<String>>,
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
        let fold = |is_terminal: bool| if is_terminal { Fold::AtWidth } else { Fold::Never };
        let width = rustix::termios::tcgetwinsize(io::stdout()).map_or(Style::PLAIN.width, |size| usize::from(size.ws_col).max(60));
        Self {
            out: Style { color: choice(AutoStream::choice(&io::stdout())), width, fold: fold(io::stdout().is_terminal()) },
            err: Style { color: choice(AutoStream::choice(&io::stderr())), width, fold: fold(io::stderr().is_terminal()) },
            is_for_programs,
            about: RefCell::default(),
            said: RefCell::default(),
            errors: RefCell::default(),
            unfinished: RefCell::default(),
            is_told: Cell::new(false),
        }
    }

    /// From here on, commands in messages name this manifest.
    pub(super) fn is_about(&self, manifest: &Invocation) {
        *self.about.borrow_mut() = manifest.clone();
    }

    /// The text with its commands as they work when they are copied.
    pub(super) fn complete(&self, text: &str) -> String {
        self.about.borrow().complete(text).into_owned()
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
        self.pass_on(render::defused(text, self.out.color).as_bytes())
    }

    /// Writes what commands the terminal, with a text that was defused.
    pub(super) fn draw(&self, drawn: &str) -> Result<()> {
        self.pass_on(drawn.as_bytes())
    }

    /// Writes a text as it is; on a terminal only what can be seen of it.
    pub(super) fn print_text(&self, text: &str) -> Result<()> {
        if io::stdout().is_terminal() { self.print(&render::printed(text.as_bytes())) } else { self.pass_on(text.as_bytes()) }
    }

    fn pass_on(&self, bytes: &[u8]) -> Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        Ok(out.flush()?)
    }

    /// Writes talk. That it cannot be written is no reason to stop.
    pub(super) fn say(&self, text: &str) {
        let _ = io::stderr().lock().write_all(render::defused(text, self.err.color).as_bytes());
    }

    /// Writes talk that is about the manifest, once however often that is read.
    pub(super) fn say_once(&self, text: &str) {
        if self.said.borrow_mut().insert(text.to_owned()) {
            self.say(text);
        }
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
        self.say(&Self::shown_error(&self.complete(&harmless(error)), self.err));
        self.note_error(error);
    }

    /// What went wrong, as it is said.
    pub(super) fn as_error(error: &anyhow::Error, style: Style) -> String {
        Self::shown_error(&harmless(error), style)
    }

    fn shown_error(text: &str, style: Style) -> String {
        let (start, end) = if style.color { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
        format!("{start}error:{end} {text}\n")
    }

    /// Takes note of something that went wrong and was said otherwise.
    pub(super) fn note_error(&self, error: &anyhow::Error) {
        self.errors.borrow_mut().push((code_of(error), harmless(error)));
    }

    /// Whether something went wrong that has this code.
    pub(super) fn has_noted(&self, code: ErrorCode) -> bool {
        self.errors.borrow().iter().any(|(of_error, _)| *of_error == Some(code))
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
        // Several that differ share the code of the exit status.
        let code = rest.filter(|_| errors.iter().all(|(code, _)| *code == rest)).unwrap_or(code);
        let messages: Vec<&str> = errors.iter().map(|(_, message)| message.as_str()).collect();
        let complete = |agent: &Unfinished| Unfinished { message: self.complete(&agent.message), ..agent.clone() };
        let agents = self.unfinished.borrow().iter().map(complete).collect();
        Some(ErrorEntry {
            agents,
            ..ErrorEntry::new(code, self.complete(&messages.join("; ")), hint(code).map(|hint| self.complete(hint)))
        })
    }

    /// An error as JSON output has it.
    pub(super) fn failure_of(error: &anyhow::Error) -> ErrorEntry {
        ErrorEntry::new(code_of(error).unwrap_or(ErrorCode::Failed), harmless(error), None)
    }
}

fn harmless(error: &anyhow::Error) -> String {
    format!("{error:#}").split('\n').map(render::plain).collect::<Vec<_>>().join("\n")
}
