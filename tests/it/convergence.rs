//! The promises of `lib.rs`, on the simulated machine with the real planner, executor and state folder: random fleets, edits, stubborn
//! agents, faults, and a crash at any host call.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Once;

use proptest::prelude::*;
use reconcile::converge::{Audience, Begin, Converged, Ending, Turns, converge};
use reconcile::desired::{
    AgentName, AgentSpec, Attributes, Care, Command, Declared, Desired, DrainAsk, DrainStep, Guard, Heartbeat, Inherit, Launch, Limit,
    Live, Milestone, OnRemove, Place, Policy, Probe, Server, Signal, SignalTo, Size, Socket, Source, Wish, canonical_digest,
};
use reconcile::event::Entry;
use reconcile::host::Host;
use reconcile::host::sim::{Behaviour, Crash, Faults, Sim, Terminal};
use reconcile::intent::Intent;
use reconcile::observe::observe;
use reconcile::observed::{Ended, Exit, Observed, Phase};
use reconcile::plan::{Next, Plan, Terms, after, foresee, plan};
use reconcile::state::{Fleet, StateDir};
use reconcile::time::{Duration, Timestamp};

mod soak;

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Longer than any sequence of waits of these fleets.
const LONG: Duration = Duration::from_secs(1_000_000);

fn name(text: &str) -> AgentName {
    text.parse().unwrap()
}

/// A daemon in the folder `/`, or an agent in tmux.
fn agent(command: &str, tmux: Option<&str>) -> AgentSpec {
    let place = match tmux {
        Some(session) => {
            Place::Tmux { socket: Socket("sim".to_owned()), session: session.parse().unwrap(), window: session.parse().unwrap() }
        }
        None => Place::Daemon { pidfile: None },
    };
    let launch = Launch {
        command: Command::Argv(vec![command.to_owned()]),
        place,
        cwd: PathBuf::from("/"),
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

fn fleet_of(agents: BTreeMap<AgentName, AgentSpec>) -> Desired {
    let source = Source { file: "test.toml".into(), line: 1 };
    Desired {
        fleet: "sim".parse().unwrap(),
        server: Server { socket: Socket("sim".to_owned()), config: None, size: Size::default(), options: BTreeMap::new() },
        agents: agents.into_iter().map(|(name, spec)| (name, Declared { spec, source: source.clone(), renamed_from: None })).collect(),
        guard: Guard { max_stop: Some(Limit::Percent(100)), allow_empty: true },
        strangers: Vec::new(),
        watch: Default::default(),
        notify: Vec::new(),
        digest: "blake3:test".to_owned(),
    }
}

/// Ends a run that would go on for ever.
#[derive(Default)]
struct Judge {
    rounds: usize,
}

impl Audience for Judge {
    fn event(&mut self, _: &Entry) {}
    fn round(&mut self, plan: &Plan, _: &Observed) {
        self.rounds += 1;
        assert!(self.rounds < 1000, "it goes round and round: {plan:#?}");
    }
}

struct World {
    sim: Sim,
    fleet: Fleet,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fleet = StateDir::locate(Some(&folder.path().join("state"))).unwrap().fleet(&"sim".parse().unwrap()).unwrap();
        fleet.prepare().unwrap();
        fleet.write_claim(&reconcile::state::Claim::new(PathBuf::from("/test.toml"))).unwrap();
        Self { sim: Sim::new(START), fleet, _folder: folder }
    }

    fn apply(&mut self, desired: &Desired) -> Converged {
        let deadline = self.sim.now() + LONG;
        converge(
            desired,
            &self.fleet,
            &mut self.sim,
            Begin { terms: &Terms::default(), deadline, first: None },
            &mut Judge::default(),
            &mut Turns::alone(),
        )
        .unwrap()
    }

    /// An apply that is killed at its n-th host call; whether it was, before it ended.
    fn killed_apply(&mut self, desired: &Desired, call: u64) -> bool {
        silence_crashes();
        self.sim.faults.crash_at = Some(self.sim.calls() + call);
        let crashed = catch_unwind(AssertUnwindSafe(|| self.apply(desired))).is_err();
        self.sim.faults.crash_at = None;
        self.never_two();
        crashed
    }

    fn plan(&mut self, desired: &Desired) -> Plan {
        let seen = observe(desired, &self.fleet, &mut self.sim, &Intent::default()).unwrap();
        plan(desired, &seen.observed, &Terms::default())
    }

    fn living(&self) -> Vec<String> {
        let mut living: Vec<String> = self.sim.living().map(|instance| instance.agent.to_string()).collect();
        living.sort();
        living
    }

    fn never_two(&self) {
        let living = self.living();
        let distinct: BTreeSet<&String> = living.iter().collect();
        assert_eq!(living.len(), distinct.len(), "two instances of one agent: {living:?}");
    }

    /// What runs is what was asked for, or what is missing is named.
    fn settled(&mut self, desired: &Desired, plan: &Plan, observed: &Observed) {
        self.never_two();
        let due: BTreeSet<&AgentName> = plan.changes.keys().collect();
        for (agent, declared) in desired.agents.iter().filter(|(agent, _)| !due.contains(agent)) {
            let mut digests =
                self.sim.living().filter(|instance| instance.agent == *agent).map(|instance| &instance.mark.as_ref().unwrap().digest);
            match (digests.next(), declared.spec.care.desired) {
                (Some(digest), Wish::Running) => {
                    assert_eq!(*digest, canonical_digest(&declared.spec.launch), "{agent} runs another launch")
                }
                (Some(_), Wish::Stopped) => panic!("{agent} runs and should not"),
                (None, _) => match &observed.agents[agent].phase {
                    Phase::Exited(ended) => assert!(
                        declared.spec.care.desired == Wish::Stopped || ended.exit == Exit::Code(0),
                        "{agent} is not there: {ended:?}"
                    ),
                    phase @ (Phase::Absent | Phase::Running { .. } | Phase::Leaving(_) | Phase::Unknown { .. }) => {
                        assert_eq!(declared.spec.care.desired, Wish::Stopped, "{agent} is not there: {phase:?}");
                    }
                },
            }
        }
        for agent in self.living() {
            assert!(desired.agents.contains_key(agent.as_str()) || due.contains(&name(&agent)), "{agent} runs and is not declared");
        }
    }
}

/// A crash of the simulated tool is no news on the terminal.
fn silence_crashes() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info.payload().is::<Crash>() {
                loud(info);
            }
        }));
    });
}

