//! On a disk that is full or read-only, what ends an instance is done, and nothing else.

use rustix::io::Errno;

use super::{Audience, Begin, Ending, Turns, converge};
use crate::desired::{AgentName, Desired};
use crate::event::{Entry, What};
use crate::host::sim::Sim;
use crate::manifest::{Memory, load};
use crate::observed::{Exit, Observed};
use crate::plan::{Plan, Terms};
use crate::state::{Claim, Fleet, StateDir, crash};
use crate::time::{Duration, Timestamp};

/// What happened, and the number under which it is in the journal.
#[derive(Default)]
struct Heard {
    events: Vec<(Option<AgentName>, What, u64)>,
    rounds: usize,
    /// In which round there is room again.
    room_in: Option<usize>,
}

impl Audience for Heard {
    fn event(&mut self, Entry { number, event }: &Entry) {
        self.events.push((event.agent.clone(), event.what, *number));
    }

    fn round(&mut self, _: &Plan, _: &Observed) {
        self.rounds += 1;
        if Some(self.rounds) == self.room_in {
            crash::make_room();
        }
    }
}

struct World {
    fleet: Fleet,
    host: Sim,
    _root: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let fleet = StateDir::locate(Some(root.path())).unwrap().fleet(&"f".parse().unwrap()).unwrap();
        fleet.prepare().unwrap();
        Self { fleet, host: Sim::new(Timestamp::from_millis(1_000_000)), _root: root }
    }

    fn run(&mut self, desired: &Desired) -> (anyhow::Result<Ending>, Heard) {
        self.run_until_room(desired, None)
    }

    fn run_until_room(&mut self, desired: &Desired, room_in: Option<usize>) -> (anyhow::Result<Ending>, Heard) {
        let mut heard = Heard { room_in, ..Heard::default() };
        let deadline = crate::host::Host::now(&self.host) + Duration::from_secs(60);
        let converged = converge(
            desired,
            &self.fleet,
            &mut self.host,
            Begin { terms: &Terms::default(), deadline, first: None },
            &mut heard,
            &mut Turns::alone(),
        );
        (converged.map(|converged| converged.ending), heard)
    }

    fn living(&self) -> Vec<String> {
        self.host.living().map(|instance| instance.agent.to_string()).collect()
    }
}

fn desired(agents: &[&str]) -> Desired {
    let mut text = "version = 1\nfleet = \"f\"\n".to_owned();
    for agent in agents {
        text += &format!("[agents.{agent}]\nruntime = \"daemon\"\ncommand = [\"x\"]\ndrain = [{{ message = \"go\", wait = \"1s\" }}]\n");
    }
    load("constellation.toml", &Memory::with_manifest(&text), &Default::default()).desired.unwrap()
}

#[test]
fn on_a_full_disk_what_ends_an_instance_is_done_and_nothing_is_started() {
    for why in [Errno::NOSPC, Errno::DQUOT, Errno::ROFS] {
        let mut world = World::new();
        assert_eq!(world.run(&desired(&["ada", "bob"])).0.unwrap(), Ending::AtRest);
        assert_eq!(world.living(), ["ada", "bob"]);
        assert!(world.fleet.remembers_all());
        // `bob` left the manifest, and `cyd` came.
        let (ending, heard) = crash::full(why, || world.run(&desired(&["ada", "cyd"])));
        assert_eq!(world.living(), ["ada"], "{why}");
        assert_eq!(ending.unwrap(), Ending::Stuck, "{why}");
        let bob: AgentName = "bob".parse().unwrap();
        let of_bob: Vec<(What, u64)> =
            heard.events.iter().filter(|(agent, ..)| *agent == Some(bob.clone())).map(|(_, what, number)| (*what, *number)).collect();
        let expected = [What::Drain, What::Kill, What::Exited, What::Forget].map(|what| (what, 0));
        assert_eq!(of_bob, expected, "all is told, and nothing has a number: {why}");
        let lost = world.fleet.take_lost().unwrap().to_string();
        for what in ["what happened to bob", "that bob is forgotten", "the message to bob, which was not sent", "the events"] {
            assert!(lost.contains(what), "{what}: {lost}");
        }
        // With room, it is as if nothing had been.
        assert_eq!(world.run(&desired(&["ada", "cyd"])).0.unwrap(), Ending::AtRest);
        assert_eq!((world.living(), world.fleet.remembers_all()), (vec!["ada".to_owned(), "cyd".to_owned()], true));
    }
}

