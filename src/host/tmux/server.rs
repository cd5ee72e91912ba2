//! Starting a server neutrally and setting its options. A server that ran before the fleet came is never configured: there, options are set for the
//! sessions of the fleet only.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit};

use super::client::{Client, Running, one_line};
use super::scope::Scope;
use super::script::Line;
use super::socket::{Door, ServerAt, knock, ready_folder, wait_for_end};
use crate::desired::{FleetName, Server};
use crate::process::{Liveness, ProcId};

/// How many files a server of ours may open: one per pane and some; above this, tmux itself is the limit.
pub(in crate::host) const FILES: u64 = 65_536;

/// How long a server may take to be gone that does not answer any more.
const ENDING: Duration = Duration::from_millis(500);

/// How long the end of an earlier server is waited for.
const LEAVING: Duration = Duration::from_secs(3);

/// The option of ours in which a server, or a session, keeps the names of the options that were declared for it.
const DECLARED: &str = "@reconcile_options";

/// The option of a server that names the fleet that started it. Only such a server is configured.
pub(super) const STARTER: &str = "@reconcile_server";

/// The option of a session that names the fleet that made it.
pub(in crate::host) const OWNER: &str = "@reconcile_fleet";

/// The option of a server that says what it did not take of its configuration.
pub(super) const CONFIG_TROUBLE: &str = "@reconcile_config";

/// The server that listens at `path`; started for this fleet if there is none. `earlier` is the one that was last seen there.
/// Two that start it at once get the same one. Errors say why there is none.
pub(in crate::host) fn start(path: &Path, server: &Server, fleet: &FleetName, earlier: Option<&ProcId>) -> Result<ServerAt, String> {
    match knock(path) {
        Door::Open(running) => return Ok(running),
        Door::Nobody => {}
        Door::Unreadable(why) => return Err(why),
    }
    if let Some(earlier) = earlier {
        wait_for_end(earlier, LEAVING);
    }
    ready_folder(path).map_err(|error| format!("the folder of the tmux socket {} could not be made: {error}", path.display()))?;
    let mut words = Scope::here().words();
    words.extend(["tmux", "-u", "-S"].map(OsString::from));
    words.extend([path.as_os_str(), OsStr::new("-f"), OsStr::new("/dev/null")].map(OsStr::to_owned));
    // Only words that need no quotes: a declared value could end with a semicolon. What keeps an empty server alive comes in
    // the same breath as the start, and so does whose it is.
    let first = format!("start-server ; set-option -s exit-empty off ; set-option -s {STARTER} {fleet}");
    words.extend(first.split(' ').map(OsString::from));
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
    let set_up = configure(&running, server).and_then(|()| options(&running, server, fleet));
    set_up.map_err(|why| ended_early(&running, server).unwrap_or(why))?;
    Ok(running)
}

