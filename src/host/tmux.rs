//! tmux as this program uses it: one client call for whatever many sessions there are, exact targets, nothing inherited.
//!
//! Whether a server lives is asked of its socket, never concluded from what a client says. Nothing here knows what an agent is.

mod client;
mod listing;
mod pace;
mod scope;
mod script;
mod server;
mod socket;

pub(super) use client::{Client, Output, Running, SCRIPT_LIMIT, Trouble};
pub(super) use listing::{Detail, Layout, Listing, Pane, frame, listing, words};
pub(super) use pace::Pace;
pub(super) use scope::Scope;
pub(super) use script::{Line, as_format_text};
pub(super) use server::{FILES, close, options, start};
pub(super) use socket::{Door, ServerAt, knock, socket_path, wait_for_end};
