//! Each kind of action, for real.

use reconcile::desired::Generation;
use reconcile::observed::{Purpose, Seat, Step};
use reconcile::plan::Next;

use super::*;

/// The actions of a plan, in the words of events.
fn acts(plan: &Plan) -> Vec<String> {
    let act = |(agent, change): (&AgentName, &reconcile::plan::Change)| match &change.next {
        Next::Act(action) => Some(format!("{agent} {action}")),
        Next::Wait(_) | Next::Held(_) | Next::Blocked(_) => None,
    };
    plan.changes.iter().filter_map(act).collect()
}

/// A world whose agents are up.
#[track_caller]
fn settled(agents: &str) -> (World, Live) {
    let world = World::new(agents);
    let mut host = world.host();
    let converged = world.converge(&mut host);
    assert_eq!(converged.ending, Ending::AtRest, "{:#?}", converged.plan);
    (world, host)
}

/// The first round does this, and the next look shows it.
#[track_caller]
fn does(world: &World, host: &mut Live, expected: &[&str]) -> Round {
    let round = world.round(host);
    assert_eq!(acts(&round.plan), expected);
    round.is_as_foretold();
    round
}

#[test]
fn spawns_in_sessions_windows_panes_and_as_daemons() {
    let slow = "ready = { file = \"never\", timeout = \"1h\" }\n";
    let world = World::new(&format!(
        "[defaults]\ncommand = [\"sleep\", \"2001\"]\n{slow}\
         [agents.own]\n[agents.one]\nsession = \"work\"\nwindow = \"one\"\n[agents.two]\nsession = \"work\"\nwindow = \"two\"\n\
         [agents.three]\nsession = \"work\"\nwindow = \"two\"\n[agents.box]\nruntime = \"daemon\"\n"
    ));
    let mut host = world.host();
    does(&world, &mut host, &["box spawn", "one spawn", "own spawn", "three spawn", "two spawn"]);
    let mut panes: Vec<String> = world.tmux.run(["list-panes", "-a", "-F", "#S:#W"]).lines().map(str::to_owned).collect();
    panes.sort();
    assert_eq!(panes, ["own:own", "work:one", "work:two", "work:two"]);
    assert!(matches!(world.instance("box").seat, Seat::Detached { .. }));
    // Once the keepers have named their programs, another process of the tool sees the same.
    for agent in ["own", "one", "two", "three", "box"] {
        world.instance(agent);
    }
    let agents = |host: &mut Live| {
        let seen = world.look(host).observed.agents.into_iter();
        seen.map(|(agent, sighting)| (agent, timeless(&sighting), sighting.instance)).collect::<Vec<_>>()
    };
    assert_eq!(agents(&mut host), agents(&mut world.host()));
}

#[test]
fn drains_by_keys_and_signals_then_kills_the_whole_tree() {
    let agents = |label: &str| {
        format!(
            "[defaults]\ncommand = {STUBBORN}\n{UP}\nenv = {{ LABEL = \"{label}\" }}\n\
             [agents.pane]\ndrain = [{{ keys = [\"C-c\"], wait = \"1h\" }}]\n\
             [agents.box]\nruntime = \"daemon\"\ndrain = [{{ signal = \"TERM\", to = \"tree\", wait = \"0s\" }}]\n"
        )
    };
    let (world, mut host) = settled(&agents("was"));
    let before = (world.instance("pane"), world.instance("box"));
    world.declare(&agents("is"));
    let round = does(&world, &mut host, &["box drain", "pane drain"]);
    for agent in ["box", "pane"] {
        assert!(matches!(&round.real.agents[agent].phase, Phase::Leaving(leaving) if leaving.step == Step::Drain(0)), "{agent}");
    }
    // The one has an hour, the time of the other is over.
    let round = world.round(&mut host);
    assert_eq!(acts(&round.plan), ["box kill"]);
    let asked = Some((Purpose::Replace, Step::Kill));
    let ended = eventually(
        || match world.look(&mut host).observed.agents["box"].phase.clone() {
            Phase::Exited(ended) => Some(ended),
            Phase::Leaving(leaving) => {
                assert_eq!((leaving.step, leaving.purpose), (Step::Kill, Purpose::Replace));
                None
            }
            phase @ (Phase::Absent | Phase::Running { .. } | Phase::Unknown { .. }) => panic!("{phase:?}"),
        },
        LIMIT,
    );
    assert_eq!(ended.asked, asked, "{ended:?}");
    gone(before.1.keeper.as_ref().unwrap());
    gone(before.1.program.as_ref().unwrap());
    let round = world.round(&mut host);
    assert_eq!(acts(&round.plan), ["box spawn"]);
    assert_eq!(round.real.agents["box"].generation, Generation(2));
    assert_eq!(world.instance("pane"), before.0, "it was asked, and takes no notice");
}

