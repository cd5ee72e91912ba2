//! Giving a terminal a text: as one paste, and only where it can arrive as what it is.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::termios::{LocalModes, tcgetattr};

use super::Outcome;
use super::act::{Guarded, Needs, leave_modes};
use super::live::Live;
use super::tmux::Line;
use crate::desired::MOST_TYPED;
use crate::observed::{Instance, Seat, as_typed};
use crate::process::{self, State};
use crate::safe_open;

/// A line that the kernel edits is cut after this many bytes: N_TTY_BUF_SIZE.
const LONGEST_EDITED_LINE: usize = 4095;

/// Programs that run what is typed at them.
const SHELLS: [&str; 9] = ["sh", "bash", "dash", "zsh", "fish", "ksh", "csh", "tcsh", "nu"];

/// Files with texts that are on their way; removed when the batch is done.
#[derive(Debug, Default)]
pub(super) struct Texts(Vec<PathBuf>);

impl Drop for Texts {
    fn drop(&mut self) {
        for path in &self.0 {
            // The next one that gives a text to this agent writes it anew.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Adds the paste of a text to what is done in panes, or says at once why it cannot be done.
pub(super) fn paste(live: &Live, at: usize, only: &Instance, text: &str, texts: &mut Texts, guarded: &mut Guarded) -> Option<Outcome> {
    let text = as_typed(text);
    if let Some(why) = unfit(only, &text) {
        return Some(Outcome::Refused(why));
    }
    let Seat::Pane { pane, .. } = &only.seat else { return Some(Outcome::Refused(format!("{} is in no pane", only.agent))) };
    let name = format!("reconcile-{}-{}", std::process::id(), at);
    let path = live.paths.run().join(format!("{}.text", only.agent));
    let write = || -> std::io::Result<()> {
        let _ = std::fs::remove_file(&path);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(text.as_bytes())
    };
    if let Err(error) = write() {
        return Some(Outcome::Failed(format!("{} cannot be written: {error}", path.display())));
    }
    // Longer than any command line of tmux may be, and never seen in one.
    let load = Line::new("load-buffer").flag("-b").word(&name).word(&path.to_string_lossy());
    let paste = Line::new("paste-buffer").flag("-p -r -d -b").word(&name).flag("-t").word(pane);
    texts.0.push(path);
    let mut lines = leave_modes(pane);
    lines.extend([load, paste]);
    guarded.add(at, only, Needs::Life, lines)
}

/// What stands in a file that is to be typed.
pub(super) fn text(path: &Path) -> Result<String, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let file = safe_open::open(path).map_err(|error| wrong(&error))?;
    let mut bytes = Vec::new();
    file.take(MOST_TYPED + 1).read_to_end(&mut bytes).map_err(|error| wrong(&error))?;
    if bytes.len() as u64 > MOST_TYPED {
        return Err(wrong(&"it is larger than 1 MiB, which is the most that is typed"));
    }
    let text = String::from_utf8(bytes).map_err(|_| wrong(&"it is not UTF-8"))?;
    if as_typed(&text).trim().is_empty() { Err(wrong(&"there is nothing in it that could be typed")) } else { Ok(text) }
}

/// Why a text would not arrive at the program, or as something else.
fn unfit(only: &Instance, text: &str) -> Option<String> {
    if let Some(shell) = at_shell(only) {
        return Some(format!("`{shell}` waits for commands in its terminal, and would run the text"));
    }
    if let Some(pid) = suspended(only) {
        return Some(reads_nothing(pid));
    }
    let program = only.program.as_ref()?;
    let terminal = OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NOCTTY | OFlags::NONBLOCK).bits().cast_signed())
        .open(format!("/proc/{}/fd/0", program.pid));
    let edited =
        terminal.ok().and_then(|terminal| tcgetattr(terminal).ok()).is_some_and(|modes| modes.local_modes.contains(LocalModes::ICANON));
    let longest = text.lines().map(str::len).max().unwrap_or(0);
    (edited && longest >= LONGEST_EDITED_LINE).then(|| {
        format!("its terminal takes lines of less than {LONGEST_EDITED_LINE} bytes as long as the program leaves the editing to it, and one of these has {longest}")
    })
}

/// Why Enter would not arrive at the program.
pub(super) fn reads_no_enter(only: &Instance) -> Option<String> {
    let at_shell = at_shell(only).map(|shell| format!("`{shell}` waits for commands in its terminal now"));
    at_shell.or_else(|| suspended(only).map(reads_nothing))
}

fn reads_nothing(pid: u32) -> String {
    format!("a signal has stopped its program (pid {pid}), and it reads nothing")
}

/// The shell that waits for commands in the foreground of the terminal, if one does.
pub(super) fn at_shell(only: &Instance) -> Option<String> {
    let program = process::stat(only.program.as_ref()?.pid).ok()??;
    let leader = program.foreground?;
    let shell = shell(leader)?;
    let foreground = |pid: u32| process::stat(pid).ok().flatten().is_some_and(|one| one.pgrp == leader);
    (!process::children(leader).ok()?.into_iter().any(foreground)).then_some(shell)
}

/// The process that would read the terminal and is suspended, if one is: the program, or one below it in the foreground.
pub(super) fn suspended(only: &Instance) -> Option<u32> {
    let own = only.program.as_ref()?.pid;
    let program = process::stat(own).ok()??;
    if program.state == State::Stopped {
        return Some(own);
    }
    let leader = program.foreground?;
    let reads = |pid: &u32| process::stat(*pid).ok().flatten().is_some_and(|one| one.pgrp == leader && one.state == State::Stopped);
    process::descendants(own).ok()?.into_iter().map(|process| process.pid).find(reads)
}

/// The name of the shell that a process is, if it is one that reads commands from its terminal.
pub(super) fn shell(pid: u32) -> Option<String> {
    let words = process::cmdline(pid).ok()?;
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let (first, rest) = words.split_first()?;
    let name = first.trim_start_matches('-').rsplit('/').next()?;
    // One with a script or a line to run is not the one that reads the terminal.
    let reads = SHELLS.contains(&name) && rest.iter().all(|word| word.starts_with('-') && word != "-c");
    reads.then(|| name.to_owned())
}
