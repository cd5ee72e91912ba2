//! `reconcile logs`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::ExitStatus;
use super::error::coded;
use super::moment::Moment;
use super::select::{no_manifest_after_follow, one};
use super::setup::{Global, Setup};
use super::terminal::Terminal;
use crate::desired::{AgentName, Place};
use crate::host::{Host, Interrupts, Live, LogReader, Reach, Since, Wake, terminal_text, without_death};
use crate::intent::Intent;
use crate::manifest::Bytes;
use crate::observe::observe;
use crate::observed::Observed;
use crate::render::json::ErrorCode;
use crate::render::{self, json::pretty};
use crate::time::{Duration, Timestamp};

/// How often a log is looked at that is followed.
const INTERVAL: Duration = Duration::from_millis(200);

/// Show what an agent has printed: its log, or what its terminal shows and has shown
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The agent
    agent: String,
    /// What is no agent: a manifest that was meant for `-f`.
    #[arg(hide = true)]
    surplus: Vec<String>,
    /// Go on with what is printed from now on, until Ctrl-C; only where there is a log
    #[arg(short = 'f', long)]
    follow: bool,
    /// Show so much at most, the last of it [default: 64KiB, or 16MiB with --since]
    #[arg(long, value_name = "SIZE")]
    max_bytes: Option<Bytes>,
    /// Only what was written to its log since then: a length of time such as 10m, or a time; exact to a second
    #[arg(long, value_name = "DURATION|TIME")]
    since: Option<Moment>,
    /// Write JSON
    #[arg(long, conflicts_with = "follow")]
    json: bool,
    /// The manifest [default: $RECONCILE_MANIFEST, else constellation.toml here or above]
    // In the place of the global one, whose `-f` means to follow here.
    #[arg(long = "file", value_name = "MANIFEST")]
    file: Option<PathBuf>,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let words: Vec<String> = [&args.agent].into_iter().chain(&args.surplus).cloned().collect();
    no_manifest_after_follow("logs", &words)?;
    if let Some(word) = args.surplus.first() {
        return Err(coded(ErrorCode::Usage, format!("one agent at a time: what is `{word}`?")));
    }
    let Some(setup) = global.in_force(args.file.as_deref(), terminal)? else { return Ok(ExitStatus::Failed) };
    let mut host = setup.machine()?;
    let seen = observe(&setup.desired, &setup.fleet, &mut host, &Intent::only_look())?;
    let agent = one(&args.agent, &setup.desired, &seen.observed)?;
    let mut printed = Printed::by(&setup, &seen.observed, &agent)?;
    let last = match &args.since {
        None => printed.last(args.max_bytes.unwrap_or(LAST).0)?,
        Some(moment) => {
            let since = moment.before(host.now());
            let found = printed.since(since, args.max_bytes.unwrap_or(SINCE).0, &agent)?;
            if found.is_cut {
                terminal.say("this is only the end of it: more with a larger --max-bytes\n");
            }
            found.bytes
        }
    };
    if args.json {
        let (source, path) = match &printed {
            Printed::Log(path, _) => ("log", Some(path)),
            Printed::Terminal(_) => ("terminal", None),
        };
        terminal.print(&pretty(&json!({
            "format_version": "1.0", "fleet": setup.desired.fleet, "agent": agent, "source": source, "path": path,
            "text": render::printed(&last),
        })))?;
        return Ok(ExitStatus::Done);
    }
    match (&mut printed, args.follow) {
        (Printed::Terminal(_), true) => {
            bail!("{agent} is in a pane: follow it with `reconcile attach {agent}`, or give it a log: log = {{}}")
        }
        (Printed::Log(path, reader), true) => {
            terminal.print(&render::printed(&last))?;
            follow(reader, &mut host, terminal).with_context(|| unreadable(path))
        }
        (Printed::Log(..) | Printed::Terminal(_), false) => {
            terminal.print(&render::printed(&last))?;
            Ok(ExitStatus::Done)
        }
    }
}

/// So much is shown where nothing else is asked for.
const LAST: Bytes = Bytes(64 << 10);
const SINCE: Bytes = Bytes(16 << 20);

/// So many of the last lines that an agent printed are evidence.
const LINES: usize = 15;

/// The log of an agent, if it has one, and what it printed last, as far as that can be read.
pub(super) fn evidence(setup: &Setup, observed: &Observed, agent: &AgentName) -> (Option<PathBuf>, Vec<String>) {
    const MOST: u64 = 16 * 1024;
    // What a terminal shows now is plainer than the bytes that it got.
    let path = |printed: &Printed| match printed {
        Printed::Log(path, _) => Some(path.clone()),
        Printed::Terminal(_) => None,
    };
    let log = Printed::by(setup, observed, agent);
    let named = log.as_ref().ok().and_then(path);
    let Ok(mut printed) = Printed::on_terminal(observed, agent).or(log) else { return (named, Vec::new()) };
    let text = match &mut printed {
        Printed::Log(_, reader) => render::printed(&reader.last_of_life(MOST).unwrap_or_default()),
        Printed::Terminal(text) => render::printed(without_death(text).as_bytes()),
    };
    // A terminal is mostly empty.
    let lines: Vec<String> = text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
    (named, lines[lines.len().saturating_sub(LINES)..].to_vec())
}

