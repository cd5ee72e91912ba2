//! The `reconcile` command.

use std::process::ExitCode;

use reconcile::{cli, keeper};

fn main() -> ExitCode {
    // Before anything else is set up: this is what keeps a resident keeper small.
    if let Some((label, spec)) = keeper::asked_for() {
        return ExitCode::from(keeper::keep(&label, &spec));
    }
    if let Some(settings) = keeper::writer_asked_for() {
        return ExitCode::from(keeper::write_log(&settings));
    }
    if let Some(errand) = keeper::errand_asked_for() {
        return ExitCode::from(keeper::run_errand(&errand));
    }
    cli::run()
}
