//! The model against the machine: every action done for real and compared with what the planner foretold, and the worst moments, after which
//! the next apply ends with exactly the manifest running.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Output;

use reconcile::converge::{Audience, Begin, Converged, Ending, Turns, converge};
use reconcile::desired::{AgentName, Desired};
use reconcile::event::Entry;
use reconcile::execute::execute;
use reconcile::host::{Host, Live, Setup};
use reconcile::intent::Intent;
use reconcile::manifest::load;
use reconcile::observe::{Seen, observe};
use reconcile::observed::{Ended, Exit, Health, Instance, Leaving, Observed, Phase, Sighting};
use reconcile::plan::{Plan, Terms, after, plan};
use reconcile::process::{self, Liveness, ProcId, Signal};
use reconcile::sources::Disk;
use reconcile::state::{Fleet, Record, StateDir};
use reconcile::time::{Duration, Timestamp};

use crate::support::{LIMIT, Program, Tmux, eventually};

mod actions;
mod files;
mod strangers;
mod worst;

/// A program that says that it is up and takes no notice of any request to end.
const STUBBORN: &str = r#""trap '' INT TERM HUP; echo up; touch up-$RECONCILE_AGENT; while :; do sleep 1000; done""#;

/// When such a program is up.
const UP: &str = r#"ready = { file = "up-${name}", interval = "10ms", timeout = "5m" }"#;

/// A fleet with a folder, a state folder and a tmux server of its own.
struct World {
    tmux: Tmux,
    program: Program,
}

/// Nobody who is told.
struct Nobody;

impl Audience for Nobody {
    fn event(&mut self, _: &Entry) {}
    fn round(&mut self, _: &Plan, _: &Observed) {}
}

impl World {
    /// A world with a manifest, of which these are the agents.
    fn new(agents: &str) -> Self {
        let program = Program::new("version = 1\nfleet = \"real\"\n");
        let world = Self { tmux: Tmux::in_folder(program.folder.path()), program };
        world.declare(agents);
        world
    }

    /// Writes the manifest anew.
    fn declare(&self, agents: &str) {
        let head = "version = 1\nfleet = \"real\"\ntmux.socket = \"./tmux.sock\"\nguard = { max_stop = \"100%\", allow_empty = true }\n";
        self.program.write("constellation.toml", &format!("{head}{agents}"));
    }

