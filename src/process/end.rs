//! Ending a whole tree: everything in it is stopped before anything is killed, so that nothing can fork its way out.
//! The tree ends at what belongs to another instance, at servers for all sessions (of tmux, of Codex) and at other users: these are named and left alone.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::scan::{is_shared, keep_command};
use super::tree::Family;
use super::{Liveness, MARK_VARIABLE, ProcId, Signal, State, cmdline, death_notice, is_ours, signal, stat, variable, wait_any};
use crate::desired::Mark;

/// How long the stopping of a tree may take before the killing begins anyway: a process inside the kernel stops late.
const FREEZE_PATIENCE: Duration = Duration::from_millis(50);

/// What became of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// What was killed and is gone.
    pub killed: Vec<Remnant>,
    /// What belongs to somebody else and was left alone, with everything below it.
    pub spared: Vec<Remnant>,
    /// What should be gone and is not.
    pub survivors: Vec<Remnant>,
}

/// A process that was met in a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remnant {
    /// Who it was.
    pub process: ProcId,
    /// Its command line for people: at most 200 characters, without control characters.
    pub command: String,
}

/// Kills `roots` and all their descendants but those that belong to somebody else, and waits at most `budget` for their end.
///
/// A root that is the calling process stands for its descendants: the caller itself is never signalled. `own_mark` is the mark of the
/// instance that is ended; a process with another one ends the tree. Errors when `/proc` could not be read.
pub fn end_tree(roots: &[ProcId], own_mark: &str, budget: Duration) -> io::Result<Ended> {
    Hunt::new(roots, own_mark, None, budget).end()
}

/// The same, but only what is in the terminal session `session`: what left it stays, with everything below it.
pub fn end_session(roots: &[ProcId], own_mark: &str, session: u32, budget: Duration) -> io::Result<Ended> {
    Hunt::new(roots, own_mark, Some(session), budget).end()
}

/// What [`end_tree`] would kill, left as it is.
pub fn survey(roots: &[ProcId], own_mark: &str) -> io::Result<Vec<Remnant>> {
    let found = Hunt::new(roots, own_mark, None, Duration::ZERO).look()?;
    Ok(found.into_iter().map(|process| Remnant { command: command_text(process.pid), process }).collect())
}

struct Hunt<'a> {
    roots: &'a [ProcId],
    own_mark: &'a str,
    session: Option<u32>,
    deadline: Instant,
    met: BTreeMap<ProcId, String>,
    spared: BTreeMap<ProcId, String>,
}

impl<'a> Hunt<'a> {
    fn new(roots: &'a [ProcId], own_mark: &'a str, session: Option<u32>, budget: Duration) -> Self {
        Self { roots, own_mark, session, deadline: Instant::now() + budget, met: BTreeMap::new(), spared: BTreeMap::new() }
    }

    fn end(mut self) -> io::Result<Ended> {
        loop {
            self.freeze()?;
            self.kill();
            if self.is_over() || self.look()?.is_empty() {
                return Ok(self.result());
            }
        }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// What is in the tree now and was not met before.
    fn look(&mut self) -> io::Result<Vec<ProcId>> {
        let caller = std::process::id();
        let (own_mark, session, spared) = (self.own_mark, self.session, &mut self.spared);
        let left =
            |process: &ProcId| session.is_some_and(|session| stat(process.pid).ok().flatten().is_none_or(|seen| seen.session != session));
        let mut enter = |process: &ProcId| {
            if process.pid == caller || left(process) {
                return false;
            }
            let ours = belongs(process.pid, own_mark);
            if !ours {
                spared.entry(process.clone()).or_insert_with(|| command_text(process.pid));
            }
            ours
        };
        let mut found = Vec::new();
        let mut starts = Vec::new();
        for root in self.roots {
            if root.pid == caller {
                starts.push(root.pid);
            } else if root.liveness() == Liveness::Alive && enter(root) {
                starts.push(root.pid);
                found.push(root.clone());
            }
        }
        found.extend(Family::read()?.walk(&starts, enter));
        found.retain(|process| !self.met.contains_key(process));
        Ok(found)
    }

    /// Stops all, until a look finds nothing new and nothing still moves.
    fn freeze(&mut self) -> io::Result<()> {
        let until = (Instant::now() + FREEZE_PATIENCE).min(self.deadline);
        loop {
            let found = self.look()?;
            let quiet = found.is_empty();
            for process in found {
                let command = command_text(process.pid);
                // What cannot be stopped is seen by the kill, whose verdict counts.
                let _ = signal(&process, Signal::STOP);
                self.met.insert(process, command);
            }
            if (quiet && self.met.keys().all(|process| !moves(process))) || Instant::now() >= until {
                return Ok(());
            }
        }
    }

    /// Kills what was met and waits for its end.
    fn kill(&mut self) {
        for process in self.met.keys() {
            let _ = signal(process, Signal::KILL);
        }
        for process in self.met.keys() {
            if let Ok(Some(notice)) = death_notice(process) {
                while process.liveness() == Liveness::Alive && !self.is_over() {
                    let rest = self.deadline.saturating_duration_since(Instant::now());
                    if wait_any(&[notice.as_fd()], Some(rest)).is_err() {
                        break;
                    }
                }
            }
        }
    }

    fn result(self) -> Ended {
        let remnant = |(process, command)| Remnant { process, command };
        let (killed, survivors): (Vec<_>, Vec<_>) =
            self.met.into_iter().map(remnant).partition(|remnant| remnant.process.liveness() == Liveness::Gone);
        let spared = self.spared.into_iter().map(remnant).filter(|remnant| remnant.process.liveness() != Liveness::Gone);
        Ended { killed, spared: spared.collect(), survivors }
    }
}

fn moves(process: &ProcId) -> bool {
    matches!(stat(process.pid), Ok(Some(stat)) if stat.start_time == process.start_time && stat.state == State::Running)
}

/// Whether a process found in the tree of `own_mark` is part of it. What cannot be told is not.
pub(super) fn belongs(pid: u32, own_mark: &str) -> bool {
    if is_ours(pid).ok().flatten() != Some(true) {
        return false;
    }
    match stat(pid) {
        Ok(Some(seen)) if !is_shared(pid, &seen.comm) => {}
        Ok(_) | Err(_) => return false,
    }
    // A keeper bears its instance's mark on its command line; its environment may still be that of who started it.
    if let Some((mark, _)) = keep_command(pid) {
        return mark.to_string() == own_mark;
    }
    match variable(pid, MARK_VARIABLE) {
        Ok(Some(value)) => value == own_mark || value.to_str().is_none_or(|text| text.parse::<Mark>().is_err()),
        Ok(None) => true,
        // A program of ours that hides itself (as ssh-agent does) descends from our tree all the same.
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    }
}

fn command_text(pid: u32) -> String {
    let words = cmdline(pid).unwrap_or_default();
    let line = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let line = if line.is_empty() { stat(pid).ok().flatten().map_or_else(String::new, |seen| format!("[{}]", seen.comm)) } else { line };
    line.chars().take(200).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
