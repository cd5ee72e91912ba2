//! A world of two agents, two state folders and everything that may happen to them, one move at a time.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Once;

use rustix::io::Errno;

use crate::converge::{Audience, Begin, Ending, Turns, converge, note, write_down};
use crate::desired::{AgentName, Desired, Mark};
use crate::event::{Entry, Event};
use crate::host::Host;
use crate::host::sim::{Accident, Crash, Interlude, NATIVE, Sim, Viewer};
use crate::intent::{Intent, Request};
use crate::manifest::{Memory, load};
use crate::observe::observe;
use crate::observed::Observed;
use crate::plan::{Plan, Terms, plan};
use crate::state::{Claim, Fleet, StateDir, crash};
use crate::time::{Duration, Timestamp};

pub(super) const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// The pid namespace of one that is sandboxed.
const SANDBOX: u64 = NATIVE + 1;

/// Where the manifest is.
const MANIFEST: &str = "/constellation.toml";

pub(super) fn name(text: &str) -> AgentName {
    text.parse().unwrap()
}

pub(super) fn desired(text: &str) -> Desired {
    let loaded = load("constellation.toml", &Memory::with_manifest(&format!("version = 1\nfleet = \"f\"\n{text}")), &Default::default());
    loaded.desired.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

/// Who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// A run with the first state folder.
    First,
    /// A run with the second one.
    Second,
    /// A run with the first one, in a pid namespace of its own.
    Sandboxed,
}

/// What happens next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Move {
    /// One round of an apply.
    Round(Who),
    /// The first round of a command about one agent.
    Ask(Who, Request, &'static str),
    /// Another manifest is in force, by its place among all.
    Edit(usize),
    /// Something happens by itself.
    Happen(Accident),
    /// Time passes.
    Pass(Duration),
    /// The record of an agent is lost.
    Lose(Who, &'static str),
    /// The records of a folder are restored as they were at the beginning.
    Restore(Who),
    /// Nothing can be written any more, or it can again.
    Disk(bool),
    /// The run that makes this move is killed at its call of this number.
    Killed(Box<Move>, u64),
    /// The run that makes this move is killed before its write of this number.
    KilledWriting(Box<Move>, usize),
    /// At the call of this number, something else happens before it goes on.
    Meanwhile(Box<Move>, u64, Box<Move>),
}

/// All files of the state folders.
pub(super) type Files = BTreeMap<PathBuf, Vec<u8>>;

/// What the laws need to know and no folder tells.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// Agents that a person stopped.
    pub(super) stopped: BTreeSet<AgentName>,
    /// Lives that a person asked to replace.
    pub(super) replaced: BTreeSet<Mark>,
    /// Whether records were lost or restored: what they told is not known any more.
    pub(super) has_forgotten: bool,
    /// What was told and could not be written down.
    pub(super) unwritten: Vec<Event>,
    /// Records as they were at the beginning.
    saved: Files,
    /// How many of the deeds were judged.
    pub(super) judged: usize,
}

pub(super) struct World {
    pub(super) sim: Sim,
    pub(super) manifests: Vec<Desired>,
    pub(super) at: usize,
    pub(super) history: History,
    is_full: bool,
    fleets: [Fleet; 2],
    files: Files,
    root: tempfile::TempDir,
}

/// A world that can be gone back to.
#[derive(Clone)]
pub(super) struct Moment {
    sim: Sim,
    at: usize,
    history: History,
    is_full: bool,
    files: Files,
}

impl World {
    pub(super) fn new(manifests: Vec<Desired>, mut sim: Sim) -> Self {
        let root = tempfile::tempdir().unwrap();
        let fleet = |folder: &str| StateDir::locate(Some(&root.path().join(folder))).unwrap().fleet(&"f".parse().unwrap()).unwrap();
        let fleets = [fleet("first"), fleet("second")];
        sim.viewer = Viewer { folder: None, namespace: NATIVE };
        Self { sim, manifests, at: 0, history: History::default(), is_full: false, fleets, files: Files::new(), root }
    }

    pub(super) fn desired(&self) -> &Desired {
        &self.manifests[self.at]
    }

    pub(super) fn fleet(&self, who: Who) -> &Fleet {
        &self.fleets[usize::from(who == Who::Second)]
    }

    /// Applies until nothing is due, or what is due is held or blocked.
    pub(super) fn settle(&mut self, who: Who) -> Result<Ended, String> {
        self.run(who, &Intent::default(), Terms::default(), Duration::from_secs(100_000))
    }

    /// Notes that the records are as they will be restored.
    pub(super) fn save(&mut self) {
        self.history.saved = self.read();
    }

