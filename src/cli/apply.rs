//! `reconcile apply`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::error::coded;
use super::handed::Handed;
use super::order::Order;
use super::outcome::{Account, note_rest, say_what_is_lost};
use super::progress::{Lines, Progress};
use super::run_flags::{EventFlags, Output, RunFlags};
use super::setup::{Global, Setup};
use super::status::About;
use super::terminal::Terminal;
use super::terms::TermFlags;
use super::{ExitStatus, logs, within};
use crate::converge::{Begin, Converged, Ending, Turns, converge, note, take_requests, write_down};
use crate::desired::{AgentName, Desired};
use crate::event::{Event, What};
use crate::host::{Host, Interrupts, Live, now};
use crate::observe::{Seen, observe};
use crate::observed::Observed;
use crate::plan::{GuardName, Plan, Terms, foresee, plan};
use crate::quit;
use crate::render::json::ErrorCode;
use crate::render::{self, Basis, Extent, PlanView, json};
use crate::state::Unremembered;
use crate::state::handoff::NoteId;
use crate::time::{Duration, Timestamp};

mod claim;
mod notes;
mod share;

use share::is_idle;

/// Plan, show, ask, and act until everything is as declared
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The manifest
    pub(super) manifest: Option<PathBuf>,
    #[command(flatten)]
    terms: TermFlags,
    #[command(flatten)]
    events: EventFlags,
    #[command(flatten)]
    run: RunFlags,
}

/// What a command that acts is asked to do.
pub(super) struct Task {
    /// The manifest as it was named.
    pub(super) manifest: Option<PathBuf>,
    /// What the run may do.
    pub(super) terms: TermFlags,
    /// How it goes about it.
    pub(super) run: RunFlags,
    /// What goes to stdout.
    pub(super) output: Output,
    /// Notes for the successors of agents that are replaced.
    pub(super) notes: Vec<Handed>,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let output = args.events.output();
    act(Task { manifest: args.manifest, terms: args.terms, run: args.run, output, notes: Vec::new() }, global, terminal)
}

/// Plans, shows, asks and acts.
pub(super) fn act(args: Task, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    terminal.begin_anew();
    let account = |fleet| Account::new(fleet, args.terms.command(), args.run.timeout());
    let manifest = args.manifest.as_deref();
    // To end agents, or to start again what ran, must be possible while the manifest is being edited.
    let setup = if args.terms.needs_its_manifest() { global.setup(manifest, terminal)? } else { global.in_force(manifest, terminal)? };
    let Some(setup) = setup else {
        let fleet = global.fleet_of(args.manifest.as_deref());
        fleet.into_iter().for_each(|fleet| account(fleet).close(&Ok(ExitStatus::Failed), terminal));
        return Ok(ExitStatus::Failed);
    };
    let mut account = account(setup.fleet.clone());
    let result = act_alone(&args, &setup, terminal, &mut account);
    account.close(&result, terminal);
    result
}

/// The same under the lock of the fleet.
fn act_alone(args: &Task, setup: &Setup, terminal: &Terminal, account: &mut Account) -> Result<ExitStatus> {
    if args.terms.may_start() && setup.is_refused(terminal) {
        return Ok(ExitStatus::Refused);
    }
    let command = args.terms.command();
    let (timeout, patience) = (args.run.timeout, args.run.lock.lock_timeout);
    let limit =
        |time: Duration| quit::within(if timeout == Duration::ZERO { timeout } else { time }.std(), ExitStatus::NotAtRest.code().into());
    // To wait for another command is no part of it, where that was said.
    limit(timeout + patience);
    let mut host = setup.own_machine()?;
    // An answer that comes later ends a wait.
    host.attend(&BTreeSet::new(), &BTreeSet::new());
    let begun = now();
    match args.terms.may_start() {
        true => args.terms.await_secrets(setup, &mut host)?,
        false => host.be_quick(),
    }
    let asked = now();
    let lock = match args.run.lock.take(command, setup, terminal)? {
        Ok(lock) => lock,
        Err(status) => return Ok(status),
    };
    let begun = begun + now().since(asked).min(patience);
    let turns = Turns::of(command, lock);
    // What is to be asked takes the time of a person, which is no part of it.
    limit((begun + timeout).since(now()).max(Duration::from_millis(1)));
    let status = Run { args, setup, terminal, host, begun, account, laid_down: Vec::new(), turns }.run();
    setup.wake_watcher();
    Ok(say_what_is_lost(&setup.fleet, status?, terminal))
}