const NAMES: [&str; 5] = ["ada", "bob", "cyd", "dan", "eve"];

/// An agent of a random fleet: what it runs, where, whom it waits for and how it is looked after.
fn some_agent(index: usize) -> impl Strategy<Value = AgentSpec> {
    let after = proptest::collection::btree_map(0..NAMES.len(), prop_oneof![Just(Milestone::Started), Just(Milestone::Ready)], 0..2);
    let drain = proptest::collection::vec((any::<bool>(), 0..20u64), 0..3);
    let wish = prop_oneof![6 => Just(Wish::Running), 1 => Just(Wish::Stopped)];
    let policy = prop_oneof![3 => Just(Policy::OnFailure), 1 => Just(Policy::Never)];
    (0..3u8, any::<bool>(), after, drain, wish, policy, any::<bool>(), any::<bool>()).prop_map(
        move |(command, tmux, after, drain, desired, policy, kill, probed)| {
            let mut spec = agent(&format!("run-{command}"), tmux.then_some(NAMES[index]));
            // Only earlier names, so that there is no circle.
            spec.care.after =
                after.into_iter().filter(|(other, _)| *other < index).map(|(other, milestone)| (name(NAMES[other]), milestone)).collect();
            let signal = |to| DrainAsk::Signal { signal: Signal::Term, to };
            spec.care.drain = drain
                .into_iter()
                .map(|(tree, wait)| DrainStep {
                    until: None,
                    ask: signal(if tree { SignalTo::Tree } else { SignalTo::Main }),
                    wait: Duration::from_secs(wait),
                })
                .collect();
            spec.care.live.probe = probed.then(|| Probe::Tcp("a:1".to_owned()));
            spec.care.desired = desired;
            spec.care.restart.policy = policy;
            spec.care.on_remove = if kill { OnRemove::Kill } else { OnRemove::Drain };
            spec
        },
    )
}

