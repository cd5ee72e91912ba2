//! How this process ends when it is asked to, whatever hangs: SIGINT and SIGTERM end it within a second, with 130, between two writes, and what it
//! has started and waits for ends with it. A command that heeds signals by itself is left the time to; a time that was given is kept in the same way.
//!
//! It can be killed at any moment anyway: what is on the disk is always whole. This only keeps it from waiting.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use rustix::process::{Pid, kill_process_group};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::process::{self, ProcId, Signal};

/// The exit code of a command that a signal ended.
pub const INTERRUPTED: i32 = 130;

/// How long a command has that heeds signals and times by itself.
const GRACE: Duration = Duration::from_millis(900);

/// How long the end waits for a write that is under way: a disk that hangs keeps nothing from ending.
const WRITE: Duration = Duration::from_millis(50);

/// However short the time of a run is, what it waits for first and last can answer.
const LAST: Duration = Duration::from_millis(600);

static HEEDS_ITSELF: AtomicBool = AtomicBool::new(false);
static WRITING: RwLock<()> = RwLock::new(());
static HELPERS: Mutex<Helpers> = Mutex::new(Helpers { at_work: BTreeSet::new(), is_over: false });
static TIME: Mutex<Option<Time>> = Mutex::new(None);
static BELL: OnceLock<UnixStream> = OnceLock::new();

/// The processes that this one waits for.
struct Helpers {
    at_work: BTreeSet<ProcId>,
    /// Whether all were ended: then none begins.
    is_over: bool,
}

/// The time that a run has.
#[derive(Clone, Copy, Debug)]
struct Time {
    over: Instant,
    code: i32,
}

/// From now on, SIGINT and SIGTERM end this process as said above. Where that cannot be set up, they end it as they end any other.
pub fn on_signals() {
    // What cannot be set up is left as it is.
    let _ = watch();
}

fn watch() -> std::io::Result<()> {
    let (heard, told) = UnixStream::pair()?;
    heard.set_nonblocking(true)?;
    told.set_nonblocking(true)?;
    let asked = Arc::new(AtomicBool::new(false));
    let known = Arc::clone(&asked);
    let told_by_signals = told.try_clone()?;
    std::thread::Builder::new().name("quit".to_owned()).stack_size(128 * 1024).spawn(move || wait_for_the_end(&heard, &known))?;
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&asked))?;
        signal_hook::low_level::pipe::register(signal, told_by_signals.try_clone()?)?;
    }
    let _ = BELL.set(told);
    Ok(())
}

fn wait_for_the_end(heard: &UnixStream, asked: &AtomicBool) {
    let mut since: Option<Instant> = None;
    loop {
        if asked.load(Ordering::SeqCst) {
            let since = *since.get_or_insert_with(Instant::now);
            if !HEEDS_ITSELF.load(Ordering::SeqCst) || since.elapsed() >= GRACE {
                leave(INTERRUPTED);
            }
        }
        let time = *lock(&TIME);
        let over = time.map(|time| (time.over + GRACE, time.code));
        if let Some((_, code)) = over.filter(|(over, _)| *over <= Instant::now()) {
            leave(code);
        }
        let ends = [since.map(|since| since + GRACE), over.map(|(over, _)| over)].into_iter().flatten().min();
        let patience = ends.map(|end| end.saturating_duration_since(Instant::now()));
        let _ = process::wait_any(&[heard.as_fd()], patience);
        let mut bytes = [0; 64];
        while matches!(std::io::Read::read(&mut &*heard, &mut bytes), Ok(length) if length > 0) {}
    }
}

/// From now on, this command looks for signals by itself and ends on one soon.
pub fn heeds_itself() {
    HEEDS_ITSELF.store(true, Ordering::SeqCst);
}

/// From now on, this process has so much time, and ends with this code if it has not ended by itself then. No time at all is no limit: what can be
/// begun is begun.
pub fn within(time: Duration, code: i32) {
    *lock(&TIME) = (!time.is_zero()).then(|| Time { over: Instant::now() + time, code });
    if let Some(mut bell) = BELL.get() {
        let _ = bell.write(&[1]);
    }
}

/// The usual limit of a wait, cut to the time that this run has left.
pub fn patience(usual: Duration) -> Duration {
    match *lock(&TIME) {
        Some(Time { over, code: _ }) => usual.min(over.saturating_duration_since(Instant::now()).max(LAST)),
        None => usual,
    }
}

/// While this is held, the process does not end from here.
pub fn writing() -> RwLockReadGuard<'static, ()> {
    WRITING.read().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a process that this one waits for, in a group of its own: it ends with this one, and so does its group.
///
/// # Errors
///
/// If it cannot be started, or this process ends just now.
pub fn start(command: &mut Command) -> std::io::Result<(Child, Option<ProcId>)> {
    // Held over both: one that was started and is not noted yet would be left behind.
    let mut helpers = lock(&HELPERS);
    if helpers.is_over {
        return Err(std::io::Error::other("this command ends"));
    }
    let child = command.process_group(0).spawn()?;
    let id = ProcId::of(child.id()).ok().flatten();
    helpers.at_work.extend(id.clone());
    Ok((child, id))
}

/// A process that is not waited for any more.
pub fn ended(helper: &ProcId) {
    lock(&HELPERS).at_work.remove(helper);
}

/// Ends what was started to be waited for and is not waited for any more: to be called at the end of a command.
pub fn end_helpers() {
    let mut helpers = lock(&HELPERS);
    helpers.is_over = true;
    std::mem::take(&mut helpers.at_work).iter().for_each(kill);
}

/// Ends what is waited for, and this process.
fn leave(code: i32) -> ! {
    let until = Instant::now() + WRITE;
    let mut writes = WRITING.try_write();
    while writes.is_err() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
        writes = WRITING.try_write();
    }
    let why = if code == INTERRUPTED { "interrupted" } else { "timed out, because something did not answer" };
    let _ = writeln!(std::io::stderr(), "{why}; what was begun goes on with the next run");
    end_children();
    signal_hook::low_level::exit(code)
}

fn end_children() {
    end_helpers();
    // The clients of a server that does not answer would wait for it for ever. The servers themselves are no children.
    let clients = process::children(std::process::id()).unwrap_or_default();
    let is_client = |pid: &u32| process::cmdline(*pid).is_ok_and(|words| matches!(&words[..], [_, u, s, ..] if u == "-u" && s == "-S"));
    for client in clients.into_iter().filter(is_client) {
        if let Ok(Some(client)) = ProcId::of(client) {
            let _ = process::signal(&client, Signal::KILL);
        }
    }
}

fn kill(helper: &ProcId) {
    // Its pid and its group are still its own: a thread that reaps it calls `ended` before.
    let _ = process::signal(helper, Signal::KILL);
    if let Some(group) = i32::try_from(helper.pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