    /// Makes a move. An error where a run failed that must not.
    pub(super) fn take(&mut self, step: &Move) -> Result<(), String> {
        match step {
            Move::Round(who) => self.run(*who, &Intent::default(), Terms::default(), Duration::ZERO).map(drop)?,
            Move::Ask(who, request, agent) => self.ask(*who, *request, &name(agent))?,
            Move::Edit(at) => self.at = *at,
            Move::Happen(accident) => happen(&mut self.sim, accident),
            Move::Pass(length) => self.sim.pass(*length),
            Move::Lose(who, agent) => {
                self.fleet(*who).remove(&name(agent)).unwrap();
                self.history.has_forgotten = true;
            }
            Move::Restore(who) => self.restore(*who),
            Move::Disk(is_full) => self.is_full = *is_full,
            Move::Killed(step, call) => drop(self.is_killed(step, *call)?),
            Move::KilledWriting(step, write) => drop(self.is_killed_writing(step, *write)?),
            Move::Meanwhile(step, call, other) => self.meanwhile(step, *call, other)?,
        }
        Ok(())
    }

    /// Makes a move that is killed at a call; whether it was killed, and not over before.
    pub(super) fn is_killed(&mut self, step: &Move, call: u64) -> Result<bool, String> {
        silence_crashes();
        self.sim.faults.crash_at = Some(self.sim.calls() + call);
        let outcome = catch_unwind(AssertUnwindSafe(|| self.take(step)));
        self.sim.faults.crash_at = None;
        match outcome {
            Ok(done) => done.map(|()| false),
            Err(crash) if crash.is::<Crash>() => Ok(true),
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Makes a move that is killed before a write; whether it was killed, and not over before.
    pub(super) fn is_killed_writing(&mut self, step: &Move, write: usize) -> Result<bool, String> {
        let (outcome, died) = crash::at(write, || {}, || self.take(step));
        if died { Ok(true) } else { outcome.map(|()| false) }
    }

    fn meanwhile(&mut self, step: &Move, call: u64, other: &Move) -> Result<(), String> {
        let failed = Rc::new(RefCell::new(None));
        let (told, other, failed_too) = (Rc::new(RefCell::new(Vec::new())), other.clone(), failed.clone());
        let (fleets, desired, heard) = (self.fleets.clone(), self.desired().clone(), told.clone());
        let act = move |sim: &mut Sim| {
            if let Move::Happen(accident) = &other {
                happen(sim, accident);
            } else if let Move::Round(who) = &other {
                let fleet = &fleets[usize::from(*who == Who::Second)];
                let viewer = viewer(*who, fleet);
                let outcome = run(sim, fleet, &desired, viewer, (&Intent::default(), Terms::default(), Duration::ZERO));
                match outcome {
                    Ok((_, unwritten)) => heard.borrow_mut().extend(unwritten),
                    Err(why) => *failed_too.borrow_mut() = Some(why),
                }
            } else {
                panic!("{other:?} does not happen meanwhile");
            }
        };
        self.sim.interlude = Some((self.sim.calls() + call, Interlude::new(act)));
        let outcome = self.take(step);
        self.sim.interlude = None;
        self.history.unwritten.append(&mut told.borrow_mut());
        outcome?;
        failed.borrow_mut().take().map_or(Ok(()), Err)
    }

    fn ask(&mut self, who: Who, request: Request, agent: &AgentName) -> Result<(), String> {
        match request {
            Request::Stop => drop(self.history.stopped.insert(agent.clone())),
            Request::Start | Request::Restart => drop(self.history.stopped.remove(agent)),
            Request::Replace | Request::Reset => {}
        }
        if matches!(request, Request::Restart | Request::Replace) {
            let marks = self.sim.living().filter(|instance| instance.agent == *agent).filter_map(|instance| instance.mark.clone());
            self.history.replaced.extend(marks);
        }
        let scope = BTreeSet::from([agent.clone()]);
        let intent = Intent::of(request, &scope);
        self.run(who, &intent, Terms { scope: Some(scope), ..Terms::default() }, Duration::ZERO).map(drop)
    }

    fn run(&mut self, who: Who, intent: &Intent, terms: Terms, length: Duration) -> Result<Ended, String> {
        let (fleet, desired) = (self.fleet(who).clone(), self.desired().clone());
        let viewer = viewer(who, &fleet);
        let mut act = || run(&mut self.sim, &fleet, &desired, viewer.clone(), (intent, terms.clone(), length));
        let starts = intent.requests.values().any(|request| *request != Request::Stop);
        let outcome = if self.is_full { crash::full(Errno::NOSPC, act) } else { act() };
        let (ended, unwritten) = match outcome {
            // What is asked for cannot be remembered, so nothing is done; and there is no room for a first folder.
            Err(_) if self.is_full && (starts || !fleet.paths().folder().exists()) => return Ok(Ended::Refused),
            outcome => outcome?,
        };
        fleet.take_lost();
        self.sim.end_namespace(SANDBOX);
        self.history.unwritten.extend(unwritten);
        Ok(ended)
    }

    fn restore(&mut self, who: Who) {
        let agents = self.fleet(who).paths().agents();
        let _ = std::fs::remove_dir_all(&agents);
        let saved = self.history.saved.clone();
        for (path, text) in saved.iter().filter(|(path, _)| path.starts_with(&agents)) {
            write(path, text);
        }
        self.history.has_forgotten = true;
    }

    pub(super) fn moment(&mut self) -> Moment {
        self.files = self.read();
        let Self { sim, at, history, is_full, files, .. } = self;
        Moment { sim: sim.clone(), at: *at, history: history.clone(), is_full: *is_full, files: files.clone() }
    }

    /// Goes back to a moment of this world.
    pub(super) fn go_back(&mut self, to: &Moment) {
        let now = self.read();
        for path in now.keys().filter(|path| !to.files.contains_key(*path)) {
            std::fs::remove_file(path).unwrap();
        }
        for (path, text) in to.files.iter().filter(|(path, text)| now.get(*path) != Some(text)) {
            write(path, text);
        }
        let Moment { sim, at, history, is_full, files } = to.clone();
        (self.sim, self.at, self.history, self.is_full, self.files) = (sim, at, history, is_full, files);
    }

    pub(super) fn read(&self) -> Files {
        let mut files = Files::new();
        let mut folders = vec![self.root.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => drop(files.insert(path.clone(), std::fs::read(&path).unwrap())),
                }
            }
        }
        files
    }