fn some_manifest() -> impl Strategy<Value = Desired> {
    let agents = (0..NAMES.len()).map(|index| proptest::option::weighted(0.7, some_agent(index))).collect::<Vec<_>>();
    agents.prop_map(|agents| {
        let declared: BTreeMap<AgentName, AgentSpec> =
            agents.into_iter().enumerate().filter_map(|(index, spec)| Some((name(NAMES[index]), spec?))).collect();
        let known: BTreeSet<AgentName> = declared.keys().cloned().collect();
        let mut desired = fleet_of(declared);
        for declared in desired.agents.values_mut() {
            declared.spec.care.after.retain(|other, _| known.contains(other));
        }
        desired
    })
}

fn some_behaviour() -> impl Strategy<Value = Behaviour> {
    let exit = prop_oneof![Just(Exit::Code(0)), Just(Exit::Code(1)), Just(Exit::Signal(9)), Just(Exit::Unseen)];
    let life = proptest::option::weighted(0.3, (0..100u64, exit).prop_map(|(seconds, exit)| (Duration::from_secs(seconds), exit)));
    let obeys = proptest::option::weighted(0.7, (0..30u64).prop_map(Duration::from_secs));
    let hangs = proptest::option::weighted(0.2, (0..200u64).prop_map(Duration::from_secs));
    (life, 0..120u64, hangs, obeys, 0..4u64).prop_map(|(life, ready, hangs_after, obeys, dies)| Behaviour {
        life,
        hangs_after,
        ready_after: Duration::from_secs(ready),
        obeys,
        dies_after: Duration::from_secs(dies),
        ..Behaviour::default()
    })
}

fn some_behaviours() -> impl Strategy<Value = BTreeMap<AgentName, Behaviour>> {
    proptest::collection::vec(some_behaviour(), NAMES.len())
        .prop_map(|all| NAMES.iter().zip(all).map(|(agent, behaviour)| (name(agent), behaviour)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Invariants 2, 3, 4, 5: from any fleet to any other, however the agents behave.
    #[test]
    fn every_fleet_comes_to_rest(manifests in proptest::collection::vec(some_manifest(), 1..4), behaviours in some_behaviours()) {
        let mut world = World::new();
        world.sim.behaviours = behaviours;
        for desired in &manifests {
            let converged = world.apply(desired);
            prop_assert!(matches!(converged.ending, Ending::AtRest | Ending::Stuck), "{:?} with {:?}", converged.ending, converged.plan);
            for (agent, change) in &converged.plan.changes {
                prop_assert!(matches!(change.next, Next::Held(_) | Next::Blocked(_)), "{agent}: {change:?}");
            }
            world.settled(desired, &converged.plan, &converged.observed);
        }
    }

    /// Invariants 5, 9: the tool is killed at any host call, and the next apply finishes the work.
    #[test]
    fn a_crash_anywhere_loses_nothing(
        manifests in proptest::collection::vec(some_manifest(), 2..4),
        behaviours in some_behaviours(),
        crashes in proptest::collection::vec(1..40u64, 1..5),
    ) {
        let mut world = World::new();
        world.sim.behaviours = behaviours;
        for desired in &manifests {
            for call in &crashes {
                world.killed_apply(desired, *call);
            }
            let converged = world.apply(desired);
            prop_assert!(matches!(converged.ending, Ending::AtRest | Ending::Stuck), "{:?} with {:?}", converged.ending, converged.plan);
            world.settled(desired, &converged.plan, &converged.observed);
        }
    }

    /// Invariant 12: looks that see nothing, acts that fail and answers that are lost end nobody who should live.
    #[test]
    fn faults_delay_and_do_not_destroy(
        desired in some_manifest(),
        blind in proptest::collection::btree_set(1..60u64, 0..10),
        failing in proptest::collection::btree_set(1..60u64, 0..4),
        unanswered in proptest::collection::btree_set(1..60u64, 0..10),
    ) {
        let mut world = World::new();
        world.apply(&desired);
        let before = world.living();
        world.sim.faults.blind = blind.iter().map(|call| call + world.sim.calls()).collect();
        world.apply(&desired);
        prop_assert_eq!(&world.living(), &before, "a fleet at rest was touched");

        world.sim.faults.failing = failing.iter().map(|call| call + world.sim.calls()).collect();
        world.sim.faults.unanswered = unanswered.iter().map(|call| call + world.sim.calls()).collect();
        let mut edited = desired.clone();
        for declared in edited.agents.values_mut() {
            declared.spec.launch.env.insert("EDITED".to_owned(), "1".to_owned());
        }
        for _ in 0..80 {
            world.apply(&edited);
            world.never_two();
        }
        let converged = world.apply(&edited);
        world.settled(&edited, &converged.plan, &converged.observed);
    }

    /// Invariant 1, and behaviour 12: planning again gives the same plan, and after an apply that ended well an empty one.
    #[test]
    fn plan_is_pure_and_holds(manifests in proptest::collection::vec(some_manifest(), 1..3), behaviours in some_behaviours()) {
        let mut world = World::new();
        world.sim.behaviours = behaviours;
        for desired in &manifests {
            let seen = observe(desired, &world.fleet, &mut world.sim, &Intent::default()).unwrap();
            let once = plan(desired, &seen.observed, &Terms::default());
            prop_assert_eq!(&once, &plan(desired, &seen.observed, &Terms::default()));
            let converged = world.apply(desired);
            if converged.ending == Ending::AtRest && world.sim.behaviours.values().all(|behaviour| behaviour.life.is_none()) {
                let again = world.plan(desired);
                prop_assert!(again.is_empty(), "{again:?}");
            }
        }
    }

    /// The model keeps to the machine: what is foreseen comes to rest too, and in the same agents.
    #[test]
    fn what_is_foreseen_comes_true(manifests in proptest::collection::vec(some_manifest(), 1..3)) {
        let mut world = World::new();
        for desired in &manifests {
            let seen = observe(desired, &world.fleet, &mut world.sim, &Intent::default()).unwrap();
            let foreseen: Vec<BTreeSet<AgentName>> = foresee(desired, &seen.observed, &Terms::default())
                .iter()
                .map(|plan| plan.changes.iter().filter(|(_, change)| matches!(change.next, Next::Act(_))).map(|(agent, _)| agent.clone()).collect())
                .collect();
            let mut acted: BTreeSet<AgentName> = BTreeSet::new();
            struct Acted<'a>(&'a mut BTreeSet<AgentName>);
            impl Audience for Acted<'_> {
                fn event(&mut self, _: &Entry) {}
                fn round(&mut self, plan: &Plan, _: &Observed) {
                    self.0.extend(plan.changes.iter().filter(|(_, change)| matches!(change.next, Next::Act(_))).map(|(agent, _)| agent.clone()));
                }
            }
            let deadline = world.sim.now() + LONG;
            converge(desired, &world.fleet, &mut world.sim, Begin { terms: &Terms::default(), deadline, first: None }, &mut Acted(&mut acted), &mut Turns::alone()).unwrap();
            let foreseen: BTreeSet<AgentName> = foreseen.into_iter().flatten().collect();
            prop_assert_eq!(foreseen, acted);
        }
    }
}

