//! The life of a keeper: lock, start, wait, end, report, in this order and once.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{getpid, set_child_subreaper, setsid};

use super::ending::{KILL_PATIENCE, end, merge, reap, report, sweep};
use super::fence::{self, Fence, NoFence};
use super::handover::{self, Handover, Stage};
use super::signals::{Notice, Signals};
use super::spec::{Spec, Stdio};
use super::start::{self, Output, Started};
use super::status::{Asked, End, Exit, StartError, StartErrorKind, Status};
use super::{Duties, LOCKED, NO_LOCK, NO_SPEC, Pidfile, hook, lock, pidfile, predecessor, tell};
use crate::desired::{Leftovers, Mark};
use crate::process::{Ended, KEEP, Remnant, Signal, cmdline, me, signal, survey, wait_any};
use crate::time::Timestamp;

/// How long a program may take to leave by itself when its terminal went away.
const HANGUP_PATIENCE: Duration = Duration::from_secs(1);

/// The most that is still read of a program's output after its end, in bytes. A pipe holds 64 KiB; more comes from what was spared.
const LAST_WORDS: usize = 1 << 20;

/// Why a keeper gave up before it held the lock, when nothing may be written yet.
pub(super) struct Refusal {
    pub(super) code: u8,
    pub(super) why: String,
}

/// The time on the wall.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Lives one life and returns the exit code of the process.
pub(super) fn live(label: &str, path: &Path) -> Result<u8, Refusal> {
    let unusable = |why: String| Refusal { code: NO_SPEC, why: format!("spec {}: {why}", path.display()) };
    let mut signals = Signals::install().map_err(|error| unusable(format!("no signals can be received: {error}")))?;
    let spec = Spec::take(path).map_err(|error| unusable(error.to_string()))?;
    if spec.label.to_string() != label {
        return Err(unusable(format!("it is that of {}", spec.label)));
    }
    let no_lock = |why: String| Refusal { code: NO_LOCK, why: format!("lock {}: {why}", spec.lock.display()) };
    let locked = match lock::take(&spec.lock) {
        Ok(Some(locked)) => locked,
        Ok(None) => return Err(Refusal { code: LOCKED, why: "another instance of this agent lives; nothing was started".to_owned() }),
        Err(error) => return Err(no_lock(error.to_string())),
    };
    let fence = match fence::take(&spec.label.fleet, &spec.label.agent) {
        Ok(fence) => fence,
        Err(no_fence) => return Err(fenced_off(no_fence)),
    };
    if let Some(among) = predecessor::unseen(spec.ruled_out, locked.contested || fence.contested) {
        predecessor::rule_out(&spec.label, among)?;
    }
    let keeper = me().map_err(|error| no_lock(error.to_string()))?;
    let mut status =
        Status { version: Status::VERSION, label: spec.label.clone(), keeper, program: None, started_at: now(), ended: None, fenced: true };
    let status_path = spec.status.clone();
    // Of what may hold secrets nothing is kept beyond this line.
    let born = Life::begin(spec, &mut signals, &mut status);
    let code = match born {
        Ok(life) => life.until_the_end(&mut signals, &mut status, &fence.fence),
        Err(error) => {
            tell(&format!("{label} was not started: {}", error.message));
            let swept = sweep(&status.label, &status, Leftovers::Kill);
            let code = error.exit_code();
            status.ended = Some(end(Exit::Failed(error), now(), None, swept));
            code
        }
    };
    report(&status, &status_path);
    drop((fence.fence, locked.file));
    Ok(code)
}

/// Why a keeper goes no further whose agent has an instance already, perhaps of another state folder.
fn fenced_off(no_fence: NoFence) -> Refusal {
    match no_fence {
        NoFence::Held(holder) => {
            let pid = holder.map_or_else(|| "a process that cannot be seen from here".to_owned(), |pid| format!("process {pid}"));
            let folder = holder.and_then(folder_of).map(|folder| format!(" for the state folder {}", folder.display())).unwrap_or_default();
            Refusal { code: LOCKED, why: format!("another instance of this agent is running, kept by {pid}{folder}; nothing was started") }
        }
        NoFence::Squatted => {
            Refusal { code: NO_LOCK, why: "other users hold all names of this agent's fence; nothing was started".to_owned() }
        }
        NoFence::Failed(error) => Refusal { code: NO_LOCK, why: format!("the fence of this agent could not be taken: {error}") },
    }
}

