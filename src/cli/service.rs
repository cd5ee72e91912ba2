//! `reconcile service`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow};
use clap::ValueEnum;
use serde_json::json;

use super::ExitStatus;
use super::setup::{Global, Setup, exe};
use super::terminal::Terminal;
use crate::desired::FleetName;
use crate::host::supervisor;
use crate::render::{json::pretty, plain};
use crate::service::{Installed, Likeness, Order, Supervisor, Watcher, left_out, written_down};
use crate::state::Fleet;

mod post;

use post::Post;

/// Run the watcher under the system's own supervisor: systemd, or launchd on macOS
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Write the file that the supervisor reads, and have the watcher run from now on
    Install {
        /// The manifest
        manifest: Option<PathBuf>,
        /// The supervisor [default: the system's own]
        #[arg(long, value_name = "SUPERVISOR")]
        to: Option<To>,
        /// Print the file, and install nothing
        #[arg(long)]
        print: bool,
        /// Write the file, and leave it to you to have the watcher run
        #[arg(long, conflicts_with = "print")]
        no_start: bool,
    },
    /// End the watcher and remove the file; agents go on running
    Uninstall {
        /// The manifest
        manifest: Option<PathBuf>,
        /// The fleet, where there is no valid manifest any more
        #[arg(long, value_name = "NAME", conflicts_with = "manifest")]
        fleet: Option<FleetName>,
        /// The supervisor [default: the system's own]
        #[arg(long, value_name = "SUPERVISOR")]
        to: Option<To>,
    },
    /// Tell whether it is installed, current and active; exits with 3 unless it is installed and current
    Status {
        /// The manifest
        manifest: Option<PathBuf>,
        /// The supervisor [default: the system's own]
        #[arg(long, value_name = "SUPERVISOR")]
        to: Option<To>,
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
}

/// A supervisor, as the flag names it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum To {
    /// A systemd user unit.
    Systemd,
    /// A launchd agent.
    Launchd,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let setup = |manifest: Option<PathBuf>| global.setup(manifest.as_deref(), terminal);
    match args.verb {
        Verb::Install { manifest, to, print, no_start } => {
            let Some(setup) = setup(manifest)? else { return Ok(ExitStatus::Failed) };
            let (watcher, left_out) = watcher(&setup, global)?;
            let supervisor = chosen(to);
            let text = supervisor.text(&watcher).map_err(Error::msg)?;
            if print {
                terminal.print(&text)?;
                return Ok(ExitStatus::Done);
            }
            if let Some(status) = of_another(&setup, terminal)? {
                return Ok(status);
            }
            let post = Post::of(supervisor, setup.desired.fleet)?;
            let Some(before) = write(&post, &text, &setup.fleet, terminal)? else { return Ok(ExitStatus::Refused) };
            warn(&post, left_out, terminal);
            if no_start { Ok(ExitStatus::Done) } else { start(&post, &before, terminal) }
        }
        Verb::Uninstall { fleet: Some(fleet), to, .. } => uninstall(&Post::of(chosen(to), fleet)?, terminal),
        Verb::Uninstall { manifest, fleet: None, to } => {
            let Some(setup) = setup(manifest)? else { return Ok(ExitStatus::Failed) };
            if let Some(status) = of_another(&setup, terminal)? {
                return Ok(status);
            }
            uninstall(&Post::of(chosen(to), setup.desired.fleet)?, terminal)
        }
        Verb::Status { manifest, to, json } => {
            let Some(setup) = setup(manifest)? else { return Ok(ExitStatus::Failed) };
            let text = chosen(to).text(&watcher(&setup, global)?.0).map_err(Error::msg)?;
            status(&Post::of(chosen(to), setup.desired.fleet)?, &text, json, terminal)
        }
    }
}

fn chosen(to: Option<To>) -> Supervisor {
    match to {
        Some(To::Systemd) => Supervisor::Systemd,
        Some(To::Launchd) => Supervisor::Launchd,
        None if cfg!(target_os = "macos") => Supervisor::Launchd,
        None => Supervisor::Systemd,
    }
}

