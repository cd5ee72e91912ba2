//! `reconcile history`.

use anyhow::{Result, bail};

use super::ExitStatus;
use super::moment::Moment;
use super::setup::Global;
use super::terminal::Terminal;
use crate::desired::glob;
use crate::event::Entry;
use crate::host::Host;
use crate::render;

/// Show what was done and seen, when and why
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only of these agents: names or globs; agents that are gone have a history too
    #[arg(value_name = "AGENT")]
    agents: Vec<String>,
    /// Only what happened since a time, or within a length such as 10m
    #[arg(long, value_name = "DURATION|TIME")]
    since: Option<Moment>,
    /// Write the entries of the journal, a line of JSON each
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let Some(setup) = global.in_force(None, terminal)? else { return Ok(ExitStatus::Failed) };
    let mut entries = setup.fleet.entries_after(0)?;
    for pattern in &args.agents {
        let meant = |name: &str| glob(pattern, name);
        let is_there = setup.desired.agents.keys().any(|agent| meant(agent.as_str())) || entries.iter().any(|entry| of(entry, &meant));
        if !is_there {
            bail!("no agent matches `{pattern}`, neither in the manifest nor in the journal");
        }
    }
    if let Some(since) = args.since {
        let since = since.before(setup.machine()?.now());
        entries.retain(|entry| entry.event.at >= since);
    }
    entries.retain(|entry| args.agents.is_empty() || args.agents.iter().any(|pattern| of(entry, &|name| glob(pattern, name))));
    if args.json {
        for entry in &entries {
            terminal.print(&render::json::entry_line(entry))?;
        }
    } else {
        terminal.print(&terminal.complete(&render::history_human(entries.iter().map(|entry| &entry.event), terminal.out())))?;
    }
    Ok(ExitStatus::Done)
}

fn of(entry: &Entry, meant: &impl Fn(&str) -> bool) -> bool {
    entry.event.agent.as_ref().is_some_and(|agent| meant(agent.as_str()))
}