/// The state folder of the fleet for which a keeper works: its spec lies in it.
fn folder_of(keeper: u32) -> Option<PathBuf> {
    let words = cmdline(keeper).ok()?;
    let [_, verb, _, spec] = words.as_slice() else { return None };
    (verb == KEEP).then(|| Path::new(spec).parent()?.parent().map(Path::to_owned)).flatten()
}

struct Life {
    label: Mark,
    status: PathBuf,
    handover: Option<Handover>,
    daemonizes: Option<PathBuf>,
    output: Option<Output>,
    log_settings: Option<PathBuf>,
    pidfile: Option<(PathBuf, Pidfile)>,
    in_pane: bool,
    cwd: PathBuf,
    environment: BTreeMap<String, String>,
    duties: Duties,
    duties_file: Option<PathBuf>,
}

impl Life {
    fn begin(spec: Spec, signals: &mut Signals, status: &mut Status) -> Result<Self, StartError> {
        let broken = |error: io::Error| StartError::new(StartErrorKind::Io, error.to_string());
        set_child_subreaper(Some(getpid())).map_err(|error| broken(error.into()))?;
        let in_pane = match spec.stdio {
            Stdio::Terminal => true,
            Stdio::Detached { .. } => {
                // It fails only for the leader of a group: then there may be a terminal, and nothing of it is used.
                let _ = setsid();
                let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null").map_err(broken)?;
                leave_streams(null.into()).map_err(broken)?;
                false
            }
        };
        // Of a life that left no word nothing ever ran.
        let _ = status.write(&spec.status);
        let started = start::start(&spec, signals)?;
        status.started_at = now();
        let (log_settings, path, daemonizes) = match spec.stdio {
            Stdio::Terminal => (None, None, None),
            Stdio::Detached { log_settings, pidfile, daemonizes, .. } => (log_settings, pidfile, daemonizes),
        };
        let handover = daemonizes.clone().map(|pidfile| Handover::new(started.program.clone(), pidfile));
        status.program = handover.is_none().then(|| started.program.clone());
        // A full disk is no reason to end what runs; the file is written again at the end.
        let _ = status.write(&spec.status);
        let pidfile = path.map(|path| {
            let content = Pidfile {
                pid: started.program.pid,
                keeper: status.keeper.pid,
                start_time: started.program.start_time,
                boot_id: started.program.boot_id.clone(),
                fleet: spec.label.fleet.clone(),
                agent: spec.label.agent.clone(),
                generation: spec.label.generation,
                started_at: status.started_at,
            };
            (path, content)
        });
        if let Some((path, content)) = &pidfile {
            pidfile::write(path, content)
                .map_err(|error| StartError::new(StartErrorKind::Pidfile, format!("pidfile {}: {error}", path.display())))?;
        }
        // The keeper itself holds no folder: a file system can be unmounted, a folder removed.
        let _ = std::env::set_current_dir("/");
        let Started { program: _, output, environment } = started;
        let Spec { label, status, cwd, duties, duties_file, .. } = spec;
        Ok(Self { label, status, handover, daemonizes, output, log_settings, pidfile, in_pane, cwd, environment, duties, duties_file })
    }

