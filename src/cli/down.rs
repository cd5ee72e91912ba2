//! `reconcile down`.

use std::path::PathBuf;

use anyhow::Result;

use super::ExitStatus;
use super::apply::{self, Task};
use super::error::coded;
use super::run_flags::{Output, RunFlags};
use super::setup::Global;
use super::terminal::Terminal;
use super::terms::TermFlags;
use crate::render::json::ErrorCode;

/// Stop all agents of the fleet, last in first out, and forget them
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The manifest
    manifest: Option<PathBuf>,
    /// Carry out held changes, even if that interrupts work or a person
    ///
    /// Releases changes held as attached, busy, draft, unclear, waiting or no_note. Protection, pause, halt and guards still apply.
    #[arg(long)]
    now: bool,
    /// Allow that a protected agent is stopped
    #[arg(long, value_name = "AGENT")]
    allow_kill: Vec<String>,
    /// Write JSON: what is left, as `status --json` does, and what came of each agent
    #[arg(long, requires = "auto_approve")]
    json: bool,
    #[command(flatten)]
    run: RunFlags,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let Some(setup) = global.in_force(args.manifest.as_deref(), terminal)? else { return Ok(ExitStatus::Failed) };
    if let Some(holder) = setup.fleet.watcher()? {
        let pid = holder.map(|holder| format!(" (pid {})", holder.pid)).unwrap_or_default();
        let why = format!(
            "a watcher of this fleet is running{pid} and would start everything again; nothing was done. End it first with `reconcile watch --stop` \
             or `reconcile service uninstall`, or keep the agents stopped with `reconcile stop --all`"
        );
        terminal.error(&coded(ErrorCode::WatcherRunning, why));
        return Ok(ExitStatus::Refused);
    }
    let terms = TermFlags::destroying().with_now(args.now).with_allow_kill(args.allow_kill);
    let output = if args.json { Output::Document } else { Output::Human };
    apply::act(Task { manifest: args.manifest, terms, run: args.run, output, notes: Vec::new() }, global, terminal)
}
