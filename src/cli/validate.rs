//! `reconcile validate`.

use std::path::PathBuf;

use anyhow::Result;

use super::ExitStatus;
use super::setup::Global;
use super::terminal::Terminal;
use crate::render::{self, json};

/// Find all errors of a manifest, without looking at the machine
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The manifest
    manifest: Option<PathBuf>,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let read = global.read(args.manifest.as_deref())?;
    let loaded = &read.loaded;
    if args.json {
        terminal.print(&json::pretty(&render::diagnostics_document(&loaded.diagnostics, &loaded.texts)))?;
    } else {
        terminal.print(&render::diagnostics(&loaded.diagnostics, &loaded.texts, terminal.out()))?;
    }
    let Some(desired) = &loaded.desired else { return Ok(ExitStatus::Failed) };
    if !args.json {
        let agents = desired.agents.len();
        terminal.print(&format!(
            "{}: valid, fleet {}, {agents} agent{}\n",
            render::plain(&read.path.to_string_lossy()),
            desired.fleet,
            if agents == 1 { "" } else { "s" }
        ))?;
    }
    Ok(ExitStatus::Done)
}
