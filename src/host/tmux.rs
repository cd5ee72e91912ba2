//! tmux as this program uses it: one client call for whatever many sessions there are, exact targets, nothing inherited.
//!
//! Whether a server lives is asked of its socket, never concluded from what a client says. Nothing here knows what an agent is.

mod client;
mod ear;
mod listing;
mod pace;
mod scope;
mod script;
mod server;
mod socket;

pub(super) use client::{Client, Output, PATIENCE, Running, SCRIPT_LIMIT, Trouble};
pub(super) use ear::Ear;
pub(super) use listing::{Detail, Facts, Layout, Listing, Pane, frame, listing, words};
pub(super) use pace::Pace;
pub(super) use scope::{Scope, in_path};
pub(super) use script::{Line, as_format_text};
pub(super) use server::{FILES, OWNER, close, config_trouble, ended_early, hooks, of_servers, options, session_lines, start};
pub(super) use socket::{Door, ServerAt, knock, socket_path, wait_for_end};

/// What `tmux -V` says; the error says why it could not be asked.
pub fn version() -> Result<String, String> {
    let asked = std::process::Command::new("tmux").arg("-V").stdin(std::process::Stdio::null()).output();
    match asked {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        Ok(output) => Err(format!("tmux -V: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err("tmux is not in PATH".to_owned()),
        Err(error) => Err(format!("tmux -V: {error}")),
    }
}
