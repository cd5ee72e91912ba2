//! The logs of panes: tmux gives what a terminal gets to one process for each, which is this same binary and ends with the pane.
//!
//! A file of settings beside the status says that a pane has a log of ours: a pipe that a person made is left alone.

use std::path::Path;

use super::Spawn;
use super::dress::replace;
use super::launch::with_file;
use super::live::Live;
use super::tmux::{Line, as_format_text};
use crate::desired::{AgentName, Log};
use crate::keeper::{is_writing, log_fault, writer_arguments};
use crate::observed::Instance;
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
    spawn.spec.care.pane_log.as_ref().map(|_| start(live, &spawn.mark.agent, pane))
}

/// The command for a pane whose earlier life may have had a log. The pipe of a dead pane is still open.
pub(super) fn of_next_life(live: &Live, spawn: &Spawn, pane: &str) -> Option<Line> {
    let settings = live.paths.log_settings(&spawn.mark.agent);
    of_new(live, spawn, pane).or_else(|| std::fs::remove_file(settings).is_ok().then(|| stop(pane)))
}

/// The commands that give a running pane the log that is declared now, or none. A writer that goes on as it is stays; one that is gone is started.
pub(super) fn renew(live: &Live, only: &Instance, log: Option<&Log>, pane: &str) -> Result<Vec<Line>, String> {
    let agent = only.mark.as_ref().map_or(&only.agent, |mark| &mark.agent);
    let Some(log) = log else {
        let had_one = std::fs::remove_file(live.paths.log_settings(agent)).is_ok();
        return Ok(had_one.then(|| stop(pane)).into_iter().collect());
    };
    let start = start(live, agent, pane);
    Ok(match write(live, agent, log)? {
        Settings::Same if is_writing(&live.paths.log_settings(agent)) => Vec::new(),
        Settings::Same | Settings::Changed => vec![start],
        Settings::New => vec![Line::new("if-shell").flag("-F -t").word(pane).word("#{==:#{pane_pipe},0}").block(&[start])],
    })
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
