//! The text of a systemd user unit. Decides nothing about what is run.

use super::{SIGN, Watcher};

/// The unit of a watcher.
pub(super) fn text(watcher: &Watcher) -> String {
    let fleet = &watcher.fleet;
    let mut words = watcher.words();
    let exe = word(words.next().unwrap_or_default(), Dollar::Plain);
    let command: Vec<String> = std::iter::once(exe).chain(words.map(|text| word(text, Dollar::Doubled))).collect();
    let command = command.join(" ");
    let folder = folder(&watcher.folder);
    let variables = watcher.environment.iter().map(|(name, value)| {
        let assignment = word(&format!("{name}={value}"), Dollar::Plain);
        format!("Environment={assignment}\n")
    });
    let variables: String = variables.collect();
    // 4: the fleet is another manifest's by now, and will not be this one's by trying again. Its end takes no agent with it, nor does that of an agent that runs out of memory.
    format!(
        "# {SIGN}, which replaces it; removed by `reconcile service uninstall`.

[Unit]
Description=reconcile: the fleet {fleet}
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
ExecReload=kill -HUP $MAINPID
WorkingDirectory={folder}
Restart=on-failure
RestartSec=5
RestartPreventExitStatus=4
WatchdogSec=120
KillMode=process
OOMPolicy=continue
{variables}
[Install]
WantedBy=default.target
"
    )
}

/// The name of the variable that a line sets.
pub(super) fn variable(line: &str) -> Option<String> {
    let assignment = line.strip_prefix("Environment=")?.trim_start_matches('"');
    Some(assignment.split('=').next()?.to_owned())
}

/// What a `$` is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dollar {
    /// Itself: in a variable, and in the path of the program.
    Plain,
    /// The beginning of a variable, unless it is doubled: in an argument.
    Doubled,
}

/// One word of a line, as systemd reads words: with quotes if there is anything unusual in it.
fn word(text: &str, dollar: Dollar) -> String {
    let is_usual = |c: char| c.is_ascii_alphanumeric() || "/._-=:,+@".contains(c);
    if !text.is_empty() && text.chars().all(is_usual) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '%' => quoted.push_str("%%"),
            '$' if dollar == Dollar::Doubled => quoted.push_str("$$"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A folder as the value of a line, which knows no quotes: what would vanish or go on at the end of the line gets a slash behind it.
fn folder(path: &str) -> String {
    let slash = if path.ends_with(|c: char| c == '\\' || c.is_whitespace()) { "/" } else { "" };
    format!("{}{slash}", path.replace('%', "%%"))
}
