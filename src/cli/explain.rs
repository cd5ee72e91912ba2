//! `reconcile explain`.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::json;

use super::ExitStatus;
use super::logs;
use super::select::{meant, one};
use super::setup::Global;
use super::status::About;
use super::terminal::Terminal;
use crate::event::Event;
use crate::host::Host;
use crate::intent::Intent;
use crate::observe::observe;
use crate::plan::{Terms, foresee, plan};
use crate::render::{self, Basis, Extent, PlanView};

/// So many of its last events are told.
const EVENTS: usize = 10;

/// Tell why an agent is as it is, and what comes next, with the evidence
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The agent
    agent: String,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let Some(setup) = global.in_force(None, terminal)? else { return Ok(ExitStatus::Failed) };
    let mut host = setup.machine()?;
    let about = meant(std::slice::from_ref(&args.agent), &setup.desired, &setup.fleet, host.now())?;
    let seen = observe(&setup.desired, &setup.fleet, &mut host, &Intent::about(about))?;
    let agent = one(&args.agent, &setup.desired, &seen.observed)?;

    let only = BTreeSet::from([agent.clone()]);
    let terms = Terms { scope: Some(only.clone()), ..Terms::default() };
    let plan = plan(&setup.desired, &seen.observed, &terms);
    let rounds = if plan.is_empty() { Vec::new() } else { foresee(&setup.desired, &seen.observed, &terms) };
    let (desired, observed) = (&setup.desired, &seen.observed);
    let due = PlanView { manifest: &setup.manifest, desired, observed, plan: &plan, rounds: &rounds, basis: Basis::Live };
    let about = About::of(&only, desired, observed);
    let state = about.view(&plan, &setup.manifest);

    // What this look has found is in the journal once a run acts on it.
    let journal = setup.fleet.entries_after(0);
    if let Err(error) = &journal {
        terminal.say(&format!("warning: what happened before is not shown: {error:#}\n"));
    }
    let journal = journal.unwrap_or_default().into_iter().map(|entry| entry.event);
    let mut events: Vec<Event> = journal.chain(seen.events.iter().cloned()).collect();
    events.retain(|event| event.agent.as_ref() == Some(&agent));
    let events = &events[events.len().saturating_sub(EVENTS)..];
    let (_, printed) = logs::evidence(&setup, &seen.observed, &agent);

    if args.json {
        terminal.print(&render::json::pretty(&json!({
            "format_version": "1.0",
            "status": render::json::status_document(&state),
            "plan": render::json::plan_document(&due, Extent::Readable),
            "events": events,
            "printed": printed,
        })))?;
        return Ok(ExitStatus::Done);
    }
    let mut text = render::status_human(&state, terminal.out());
    if let Some(pid) = about.stopped(&agent) {
        text += &format!("\na signal has stopped its program (state T); continue it: kill -CONT {pid}\n");
    }
    if !plan.is_empty() {
        text += &format!("\nwhat is due\n\n{}", render::plan_human(&due, Extent::All, terminal.out()));
    }
    if !events.is_empty() {
        text += &format!("\nits last events\n{}", terminal.complete(&render::history_human(events.iter(), terminal.out())));
    }
    if !printed.is_empty() {
        text += "\nwhat it printed last\n";
        printed.iter().for_each(|line| text += &format!("  | {line}\n"));
    }
    terminal.print(&text)?;
    Ok(ExitStatus::Done)
}
