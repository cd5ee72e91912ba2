//! What the tests stand on: waiting with a limit, a tmux server of their own, and the end of every process that was started.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reconcile::desired::Mark;
use reconcile::process::{self, ProcId};

/// Longer than anything takes on a machine that is busy with other work.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Waits until `check` has an answer. Panics when `limit` is over.
#[track_caller]
pub(crate) fn eventually<T>(mut check: impl FnMut() -> Option<T>, limit: Duration) -> T {
    let until = Instant::now() + limit;
    loop {
        if let Some(answer) = check() {
            return answer;
        }
        assert!(Instant::now() < until, "this did not come true within {limit:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The home folder of this binary of tests: never that of the person who runs it (see `.cargo/with-own-home`).
pub(crate) fn home() -> PathBuf {
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let own = std::env::current_exe().unwrap().with_extension("home");
    assert_eq!(home, own, "tests are started by cargo, which gives them a home folder of their own");
    home
}

/// A command with nothing of the machine but its programs. Every process that a test starts begins here.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", home()).env("TZ", "UTC");
    command
}

/// The stand-in for an agent program. `cargo test` builds it; where only this binary of tests was asked for, it is built here.
pub(crate) fn standin() -> PathBuf {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
        let profile = Path::new(env!("CARGO_BIN_EXE_reconcile")).parent().unwrap();
        let program = profile.join("examples/standin");
        let sources = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/standin")).unwrap();
        let changed = |path: &Path| std::fs::metadata(path).and_then(|file| file.modified()).ok();
        let newest = sources.filter_map(|source| changed(&source.unwrap().path())).max();
        if changed(&program) < newest {
            let named = |folder: &Path| folder.file_name().unwrap().to_str().unwrap().to_owned();
            let triple = profile.parent().unwrap();
            let mut cargo = command(env!("CARGO"));
            // Its toolchain and what it has downloaded are found by the environment; its home folder is ours all the same.
            cargo.envs(std::env::vars_os()).args(["build", "--quiet", "--example", "standin", "--target", &named(triple), "--profile"]);
            cargo.arg(if named(profile) == "debug" { "dev".to_owned() } else { named(profile) });
            cargo.arg("--target-dir").arg(triple.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
            assert!(cargo.status().unwrap().success(), "{cargo:?}");
        }
        program
    });
    BUILT.clone()
}

/// A mark that no other test has, of a fleet that no other test has, generation 1: agents of one name in one fleet have one fence.
pub(crate) fn mark(agent: &str) -> Mark {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let id = (u64::from(std::process::id()) << 32) + COUNT.fetch_add(1, Ordering::Relaxed);
    format!("v1/test-{id:x}/{agent}/1/0123456789abcdef0123456789abcdef/{id:016x}").parse().unwrap()
}

/// A process of a test; killed with everything that bears the mark when the test is over, whatever came of it.
pub(crate) struct Guard {
    pub(crate) child: Child,
    pub(crate) mark: Mark,
}

impl Guard {
    /// Its exit code; waits for it.
    pub(crate) fn code(&mut self) -> i32 {
        eventually(|| self.child.try_wait().unwrap(), LIMIT).code().unwrap()
    }

    /// Its identity.
    pub(crate) fn id(&self) -> ProcId {
        let stat = process::stat(self.child.id()).unwrap().unwrap();
        ProcId { pid: self.child.id(), start_time: stat.start_time, boot_id: process::boot_id() }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Ok(Some(keeper)) = ProcId::of(self.child.id()) {
            let _ = process::end_tree(&[keeper], &self.mark.to_string(), LIMIT);
        }
        let _ = self.child.wait();
        end_marked(&self.mark);
    }
}

/// Ends everything that bears the mark.
pub(crate) fn end_marked(mark: &Mark) {
    let mark = mark.to_string();
    let _ = process::end_tree(&process::with_mark(&mark).unwrap_or_default(), &mark, LIMIT);
}

/// Processes that no keeper will end: killed one by one when the test is over.
pub(crate) struct Doomed(pub(crate) Vec<ProcId>);

impl Drop for Doomed {
    fn drop(&mut self) {
        for process in &self.0 {
            let _ = process::signal(process, process::Signal::KILL);
        }
    }
}

/// A tmux server on a socket of its own, ended when the test is over.
pub(crate) struct Tmux {
    pub(crate) socket: PathBuf,
}

impl Tmux {
    /// A server that will listen in this folder; the first command that starts a session starts it.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self { socket: folder.join("tmux.sock") }
    }

    /// What a tmux command prints; panics if it fails.
    #[track_caller]
    pub(crate) fn run<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> String {
        let output = self.command().args(words).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the only pane shows and has shown: a pane whose program has ended scrolls.
    pub(crate) fn screen(&self) -> String {
        self.run(["capture-pane", "-p", "-S", "-", "-t", "=it:"])
    }

    /// A person who looks at a session of it, until both are dropped.
    pub(crate) fn attached(&self, session: &str) -> (Child, Doomed) {
        let attach = format!("tmux -S {} attach-session -t ={session}", self.socket.display());
        let client = command("script")
            .args(["-qec", &attach, "/dev/null"])
            .envs([("TERM", "xterm"), ("SHELL", "/bin/sh")])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let doomed = Doomed(vec![ProcId::of(client.id()).unwrap().unwrap()]);
        eventually(|| (self.run(["list-clients", "-F", "#S"]).trim() == session).then_some(()), LIMIT);
        (client, doomed)
    }

    /// A client of it.
    pub(crate) fn command(&self) -> Command {
        let mut command = command("tmux");
        command.env("TERM", "xterm").stdin(Stdio::null());
        command.arg("-S").arg(&self.socket).args(["-f", "/dev/null"]);
        command
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let Ok(output) = self.command().args(["display-message", "-p", "#{pid}"]).output() else { return };
        let pid = String::from_utf8_lossy(&output.stdout).trim().parse::<u32>().ok();
        let server = pid.and_then(|pid| ProcId::of(pid).ok().flatten());
        let _ = self.command().arg("kill-server").output();
        if let Some(server) = server {
            eventually(|| (server.liveness() == process::Liveness::Gone).then_some(()), LIMIT);
        }
    }
}

/// What a command said on stdout, and after it on stderr.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The program itself, with a folder for its manifest, its state and its tmux server. All that it started ends with this.
pub(crate) struct Program {
    pub(crate) folder: tempfile::TempDir,
    /// The name of the fleet in the manifest, and the one that it really has: fleets of one name find each other on a machine.
    pub(crate) fleet: (String, String),
}

impl Program {
    /// A folder with this manifest in it, of a fleet that no other test has.
    pub(crate) fn new(manifest: &str) -> Self {
        let name = manifest.split("\nfleet = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let own = format!("{name}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let program = Self { folder: tempfile::tempdir().unwrap(), fleet: (name.to_owned(), own) };
        program.write("constellation.toml", manifest);
        program
    }

    /// A path in the folder.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, in which the fleet's name becomes its own.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let fleet = |name: &str| format!("\nfleet = \"{name}\"");
        std::fs::write(self.at(name), text.replace(&fleet(&self.fleet.0), &fleet(&self.fleet.1))).unwrap();
    }

    /// The command with these arguments: nobody to ask, and nothing of the machine but its programs.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(env!("CARGO_BIN_EXE_reconcile"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).env("HOME", self.folder.path());
        command.env("TMUX_TMPDIR", self.folder.path()).env("RECONCILE_STATE_DIR", self.at("state"));
        command
    }

    /// The exit code of a command, and what it said.
    pub(crate) fn says(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.command(arguments).output().unwrap();
        (output.status.code().expect("no signal ended it"), said(&output))
    }

    /// The socket of the fleet's tmux server, where `tmux -L` puts it.
    pub(crate) fn socket(&self) -> PathBuf {
        use std::os::unix::fs::MetadataExt;
        let user = std::fs::metadata(self.folder.path()).unwrap().uid();
        self.at(&format!("tmux-{user}/{}", self.fleet.1))
    }

    /// The keepers of this folder's agents, of every state folder in it.
    pub(crate) fn keepers(&self) -> Vec<process::Keeper> {
        let folder = self.folder.path().canonicalize().unwrap_or_else(|_| self.folder.path().to_owned());
        process::keepers().unwrap().into_iter().filter(|keeper| keeper.spec.starts_with(&folder)).collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        for keeper in self.keepers() {
            let _ = process::end_tree(&[keeper.process], &keeper.mark.to_string(), LIMIT);
            end_marked(&keeper.mark);
        }
        let sockets = std::fs::read_dir(self.folder.path())
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("tmux-"));
        for socket in sockets.filter_map(|folder| std::fs::read_dir(folder.path()).ok()).flatten().flatten() {
            drop(Tmux { socket: socket.path() });
        }
    }
}
