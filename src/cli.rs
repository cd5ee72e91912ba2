//! The command line: arguments, dispatch and exit codes. Decides nothing about agents.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod adopt;
mod after;
mod apply;
mod attach;
mod completions;
mod config;
mod doctor;
mod down;
mod error;
mod events;
mod exit;
mod explain;
mod forget;
mod handed;
mod handoff;
mod history;
mod in_force;
mod logs;
mod man;
mod moment;
mod named;
mod order;
mod outcome;
mod pause;
mod plan;
mod progress;
mod reset;
mod run_flags;
mod schema;
mod screen;
mod select;
mod send;
mod service;
mod setup;
mod simulate;
mod status;
mod terminal;
mod terms;
mod validate;
mod wait;
mod watch;
mod within;

pub use exit::ExitStatus;

use order::Verb;
use setup::Global;
use terminal::Terminal;

use crate::quit;
use crate::render::{self, json};

/// A declarative reconciler for fleets of AI agents in tmux sessions and pidfile daemons.
///
/// A manifest says which agents should run; `plan` shows what would be done, `apply` does it.
#[derive(Debug, Parser)]
#[command(name = "reconcile", version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Plan(plan::Args),
    Apply(apply::Args),
    Watch(watch::Args),
    Down(down::Args),
    /// Have agents run, again if they ended or were given up
    Start(order::Args),
    /// Have agents stop, as they are to be asked, and stay stopped until they are started
    Stop(order::Args),
    /// Have agents run anew
    Restart(order::RestartArgs),
    Reset(reset::Args),
    Pause(pause::PauseArgs),
    Resume(pause::ResumeArgs),
    Halt(pause::HaltArgs),
    /// Have agents killed without asking them, and stay stopped until they are started
    Kill(order::Args),
    Simulate(simulate::Args),
    Adopt(adopt::Args),
    Forget(forget::Args),
    Status(status::Args),
    Explain(explain::Args),
    History(history::Args),
    Events(events::Args),
    Wait(wait::Args),
    Send(send::SendArgs),
    Keys(send::KeysArgs),
    Handoff(handoff::Args),
    Attach(attach::Args),
    Logs(logs::Args),
    Screen(screen::Args),
    Doctor(doctor::Args),
    Service(service::Args),
    Validate(validate::Args),
    Config(config::Args),
    Schema(schema::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Runs the program with the arguments of this process.
pub fn run() -> ExitCode {
    let arguments: Vec<OsString> = tofu_spelling(std::env::args_os());
    let wants_json = arguments.iter().any(|argument| argument == "--json");
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let error = harmless(error, &arguments);
            // Help and version are answers; clap's own 2 would say "changes are due".
            let status = if error.use_stderr() { ExitStatus::Failed } else { ExitStatus::Done };
            if status == ExitStatus::Failed && wants_json {
                let terminal = Terminal::new(terminal::Color::Auto, wants_json);
                terminal.note_error(&error::coded(json::ErrorCode::Usage, error.render()));
                terminal.conclude(status);
            }
            if status == ExitStatus::Failed {
                let terminal = Terminal::new(terminal::Color::Auto, wants_json);
                let text = if terminal.err().color { error.render().ansi().to_string() } else { error.render().to_string() };
                terminal.say(&text);
                return status.into();
            }
            return if error.print().is_ok() { status.into() } else { ExitStatus::Failed.into() };
        }
    };
    // An attached terminal is the person's own, with all its keys.
    if !matches!(cli.command, Command::Attach(_)) {
        quit::on_signals();
    }
    let terminal = Terminal::new(cli.global.color, wants_json);
    let global = &cli.global;
    let result = match cli.command {
        Command::Plan(args) => plan::run(args, global, &terminal),
        Command::Apply(args) => apply::run(args, global, &terminal),
        Command::Watch(args) => watch::run(args, global, &terminal),
        Command::Down(args) => down::run(args, global, &terminal),
        Command::Start(args) => order::run(Verb::Start, &args, global, &terminal),
        Command::Stop(args) => order::run(Verb::Stop, &args, global, &terminal),
        Command::Restart(args) => order::restart(&args, global, &terminal),
        Command::Pause(args) => pause::pause(args, global, &terminal),
        Command::Resume(args) => pause::resume(args, global, &terminal),
        Command::Halt(args) => pause::halt(args, global, &terminal),
        Command::Reset(args) => reset::run(args, global, &terminal),
        Command::Kill(args) => order::run(Verb::Kill, &args, global, &terminal),
        Command::Simulate(args) => simulate::run(args, global, &terminal),
        Command::Adopt(args) => adopt::run(args, global, &terminal),
        Command::Forget(args) => forget::run(args, global, &terminal),
        Command::Status(args) => status::run(args, global, &terminal),
        Command::Explain(args) => explain::run(args, global, &terminal),
        Command::Events(args) => events::run(args, global, &terminal),
        Command::History(args) => history::run(args, global, &terminal),
        Command::Wait(args) => wait::run(args, global, &terminal),
        Command::Send(args) => send::text(args, global, &terminal),
        Command::Keys(args) => send::keys(args, global, &terminal),
        Command::Handoff(args) => handoff::run(args, global, &terminal),
        Command::Attach(args) => attach::run(args, global, &terminal),
        Command::Logs(args) => logs::run(args, global, &terminal),
        Command::Screen(args) => screen::run(args, global, &terminal),
        Command::Doctor(args) => doctor::run(args, global, &terminal),
        Command::Service(args) => service::run(args, global, &terminal),
        Command::Validate(args) => validate::run(args, global, &terminal),
        Command::Config(args) => config::run(args, global, &terminal),
        Command::Schema(args) => schema::run(args, &terminal),
        Command::Completions(args) => completions::run(args, &terminal),
        Command::Man(args) => man::run(args, &terminal),
    };
    quit::end_helpers();
    match result {
        Ok(status) => {
            terminal.conclude(status);
            status.into()
        }
        Err(error) if is_broken_pipe(&error) => ExitStatus::Done.into(),
        Err(error) => {
            terminal.error(&error);
            terminal.conclude(ExitStatus::Failed);
            ExitStatus::Failed.into()
        }
    }
}

/// What is wrong with the arguments, told of them as they may be shown: the error quotes them.
fn harmless(error: clap::Error, arguments: &[OsString]) -> clap::Error {
    let shown = arguments.iter().map(|argument| OsString::from(render::plain(&argument.to_string_lossy()).into_owned()));
    Cli::try_parse_from(shown).err().filter(|shown| shown.kind() == error.kind()).unwrap_or(error)
}

/// Whether it is only that nobody reads our output any more, as in `reconcile plan | head`.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
}

/// The long flags that OpenTofu writes with one dash are taken with one dash too.
fn tofu_spelling(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    const FLAGS: [&str; 9] =
        ["auto-approve", "detailed-exitcode", "target", "exclude", "replace", "destroy", "json", "parallelism", "lock-timeout"];
    let respell = |argument: OsString| {
        let flag = argument.to_str().and_then(|text| text.strip_prefix('-')).unwrap_or_default();
        let name = flag.split('=').next().unwrap_or_default();
        if FLAGS.contains(&name) { OsString::from(format!("--{flag}")) } else { argument }
    };
    arguments.map(respell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_spelling_of_tofu_is_understood() {
        let given = ["reconcile", "apply", "-auto-approve", "-target=a", "-json", "-f", "-x", "--target=b"];
        let meant = ["reconcile", "apply", "--auto-approve", "--target=a", "--json", "-f", "-x", "--target=b"];
        assert_eq!(tofu_spelling(given.iter().map(OsString::from)), meant.map(OsString::from));
    }
}
