//! `reconcile man`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_mangen::Man;

use super::terminal::Terminal;
use super::{Cli, ExitStatus};

/// Print the manual page, or write the pages of all commands into a folder
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn run(args: Args, terminal: &Terminal) -> Result<ExitStatus> {
    match args.dir {
        Some(dir) => {
            clap_mangen::generate_to(Cli::command(), &dir).with_context(|| format!("cannot write manual pages into {}", dir.display()))?
        }
        None => {
            let mut page = Vec::new();
            Man::new(Cli::command()).render(&mut page)?;
            terminal.print(&String::from_utf8_lossy(&page))?;
        }
    }
    Ok(ExitStatus::Done)
}
