//! The worst moments: what is killed, and what comes of it.

use std::process::{Child, Stdio};

use reconcile::desired::Generation;

use super::*;

const TRIO: &str = "[defaults]\ncommand = [\"sleep\", \"2010\"]\nready = { delay = \"0s\" }\n\
    [agents.ada]\nruntime = \"daemon\"\n[agents.bob]\nafter = [\"ada\"]\n[agents.cyd]\nafter = [\"bob\"]\n";

impl World {
    fn begin(&self, arguments: &[&str]) -> Child {
        self.program.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Begins an apply and kills it as soon as this is so; whether it was still there.
    #[track_caller]
    fn killed_when(&self, what: impl Fn(&Self) -> bool) -> bool {
        let mut child = self.begin(&["apply", "--auto-approve"]);
        let ended = eventually(|| if what(self) { Some(false) } else { child.try_wait().unwrap().map(|_| true) }, LIMIT);
        child.kill().unwrap();
        child.wait().unwrap();
        !ended
    }

    fn has_record(&self, agent: &str, what: impl Fn(&Record) -> bool) -> bool {
        matches!(self.fleet().record(&agent.parse().unwrap()), Ok(Some(Ok(record))) if what(&record))
    }
}

#[test]
fn the_tool_is_killed_while_it_starts_a_fleet() {
    let starts: [fn(&World) -> bool; 5] = [
        |world| world.has_record("ada", |_| true),
        |world| world.kept() == ["ada"],
        |world| world.has_record("bob", |_| true),
        |world| world.kept() == ["ada", "bob"],
        |world| world.has_record("cyd", |record| record.instance.is_none()),
    ];
    for (at, start) in starts.into_iter().enumerate() {
        let world = World::new(TRIO);
        world.killed_when(start);
        let there = world.keepers();
        world.comes_to_rest();
        // Who was up before stays up: nobody is started twice, and nobody anew.
        for (agent, keeper) in there {
            assert_eq!(world.keepers()[&agent], keeper, "{agent}, killed at moment {at}");
        }
    }
}

#[test]
fn the_tool_is_killed_while_it_replaces_a_fleet() {
    let stubborn = |label: &str| {
        format!(
            "[defaults]\ncommand = {STUBBORN}\n{UP}\nenv = {{ LABEL = \"{label}\" }}\n\
             [agents.ada]\nruntime = \"daemon\"\ndrain = [{{ signal = \"TERM\", wait = \"300ms\" }}]\n\
             [agents.bob]\nafter = [\"ada\"]\ndrain = [{{ keys = [\"C-c\"], wait = \"300ms\" }}]\n"
        )
    };
    let world = World::new(&stubborn("0"));
    world.comes_to_rest();
    let moments: [fn(&World) -> bool; 4] = [
        |world| world.has_record("bob", |record| record.leaving.is_some()),
        |world| {
            world.has_record("bob", |record| record.leaving.as_ref().is_some_and(|leaving| leaving.step == reconcile::observed::Step::Kill))
        },
        |world| world.has_record("ada", |record| record.leaving.is_some()),
        |world| world.has_record("ada", |record| record.generation >= Generation(5)),
    ];
    for (at, moment) in moments.into_iter().enumerate() {
        world.declare(&stubborn(&format!("{}", at + 1)));
        assert!(world.killed_when(moment), "it was over before moment {at}");
        world.comes_to_rest();
        let lives = ["ada", "bob"].map(|agent| (agent.to_owned(), world.record(agent).generation.0));
        // A start that was written down and not done uses up a number.
        assert!(lives.iter().all(|(_, generation)| *generation >= at as u64 + 2), "moment {at}: {lives:?}");
        let marked = world.marked();
        assert!(marked.iter().all(|life| lives.contains(life)), "moment {at}: {marked:?} beside {lives:?}");
    }
}

#[test]
fn a_keeper_is_killed() {
    let world = World::new(&format!("[defaults]\ncommand = {STUBBORN}\n{UP}\n[agents.box]\nruntime = \"daemon\"\n[agents.pane]\n"));
    world.comes_to_rest();
    let survivors = [world.instance("box").program.unwrap(), world.instance("pane").program.unwrap()];
    kill(&world.keeper("box"));
    kill(&world.keeper("pane"));
    world.comes_to_rest();
    for survivor in survivors {
        gone(&survivor);
    }
    assert!(world.marked().iter().all(|(_, generation)| *generation == 2), "{:?}", world.marked());
}

#[test]
fn an_agent_is_killed() {
    let world = World::new(TRIO);
    world.comes_to_rest();
    let before = world.keepers();
    for agent in ["ada", "bob"] {
        let Instance { keeper, program, .. } = world.instance(agent);
        kill(&program.unwrap());
        // Its keeper tells how it ended, and goes.
        gone(&keeper.unwrap());
    }
    let phase = |agent: &str| world.sighting(agent).phase;
    assert!(matches!(phase("ada"), Phase::Exited(ended) if ended.exit == Exit::Signal(9) && ended.asked.is_none()), "{:?}", phase("ada"));
    assert!(matches!(phase("bob"), Phase::Exited(ended) if ended.exit == Exit::Signal(9)), "{:?}", phase("bob"));
    world.comes_to_rest();
    assert_eq!(world.record("ada").failures.restarts, 1);
    assert_eq!(world.keepers()["cyd"], before["cyd"]);
}

#[test]
fn the_tmux_server_is_killed() {
    let world = World::new(&format!("{TRIO}[agents.dan]\ncommand = {STUBBORN}\n{UP}\n"));
    world.comes_to_rest();
    let before = world.keepers();
    let server = world.tmux.run(["display-message", "-p", "#{pid}"]).trim().parse::<u32>().unwrap();
    kill(&ProcId::of(server).unwrap().unwrap());
    world.comes_to_rest();
    assert_eq!(world.keepers()["ada"], before["ada"], "a daemon needs no tmux");
    for agent in ["bob", "cyd", "dan"] {
        gone(&before[agent]);
        assert_eq!(world.instance(agent).generation, Generation(2), "{agent}");
    }
    assert!(world.marked().iter().all(|(agent, generation)| agent == "ada" || *generation == 2), "{:?}", world.marked());
}

#[test]
fn a_tree_that_does_not_want_to_end_is_gone_before_its_successor_comes() {
    // Children in sessions of their own, without a parent, deaf to every signal that can be ignored.
    let agents = |label: &str| {
        format!(
            "[defaults]\n{UP}\nenv = {{ LABEL = \"{label}\" }}\n\
             command = \"\"\"trap '' INT TERM HUP; (setsid sh -c 'touch one; while :; do sleep 1000; done' &) ; \
             setsid setsid sh -c 'cd /; exec sleep 2011' & while [ ! -e one ]; do sleep 0.01; done; touch up-$RECONCILE_AGENT; while :; do sleep 1000; done\"\"\"\n\
             [agents.pane]\ndrain = [{{ keys = [\"C-c\"], wait = \"50ms\" }}]\n\
             [agents.box]\nruntime = \"daemon\"\ndrain = [{{ signal = \"TERM\", to = \"tree\", wait = \"50ms\" }}]\n"
        )
    };
    let world = World::new(&agents("was"));
    world.comes_to_rest();
    eventually(|| (world.marked().len() >= 8).then_some(()), LIMIT);
    let before: Vec<ProcId> =
        ["pane", "box"].iter().flat_map(|agent| process::with_mark(&world.instance(agent).mark.unwrap().to_string()).unwrap()).collect();
    world.declare(&agents("is"));
    world.apply(0);
    for process in &before {
        assert_eq!(process.liveness(), Liveness::Gone, "{process}");
    }
    world.is_at_rest();
    assert!(world.marked().iter().all(|(_, generation)| *generation == 2), "{:?}", world.marked());
    world.declare("");
    world.apply(0);
    assert_eq!((world.kept(), world.marked()), (Vec::new(), Vec::new()));
}

#[test]
fn two_run_at_the_same_time() {
    let world = World::new(TRIO);
    let mut children: Vec<Child> = (0..4).map(|_| world.begin(&["apply", "--auto-approve"])).collect();
    let codes: BTreeSet<Option<i32>> = children.iter_mut().map(|child| child.wait().unwrap().code()).collect();
    assert!(codes.contains(&Some(0)), "{codes:?}");
    assert!(codes.is_subset(&BTreeSet::from([Some(0), Some(5)])), "{codes:?}");
    world.is_at_rest();
    assert!(world.keepers().values().all(|keeper| keeper.liveness() == Liveness::Alive));
    assert_eq!(world.record("cyd").generation, Generation(1));
}

/// A process that is stopped goes on when the test is over, whatever came of it.
struct Stopped(ProcId);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = process::signal(&self.0, Signal::CONT);
    }
}

