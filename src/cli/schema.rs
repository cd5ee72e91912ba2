//! `reconcile schema`.

use anyhow::Result;
use clap::ValueEnum;

use super::ExitStatus;
use super::terminal::Terminal;
use crate::render::json;
use crate::schema;

/// Print the JSON Schema of the manifest or of an output
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Of what
    #[arg(default_value = "manifest")]
    of: Of,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Of {
    /// The manifest.
    Manifest,
    /// `plan --json`.
    Plan,
    /// `status --json`.
    Status,
    /// A line of `apply --json` or of the journal.
    Event,
    /// The last line of `--json` where a command failed.
    Error,
}

pub(super) fn run(args: Args, terminal: &Terminal) -> Result<ExitStatus> {
    terminal.print(&match args.of {
        Of::Manifest => json::pretty(&schema::manifest()),
        Of::Plan => json::pretty(&json::plan_schema()),
        Of::Status => json::pretty(&json::status_schema()),
        Of::Event => json::pretty(&json::event_schema()),
        Of::Error => json::pretty(&json::error_schema()),
    })?;
    Ok(ExitStatus::Done)
}