/// How the watcher of this manifest is to be run, and the variables that its agents take and that are not written down.
fn watcher(setup: &Setup, global: &Global) -> Result<(Watcher, BTreeSet<String>)> {
    let environment: BTreeMap<String, String> =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect();
    let written = written_down(&environment, &setup.depends_on.variables).map_err(Error::msg)?;
    let left_out = left_out(&setup.desired, &environment, &written);
    let folder = setup.path.parent().context("the manifest is in no folder")?;
    // A way that goes up is no folder to systemd. Others are kept as they are: a link may lead elsewhere tomorrow.
    let goes_up = folder.components().any(|part| part == std::path::Component::ParentDir);
    let folder = if goes_up { folder.canonicalize().context("the folder of the manifest is not known")? } else { folder.to_owned() };
    let fleet = setup.fleet.paths();
    let state = fleet.folder().parent().context("the state folder is not known")?;
    let watcher = Watcher {
        fleet: setup.desired.fleet.clone(),
        exe: text(&exe()?)?,
        manifest: text(&folder.join(setup.path.file_name().context("the manifest has no name")?))?,
        folder: text(&folder)?,
        state: text(state)?,
        log: text(&fleet.watch_log())?,
        vars: global.said_vars().collect(),
        environment: written,
    };
    Ok((watcher, left_out))
}

fn text(path: &Path) -> Result<String> {
    Ok(path.to_str().with_context(|| format!("{}: the path is not UTF-8", path.display()))?.to_owned())
}

fn refused(terminal: &Terminal, why: &str) -> Result<ExitStatus> {
    terminal.error(&anyhow!("{why}; nothing was done"));
    Ok(ExitStatus::Refused)
}

/// The end of a command, with what was said, if the fleet is another manifest's.
fn of_another(setup: &Setup, terminal: &Terminal) -> Result<Option<ExitStatus>> {
    let Some(other) = setup.fleet.claimed_by_another(&setup.path)? else { return Ok(None) };
    let (fleet, other) = (&setup.desired.fleet, other.display());
    let why = format!("the fleet {fleet} belongs to {other}. If it is the same fleet, say so with `reconcile apply --moved`");
    refused(terminal, &why).map(Some)
}

fn refused_for(post: &Post, terminal: &Terminal) -> Result<ExitStatus> {
    refused(terminal, &format!("{} was not written by `reconcile service install`: move it away if it is not needed", post.file.display()))
}

/// Writes the file and says what changed. What was there before; none if that is a stranger's, which was said and is left alone.
fn write(post: &Post, text: &str, fleet: &Fleet, terminal: &Terminal) -> Result<Option<Installed>> {
    let before = post.installed(text)?;
    let file = post.file.display();
    let said = match &before {
        Installed::Strangers => return refused_for(post, terminal).map(|_| None),
        Installed::Absent => format!("installed: {file}\n"),
        Installed::Ours(_) if before.is_same() => format!("already installed: {file}\n"),
        Installed::Ours(likeness) => format!("rewritten: {file}\n{}", indented(&likeness.changes)),
    };
    if !before.is_same() {
        supervisor::put(&post.file, text)?;
    }
    if post.supervisor == Supervisor::Launchd {
        // It does not make the folder of its log.
        fleet.prepare()?;
    }
    terminal.print(&plain_lines(&said))?;
    Ok(Some(before))
}

/// Says which variables the agents will miss.
fn warn(post: &Post, left_out: BTreeSet<String>, terminal: &Terminal) {
    if !left_out.is_empty() {
        let line = post.supervisor.import(&left_out, &post.fleet, supervisor::user());
        let names = left_out.into_iter().collect::<Vec<_>>().join(", ");
        terminal.say(&plain_lines(&format!("hint: agents take {names} from the environment, which is not written down: {line}\n")));
    }
}

