//! What stands in the way of starts, and daemons that already run where one is to be started: found out before anything is stopped.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::live::{Live, now};
use super::look::{View, label};
use super::tmux::{FILES, Listing, ServerAt, socket_path};
use super::{Ask, Found, Life, Look, Successor, adopted, limits};
use crate::desired::{AgentName, AgentSpec, FleetName, Generation, LaunchDigest, Mark, Place, SecretSource, Socket, Text};
use crate::keeper::{PidfileContent, PidfileTaken, Preflight, StartErrorKind, log_fault, read_pidfile, taken_pidfile};
use crate::observed::{Instance, Obstacle, Seat};
use crate::process::{self, Liveness, ProcId};
use crate::safe_open::{self, Trust};

/// What to do where a password manager offers variables by a pipe.
const FROM_COMMANDS: &str = "; have each variable read by a command: secrets.NAME = { command = [\"PROGRAM\", \"ARGUMENT\"] }";

/// Adds the daemons that could be adopted to what was found.
pub(super) fn find_adoptable(live: &Live, ask: &Ask<'_>, look: &mut Look) {
    for (agent, spec) in &ask.starts {
        if let Some(adoptable) = adoptable(live, agent, spec)
            && !look.found.iter().any(|found| found.instance.program == adoptable.instance.program)
        {
            look.found.push(adoptable);
        }
    }
}

/// What stands in the way of instances that would be started.
pub(super) fn find(live: &Live, views: &BTreeMap<PathBuf, View>, successors: &[Successor<'_>]) -> BTreeMap<AgentName, Obstacle> {
    let mut checks = Checks::new(live, views, successors);
    let obstacle = |successor: &Successor<'_>| {
        // A watcher looks again soon, and what would be ended goes on working until then.
        let lives = || successor.of.as_ref().and_then(|of| of.program.as_ref()).is_some_and(|of| of.liveness() == Liveness::Alive);
        checks.preflight.be_careful(live.looks_again() && lives());
        Some((successor.agent.clone(), checks.obstacle(&successor.agent, successor.spec)?))
    };
    successors.iter().filter_map(obstacle).collect()
}

/// What was found out already: a thousand agents share a few folders and programs.
struct Checks<'a> {
    live: &'a Live,
    views: &'a BTreeMap<PathBuf, View>,
    sockets: HashMap<Socket, Result<PathBuf, String>>,
    folders: HashMap<PathBuf, Option<Obstacle>>,
    preflight: Preflight,
    /// The sessions of each server that are not ours.
    servers: HashMap<PathBuf, BTreeSet<String>>,
    /// Agents with a pane that the next instance can have.
    seated: BTreeSet<AgentName>,
    /// The programs of adopted instances: a pidfile that they wrote is no stranger's.
    adopted: BTreeMap<AgentName, ProcId>,
    /// How many more panes each server can hold, with the reason.
    room: HashMap<PathBuf, Room>,
}

struct Room {
    free: u64,
    wanted: u64,
    why: String,
}

