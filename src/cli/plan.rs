//! `reconcile plan`.

use std::path::PathBuf;

use anyhow::Result;

use super::ExitStatus;
use super::setup::Global;
use super::terminal::Terminal;
use super::terms::{Format, TermFlags};
use crate::observe::observe;
use crate::plan::{foresee, plan};
use crate::render::{self, Basis, Extent, PlanView, json};

/// Look, compare with the manifest, and show what would be done and why. Changes nothing
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The manifest
    manifest: Option<PathBuf>,
    #[command(flatten)]
    terms: TermFlags,
    /// Exit with 2 if changes are due, held or blocked
    #[arg(long)]
    detailed_exitcode: bool,
    /// How the plan is written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Plan as if the fleet belonged to this manifest
    #[arg(long)]
    moved: bool,
    /// Show everything of a long plan, and what is at rest
    #[arg(long)]
    all: bool,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let Some(setup) = global.setup(args.manifest.as_deref(), terminal)? else { return Ok(ExitStatus::Failed) };
    let desired = args.terms.desired(setup.desired.clone());
    let mut host = setup.machine()?;
    host.wait_for_secrets();
    let intent = args.terms.intent(&setup, &mut host)?;
    let seen = observe(&desired, &setup.fleet, &mut host, &intent)?;
    let mut terms = args.terms.terms(&setup.desired, &seen)?;
    terms.claimed_by = if args.moved { None } else { setup.fleet.claimed_by_another(&setup.path)? };
    let plan = plan(&desired, &seen.observed, &terms);
    let rounds = if plan.is_empty() { Vec::new() } else { foresee(&desired, &seen.observed, &terms) };
    let view = PlanView {
        manifest: &setup.manifest,
        desired: &desired,
        observed: &seen.observed,
        plan: &plan,
        rounds: &rounds,
        basis: Basis::Live,
    };
    let extent = if args.all { Extent::All } else { Extent::Readable };
    let format = if args.json { Format::Json } else { args.format };
    terminal.print(&match format {
        Format::Human => render::plan_human(&view, extent, terminal.out()),
        Format::Json => json::pretty(&json::plan_document(&view, extent)),
        Format::Markdown => render::plan_markdown(&view, extent),
    })?;
    // On a line of its own behind a plan that may be long.
    plan.broken_guards().for_each(|guard| terminal.say(&format!("{}\n", render::refusal(guard))));
    Ok(if args.detailed_exitcode && !plan.is_empty() { ExitStatus::Due } else { ExitStatus::Done })
}
