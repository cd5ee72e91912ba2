//! Stands in for an agent program on a real terminal: draws in the manner of Claude Code 2.1, takes keys and pastes as it does, and has the
//! faults that its options give it. Does no work, and knows nothing of how its screens are read.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;

mod composer;
mod dialog;
mod frame;
mod keys;
mod log;
mod session;
mod terminal;

use dialog::Kind;
use keys::Decoder;
use session::Session;
use terminal::{Input, Terminal};

/// How often something moves on the screen, and how often the heartbeat beats.
const BEAT: Duration = Duration::from_millis(100);

/// How long an ESC waits for the rest of its sequence.
const ESCAPE: Duration = Duration::from_millis(30);

/// Stands in for an agent program on a real terminal. Times are in milliseconds.
#[derive(Parser)]
struct Args {
    /// Shown at the start, one after another; `login` stays
    #[arg(long, value_name = "KIND")]
    dialog: Vec<Kind>,
    /// Where each submission, answer and interrupt is appended as a line of JSON
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// How long it works after a submission, or `forever`
    #[arg(long, value_name = "MS", default_value = "300", value_parser = work)]
    busy: Duration,
    /// How many Enter keys in the composer are ignored at first
    #[arg(long, value_name = "N", default_value_t = 0)]
    swallow_enter: u32,
    /// How long it sleeps before each read of its terminal, and draws nothing
    #[arg(long, value_name = "MS", value_parser = millis)]
    slow: Option<Duration>,
    /// How long it starts: its terminal is not yet raw, and it draws nothing
    #[arg(long, value_name = "MS", default_value = "0", value_parser = millis)]
    start: Duration,
    /// A person's draft in the composer at the start
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    draft: Option<String>,
    /// Reads nothing at all
    #[arg(long)]
    deaf: bool,
    /// What it says to each submission: that the usage is used up
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    limit: Option<String>,
    /// Asks for a permission after the first submission
    #[arg(long)]
    permission: bool,
    /// Takes a CR that comes in the same read as the end of a paste for a part of the text
    #[arg(long)]
    coalesce: bool,
    /// Takes `/exit` for a text like any other
    #[arg(long)]
    no_exit: bool,
    /// Goes on after SIGTERM
    #[arg(long)]
    ignore_term: bool,
    /// Ends by itself after so long
    #[arg(long, value_name = "MS", value_parser = millis)]
    exit_after: Option<Duration>,
    /// The exit status when it ends by itself
    #[arg(long, value_name = "N", default_value_t = 0)]
    status: u8,
    /// A file that is touched every 100 ms
    #[arg(long, value_name = "FILE")]
    heartbeat: Option<PathBuf>,
}

fn millis(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_millis)
}

fn work(text: &str) -> Result<Duration, std::num::ParseIntError> {
    if text == "forever" { Ok(Duration::MAX) } else { millis(text) }
}

fn main() -> anyhow::Result<ExitCode> {
    run(&Args::parse()).map(ExitCode::from)
}

/// Runs until the exit status is known.
fn run(args: &Args) -> anyhow::Result<u8> {
    let end = args.exit_after.map(|after| (Instant::now() + after, args.status));
    if args.ignore_term {
        signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::new(AtomicBool::new(false)))?;
    }
    if let Some(path) = args.heartbeat.clone() {
        touch(&path)?;
        std::thread::spawn(move || while touch(&path).is_ok() && terminal::sleep(BEAT).is_ok() {});
    }
    let mut session = Session::new(args)?;
    if let Some(status) = pause(args.start, end)? {
        return Ok(status);
    }
    let mut terminal = Terminal::open()?;
    let mut decoder = Decoder::new(if args.coalesce { keys::Joined::IsText } else { keys::Joined::IsEnter });
    loop {
        session.pass(Instant::now());
        terminal.draw(&session)?;
        if let Some(status) = pause(args.slow.unwrap_or_default(), end)? {
            return Ok(status);
        }
        if args.deaf {
            if let Some(status) = pause(BEAT, end)? {
                return Ok(status);
            }
            continue;
        }
        let patience = if decoder.waits() { ESCAPE } else { BEAT };
        let keys = match terminal.read(patience.min(left(end)))? {
            Input::Bytes(bytes) => decoder.feed(&bytes),
            Input::Nothing => decoder.flush(),
            Input::Gone => return Ok(session::GONE),
        };
        for key in keys {
            if let Some(status) = session.press(key)? {
                return Ok(status);
            }
        }
    }
}

/// When it ends by itself, and with which exit status.
type End = Option<(Instant, u8)>;

/// How long until it ends by itself.
fn left(end: End) -> Duration {
    end.map_or(Duration::MAX, |(end, _)| end.saturating_duration_since(Instant::now()))
}

/// Waits so long. An exit status if the end comes first.
fn pause(length: Duration, end: End) -> anyhow::Result<Option<u8>> {
    let until = Instant::now() + length;
    loop {
        match end {
            Some((end, status)) if end <= Instant::now() => return Ok(Some(status)),
            Some(_) | None => {}
        }
        let rest = until.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return Ok(None);
        }
        if terminal::is_gone_within(rest.min(left(end)))? {
            return Ok(Some(session::GONE));
        }
    }
}

fn touch(path: &Path) -> anyhow::Result<()> {
    let file = File::options().create(true).append(true).open(path);
    let touched = file.and_then(|file| file.set_modified(std::time::SystemTime::now()));
    touched.with_context(|| format!("`{}` could not be touched", path.display()))
}
