//! `reconcile pause`, `resume` and `halt`: what people want to be left alone.

use anyhow::{Result, anyhow, bail};

use super::ExitStatus;
use super::moment::Moment;
use super::outcome::say_what_is_lost;
use super::select::{Chosen, select_all};
use super::setup::{Global, Setup};
use super::terminal::Terminal;
use crate::desired::AgentName;
use crate::event::{Event, What};
use crate::host::{Act, Host, Live, Outcome};
use crate::intent::Intent;
use crate::observe::{Seen, observe};
use crate::observed::{Halt, Instance, Pause, Phase};
use crate::state::{Record, Unremembered};
use crate::time::{Duration, Timestamp};

mod stopped;

/// Leave agents alone until they are resumed: nothing is started, stopped, changed or delivered
#[derive(Debug, clap::Args)]
pub(super) struct PauseArgs {
    #[command(flatten)]
    agents: Chosen,
    /// Until then: a duration like 2h, or a time like 2026-11-20T14:00:00Z
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    #[command(flatten)]
    how: How,
}

/// Leave agents alone no more; without a name, end the halt of the whole fleet
#[derive(Debug, clap::Args)]
pub(super) struct ResumeArgs {
    /// The agents: names, globs or label:key=value
    #[arg(value_name = "AGENT")]
    agents: Vec<String>,
    #[command(flatten)]
    how: How,
}

/// Leave the whole fleet alone until it is resumed
#[derive(Debug, clap::Args)]
pub(super) struct HaltArgs {
    /// Stop all processes of the agents where they are (SIGSTOP), until the fleet is resumed
    #[arg(long)]
    freeze: bool,
    #[command(flatten)]
    how: How,
}

/// Flags of all three.
#[derive(Debug, clap::Args)]
struct How {
    /// Reason to record in the history and the status
    #[arg(short = 'm', long, value_name = "TEXT")]
    message: Option<String>,
    /// Wait so long for another run of this fleet to end
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    lock_timeout: Duration,
}

pub(super) fn pause(args: PauseArgs, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    with_lock("pause", &args.how, global, terminal, |setup, host| {
        let now = host.now();
        let until = args.until.map(|until| until.after(now));
        if until.is_some_and(|until| until <= now) {
            bail!("the pause would be over before it began");
        }
        let (seen, agents) = chosen(&args.agents.patterns()?, setup, host)?;
        for agent in &agents {
            let pause = Pause { since: now, until, why: args.how.message.clone() };
            write(&seen, setup, agent, |record| record.paused = Some(pause))?;
        }
        let until = until.map(|until| format!(" until {}", until.date_and_clock())).unwrap_or_default();
        note(setup, &each(&agents), now, &format!("paused{until}"), args.how.message.as_deref())?;
        terminal.say(&format!("Paused{until}: {}\n", listed(&agents)));
        Ok(ExitStatus::Done)
    })
}

pub(super) fn resume(args: ResumeArgs, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    with_lock("resume", &args.how, global, terminal, |setup, host| {
        let now = host.now();
        if args.agents.is_empty() {
            return end_halt(setup, host, args.how.message.as_deref(), terminal);
        }
        let (seen, named) = chosen(&args.agents, setup, host)?;
        let paused = |agent: &&AgentName| seen.records.get(*agent).is_some_and(|record| record.paused.is_some());
        let agents: Vec<AgentName> = named.iter().filter(paused).cloned().collect();
        for agent in &agents {
            write(&seen, setup, agent, |record| record.paused = None)?;
        }
        note(setup, &each(&agents), now, "resumed", args.how.message.as_deref())?;
        let stopped: Vec<AgentName> = named.into_iter().filter(|agent| stopped::is_stopped(&seen, agent)).collect();
        let is_frozen = seen.observed.halted.as_ref().is_some_and(|halt| halt.frozen);
        let going = if is_frozen { Vec::new() } else { stopped::set_going(setup, host, &seen, &stopped, terminal)? };
        terminal.say(&match (agents.is_empty(), going.is_empty()) {
            (true, true) => "None of them was paused.\n".to_owned(),
            (false, true) => format!("Resumed: {}\n", listed(&agents)),
            (true, false) => format!("Set going: {}\n", listed(&going)),
            (false, false) => format!("Resumed: {}. Set going: {}\n", listed(&agents), listed(&going)),
        });
        Ok(if going.len() < stopped.len() && !is_frozen { ExitStatus::NotAtRest } else { ExitStatus::Done })
    })
}

pub(super) fn halt(args: HaltArgs, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    with_lock("halt", &args.how, global, terminal, |setup, host| {
        let now = host.now();
        // First the word, then the deed: who comes in between leaves alone what is being stopped.
        let halted = setup.fleet.halt(Halt { since: now, why: args.how.message.clone(), frozen: args.freeze, doubt: None });
        let halted = setup.fleet.or_noted(Unremembered::Halt, halted);
        note(setup, &[None], now, if args.freeze { "halted and frozen" } else { "halted" }, args.how.message.as_deref())?;
        terminal.say(match (halted, args.freeze) {
            (Some(()), _) => "The fleet is halted: nothing is done until it is resumed.\n",
            (None, false) => "The fleet is not halted, because that cannot be recorded. Nothing is started while that lasts.\n",
            (None, true) => {
                "The fleet is stopped but not halted, because that cannot be recorded: other runs may act on it. Once there is room, run this again; \
                 after that, `reconcile resume` continues it.\n"
            }
        });
        if !args.freeze {
            return Ok(ExitStatus::Done);
        }
        Ok(match all_of_them(setup, host, terminal, "stopped", |only| Act::Freeze { only })? {
            Extent::All => ExitStatus::Done,
            Extent::Some => ExitStatus::NotAtRest,
        })
    })
}