struct Run<'a> {
    args: &'a Task,
    setup: &'a Setup,
    terminal: &'a Terminal,
    host: Live,
    begun: Timestamp,
    account: &'a mut Account,
    /// The notes that are put aside, and their ids.
    laid_down: Vec<(&'a Handed, NoteId)>,
    /// The fleet's lock, which is held but for what takes long.
    turns: Turns,
}

impl Run<'_> {
    fn run(mut self) -> Result<ExitStatus> {
        let status = self.work();
        self.consume_notes();
        status
    }

    fn work(&mut self) -> Result<ExitStatus> {
        let desired = self.args.terms.desired(self.setup.desired.clone());
        let fleet = &self.setup.fleet;
        self.forgive(Unremembered::Run, fleet.prepare())?;
        let mut journal = fleet.journal()?;
        let taken = take_requests(&self.setup.desired, fleet, &mut self.host, &mut |event| {
            fleet.tell(&mut journal, &[event]);
            Ok(())
        });
        fleet.or_noted(Unremembered::Requests, taken);
        drop(journal);
        let mut intent = self.args.terms.intent(self.setup, &mut self.host)?;
        for note in &self.args.notes {
            intent.notes.entry(note.agent.clone()).or_default().push(note.text.len() as u64);
        }
        let (mut seen, mut terms, plan) = loop {
            let mut seen = observe(&desired, &self.setup.fleet, &mut self.host, &intent)?;
            if self.args.run.lock.take_over && self.setup.take_over(&seen.observed)? {
                seen = observe(&desired, &self.setup.fleet, &mut self.host, &intent)?;
            }
            let terms = self.args.terms.terms(&self.setup.desired, &seen)?;
            let plan = plan(&desired, &seen.observed, &terms);
            // What another command is at work on is looked at again once that has ended.
            if !self.has_to_share(&plan) || !self.waits_for_others(&terms)? {
                break (seen, terms, plan);
            }
        };
        self.show(&desired, &seen, &plan, &terms, Extent::Readable)?;
        let hopeless = plan.hopeless();
        let intent = intent.without_replacements(&hopeless);
        let named = self.args.terms.order().is_some_and(Order::names_all);
        let refused = plan.broken_guards().next().is_some();
        if refused {
            plan.broken_guards().for_each(|guard| self.terminal.error(&coded(ErrorCode::Guard, render::refusal(guard))));
            // Whose the agents are is no question of how many.
            let is_owned = plan.broken_guards().any(|guard| matches!(guard.name, GuardName::StateFolder | GuardName::Moved));
            if is_owned || self.args.run.auto_approve || self.args.output != Output::Human || !self.terminal.can_ask() {
                return Ok(ExitStatus::Refused);
            }
            // The answer to the question is about this plan, which says how many it interrupts.
            terms.go_beyond_guards();
        }
        let approved = !refused && (self.args.run.auto_approve || named || !plan.needs_approval(&seen.observed));
        if is_idle(&plan) {
            // Where nothing is to be done, nothing needs an approval; what was asked is true from here on.
            write_down(&self.setup.fleet, &mut seen, &intent)?;
            note(&mut seen, &self.setup.fleet)?;
            self.lay_down_notes(&hopeless)?;
            self.note_message()?;
            self.claim(&desired)?;
            self.release(plan.is_empty())?;
            let ending = if plan.is_empty() { Ending::AtRest } else { Ending::Stuck };
            let status = exit_status(&ending);
            let rest = remainder(&ending, self.args.run.timeout);
            note_rest(&ending, &rest, &plan, &desired, &seen.observed, (self.setup, self.terminal));
            return self.document(&seen.observed, &plan, &[], status);
        }
        let own = within::agent_of(&desired.fleet);
        let helps = if own.is_some() { ", or have it done by a helper: `reconcile restart --self`" } else { "" };
        let own = own.or_else(|| within::adopted_above(&seen.observed));
        if let Some(agent) = own.filter(|agent| plan.interrupted().contains(agent)) {
            let why = format!("this command is a part of {agent}, which it would end: nothing was done. Run it outside{helps}");
            self.terminal.error(&coded(ErrorCode::InsideAgent, why));
            return Ok(ExitStatus::Refused);
        }
        let hold = match self.hold(&terms)? {
            Ok(hold) => hold,
            Err(other) => {
                let why = format!("{other}; nothing was done. Wait for it with --lock-timeout 60s, or name other agents");
                self.terminal.error(&coded(ErrorCode::Locked, why));
                return Ok(ExitStatus::Locked);
            }
        };
        if !approved {
            if let Some(status) = self.ask_for_approval(&desired, &seen, &plan, &terms)? {
                return Ok(status);
            }
            seen = observe(&desired, &self.setup.fleet, &mut self.host, &intent)?;
        }
        // Not before the question: there, Ctrl-C is an answer.
        self.host.heed(Interrupts::install().context("cannot take over the signals")?);
        // What was shown is what may be interrupted, whatever has happened since.
        terms.shown = Some(plan.interrupted());
        write_down(&self.setup.fleet, &mut seen, &intent)?;
        self.lay_down_notes(&hopeless)?;
        self.claim(&desired)?;
        self.note_message()?;
        let status = self.act(&desired, &terms, &plan, Some(seen));
        drop(hold);
        status
    }

    /// Why this run is, for the history.
    fn note_message(&self) -> Result<()> {
        let Some(message) = self.args.run.message.clone() else { return Ok(()) };
        let event = Event { at: self.host.now(), agent: None, generation: None, what: What::Began, reason: None, why: message };
        let fleet = &self.setup.fleet;
        fleet.tell(&mut fleet.journal()?, &[event]);
        Ok(())
    }

    fn show(&self, desired: &Desired, seen: &Seen, plan: &Plan, terms: &Terms, extent: Extent) -> Result<()> {
        if self.args.output != Output::Human {
            return Ok(());
        }
        let rounds = if plan.is_empty() { Vec::new() } else { foresee(desired, &seen.observed, terms) };
        let manifest = &self.setup.manifest;
        let view = PlanView { manifest, desired, observed: &seen.observed, plan, rounds: &rounds, basis: Basis::Live };
        self.terminal.print(&render::plan_human(&view, extent, self.terminal.out()))
    }

    /// How the agents are that the run was about, and what came of it, if that is what is to be written. Returns the exit status that it tells.
    fn document(&self, observed: &Observed, plan: &Plan, events: &[Event], status: ExitStatus) -> Result<ExitStatus> {
        if self.args.output != Output::Document {
            return Ok(status);
        }
        let status = say_what_is_lost(&self.setup.fleet, status, self.terminal);
        let agents = match self.args.terms.order() {
            Some(order) => order.agents(&self.setup.desired, observed)?,
            // Those that are gone have a result too.
            None => observed.agents.keys().chain(events.iter().filter_map(|event| event.agent.as_ref())).cloned().collect(),
        };
        let desired = self.args.terms.desired(self.setup.desired.clone());
        let about = About::of(&agents, &desired, observed);
        let outcome = |agent: &AgentName| {
            let (log, lines) = logs::evidence(self.setup, observed, agent);
            render::outcome_document(agent, events, log.as_deref(), &lines)
        };
        let outcomes: Vec<_> = agents.iter().map(outcome).collect();
        let mut document = serde_json::to_value(json::status_document(&about.view(plan, &self.setup.manifest)))?;
        if let Some(fields) = document.as_object_mut() {
            fields.insert("outcomes".to_owned(), outcomes.into());
            // A run that does not wait reports nothing of what is left.
            let error = self.terminal.tell_in_document(status).filter(|_| self.args.run.timeout > Duration::ZERO);
            fields.insert("error".to_owned(), serde_json::to_value(error)?);
        }
        self.terminal.print(&json::pretty(&document))?;
        Ok(status)
    }

    /// Asks while others have the lock. Returns how the run ends if it goes no further.
    fn ask_for_approval(&mut self, desired: &Desired, seen: &Seen, plan: &Plan, terms: &Terms) -> Result<Option<ExitStatus>> {
        self.turns.release(&self.setup.fleet)?;
        if !self.approved(desired, seen, plan, terms)? {
            return Ok(Some(ExitStatus::Refused));
        }
        Ok(match self.turns.resume(&self.setup.fleet, &mut self.host)? {
            // Another manifest may have been applied meanwhile.
            None if !self.args.run.lock.moved && self.setup.is_anothers(self.terminal)? => Some(ExitStatus::Refused),
            None => None,
            Some(Ending::Interrupted) => Some(ExitStatus::Interrupted),
            Some(_) => {
                let why = "other commands held the lock of the fleet for 30 s after the answer; nothing was done. Run it again";
                self.terminal.error(&coded(ErrorCode::Locked, why));
                Some(ExitStatus::Locked)
            }
        })
    }

    fn approved(&mut self, desired: &Desired, seen: &Seen, plan: &Plan, terms: &Terms) -> Result<bool> {
        quit::within(std::time::Duration::ZERO, 0);
        let is_approved = self.ask(desired, seen, plan, terms)?;
        quit::within(self.args.run.timeout.std(), i32::from(ExitStatus::NotAtRest.code()));
        self.begun = now();
        Ok(is_approved)
    }

    fn ask(&self, desired: &Desired, seen: &Seen, plan: &Plan, terms: &Terms) -> Result<bool> {
        if !self.terminal.can_ask() {
            let why = "not a terminal, so approval cannot be asked; nothing was done. Pass --auto-approve";
            self.terminal.error(&coded(ErrorCode::ApprovalNeeded, why));
            return Ok(false);
        }
        let question = match plan.broken_guards().next() {
            None => "\nApply this plan? yes / no / details: ",
            Some(_) => "\nApply this plan anyway? yes / no / details: ",
        };
        loop {
            match self.terminal.ask(question)?.as_deref() {
                Some("yes") => return Ok(true),
                Some("details") => self.show(desired, seen, plan, terms, Extent::All)?,
                Some("no" | "n") | None => {
                    self.terminal.say("Nothing was done.\n");
                    return Ok(false);
                }
                Some(_) => self.terminal.say("Only `yes` is taken for an approval.\n"),
            }
        }
    }

    fn act(&mut self, desired: &Desired, terms: &Terms, plan: &Plan, first: Option<Seen>) -> Result<ExitStatus> {
        let fleet = &self.setup.fleet;
        let lines = if self.args.output == Output::Events { Lines::Json } else { Lines::Human };
        let file = fleet.or_noted(Unremembered::Run, self.account.file());
        let mut progress = Progress::new(self.terminal, lines, plan, terms.scope.as_ref(), file);
        let deadline = self.begun + self.args.run.timeout;
        let result = converge(desired, fleet, &mut self.host, Begin { terms, deadline, first }, &mut progress, &mut self.turns);
        let (counts, events) = progress.finish();
        let converged = result?;
        let Converged { ending, plan, observed, .. } = &converged;
        let status = exit_status(ending);
        self.release(status == ExitStatus::Done)?;
        let rest = remainder(ending, self.args.run.timeout);
        note_rest(ending, &rest, plan, desired, observed, (self.setup, self.terminal));
        let status = self.document(observed, plan, &events, status)?;
        if self.args.output != Output::Human {
            return Ok(status);
        }
        if status != ExitStatus::Done {
            let view = PlanView {
                manifest: &self.setup.manifest,
                desired,
                observed: &converged.observed,
                plan: &converged.plan,
                rounds: &[],
                basis: Basis::Live,
            };
            self.terminal.print(&format!("\n{rest}\n\n{}", render::plan_listing(&view, self.terminal.out())))?;
        }
        let counts: Vec<String> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
        let at_rest = converged.plan.at_rest;
        self.terminal.print(&format!(
            "\n{}. {at_rest} at rest.\n",
            if counts.is_empty() { "Nothing was done".to_owned() } else { counts.join(", ") }
        ))?;
        if let Ending::Refused(guards) = &converged.ending {
            guards.iter().for_each(|guard| self.terminal.error(&coded(ErrorCode::Guard, render::refusal(guard))));
        }
        Ok(status)
    }
}

fn exit_status(ending: &Ending) -> ExitStatus {
    match ending {
        Ending::AtRest => ExitStatus::Done,
        Ending::Stuck | Ending::TimedOut => ExitStatus::NotAtRest,
        Ending::Interrupted => ExitStatus::Interrupted,
        Ending::Refused(_) => ExitStatus::Refused,
    }
}

/// Why it is not at rest, in a sentence; nothing if it is.
fn remainder(ending: &Ending, timeout: Duration) -> String {
    match ending {
        Ending::AtRest => String::new(),
        Ending::Stuck => "Not at rest: what is left is held or blocked.".to_owned(),
        Ending::TimedOut => format!("Not at rest after {timeout}; what was begun goes on with the next apply."),
        Ending::Interrupted => "Interrupted; what was begun goes on with the next apply.".to_owned(),
        Ending::Refused(guards) => {
            let names: Vec<&str> = guards.iter().map(|guard| guard.name.as_str()).collect();
            format!("Refused to go on by {}.", names.join(" and "))
        }
    }
}