#[test]
fn after_is_what_the_next_look_shows() {
    let mut world = World::new();
    let mut spec = agent("run", Some("ada"));
    spec.care.ready.probe = Probe::Delay(Duration::ZERO);
    let desired = fleet_of(BTreeMap::from([(name("ada"), spec)]));
    let seen = observe(&desired, &world.fleet, &mut world.sim, &Intent::default()).unwrap();
    let first = plan(&desired, &seen.observed, &Terms::default());
    let model = after(&desired, seen.observed, &first);
    let converged = world.apply(&desired);
    let (model, real) = (&model.agents["ada"], &converged.observed.agents["ada"]);
    assert_eq!((model.generation, &model.spec, &model.digest), (real.generation, &real.spec, &real.digest));
    assert!(matches!((&model.phase, &real.phase), (Phase::Running { .. }, Phase::Running { .. })));
}

#[test]
fn a_clock_that_was_set_back_by_a_day_delays_no_restart() {
    let mut world = World::new();
    let desired = fleet_of(BTreeMap::from([(name("ada"), agent("run", None))]));
    world.apply(&desired);
    let mut record = world.fleet.records().unwrap().remove("ada").unwrap().unwrap();
    let tomorrow = world.sim.now() + Duration::from_secs(86_400);
    record.ended =
        Some(Ended { at: tomorrow, since: tomorrow, was_ready: true, exit: Exit::Code(1), asked: None, outcome: None, excuse: None });
    record.failures.recent = vec![tomorrow];
    world.fleet.write(&record).unwrap();
    world.sim = Sim::new(world.sim.now());
    let before = world.sim.now();
    assert_eq!(world.apply(&desired).ending, Ending::AtRest);
    assert_eq!(world.living(), ["ada"]);
    let waited = world.sim.now().since(before);
    assert!(waited < Duration::from_secs(120), "it was started again after {waited}");
}

