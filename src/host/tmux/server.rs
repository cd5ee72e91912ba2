//! Starting a server neutrally and setting its options. The user's own server is never configured.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit};

use super::client::{Client, Running};
use super::scope::Scope;
use super::script::Line;
use super::socket::{Door, ServerAt, knock, ready_folder, wait_for_end};
use crate::desired::Server;
use crate::process::ProcId;

/// How many files a server of ours may open: one per pane and some; above this, tmux itself is the limit.
pub(in crate::host) const FILES: u64 = 65_536;

/// How long the end of an earlier server is waited for.
const LEAVING: Duration = Duration::from_secs(3);

/// The option of ours in which a server keeps the names of the options that were declared for it.
const DECLARED: &str = "@reconcile_options";

/// The server that listens at `path`; started if there is none. `earlier` is the one that was last seen there.
/// Two that start it at once get the same one. Errors say why there is none.
pub(in crate::host) fn start(path: &Path, server: &Server, earlier: Option<&ProcId>) -> Result<ServerAt, String> {
    match knock(path) {
        Door::Open(running) => return Ok(running),
        Door::Nobody => {}
        Door::Unreadable(why) => return Err(why),
    }
    if let Some(earlier) = earlier {
        wait_for_end(earlier, LEAVING);
    }
    ready_folder(path).map_err(|error| format!("the folder of the tmux socket {} could not be made: {error}", path.display()))?;
    let config = server.config.as_deref().unwrap_or_else(|| Path::new("/dev/null"));
    let mut words = Scope::here().words();
    words.extend(["tmux", "-u", "-S"].map(OsString::from));
    words.extend([path.into(), "-f".into(), config.into()]);
    // Only words that need no quotes: a declared value could end with a semicolon. What keeps an empty server alive comes in
    // the same breath as the start.
    words.extend("start-server ; set-option -s exit-empty off ; set-option -g remain-on-exit on".split(' ').map(OsString::from));
    let mut command = Command::new(&words[0]);
    // The server keeps the folder in which it is started.
    command.args(&words[1..]).current_dir("/");
    let client = Client::with(PathBuf::from(&words[0]), path);
    let said = client.start_command(command, "").and_then(Running::finish);
    // What the client says is no evidence of what the server does.
    let running = match (knock(path), said) {
        (Door::Open(running), _) => running,
        (Door::Unreadable(why), _) => return Err(why),
        (Door::Nobody, Ok(output)) => return Err(format!("the tmux server at {} did not start: {}", path.display(), output.complaint)),
        (Door::Nobody, Err(trouble)) => return Err(format!("the tmux server at {} did not start: {trouble}", path.display())),
    };
    raise_files(&running.id, server);
    options(&running, server)?;
    Ok(running)
}

/// A server with the usual limit of 1024 freezes for good when it has a thousand panes.
fn raise_files(id: &ProcId, server: &Server) {
    let pid = i32::try_from(id.pid).ok().and_then(Pid::from_raw);
    let hard = crate::host::limits::open_files(id.pid).map(|limits| limits.hard);
    if let (Some(pid), Some(hard), false) = (pid, hard, server.socket.is_users_own()) {
        let limit = Rlimit { current: Some(hard.min(FILES)), maximum: Some(hard) };
        // If it may not, the lower limit is counted with when panes are to be started.
        let _ = rustix::process::prlimit(Some(pid), Resource::Nofile, limit);
    }
}

/// Sets the options of a server of ours, and takes back those that were declared before and are not now.
pub(in crate::host) fn options(at: &ServerAt, server: &Server) -> Result<(), String> {
    if server.socket.is_users_own() {
        return Ok(());
    }
    let client = Client::of(at);
    let before = client.run(&["show-options", "-sqv", DECLARED]).map_err(|trouble| trouble.to_string())?;
    let before = String::from_utf8_lossy(&before.stdout).into_owned();
    let mut script = String::new();
    for line in option_lines(server, &before.split_whitespace().collect()) {
        script.push_str(line.as_str());
        script.push('\n');
    }
    let output = client.run_script(&script).map_err(|trouble| trouble.to_string())?;
    if output.success && output.complaint.is_empty() {
        Ok(())
    } else {
        Err(format!("options of the tmux server {}: {}", at.socket.display(), output.complaint))
    }
}

/// Has a server of ours end as soon as it holds no session. Whatever is in it, be it a stranger's, is left.
pub(in crate::host) fn close(at: &ServerAt, server: &Server) -> Result<(), String> {
    if server.socket.is_users_own() {
        return Ok(());
    }
    let output = Client::of(at).run(&["set-option", "-s", "exit-empty", "on"]).map_err(|trouble| trouble.to_string())?;
    if output.success || matches!(knock(&at.socket), Door::Nobody) { Ok(()) } else { Err(output.complaint) }
}

fn option_lines(server: &Server, before: &BTreeSet<&str>) -> Vec<Line> {
    let set = |scope: &str, name: &str, value: &str| Line::new("set-option").flag(scope).word(name).word(value);
    let undeclared = before.iter().filter(|name| !server.options.contains_key(**name));
    let mut lines: Vec<Line> = undeclared.map(|name| Line::new("set-option").flag("-gqu").word(name)).collect();
    lines.push(set("-s", "exit-empty", "off"));
    lines.push(set("-g", "remain-on-exit", "on"));
    lines.push(set("-g", "default-size", &server.size.to_string()));
    lines.push(set("-g", "window-size", "latest"));
    // Every new session would copy these from whoever attaches; an instance's environment is its keeper's work.
    lines.push(set("-g", "update-environment", ""));
    lines.push(set("-g", "history-limit", "2000"));
    if let Some(terminal) = good_terminal() {
        lines.push(set("-g", "default-terminal", terminal));
    }
    lines.push(set("-s", DECLARED, &server.options.keys().map(String::as_str).collect::<Vec<_>>().join(" ")));
    lines.extend(server.options.iter().map(|(name, value)| set("-g", name, value)));
    lines
}

/// The name of a terminal with all its colours, if programs can look it up here.
fn good_terminal() -> Option<&'static str> {
    let folders = ["/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo"];
    folders.iter().any(|folder| Path::new(folder).join("t/tmux-256color").exists()).then_some("tmux-256color")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{Size, Socket};

    #[test]
    fn declared_options_win_and_forgotten_ones_are_taken_back() {
        let options = [("history-limit".to_owned(), "500".to_owned()), ("status-left".to_owned(), "it's;".to_owned())];
        let server = Server { socket: Socket("x".to_owned()), config: None, size: Size::default(), options: options.into() };
        let lines = option_lines(&server, &BTreeSet::from(["status-left", "status"]));
        let lines: Vec<&str> = lines.iter().map(Line::as_str).collect();
        assert_eq!(lines[0], "set-option -gqu 'status'");
        assert_eq!(lines[1], "set-option -s 'exit-empty' 'off'");
        assert_eq!(lines[lines.len() - 2], "set-option -g 'history-limit' '500'");
        assert_eq!(lines[lines.len() - 1], "set-option -g 'status-left' \"it's;\"");
        assert!(lines.contains(&"set-option -g 'default-size' '200x50'"));
    }
}