    fn until_the_end(mut self, signals: &mut Signals, status: &mut Status, fence: &Fence) -> u8 {
        let mut asked = None;
        let mut ended = None;
        let mut swept = Ended::default();
        let mut kill_at: Option<Instant> = None;
        while ended.is_none() {
            for notice in signals.take() {
                match notice {
                    Notice::End => {
                        asked = asked.or(Some(Asked::Term));
                        kill_at = Some(Instant::now());
                    }
                    Notice::Hangup if self.in_pane => {
                        asked = asked.or(Some(Asked::Hangup));
                        kill_at = kill_at.or(Some(Instant::now() + HANGUP_PATIENCE));
                        self.pass_hangup_on(status);
                    }
                    Notice::Hangup => {}
                    Notice::Reopen => self.renew_log(),
                }
            }
            ended = self.end_of_program(status);
            if ended.is_none() && kill_at.is_some_and(|at| at <= Instant::now()) {
                merge(&mut swept, sweep(&self.label, status, self.duties().leftovers));
                // A program that cannot be killed keeps its keeper, and with it the lock.
                kill_at = Some(Instant::now() + KILL_PATIENCE);
                ended = self.end_of_program(status);
            }
            if ended.is_none() {
                self.wait(signals, kill_at, fence);
            }
        }
        let mut duties = self.duties();
        if matches!(ended, Some((Exit::Failed(_), _))) {
            // What never was an instance leaves nothing.
            duties.leftovers = Leftovers::Kill;
        }
        let mut background = match &ended {
            Some((Exit::Code(0), _)) if asked.is_none() && duties.leftovers == Leftovers::Kill && self.daemonizes.is_none() => {
                handover::background(&status.keeper, &self.label.to_string())
            }
            Some(_) | None => Vec::new(),
        };
        if asked.is_some() || duties.leftovers == Leftovers::Kill {
            merge(&mut swept, sweep(&self.label, status, duties.leftovers));
        }
        let left = match duties.leftovers {
            Leftovers::Report => survey(std::slice::from_ref(&status.keeper), &self.label.to_string()).unwrap_or_default(),
            Leftovers::Kill | Leftovers::Keep => Vec::new(),
        };
        let _ = reap(None);
        self.last_words();
        let mut complaints = ended.as_ref().map_or_else(Vec::new, |(exit, _)| self.run_hooks(&duties, exit, asked, &background));
        if self.in_pane && !background.is_empty() {
            // A person who leaves a terminal may have left something running; that is no failure.
            complaints.push(handover::left_in_the_background(&background));
            background.clear();
        }
        if duties.leftovers == Leftovers::Kill && !duties.hooks.is_empty() {
            merge(&mut swept, sweep(&self.label, status, Leftovers::Kill));
        }
        let _ = reap(None);
        if let Some((path, content)) = &self.pidfile {
            pidfile::remove(path, content);
        }
        if let (Some(path), Some(program)) = (&self.daemonizes, &status.program) {
            pidfile::remove_hint(path, program.pid);
        }
        let (exit, at) = ended.unwrap_or((Exit::Code(0), now()));
        let code = match &exit {
            Exit::Code(code) => *code,
            Exit::Signal(number) => u8::try_from(128 + number).unwrap_or(255),
            Exit::Failed(error) => error.exit_code(),
        };
        status.ended = Some(End { left, background, complaints, ..end(exit, at, asked, swept) });
        code
    }

    /// How and when the program has ended, if it has; of one that is on its way into the background, how that came to nothing.
    fn end_of_program(&mut self, status: &mut Status) -> Option<(Exit, Timestamp)> {
        let Some(handover) = &mut self.handover else {
            return reap(status.program.as_ref().map(|program| program.pid)).map(|exit| (exit, now()));
        };
        match handover.stage(reap(Some(handover.launcher()))) {
            Stage::OnTheWay => None,
            Stage::Over(exit) => Some((exit, now())),
            Stage::Done(program) => {
                status.program = Some(program);
                let _ = status.write(&self.status);
                self.handover = None;
                None
            }
        }
    }

    /// What is asked of this keeper now.
    fn duties(&self) -> Duties {
        self.duties.clone().now(self.duties_file.as_deref(), &self.label)
    }

