//! One copy of an agent → what it is started with, every default written out. How it is looked after is read in `care`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::care;
use super::context::{Context, Fields};
use super::file::{Runtime, Secret};
use super::layers::Written;
use super::read::{At, Entries};
use super::words::{Argv, FlagOrNames, PathOrHeartbeat, Scalar};
use crate::desired::{AgentName, AgentSpec, Attributes, Command, DEFAULT_PATH, Inherit, Launch, Place, SecretSource, SessionName, glob};

/// The spec of a copy. What is wrong is reported, and something harmless takes its place.
pub(crate) fn spec(agent: &Written<'_>, name: &AgentName, fields: &Fields<'_>) -> AgentSpec {
    let runtime = agent.get(|agent| &agent.runtime).map_or(Runtime::Tmux, |runtime| runtime.value);
    fit(agent, runtime, fields.context);
    let place = place(agent, runtime, name, fields);
    let cwd = agent.get(|agent| &agent.cwd).map_or_else(|| PathBuf::from(&fields.context.folder), |cwd| fields.path(*cwd));
    let command = command(agent, fields);
    let env = env(agent.get(|agent| &agent.env), fields);
    let inherit_env = inherit(agent.get(|agent| &agent.inherit_env), fields);
    let search = env.get("PATH").map(String::as_str).or((!inherits_path(&inherit_env)).then_some(DEFAULT_PATH));
    let launch = Launch {
        replace_on: replace_on(agent, &command, &cwd, search, fields),
        secrets: secrets(agent, fields),
        env_file: agent.get(|agent| &agent.env_file).into_iter().flatten().map(|file| fields.file(*file)).collect(),
        inherit_env,
        unset_env: agent.get(|agent| &agent.unset_env).into_iter().flatten().map(|name| glob_of_names(*name, fields)).collect(),
        stdin_file: for_daemons(agent.get(|agent| &agent.stdin_file), runtime).map(|file| fields.file(*file)),
        attributes: attributes(agent, fields.context),
        daemonizes: daemonizes(agent, runtime, fields.context),
        command,
        place,
        cwd,
        env,
    };
    AgentSpec { care: care::care(agent, runtime, &launch.place, fields).into(), launch: launch.into() }
}

/// What it has of the kernel. What is wrong is reported.
fn attributes(agent: &Written<'_>, context: &Context<'_>) -> Attributes {
    const FEWEST: u64 = 64;
    let nice = agent.get(|agent| &agent.nice);
    if let Some(nice) = nice.filter(|nice| !(-20..=19).contains(&nice.value)) {
        context.report.error(nice.spot, format!("{} is not a niceness: it must be from -20 to 19", nice.value), None);
    }
    let nofile = agent.get(|agent| &agent.limits).and_then(|limits| limits.value.nofile);
    if let Some(nofile) = nofile.filter(|nofile| nofile.value < FEWEST) {
        context.report.error(nofile.spot, format!("programs need a few open files: `nofile` must be at least {FEWEST}"), None);
    }
    Attributes {
        umask: agent.get(|agent| &agent.umask).map(|umask| umask.value.0).unwrap_or_default(),
        nice: nice.map_or(0, |nice| nice.value),
        nofile: nofile.map(|nofile| nofile.value),
    }
}

/// Whether a daemon puts itself into the background; then it must say where it writes its pidfile.
fn daemonizes(agent: &Written<'_>, runtime: Runtime, context: &Context<'_>) -> bool {
    let Some(written) = agent.get(|agent| &agent.daemonizes).filter(|written| written.value && runtime == Runtime::Daemon) else {
        return false;
    };
    if agent.get(|agent| &agent.pidfile).is_none() {
        let hint = Some("add the file that the program writes, such as: pidfile = \"run/server.pid\"".to_owned());
        context.report.error(written.spot, "`daemonizes` needs `pidfile`: that file tells which process went into the background", hint);
    }
    true
}

/// A field of daemons; the defaults may have it for the daemons of a mixed fleet.
fn for_daemons<T>(field: Option<T>, runtime: Runtime) -> Option<T> {
    field.filter(|_| runtime == Runtime::Daemon)
}

