//! The watcher through hours of virtual time: edits, deaths, hangs, faults of the machine, and its own death at any call.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use proptest::prelude::*;
use reconcile::desired::{Auto, Notice, NoticeChannel, Occasion};
use reconcile::host::sim::Accident;
use reconcile::watch::{Rest, Turn, Watch};

use super::*;

/// What happens next, and how long the watcher then goes on.
#[derive(Clone, Debug)]
enum Step {
    Edit(Box<Desired>),
    Accident(Accident),
    /// The watcher is killed at its n-th call from now, and another one begins.
    Crash(u64),
    /// Looks that see nothing, acts that fail, answers that are lost, by the number of the call from now.
    Faults(Faults),
}

/// One that nobody edits, that never fails and waits for nobody: nothing may ever happen to it.
const BYSTANDER: &str = "zoe";

fn with_bystander(mut desired: Desired) -> Desired {
    let source = Source { file: "test.toml".into(), line: 1 };
    desired.agents.insert(name(BYSTANDER), Declared { spec: agent("stays", Some(BYSTANDER)), source, renamed_from: None });
    desired.watch.auto = Auto::All;
    desired
}

fn some_accident() -> impl Strategy<Value = Accident> {
    let exit = prop_oneof![Just(Exit::Code(0)), Just(Exit::Code(1)), Just(Exit::Signal(9)), Just(Exit::Unseen)];
    prop_oneof![
        (0..NAMES.len(), exit).prop_map(|(index, exit)| Accident::End(name(NAMES[index]), exit)),
        (0..NAMES.len()).prop_map(|index| Accident::Hang(name(NAMES[index]))),
    ]
}

fn some_step() -> impl Strategy<Value = (Step, Duration)> {
    let calls = || proptest::collection::btree_set(1..40u64, 0..4);
    let faults = (calls(), calls(), calls()).prop_map(|(blind, failing, unanswered)| Faults { blind, failing, unanswered, crash_at: None });
    let step = prop_oneof![
        3 => some_manifest().prop_map(|desired| Step::Edit(Box::new(with_bystander(desired)))),
        4 => some_accident().prop_map(Step::Accident),
        2 => (1..60u64).prop_map(Step::Crash),
        1 => faults.prop_map(Step::Faults),
    ];
    (step, 0..1800u64).prop_map(|(step, seconds)| (step, Duration::from_secs(seconds)))
}

/// A watcher with its world.
struct Watched {
    world: World,
    desired: Desired,
    watch: Watch,
    rounds: u64,
    rest: Option<Rest>,
}

impl Watched {
    fn new(desired: Desired) -> Self {
        let world = World::new();
        let watch = Self::watcher(&world, &desired);
        Self { world, desired, watch, rounds: 0, rest: None }
    }

    fn watcher(world: &World, desired: &Desired) -> Watch {
        Watch::new(std::path::Path::new("/test.toml"), desired.watch.auto, world.sim.now())
    }

