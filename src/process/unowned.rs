//! Programs that belong to no instance, found by their names. A name is no identity: what is found is told to people, and nothing else is done.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use super::scan::{is_tmux_server, keep_command, own_pids};
use super::{MARK_VARIABLE, ProcId, boot_id, cmdline, cwd, is_ours, stat, variable};
use crate::desired::{Mark, glob};

/// Programs that are known by the script that they run.
const INTERPRETERS: [&str; 12] = ["node", "nodejs", "bun", "deno", "ruby", "perl", "sh", "bash", "dash", "zsh", "tsx", "php"];

/// A running program that is nobody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unowned {
    /// Its process.
    pub process: ProcId,
    /// The pattern that its name matches.
    pub pattern: String,
    /// Its working folder, if that could be read.
    pub cwd: Option<PathBuf>,
}

/// The processes of our own user with a name that one of `patterns` stands for and that are neither part of an instance of any fleet, nor of one of
/// `owned`, nor the caller. Of a tree of them, the top. Errors when `/proc` could not be listed.
pub fn unowned(patterns: &[String], owned: &BTreeSet<u32>) -> io::Result<Vec<Unowned>> {
    if patterns.is_empty() {
        return Ok(Vec::new());
    }
    let caller = std::process::id();
    let mut matches = BTreeMap::new();
    for pid in own_pids()?.into_iter().filter(|pid| *pid != caller) {
        let Ok(Some(seen)) = stat(pid) else { continue };
        let names = names(&seen.comm, &cmdline(pid).unwrap_or_default());
        let Some(pattern) = patterns.iter().find(|pattern| names.iter().any(|name| glob(pattern, name))) else { continue };
        if seen.state.lives() && is_ours(pid).ok().flatten() == Some(true) {
            let process = ProcId { pid, start_time: seen.start_time, boot_id: boot_id() };
            matches.insert(pid, Unowned { process, pattern: pattern.clone(), cwd: cwd(pid).ok() });
        }
    }
    let is_free = |pid: u32| {
        let above = ancestors(pid);
        let is_top = above.iter().all(|other| !matches.contains_key(other));
        // Of one that hides its environment it cannot be told.
        let is_readable = variable(pid, MARK_VARIABLE).is_ok();
        is_top && is_readable && [pid].iter().chain(&above).all(|one| !owned.contains(one) && mark_on(*one).is_none())
    };
    let free: BTreeSet<u32> = matches.keys().copied().filter(|pid| is_free(*pid)).collect();
    Ok(matches.into_values().filter(|one| free.contains(&one.process.pid)).collect())
}

/// The numbers of the parent of `pid`, of its parent and so on. They end below the first process, and below a tmux server, which is for others to use.
pub fn ancestors(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut at = pid;
    // Parents may change while they are read: a limit instead of a proof that this is no circle.
    for _ in 0..1_000 {
        at = stat(at).ok().flatten().map_or(0, |seen| seen.ppid);
        let is_server = || stat(at).ok().flatten().is_some_and(|seen| is_tmux_server(&seen.comm));
        if at <= 1 || is_server() {
            break;
        }
        found.push(at);
    }
    found
}

/// The mark that a process keeps or bears in its environment. One that cannot be read is another user's, or hides itself: it has none that could be seen.
pub fn mark_on(pid: u32) -> Option<Mark> {
    let kept = keep_command(pid).map(|(mark, _)| mark);
    kept.or_else(|| variable(pid, MARK_VARIABLE).ok()??.to_str()?.parse().ok())
}

/// The names that a program goes by: its own, the kernel's, and that of the script that it runs.
fn names(comm: &str, words: &[OsString]) -> Vec<String> {
    let first = words.first().map(|word| base(word).trim_start_matches('-').to_owned());
    let runs_scripts = |name: &str| INTERPRETERS.contains(&name) || name.starts_with("python");
    let script = first.as_deref().filter(|name| runs_scripts(name)).and_then(|_| script(&words[1..]));
    first.into_iter().chain([comm.to_owned()]).chain(script).filter(|name| !name.is_empty()).collect()
}

/// The file that an interpreter runs, if it runs one.
fn script(words: &[OsString]) -> Option<String> {
    for word in words {
        match word.to_str()? {
            "-c" | "-e" | "-m" | "-p" | "--eval" | "--print" => return None,
            "run" => {}
            option if option.starts_with('-') => {}
            _ => return Some(base(word)),
        }
    }
    None
}

fn base(word: &OsStr) -> String {
    Path::new(word).file_name().unwrap_or(word).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_known_by_its_name_and_a_script_by_its_own() {
        for (comm, line, expected) in [
            ("claude", "claude --model opus", "claude claude"),
            ("2.1.0", "/home/me/.local/bin/claude", "claude 2.1.0"),
            ("node", "node --no-warnings /usr/bin/claude -p x", "node node claude"),
            ("MainThread", "/usr/bin/node /opt/codex.js", "node MainThread codex.js"),
            ("python3", "python3.11 -u ./agent.py", "python3.11 python3 agent.py"),
            ("python3", "python3 -m agent", "python3 python3"),
            ("bun", "bun run claude", "bun bun claude"),
            ("sh", "sh -c claude", "sh sh"),
            ("bash", "-bash", "bash bash"),
            ("vim", "vim /usr/bin/claude", "vim vim"),
            ("kworker", "", "kworker"),
        ] {
            let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            assert_eq!(names(comm, &words).join(" "), expected, "{line}");
        }
    }

    #[test]
    fn ancestors_end_below_the_first_process() {
        let above = ancestors(std::process::id());
        assert!(!above.is_empty() && !above.contains(&1) && !above.contains(&0), "{above:?}");
        assert_eq!(ancestors(1), Vec::<u32>::new());
        assert_eq!(ancestors(u32::MAX), Vec::<u32>::new());
    }
}
