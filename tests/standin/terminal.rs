//! The terminal on standard input and output: raw mode, its size, reading with a limit, drawing what changed. Knows no keys and no screens.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::Context as _;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::frame;
use crate::session::Session;

/// What a look at the terminal brought.
pub(crate) enum Input {
    /// What one read returned.
    Bytes(Vec<u8>),
    /// Nothing in that time.
    Nothing,
    /// The terminal is gone.
    Gone,
}

/// A raw terminal; as it was before when this is dropped.
pub(crate) struct Terminal {
    before: Termios,
    /// What it shows now, drawn for this size.
    shown: Option<((usize, usize), Vec<String>)>,
}

impl Terminal {
    /// Makes the terminal raw, with bracketed paste. An error if standard input is none.
    pub(crate) fn open() -> anyhow::Result<Self> {
        let before = tcgetattr(io::stdin()).context("standard input is no terminal")?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw).context("the terminal does not become raw")?;
        write("\x1b[?2004h\x1b[?25l")?;
        Ok(Self { before, shown: None })
    }

    /// Draws the whole screen in one write, if it is another than before.
    pub(crate) fn draw(&mut self, session: &Session) -> io::Result<()> {
        let size = size();
        let lines = frame::of(session, size);
        let now = Some((size, lines));
        if self.shown != now {
            self.shown = now;
            let lines = self.shown.iter().flat_map(|(_, lines)| lines);
            // Cleared before it is written: behind a line that fills the width, the last character would be cleared.
            let text: Vec<String> = lines.map(|line| format!("\x1b[K{line}")).collect();
            write(&format!("\x1b[H{}\x1b[J", text.join("\r\n")))?;
        }
        Ok(())
    }

    /// One read, as soon as there is something.
    pub(crate) fn read(&self, patience: Duration) -> io::Result<Input> {
        let found = look(PollFlags::IN, patience)?;
        if is_gone(found) {
            return Ok(Input::Gone);
        }
        if found.is_empty() {
            return Ok(Input::Nothing);
        }
        let mut bytes = vec![0; 65536];
        match rustix::io::read(io::stdin(), &mut bytes) {
            Ok(0) | Err(Errno::IO) => Ok(Input::Gone),
            Ok(count) => {
                bytes.truncate(count);
                Ok(Input::Bytes(bytes))
            }
            Err(Errno::INTR | Errno::AGAIN) => Ok(Input::Nothing),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = write("\x1b[?2004l\x1b[?25h\r\n");
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// Whether the terminal goes away in that time. May return early.
pub(crate) fn is_gone_within(patience: Duration) -> io::Result<bool> {
    look(PollFlags::empty(), patience).map(is_gone)
}

/// Waits so long. May return early.
pub(crate) fn sleep(length: Duration) -> io::Result<()> {
    wait(&mut [], length)
}

/// Columns and rows; 80x24 if the terminal does not know.
fn size() -> (usize, usize) {
    let size = tcgetwinsize(io::stdin()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
    size.map_or((80, 24), |size| (size.ws_col.into(), size.ws_row.into()))
}

fn is_gone(found: PollFlags) -> bool {
    found.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
}

fn look(wanted: PollFlags, patience: Duration) -> io::Result<PollFlags> {
    let stdin = io::stdin();
    let mut fds = [PollFd::new(&stdin, wanted)];
    wait(&mut fds, patience)?;
    Ok(fds[0].revents())
}

fn wait(fds: &mut [PollFd<'_>], patience: Duration) -> io::Result<()> {
    let patience = Timespec { tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX), tv_nsec: patience.subsec_nanos().into() };
    match poll(fds, Some(&patience)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