fn end_halt(setup: &Setup, host: &mut Live, why: Option<&str>, terminal: &Terminal) -> Result<ExitStatus> {
    let Some(halt) = setup.fleet.halted()? else { return stopped::end_freeze(setup, host, why, terminal) };
    if halt.frozen {
        if all_of_them(setup, host, terminal, "set going", |only| Act::Thaw { only })? == Extent::Some {
            terminal.say("The fleet stays halted, because some of it may still be stopped. Once that is fixed, run `reconcile resume`\n");
            return Ok(ExitStatus::NotAtRest);
        }
        setup.fleet.count_anew(host.now())?;
    }
    setup.fleet.end_halt()?;
    note(setup, &[None], host.now(), "resumed", why)?;
    terminal.say("The fleet is resumed.\n");
    Ok(ExitStatus::Done)
}

/// To how many of those who live something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    All,
    Some,
}

/// Does the same to every instance that lives, and names those to which it could not be done.
fn all_of_them(setup: &Setup, host: &mut Live, terminal: &Terminal, done: &str, act: impl Fn(Instance) -> Act) -> Result<Extent> {
    let seen = observe(&setup.desired, &setup.fleet, host, &Intent::only_look())?;
    let mut extent = Extent::All;
    let mut missed = |name: &AgentName, why: &str| {
        extent = Extent::Some;
        terminal.error(&anyhow!("{name} was not {done}: {why}"));
    };
    let (mut names, mut batch) = (Vec::new(), Vec::new());
    for (name, sighting) in seen.observed.agents.iter().filter(|(_, sighting)| !sighting.released) {
        match (&sighting.phase, &sighting.instance) {
            (Phase::Running { .. } | Phase::Leaving(_), Some(instance)) => {
                names.push(name);
                batch.push(act(instance.clone()));
            }
            // Of one that has ended, there is nothing left to look at.
            (Phase::Unknown { .. }, _) if seen.records.get(name).is_some_and(|record| record.ended.is_some()) => {}
            (Phase::Unknown { why }, _) => missed(name, &format!("it cannot be looked at: {why}")),
            (Phase::Running { .. } | Phase::Leaving(_) | Phase::Absent | Phase::Exited(_), _) => {}
        }
    }
    for (name, outcome) in names.into_iter().zip(host.act(&batch)) {
        match outcome {
            Outcome::Done | Outcome::Skipped => {}
            Outcome::Refused(why) | Outcome::Failed(why) | Outcome::Hindered(why) | Outcome::Unknown(why) => missed(name, &why),
        }
    }
    Ok(extent)
}

fn with_lock(
    command: &str,
    how: &How,
    global: &Global,
    terminal: &Terminal,
    work: impl FnOnce(&Setup, &mut Live) -> Result<ExitStatus>,
) -> Result<ExitStatus> {
    let Some(setup) = global.in_force(None, terminal)? else { return Ok(ExitStatus::Failed) };
    let _lock = match setup.lock(command, how.lock_timeout, false, terminal)? {
        Ok(lock) => lock,
        Err(status) => return Ok(status),
    };
    setup.fleet.or_noted(Unremembered::Run, setup.fleet.prepare());
    let status = work(&setup, &mut setup.machine()?);
    setup.wake_watcher();
    Ok(say_what_is_lost(&setup.fleet, status?, terminal))
}

fn chosen(patterns: &[String], setup: &Setup, host: &mut Live) -> Result<(Seen, Vec<AgentName>)> {
    let seen = observe(&setup.desired, &setup.fleet, host, &Intent::only_look())?;
    let agents = select_all(patterns, &setup.desired, &seen.observed)?.into_iter().collect();
    Ok((seen, agents))
}

fn write(seen: &Seen, setup: &Setup, agent: &AgentName, change: impl FnOnce(&mut Record)) -> Result<()> {
    // What was learned just now is written by who also tells it.
    let mut record = match setup.fleet.record(agent)? {
        Some(Ok(record)) => record,
        Some(Err(why)) => bail!("what is asked of {agent} cannot be remembered: {why}"),
        None => seen.records.get(agent).cloned().unwrap_or_else(|| Record::new(agent.clone())),
    };
    change(&mut record);
    setup.fleet.write_wish(&record)
}

/// Writes into the journal what a person wants of these, of the whole fleet where that is none.
fn note(setup: &Setup, agents: &[Option<AgentName>], at: Timestamp, what: &str, why: Option<&str>) -> Result<()> {
    let why = why.map_or_else(|| what.to_owned(), |why| format!("{what}: {why}"));
    let event = |agent: &Option<AgentName>| Event {
        at,
        agent: agent.clone(),
        generation: None,
        what: What::Requested,
        reason: None,
        why: why.clone(),
    };
    let events: Vec<Event> = agents.iter().map(event).collect();
    setup.fleet.tell(&mut setup.fleet.journal()?, &events);
    Ok(())
}

fn each(agents: &[AgentName]) -> Vec<Option<AgentName>> {
    agents.iter().cloned().map(Some).collect()
}

fn listed(agents: &[AgentName]) -> String {
    agents.iter().map(AgentName::as_str).collect::<Vec<_>>().join(", ")
}