#[test]
fn a_server_that_does_not_answer_leads_to_nothing() {
    let world = World::new(TRIO);
    world.comes_to_rest();
    let before = world.keepers();
    // Everything would have to be replaced, one stopped, one started.
    world.declare(&TRIO.replace("2010", "2012").replace("[agents.cyd]\nafter = [\"bob\"]\n", "[agents.dan]\n"));
    let server = ProcId::of(world.tmux.run(["display-message", "-p", "#{pid}"]).trim().parse().unwrap()).unwrap().unwrap();
    send(&server, Signal::STOP);
    let stopped = Stopped(server);
    let text = world.apply(3);
    assert!(text.contains("did not answer") || text.contains("no answer") || text.contains("not answered"), "{text}");
    let now = world.keepers();
    for agent in ["bob", "cyd"] {
        assert_eq!(now.get(agent), before.get(agent), "{agent}\n{text}");
    }
    assert!(!now.contains_key("dan"), "{text}");
    drop(stopped);
    world.comes_to_rest();
}

#[test]
fn a_server_that_does_not_answer_is_nothing_to_a_daemon_and_no_end_of_what_was_just_started() {
    let world = World::new(TRIO);
    world.comes_to_rest();
    let (ada, bob) = (world.instance("ada"), world.keeper("bob"));
    // As a run leaves them that is killed right after it has started them.
    for agent in ["ada", "bob"] {
        world.fleet().write(&Record { instance: None, ..world.record(agent) }).unwrap();
    }
    kill(ada.program.as_ref().unwrap());
    gone(ada.keeper.as_ref().unwrap());
    let server = ProcId::of(world.tmux.run(["display-message", "-p", "#{pid}"]).trim().parse().unwrap()).unwrap().unwrap();
    send(&server, Signal::STOP);
    let stopped = Stopped(server);

    let mut host = world.host();
    let agents = world.look(&mut host).observed.agents;
    let phase = |agent: &str| &agents[agent].phase;
    assert!(matches!(phase("ada"), Phase::Exited(Ended { exit: Exit::Signal(9), .. })), "{:?}", phase("ada"));
    for agent in ["bob", "cyd"] {
        assert!(matches!(phase(agent), Phase::Unknown { .. }), "{:?}", phase(agent));
    }
    assert_eq!(world.record("bob").instance, None, "of what was not seen nothing is remembered");
    // From now on it is not waited for so long.
    let begun = std::time::Instant::now();
    world.look(&mut host);
    assert!(begun.elapsed() < std::time::Duration::from_secs(4), "{:?}", begun.elapsed());

    drop(stopped);
    world.look(&mut host);
    world.comes_to_rest();
    assert_eq!((world.keeper("bob"), world.record("bob").generation), (bob, Generation(1)));
}
