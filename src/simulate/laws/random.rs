//! Longer sequences of moves than can be searched exhaustively, at random.

use proptest::prelude::*;

use super::explore::{TWO, at_rest, what_anybody_does, what_goes_wrong};
use super::world::{Move, START, World, desired, name};
use crate::host::sim::{Behaviour, Sim};
use crate::time::Duration;

fn some_move() -> impl Strategy<Value = Move> {
    let usual = proptest::sample::select(what_anybody_does());
    let faults = proptest::sample::select(what_goes_wrong());
    let killed = (usual.clone(), 1..30u64).prop_map(|(step, call)| Move::Killed(Box::new(step), call));
    let writing = (usual.clone(), 0..30usize).prop_map(|(step, write)| Move::KilledWriting(Box::new(step), write));
    prop_oneof![4 => usual, 2 => faults, 1 => killed, 1 => writing]
}

fn some_world() -> impl Strategy<Value = World> {
    (any::<bool>(), any::<bool>(), proptest::option::of(0..30u64)).prop_map(|(is_protected, is_attended, obeys)| {
        let protect = if is_protected { "protect = true" } else { "" };
        let manifest = TWO.replace("cwd = \"/ada\"", &format!("cwd = \"/ada\"\n{protect}"));
        let edited = manifest.replace("\"run\"", "\"run\", \"--more\"").replace("[agents.bob]", "[agents.cyd]");
        let mut sim = Sim::new(START);
        if is_attended {
            sim.attached.insert("ada".to_owned(), 1);
        }
        let behaviour = Behaviour { obeys: obeys.map(Duration::from_secs), ..Behaviour::default() };
        sim.behaviours.insert(name("ada"), behaviour.clone());
        sim.behaviours.insert(name("bob"), behaviour);
        at_rest(vec![desired(&manifest), desired(&edited)], sim)
    })
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a world with {:?}", self.sim.behaviours)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_hold_whatever_happens(world in some_world(), steps in proptest::collection::vec(some_move(), 1..14)) {
        let mut world = world;
        for step in &steps {
            world.take(step).map_err(TestCaseError::fail)?;
            world.judge().map_err(TestCaseError::fail)?;
        }
        world.comes_right().map_err(TestCaseError::fail)?;
    }
}
