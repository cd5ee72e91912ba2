//! The text of a launchd property list. Decides nothing about what is run.

use super::{SIGN, Supervisor, Watcher};

/// The property list of a watcher.
pub(super) fn text(watcher: &Watcher) -> String {
    let label = escaped(&Supervisor::Launchd.unit(&watcher.fleet));
    let words: String = watcher.words().map(|word| format!("    <string>{}</string>\n", escaped(word))).collect();
    let folder = escaped(&watcher.folder);
    let log = escaped(&watcher.log);
    let variables = watcher.environment.iter();
    let variables: String =
        variables.map(|(name, value)| format!("{VARIABLE}{}</key><string>{}</string>\n", escaped(name), escaped(value))).collect();
    // Without a type, launchd slows down what it runs, and agents with it.
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- {SIGN}, which replaces it; removed by `reconcile service uninstall`. -->
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>{label}</string>
  <key>ProgramArguments</key>
  <array>
{words}  </array>
  <key>WorkingDirectory</key>
  <string>{folder}</string>
  <key>EnvironmentVariables</key>
  <dict>
{variables}  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>AbandonProcessGroup</key>
  <true/>
  <key>ProcessType</key>
  <string>Interactive</string>
  <key>StandardErrorPath</key>
  <string>{log}</string>
</dict>
</plist>
"#
    )
}

/// How a line begins that sets a variable: no other has a key and its value on one line.
const VARIABLE: &str = "    <key>";

/// The name of the variable that a line sets.
pub(super) fn variable(line: &str) -> Option<String> {
    let (name, _) = line.strip_prefix(VARIABLE)?.split_once("</key><string>")?;
    Some(name.to_owned())
}

/// Text between two tags, on one line.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            _ => escaped.push(c),
        }
    }
    escaped
}
