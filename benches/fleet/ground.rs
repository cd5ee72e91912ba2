//! A private piece of the machine: a tmux server, a state folder and a manifest of its own. Whatever was started on it is ended with it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::Task;

/// What a bare client asks of each pane: the fields of the program's own look.
pub(crate) const FIELDS: &str = "#{pane_id} #{pane_pid} #{pane_dead} #{session_name} #{window_name} #{@reconcile} #{pane_start_command}";

/// How long the end of processes is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Raises the limit of open files: a bare server with the usual one freezes at a thousand panes.
pub(crate) fn raise_limits() {
    let hard = rustix::process::getrlimit(Resource::Nofile).maximum;
    let _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard });
}

/// The private piece of the machine.
pub(crate) struct Ground {
    folder: PathBuf,
    program: PathBuf,
    /// The name of the fleet and of its tmux socket: no other on this machine has it, whatever its folder.
    fleet: String,
}

impl Ground {
    /// A new one. Its files stay until the end of all: for half a minute after thousands were removed, some file systems are slow to make others.
    pub(crate) fn new(task: &Task) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = task.room.path().join(format!("{count}"));
        std::fs::create_dir(&folder).expect("there is room for a folder");
        GROUNDS.lock().unwrap_or_else(PoisonError::into_inner).push(folder.clone());
        Self { folder, program: task.program.clone(), fleet: format!("bench-{}-{count}", std::process::id()) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// The socket of the fleet's server.
    pub(crate) fn socket(&self) -> PathBuf {
        let uid = rustix::process::getuid().as_raw();
        self.path().join(format!("tmux-{uid}")).join(&self.fleet)
    }

    /// Writes the manifest: what every fleet here has, and these agents.
    pub(crate) fn declare(&self, agents: &str) {
        let fleet = &self.fleet;
        let head = format!("version = 1\nfleet = \"{fleet}\"\n[defaults]\ncwd = \"/\"\nready = {{ delay = \"0s\" }}\n");
        std::fs::write(self.manifest(), head + agents).expect("there is room for a manifest");
    }

    fn manifest(&self) -> PathBuf {
        self.path().join("constellation.toml")
    }

    pub(crate) fn fleet(&self) -> &str {
        &self.fleet
    }

    /// Runs the program to its end.
    pub(crate) fn reconcile(&self, words: &[&str]) -> Output {
        let output = self.command(words).output().expect("the program can be started");
        let last: String = text(&output.stdout).lines().rev().take(20).map(|line| format!("{line}\n")).collect();
        assert!(output.status.success(), "{words:?}: {}; its last lines, from the end:\n{last}", output.status);
        output
    }

    /// Starts the program and lets it run.
    pub(crate) fn begin(&self, words: &[&str]) -> Child {
        self.command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program can be started")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).arg("-f").arg(self.manifest()).arg("--state-dir").arg(self.path().join("state")).stdin(Stdio::null());
        self.privately(&mut command);
        command
    }

    /// Runs a tmux client of the fleet's server to its end.
    pub(crate) fn tmux(&self, words: &[&str]) -> Output {
        let output = self.client(&self.socket()).args(words).stdin(Stdio::null()).output().expect("tmux is there");
        assert!(output.status.success(), "tmux {words:?}: {}", text(&output.stderr));
        output
    }

    /// A tmux client of any private server.
    pub(crate) fn client(&self, socket: &Path) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-u").arg("-S").arg(socket).arg("-f").arg("/dev/null").env_clear();
        command
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", "/")
            .env("LANG", "C.UTF-8")
            .env("TERM", "screen")
            .current_dir("/");
        command
    }

    fn privately(&self, command: &mut Command) {
        for variable in ["TMUX", "TMUX_PANE", "RECONCILE_MANIFEST", "RECONCILE_STATE_DIR", "XDG_RUNTIME_DIR"] {
            command.env_remove(variable);
        }
        command.env("TMUX_TMPDIR", self.path());
    }

    /// The process in each pane, by session.
    pub(crate) fn panes(&self) -> Vec<(String, u32)> {
        let listed = self.tmux(&["list-panes", "-a", "-F", "#{session_name} #{pane_pid}"]);
        let line = |line: &str| line.split_once(' ').map(|(name, pid)| (name.to_owned(), pid.parse().expect("tmux prints numbers")));
        text(&listed.stdout).lines().filter_map(line).collect()
    }

    /// The keepers of the fleet.
    pub(crate) fn keepers(&self) -> Vec<u32> {
        self.traces().into_iter().filter(|(_, words)| words.get(1).is_some_and(|verb| verb == "keep")).map(|(pid, _)| pid).collect()
    }

    /// The keepers and their programs, once every one of so many has started its own: with a delay of nothing, `apply` does not wait for that.
    pub(crate) fn settled(&self, agents: usize) -> (Vec<u32>, Vec<u32>) {
        let begun = Instant::now();
        loop {
            let keepers = self.keepers();
            let programs = children(&keepers);
            // Just before it becomes the program, a child still looks like a keeper.
            if keepers.len() == agents && programs.len() == agents {
                return (keepers, programs);
            }
            assert!(begun.elapsed() < PATIENCE, "{} keepers and {} programs of {agents} agents", keepers.len(), programs.len());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// All processes that name this folder on their command line: servers, clients, keepers.
    fn traces(&self) -> Vec<(u32, Vec<String>)> {
        traces(self.path())
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        clear(self.path());
        let mut grounds = GROUNDS.lock().unwrap_or_else(PoisonError::into_inner);
        grounds.retain(|ground| ground != self.path());
    }
}

/// The folders of all grounds that are in use.
static GROUNDS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Has an interrupted benchmark end what it started too.
pub(crate) fn clear_when_interrupted(room: &Path) {
    let room = room.to_owned();
    let mut signals = Signals::new([SIGINT, SIGTERM]).expect("signals can be received");
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            // Held to the end, so that no other ground is begun.
            let grounds = GROUNDS.lock().unwrap_or_else(PoisonError::into_inner);
            for ground in grounds.iter() {
                clear(ground);
            }
            let _ = std::fs::remove_dir_all(&room);
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    });
}

fn traces(here: &Path) -> Vec<(u32, Vec<String>)> {
    let own = std::process::id();
    let here = here.to_string_lossy().into_owned();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("there is a /proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(words) = std::fs::read(entry.path().join("cmdline")) else { continue };
        let words: Vec<String> = words.split(|byte| *byte == 0).map(text).collect();
        if pid != own && words.iter().any(|word| word.contains(&here)) {
            found.push((pid, words));
        }
    }
    found
}

fn clear(here: &Path) {
    let begun = Instant::now();
    loop {
        let left = traces(here);
        if left.is_empty() || begun.elapsed() > PATIENCE {
            return;
        }
        // Keepers end what is below them; a server ends when its clients are gone.
        let signal = if begun.elapsed() > PATIENCE / 2 { Signal::KILL } else { Signal::TERM };
        for (pid, _) in left {
            end(pid, signal);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Sends a signal to one process, if it is there.
pub(crate) fn end(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// The processes that these have started.
fn children(of: &[u32]) -> Vec<u32> {
    let list = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    of.iter().flat_map(|pid| list(pid).split_whitespace().filter_map(|child| child.parse().ok()).collect::<Vec<u32>>()).collect()
}

/// Whether a process runs; a zombie does not.
pub(crate) fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Waits until none of these processes runs.
pub(crate) fn wait_for_end(of: &[u32]) {
    let begun = Instant::now();
    for pid in of {
        while lives(*pid) {
            assert!(begun.elapsed() < PATIENCE, "process {pid} does not end");
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
