//! One agent's trouble delays no other by more than a round.

use std::path::Path;

use super::world::{Move, START, Who, World, desired, name};
use crate::converge::Audience;
use crate::desired::Auto;
use crate::event::Entry;
use crate::host::Host;
use crate::host::sim::{Accident, Behaviour, Sim, Terminal};
use crate::observed::{Exit, Observed};
use crate::plan::Plan;
use crate::time::{Duration, Timestamp};
use crate::watch::{Turn, Watch};

const FLEET: &str = r#"
[agents.ada]
command = ["run"]
cwd = "/ada"
preset = "claude"
accept = ["trust"]
drain = [{ signal = "TERM", wait = "10m" }]
[agents.bob]
runtime = "daemon"
command = ["work"]
"#;

/// The longest time that a round takes beyond its calls: a pause before another look.
const ROUND: Duration = Duration::from_secs(1);

struct Unheard;

impl Audience for Unheard {
    fn event(&mut self, _: &Entry) {}
    fn round(&mut self, _: &Plan, _: &Observed) {}
}

/// What happens to ada, and what it is asked.
type Trouble = fn(&mut World);

fn is_stubborn(world: &mut World) {
    world.sim.behaviours.insert(name("ada"), Behaviour { obeys: None, dies_after: Duration::from_secs(3600), ..Behaviour::default() });
}

fn asks(world: &mut World) {
    let mut terminal = Terminal::default();
    terminal.asks.extend(["bypass", "trust"]);
    world.sim.behaviours.insert(name("ada"), Behaviour { obeys: None, terminal, ..Behaviour::default() });
}

const TROUBLES: [(&str, Trouble); 9] = [
    ("nothing", |_| {}),
    ("it takes no notice and is replaced", |world| {
        is_stubborn(world);
        world.at = 1;
    }),
    ("it takes no notice and is not declared any more", |world| {
        is_stubborn(world);
        world.at = 2;
    }),
    ("it asks what nobody answers", asks),
    ("it asks, takes no notice, and is not declared any more", |world| {
        asks(world);
        world.at = 2;
    }),
    ("its folder is gone", |world| world.take(&Move::Happen(Accident::Vanishes("/ada".into()))).unwrap()),
    ("a pipe is in the place of its file", |world| _ = world.sim.unreadable.insert(name("ada"))),
    ("it crashes again and again", |world| {
        let life = Some((Duration::from_millis(200), Exit::Code(1)));
        world.sim.behaviours.insert(name("ada"), Behaviour { life, ..Behaviour::default() });
        world.take(&Move::Happen(Accident::End(name("ada"), Exit::Code(1)))).unwrap();
    }),
    ("its keeper is killed, and its program takes no notice", |world| {
        is_stubborn(world);
        world.take(&Move::Happen(Accident::KeeperDies(name("ada")))).unwrap();
    }),
];

/// How long bob is away when it ends in the middle of this, under a watcher.
fn away(trouble: Trouble) -> Duration {
    let manifests = vec![
        desired(FLEET),
        desired(&FLEET.replace("\"run\"", "\"run\", \"--more\"")),
        desired(&FLEET.replace("[agents.ada]", "[agents.eve]")),
    ];
    let mut world = World::new(manifests, Sim::new(START));
    // What ada does in its first life it is born with.
    trouble(&mut world);
    world.at = 0;
    world.take(&Move::Round(Who::First)).unwrap();
    world.settle(Who::First).unwrap();
    trouble(&mut world);
    let (fleet, desired) = (world.fleet(Who::First).clone(), world.desired().clone());
    let mut watch = Watch::new(Path::new("/constellation.toml"), Auto::All, world.sim.now());
    let begun = world.sim.now();
    let dies = begun + Duration::from_secs(5);
    world.sim.accidents.entry(dies).or_default().push(Accident::End(name("bob"), Exit::Code(1)));
    let back = |sim: &Sim| sim.lives().filter(|life| life.mark.agent.as_str() == "bob").map(|life| life.since).find(|since| *since > dies);
    let mut last = (begun, Vec::new());
    while back(&world.sim).is_none() {
        assert!(world.sim.now().since(begun) < Duration::from_secs(3600), "bob never came back");
        match watch.round(&desired, &fleet, &mut world.sim, &mut Unheard).unwrap() {
            Turn::Done(rest) => last = (rest.until, rest.watched),
            Turn::Still(until) => last.0 = until,
            Turn::Begun => continue,
            other @ (Turn::Busy(_) | Turn::Displaced(_)) => panic!("{other:?}"),
        }
        let until: Timestamp = last.0;
        world.sim.wait(&last.1, until);
    }
    world.judge().unwrap();
    back(&world.sim).unwrap().since(dies)
}

#[test]
fn one_agents_trouble_delays_no_other_by_more_than_a_round() {
    let usual = away(TROUBLES[0].1);
    for (what, trouble) in TROUBLES {
        let length = away(trouble);
        assert!(length <= usual + ROUND, "{what}: bob was away for {length}, and usually is for {usual}");
    }
}

#[test]
fn one_that_asks_something_while_it_is_to_end_is_in_no_ones_way() {
    let manifests = vec![desired(FLEET), desired(&FLEET.replace("[agents.ada]", "[agents.eve]"))];
    let mut world = World::new(manifests, Sim::new(START));
    let mut terminal = Terminal::default();
    terminal.asks.push("trust");
    let stubborn = Behaviour { obeys: None, terminal, dies_after: Duration::from_secs(3600), ..Behaviour::default() };
    world.sim.behaviours.insert(name("ada"), stubborn);
    // It shows a dialog that is accepted, and nobody has answered it yet.
    world.take(&Move::Round(Who::First)).unwrap();
    world.take(&Move::Edit(1)).unwrap();
    for _ in 0..4 {
        world.take(&Move::Happen(Accident::End(name("bob"), Exit::Code(1)))).unwrap();
        world.sim.pass(Duration::from_secs(60));
        world.take(&Move::Round(Who::First)).unwrap();
        world.judge().unwrap();
        assert!(world.sim.living().any(|instance| instance.agent == name("bob")), "bob is not started again");
    }
}