impl<'a> Checks<'a> {
    fn new(live: &'a Live, views: &'a BTreeMap<PathBuf, View>, successors: &[Successor<'_>]) -> Self {
        let seated = |successor: &Successor<'_>| {
            let is_seated = successor.of.as_ref().is_some_and(|instance| matches!(instance.seat, Seat::Pane { .. }));
            is_seated.then(|| successor.agent.clone())
        };
        let adopted = |successor: &Successor<'_>| {
            let instance = successor.of.as_ref().filter(|instance| instance.mark.is_none())?;
            Some((successor.agent.clone(), instance.program.clone()?))
        };
        Self {
            live,
            views,
            sockets: HashMap::new(),
            folders: HashMap::new(),
            preflight: Preflight::default(),
            servers: HashMap::new(),
            seated: successors.iter().filter_map(seated).collect(),
            adopted: successors.iter().filter_map(adopted).collect(),
            room: HashMap::new(),
        }
    }

    fn obstacle(&mut self, agent: &AgentName, spec: &AgentSpec) -> Option<Obstacle> {
        let launch = &spec.launch;
        let first =
            self.folder(&launch.cwd).or_else(|| self.files(spec)).or_else(|| program(self.live, &mut self.preflight, agent, spec).err());
        first.or_else(|| match &launch.place {
            Place::Tmux { socket, session, window: _ } => match self.socket(socket) {
                Ok(path) => self.pane(agent, &path, session.as_str()),
                Err(why) => Some(Obstacle::Unreadable(why)),
            },
            Place::Daemon { pidfile } => {
                let path = pidfile.clone().unwrap_or_else(|| self.live.paths.pidfile(agent));
                let adopted = self.adopted.get(agent);
                let leaves = |process: &ProcId| adopted == Some(process) || is_of_agent(process, &self.live.fleet, agent);
                match taken_pidfile(&path, &self.live.fleet, agent, leaves) {
                    Ok(()) => None,
                    Err(PidfileTaken::By(why)) => Some(Obstacle::PlaceTaken(why)),
                    Err(PidfileTaken::Unclear(why)) => Some(Obstacle::Unreadable(why)),
                }
            }
        })
    }

    fn socket(&mut self, socket: &Socket) -> Result<PathBuf, String> {
        match self.sockets.get(socket) {
            Some(known) => known.clone(),
            None => self.sockets.entry(socket.clone()).or_insert(socket_path(socket, self.live.tmpdir.as_deref())).clone(),
        }
    }

    fn folder(&mut self, cwd: &Path) -> Option<Obstacle> {
        let check = || match std::fs::metadata(cwd) {
            Ok(facts) if !facts.is_dir() => Some(Obstacle::CwdMissing(cwd.to_owned())),
            Ok(_) => match rustix::fs::access(cwd, Access::EXEC_OK) {
                Ok(()) => None,
                Err(error) => Some(Obstacle::Unreadable(format!("the folder {} cannot be entered: {error}", cwd.display()))),
            },
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                Some(Obstacle::CwdMissing(cwd.to_owned()))
            }
            Err(error) => Some(Obstacle::Unreadable(format!("the folder {}: {error}", cwd.display()))),
        };
        self.folders.entry(cwd.to_owned()).or_insert_with(check).clone()
    }

    fn files(&self, spec: &AgentSpec) -> Option<Obstacle> {
        let launch = &spec.launch;
        // By the rules that its keeper goes by.
        let file = |what: &str, path: &Path, trust: Trust, instead: &str| match safe_open::open_trusted(path, trust) {
            Ok(_) => None,
            Err(error) if path.exists() && !path.is_file() => {
                Some(Obstacle::Unreadable(format!("{what} {}: {error}{instead}", path.display())))
            }
            Err(error) => Some(Obstacle::Unreadable(format!("{what} {}: {error}", path.display()))),
        };
        let env_files = launch.env_file.iter().find_map(|path| file("env_file", path, Trust::System, FROM_COMMANDS));
        let stdin = || {
            launch
                .stdin_file
                .as_ref()
                .filter(|_| matches!(launch.place, Place::Daemon { .. }))
                .and_then(|path| file("stdin_file", path, Trust::Any, ""))
        };
        let secret = || {
            launch.secrets.iter().find_map(|(name, secret)| match &secret.from {
                SecretSource::File(path) => {
                    let instead = format!("; read it by a command: secrets.{name} = {{ command = [\"cat\", \"{}\"] }}", path.display());
                    file(&format!("the file of the secret {name},"), path, Trust::System, &instead)
                }
                SecretSource::Env(variable) if !self.live.caller.has(variable) => {
                    Some(Obstacle::Unreadable(format!("the secret {name} should come from the variable {variable}, which is not set")))
                }
                SecretSource::Env(_) | SecretSource::Command(_) => None,
            })
        };
        // It is read when it is given, but an instance that waits for it in vain is better not begun.
        let prompt = || match &spec.care.prompt {
            Some(Text::File(path)) => super::typing::text(path).err().map(|why| Obstacle::Unreadable(format!("prompt_file {why}"))),
            Some(Text::Plain(_)) | None => None,
        };
        let log = || {
            let care = &spec.care;
            let log = if matches!(launch.place, Place::Daemon { .. }) { Some(&care.log) } else { care.pane_log.as_ref() };
            log.and_then(|log| log_fault(log.file.as_deref()?)).map(|why| Obstacle::Unreadable(format!("log.file {why}")))
        };
        env_files.or_else(stdin).or_else(secret).or_else(prompt).or_else(log)
    }

    fn pane(&mut self, agent: &AgentName, socket: &Path, session: &str) -> Option<Obstacle> {
        if let Some(View::Unreadable(why)) = self.views.get(socket) {
            return Some(Obstacle::Unreadable(why.clone()));
        }
        let listed = match self.views.get(socket) {
            Some(View::Listed(server, listing)) => Some((server, listing)),
            Some(View::Absent | View::Unreadable(_)) | None => None,
        };
        let fleet = &self.live.fleet;
        let taken =
            self.servers.entry(socket.to_owned()).or_insert_with(|| listed.map(|(_, listing)| taken(listing, fleet)).unwrap_or_default());
        if taken.contains(session) {
            return Some(Obstacle::PlaceTaken(format!("there is a tmux session `{session}` that this fleet did not start")));
        }
        if self.seated.contains(agent) {
            return None;
        }
        let room = self.room.entry(socket.to_owned()).or_insert_with(|| room(socket, listed));
        room.wanted += 1;
        (room.wanted > room.free).then(|| Obstacle::TooManyPanes(format!("{} more fit: {}", room.free, room.why)))
    }
}