#[test]
fn a_crash_at_every_single_call_of_one_life() {
    // Small enough to try every call and not only some: spawn, replace, stop, each killed at each call.
    let mut spec = agent("run", Some("ada"));
    let first = fleet_of(BTreeMap::from([(name("ada"), spec.clone()), (name("bob"), agent("run", None))]));
    spec.launch.command = Command::Argv(vec!["other".to_owned()]);
    let second = fleet_of(BTreeMap::from([(name("ada"), spec)]));
    for call in 1.. {
        let mut world = World::new();
        let crashed_first = world.killed_apply(&first, call);
        assert_eq!(world.apply(&first).ending, Ending::AtRest, "call {call}");
        assert_eq!(world.living(), ["ada", "bob"], "call {call}");
        let crashed_second = world.killed_apply(&second, call);
        assert_eq!(world.apply(&second).ending, Ending::AtRest, "call {call}");
        assert_eq!(world.living(), ["ada"], "call {call}");
        assert!(world.plan(&second).is_empty(), "call {call}");
        if !crashed_first && !crashed_second {
            assert!(call > 10, "the tool was never killed");
            break;
        }
    }
}

/// What was typed into the terminals of an agent, life by life.
fn submitted(world: &World) -> Vec<(u64, Vec<String>)> {
    world.sim.submitted().map(|(instance, texts)| (instance.generation.0, texts.to_vec())).collect()
}

#[test]
fn a_crash_at_every_single_call_of_dialogs_a_prompt_and_a_note() {
    use reconcile::desired::{Channel, Preset, Probe, Text};
    let mut spec = agent("run", None);
    spec.care.preset = vec![Preset::Named("claude".to_owned())];
    spec.care.ready.probe = Probe::Preset;
    spec.care.accept = BTreeSet::from(["trust".to_owned(), "bypass".to_owned()]);
    spec.care.prompt = Some(Text::Plain("begin".to_owned()));
    spec.care.handoff.deliver = BTreeSet::from([Channel::Inbox, Channel::Paste]);
    let desired = fleet_of(BTreeMap::from([(name("ada"), spec)]));
    for call in 1.. {
        let mut world = World::new();
        let mut terminal = Terminal::default();
        (terminal.asks, terminal.swallows, terminal.works_for) = (vec!["trust", "bypass"], 1, Duration::from_secs(2));
        world.sim.behaviours.insert(name("ada"), Behaviour { terminal, ..Behaviour::default() });
        let paths = world.fleet.paths().clone();
        world.fleet.prepare().unwrap();
        reconcile::state::handoff::spool::put(&paths.spool(&name("ada")), "00000000000000aa".parse().unwrap(), "a note", START).unwrap();
        let crashed = world.killed_apply(&desired, call);
        // What is busy is left alone by a run, and is taken up by the next one.
        for _ in 0..3 {
            world.apply(&desired);
            world.sim.pass(Duration::from_secs(5));
        }
        assert!(world.plan(&desired).is_empty(), "call {call}: {:?}", world.plan(&desired));
        let lives = submitted(&world);
        let [(_, texts)] = &lives[..] else { panic!("call {call}: {lives:?}") };
        let count = |wanted: &str| texts.iter().filter(|text| text.contains(wanted)).count();
        assert!(count("begin") <= 1 && count("a note") <= 1, "call {call}: {texts:?}");
        if !crashed {
            assert_eq!((count("begin"), count("a note"), texts.len()), (1, 1, 2), "call {call}: {texts:?}");
        } else if texts.len() < 2 {
            // It was written down before the first key, and never typed: that was reported, and nothing was typed twice.
            let journal = world.fleet.entries_after(0).unwrap();
            assert!(journal.iter().any(|entry| entry.event.why.contains("unconfirmed")), "call {call}: {texts:?}");
        }
        let inbox = std::fs::read_dir(paths.inbox(&name("ada"))).unwrap().count();
        assert_eq!(inbox, 1, "call {call}");
        if !crashed {
            assert!(call > 20, "the tool was never killed");
            break;
        }
    }
}