    /// Runs the hooks of an end, one after the other, and returns what went wrong. They have their time even if the end is asked for once more.
    fn run_hooks(&mut self, duties: &Duties, exit: &Exit, asked: Option<Asked>, background: &[Remnant]) -> Vec<String> {
        let hooks = &duties.hooks;
        let crashed = asked.is_none() && (duties.is_crash(exit, &self.label) || !background.is_empty());
        let on_crash = hooks.on_crash.as_ref().filter(|_| crashed);
        let due = [("on_crash", on_crash), ("after_stop", hooks.after_stop.as_ref())];
        if due.iter().all(|(_, hook)| hook.is_none()) {
            return Vec::new();
        }
        let mut variables = std::mem::take(&mut self.environment);
        match exit {
            Exit::Code(code) => variables.insert("RECONCILE_EXIT_CODE".to_owned(), code.to_string()),
            Exit::Signal(signal) => variables.insert("RECONCILE_EXIT_SIGNAL".to_owned(), signal.to_string()),
            Exit::Failed(_) => None,
        };
        // Where the program was; a folder that is gone by now makes the hooks fail by themselves, if they need it.
        let _ = std::env::set_current_dir(&self.cwd);
        let label = self.label.to_string();
        let mut complaints = Vec::new();
        for (name, hook) in due.into_iter().filter_map(|(name, hook)| Some((name, hook?))) {
            let mut log = self.output.as_mut().map(|output| &mut output.log);
            let mut print = |bytes: &[u8]| {
                if let Some(log) = &mut log {
                    log.write(bytes);
                }
            };
            if let Err(hook::Failure::Why(why)) = hook::run(name, hook, &variables, &label, hook::Heed::Nothing, &mut print) {
                let complaint = hook::complaint(name, hook, &why);
                hook::note(&complaint, log);
                complaints.push(complaint);
            }
        }
        let _ = std::env::set_current_dir("/");
        complaints
    }

    /// The kernel tells only the leader of the terminal session, which is the keeper; started by hand it would be the program.
    fn pass_hangup_on(&self, status: &Status) {
        if let Some(program) = &status.program {
            let _ = signal(program, Signal::HUP);
            let _ = signal(program, Signal::CONT);
        }
    }

    fn renew_log(&mut self) {
        if let Some(output) = &mut self.output {
            output.log.renew(self.log_settings.as_deref());
        }
    }

    /// Waits for a signal, output, or the time to kill.
    fn wait(&mut self, signals: &Signals, kill_at: Option<Instant>, fence: &Fence) {
        let pipe = self.output.as_ref().and_then(|output| output.pipe.as_ref()).map(AsFd::as_fd);
        let waited: Vec<_> = [signals.as_fd(), fence.as_fd()].into_iter().chain(pipe).collect();
        let look_again = self.handover.as_ref().map(Handover::look_again);
        let patience = kill_at.map(|at| at.saturating_duration_since(Instant::now())).into_iter().chain(look_again).min();
        let ready = wait_any(&waited, patience).unwrap_or_default();
        if ready.contains(&1) {
            fence.hear();
        }
        if ready.contains(&2) {
            self.copy_output(usize::MAX);
        }
    }

    /// One buffer of output goes to the log. Returns its length: 0 when there is none now; at the end of all output the pipe is closed.
    fn copy_output(&mut self, most: usize) -> usize {
        let mut buffer = [0; 16 * 1024];
        let Some(output) = &mut self.output else { return 0 };
        let most = most.min(buffer.len());
        let Some(pipe) = &mut output.pipe else { return 0 };
        match pipe.read(&mut buffer[..most]) {
            Ok(0) => {
                output.pipe = None;
                0
            }
            Ok(length) => {
                output.log.write(&buffer[..length]);
                length
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
            Err(_) => {
                output.pipe = None;
                0
            }
        }
    }

    /// What is still in the pipe. Its end is not waited for: what was spared may hold it open for ever.
    fn last_words(&mut self) {
        let mut rest = LAST_WORDS;
        while rest > 0 {
            match self.copy_output(rest) {
                0 => return,
                length => rest -= length,
            }
        }
    }
}

fn leave_streams(null: OwnedFd) -> io::Result<()> {
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}
