//! What a keeper is told to start: the declared launch with everything that only the acting process knows.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::live::{Live, now};
use super::{Outcome, Spawn};
use crate::desired::{
    AgentName, AgentSpec, Care, Hooks, Inherit, Leftovers, Log, MINIMAL_ENV, Mark, NEVER_INHERITED, Place, SecretSource, glob,
};
use crate::keeper::{self, Duties, Secret, Spec, Stdio};
use crate::paths::Paths;
use crate::safe_open::irregular;
use crate::time::Timestamp;

/// What describes the terminal of the acting process, which no instance has.
const OF_A_TERMINAL: [&str; 8] = ["TERM", "TERMCAP", "COLUMNS", "LINES", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "WINDOWID", "STY"];

/// Whether it is neither too late to start an instance, nor does an earlier one still live.
pub(super) fn may_start(live: &Live, spawn: &Spawn) -> Result<(), Outcome> {
    if now() > spawn.not_after {
        return Err(Outcome::Refused("it is too late to start it".to_owned()));
    }
    let lock = live.paths.agent_lock(&spawn.mark.agent);
    match keeper::is_locked(&lock) {
        Ok(false) => Ok(()),
        Ok(true) => Err(Outcome::Refused("an instance of it still lives".to_owned())),
        Err(error) => {
            // What has the name of its lock is its own trouble, and keeps no other from being started.
            let outcome = if irregular(&lock).is_some() { Outcome::Failed } else { Outcome::Hindered };
            Err(outcome(format!("the lock {} could not be read: {error}: move it away", lock.display())))
        }
    }
}

/// The keeper's orders for one instance, of which no other one lives.
pub(super) fn orders(live: &Live, spawn: &Spawn) -> Result<Spec, Outcome> {
    let ruled_out = live.survey.rule_out(&live.fleet, spawn)?;
    Ok(Spec { ruled_out, ..live.caller.orders(spawn, &live.paths).map_err(Outcome::Failed)? })
}

/// What the acting process has and an instance may get.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    environment: BTreeMap<String, String>,
}

impl Caller {
    /// Of these variables. Those that are not text are none.
    pub(super) fn new(environment: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        Self { environment: environment.filter_map(text).collect() }
    }