#[test]
fn who_gets_ready_by_itself_is_not_waited_for_longer_than_that() {
    // Left out of the run, it gets no step and so no time of its own; what waits for it goes on all the same.
    let mut world = World::new();
    let mut ada = agent("run", None);
    ada.care.ready.probe = Probe::Command(vec!["is-ready".to_owned()]);
    let mut bob = agent("run", None);
    bob.care.after.insert(name("ada"), Milestone::Ready);
    let desired = fleet_of(BTreeMap::from([(name("ada"), ada), (name("bob"), bob)]));
    let behaviour = Behaviour { ready_after: Duration::from_secs(5), ..Behaviour::default() };
    world.sim.behaviours.insert(name("ada"), behaviour);
    let run = |world: &mut World, only: &str, deadline: u64| {
        let terms = Terms { scope: Some(BTreeSet::from([name(only)])), ..Terms::default() };
        let deadline = world.sim.now() + Duration::from_secs(deadline);
        converge(
            &desired,
            &world.fleet,
            &mut world.sim,
            Begin { terms: &terms, deadline, first: None },
            &mut Judge::default(),
            &mut Turns::alone(),
        )
        .unwrap()
        .ending
    };
    assert_eq!(run(&mut world, "ada", 1), Ending::TimedOut);
    assert_eq!(run(&mut world, "bob", 10_000), Ending::AtRest);
    assert_eq!(world.living(), ["ada", "bob"]);
    assert!(world.sim.now().since(START) < Duration::from_secs(10), "{}", world.sim.now().since(START));
}

/// One that is asked every 10 s whether it is alive, and that hangs after this time in each of its lives.
fn hanging(after: u64, heartbeat: Option<Heartbeat>) -> (World, Desired) {
    let mut spec = agent("run", Some("ada"));
    let probe = heartbeat.is_none().then(|| Probe::Tcp("a:1".to_owned()));
    spec.care.live = Live { probe, heartbeat, ..Live::default() };
    let mut world = World::new();
    world.sim.behaviours.insert(name("ada"), Behaviour { hangs_after: Some(Duration::from_secs(after)), ..Behaviour::default() });
    (world, fleet_of(BTreeMap::from([(name("ada"), spec)])))
}

/// Applies again and again, as a watcher would, and returns the lives that there were.
fn watch(world: &mut World, desired: &Desired, times: usize, pause: Duration) -> (u64, Converged) {
    let mut converged = world.apply(desired);
    for _ in 0..times {
        world.sim.pass(pause);
        converged = world.apply(desired);
        world.never_two();
    }
    (converged.observed.agents["ada"].generation.0, converged)
}

#[test]
fn one_that_hangs_is_replaced_and_a_hopeless_one_left_running_in_the_end() {
    let pause = Duration::from_secs(10);
    let (mut world, desired) = hanging(3600, None);
    assert_eq!(watch(&mut world, &desired, 350, pause).0, 1);
    let (lives, converged) = watch(&mut world, &desired, 20, pause);
    assert_eq!((lives, converged.ending), (2, Ending::AtRest));
    // It never hangs so often that it would be given up.
    assert!(watch(&mut world, &desired, 4000, pause).0 >= 11);

    for heartbeat in
        [None, Some(Heartbeat { file: None, nudge_after: None, replace_after: Some(Duration::from_secs(1800)), nudge: String::new() })]
    {
        let (mut world, desired) = hanging(0, heartbeat);
        let (lives, converged) = watch(&mut world, &desired, 2000, pause);
        assert_eq!(converged.ending, Ending::Stuck);
        assert_eq!(lives, 5, "{:?}", converged.plan);
        assert_eq!(world.living(), ["ada"], "what is given up is left running");
    }
}

#[test]
fn who_could_not_be_asked_and_answers_that_are_too_close_count_for_nothing() {
    let (mut world, desired) = hanging(0, None);
    // Asked many times within one interval: that is one answer.
    assert_eq!(watch(&mut world, &desired, 50, Duration::from_millis(50)).0, 1);
    assert!(world.sim.now().since(START) < Duration::from_secs(9));
    assert_eq!(world.fleet.records().unwrap()[&name("ada")].as_ref().unwrap().live.noes, 1);
}