/// Reports keys that make no sense for the runtime, unless they are only inherited from `[defaults]`.
fn fit(agent: &Written<'_>, runtime: Runtime, context: &Context<'_>) {
    let (keys, what, hint): (&[_], _, _) = match runtime {
        Runtime::Tmux => (
            &[
                ("pidfile", agent.get(|agent| &agent.pidfile).map(|at| at.spot)),
                ("daemonizes", agent.get(|agent| &agent.daemonizes).map(|at| at.spot)),
                ("stdin_file", agent.get(|agent| &agent.stdin_file).map(|at| at.spot)),
            ],
            "in a tmux pane",
            "it is for daemons: set `runtime = \"daemon\"`, or take it out",
        ),
        Runtime::Daemon => (
            &[
                ("session", agent.get(|agent| &agent.session).map(|at| at.spot)),
                ("window", agent.get(|agent| &agent.window).map(|at| at.spot)),
                ("ready.screen", screen(agent)),
                ("live.screen", agent.get(|agent| &agent.live).and_then(|live| live.value.screen).map(|at| at.spot)),
                ("live.screen_unchanged", agent.get(|agent| &agent.live).and_then(|live| live.value.screen_unchanged).map(|at| at.spot)),
                ("live.heartbeat.nudge_after", nudge(agent)),
                ("preset", agent.get(|agent| &agent.preset).map(|at| at.spot)),
                ("accept", agent.get(|agent| &agent.accept).and_then(|names| names.first()).map(|at| at.spot)),
                ("dialogs", agent.get(|agent| &agent.dialogs).and_then(|rules| rules.first()).map(|at| at.spot)),
                ("idle", agent.get(|agent| &agent.idle).map(|at| at.spot)),
                ("prompt", agent.get(|agent| &agent.prompt).map(|at| at.spot)),
                ("prompt_file", agent.get(|agent| &agent.prompt_file).map(|at| at.spot)),
            ],
            "for a daemon",
            "it is for tmux panes: set `runtime = \"tmux\"`, or take it out",
        ),
    };
    for (key, spot) in keys {
        if let Some(spot) = spot.filter(|spot| !spot.defaults) {
            context.report.error(spot, format!("`{key}` makes no sense {what}"), Some(hint.to_owned()));
        }
    }
}

fn screen(agent: &Written<'_>) -> Option<super::report::Spot> {
    agent.get(|agent| &agent.ready)?.value.screen.map(|at| at.spot)
}

fn nudge(agent: &Written<'_>) -> Option<super::report::Spot> {
    match &agent.get(|agent| &agent.live)?.value.heartbeat.as_ref()?.value {
        PathOrHeartbeat::Table(table) => table.nudge_after.map(|at| at.spot),
        PathOrHeartbeat::Path(_) => None,
    }
}

fn place(agent: &Written<'_>, runtime: Runtime, name: &AgentName, fields: &Fields<'_>) -> Place {
    match runtime {
        Runtime::Daemon => Place::Daemon { pidfile: agent.get(|agent| &agent.pidfile).map(|file| fields.file(*file)) },
        Runtime::Tmux => {
            let own = || name.as_str().parse::<SessionName>().expect("agents and sessions have the same pattern");
            Place::Tmux {
                socket: fields.context.socket.clone(),
                session: agent.get(|agent| &agent.session).and_then(|session| fields.name(*session)).unwrap_or_else(own),
                window: agent.get(|agent| &agent.window).and_then(|window| fields.name(*window)).unwrap_or_else(own),
            }
        }
    }
}

fn command(agent: &Written<'_>, fields: &Fields<'_>) -> Command {
    let report = fields.context.report;
    match agent.get(|agent| &agent.command) {
        // Its own line may be among what was left out.
        None if agent.has_flaws => Command::Argv(Vec::new()),
        None => {
            let message = format!("agent `{}` has no `command`", agent.declared.value);
            report.error(agent.declared.spot, message, Some("add a line such as: command = [\"claude\"]".to_owned()));
            Command::Argv(Vec::new())
        }
        Some(At { value: Argv::Words(words), spot }) => Command::Argv(fields.argv(&At { value: words.clone(), spot: *spot })),
        Some(At { value: Argv::Line(line), spot }) => {
            if line.trim().is_empty() {
                report.error(*spot, "an empty command", None);
            }
            Command::Shell(fields.shell(At { value: line, spot: *spot }).into_owned())
        }
    }
}

fn env(entries: Option<&Entries<'_, At<Scalar<'_>>>>, fields: &Fields<'_>) -> BTreeMap<String, String> {
    let entries = entries.map_or(&[][..], |entries| &entries.0);
    let entries = entries.iter().map(|(name, value)| {
        check_variable(*name, fields.context);
        (name.value.to_owned(), fields.scalar(*value, ["false", "true"]))
    });
    entries.collect()
}

/// Reports names that a variable of an agent cannot have.
fn check_variable(name: At<&str>, context: &Context<'_>) {
    let wrong = |byte: char| byte == '=' || byte.is_whitespace() || byte.is_control();
    if name.value.is_empty() || name.value.contains(wrong) {
        let message = format!("`{}` cannot be the name of a variable", name.value.escape_debug());
        context.report.error(name.spot, message, Some("use letters, digits and `_`".to_owned()));
    } else if name.value == "RECONCILE" || name.value.starts_with("RECONCILE_") {
        let message = format!("`{}` cannot be set: `RECONCILE` and `RECONCILE_…` are given to every agent by the tool itself", name.value);
        context.report.error(name.spot, message, None);
    }
}