#[test]
fn what_could_not_be_written_is_written_once_there_is_room() {
    let mut world = World::new();
    world.run(&desired(&["ada", "bob"])).0.unwrap();
    let ended = |world: &World| world.fleet.record(&"ada".parse().unwrap()).unwrap().unwrap().unwrap().ended.is_some();
    world.host.end(&"ada".parse().unwrap(), Exit::Code(0));
    // It is seen to have ended while there is no room, and nothing is done about it; the drain of `bob` makes for more rounds.
    let (ending, heard) = crash::full(Errno::NOSPC, || world.run_until_room(&desired(&["ada"]), Some(2)));
    assert!(ending.is_ok() && heard.rounds > 2, "{ending:?} after {} rounds", heard.rounds);
    let ada =
        heard.events.iter().find(|(agent, what, _)| agent.as_ref().is_some_and(|agent| agent.as_str() == "ada") && *what == What::Exited);
    assert_eq!(ada.map(|(.., number)| *number), Some(0), "there was no room when it was seen");
    assert!(ended(&world));
}

#[test]
fn on_a_disk_that_fails_otherwise_nothing_is_done_that_is_not_written_down() {
    let mut world = World::new();
    world.run(&desired(&["ada", "bob"])).0.unwrap();
    let (outcome, _) = crash::full(Errno::IO, || world.run(&desired(&["ada"])));
    assert!(!matches!(outcome, Ok(Ending::AtRest)));
    assert_eq!(world.living(), ["ada", "bob"]);
    assert!(world.fleet.take_lost().unwrap().to_string().contains("the events, for `history`"));
}

#[test]
fn what_is_done_to_the_server_and_cannot_be_remembered_is_not_done_again_and_again() {
    let mut world = World::new();
    world.fleet.write_claim(&Claim::new("/m".into())).unwrap();
    let text = "version = 1\nfleet = \"f\"\n[agents.ada]\ncommand = [\"x\"]\n";
    let in_tmux = load("constellation.toml", &Memory::with_manifest(text), &Default::default()).desired.unwrap();
    assert_eq!(world.run(&in_tmux).0.unwrap(), Ending::AtRest);
    assert!(world.fleet.claim().unwrap().unwrap().server.is_some());
    let none = Desired { agents: Default::default(), ..in_tmux.clone() };
    let (ending, heard) = crash::full(Errno::ROFS, || {
        let mut heard = Heard::default();
        let terms = Terms { unbound: true, ..Terms::default() };
        let deadline = crate::host::Host::now(&world.host) + Duration::from_secs(60);
        let begin = Begin { terms: &terms, deadline, first: None };
        let converged = converge(&none, &world.fleet, &mut world.host, begin, &mut heard, &mut Turns::alone());
        (converged.map(|converged| converged.ending), heard)
    });
    assert_eq!((ending.unwrap(), world.living()), (Ending::AtRest, Vec::new()));
    assert!(heard.rounds < 20, "{} rounds", heard.rounds);
    assert!(world.fleet.take_lost().unwrap().to_string().contains("what was applied last"));
    // Another run finds what is on the disk.
    let other = StateDir::locate(Some(world._root.path())).unwrap().fleet(&"f".parse().unwrap()).unwrap();
    assert!(other.claim().unwrap().unwrap().server.is_some());
}
