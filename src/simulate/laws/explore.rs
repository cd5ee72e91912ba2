//! Small worlds, searched exhaustively: every sequence of moves up to a length, with every kill of the tool and every meeting of two runs at any call.
//! States that differ in nothing but numbers of processes and exact times are one.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use serde_json::Value;

use super::world::{Moment, Move, START, Who, World, desired, name, silence_crashes};
use crate::desired::Mark;
use crate::host::Host;
use crate::host::sim::{Accident, Behaviour, Sim, Terminal};
use crate::intent::Request;
use crate::observed::Exit;
use crate::time::{Duration, Timestamp};

/// So many calls at most has a single round.
const CALLS: u64 = 200;

/// A search, and what it has seen.
struct Search {
    /// What anybody may do.
    usual: Vec<Move>,
    /// What goes wrong.
    faults: Vec<Move>,
    /// The longest sequences, in moves, that were continued from each state with so many faults left.
    seen: BTreeMap<(u64, usize), usize>,
    moves: usize,
    path: Vec<Move>,
}

impl Search {
    /// Tries all that may follow, `depth` moves deep, with so many faults at most.
    fn go_on(&mut self, world: &mut World, depth: usize, faults: usize) {
        let here = world.moment();
        self.must(world.comes_right());
        world.go_back(&here);
        let state = (fingerprint(world), faults);
        if depth == 0 || self.seen.get(&state).is_some_and(|before| *before >= depth) {
            return;
        }
        self.seen.insert(state, depth);
        for step in self.usual.clone() {
            self.try_out(world, &here, step, (depth, faults));
        }
        if faults == 0 {
            return;
        }
        for step in self.faults.clone() {
            self.try_out(world, &here, step, (depth, faults - 1));
        }
        for step in self.usual.clone().into_iter().filter(|step| matches!(step, Move::Round(_) | Move::Ask(..))) {
            self.kill_at_every_call(world, &here, &step, (depth, faults - 1));
        }
    }

    fn try_out(&mut self, world: &mut World, here: &Moment, step: Move, (depth, faults): (usize, usize)) {
        world.go_back(here);
        self.moves += 1;
        self.path.push(step.clone());
        self.must(world.take(&step));
        self.must(world.judge());
        self.go_on(world, depth - 1, faults);
        self.path.pop();
        world.go_back(here);
    }

    fn kill_at_every_call(&mut self, world: &mut World, here: &Moment, step: &Move, (depth, faults): (usize, usize)) {
        for call in 1..CALLS {
            let killed = Move::Killed(Box::new(step.clone()), call);
            if !self.try_killed(world, here, killed, |world| world.is_killed(step, call), (depth, faults)) {
                break;
            }
            let other = if matches!(step, Move::Round(Who::Second)) { Who::First } else { Who::Second };
            let dies = |agent| Move::Happen(Accident::KeeperDies(name(agent)));
            for other in [Move::Round(other), dies("ada"), dies("bob")] {
                self.try_out(world, here, Move::Meanwhile(Box::new(step.clone()), call, Box::new(other)), (depth, faults));
            }
        }
        for write in 0..CALLS as usize {
            let killed = Move::KilledWriting(Box::new(step.clone()), write);
            if !self.try_killed(world, here, killed, |world| world.is_killed_writing(step, write), (depth, faults)) {
                break;
            }
        }
        world.go_back(here);
    }

    /// Tries a move that is killed; whether it was, and not over before.
    fn try_killed(
        &mut self,
        world: &mut World,
        here: &Moment,
        step: Move,
        make: impl FnOnce(&mut World) -> Result<bool, String>,
        (depth, faults): (usize, usize),
    ) -> bool {
        world.go_back(here);
        self.moves += 1;
        self.path.push(step);
        let killed = self.must(make(world));
        self.must(world.judge());
        if killed {
            self.go_on(world, depth - 1, faults);
        }
        self.path.pop();
        killed
    }

    fn must<T>(&self, outcome: Result<T, String>) -> T {
        outcome.unwrap_or_else(|why| panic!("{why}\nafter {:#?}", self.path))
    }
}