fn start(post: &Post, before: &Installed, terminal: &Terminal) -> Result<ExitStatus> {
    let order = post.supervisor.due(before, post.standing().ok().as_ref());
    if let Err(error) = post.give(order) {
        terminal.error(&anyhow!("{error:#}. The file is in its place; what is left to do:{}", post.by_hand(order)));
        return Ok(ExitStatus::NotAtRest);
    }
    let user = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    if post.supervisor == Supervisor::Systemd && user.is_some_and(|user| !supervisor::lingers(&user)) {
        terminal.say("hint: the watcher ends when you log out, unless you say `loginctl enable-linger`\n");
    }
    Ok(ExitStatus::Done)
}

fn uninstall(post: &Post, terminal: &Terminal) -> Result<ExitStatus> {
    let file = post.file.display();
    match post.installed("")? {
        Installed::Absent => {
            terminal.print(&plain_lines(&format!("not installed: there is no {file}\n")))?;
            return Ok(ExitStatus::Done);
        }
        Installed::Strangers => return refused_for(post, terminal),
        Installed::Ours(_) => {}
    }
    let stopped = post.give(post.supervisor.last(post.standing().ok().as_ref()));
    supervisor::remove(&post.file)?;
    terminal.print(&plain_lines(&format!("removed: {file}\nAgents go on running; `reconcile down` ends them.\n")))?;
    let Err(error) = stopped.and_then(|()| post.give(Order::Forget)) else { return Ok(ExitStatus::Done) };
    if let Some(link) = post.supervisor.link(&post.file) {
        supervisor::remove_link(&link, &post.file)?;
    }
    terminal.error(&anyhow!("{error:#}. If the watcher still runs, end it:{}", post.by_hand(Order::Abandon)));
    Ok(ExitStatus::NotAtRest)
}

fn status(post: &Post, wanted: &str, as_json: bool, terminal: &Terminal) -> Result<ExitStatus> {
    let installed = post.installed(wanted)?;
    let (active, why) = match post.standing() {
        Ok(standing) => (Some(standing.word), None),
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    let unit = post.supervisor.unit(&post.fleet);
    if as_json {
        let likeness = match &installed {
            Installed::Ours(likeness) => likeness.clone(),
            Installed::Absent | Installed::Strangers => Likeness::default(),
        };
        terminal.print(&pretty(&json!({
            "format_version": "1.0",
            "fleet": post.fleet,
            "supervisor": post.supervisor.name(),
            "unit": unit,
            "file": post.file.display().to_string(),
            "state": installed.word(),
            "changes": likeness.changes,
            "environment": likeness.variables,
            "active": active,
            "why": why,
        })))?;
    } else {
        let active = active.unwrap_or_else(|| format!("not known: {}", why.unwrap_or_default()));
        terminal.print(&plain_lines(&format!("{unit}  {active}\n{}  {}\n", post.file.display(), told(&installed))))?;
    }
    Ok(if installed.is_current() { ExitStatus::Done } else { ExitStatus::NotAtRest })
}

/// What is at the place of the file, for people.
fn told(installed: &Installed) -> String {
    match installed {
        Installed::Absent => "not installed: `reconcile service install`".to_owned(),
        Installed::Strangers => "not written by `reconcile service install`".to_owned(),
        Installed::Ours(likeness) if likeness.is_outdated => {
            format!("out of date: `reconcile service install`\n{}", indented(&likeness.changes))
        }
        Installed::Ours(likeness) if likeness.variables.is_empty() => "installed and current".to_owned(),
        Installed::Ours(likeness) => {
            let names: Vec<&str> = likeness.variables.iter().map(String::as_str).collect();
            format!("installed and current, with other values than here of {}", names.join(", "))
        }
    }
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  {line}\n")).collect()
}

/// Text of which each line is shown as it is, whatever is in it.
fn plain_lines(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", plain(line))).collect()
}