/// The hooks of a server that do something, a line each: `pane-died[0] respawn-pane`. Empty where they cannot be asked for.
pub(in crate::host) fn hooks(at: &ServerAt) -> Vec<String> {
    let client = Client::of(at);
    let shown = ["-g", "-gw"].map(|which| client.run(&["show-hooks", which]));
    let texts =
        shown.into_iter().flatten().filter(|output| output.success).map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    // Those without a number are names without a command.
    texts.flat_map(|text| text.lines().filter(|line| line.contains("] ")).map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// What is told where a server that was just started is gone: that a client could not talk to it says nothing of why.
pub(in crate::host) fn ended_early(at: &ServerAt, server: &Server) -> Option<String> {
    // It takes its leave of clients before it is gone.
    wait_for_end(&at.id, ENDING);
    (at.id.liveness() == Liveness::Gone).then(|| match &server.config {
        Some(config) => format!("the tmux server ended right after it started; look at its configuration {}", config.display()),
        None => "the tmux server ended right after it started".to_owned(),
    })
}

/// Has a server that was just started read its configuration. What it does not take of it is kept to be told, and keeps nothing from being started.
fn configure(at: &ServerAt, server: &Server) -> Result<(), String> {
    let client = Client::of(at);
    let trouble = match &server.config {
        None => String::new(),
        Some(config) => match config_trouble(config) {
            Some(why) => why,
            None => {
                let output = client.run(&["source-file", &literally(config)]).map_err(|trouble| trouble.to_string())?;
                // Lines that are wrong are printed; what could not be done is complained of.
                [one_line(&output.stdout), output.complaint].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
            }
        },
    };
    let mut lines = vec![set("-s", "exit-empty", "off"), set("-s", "exit-unattached", "off"), set("-s", CONFIG_TROUBLE, &trouble)];
    if server.config.is_none() {
        lines.extend(good_terminal().map(|terminal| set("-g", "default-terminal", terminal)));
    }
    run(&client, &lines, at)
}

/// Why a configuration cannot be read, as far as that can be told before a server tries: a pipe in its place would block the server for ever.
pub(in crate::host) fn config_trouble(config: &Path) -> Option<String> {
    match std::fs::metadata(config) {
        Ok(facts) if !facts.is_file() && config != Path::new("/dev/null") => Some(format!("{}: it is no file", config.display())),
        Ok(_) => None,
        Err(error) => Some(format!("{}: {error}", config.display())),
    }
}

/// A path that tmux would take for a pattern of paths.
fn literally(path: &Path) -> String {
    path.to_string_lossy()
        .chars()
        .flat_map(|letter| matches!(letter, '*' | '?' | '[' | '\\').then_some('\\').into_iter().chain([letter]))
        .collect()
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

/// Sets the declared options, and takes back those that were declared before and are not now: of a server that this fleet started for all of it, of
/// another one for the sessions of this fleet.
pub(in crate::host) fn options(at: &ServerAt, server: &Server, fleet: &FleetName) -> Result<(), String> {
    let client = Client::of(at);
    let sessions = sessions_of(&client, fleet)?;
    let size = |(session, _): &(String, String)| {
        Line::new("set-option").flag("-t").word(&format!("{session}:")).flag("default-size").word(&server.size.to_string())
    };
    let mut lines: Vec<Line> = sessions.iter().map(size).collect();
    if value(&client, STARTER)? == fleet.as_str() {
        let before = value(&client, DECLARED)?;
        lines.extend(option_lines(server, &before.split_whitespace().collect()));
        return run(&client, &lines, at);
    }
    let refused = of_servers(&client, server)?;
    for (session, before) in sessions {
        let target = format!("{session}:");
        let undeclared = before.split_whitespace().filter(|name| !server.options.contains_key(*name));
        lines.extend(undeclared.map(|name| Line::new("set-option").flag("-qu -t").word(&target).word(name)));
        lines.extend(session_lines(server, &refused, &target));
    }
    run(&client, &lines, at)?;
    match refused.first() {
        None => Ok(()),
        Some(name) => Err(format!(
            "{name} is an option of the whole tmux server {}, which this fleet did not start: set it there yourself, or remove it from [tmux]",
            at.socket.display()
        )),
    }
}

/// The commands that set the declared options for a session only, but for those that only a whole server has.
pub(in crate::host) fn session_lines(server: &Server, refused: &[String], target: &str) -> Vec<Line> {
    let on = |name: &str, value: &str| Line::new("set-option").flag("-t").word(target).word(name).word(value);
    let mut lines: Vec<Line> = declared(server, refused).map(|(name, value)| on(name, value)).collect();
    if !lines.is_empty() {
        let names: Vec<&str> = declared(server, refused).map(|(name, _)| name.as_str()).collect();
        lines.push(on(DECLARED_HERE, &names.join(" ")));
    }
    lines
}

fn declared<'a>(server: &'a Server, refused: &'a [String]) -> impl Iterator<Item = (&'a String, &'a String)> {
    server.options.iter().filter(|(name, _)| !refused.contains(name))
}

/// The option of a session in which the names of the options lie that it has for its server's sake.
const DECLARED_HERE: &str = "@reconcile_server_options";

/// The declared options that a server has only as a whole.
pub(in crate::host) fn of_servers(client: &Client, server: &Server) -> Result<Vec<String>, String> {
    if server.options.is_empty() {
        return Ok(Vec::new());
    }
    let output = client.run(&["show-options", "-s"]).map_err(|trouble| trouble.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let name = |line: &str| line.split([' ', '[']).next().unwrap_or_default().to_owned();
    let theirs: BTreeSet<String> = text.lines().map(name).collect();
    Ok(server.options.keys().filter(|name| theirs.contains(name.split('[').next().unwrap_or_default())).cloned().collect())
}

/// The sessions of a fleet, with the names of the options that were set for them.
fn sessions_of(client: &Client, fleet: &FleetName) -> Result<Vec<(String, String)>, String> {
    let format = format!("#{{session_id}} #{{{OWNER}}} #{{{DECLARED_HERE}}}");
    let output = client.run(&["list-sessions", "-F", &format]).map_err(|trouble| trouble.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let session = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let (id, owner, names) = (words.next()?, words.next()?, words.next().unwrap_or_default());
        (owner == fleet.as_str()).then(|| (id.to_owned(), names.to_owned()))
    };
    Ok(text.lines().filter_map(session).collect())
}

/// The value of an option of the server; empty if it is not set.
fn value(client: &Client, option: &str) -> Result<String, String> {
    let output = client.run(&["show-options", "-sqv", option]).map_err(|trouble| trouble.to_string())?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn set(scope: &str, name: &str, value: &str) -> Line {
    Line::new("set-option").flag(scope).word(name).word(value)
}

fn run(client: &Client, lines: &[Line], at: &ServerAt) -> Result<(), String> {
    if lines.is_empty() {
        return Ok(());
    }
    let script: String = lines.iter().map(|line| format!("{}\n", line.as_str())).collect();
    let output = client.run_script(&script).map_err(|trouble| trouble.to_string())?;
    if output.success && output.complaint.is_empty() {
        Ok(())
    } else {
        Err(format!("options of the tmux server {}: {}", at.socket.display(), output.complaint))
    }
}

/// Has a server that this fleet started end as soon as it holds no session. Whatever is in it, be it a stranger's, is left; a server that ran
/// before the fleet came stays as it is.
pub(in crate::host) fn close(at: &ServerAt, _: &Server, fleet: &FleetName) -> Result<(), String> {
    let client = Client::of(at);
    // Earlier versions of this program named no starter, and set options of every server.
    let is_ours = value(&client, STARTER)? == fleet.as_str() || (value(&client, STARTER)?.is_empty() && bears_options(&client)?);
    if !is_ours {
        return Ok(());
    }
    let output = client.run(&["set-option", "-s", "exit-empty", "on"]).map_err(|trouble| trouble.to_string())?;
    if output.success || matches!(knock(&at.socket), Door::Nobody) { Ok(()) } else { Err(output.complaint) }
}

fn bears_options(client: &Client) -> Result<bool, String> {
    let output = client.run(&["show-options", "-sq", DECLARED]).map_err(|trouble| trouble.to_string())?;
    Ok(!output.stdout.is_empty())
}

fn option_lines(server: &Server, before: &BTreeSet<&str>) -> Vec<Line> {
    let undeclared = before.iter().filter(|name| !server.options.contains_key(**name));
    let mut lines: Vec<Line> = undeclared.map(|name| Line::new("set-option").flag("-gqu").word(name)).collect();
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
        assert_eq!(lines[1], "set-option -s '@reconcile_options' 'history-limit status-left'");
        assert_eq!(lines[lines.len() - 2], "set-option -g 'history-limit' '500'");
        assert_eq!(lines[lines.len() - 1], "set-option -g 'status-left' \"it's;\"");
        assert_eq!(lines.len(), 4, "nothing else is set globally");
    }
}