#[test]
fn a_crash_on_the_way_out_of_one_that_hangs_keeps_why() {
    for call in 1.. {
        let (mut world, desired) = hanging(0, None);
        world.apply(&desired);
        for _ in 0..2 {
            world.sim.pass(Duration::from_secs(10));
            world.apply(&desired);
        }
        world.sim.pass(Duration::from_secs(10));
        let crashed = world.killed_apply(&desired, call);
        let converged = world.apply(&desired);
        let sighting = &converged.observed.agents["ada"];
        // A start that was only written down uses up its number.
        assert!(sighting.generation.0 >= 2, "call {call}: {:?}", converged.plan);
        assert_eq!(sighting.failures.streak, 1, "call {call}: {:?}", converged.plan);
        if !crashed {
            assert!(call > 4, "the tool was never killed");
            break;
        }
    }
}

#[test]
fn a_kill_that_was_only_written_down_is_made_up_for() {
    // Killed at each call on the way to a kill: whatever was written, the next run ends it, and never gives up on what it never tried.
    let mut stubborn = agent("run", None);
    stubborn.care.drain = Vec::new();
    let first = fleet_of(BTreeMap::from([(name("ada"), stubborn.clone())]));
    stubborn.launch.command = Command::Argv(vec!["other".to_owned()]);
    let second = fleet_of(BTreeMap::from([(name("ada"), stubborn)]));
    for call in 1.. {
        let mut world = World::new();
        world.sim.behaviours.insert(name("ada"), Behaviour { obeys: None, ..Behaviour::default() });
        world.apply(&first);
        let crashed = world.killed_apply(&second, call);
        world.sim.pass(Duration::from_secs(3600));
        let converged = world.apply(&second);
        assert_eq!(converged.ending, Ending::AtRest, "call {call}: {:?}", converged.plan);
        assert_eq!(world.living(), ["ada"], "call {call}");
        if !crashed {
            assert!(call > 4, "the tool was never killed");
            break;
        }
    }
}

#[test]
fn a_crash_at_every_single_call_leaves_no_message_to_the_next_life() {
    let mut spec = agent("run", None);
    let step = |ask, seconds| DrainStep { ask, wait: Duration::from_secs(seconds), until: None };
    spec.care.drain =
        vec![step(DrainAsk::Message("bye".to_owned()), 5), step(DrainAsk::Signal { signal: Signal::Term, to: SignalTo::Main }, 5)];
    let first = fleet_of(BTreeMap::from([(name("ada"), spec.clone())]));
    spec.launch.command = Command::Argv(vec!["other".to_owned()]);
    let second = fleet_of(BTreeMap::from([(name("ada"), spec)]));
    let lying = |world: &World| {
        let inbox = world.fleet.paths().inbox(&name("ada"));
        std::fs::read_dir(inbox).map_or(0, |entries| entries.count())
    };
    let mut was_there = false;
    for call in 1.. {
        let mut world = World::new();
        world.apply(&first);
        let crashed = world.killed_apply(&second, call);
        let lives = world.sim.lives().count();
        was_there |= lying(&world) > 0;
        assert!(lives < 2 || lying(&world) == 0, "call {call}: the next life finds a message");
        // It may also be wanted again as it was.
        let again = if call % 2 == 0 { &first } else { &second };
        assert_eq!(world.apply(again).ending, Ending::AtRest, "call {call}");
        assert_eq!((world.living(), lying(&world)), (vec!["ada".to_owned()], 0), "call {call}");
        if !crashed {
            assert!(call > 6 && was_there, "the tool was never killed");
            break;
        }
    }
}

#[test]
fn one_that_was_lost_with_its_record_is_started_again() {
    // Its end was never dated: neither a look of its own dates it again each time, nor is there anything to wait for without end.
    for tmux in [None, Some("ada")] {
        let mut world = World::new();
        let desired = fleet_of(BTreeMap::from([(name("ada"), agent("run", tmux))]));
        world.apply(&desired);
        world.sim.end(&name("ada"), Exit::Unseen);
        world.fleet.remove(&name("ada")).unwrap();
        assert_eq!(world.apply(&desired).ending, Ending::AtRest);
        assert_eq!(world.living(), ["ada"]);
        assert!(world.sim.now().since(START) < Duration::from_secs(10), "{}", world.sim.now().since(START));
    }
}