    fn desired(&self) -> Desired {
        let path = self.program.at("constellation.toml");
        let sources = Disk::new(self.program.at("state"));
        let loaded = load(path.to_str().unwrap(), &sources, &BTreeMap::new());
        loaded.desired.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics))
    }

    fn fleet(&self) -> Fleet {
        let fleet = StateDir::locate(Some(&self.program.at("state"))).unwrap().fleet(&self.desired().fleet).unwrap();
        fleet.prepare().unwrap();
        fleet
    }

    fn host(&self) -> Live {
        let paths = self.fleet().paths().clone();
        Live::new(Setup {
            fleet: self.desired().fleet,
            paths,
            exe: env!("CARGO_BIN_EXE_reconcile").into(),
            interrupts: None,
            variables: BTreeMap::new(),
        })
    }

    /// One look, with what it brought written down as whoever acts does.
    fn look(&self, host: &mut Live) -> Seen {
        let fleet = self.fleet();
        let seen = observe(&self.desired(), &fleet, host, &Intent::default()).unwrap();
        for agent in &seen.learned {
            fleet.write(&seen.records[agent]).unwrap();
        }
        seen
    }

    /// Works in this process until nothing more can be done.
    #[track_caller]
    fn converge(&self, host: &mut Live) -> Converged {
        let fleet = self.fleet();
        self.claim(&fleet);
        let deadline = host.now() + Duration::from_secs(60);
        converge(&self.desired(), &fleet, host, Begin { terms: &Terms::default(), deadline, first: None }, &mut Nobody, &mut Turns::alone())
            .unwrap()
    }

    fn claim(&self, fleet: &Fleet) {
        if fleet.claim().unwrap().is_none() {
            fleet.write_claim(&reconcile::state::Claim::new(self.program.at("constellation.toml"))).unwrap();
        }
    }

    /// One round for real: what was planned, and what the next look shows beside what was foretold.
    #[track_caller]
    fn round(&self, host: &mut Live) -> Round {
        let (desired, fleet) = (self.desired(), self.fleet());
        self.claim(&fleet);
        let mut seen = self.look(host);
        let plan = plan(&desired, &seen.observed, &Terms::default());
        let model = after(&desired, seen.observed.clone(), &plan);
        let events = execute(&plan, &desired, &mut seen, &fleet, host).unwrap();
        let failed: Vec<_> = events.iter().filter(|event| event.what == reconcile::event::What::Failed).collect();
        assert!(failed.is_empty(), "{failed:#?}");
        let real = self.look(host).observed;
        Round { plan, model, real }
    }

    /// What one agent is seen as now.
    fn sighting(&self, agent: &str) -> Sighting {
        let mut host = self.host();
        let seen = observe(&self.desired(), &self.fleet(), &mut host, &Intent::default()).unwrap();
        seen.observed.agents.get(agent).cloned().unwrap_or_default()
    }

    #[track_caller]
    fn instance(&self, agent: &str) -> Instance {
        eventually(|| self.sighting(agent).instance.filter(|instance| instance.program.is_some()), LIMIT)
    }

    /// The record of an agent.
    fn record(&self, agent: &str) -> Record {
        self.fleet().record(&agent.parse().unwrap()).unwrap().unwrap().unwrap()
    }

    /// The real program, with this exit code.
    #[track_caller]
    fn apply(&self, code: i32) -> String {
        self.run(&["apply", "--auto-approve", "--timeout", "60s"], code)
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], code: i32) -> String {
        let Output { status, stdout, stderr } = self.program.command(arguments).output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert_eq!(status.code(), Some(code), "{arguments:?}\n{text}");
        text
    }

    /// The agents that have a keeper, in order; one that runs twice is there twice.
    fn kept(&self) -> Vec<String> {
        let mut names: Vec<String> = self.program.keepers().iter().map(|keeper| keeper.mark.agent.to_string()).collect();
        names.sort();
        names
    }

    /// The keeper of an agent.
    #[track_caller]
    fn keeper(&self, agent: &str) -> ProcId {
        let keepers = self.program.keepers();
        keepers.iter().find(|keeper| keeper.mark.agent.as_str() == agent).unwrap_or_else(|| panic!("{agent} has no keeper")).process.clone()
    }

    /// All keepers by agent, to tell whether anybody was restarted.
    fn keepers(&self) -> BTreeMap<String, ProcId> {
        self.program.keepers().into_iter().map(|keeper| (keeper.mark.agent.to_string(), keeper.process)).collect()
    }

    /// The next apply ends at rest, the one after it has nothing to do, and what runs is what is declared, each once.
    #[track_caller]
    fn comes_to_rest(&self) {
        self.apply(0);
        self.is_at_rest();
    }

    #[track_caller]
    fn is_at_rest(&self) {
        let text = self.run(&["plan", "--detailed-exitcode"], 0);
        assert!(text.contains("No changes"), "{text}");
        let declared: Vec<String> = self.desired().agents.keys().map(AgentName::to_string).collect();
        assert_eq!(self.kept(), declared, "what runs is not what is declared");
        for agent in declared {
            let instance = self.instance(&agent);
            let label = instance.mark.as_ref().unwrap().to_string();
            let program = instance.program.unwrap();
            assert_eq!(program.liveness(), Liveness::Alive, "{agent}");
            assert!(process::with_mark(&label).unwrap().contains(&program), "{agent}");
        }
    }

    /// All processes of the fleet but keepers, by agent and generation.
    fn marked(&self) -> Vec<(String, u64)> {
        let fleet = &self.program.fleet.1;
        let all = process::marks_of().unwrap();
        let ours = all.into_iter().filter(|(mark, _)| mark.fleet.as_str() == fleet);
        ours.flat_map(|(mark, processes)| processes.into_iter().map(move |_| (mark.agent.to_string(), mark.generation.0))).collect()
    }
}

/// What one round came to.
struct Round {
    plan: Plan,
    model: Observed,
    real: Observed,
}

impl Round {
    /// The next look shows what was foretold, but for times and processes.
    #[track_caller]
    fn is_as_foretold(&self) {
        let names = |observed: &Observed| observed.agents.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(names(&self.real), names(&self.model));
        for (agent, real) in &self.real.agents {
            assert_eq!(timeless(real), timeless(&self.model.agents[agent]), "{agent} is not as foretold");
        }
        assert_eq!((&self.real.strangers, &self.real.gaps), (&self.model.strangers, &self.model.gaps));
        assert_eq!(self.real.server, self.model.server);
    }
}

/// A sighting without what no model can know.
fn timeless(sighting: &Sighting) -> Sighting {
    let zero = Timestamp::default();
    let phase = match sighting.phase.clone() {
        Phase::Running { health, .. } => Phase::Running {
            since: zero,
            health: match health {
                Health::Ready(_) => Health::Ready(zero),
                health @ (Health::Starting | Health::Failing { .. }) => health,
            },
        },
        Phase::Leaving(leaving) => Phase::Leaving(Leaving { asked_at: zero, since: zero, ..leaving }),
        Phase::Exited(ended) => Phase::Exited(Ended { at: zero, since: zero, exit: Exit::Unseen, ..ended }),
        phase @ (Phase::Absent | Phase::Unknown { .. }) => phase,
    };
    let mut failures = sighting.failures.clone();
    failures.recent.iter_mut().for_each(|time| *time = zero);
    Sighting { phase, failures, instance: None, sweeping: sighting.sweeping.map(|_| zero), ..sighting.clone() }
}

/// Sends a signal to exactly this process.
#[track_caller]
fn send(to: &ProcId, signal: Signal) {
    assert_eq!(process::signal(to, signal).unwrap(), process::Outcome::Sent);
}

#[track_caller]
fn kill(process: &ProcId) {
    send(process, Signal::KILL);
    gone(process);
}

#[track_caller]
fn gone(process: &ProcId) {
    eventually(|| (process.liveness() == Liveness::Gone).then_some(()), LIMIT);
}
