//! The machine itself: what stands behind [`Host`] when it is no simulation.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::conditions::Attempts;
use super::daemon::Started;
use super::inquiry::Inquiries;
use super::interrupts::Interrupts;
use super::launch::Caller;
use super::look::{Asked, Listed, Silent, View};
use super::news::News;
use super::notice::Telling;
use super::run::Running;
use super::screens::{Reach, Shown};
use super::secret::Secrets;
use super::survey::Survey;
use super::tmux::{self, Detail, Door, Ear, Pace, knock, socket_path};
use super::trace::Trace;
use super::wait::Vigil;
use super::{Act, Answer, Ask, Host, Look, Outcome, Query, Seal, SecretQuery, Successor, Wake, secret};
use crate::desired::{AgentName, AgentSpec, FleetName, NoticeChannel, Server};
use crate::observed::{Instance, Obstacle};
use crate::paths::Paths;
use crate::process::ProcId;
use crate::time::Timestamp;

/// How long a command waits for an answer that does not come at once.
const BRIEFLY: std::time::Duration = std::time::Duration::from_millis(500);

/// What a live host is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Whose instances it looks after.
    pub fleet: FleetName,
    /// Where their files are.
    pub paths: Paths,
    /// This very program, which is also the keeper of every instance.
    pub exe: PathBuf,
    /// The signals that end a wait; none for a short command.
    pub interrupts: Option<Interrupts>,
    /// What commands that are run for the fleet get in their environment, so that this program works on the same fleet inside of them.
    pub variables: BTreeMap<String, String>,
}

/// The machine that this process runs on.
#[derive(Debug)]
pub struct Live {
    pub(super) fleet: FleetName,
    pub(super) paths: Paths,
    pub(super) exe: PathBuf,
    /// What commands that are run for the fleet get in their environment.
    pub(super) variables: BTreeMap<String, String>,
    pub(super) interrupts: Option<Interrupts>,
    pub(super) caller: Caller,
    /// Where tmux looks for sockets that are names.
    pub(super) tmpdir: Option<OsString>,
    pub(super) vigil: Vigil,
    /// Who listened at each socket when it was last asked.
    pub(super) servers: BTreeMap<PathBuf, ProcId>,
    /// The keepers of daemons that this process started.
    pub(super) started: Started,
    /// The runners of hooks that this process started.
    pub(super) errands: Vec<std::process::Child>,
    /// Commands about agents that this process started.
    pub(super) running: Running,
    /// Since when instances live, by the last part of their mark: their keepers said so once.
    pub(super) since: HashMap<Arc<str>, Timestamp>,
    pub(super) pace: Pace,
    /// What lives of the agents that are started in a round.
    pub(super) survey: Survey,
    /// What came of the last attempts to start something.
    pub(super) attempts: Attempts,
    /// News of files; none for a command that does not wait for any.
    news: Option<News>,
    telling: Telling,
    /// What a tmux server tells by itself.
    ear: Ear,
    /// What is asked beside the rounds; none where answers are waited for.
    inquiries: Option<Inquiries>,
    secrets: Secrets,
    /// How long answers about secrets are waited for; none where they are not.
    secret_patience: Option<std::time::Duration>,
    looks_again: bool,
    /// Why no command of probes and secrets is run.
    no_commands: Option<String>,
    /// The servers that do not answer.
    pub(super) silent: Silent,
    /// The server that was asked for before the look, and what it said or will say.
    pub(super) asked: Option<(PathBuf, Asked)>,
    /// What the last look found, for as long as nothing is known to have changed since.
    pub(super) trace: Option<Trace>,
    /// The servers as the last look found them, until what stands in the way of starts was looked for.
    pub(super) views: Option<(Detail, BTreeMap<PathBuf, View>)>,
    /// The servers as the last look found them, if starts may follow it.
    pub(super) listed: BTreeMap<PathBuf, Listed>,
}

