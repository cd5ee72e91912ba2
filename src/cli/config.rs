//! `reconcile config`.

use std::path::PathBuf;

use anyhow::Result;

use super::ExitStatus;
use super::setup::Global;
use super::terminal::Terminal;
use crate::render::{self, json};

/// Show the effective manifest: templates expanded, variables filled in, defaults written out
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The manifest
    manifest: Option<PathBuf>,
    /// Show where each field of one agent was set
    #[arg(long, value_name = "AGENT")]
    explain: Option<String>,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let read = global.read(args.manifest.as_deref())?;
    let loaded = &read.loaded;
    terminal.say(&render::diagnostics(&loaded.diagnostics, &loaded.texts, terminal.err()));
    let Some(desired) = &loaded.desired else { return Ok(ExitStatus::Failed) };
    let Some(agent) = &args.explain else {
        terminal.print(&if args.json { json::pretty(&render::config_document(desired)) } else { render::config_toml(desired)? })?;
        return Ok(ExitStatus::Done);
    };
    let agent = super::select::named(agent, desired)?;
    let origins = loaded.explain(&agent).unwrap_or_default();
    terminal.print(&if args.json { json::pretty(&render::origins_document(&origins)) } else { render::origins(&origins) })?;
    Ok(ExitStatus::Done)
}