    /// Everything that was written into a journal.
    pub(super) fn written(&self) -> Vec<Event> {
        self.fleets.iter().flat_map(|fleet| fleet.entries_after(0).unwrap()).map(|entry| entry.event).collect()
    }
}

fn write(path: &Path, text: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn happen(sim: &mut Sim, accident: &Accident) {
    let now = sim.now();
    sim.accidents.entry(now).or_default().push(accident.clone());
    sim.pass(Duration::ZERO);
}

fn viewer(who: Who, fleet: &Fleet) -> Viewer {
    let namespace = if who == Who::Sandboxed { SANDBOX } else { NATIVE };
    Viewer { folder: Some(fleet.paths().folder().to_owned()), namespace }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ended {
    /// Another folder remembers what it is about, or too much would end.
    Refused,
    /// It came so far, and this is still due.
    Done(Ending, Box<Plan>),
}

/// One run as the command line does it, and what of it is in no journal.
fn run(
    sim: &mut Sim,
    fleet: &Fleet,
    desired: &Desired,
    viewer: Viewer,
    (intent, terms, length): (&Intent, Terms, Duration),
) -> Result<(Ended, Vec<Event>), String> {
    sim.viewer = viewer;
    let mut heard = Heard::default();
    let mut act = || -> anyhow::Result<Ended> {
        // A test beside this one that starts a child has all open files for a moment.
        let lock = fleet.lock("apply", Duration::from_secs(30))?;
        drop(fleet.prepare());
        let mut seen = observe(desired, fleet, sim, intent)?;
        let due = plan(desired, &seen.observed, &terms);
        if due.broken_guards().next().is_some() {
            return Ok(Ended::Refused);
        }
        let intent = intent.clone().without_replacements(&due.hopeless());
        if fleet.claim()?.is_none() {
            drop(fleet.write_claim(&Claim::new(PathBuf::from(MANIFEST))));
        }
        write_down(fleet, &mut seen, &intent)?;
        if due.is_empty() || !due.has_acts() && !due.has_waits() {
            note(&mut seen, fleet)?;
            let ending = if due.is_empty() { Ending::AtRest } else { Ending::Stuck };
            return Ok(Ended::Done(ending, Box::new(due)));
        }
        let begin = Begin { terms: &terms, deadline: sim.now() + length, first: Some(seen) };
        let converged = converge(desired, fleet, sim, begin, &mut heard, &mut Turns::of("apply", lock))?;
        Ok(Ended::Done(converged.ending, Box::new(converged.plan)))
    };
    let outcome = act();
    outcome.map(|ended| (ended, heard.unwritten)).map_err(|error| format!("a run failed: {error:#}"))
}

/// Keeps what is told and could not be written.
#[derive(Default)]
struct Heard {
    unwritten: Vec<Event>,
    rounds: usize,
}

impl Audience for Heard {
    fn event(&mut self, Entry { number, event }: &Entry) {
        if *number == 0 {
            self.unwritten.push(event.clone());
        }
    }

    fn round(&mut self, plan: &Plan, _: &Observed) {
        self.rounds += 1;
        assert!(self.rounds < 1000, "it goes round and round: {plan:#?}");
    }
}

/// A crash of the simulated tool is no news on the terminal.
pub(super) fn silence_crashes() {
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
