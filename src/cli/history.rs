//! `reconcile history`.

use anyhow::{Result, bail};

use super::ExitStatus;
use super::setup::Global;
use super::terminal::Terminal;
use crate::desired::glob;
use crate::event::Entry;
use crate::host::Host;
use crate::render;
use crate::time::Duration;

/// Show what was done and seen, when and why
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only of these agents: names or globs; agents that are gone have a history too
    #[arg(value_name = "AGENT")]
    agents: Vec<String>,
    /// Only what is younger than this
    #[arg(long, value_name = "DURATION")]
    since: Option<Duration>,
    /// Write the entries of the journal, a line of JSON each
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let Some(known) = global.known(None, terminal)? else { return Ok(ExitStatus::Failed) };
    let mut entries = known.fleet.entries_after(0)?;
    for pattern in &args.agents {
        let meant = |name: &str| glob(pattern, name);
        let is_known = known.declares(meant) || entries.iter().any(|entry| of(entry, &meant));
        if !is_known {
            bail!("no agent matches `{pattern}`, neither in the manifest nor in the journal");
        }
    }
    if let Some(age) = args.since {
        let now = known.machine()?.now();
        entries.retain(|entry| now.since(entry.event.at) <= age);
    }
    entries.retain(|entry| args.agents.is_empty() || args.agents.iter().any(|pattern| of(entry, &|name| glob(pattern, name))));
    if args.json {
        for entry in &entries {
            terminal.print(&format!("{}\n", serde_json::to_string(entry)?))?;
        }
    } else {
        terminal.print(&render::history_human(entries.iter().map(|entry| &entry.event), terminal.out()))?;
    }
    Ok(ExitStatus::Done)
}

fn of(entry: &Entry, meant: &impl Fn(&str) -> bool) -> bool {
    entry.event.agent.as_ref().is_some_and(|agent| meant(agent.as_str()))
}
