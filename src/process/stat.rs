//! `/proc/PID/stat`, read as it is written; nothing is concluded from it.

use std::io;

/// What the kernel says about one process.
#[derive(Clone, Debug, PartialEq)]
pub struct Stat {
    /// The name of its program, cut at 15 bytes by the kernel.
    pub comm: String,
    /// What it is doing.
    pub state: State,
    /// Its parent's number; 0 when the parent is outside of this namespace.
    pub ppid: u32,
    /// Its process group.
    pub pgrp: u32,
    /// Its terminal session.
    pub session: u32,
    /// The process group in the foreground of its terminal; none without a terminal.
    pub foreground: Option<u32>,
    /// Its niceness.
    pub nice: i32,
    /// When it was started, in clock ticks since the boot.
    pub start_time: u64,
    /// Processor time used by it, in seconds.
    pub cpu_seconds: f64,
    /// Memory resident for it, in bytes.
    pub rss_bytes: u64,
}

/// What a process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs, sleeps or waits for a device.
    Running,
    /// It was stopped by a signal or a debugger; it is not dead.
    Stopped,
    /// It ended and its parent has not asked how.
    Zombie,
}

impl State {
    /// Whether the process has not ended.
    pub fn lives(self) -> bool {
        self != Self::Zombie
    }
}

/// What the kernel says about `pid`; `None` if there is no such process. Errors when it could not be read or understood.
pub fn stat(pid: u32) -> io::Result<Option<Stat>> {
    match read_small(&format!("/proc/{pid}/stat")) {
        Ok(text) => parse(&text).map(Some).ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat could not be understood"))),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether an error of `/proc` says that the process is not there (any more).
pub(super) fn is_gone(error: &io::Error) -> bool {
    let errno = rustix::io::Errno::from_io_error(error);
    matches!(errno, Some(rustix::io::Errno::NOENT | rustix::io::Errno::SRCH))
}

/// A file of `/proc` that fits into one page, in one read: half the system calls of `fs::read`.
fn read_small(path: &str) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let mut buffer = [0; 1024];
    let length = std::fs::File::open(path)?.read(&mut buffer)?;
    Ok(buffer[..length].to_vec())
}

fn parse(text: &[u8]) -> Option<Stat> {
    // The name may hold spaces and parentheses; no later field does.
    let open = text.iter().position(|byte| *byte == b'(')?;
    let close = text.iter().rposition(|byte| *byte == b')')?;
    let comm = String::from_utf8_lossy(text.get(open + 1..close)?).into_owned();
    let rest = std::str::from_utf8(text.get(close + 1..)?).ok()?;
    // fields[0] is field 3 of proc(5).
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let id = |field: usize| fields.get(field - 3)?.parse::<i64>().ok().map(|id| u32::try_from(id).unwrap_or(0));
    Some(Stat {
        comm,
        state: match *fields.first()? {
            "Z" | "X" | "x" => State::Zombie,
            "T" | "t" => State::Stopped,
            _ => State::Running,
        },
        ppid: id(4)?,
        pgrp: id(5)?,
        session: id(6)?,
        foreground: id(8).filter(|group| *group > 0),
        nice: fields.get(19 - 3)?.parse().ok()?,
        start_time: number(22)?,
        cpu_seconds: (number(14)? + number(15)?) as f64 / rustix::param::clock_ticks_per_second().max(1) as f64,
        rss_bytes: number(24)?.saturating_mul(rustix::param::page_size() as u64),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "5 6 7 34816 6 4194304 1 2 3 4 100 50 0 0 20 0 1 0 987654 1000000 25 18446744073709551615 1 1";

    #[test]
    fn names_with_parentheses_and_spaces_do_not_move_the_fields() {
        for name in ["sh", "a b", "a) S 1 2", "((", "tmux: server", ") Z 1 1 1"] {
            let stat = parse(format!("4 ({name}) T {REST}\n").as_bytes()).unwrap();
            assert_eq!((stat.comm.as_str(), stat.ppid, stat.pgrp, stat.session), (name, 5, 6, 7));
            assert_eq!((stat.state, stat.start_time, stat.foreground), (State::Stopped, 987_654, Some(6)), "{name}");
            assert_eq!(stat.nice, 0);
            assert_eq!(stat.rss_bytes, 25 * rustix::param::page_size() as u64);
            assert!((stat.cpu_seconds - 1.5).abs() < 1e-9);
        }
    }

    #[test]
    fn cut_lines_are_no_answer() {
        for text in ["", "4", "4 (sh", "4 (sh)", "4 (sh) S", "4 (sh) S 1 2 3", ")4 ("] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_process_that_is_not_there_is_none() {
        assert_eq!(stat(u32::MAX).unwrap(), None);
        assert_eq!(stat(std::process::id()).unwrap().unwrap().state, State::Running);
    }
}