/// A daemon without a mark that its pidfile names and that is just what is declared.
fn adoptable(live: &Live, agent: &AgentName, spec: &AgentSpec) -> Option<Found> {
    let Place::Daemon { pidfile } = &spec.launch.place else { return None };
    let path = pidfile.clone().unwrap_or_else(|| live.paths.pidfile(agent));
    let Ok(Some(PidfileContent::Hint(pid))) = read_pidfile(&path) else { return None };
    let program = ProcId::of(pid).ok()??;
    let is_free = process::is_ours(pid).ok()? == Some(true) && process::variable(pid, process::MARK_VARIABLE).ok()?.is_none();
    let in_place = same_folder(&process::cwd(pid).ok()?, &spec.launch.cwd);
    // The same number may have become another process while its facts were read.
    let is_it = is_free && in_place && runs(live, pid, agent, spec) && program.liveness() == Liveness::Alive;
    is_it.then(|| Found {
        instance: Instance {
            agent: agent.clone(),
            generation: Generation(0),
            mark: None,
            keeper: None,
            program: Some(program),
            seat: Seat::Detached { pidfile: path },
        },
        life: Life::Alive { since: None },
        attached: 0,
        log_pipe: None,
        elsewhere: None,
    })
}

/// Whether a process is the declared program with the declared arguments, be it a script run by its interpreter.
fn runs(live: &Live, pid: u32, agent: &AgentName, spec: &AgentSpec) -> bool {
    let (Ok(words), Ok(exe)) = (process::cmdline(pid), process::exe(pid)) else { return false };
    let launch = &spec.launch;
    let declared: Vec<OsString> = launch.command.argv().into_iter().map(OsString::from).collect();
    let file = program(live, &mut Preflight::default(), agent, spec).ok().flatten().and_then(|file| file.canonicalize().ok());
    let Some(file) = file else { return false };
    let is_file = |word: &OsStr| launch.cwd.join(word).canonicalize().is_ok_and(|other| other == file);
    let arguments = declared.get(1..).unwrap_or_default();
    let direct = exe == file && words.get(1..) == Some(arguments);
    direct || words.get(1).is_some_and(|script| is_file(script) && words.get(2..) == Some(arguments))
}

/// The file that the keeper of this agent would execute; none if that cannot be told before the start.
fn program(live: &Live, preflight: &mut Preflight, agent: &AgentName, spec: &AgentSpec) -> Result<Option<PathBuf>, Obstacle> {
    let orders = live.caller.orders_for(&foreseen_mark(&live.fleet, agent), spec, now(), &live.paths).map_err(Obstacle::Unreadable)?;
    preflight.program(&orders).map_err(|error| match error.kind {
        StartErrorKind::Program => Obstacle::CommandMissing(error.message),
        StartErrorKind::Unsettled
        | StartErrorKind::Cwd
        | StartErrorKind::Secret
        | StartErrorKind::EnvFile
        | StartErrorKind::Hook
        | StartErrorKind::Stdin
        | StartErrorKind::Pidfile
        | StartErrorKind::Daemonize
        | StartErrorKind::Late
        | StartErrorKind::Asked
        | StartErrorKind::Io => Obstacle::Unreadable(error.message),
    })
}

