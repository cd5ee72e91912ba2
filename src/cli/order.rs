//! `reconcile start`, `stop`, `restart` and `kill`: what a person asks of single agents. It is written into their records, and from there on it is
//! true for every run, until something else is asked.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::apply::{self, Task};
use super::handed::{self, Handed};
use super::run_flags::{Output, RunFlags};
use super::select::{ALL, Chosen, named, select_all, with_dependencies};
use super::setup::Global;
use super::terminal::Terminal;
use super::terms::TermFlags;
use super::{ExitStatus, within};
use crate::desired::{AgentName, Desired, Limit, Wish, is_glob};
use crate::intent::{Intent, Request};
use crate::observe::Seen;
use crate::observed::Observed;
use crate::render::json::ErrorCode;
use crate::time::Duration;

/// Which agents, and how.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    agents: Chosen,
    /// Carry out held changes, even if that interrupts work or a person
    ///
    /// Releases changes held as attached, busy, draft, unclear, waiting or no_note. Protection, pause, halt and guards still apply.
    #[arg(long)]
    now: bool,
    /// Allow that a protected agent is stopped
    #[arg(long, value_name = "AGENT")]
    allow_kill: Vec<String>,
    /// Interrupt at most this many running agents: a number or a percentage
    #[arg(long, value_name = "N|P%")]
    max_stop: Option<Limit>,
    /// Write JSON: how the agents are in the end, as `status --json` does, and what came of it
    #[arg(long)]
    json: bool,
    /// Wait until it is done; with `false`, only begin it, and let the next run go on
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, default_missing_value = "true", num_args = 0..=1)]
    wait: bool,
    #[command(flatten)]
    run: RunFlags,
}

/// The same with what only makes sense where an instance follows.
#[derive(Debug, clap::Args)]
pub(super) struct RestartArgs {
    #[command(flatten)]
    args: Args,
    /// A note for the successor: a file, - for stdin, or NAME=FILE
    #[arg(long, value_name = "FILE|-|NAME=FILE")]
    handoff: Vec<String>,
    /// The agent that this command runs in: a helper does it as soon as that rests
    #[arg(long = "self", conflicts_with_all = ["agents", "all", "json", "handoff"])]
    this: bool,
    /// This is the helper of an agent that asked for it.
    #[arg(long, hide = true)]
    as_helper: bool,
}

/// What is asked of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// It is to run, again if it ended or was given up.
    Start,
    /// It is not to run until it is started.
    Stop,
    /// It is to run anew.
    Restart,
    /// As stopped, without being asked to leave.
    Kill,
}

/// What is asked, and of whom.
#[derive(Clone, Debug)]
pub(super) struct Order {
    verb: Verb,
    agents: Vec<String>,
}

pub(super) fn run(verb: Verb, args: &Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    carry_out(&Order { verb, agents: args.agents.patterns()? }, args, &[], global, terminal)
}

pub(super) fn restart(args: &RestartArgs, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let RestartArgs { args, handoff, this, as_helper } = args;
    if *this {
        let order = Order { verb: Verb::Restart, agents: Vec::new() };
        return within::hand_over(order.command(), &args.said(), global, terminal);
    }
    let order = Order { verb: Verb::Restart, agents: args.agents.patterns()? };
    if *as_helper {
        return help(&|timeout| apply::act(task(&order, args, &[], timeout), global, terminal), args.run.timeout());
    }
    let notes = notes(handoff, &order, global, terminal)?;
    carry_out(&order, args, &notes, global, terminal)
}

fn carry_out(order: &Order, args: &Args, notes: &[Handed], global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let timeout = if args.wait { args.run.timeout() } else { Duration::ZERO };
    let status = apply::act(task(order, args, notes, timeout), global, terminal)?;
    // What was only to be begun is begun, if it is remembered.
    let is_begun = !args.wait && !terminal.has_noted(ErrorCode::Machine);
    Ok(if is_begun && status == ExitStatus::NotAtRest { ExitStatus::Done } else { status })
}

fn task(order: &Order, args: &Args, notes: &[Handed], timeout: Duration) -> Task {
    Task {
        manifest: None,
        terms: TermFlags::ordering(order.clone(), args.max_stop).with_now(args.now).with_allow_kill(args.allow_kill.clone()),
        run: args.run.with_timeout(timeout),
        output: if args.json { Output::Document } else { Output::Human },
        notes: notes.to_vec(),
    }
}

impl Args {
    /// What was said, but for whom it is about, in the words in which a helper is told the same.
    fn said(&self) -> Vec<String> {
        let mut words = self.run.said();
        words.extend(self.now.then(|| "--now".to_owned()));
        words.extend(self.allow_kill.iter().map(|agent| format!("--allow-kill={agent}")));
        words.extend(self.max_stop.map(|limit| format!("--max-stop={limit}")));
        words
    }
}

/// The pause between two attempts of a helper.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

