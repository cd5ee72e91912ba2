//! The live host on real tmux servers, each on its own socket, and on real daemons.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use reconcile::desired::{
    AgentName, AgentSpec, Attributes, Care, Command, FleetName, Generation, Inherit, Launch, LaunchDigest, Mark, Place, Server,
    SessionName, Size, Socket,
};
use reconcile::host::{Act, Ask, Found, Host, Known, Life, Live, Look, Outcome, Setup, Spawn, Successor};
use reconcile::observed::{Exit, Instance, Obstacle, Seat};
use reconcile::process::{self, ProcId};
use reconcile::state::StateDir;

use crate::support::{self, command};
use reconcile::time::Duration as Length;

mod daemons;
mod panes;
mod probes;
mod servers;

/// A fleet of its own in a temporary folder. Whatever it started is ended with it.
struct Bench {
    folder: tempfile::TempDir,
    fleet: FleetName,
    live: Live,
    children: Vec<Child>,
    next: u64,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Marks of one test are never those of another.
        let unique = folder.path().file_name().unwrap().to_str().unwrap().trim_start_matches('.').to_lowercase();
        let fleet: FleetName = format!("t{unique}").parse().unwrap();
        let live = Self::host(&folder, &fleet);
        Self { folder, fleet, live, children: Vec::new(), next: 0 }
    }

    fn host(folder: &tempfile::TempDir, fleet: &FleetName) -> Live {
        let state = StateDir::locate(Some(&folder.path().join("state"))).unwrap().fleet(fleet).unwrap();
        state.prepare().unwrap();
        Live::new(Setup {
            fleet: fleet.clone(),
            paths: state.paths().clone(),
            exe: env!("CARGO_BIN_EXE_reconcile").into(),
            interrupts: None,
            variables: BTreeMap::new(),
        })
    }

    /// Another process of the tool, that remembers nothing.
    fn restart(&mut self) {
        self.live = Self::host(&self.folder, &self.fleet);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file in the state folder of the fleet.
    fn state(&self, name: &str) -> PathBuf {
        self.path("state").join(self.fleet.as_str()).join(name)
    }

    fn socket(&self) -> PathBuf {
        self.path("s")
    }

    fn server(&self) -> Server {
        let socket = Socket(self.socket().to_str().unwrap().to_owned());
        Server { socket, config: None, size: Size::default(), options: BTreeMap::new() }
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = command("tmux").arg("-u").arg("-S").arg(self.socket()).args(["-f", "/dev/null"]).args(arguments).output().unwrap();
        assert!(output.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn pane(&self, agent: &str, argv: &[&str]) -> AgentSpec {
        self.pane_at(agent, agent, argv)
    }

    fn pane_at(&self, session: &str, window: &str, argv: &[&str]) -> AgentSpec {
        let name = |name: &str| name.parse::<SessionName>().unwrap();
        self.spec(Place::Tmux { socket: self.server().socket, session: name(session), window: name(window) }, argv)
    }

    fn daemon(&self, argv: &[&str]) -> AgentSpec {
        self.spec(Place::Daemon { pidfile: None }, argv)
    }

    fn spec(&self, place: Place, argv: &[&str]) -> AgentSpec {
        let launch = Launch {
            command: Command::Argv(argv.iter().map(|word| (*word).to_owned()).collect()),
            place,
            cwd: self.folder.path().to_owned(),
            env: BTreeMap::new(),
            env_file: Vec::new(),
            inherit_env: Inherit::Minimal,
            unset_env: Vec::new(),
            secrets: BTreeMap::new(),
            stdin_file: None,
            replace_on: BTreeMap::new(),
            attributes: Attributes::default(),
            daemonizes: false,
        };
        AgentSpec { launch: launch.into(), care: Care::default().into() }
    }

    fn mark(&mut self, agent: &str) -> Mark {
        self.next += 1;
        Mark {
            fleet: self.fleet.clone(),
            agent: name(agent),
            generation: Generation(self.next),
            digest: LaunchDigest("00ff".into()),
            id: format!("{:016x}", self.next).into(),
        }
    }

    fn start(&mut self, agent: &str, spec: AgentSpec) -> Spawn {
        let mark = self.mark(agent);
        Spawn { mark, spec, server: self.server(), instead_of: None, not_after: self.live.now() + Length::from_secs(60) }
    }

    fn spawn(&mut self, agent: &str, spec: AgentSpec) -> Mark {
        let spawn = self.start(agent, spec);
        let mark = spawn.mark.clone();
        assert_eq!(self.live.act(&[Act::Spawn(Box::new(spawn))]), [Outcome::Done]);
        mark
    }

    /// What stands in the way of these starts, after a look at what is there.
    fn preflight(&mut self, starts: &[(AgentName, AgentSpec)]) -> BTreeMap<AgentName, Obstacle> {
        let look = self.ask(&[], starts, false);
        let of = |agent: &AgentName| look.found.iter().find(|found| found.instance.agent == *agent).map(|found| found.instance.clone());
        let successors: Vec<Successor<'_>> =
            starts.iter().map(|(agent, spec)| Successor { agent: agent.clone(), spec, of: of(agent) }).collect();
        self.live.preflight(&successors)
    }

    fn look(&mut self, known: &[Known]) -> Look {
        self.ask(known, &[], false)
    }

    fn ask(&mut self, known: &[Known], starts: &[(AgentName, AgentSpec)], search: bool) -> Look {
        let server = self.server();
        let starts = starts.iter().map(|(name, spec)| (name.clone(), spec)).collect();
        let ask = Ask {
            fleet: &self.fleet,
            server: Some(&server),
            sockets: Vec::new(),
            known: known.to_vec(),
            starts,
            left: BTreeMap::new(),
            unproven: Vec::new(),
            silent: BTreeMap::new(),
            search,
            closely: false,
        };
        self.live.look(&ask)
    }

    /// Looks until the one instance of `mark` is as `wanted` says, carrying on what was seen.
    fn until(&mut self, mark: &Mark, what: &str, wanted: impl Fn(&Found) -> bool) -> Found {
        let mut asked = known(mark, None);
        eventually(what, || {
            let look = self.look(std::slice::from_ref(&asked));
            let found = look.found.iter().find(|found| found.instance.mark.as_ref() == Some(mark)).cloned();
            asked.instance = found.as_ref().map(|found| found.instance.clone());
            found.filter(|found| wanted(found)).ok_or_else(|| format!("{look:#?}"))
        })
    }

    /// Looks until its program is known.
    fn running(&mut self, mark: &Mark) -> Instance {
        self.until(mark, "it runs", |found| matches!(found.life, Life::Alive { .. }) && found.instance.program.is_some()).instance
    }

    fn ended(&mut self, mark: &Mark) -> (Instance, Exit) {
        let found = self.until(mark, "it ended", |found| matches!(found.life, Life::Ended { .. }));
        let Life::Ended { exit, .. } = found.life else { unreachable!() };
        (found.instance, exit)
    }

    fn child(&mut self, command: &mut Process) -> u32 {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let pid = child.id();
        self.children.push(child);
        pid
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Ok(server) = command("tmux").arg("-S").arg(self.socket()).args(["display-message", "-p", "#{pid}"]).output()
            && let Ok(pid) = String::from_utf8_lossy(&server.stdout).trim().parse()
            && let Ok(Some(server)) = ProcId::of(pid)
        {
            let _ = process::signal(&server, process::Signal::KILL);
        }
        for keeper in process::keepers().unwrap_or_default().into_iter().filter(|keeper| keeper.mark.fleet == self.fleet) {
            let _ = process::end_tree(&[keeper.process], &keeper.mark.to_string(), Duration::from_secs(2));
        }
        for (mark, processes) in process::marks_of().unwrap_or_default().into_iter().filter(|(mark, _)| mark.fleet == self.fleet) {
            let _ = process::end_tree(&processes, &mark.to_string(), Duration::from_secs(2));
        }
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The answer of `check` as soon as it has one.
fn eventually<T>(what: &str, mut check: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    let limit = Duration::from_secs(30);
    let said = || match check() {
        Ok(answer) => Some(answer),
        Err(seen) if begun.elapsed() > limit => panic!("{what} did not come true: {seen}"),
        Err(_) => None,
    };
    support::eventually(said, limit * 2)
}

/// As [`eventually`], for a condition.
fn becomes(what: &str, mut check: impl FnMut() -> bool) {
    eventually(what, || if check() { Ok(()) } else { Err("not yet".to_owned()) });
}

fn name(agent: &str) -> AgentName {
    agent.parse().unwrap()
}

fn known(mark: &Mark, instance: Option<Instance>) -> Known {
    Known { agent: mark.agent.clone(), mark: Some(mark.clone()), instance, is_daemon: false, namespace: None }
}

fn pane_of(instance: &Instance) -> (String, String, String) {
    match &instance.seat {
        Seat::Pane { session, window, pane, .. } => (session.clone(), window.clone(), pane.clone()),
        seat @ (Seat::Detached { .. } | Seat::Adrift { .. }) => panic!("{seat:?}"),
    }
}

const SLEEP: [&str; 2] = ["sleep", "100000"];
