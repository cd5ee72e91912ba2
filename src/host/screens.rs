//! What terminals show: all panes that are asked about with one client for each server.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::ioctl_fionread;
use rustix::termios::{LocalModes, tcgetattr};

use super::tmux::{Client, Door, Line, ServerAt, frame, knock};
use crate::observed::{Input, InputMode, Instance, Seat};
use crate::process::ProcId;
use crate::time::Timestamp;

/// So many panes are read by one client, so that nobody else waits long for the server.
const AT_ONCE: usize = 200;

/// How much of a terminal is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// What it shows, line by line as it is drawn.
    Shown,
    /// What it shows; lines that were too long for it are whole again.
    Whole,
    /// That and a little of what it has shown: a pane whose program ends scrolls.
    Recent,
    /// That and what it has shown, as far as tmux remembers it.
    All,
}

impl Reach {
    fn flags(self) -> &'static str {
        match self {
            Self::Shown => "-p -t",
            Self::Whole => "-p -J -t",
            Self::Recent => "-p -J -S -20 -t",
            Self::All => "-p -J -S - -t",
        }
    }
}

/// What a terminal shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Its text.
    pub text: String,
    /// Where the cursor is: the column, and the row counted from the first line that tmux remembers, so that it grows while text scrolls.
    pub cursor: (u64, u64),
    /// When something was last written to its window, to the second.
    pub written_at: Timestamp,
    /// The shell that waits for commands in the foreground, if one does.
    pub shell: Option<String>,
    /// How the terminal takes what is typed; none where that could not be read.
    pub input: Option<Input>,
    /// The process in the foreground that is suspended, if one is.
    pub suspended: Option<u32>,
}

/// One answer for each instance, in their order. Errors if it is in no pane, or its pane could not be read.
pub(super) fn screens(instances: &[&Instance], reach: Reach) -> Vec<Result<Shown, String>> {
    let mut screens = BTreeMap::new();
    let mut by_server: BTreeMap<&PathBuf, Vec<(usize, &ProcId, &str)>> = BTreeMap::new();
    for (at, instance) in instances.iter().enumerate() {
        match &instance.seat {
            Seat::Pane { socket, server, pane, .. } => by_server.entry(socket).or_default().push((at, server, pane)),
            Seat::Detached { .. } | Seat::Adrift { .. } => drop(screens.insert(at, Err("it is in no pane".to_owned()))),
        }
    }
    for (socket, panes) in by_server {
        let failed = |why: &str| panes.iter().map(|(at, _, _)| (*at, Err(why.to_owned()))).collect::<Vec<_>>();
        match knock(socket) {
            Door::Open(server) => panes.chunks(AT_ONCE).for_each(|part| capture(&server, part, reach, &mut screens)),
            Door::Nobody => screens.extend(failed("its tmux server runs no more")),
            Door::Unreadable(why) => screens.extend(failed(&why)),
        }
    }
    (0..instances.len()).map(|at| screens.remove(&at).unwrap_or_else(|| Err("nothing was heard of it".to_owned()))).collect()
}

fn capture(server: &ServerAt, panes: &[(usize, &ProcId, &str)], reach: Reach, screens: &mut BTreeMap<usize, Result<Shown, String>>) {
    let (same, other): (Vec<_>, Vec<_>) = panes.iter().partition(|(_, then, _)| **then == server.id);
    screens.extend(other.iter().map(|(at, _, _)| (*at, Err("its tmux server runs no more".to_owned()))));
    if same.is_empty() {
        return;
    }
    let next = frame();
    let mut script = String::new();
    for (at, _, pane) in &same {
        // A pane that is gone fails alone: each line stands for itself.
        let line = Line::new("capture-pane").flag(reach.flags()).word(pane);
        let facts = format!("{next}{at},#{{cursor_x}},#{{cursor_y}},#{{history_size}},#{{window_activity}},#{{pane_tty}}");
        let facts = Line::new("display-message").flag("-p -t").word(pane).word(&facts);
        script.push_str(&format!("{} ; {}\n", line.as_str(), facts.as_str()));
    }
    match Client::of(server).run_script(&script) {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            let mut rest: &str = &text;
            while let Some((screen, behind)) = rest.split_once(next.as_str()) {
                let (facts, behind) = behind.split_once('\n').unwrap_or((behind, ""));
                if let Some((at, shown)) = shown(screen, facts) {
                    screens.insert(at, Ok(shown));
                }
                rest = behind;
            }
            for (at, _, pane) in same {
                screens.entry(at).or_insert_with(|| Err(format!("the pane {pane} could not be read: {}", output.complaint)));
            }
        }
        Err(trouble) => screens.extend(same.iter().map(|(at, _, _)| (*at, Err(trouble.to_string())))),
    }
}

/// The place in the list, and what was read for it.
fn shown(text: &str, facts: &str) -> Option<(usize, Shown)> {
    let (numbers, tty) = facts.trim().rsplit_once(',')?;
    let numbers: Vec<u64> = numbers.split(',').map(|number| number.parse().ok()).collect::<Option<_>>()?;
    let [at, column, row, history, seconds] = numbers[..] else { return None };
    let written_at = Timestamp::from_millis(i64::try_from(seconds).ok()?.checked_mul(1000)?);
    Some((
        usize::try_from(at).ok()?,
        Shown {
            text: text.to_owned(),
            cursor: (column, row + history),
            written_at,
            shell: None,
            input: input(Path::new(tty)),
            suspended: None,
        },
    ))
}

/// How a terminal takes what is typed, and how much of that was not read yet.
fn input(tty: &Path) -> Option<Input> {
    let flags = (OFlags::NOCTTY | OFlags::NONBLOCK).bits().cast_signed();
    let tty = OpenOptions::new().read(true).custom_flags(flags).open(tty).ok()?;
    let modes = tcgetattr(&tty).ok()?.local_modes;
    let mode = if modes.contains(LocalModes::ICANON | LocalModes::ECHO) { InputMode::Lines } else { InputMode::Keys };
    Some(Input { mode, unread: ioctl_fionread(&tty).ok()? })
}