    /// What `inherit` takes over. Variables of ours would make the instance speak for another agent.
    fn inherited(&self, inherit: &Inherit) -> BTreeMap<String, String> {
        let minimal = MINIMAL_ENV.map(str::to_owned);
        let globs: Option<&[String]> = match inherit {
            Inherit::Minimal => Some(&minimal),
            Inherit::All => None,
            Inherit::None => Some(&[]),
            Inherit::Only(globs) => Some(globs),
        };
        let wanted = |name: &str| {
            let never =
                NEVER_INHERITED.contains(&name) || OF_A_TERMINAL.contains(&name) || name == "RECONCILE" || name.starts_with("RECONCILE_");
            !never && globs.is_none_or(|globs| globs.iter().any(|pattern| glob(pattern, name)))
        };
        self.environment.iter().filter(|(name, _)| wanted(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// What a login gives, for commands of ours.
    pub(super) fn minimal(&self) -> BTreeMap<String, String> {
        self.inherited(&Inherit::Minimal)
    }

    /// Whether the acting process has this variable.
    pub(super) fn has(&self, name: &str) -> bool {
        self.environment.contains_key(name)
    }

    /// The keeper's orders for one instance. Errors name what is missing.
    pub(super) fn orders(&self, spawn: &Spawn, paths: &Paths) -> Result<Spec, String> {
        self.orders_for(&spawn.mark, &spawn.spec, spawn.not_after, paths)
    }

    /// The same for the instance of a mark.
    pub(super) fn orders_for(&self, mark: &Mark, spec: &AgentSpec, not_after: Timestamp, paths: &Paths) -> Result<Spec, String> {
        let launch = &spec.launch;
        let mut secrets = BTreeMap::new();
        for (name, secret) in &launch.secrets {
            let source = match &secret.from {
                SecretSource::File(path) => Secret::File(path.clone()),
                SecretSource::Command(argv) => Secret::Command(argv.clone()),
                SecretSource::Env(variable) => match self.environment.get(variable) {
                    Some(value) => Secret::Value(value.clone()),
                    None => return Err(format!("the secret {name} should come from the variable {variable}, which is not set")),
                },
            };
            secrets.insert(name.clone(), source);
        }
        Ok(Spec {
            version: Spec::VERSION,
            label: mark.clone(),
            argv: launch.command.argv(),
            cwd: launch.cwd.clone(),
            inherited: self.inherited(&launch.inherit_env),
            env_files: launch.env_file.clone(),
            env: declared_and_ours(mark, spec, paths),
            secrets,
            unset: launch.unset_env.clone(),
            nofile: Some(launch.attributes.open_files()),
            umask: Some(launch.attributes.umask.bits()),
            nice: Some(launch.attributes.nice),
            ruled_out: None,
            not_after: Some(not_after),
            lock: paths.agent_lock(&mark.agent),
            status: paths.status(&mark.agent),
            stdio: stdio(&mark.agent, spec, paths),
            duties: duties(&spec.care, paths.record(&mark.agent)),
            duties_file: Some(paths.duties(&mark.agent)),
        })
    }
}

fn declared_and_ours(mark: &Mark, spec: &AgentSpec, paths: &Paths) -> BTreeMap<String, String> {
    let path = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    let care = &spec.care;
    let inbox = care.handoff.inbox.clone().unwrap_or_else(|| paths.inbox(&mark.agent));
    let heartbeat = care.live.heartbeat.as_ref().and_then(|heartbeat| heartbeat.file.clone());
    let mut env = spec.launch.env.clone();
    env.extend([
        ("RECONCILE".to_owned(), mark.to_string()),
        ("RECONCILE_FLEET".to_owned(), mark.fleet.to_string()),
        ("RECONCILE_AGENT".to_owned(), mark.agent.to_string()),
        ("RECONCILE_GENERATION".to_owned(), mark.generation.to_string()),
        ("RECONCILE_STATE_DIR".to_owned(), path(paths.folder().to_owned())),
        ("RECONCILE_INBOX".to_owned(), path(inbox)),
        ("RECONCILE_HEARTBEAT".to_owned(), path(heartbeat.unwrap_or_else(|| paths.heartbeat(&mark.agent)))),
    ]);
    env
}

fn stdio(agent: &AgentName, spec: &AgentSpec, paths: &Paths) -> Stdio {
    match &spec.launch.place {
        Place::Tmux { .. } => Stdio::Terminal,
        Place::Daemon { pidfile } => {
            let path = Some(pidfile.clone().unwrap_or_else(|| paths.pidfile(agent)));
            let (pidfile, daemonizes) = if spec.launch.daemonizes { (None, path) } else { (path, None) };
            Stdio::Detached {
                stdin: spec.launch.stdin_file.clone(),
                log: with_file(&spec.care.log, agent, paths),
                log_settings: Some(paths.log_settings(agent)),
                pidfile,
                daemonizes,
            }
        }
    }
}

/// What is asked of the keeper of an agent with this care, whose record is at `record`.
pub(super) fn duties(care: &Care, record: PathBuf) -> Duties {
    let hooks = Hooks { after_ready: None, before_stop: None, ..care.hooks.clone() };
    if care.leftovers == Leftovers::Kill && hooks.is_empty() {
        return Duties::default();
    }
    Duties { leftovers: care.leftovers, hooks, success: care.restart.success.clone(), record: Some(record) }
}

/// The log of an agent with its file named.
pub(super) fn with_file(log: &Log, agent: &AgentName, paths: &Paths) -> Log {
    Log { file: Some(log.file.clone().unwrap_or_else(|| paths.log(agent))), ..log.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(names: &[&str]) -> Caller {
        Caller::new(names.iter().map(|name| (OsString::from(name), OsString::from("x"))))
    }

    fn names(inherit: &Inherit) -> Vec<String> {
        let all = ["PATH", "LC_ALL", "TERM", "TMUX", "TMUX_PANE", "CLAUDECODE", "RECONCILE", "RECONCILE_AGENT", "TOKEN", "XDG_RUNTIME_DIR"];
        caller(&all).inherited(inherit).into_keys().collect()
    }

    #[test]
    fn what_points_at_the_caller_is_never_inherited() {
        assert_eq!(names(&Inherit::All), ["LC_ALL", "PATH", "TOKEN", "XDG_RUNTIME_DIR"]);
        assert_eq!(names(&Inherit::Minimal), ["LC_ALL", "PATH", "XDG_RUNTIME_DIR"]);
        assert_eq!(names(&Inherit::None), Vec::<String>::new());
        assert_eq!(names(&Inherit::Only(vec!["T*".to_owned(), "LC_?LL".to_owned(), "RECONCILE*".to_owned()])), ["LC_ALL", "TOKEN"]);
    }
}