/// What a state is, but for numbers of processes and exact times.
fn fingerprint(world: &World) -> u64 {
    let (now, mut hasher) = (world.sim.now(), DefaultHasher::new());
    for life in world.sim.lives() {
        let lives = life.ended.is_none();
        let own = (lives, life.orphaned.is_some(), &life.home, life.mark.generation.0, world.history.replaced.contains(&life.mark));
        (life.mark.agent.as_str(), life.mark.digest.to_string(), own).hash(&mut hasher);
    }
    let sim = &world.sim;
    (world.at, &sim.missing, &sim.unreadable, &world.history.stopped, world.history.has_forgotten).hash(&mut hasher);
    for (path, text) in world.read() {
        if path.extension().is_some_and(|extension| extension == "json") || path.parent().is_some_and(|folder| folder.ends_with("moved")) {
            path.hash(&mut hasher);
            let value = serde_json::from_slice(&text).unwrap_or(Value::Null);
            plain(value, now).to_string().hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// A record without numbers of processes, with times by their order of magnitude.
fn plain(value: Value, now: Timestamp) -> Value {
    match value {
        Value::Object(fields) => {
            let is_plain = |key: &str| !matches!(key, "pid" | "start_time" | "boot_id" | "pane" | "id");
            fields.into_iter().filter(|(key, _)| is_plain(key)).map(|(key, value)| (key, plain(value, now))).collect()
        }
        Value::Array(values) => values.into_iter().map(|value| plain(value, now)).collect(),
        Value::String(text) => match (text.parse::<Mark>(), serde_json::from_value::<Timestamp>(Value::String(text.clone()))) {
            (Ok(mark), _) => format!("{} {} {}", mark.agent, mark.generation, mark.digest).into(),
            (_, Ok(at)) => match now.since(at) {
                age if age < Duration::from_secs(1) => "now".into(),
                age if age < Duration::from_secs(60) => "lately".into(),
                _ => "long ago".into(),
            },
            (Err(_), Err(_)) => text.into(),
        },
        number @ (Value::Null | Value::Bool(_) | Value::Number(_)) => number,
    }
}

/// Two agents, as different as the laws need them.
pub(super) const TWO: &str = r#"
[agents.ada]
command = ["run"]
cwd = "/ada"
[agents.bob]
runtime = "daemon"
command = ["work"]
cwd = "/bob"
"#;

/// A world in which the first folder's fleet is at rest, in this second or third life.
pub(super) fn at_rest(manifests: Vec<crate::desired::Desired>, sim: Sim) -> World {
    silence_crashes();
    let mut world = World::new(manifests, sim);
    world.settle(Who::First).unwrap();
    world.save();
    // What is restored from a backup is older than what runs.
    world.sim.end(&name("ada"), Exit::Code(1));
    world.sim.end(&name("bob"), Exit::Code(1));
    world.settle(Who::First).unwrap();
    world.judge().unwrap();
    world
}

fn search(world: &mut World, usual: Vec<Move>, faults: Vec<Move>) {
    // How deep the search goes can be said from outside: the sample of every day is a small one.
    let number = |variable: &str, usual: usize| std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (depth, most) = (number("EXPLORE_DEPTH", 2), number("EXPLORE_FAULTS", 1));
    let mut search = Search { usual, faults, seen: BTreeMap::new(), moves: 0, path: Vec::new() };
    search.go_on(world, depth, most);
    let found = format!("{} moves, {} states", search.moves, search.seen.len());
    std::io::Write::write_all(&mut std::io::stderr(), format!("{found}\n").as_bytes()).unwrap();
    assert!(search.moves > 100, "{found}");
}

pub(super) fn what_goes_wrong() -> Vec<Move> {
    let happen = |accident| Move::Happen(accident);
    vec![
        happen(Accident::End(name("ada"), Exit::Code(1))),
        happen(Accident::End(name("bob"), Exit::Unseen)),
        happen(Accident::KeeperDies(name("ada"))),
        happen(Accident::KeeperDies(name("bob"))),
        happen(Accident::Vanishes("/ada".into())),
        happen(Accident::Vanishes("work".into())),
        happen(Accident::ServerEnds),
        Move::Lose(Who::First, "ada"),
        Move::Lose(Who::First, "bob"),
        Move::Restore(Who::First),
        Move::Disk(true),
        Move::Round(Who::Sandboxed),
        Move::Ask(Who::Sandboxed, Request::Restart, "bob"),
    ]
}

pub(super) fn what_anybody_does() -> Vec<Move> {
    vec![
        Move::Round(Who::First),
        Move::Round(Who::Second),
        Move::Ask(Who::First, Request::Restart, "ada"),
        Move::Ask(Who::First, Request::Restart, "bob"),
        Move::Ask(Who::First, Request::Stop, "ada"),
        Move::Edit(1),
        Move::Pass(Duration::from_secs(20)),
    ]
}

#[test]
fn two_agents_two_folders_and_one_fault() {
    let edited = TWO.replace("\"run\"", "\"run\", \"--more\"").replace("[agents.bob]", "[agents.cyd]");
    let mut world = at_rest(vec![desired(TWO), desired(&edited)], Sim::new(START));
    search(&mut world, what_anybody_does(), what_goes_wrong());
}

#[test]
fn a_protected_one_an_attended_one_and_one_fault() {
    let manifest = TWO.replace("cwd = \"/ada\"", "cwd = \"/ada\"\nprotect = true").replace("runtime = \"daemon\"", "");
    let edited = manifest.replace("\"run\"", "\"run\", \"--more\"").replace("\"work\"", "\"work\", \"--more\"");
    let mut sim = Sim::new(START);
    sim.attached.insert("bob".to_owned(), 1);
    let mut world = at_rest(vec![desired(&manifest), desired(&edited)], sim);
    search(&mut world, what_anybody_does(), what_goes_wrong());
}

#[test]
fn one_that_takes_no_notice_and_asks_and_one_fault() {
    let manifest = TWO.replace("command = [\"run\"]", "command = [\"run\"]\npreset = \"claude\"\naccept = [\"trust\"]");
    let edited = manifest.replace("[agents.ada]", "[agents.eve]");
    let mut sim = Sim::new(START);
    let mut terminal = Terminal::default();
    terminal.asks.push("trust");
    let stubborn = Behaviour { obeys: None, terminal, dies_after: Duration::from_secs(1), ..Behaviour::default() };
    sim.behaviours.insert(name("ada"), stubborn);
    let mut world = at_rest(vec![desired(&manifest), desired(&edited)], sim);
    search(&mut world, what_anybody_does(), what_goes_wrong());
}