/// What an agent has printed, and where that is.
pub(super) enum Printed {
    /// A log.
    Log(PathBuf, LogReader),
    /// What a terminal shows and has shown.
    Terminal(String),
}

impl Printed {
    /// The log, as the agent was started with it or would be; else the terminal of one in a pane.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or there is none.
    pub(super) fn by(setup: &Setup, observed: &Observed, agent: &AgentName) -> Result<Self> {
        let sighting = observed.agents.get(agent);
        let applied = sighting.and_then(|sighting| sighting.spec.as_ref());
        let spec = applied.or(setup.desired.agents.get(agent).map(|declared| &declared.spec));
        let log = spec.and_then(|spec| match spec.launch.place {
            Place::Daemon { .. } => Some(&spec.care.log),
            Place::Tmux { .. } => spec.care.pane_log.as_ref(),
        });
        if let Some(log) = log {
            // The files of an instance are named as its mark names it.
            let mark = sighting.and_then(|sighting| sighting.instance.as_ref()?.mark.as_ref());
            let path = log.file.clone().unwrap_or_else(|| setup.fleet.paths().log(mark.map_or(agent, |mark| &mark.agent)));
            let reader = LogReader::open(&path).with_context(|| unreadable(&path))?;
            return Ok(Self::Log(path, reader));
        }
        Self::on_terminal(observed, agent)
    }

    /// What the terminal of an agent shows and has shown.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or there is none.
    pub(super) fn on_terminal(observed: &Observed, agent: &AgentName) -> Result<Self> {
        let sighting = observed.agents.get(agent);
        match sighting.and_then(|sighting| sighting.instance.as_ref()).and_then(|instance| terminal_text(instance, Reach::All)) {
            Some(Ok(text)) => Ok(Self::Terminal(text)),
            Some(Err(why)) => bail!("the terminal of {agent} cannot be read: {why}"),
            None => bail!("{agent} has no terminal: it was never started, or its pane was removed"),
        }
    }

    /// What was written since some time.
    fn since(&mut self, time: Timestamp, most: u64, agent: &AgentName) -> Result<Since> {
        let Self::Log(path, reader) = self else {
            bail!("{agent} has no log, and of what a terminal shows no times are known; give it one: log = {{}}");
        };
        let found = reader.since(time, most).with_context(|| unreadable(path))?;
        match found.unknown_before {
            None => Ok(found),
            Some(Some(first)) => {
                bail!("the times of this log are known only from {} on: ask for --since \"{first}\" or later", first.date_and_clock())
            }
            Some(None) => bail!("of the log {} no times are known: leave out --since", path.display()),
        }
    }

    /// The last bytes, `most` at most and from the beginning of a line if there are more.
    pub(super) fn last(&mut self, most: u64) -> Result<Vec<u8>> {
        match self {
            Self::Log(path, reader) => reader.last(most).with_context(|| unreadable(path)),
            Self::Terminal(text) => {
                let start = text.len().saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
                let rest = &text.as_bytes()[start..];
                let cut = if start > 0 { rest.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1) } else { 0 };
                Ok(rest[cut..].to_vec())
            }
        }
    }
}

fn unreadable(path: &Path) -> String {
    format!("the log {} cannot be read", path.display())
}

fn follow(reader: &mut LogReader, host: &mut Live, terminal: &Terminal) -> Result<ExitStatus> {
    host.heed(Interrupts::install().context("cannot take over the signals")?);
    // A line that is not at its end may be cut inside a letter or a sequence: it is shown once nothing more comes.
    let mut unfinished = Vec::new();
    let mut is_within_a_line = false;
    loop {
        let bytes = reader.more()?;
        let nothing_comes = bytes.is_empty();
        unfinished.extend(bytes);
        let end =
            if nothing_comes { unfinished.len() } else { unfinished.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1) };
        if end > 0 {
            // A line that is overwritten starts again below what was shown of it.
            let begins_anew = is_within_a_line && unfinished.first() == Some(&b'\r') && unfinished.get(1) != Some(&b'\n');
            if begins_anew {
                terminal.print("\n")?;
            }
            is_within_a_line = unfinished[end - 1] != b'\n';
            terminal.print(&render::printed(&unfinished.drain(..end).collect::<Vec<u8>>()))?;
        }
        if host.wait(&[], host.now() + INTERVAL) == Wake::Signal {
            return Ok(ExitStatus::Interrupted);
        }
    }
}
