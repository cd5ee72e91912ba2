//! `reconcile down`.

use std::path::PathBuf;

use anyhow::Result;

use super::ExitStatus;
use super::apply::{self, EventFlags, RunFlags, Task};
use super::error::coded;
use super::setup::Global;
use super::terminal::Terminal;
use super::terms::TermFlags;
use crate::render::json::ErrorCode;

/// Stop all agents of the fleet, last in first out, and forget them
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The manifest
    manifest: Option<PathBuf>,
    /// Stop agents too to which somebody is attached
    #[arg(long)]
    now: bool,
    /// Allow that a protected agent is stopped
    #[arg(long, value_name = "AGENT")]
    allow_kill: Vec<String>,
    #[command(flatten)]
    events: EventFlags,
    #[command(flatten)]
    run: RunFlags,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let Some(setup) = global.setup(args.manifest.as_deref(), terminal)? else { return Ok(ExitStatus::Failed) };
    if let Some(holder) = setup.fleet.watcher()? {
        let pid = holder.map(|holder| format!(" (pid {})", holder.pid)).unwrap_or_default();
        let why = format!(
            "a watcher of this fleet is at work{pid} and would start everything again; nothing was done. End it first, with `reconcile watch --stop` \
             or `reconcile service uninstall`; or have the agents stay stopped, with `reconcile stop --all`"
        );
        terminal.error(&coded(ErrorCode::WatcherRunning, why));
        return Ok(ExitStatus::Refused);
    }
    let terms = TermFlags::destroying().with_now(args.now).with_allow_kill(args.allow_kill);
    let output = args.events.output();
    apply::act(Task { manifest: args.manifest, terms, run: args.run, output, notes: Vec::new() }, global, terminal)
}