/// A mark like that of the next instance, for what is checked before there is one.
fn foreseen_mark(fleet: &FleetName, agent: &AgentName) -> Mark {
    let zeros = |length: usize| "0".repeat(length);
    Mark {
        fleet: fleet.clone(),
        agent: agent.clone(),
        generation: Generation(u64::MAX),
        digest: LaunchDigest(zeros(32).into()),
        id: zeros(16).into(),
    }
}

/// Whether a process bears the mark of a life of this agent.
fn is_of_agent(process: &ProcId, fleet: &FleetName, agent: &AgentName) -> bool {
    process::mark_on(process.pid).is_some_and(|mark| mark.fleet == *fleet && mark.agent == *agent)
}

/// Sessions that the fleet did not make and that have no pane of it. Whatever windows persons open in the others, an agent gets one of its own.
fn taken(listing: &Listing, fleet: &FleetName) -> BTreeSet<String> {
    let (mut taken, mut ours) = (BTreeSet::new(), BTreeSet::new());
    for pane in &listing.panes {
        let mark: Option<Mark> = label(&pane.command).map_or_else(|| adopted::mark_of(pane), |label| label.parse().ok());
        let is_ours = mark.is_some_and(|mark| mark.fleet == *fleet);
        for session in &pane.sessions {
            let made = listing.owners.get(session).is_some_and(|owner| *owner == *fleet.as_str());
            if is_ours || made { &mut ours } else { &mut taken }.insert(session.clone());
        }
    }
    taken.retain(|session| !ours.contains(session));
    taken
}

/// How many more panes fit into a server, or into one that is yet to be started.
fn room(socket: &Path, listed: Option<(&ServerAt, &Listing)>) -> Room {
    let of_server = listed.and_then(|(server, _)| limits::open_files(server.id.pid)).map(|limits| limits.soft);
    let own = || limits::open_files(std::process::id()).map(|limits| limits.hard.min(FILES));
    let files = of_server.or_else(own);
    let there = listed.map_or(0, |(_, listing)| listing.panes.len() as u64);
    let by_files = files.map_or(u64::MAX, |files| limits::panes_for(files).saturating_sub(there));
    let by_terminals = limits::free_terminals().unwrap_or(u64::MAX);
    let why = if by_terminals < by_files {
        "the machine makes no more pseudo terminals: raise kernel.pty.max".to_owned()
    } else {
        format!(
            "the tmux server at {} has {there} panes and may open {} files: raise the hard limit of open files (ulimit -Hn) and restart it",
            socket.display(),
            files.unwrap_or_default()
        )
    };
    Room { free: by_files.min(by_terminals), wanted: 0, why }
}

fn same_folder(one: &Path, other: &Path) -> bool {
    one == other || other.canonicalize().is_ok_and(|other| one == other)
}

#[cfg(test)]
mod tests {
    use super::super::tmux::Pane;
    use super::*;

    #[test]
    fn a_session_that_the_fleet_made_or_has_a_pane_in_is_not_taken() {
        let pane = |session: &str, window: &str, command: &str| Pane {
            sessions: vec![session.to_owned()],
            window: window.to_owned(),
            command: command.to_owned(),
            ..Pane::default()
        };
        let ours = "/x keep v1/atlas/a/1/00/11 /s";
        let panes = vec![
            pane("a", "a", ours),
            pane("a", "a", "bash"),
            pane("a", "notes", "vim"),
            pane("b", "b", "/x keep v1/other/b/1/00/11 /s"),
            pane("c", "c", "sh -c \"x keep v1/atlas/c/1/00/11 y\""),
            pane("d", "d", "bash"),
            pane("e", "e", "bash"),
        ];
        let owners = [("d", "atlas"), ("e", "other")].map(|(session, fleet)| (session.to_owned(), fleet.to_owned())).into();
        let listing = Listing { panes, owners, ..Listing::default() };
        assert_eq!(taken(&listing, &"atlas".parse().unwrap()), ["b", "c", "e"].map(str::to_owned).into());
    }
}