impl Live {
    /// The machine as this process may use it. Reads the environment once, here, and keeps the files that this process was given from
    /// everything that it starts: a lock of a launcher's would be held for the life of a tmux server.
    pub fn new(setup: Setup) -> Self {
        close_fds::set_fds_cloexec_threadsafe(3, &[]);
        let Setup { fleet, paths, exe, interrupts, variables } = setup;
        Self {
            fleet,
            paths,
            exe,
            interrupts,
            variables,
            caller: Caller::new(std::env::vars_os()),
            tmpdir: std::env::var_os("TMUX_TMPDIR"),
            vigil: Vigil::default(),
            servers: BTreeMap::new(),
            started: Started::default(),
            errands: Vec::new(),
            running: Running::default(),
            since: HashMap::new(),
            pace: Pace::default(),
            survey: Survey::default(),
            attempts: Attempts::default(),
            news: None,
            telling: Telling::default(),
            ear: Ear::default(),
            inquiries: None,
            secrets: Secrets::default(),
            secret_patience: Some(secret::PATIENCE),
            looks_again: false,
            no_commands: None,
            silent: Silent::default(),
            asked: None,
            trace: None,
            views: None,
            listed: BTreeMap::new(),
        }
    }
}

impl Live {
    /// From now on, signals end waits and long batches.
    pub fn heed(&mut self, interrupts: Interrupts) {
        self.interrupts = Some(interrupts);
    }

    /// Whether it looks again soon in any case.
    pub(super) fn looks_again(&self) -> bool {
        self.looks_again
    }

    /// As [`Self::be_quick`], for a watcher, which looks again soon in any case: what is not settled yet is waited for.
    pub fn be_watchful(&mut self) {
        self.be_quick();
        self.looks_again = true;
    }

    /// From now on, no answer to a probe or about a secret is waited for: it counts in the round after the one in which it comes.
    pub fn be_quick(&mut self) {
        self.inquiries = Some(Inquiries::default());
        self.secret_patience = None;
    }

    /// From now on, no answer is waited for longer than briefly: one that has not come by then counts when it comes.
    pub fn be_brief(&mut self) {
        self.inquiries = Some(Inquiries::waiting(BRIEFLY));
        self.secret_patience = Some(BRIEFLY);
    }

    /// From now on, answers about secrets are waited for as long as their commands may take: for who holds no lock meanwhile.
    pub fn wait_for_secrets(&mut self) {
        self.secret_patience = Some(secret::PATIENCE);
    }

    /// From now on, no command of probes and secrets is run, for this reason.
    pub fn run_no_commands(&mut self, why: &str) {
        self.no_commands = Some(why.to_owned());
    }

    /// Why some file changes are not noticed at once; none if all are.
    pub fn blind(&self) -> Option<String> {
        match &self.news {
            Some(news) => news.blind().map(str::to_owned),
            None => None,
        }
    }

    /// The hooks of a tmux server that do something, as it shows them; none where it does not run.
    pub fn hooks(&self, server: &Server) -> Vec<String> {
        let at = socket_path(&server.socket, self.tmpdir.as_deref()).map(|path| knock(&path));
        if let Ok(Door::Open(at)) = at { tmux::hooks(&at) } else { Vec::new() }
    }

    /// Ends what this process asks and whom it tells: nobody waits for that any more.
    pub fn dismiss(&mut self) {
        if let Some(inquiries) = &self.inquiries {
            inquiries.end_all();
        }
        self.telling.end_all();
    }

    /// Whether a signal asked to stop between two actions.
    pub(super) fn is_asked_to_stop(&self) -> bool {
        self.interrupts.as_ref().is_some_and(Interrupts::is_asked_to_stop)
    }
}

impl Host for Live {
    fn now(&self) -> Timestamp {
        now()
    }

    fn expect(&mut self, server: &Server) {
        super::look::expect(self, server);
    }

    fn look(&mut self, ask: &Ask<'_>) -> Look {
        super::look::look(self, ask)
    }

