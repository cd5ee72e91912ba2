//! The keeper as it is: the release of nothing, real programs, real panes.

mod end;
mod hooks;
mod leftovers;
mod log;
mod pane;
mod refuse;
mod start;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio as Stream};

use reconcile::desired::{Log, Mark};
use reconcile::keeper::{Duties, End, Exit, Spec, Status, Stdio, arguments};
use reconcile::process::{self, ProcId, Signal};

use crate::support::{Guard, LIMIT, command, eventually, mark};

const EXE: &str = env!("CARGO_BIN_EXE_reconcile");

/// The folder and the spec of one instance.
struct Stand {
    folder: tempfile::TempDir,
    spec: Spec,
}

impl Stand {
    /// A detached instance of `argv`.
    fn new(argv: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let label = mark("agent");
        let env = BTreeMap::from([("RECONCILE".to_owned(), label.to_string()), ("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        let spec = Spec {
            version: Spec::VERSION,
            label,
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            cwd: folder.path().canonicalize().unwrap(),
            // Without one, a shell asks the system for that of the user.
            inherited: BTreeMap::from([("HOME".to_owned(), folder.path().display().to_string())]),
            env_files: Vec::new(),
            env,
            secrets: BTreeMap::new(),
            unset: Vec::new(),
            nofile: None,
            umask: None,
            nice: None,
            ruled_out: None,
            not_after: None,
            lock: at("lock"),
            status: at("status"),
            stdio: Stdio::Detached {
                stdin: None,
                log: Log { file: Some(at("log")), ..Log::default() },
                log_settings: None,
                pidfile: Some(at("pid")),
                daemonizes: None,
            },
            duties: Duties::default(),
            duties_file: Some(at("duties")),
        };
        Self { folder, spec }
    }

    /// A detached instance of a line of sh.
    fn sh(line: &str) -> Self {
        Self::new(&["sh", "-c", line])
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn label(&self) -> &Mark {
        &self.spec.label
    }

    fn marked(&self) -> Vec<ProcId> {
        process::with_mark(&self.label().to_string()).unwrap()
    }

    /// Starts the keeper with files of its own closed to it.
    fn start(&self) -> Guard {
        self.start_by(command(EXE))
    }

    /// Starts the keeper by a command that its words are added to.
    fn start_by(&self, mut command: Command) -> Guard {
        let path = self.at("spec");
        self.spec.write(&path).unwrap();
        let child =
            command.args(arguments(self.label(), &path)).stdin(Stream::null()).stdout(Stream::null()).stderr(Stream::null()).spawn();
        Guard { child: child.unwrap(), mark: self.label().clone() }
    }

    fn status(&self) -> Option<Status> {
        Status::read(&self.at("status")).unwrap()
    }

    /// The program, as soon as it is started.
    fn program(&self) -> ProcId {
        eventually(|| self.status()?.program, LIMIT)
    }

    /// How it ended, as soon as it has.
    fn ended(&self) -> End {
        eventually(|| self.status()?.ended, LIMIT)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.at("log")).unwrap_or_default()
    }

    /// The log, as soon as it has this line.
    fn logged(&self, line: &str) -> String {
        eventually(|| Some(self.log()).filter(|log| log.lines().any(|there| there == line)), LIMIT)
    }

    /// Waits until the keeper has dealt with all that it was sent before.
    fn settle(&self, keeper: &Guard) {
        std::fs::rename(self.at("log"), self.at("log.before")).unwrap();
        process::signal(&keeper.id(), Signal::USR1).unwrap();
        eventually(|| self.at("log").exists().then_some(()), LIMIT);
    }
}

fn code(code: u8) -> Exit {
    Exit::Code(code)
}
