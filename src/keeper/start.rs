//! The start of a program: everything that can be wrong is found before it runs, in the order in which a person would check it.

use std::collections::BTreeMap;
use std::io::{self, PipeReader};
use std::path::Path;
use std::process::{Child, Stdio as Stream};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Resource, setrlimit};

use super::log::LogFile;
use super::signals::Signals;
use super::spec::{Spec, Stdio};
use super::status::{StartError, StartErrorKind};
use super::{attributes, environment, hook, life, pidfile, program};
use crate::desired::OnFail;
use crate::process::ProcId;
use crate::safe_open;

/// How long a program is waited for whose file a process has open for writing.
const BUSY_PATIENCE: Duration = Duration::from_secs(20);

/// What is left of a start.
pub(super) struct Started {
    pub(super) program: ProcId,
    pub(super) output: Option<Output>,
    /// The environment of hooks.
    pub(super) environment: BTreeMap<String, String>,
}

/// A detached program's output and where it goes.
pub(super) struct Output {
    /// None when everything that could print has ended.
    pub(super) pipe: Option<PipeReader>,
    pub(super) log: LogFile,
}

/// Starts the program of `spec`. Nothing of it runs after an error, except what a secret's command may have left.
pub(super) fn start(spec: &Spec, signals: &mut Signals) -> Result<Started, StartError> {
    in_time(spec, Duration::ZERO)?;
    attributes::take_on(spec).map_err(|error| broken("its niceness and limits", error))?;
    enter(&spec.cwd)?;
    let (mut detached, pane) = match &spec.stdio {
        Stdio::Terminal => (None, std::env::var("TERM").ok()),
        Stdio::Detached { stdin, log, log_settings: _, pidfile, daemonizes } => {
            if let Some(path) = pidfile.as_ref().or(daemonizes.as_ref()) {
                pidfile::taken_pidfile(path, &spec.label.fleet, &spec.label.agent, |_| false)
                    .map_err(|taken| StartError::new(StartErrorKind::Pidfile, taken.to_string()))?;
                // What an earlier life left says nothing of this one, which may write a file of its own.
                let _ = std::fs::remove_file(path);
            }
            let path = log.file.as_deref().ok_or_else(|| StartError::new(StartErrorKind::Io, "the spec names no log"))?;
            let log = LogFile::open(path, log).map_err(|error| broken(&format!("log {}", path.display()), error))?;
            log.begin_life();
            (Some((input(stdin.as_deref())?, log)), None)
        }
    };
    let pane = pane.as_deref();
    let begun = Instant::now();
    before(spec, pane, detached.as_mut().map(|(_, log)| log), signals)?;
    // The time of the hook is its own.
    let hook_took = begun.elapsed();
    let variables = environment::assemble(spec, pane, signals)?;
    // Once more: secrets may have taken their time.
    in_time(spec, hook_took)?;
    if signals.ends_before_start() {
        return Err(StartError::new(StartErrorKind::Asked, "it was asked to end before it was started"));
    }
    let wrong = |why: String| StartError::new(StartErrorKind::Program, why);
    let own_limit = attributes::limit_files(spec.nofile).map_err(|error| broken("the limit of open files", error))?;
    let busy = Instant::now();
    // That somebody writes the file is no fault of the agent's: it is waited for.
    let is_patient = || busy.elapsed() < BUSY_PATIENCE && !signals.ends_before_start();
    let (child, output) = match detached {
        None => (program::spawn(&spec.argv, &variables, |_| Ok(()), is_patient).map_err(wrong)?, None),
        Some((stdin, log)) => {
            let (pipe, writer) = io::pipe().map_err(|error| broken("a pipe", error))?;
            rustix::io::ioctl_fionbio(&pipe, true).map_err(|error| broken("a pipe", error.into()))?;
            let prepare = |command: &mut std::process::Command| {
                command
                    .stdin(Stream::from(stdin.try_clone()?))
                    .stdout(Stream::from(writer.try_clone()?))
                    .stderr(Stream::from(writer.try_clone()?));
                Ok(())
            };
            let child = program::spawn(&spec.argv, &variables, prepare, is_patient);
            (child.map_err(wrong)?, Some(Output { pipe: Some(pipe), log }))
        }
    };
    // The program has its copy; a keeper with few files could not look into /proc.
    setrlimit(Resource::Nofile, own_limit).map_err(|error| broken("the limit of open files", error.into()))?;
    Ok(Started { program: identity(&child)?, output, environment: environment::of_hooks(spec, pane) })
}

/// Runs the hook before the spawn, if there is one.
fn before(spec: &Spec, pane: Option<&str>, mut log: Option<&mut LogFile>, signals: &mut Signals) -> Result<(), StartError> {
    const NAME: &str = "before_spawn";
    let Some(before) = &spec.duties.hooks.before_spawn else { return Ok(()) };
    let variables = environment::of_hooks(spec, pane);
    let mut print = |bytes: &[u8]| {
        if let Some(log) = &mut log {
            log.write(bytes);
        }
    };
    match hook::run(NAME, before, &variables, &spec.label.to_string(), hook::Heed::End(signals), &mut print) {
        Ok(()) => Ok(()),
        Err(hook::Failure::Asked) => Err(StartError::new(StartErrorKind::Asked, "it was asked to end before it was started")),
        Err(hook::Failure::Why(why)) => {
            let message = hook::complaint(NAME, before, &why);
            match before.on_fail {
                OnFail::Fail => Err(StartError::new(StartErrorKind::Hook, message)),
                OnFail::Ignore => {
                    hook::note(&message, log);
                    Ok(())
                }
            }
        }
    }
}

fn in_time(spec: &Spec, excused: Duration) -> Result<(), StartError> {
    let now = life::now();
    match spec.not_after {
        Some(limit) if now.since(limit).std() > excused => {
            Err(StartError::new(StartErrorKind::Late, format!("it is {now} and the start was allowed until {limit}")))
        }
        Some(_) | None => Ok(()),
    }
}

fn enter(cwd: &Path) -> Result<(), StartError> {
    let wrong = |why: &str| StartError::new(StartErrorKind::Cwd, format!("cwd {}: {why}", cwd.display()));
    if !cwd.is_absolute() {
        return Err(wrong("it is not an absolute path"));
    }
    std::env::set_current_dir(cwd).map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::NOENT) => wrong("it does not exist"),
        Some(Errno::NOTDIR) => wrong("it is not a folder"),
        Some(_) | None => wrong(&error.to_string()),
    })
}

fn input(path: Option<&Path>) -> Result<std::fs::File, StartError> {
    let path = path.unwrap_or(Path::new("/dev/null"));
    let wrong = |error: io::Error| StartError::new(StartErrorKind::Stdin, format!("stdin_file {}: {error}", path.display()));
    let file = safe_open::open(path).map_err(wrong)?;
    // The program reads it as any other file.
    rustix::fs::fcntl_setfl(&file, OFlags::empty()).map_err(|error| wrong(error.into()))?;
    Ok(file)
}

/// The child cannot have been reaped yet, so its number is its own, also if it has ended already.
fn identity(child: &Child) -> Result<ProcId, StartError> {
    let pid = child.id();
    match crate::process::stat(pid) {
        Ok(Some(seen)) => Ok(ProcId { pid, start_time: seen.start_time, boot_id: crate::process::boot_id() }),
        Ok(None) => Err(broken("the new process", io::Error::other("/proc does not show it"))),
        Err(error) => Err(broken("the new process", error)),
    }
}

fn broken(what: &str, error: io::Error) -> StartError {
    StartError::new(StartErrorKind::Io, format!("{what}: {error}"))
}
