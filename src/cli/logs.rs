//! `reconcile logs`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::ExitStatus;
use super::select::select;
use super::setup::{Global, Setup};
use super::terminal::Terminal;
use crate::desired::{AgentName, AgentSpec, Place};
use crate::host::{Host, Interrupts, Live, LogReader, Reach, Wake, terminal_text};
use crate::manifest::Bytes;
use crate::observe::{Seen, observe};
use crate::render::{self, json::pretty};
use crate::time::Duration;

/// How often a log is looked at that is followed.
const INTERVAL: Duration = Duration::from_millis(200);

/// Show what an agent has printed: the log of a daemon, or what its terminal shows and has shown
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The agent
    agent: String,
    /// Go on with what is printed from now on, until Ctrl-C; of daemons only
    #[arg(short = 'f', long)]
    follow: bool,
    /// Show so much at most, the last of it
    #[arg(long, value_name = "SIZE", default_value = "64KiB")]
    max_bytes: Bytes,
    /// Write JSON
    #[arg(long, conflicts_with = "follow")]
    json: bool,
    /// The manifest [default: $RECONCILE_MANIFEST, else constellation.toml here or above]
    // In the place of the global one, whose `-f` means to follow here.
    #[arg(long = "file", value_name = "MANIFEST")]
    file: Option<PathBuf>,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let Some(setup) = global.setup(args.file.as_deref(), terminal)? else { return Ok(ExitStatus::Failed) };
    let mut host = setup.machine()?;
    let seen = observe(&setup.desired, &setup.fleet, &mut host)?;
    let mut agents = select(&args.agent, &setup.desired, &seen.observed)?.into_iter();
    let (Some(agent), None) = (agents.next(), agents.next()) else { bail!("`{}` means more than one agent: name one", args.agent) };
    let log = log(&setup, &seen, &agent);
    let Bytes(most) = args.max_bytes;
    let Some(path) = log else { return show_terminal(&args, &setup, &seen, &agent, most, terminal) };
    let unreadable = || format!("the log {} cannot be read", path.display());
    let mut reader = LogReader::open(&path).with_context(unreadable)?;
    let last = reader.last(most).with_context(unreadable)?;
    if args.json {
        return document(&setup, &agent, Some(&path), &last, terminal);
    }
    terminal.print(&render::printed(&last))?;
    if args.follow { follow(&mut reader, &mut host, terminal).with_context(unreadable) } else { Ok(ExitStatus::Done) }
}

/// The log of a daemon, as it was started or would be; none for one in a pane.
pub(super) fn log(setup: &Setup, seen: &Seen, agent: &AgentName) -> Option<PathBuf> {
    let applied = seen.observed.agents.get(agent).and_then(|sighting| sighting.spec.as_ref());
    let spec: &AgentSpec = applied.or(setup.desired.agents.get(agent).map(|declared| &declared.spec))?;
    match spec.launch.place {
        Place::Daemon { .. } => Some(spec.care.log.file.clone().unwrap_or_else(|| setup.fleet.paths().log(agent))),
        Place::Tmux { .. } => None,
    }
}

fn show_terminal(args: &Args, setup: &Setup, seen: &Seen, agent: &AgentName, most: u64, terminal: &Terminal) -> Result<ExitStatus> {
    if args.follow {
        bail!("{agent} is in a pane: follow it with `reconcile attach {agent}`");
    }
    let instance = seen.observed.agents.get(agent).and_then(|sighting| sighting.instance.as_ref());
    let text = match instance.and_then(|instance| terminal_text(instance, Reach::All)) {
        Some(Ok(text)) => text,
        Some(Err(why)) => bail!("the terminal of {agent} cannot be read: {why}"),
        None => bail!("{agent} has no terminal: it was never started, or its pane was removed"),
    };
    let start = text.len().saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
    let start =
        if start == 0 { 0 } else { text.as_bytes()[start..].iter().position(|byte| *byte == b'\n').map_or(0, |end| start + end + 1) };
    let last = &text.as_bytes()[start..];
    if args.json {
        return document(setup, agent, None, last, terminal);
    }
    terminal.print(&render::printed(last))?;
    Ok(ExitStatus::Done)
}

fn document(setup: &Setup, agent: &AgentName, path: Option<&PathBuf>, bytes: &[u8], terminal: &Terminal) -> Result<ExitStatus> {
    let source = if path.is_some() { "log" } else { "terminal" };
    terminal.print(&pretty(&json!({
        "format_version": "1.0", "fleet": setup.desired.fleet, "agent": agent, "source": source, "path": path,
        "text": render::printed(bytes),
    })))?;
    Ok(ExitStatus::Done)
}

fn follow(reader: &mut LogReader, host: &mut Live, terminal: &Terminal) -> Result<ExitStatus> {
    host.heed(Interrupts::install().context("cannot take over the signals")?);
    // A line that is not at its end may be cut inside a letter or a sequence: it is shown once nothing more comes.
    let mut unfinished = Vec::new();
    loop {
        let bytes = reader.more()?;
        let nothing_comes = bytes.is_empty();
        unfinished.extend(bytes);
        let end =
            if nothing_comes { unfinished.len() } else { unfinished.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1) };
        if end > 0 {
            terminal.print(&render::printed(&unfinished.drain(..end).collect::<Vec<u8>>()))?;
        }
        if host.wait(&[], host.now() + INTERVAL) == Wake::Signal {
            return Ok(ExitStatus::Interrupted);
        }
    }
}