    /// A round, after which everything is as it must be at every moment.
    fn round(&mut self) -> Rest {
        silence_crashes();
        let done = catch_unwind(AssertUnwindSafe(|| {
            let World { sim, fleet, .. } = &mut self.world;
            self.watch.round(&self.desired, fleet, sim, &mut Unheard)
        }));
        self.rounds += 1;
        self.world.never_two();
        match done {
            Ok(Ok(Turn::Done(rest))) => {
                self.rest = Some(Rest::clone(&rest));
                *rest
            }
            Ok(Ok(Turn::Still(until))) => Rest { until, ..self.rest.clone().unwrap() },
            Ok(Ok(Turn::Begun)) => self.round(),
            // Another test of this process starts a child just now, which has all open files until it is another program.
            Ok(Ok(Turn::Busy(None))) => self.round(),
            Ok(other) => panic!("{other:?}"),
            Err(crash) if crash.is::<Crash>() => {
                self.world.sim.faults.crash_at = None;
                self.watch = Self::watcher(&self.world, &self.desired);
                self.round()
            }
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Rounds, and the waits between them, for this long.
    fn go_on(&mut self, length: Duration) -> Rest {
        let end = self.world.sim.now() + length;
        loop {
            let rest = self.round();
            if self.world.sim.now() >= end {
                return rest;
            }
            let until = rest.until.min(end);
            // Where it dies in its sleep, the next round notices.
            let _ = catch_unwind(AssertUnwindSafe(|| self.world.sim.wait(&rest.watched, until)));
        }
    }

    fn take(&mut self, step: &Step) {
        let (now, calls) = (self.world.sim.now(), self.world.sim.calls());
        let from_now = |all: &BTreeSet<u64>| all.iter().map(|call| call + calls).collect();
        match step {
            Step::Edit(desired) => {
                self.desired = (**desired).clone();
                self.watch.renew(self.desired.watch.auto);
            }
            Step::Accident(accident) => {
                self.world.sim.accidents.entry(now).or_default().push(accident.clone());
            }
            Step::Crash(call) => self.world.sim.faults.crash_at = Some(calls + call),
            Step::Faults(faults) => {
                self.world.sim.faults.blind = from_now(&faults.blind);
                self.world.sim.faults.failing = from_now(&faults.failing);
                self.world.sim.faults.unanswered = from_now(&faults.unanswered);
            }
        }
    }
}

struct Unheard;

impl Audience for Unheard {
    fn event(&mut self, _: &Entry) {}
    fn round(&mut self, _: &Plan, _: &Observed) {}
}

/// A daemon whose crashes somebody hears of.
fn heard() -> Desired {
    let mut desired = fleet_of(BTreeMap::from([(name("ada"), agent("run", None))]));
    desired.watch.auto = Auto::All;
    desired.notify = vec![Notice { on: [Occasion::Crash].into(), to: NoticeChannel::File("/told".into()) }];
    desired
}

fn crashes(watched: &Watched) -> usize {
    watched.world.sim.told.iter().filter(|told| told.contains("\"on\":\"crash\"")).count()
}

#[test]
fn a_death_is_told_exactly_once_whenever_the_watcher_is_killed() {
    let mut killed = 0;
    for call in 1..=40 {
        let mut watched = Watched::new(heard());
        watched.go_on(Duration::from_secs(60));
        watched.take(&Step::Crash(call));
        watched.take(&Step::Accident(Accident::End(name("ada"), Exit::Code(1))));
        watched.go_on(Duration::from_secs(120));
        killed += usize::from(watched.world.sim.faults.crash_at.take().is_none());
        // And another one at the end, which has nothing to tell.
        watched.watch = Watched::watcher(&watched.world, &heard());
        watched.go_on(Duration::from_secs(120));
        assert_eq!(crashes(&watched), 1, "killed at call {call}: {:#?}", watched.world.sim.told);
    }
    assert!(killed > 10, "killed {killed} times");
}

#[test]
fn what_a_command_wrote_while_no_watcher_ran_is_told_by_the_next() {
    let mut watched = Watched::new(heard());
    // Of what was before the first watcher, nothing is news.
    watched.world.apply(&heard());
    watched.world.sim.end(&name("ada"), Exit::Code(1));
    watched.world.apply(&heard());
    watched.go_on(Duration::from_secs(60));
    assert_eq!(crashes(&watched), 0);
    for told in [1, 2] {
        watched.world.sim.end(&name("ada"), Exit::Code(1));
        watched.world.apply(&heard());
        for _ in 0..2 {
            watched.watch = Watched::watcher(&watched.world, &heard());
            watched.go_on(Duration::from_secs(60));
            assert_eq!(crashes(&watched), told);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Invariants 2, 3, 5, 9, 12, 17: whatever happens, in the end runs what was asked for, or what is missing is named; who has nothing to do
    /// with it is never touched; and it never turns round and round.
    #[test]
    fn a_watcher_keeps_the_fleet_whatever_happens(
        first in some_manifest(),
        behaviours in some_behaviours(),
        steps in proptest::collection::vec(some_step(), 1..12),
    ) {
        let mut watched = Watched::new(with_bystander(first));
        watched.world.sim.behaviours = behaviours;
        watched.go_on(Duration::from_secs(10));
        let begun = watched.world.sim.now();
        for (step, pause) in &steps {
            watched.take(step);
            watched.go_on(*pause);
        }
        watched.take(&Step::Faults(Faults::default()));
        watched.world.sim.faults.crash_at = None;
        watched.world.sim.behaviours.values_mut().for_each(|behaviour| (behaviour.life, behaviour.hangs_after) = (None, None));
        // Longer than any drain, readiness or pause; those whose lives were short before have ended by now.
        let Rest { plan, observed, .. } = watched.go_on(Duration::from_secs(3600));
        for (agent, change) in &plan.changes {
            prop_assert!(matches!(change.next, Next::Held(_) | Next::Blocked(_)), "{agent}: {change:?}");
        }
        let desired = watched.desired.clone();
        watched.world.settled(&desired, &plan, &observed);
        let lives = watched.world.sim.lives().filter(|life| life.mark.agent.as_str() == BYSTANDER).count();
        prop_assert_eq!(lives, 1, "the bystander was touched");
        let hours = watched.world.sim.now().since(begun).as_secs() / 3600 + 1;
        prop_assert!(watched.rounds < 2000 * hours, "{} rounds in {hours} hours", watched.rounds);
    }
}
