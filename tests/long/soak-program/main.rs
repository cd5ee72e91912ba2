//! A fleet on real tmux to which everything happens at once, hour after hour if you like, and the laws that hold all the same. `tests/long/soak`
//! builds this, gives it a machine of its own as far as it can, and starts it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use reconcile::time::Duration;

mod agent;
mod books;
mod commands;
mod fleet;
mod laws;
mod machine;
mod monitor;
mod soak;
mod trouble;
mod violation;

/// A soak on real tmux. Usually started by `tests/long/soak`
#[derive(Parser)]
enum Args {
    /// Runs the soak
    Run(Run),
    /// Is an agent program of the fleet, which writes down what happens to it
    Agent(agent::Args),
}

#[derive(clap::Args)]
struct Run {
    /// The program that is tried
    #[arg(long)]
    program: PathBuf,
    /// An empty folder for everything of this run
    #[arg(long)]
    place: PathBuf,
    /// How long
    #[arg(long = "for", value_name = "LENGTH", default_value = "20m")]
    length: Duration,
    /// Everything random comes from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// `PLACE/small` is a file system of its own, which may be filled
    #[arg(long)]
    small_disk: bool,
    /// This user may make namespaces, in which the fleet is looked at
    #[arg(long)]
    namespaces: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    match Args::parse() {
        Args::Agent(args) => agent::run(&args),
        Args::Run(args) => soak::run(&args),
    }
}
