//! `reconcile start`, `stop`, `restart` and `kill`: what a person asks of single agents. It is written into their records, and from there on it is
//! true for every run, until something else is asked.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::ExitStatus;
use super::apply::{self, Output, RunFlags, Task};
use super::select::{Chosen, named, select_all, with_dependencies};
use super::setup::Global;
use super::terminal::Terminal;
use super::terms::TermFlags;
use crate::desired::{AgentName, Desired, Limit, Wish};
use crate::observe::Seen;
use crate::observed::{Observed, Request};
use crate::state::{Fleet, Record};

/// Which agents, and how.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    agents: Chosen,
    /// Interrupt agents too to which somebody is attached
    #[arg(long)]
    now: bool,
    /// Allow that a protected agent is stopped
    #[arg(long, value_name = "AGENT")]
    allow_kill: Vec<String>,
    /// Interrupt so many running agents at most, a number or a share like 30%; agents that are named one by one may always be
    #[arg(long, value_name = "N|P%")]
    max_stop: Option<Limit>,
    /// Write JSON: how the agents are in the end, as `status --json` does
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    run: RunFlags,
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

pub(super) fn run(verb: Verb, args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let order = Order { verb, agents: args.agents.patterns() };
    let terms = TermFlags::ordering(order, args.max_stop).with_now(args.now).with_allow_kill(args.allow_kill);
    let output = if args.json { Output::Document } else { Output::Human };
    apply::act(Task { manifest: None, terms, run: args.run, output }, global, terminal)
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

    /// Whether each agent is called by its name. Then that is the approval, and no guard doubts it.
    pub(super) fn names_all(&self) -> bool {
        !self.agents.iter().any(|pattern| pattern.starts_with("label:") || pattern.contains(['*', '?', '[']))
    }

    /// Whom the run is about.
    ///
    /// # Errors
    ///
    /// If an agent is not there, or is to run and not declared.
    pub(super) fn scope(&self, declared: &Desired, seen: &Seen) -> Result<BTreeSet<AgentName>> {
        let agents = self.agents(declared, &seen.observed)?;
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

    /// Notes in what was seen what is asked, and says of whom.
    ///
    /// # Errors
    ///
    /// As [`Self::scope`].
    pub(super) fn ask(&self, declared: &Desired, seen: &mut Seen) -> Result<BTreeSet<AgentName>> {
        let agents = self.agents(declared, &seen.observed)?;
        let request = match self.verb {
            Verb::Start => Request::Start,
            Verb::Restart => Request::Restart,
            Verb::Stop | Verb::Kill => Request::Stop,
        };
        for agent in &agents {
            seen.observed.agents.entry(agent.clone()).or_default().ask(request);
        }
        Ok(agents)
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

/// Writes down what is asked of agents, before anything is done for it, so that it outlives this run.
///
/// # Errors
///
/// If a record cannot be read or written.
pub(super) fn remember(fleet: &Fleet, seen: &mut Seen, asked: &BTreeSet<AgentName>) -> Result<()> {
    for agent in asked {
        let Some(sighting) = seen.observed.agents.get(agent) else { continue };
        if let Some(why) = seen.unreadable.get(agent) {
            bail!("what was asked of {agent} cannot be remembered: {why}");
        }
        let record = seen.records.entry(agent.clone()).or_insert_with(|| Record::new(agent.clone()));
        record.wanted = sighting.wanted;
        record.replace_up_to = sighting.replace_up_to;
        record.failures = sighting.failures.clone();
        fleet.write_wish(record)?;
    }
    Ok(())
}