#[test]
fn sweeps_what_a_killed_keeper_left_then_starts_anew() {
    let (world, mut host) = settled(&format!(
        "[defaults]\ncommand = {STUBBORN}\n{UP}\ndrain = [{{ signal = \"TERM\", wait = \"100ms\" }}]\n[agents.box]\nruntime = \"daemon\"\n[agents.pane]\n"
    ));
    let before = [world.instance("box"), world.instance("pane")];
    for instance in &before {
        kill(instance.keeper.as_ref().unwrap());
    }
    let round = world.round(&mut host);
    assert_eq!(acts(&round.plan), ["box sweep", "pane sweep"]);
    round.is_as_foretold();
    // It was asked first, and took no notice.
    let converged = world.converge(&mut host);
    assert_eq!(converged.ending, Ending::AtRest, "{:#?}", converged.plan);
    for instance in &before {
        gone(instance.program.as_ref().unwrap());
    }
    assert_eq!(world.instance("box").generation, Generation(2));
    assert_eq!(world.kept(), ["box", "pane"]);
}

#[test]
fn amends_without_touching_a_process() {
    let agents = |title: &str, size: &str| {
        format!(
            "[defaults]\ncommand = [\"sleep\", \"2002\"]\nready = {{ delay = \"0s\" }}\n[agents.pane]\ntitle = \"{title}\"\nlabels = {{ t = \"{title}\" }}\n\
             [agents.box]\nruntime = \"daemon\"\nlog = {{ max_size = \"{size}\" }}\n"
        )
    };
    let (world, mut host) = settled(&agents("was", "1MiB"));
    let before = world.keepers();
    world.declare(&agents("is, really", "2MiB"));
    does(&world, &mut host, &["box amend", "pane amend"]);
    assert_eq!(world.tmux.run(["list-panes", "-a", "-F", "#T"]).trim(), "is, really");
    assert_eq!(world.keepers(), before);
    world.is_at_rest();
}

#[test]
fn renames_without_touching_a_process() {
    let agents = |pane: &str, daemon: &str, from: (&str, &str)| {
        format!(
            "[defaults]\ncommand = [\"sleep\", \"2003\"]\nready = {{ delay = \"0s\" }}\n[agents.{pane}]\n{}\n[agents.{daemon}]\nruntime = \"daemon\"\n{}\n",
            from.0, from.1
        )
    };
    let (world, mut host) = settled(&agents("ada", "box", ("", "")));
    let mut before: Vec<ProcId> = world.keepers().into_values().collect();
    before.sort_by_key(|keeper| keeper.pid);
    world.declare(&agents("zoe", "crate", ("renamed_from = \"ada\"", "renamed_from = \"box\"")));
    does(&world, &mut host, &["crate rename", "zoe rename"]);
    assert_eq!(world.tmux.run(["list-panes", "-a", "-F", "#S:#W"]).trim(), "zoe:zoe");
    let mut now: Vec<ProcId> = world.keepers().into_values().collect();
    now.sort_by_key(|keeper| keeper.pid);
    assert_eq!(now, before);
    assert!(world.run(&["plan", "--detailed-exitcode"], 0).contains("No changes"));
    // The record is lost: the mark bears the old name, and the manifest says whose it is now.
    std::fs::remove_dir_all(world.program.at("state")).unwrap();
    let converged = world.converge(&mut world.host());
    assert_eq!(converged.ending, Ending::AtRest, "{:#?}", converged.plan);
    let mut now: Vec<ProcId> = world.keepers().into_values().collect();
    now.sort_by_key(|keeper| keeper.pid);
    assert_eq!(now, before, "nobody was restarted");
}