    fn preflight(&mut self, successors: &[Successor<'_>]) -> BTreeMap<AgentName, Obstacle> {
        super::look::preflight(self, successors)
    }

    fn probe(&mut self, questions: &[Query]) -> Vec<Answer> {
        if let Some(why) = &self.no_commands {
            return super::probe::probe_without_commands(&self.paths, questions, why);
        }
        match &self.inquiries {
            Some(inquiries) => super::probe::probe_quickly(&self.paths, questions, inquiries, self.news.as_ref().map(News::bell).as_ref()),
            None => super::probe::probe(&self.paths, questions),
        }
    }

    fn beat(&mut self, instance: &Instance, file: Option<&Path>) -> Result<Option<Timestamp>, String> {
        let name = instance.mark.as_ref().map_or(&instance.agent, |mark| &mark.agent);
        super::heart::beat(file.unwrap_or(&self.paths.heartbeat(name)))
    }

    fn memory(&mut self, instance: &Instance) -> Option<u64> {
        super::usage::memory(instance)
    }

    fn screens(&mut self, instances: &[&Instance]) -> Vec<Result<Shown, String>> {
        let mut screens = super::screens::screens(instances, Reach::Shown);
        for (shown, instance) in screens.iter_mut().zip(instances) {
            if let Ok(shown) = shown {
                shown.shell = super::typing::at_shell(instance);
                shown.suspended = super::typing::suspended(instance);
            }
        }
        screens
    }

    fn last_lines(&mut self, instance: &Instance, spec: &AgentSpec) -> Vec<String> {
        super::output::last_lines(&self.paths, instance, spec)
    }

    fn text(&mut self, path: &Path) -> Result<String, String> {
        super::typing::text(path)
    }

    fn secrets(&mut self, questions: &[SecretQuery<'_>], seal: &Seal) -> Vec<Option<String>> {
        if self.no_commands.is_some() {
            return secret::without_commands(questions, seal);
        }
        let bell = self.news.as_ref().map(News::bell);
        let wait = self.secret_patience.map_or(secret::Wait::ForNone(bell.as_ref()), secret::Wait::For);
        self.secrets.ask(questions, seal, &wait)
    }

    fn is_same_place(&mut self, one: &Path, other: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        let folder = |path: &Path| std::fs::metadata(path).ok().filter(std::fs::Metadata::is_dir).map(|facts| (facts.dev(), facts.ino()));
        let same = |one: &Path, other: &Path| folder(one).is_some_and(|one| Some(one) == folder(other));
        let beside = || matches!((one.parent(), other.parent()), (Some(one), Some(other)) if same(one, other));
        same(one, other) || (one.file_name().is_some() && one.file_name() == other.file_name() && beside())
    }

    fn fresh_id(&mut self) -> String {
        let mut bytes = [0; 8];
        // The kernel's own random source fails on no machine that has booted; the clock and our number are as unique as the fence needs.
        if rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).is_err() {
            bytes = (now().as_millis() as u64 ^ u64::from(std::process::id()) << 44).to_le_bytes();
        }
        format!("{:016x}", u64::from_le_bytes(bytes))
    }

    fn act(&mut self, batch: &[Act]) -> Vec<Outcome> {
        if !batch.is_empty() {
            self.trace = None;
        }
        super::act::act(self, batch)
    }

    fn notify(&mut self, to: &NoticeChannel, text: &str) {
        let mut environment = self.caller.minimal();
        environment.extend(self.variables.clone());
        super::notice::tell(to, text, environment, &self.telling);
    }

    fn attend(&mut self, files: &BTreeSet<PathBuf>, folders: &BTreeSet<PathBuf>) {
        // Without news the clock wakes.
        self.news = self.news.take().or_else(|| News::new().ok());
        if let Some(news) = &mut self.news {
            news.attend(files, folders);
        }
    }

    fn listen(&mut self, server: Option<&Server>) -> Option<PathBuf> {
        let bell = self.news.as_ref()?.bell();
        let socket = server.and_then(|server| socket_path(&server.socket, self.tmpdir.as_deref()).ok());
        let hears = self.ear.turn_to(socket.as_deref(), &bell);
        socket.filter(|_| hears)
    }

    fn wait(&mut self, watched: &[ProcId], until: Timestamp) -> Wake {
        let wake = self.vigil.wait(watched, until.since(now()).std(), self.interrupts.as_ref(), self.news.as_ref());
        self.started.reap();
        self.errands.retain_mut(|errand| matches!(errand.try_wait(), Ok(None)));
        self.running.reap();
        if wake != Wake::Time {
            self.trace = None;
        }
        wake
    }

    fn ended(&self) -> Vec<ProcId> {
        self.vigil.ended()
    }

    fn is_unchanged(&mut self) -> bool {
        self.vigil.all_live() && self.trace.as_ref().is_some_and(Trace::holds)
    }
}

/// The time on the clock of the machine.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
