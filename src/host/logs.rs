//! The logs of panes: tmux gives what a terminal gets to one process for each, which is this same binary and ends with the pane.
//!
//! A file of settings beside the status says that a pane has a log of ours: a pipe that a person made is left alone.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::Spawn;
use super::dress::replace;
use super::launch::with_file;
use super::live::Live;
use super::tmux::{Line, Pane, as_format_text};
use crate::desired::{AgentName, Log};
use crate::keeper::{end_of_input, is_writing, log_fault, writer_arguments};
use crate::observed::{Instance, LogPipe};
use crate::process;
use crate::safe_open;

/// Writes the settings for the pane that is about to be made, if it has a log. The error says why that did not work.
pub(super) fn prepare(live: &Live, spawn: &Spawn) -> Result<(), String> {
    match &spawn.spec.care.pane_log {
        Some(log) => write(live, &spawn.mark.agent, log).map(drop),
        None => Ok(()),
    }
}

/// The command that gives a pane that was just made its log.
pub(super) fn of_new(live: &Live, spawn: &Spawn, pane: &str) -> Option<Line> {
    spawn.spec.care.pane_log.as_ref()?;
    begin_anew(&live.paths.log_settings(&spawn.mark.agent));
    Some(start(live, &spawn.mark.agent, pane))
}

/// The command for a pane whose earlier life may have had a log. The pipe of a dead pane is still open.
pub(super) fn of_next_life(live: &Live, spawn: &Spawn, pane: &str) -> Option<Line> {
    let settings = live.paths.log_settings(&spawn.mark.agent);
    of_new(live, spawn, pane).or_else(|| forget(&settings).then(|| stop(pane)))
}

/// The commands that give a running pane the log that is declared now, or none. A writer that goes on as it is stays; one that is gone is started.
pub(super) fn renew(live: &Live, only: &Instance, log: Option<&Log>, pane: &str) -> Result<Vec<Line>, String> {
    let agent = only.mark.as_ref().map_or(&only.agent, |mark| &mark.agent);
    let Some(log) = log else {
        let had_one = forget(&live.paths.log_settings(agent));
        return Ok(had_one.then(|| stop(pane)).into_iter().collect());
    };
    let settings = live.paths.log_settings(agent);
    let is_ours = is_writing(&settings);
    let start = start(live, agent, pane);
    Ok(match write(live, agent, log)? {
        Settings::Same if is_ours => Vec::new(),
        Settings::Changed if is_ours => vec![start],
        // Its writer was killed, and tmux may not have noticed.
        Settings::Same | Settings::Changed if !end_of_input(&settings).exists() => {
            begin_anew(&settings);
            vec![start]
        }
        // A pipe that something else has made meanwhile is left alone.
        Settings::Same | Settings::Changed | Settings::New => {
            begin_anew(&settings);
            vec![Line::new("if-shell").flag("-F -t").word(pane).word("#{==:#{pane_pipe},0}").block(&[start])]
        }
    })
}

/// Removes the settings of a log; says whether there were any.
fn forget(settings: &Path) -> bool {
    let _ = std::fs::remove_file(end_of_input(settings));
    std::fs::remove_file(settings).is_ok()
}

/// How long a writer may take to begin, from when its settings were written or it was asked for.
const BEGINS: Duration = Duration::from_secs(3);

/// Has the time begin anew in which a writer may begin.
fn begin_anew(settings: &Path) {
    let _ = std::fs::File::open(settings).and_then(|file| file.set_modified(SystemTime::now()));
}

/// Where the output of a pane goes, by the settings of its log and whether tmux pipes it. None where there is no log, or its writer may be about to begin.
pub(super) fn pipe(settings: &Path, is_piped: bool, holder: impl FnOnce() -> Option<u32>) -> Option<LogPipe> {
    let written = std::fs::metadata(settings).ok()?.modified().ok()?;
    if is_writing(settings) {
        return Some(LogPipe::Ours);
    }
    if written.elapsed().is_ok_and(|age| age < BEGINS) {
        return None;
    }
    // Of a writer that was killed, tmux learns only when it has something for it.
    let was_taken = is_piped && end_of_input(settings).exists();
    Some(if was_taken { LogPipe::Taken { pid: holder() } } else { LogPipe::Closed })
}

/// The process that a server started and that is neither in a pane nor a writer of ours, if there is exactly one.
pub(super) fn only_other_child(server: u32, panes: &[Pane]) -> Option<u32> {
    let is_writer = |pid: &u32| process::cmdline(*pid).is_ok_and(|words| words.get(1).is_some_and(|word| word == "keep-log"));
    let is_in_pane = |pid: &u32| panes.iter().any(|pane| pane.pid == *pid);
    let mut others = process::children(server).ok()?.into_iter().filter(|pid| !is_in_pane(pid) && !is_writer(pid));
    others.next().filter(|_| others.next().is_none())
}

/// What became of a file of settings.
enum Settings {
    New,
    Changed,
    Same,
}

fn write(live: &Live, agent: &AgentName, log: &Log) -> Result<Settings, String> {
    if let Some(why) = log.file.as_deref().and_then(log_fault) {
        return Err(format!("log.file {why}"));
    }
    let path = live.paths.log_settings(agent);
    let text = serde_json::to_vec(&with_file(log, agent, &live.paths)).map_err(|error| error.to_string())?;
    let before = safe_open::read(&path).ok();
    if before.as_ref() == Some(&text) {
        return Ok(Settings::Same);
    }
    replace(&path, &text).map_err(|error| format!("the log settings {} could not be written: {error}", path.display()))?;
    Ok(if before.is_some() { Settings::Changed } else { Settings::New })
}

/// A pipe takes the place of one that is there.
fn start(live: &Live, agent: &AgentName, pane: &str) -> Line {
    Line::new("pipe-pane").flag("-t").word(pane).word(&command(&live.exe, &live.paths.log_settings(agent)))
}

fn stop(pane: &str) -> Line {
    Line::new("pipe-pane").flag("-t").word(pane)
}

/// The writer as a line of sh, without a shell that stays; tmux expands formats and times in it first.
fn command(exe: &Path, settings: &Path) -> String {
    let quoted = |word: &str| format!("'{}'", word.replace('\'', r"'\''"));
    let words = writer_arguments(settings);
    let words = words.iter().map(|word| quoted(&word.to_string_lossy()));
    let line = [quoted(&exe.to_string_lossy())].into_iter().chain(words).collect::<Vec<_>>().join(" ");
    as_format_text(&format!("exec {line}")).replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_the_shell_nor_tmux_reads_anything_into_a_path() {
        let line = command(Path::new("/a b/$x"), Path::new("/it's #{pid} #(x) 100%d"));
        assert_eq!(line, r"exec '/a b/$x' 'keep-log' '/it'\''s ##{pid} ##(x) 100%%d'");
    }
}
