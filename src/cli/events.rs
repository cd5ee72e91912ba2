//! `reconcile events`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::ExitStatus;
use super::moment::Moment;
use super::select::no_manifest_after_follow;
use super::setup::Global;
use super::terminal::Terminal;
use crate::desired::glob;
use crate::event::Entry;
use crate::host::{Host, Interrupts, Wake};
use crate::render::{self, json};
use crate::time::Duration;

/// How many of the last ones are shown where nothing else is asked.
const LAST: usize = 20;

/// The journal is looked at after this time whether or not there was news of it.
const RESYNC: Duration = Duration::from_secs(10);

/// Show what happens in the fleet: the last events of its journal, and with -f those to come
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only of these agents: names or globs
    #[arg(value_name = "AGENT")]
    agents: Vec<String>,
    /// Go on with what happens from now on, until Ctrl-C
    #[arg(short = 'f', long)]
    follow: bool,
    /// All since then, and not only the last 20: a length of time such as 10m, or a time
    #[arg(long, value_name = "DURATION|TIME")]
    since: Option<Moment>,
    /// Write JSON, a line each
    #[arg(long)]
    json: bool,
    /// The manifest [default: $RECONCILE_MANIFEST, else constellation.toml here or above]
    // In the place of the global one, whose `-f` means to follow here.
    #[arg(long = "file", value_name = "MANIFEST")]
    file: Option<PathBuf>,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    no_manifest_after_follow("events", &args.agents)?;
    let Some(setup) = global.in_force(args.file.as_deref(), terminal)? else { return Ok(ExitStatus::Failed) };
    let mut host = setup.machine()?;
    if args.follow {
        host.heed(Interrupts::install().context("cannot take over the signals")?);
        // From here on nothing is missed: what is written while the journal is read is news.
        host.attend(&BTreeSet::from([setup.fleet.paths().journal()]), &BTreeSet::new());
    }
    let mut entries = setup.fleet.entries_after(0)?;
    let mut last = entries.last().map_or(0, |entry| entry.number);
    entries.retain(|entry| is_meant(entry, &args.agents));
    match args.since.map(|since| since.before(host.now())) {
        Some(since) => entries.retain(|entry| entry.event.at >= since),
        None => drop(entries.drain(..entries.len().saturating_sub(LAST))),
    }
    show(&entries, args.json, terminal)?;
    if !args.follow {
        return Ok(ExitStatus::Done);
    }
    loop {
        if host.wait(&[], host.now() + RESYNC) == Wake::Signal {
            return Ok(ExitStatus::Interrupted);
        }
        let mut entries = setup.fleet.entries_after(last)?;
        last = entries.last().map_or(last, |entry| entry.number);
        entries.retain(|entry| is_meant(entry, &args.agents));
        show(&entries, args.json, terminal)?;
    }
}

fn is_meant(entry: &Entry, agents: &[String]) -> bool {
    let name = entry.event.agent.as_ref().map(|agent| agent.as_str());
    agents.is_empty() || name.is_some_and(|name| agents.iter().any(|pattern| glob(pattern, name)))
}

fn show(entries: &[Entry], as_json: bool, terminal: &Terminal) -> Result<()> {
    let text: String = match as_json {
        true => entries.iter().map(json::entry_line).collect(),
        false => terminal.complete(&render::history_human(entries.iter().map(|entry| &entry.event), terminal.out())),
    };
    if text.is_empty() { Ok(()) } else { terminal.print(&text) }
}
