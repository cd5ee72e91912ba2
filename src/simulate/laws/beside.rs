//! A watcher beside a command that waits: what ends outside of the command's agents is started again and told of, once, whatever the command does.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use proptest::prelude::*;
use rustix::fs::{FlockOperation, flock};

use super::world::{Move, START, Who, World, desired, name};
use crate::converge::{Audience, Begin, Ending, Turns, converge};
use crate::desired::{AgentName, Desired};
use crate::event::{Entry, What};
use crate::host::sim::{Accident, Behaviour, Interlude, Sim};
use crate::host::{Host, sim::LifeSpan};
use crate::observed::{Exit, Observed};
use crate::plan::{Plan, Terms};
use crate::state::{AtWork, Fleet, Holder};
use crate::time::{Duration, Timestamp};
use crate::watch::{Turn, Watch};

/// Ada takes ten minutes to leave; the others are told of when they crash.
const FLEET: &str = r#"
[agents.ada]
runtime = "daemon"
command = ["run"]
drain = [{ signal = "TERM", wait = "10m" }]
[agents.bob]
runtime = "daemon"
command = ["work"]
ready = { delay = "10ms" }
[agents.cyd]
command = ["work"]
ready = { delay = "10ms" }
[[notify]]
on = ["crash"]
file = "/notices"
"#;

/// How soon after its end one is started again: the usual pause before a restart, and a round.
const SOON: Duration = Duration::from_secs(4);

struct Unheard;

impl Audience for Unheard {
    fn event(&mut self, _: &Entry) {}
    fn round(&mut self, _: &Plan, _: &Observed) {}
}

/// As if another process were at work on this agent, for as long as this is kept.
fn hold(fleet: &Fleet, agent: &AgentName) -> std::fs::File {
    let folder = fleet.paths().folder().join("commands");
    std::fs::create_dir_all(&folder).unwrap();
    let holder = Holder { pid: std::process::id() + 1, command: "stop".to_owned(), started: START };
    let text = serde_json::to_vec(&AtWork { holder, agents: Some([agent.clone()].into()) }).unwrap();
    let path = folder.join("1.json");
    std::fs::write(&path, text).unwrap();
    let file = std::fs::File::open(path).unwrap();
    flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
    file
}

/// A watcher that looks every second from here on.
fn watch(sim: &mut Sim, desired: &Desired, fleet: &Fleet, seconds: u64) -> Rc<RefCell<u64>> {
    let rounds = Rc::new(RefCell::new(0));
    let watcher = RefCell::new(Watch::new(Path::new("/constellation.toml"), crate::desired::Auto::All, sim.now()));
    let (desired, fleet, counted) = (desired.clone(), fleet.clone(), rounds.clone());
    let viewer = sim.viewer.clone();
    let round = Interlude::new(move |sim: &mut Sim| {
        sim.viewer = viewer.clone();
        loop {
            match watcher.borrow_mut().round(&desired, &fleet, sim, &mut Unheard).unwrap() {
                Turn::Begun => {}
                Turn::Busy(_) => break,
                Turn::Done(_) | Turn::Still(_) | Turn::Displaced(_) => {
                    *counted.borrow_mut() += 1;
                    break;
                }
            }
        }
    });
    for second in 1..seconds {
        let at = sim.now() + Duration::from_secs(second);
        sim.accidents.entry(at).or_default().push(Accident::Other(round.clone()));
    }
    rounds
}

/// The lives of an agent that ended, each with the start of the next.
fn gaps(sim: &Sim, agent: &str) -> Vec<(Timestamp, Option<Timestamp>)> {
    let lives: Vec<LifeSpan> = sim.lives().filter(|life| life.mark.agent.as_str() == agent).collect();
    let next = |at: Timestamp| lives.iter().map(|life| life.since).find(|since| *since >= at);
    lives.iter().filter_map(|life| life.ended.as_ref()).map(|(at, _)| (*at, next(*at))).collect()
}

fn play(deaths: &[(bool, u64)]) {
    let desired = desired(FLEET);
    let mut world = World::new(vec![desired.clone()], Sim::new(START));
    let stubborn = Behaviour { obeys: None, ..Behaviour::default() };
    world.sim.behaviours.insert(name("ada"), stubborn);
    world.take(&Move::Round(Who::First)).unwrap();
    world.settle(Who::First).unwrap();
    let fleet = world.fleet(Who::First).clone();
    let rounds = watch(&mut world.sim, &desired, &fleet, 700);
    let begun = world.sim.now();
    for (is_bob, second) in deaths {
        let agent = name(if *is_bob { "bob" } else { "cyd" });
        let at = begun + Duration::from_millis(second * 1000 + 300);
        world.sim.accidents.entry(at).or_default().push(Accident::End(agent, Exit::Code(1)));
    }
    // The command: it waits for ten minutes until ada has had its time.
    let held = hold(&fleet, &name("ada"));
    world.history.stopped.insert(name("ada"));
    let mut record = fleet.record(&name("ada")).unwrap().unwrap().unwrap();
    record.wanted = crate::desired::Wish::Stopped;
    fleet.write_wish(&record).unwrap();
    let lock = fleet.lock("stop", Duration::ZERO).unwrap();
    let terms = Terms { scope: Some([name("ada")].into()), ..Terms::default() };
    let begin = Begin { terms: &terms, deadline: begun + Duration::from_secs(650), first: None };
    let ended = converge(&desired, &fleet, &mut world.sim, begin, &mut Unheard, &mut Turns::of("stop", lock)).unwrap();
    assert_eq!(ended.ending, Ending::AtRest, "{:?}", ended.plan);
    assert!(world.sim.now().since(begun) > Duration::from_secs(600), "it did not wait");
    assert!(*rounds.borrow() > 300, "the watcher looked {} times", rounds.borrow());
    drop(held);
    let later = world.sim.now() + Duration::from_secs(40);
    world.sim.wait(&[], later);
    world.judge().unwrap();
    for agent in ["bob", "cyd"] {
        for (at, next) in gaps(&world.sim, agent) {
            let Some(next) = next else { panic!("{agent} was not started again after {}", at.since(begun)) };
            assert!(next.since(at) < SOON, "{agent} ended {} after the beginning and was away for {}", at.since(begun), next.since(at));
        }
    }
    let ends = gaps(&world.sim, "bob").len() + gaps(&world.sim, "cyd").len();
    let written = world.written().iter().filter(|event| event.what == What::Exited && event.agent != Some(name("ada"))).count();
    let told = world.sim.told.iter().filter(|line| line.contains("\"exited\"")).count();
    assert_eq!((written, told), (ends, ends), "{:?}", world.sim.told);
}

#[test]
fn while_a_command_waits_for_ten_minutes_who_ends_is_started_again_and_told_once() {
    play(&[(true, 5), (false, 100), (true, 300)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn beside_a_command_nobody_waits(deaths in proptest::collection::vec((any::<bool>(), 1..600u64), 0..5)) {
        // Rare enough that the pauses stay short, and that it is no mass death.
        let mut deaths = deaths;
        deaths.sort_by_key(|(_, second)| *second);
        deaths.dedup_by(|one, other| one.1 < other.1 + 90);
        play(&deaths);
    }
}