#[test]
fn adopts_a_daemon_that_its_pidfile_names() {
    let world = World::new(
        "[agents.box]\nruntime = \"daemon\"\ncommand = [\"sleep\", \"2004\"]\npidfile = \"box.pid\"\nready = { delay = \"0s\" }\n",
    );
    let mut child = crate::support::command("sleep").arg("2004").current_dir(world.program.folder.path()).spawn().unwrap();
    let _doomed = crate::support::Doomed(vec![ProcId::of(child.id()).unwrap().unwrap()]);
    std::fs::write(world.program.at("box.pid"), format!("{}\n", child.id())).unwrap();
    let mut host = world.host();
    let round = does(&world, &mut host, &["box adopt"]);
    assert_eq!(round.real.agents["box"].generation, Generation(1));
    assert!(world.run(&["plan", "--detailed-exitcode"], 0).contains("No changes"));
    assert_eq!(world.sighting("box").instance.unwrap().program.unwrap().pid, child.id());
    // It is asked to end like any other.
    world.declare("");
    let round = world.round(&mut host);
    assert_eq!(acts(&round.plan), ["box drain"]);
    assert!(!eventually(|| child.try_wait().unwrap(), LIMIT).success());
    let converged = world.converge(&mut host);
    assert_eq!(converged.ending, Ending::AtRest, "{:#?}", converged.plan);
}

#[test]
fn forgets_what_ended_and_lets_go_what_is_to_be_left() {
    let (world, mut host) = settled(
        "[defaults]\nready = { delay = \"0s\" }\n[agents.left]\ncommand = [\"sleep\", \"2005\"]\non_remove = \"leave\"\n\
         [agents.done]\ncommand = [\"true\"]\n[agents.task]\nruntime = \"daemon\"\ncommand = [\"true\"]\n",
    );
    let before = world.keeper("left");
    for agent in ["done", "task"] {
        eventually(|| matches!(world.look(&mut host).observed.agents[agent].phase, Phase::Exited(_)).then_some(()), LIMIT);
    }
    world.declare("");
    let round = does(&world, &mut host, &["done forget", "left forget", "task forget"]);
    assert!(round.real.agents["left"].released);
    assert_eq!(world.tmux.run(["list-panes", "-a", "-F", "#S"]).trim(), "left", "the dead pane is gone");
    let round = world.round(&mut host);
    assert!(round.plan.is_empty(), "{:#?}", round.plan);
    assert_eq!(world.keeper("left"), before);
    // Declared again, it is taken back as it is.
    world.declare("[agents.left]\ncommand = [\"sleep\", \"2005\"]\nready = { delay = \"0s\" }\n");
    does(&world, &mut host, &["left adopt"]);
    world.comes_to_rest();
    assert_eq!(world.keeper("left"), before);
}

#[test]
fn a_kill_that_was_written_down_and_never_done_is_done_by_the_next_run() {
    let (world, mut host) = settled(&format!("[agents.box]\nruntime = \"daemon\"\ncommand = {STUBBORN}\n{UP}\ndrain = []\n"));
    let keeper = world.keeper("box");
    // As if the tool had been killed between the record and the signal, an hour ago.
    let (fleet, mut record) = (world.fleet(), world.record("box"));
    let asked_at = Timestamp::from_millis(host.now().as_millis() - 3_600_000);
    record.leaving = Some(Leaving::next(None, Step::Kill, asked_at, record.asked_at, Purpose::Replace));
    fleet.write(&record).unwrap();
    let converged = world.converge(&mut host);
    assert_eq!(converged.ending, Ending::AtRest, "{:#?}", converged.plan);
    gone(&keeper);
    assert_eq!(world.instance("box").generation, Generation(2));
    assert!(converged.plan.is_empty());
}