fn glob_of_names(name: At<&str>, fields: &Fields<'_>) -> String {
    let text = fields.word(name).into_owned();
    if text.contains(['=', ' ']) {
        fields.context.report.error(name.spot, format!("`{}` is no name or glob of variables", text.escape_debug()), None);
    }
    text
}

fn inherit(written: Option<&At<FlagOrNames<'_>>>, fields: &Fields<'_>) -> Inherit {
    match written.map(|written| &written.value) {
        None => Inherit::default(),
        Some(FlagOrNames::Names(names)) => Inherit::Only(names.iter().map(|name| glob_of_names(*name, fields)).collect()),
        Some(FlagOrNames::Word("all")) => Inherit::All,
        Some(FlagOrNames::Word("none")) => Inherit::None,
        Some(FlagOrNames::Word(_)) => Inherit::Minimal,
    }
}

/// Whether it gets the PATH of the acting process.
fn inherits_path(inherit: &Inherit) -> bool {
    match inherit {
        Inherit::Minimal | Inherit::All => true,
        Inherit::None => false,
        Inherit::Only(names) => names.iter().any(|name| glob(name, "PATH")),
    }
}

fn secrets(agent: &Written<'_>, fields: &Fields<'_>) -> BTreeMap<String, crate::desired::Secret> {
    let report = fields.context.report;
    let mut found = BTreeMap::new();
    for (name, secret) in agent.get(|agent| &agent.secrets).into_iter().flat_map(|secrets| &secrets.0) {
        check_variable(*name, fields.context);
        if let Some((other, _)) =
            agent.get(|agent| &agent.env).into_iter().flat_map(|env| &env.0).find(|(other, _)| other.value == name.value)
        {
            let spots = vec![(name.spot, String::new()), (other.spot, "and as a variable here".to_owned())];
            report.clash(spots, format!("`{}` is declared as a secret and as a variable", name.value.escape_debug()), None);
        }
        let Secret { file, command, env, on_change } = &secret.value;
        let from = match (file, command, env) {
            (Some(file), None, None) => SecretSource::File(fields.file(*file)),
            (None, Some(words), None) => SecretSource::Command(fields.argv(words)),
            (None, None, Some(variable)) => {
                let text = fields.text(*variable).into_owned();
                if text.is_empty() || text.contains('=') {
                    report.error(variable.spot, format!("`{}` cannot be the name of a variable", text.escape_debug()), None);
                }
                SecretSource::Env(text)
            }
            (None, None, None) | (Some(_), Some(_), _) | (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
                let hint = Some("write one such as { file = \"token\" }".to_owned());
                report.error_unless_inside(secret.spot, "a secret needs exactly one of `file`, `command` and `env`", hint);
                continue;
            }
        };
        found.insert(name.value.to_owned(), crate::desired::Secret { from, on_change: on_change.unwrap_or_default() });
    }
    found
}

fn replace_on(
    agent: &Written<'_>,
    command: &Command,
    cwd: &std::path::Path,
    search: Option<&str>,
    fields: &Fields<'_>,
) -> BTreeMap<PathBuf, String> {
    let context = fields.context;
    let mut found = BTreeMap::new();
    for written in agent.get(|agent| &agent.replace_on).into_iter().flatten() {
        let path = if written.value == "exe" {
            match program(command, cwd, search, context) {
                Ok(path) => path,
                Err((why, hint)) => {
                    context.report.error(written.spot, why, hint);
                    continue;
                }
            }
        } else {
            fields.file(*written)
        };
        let shown = path.display().to_string();
        let shown = shown.escape_debug();
        match context.digest(&path) {
            Ok(Some(digest)) => {
                found.insert(path, digest);
            }
            Ok(None) => {
                let hint = "its content is part of the launch, so without it nothing can be said about the agent".to_owned();
                context.report.error_unless_inside(written.spot, format!("{shown} does not exist"), Some(hint));
            }
            Err(why) => context.report.error_unless_inside(written.spot, format!("{shown} could not be read: {why}"), None),
        }
    }
    found
}

/// The file that is executed, as far as it can be known before it is.
fn program(
    command: &Command,
    cwd: &std::path::Path,
    search: Option<&str>,
    context: &Context<'_>,
) -> Result<PathBuf, (String, Option<String>)> {
    if matches!(command, Command::Shell(_)) {
        let hint = "write `command` as an array of words, or name the file instead of \"exe\"".to_owned();
        return Err(("\"exe\" would mean the shell: `command` is a string for `sh -c`".to_owned(), Some(hint)));
    }
    let name = command.program();
    if name.contains('/') {
        return Ok(super::paths::clean(&cwd.join(name)));
    }
    match context.sources.program(name, search) {
        Ok(Some(path)) => Ok(path),
        Ok(None) => Err((format!("there is no program `{}` in PATH", name.escape_debug()), None)),
        Err(why) => Err((format!("the program `{}` could not be found: {why}", name.escape_debug()), None)),
    }
}
