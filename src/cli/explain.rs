//! `reconcile explain`.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::json;

use super::ExitStatus;
use super::logs::Printed;
use super::select::one;
use super::setup::{Global, Setup};
use super::status::About;
use super::terminal::Terminal;
use crate::desired::AgentName;
use crate::event::Event;
use crate::observe::{Seen, observe};
use crate::plan::{Terms, foresee, plan};
use crate::render::{self, Basis, Extent, PlanView};

/// So many of its last events are told.
const EVENTS: usize = 10;

/// So many of the last lines that it printed are shown.
const LINES: usize = 15;

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
    let Some(setup) = global.setup(None, terminal)? else { return Ok(ExitStatus::Failed) };
    let seen = observe(&setup.desired, &setup.fleet, &mut setup.machine()?)?;
    let agent = one(&args.agent, &setup.desired, &seen.observed)?;

    let only = BTreeSet::from([agent.clone()]);
    let terms = Terms { scope: Some(only.clone()), ..Terms::default() };
    let plan = plan(&setup.desired, &seen.observed, &terms);
    let rounds = if plan.is_empty() { Vec::new() } else { foresee(&setup.desired, &seen.observed, &terms) };
    let (desired, observed) = (&setup.desired, &seen.observed);
    let due = PlanView { manifest: &setup.manifest, desired, observed, plan: &plan, rounds: &rounds, basis: Basis::Live };
    let about = About::of(&only, desired, observed);
    let state = about.view(&plan);

    // What this look has found is in the journal once a run acts on it.
    let journal = setup.fleet.entries_after(0)?.into_iter().map(|entry| entry.event);
    let mut events: Vec<Event> = journal.chain(seen.events.iter().cloned()).collect();
    events.retain(|event| event.agent.as_ref() == Some(&agent));
    let events = &events[events.len().saturating_sub(EVENTS)..];
    let printed = last_lines(&setup, &seen, &agent);

    if args.json {
        terminal.print(&render::json::pretty(&json!({
            "format_version": "1.0",
            "status": render::json::status_document(&state),
            "plan": render::json::plan_document(&due, Extent::All),
            "events": events,
            "printed": printed,
        })))?;
        return Ok(ExitStatus::Done);
    }
    let mut text = render::status_human(&state, terminal.out());
    if !plan.is_empty() {
        text += &format!("\nwhat is due\n\n{}", render::plan_human(&due, Extent::All, terminal.out()));
    }
    if !events.is_empty() {
        text += &format!("\nits last events\n{}", render::history_human(events.iter(), terminal.out()));
    }
    if !printed.is_empty() {
        text += "\nwhat it printed last\n";
        printed.iter().for_each(|line| text += &format!("  | {line}\n"));
    }
    terminal.print(&text)?;
    Ok(ExitStatus::Done)
}

/// What it printed last, as far as that can be read: here it is only evidence.
fn last_lines(setup: &Setup, seen: &Seen, agent: &AgentName) -> Vec<String> {
    const MOST: u64 = 16 * 1024;
    let bytes = Printed::on_terminal(seen, agent)
        .or_else(|_| Printed::by(setup, seen, agent))
        .and_then(|mut printed| printed.last(MOST))
        .unwrap_or_default();
    let text = render::printed(&bytes);
    // A terminal is mostly empty.
    let lines: Vec<String> = text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
    lines[lines.len().saturating_sub(LINES)..].to_vec()
}