/// Tries until it is done: the agent that asked for it is at work just then.
fn help(attempt: &dyn Fn(Duration) -> Result<ExitStatus>, timeout: Duration) -> Result<ExitStatus> {
    within::be_a_helper();
    let deadline = std::time::Instant::now() + timeout.std();
    loop {
        let rest = deadline.saturating_duration_since(std::time::Instant::now());
        let status = attempt(Duration::from_millis(u64::try_from(rest.as_millis()).unwrap_or(u64::MAX)))?;
        if !matches!(status, ExitStatus::NotAtRest | ExitStatus::Locked) || rest.is_zero() {
            return Ok(status);
        }
        std::thread::sleep(AGAIN.min(rest));
    }
}

/// The notes for successors, read before anything is done.
fn notes(written: &[String], order: &Order, global: &Global, terminal: &Terminal) -> Result<Vec<Handed>> {
    if written.is_empty() {
        return Ok(Vec::new());
    }
    let Some(setup) = global.in_force(None, terminal)? else { bail!("the manifest is not valid") };
    let read = |note: &String| {
        let (agent, path) = match (note.split_once('='), &order.agents[..]) {
            (Some((agent, path)), _) => (agent, path),
            (None, [only]) if order.names_all() => (only.as_str(), note.as_str()),
            (None, _) => bail!("whose note is {note}? Where several agents are meant, write it as NAME={note}"),
        };
        let agent = named(agent, &setup.desired)?;
        handed::read(agent, path, terminal)
    };
    let notes: Result<Vec<Option<Handed>>> = written.iter().map(read).collect();
    Ok(notes?.into_iter().flatten().collect())
}

impl Order {
    /// The name of the command.
    pub(super) fn command(&self) -> &'static str {
        match self.verb {
            Verb::Start => "start",
            Verb::Stop => "stop",
            Verb::Restart => "restart",
            Verb::Kill => "kill",
        }
    }

    /// Whether programs may be started, and not only ended.
    pub(super) fn may_start(&self) -> bool {
        match self.verb {
            Verb::Start | Verb::Restart => true,
            Verb::Stop | Verb::Kill => false,
        }
    }

    /// Whether agents are ended by it and none is started.
    pub(super) fn only_ends(&self) -> bool {
        match self.verb {
            Verb::Stop | Verb::Kill => true,
            Verb::Start | Verb::Restart => false,
        }
    }

    /// Whether each agent is called by its name. Then that is the approval, and no guard doubts it.
    pub(super) fn names_all(&self) -> bool {
        !self.agents.iter().any(|pattern| pattern.starts_with("label:") || is_glob(pattern))
    }

    /// Whether it says how many it is about: then no guard doubts that.
    pub(super) fn names_its_number(&self) -> bool {
        self.names_all() || self.agents == [ALL]
    }

    /// Whom the run is about.
    ///
    /// # Errors
    ///
    /// If an agent is not there, or is to run and not declared.
    pub(super) fn scope(&self, declared: &Desired, observed: &Observed) -> Result<BTreeSet<AgentName>> {
        let agents = self.agents(declared, observed)?;
        Ok(if self.verb == Verb::Start { with_dependencies(agents, declared) } else { agents })
    }

    /// Who is killed without being asked.
    ///
    /// # Errors
    ///
    /// As [`Self::scope`].
    pub(super) fn killed(&self, declared: &Desired, seen: &Seen) -> Result<BTreeSet<AgentName>> {
        if self.verb == Verb::Kill { self.agents(declared, &seen.observed) } else { Ok(BTreeSet::new()) }
    }

    /// What is asked, and of which agents.
    ///
    /// # Errors
    ///
    /// As [`Self::scope`].
    pub(super) fn intent(&self, declared: &Desired, observed: &Observed) -> Result<Intent> {
        let request = match self.verb {
            Verb::Start => Request::Start,
            Verb::Restart => Request::Restart,
            Verb::Stop | Verb::Kill => Request::Stop,
        };
        Ok(Intent::of(request, &self.agents(declared, observed)?))
    }

    /// Of whom it is asked.
    ///
    /// # Errors
    ///
    /// As [`Self::scope`].
    pub(super) fn agents(&self, declared: &Desired, observed: &Observed) -> Result<BTreeSet<AgentName>> {
        let found = select_all(&self.agents, declared, observed)?;
        if matches!(self.verb, Verb::Stop | Verb::Kill) {
            return Ok(found);
        }
        // What the manifest does not declare would be stopped by a run that is about it.
        for name in self.agents.iter().filter(|pattern| found.contains(pattern.as_str())) {
            if let Err(error) = named(name, declared) {
                bail!("{error} in the manifest; what is not declared there can be stopped, not started");
            }
        }
        let was_stopped = |agent: &AgentName| observed.agents.get(agent).is_some_and(|sighting| sighting.wanted == Wish::Stopped);
        // Who was stopped by name is not started by being one of many.
        let meant = |agent: &AgentName| self.verb == Verb::Start || self.names_all() || !was_stopped(agent);
        Ok(found.into_iter().filter(|agent| declared.agents.contains_key(agent) && meant(agent)).collect())
    }
}
