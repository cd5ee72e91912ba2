//! `reconcile completions`.

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use super::terminal::Terminal;
use super::{Cli, ExitStatus};

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: Args, terminal: &Terminal) -> Result<ExitStatus> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "reconcile", &mut script);
    terminal.print(&String::from_utf8_lossy(&script))?;
    Ok(ExitStatus::Done)
}
