//! One look at the machine, in the order in which it is taken: the tmux servers are asked, daemons are looked at while they answer, then their panes,
//! and all processes only where something is missing. Whose a pane is, whether an instance lives, and what a server says is told by its parts.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::live::{Live, now};
use super::tmux::{Detail, Listing, Pane, ServerAt, socket_path};
use super::trace::Trace;
use super::{Ask, Found, Known, Life, Look, Successor, adopted, conditions, logs, obstacle};
use crate::desired::{AgentName, Generation, Mark};
use crate::keeper;
use crate::observed::{Instance, LogPipe, Obstacle, Seat, Stranger};
use crate::paths::Paths;
use crate::process::{self, Liveness, ProcId, Remnant};

mod liveness;
mod namespace;
mod pane_owner;
mod search;
mod servers;

use liveness::oldest_child;
pub(super) use pane_owner::label;
use pane_owner::{KnownInstances, NO_MARK, PaneOwner, spec_of};
pub(super) use servers::{Asked, Listed, Silent, View, expect};

pub(super) fn look(live: &mut Live, ask: &Ask<'_>) -> Look {
    live.started.reap();
    let mut looking = Looking::new(live, ask);
    let asked = looking.ask_servers();
    // While the servers answer.
    looking.look_at_the_detached();
    let views = looking.hear_servers(asked);
    for (socket, view) in &views {
        looking.look_at_panes(socket, view);
    }
    looking.look_at_the_rest(&views);
    obstacle::find_adoptable(looking.live, ask, &mut looking.look);
    conditions::find(looking.live, ask, &views, &mut looking.look);
    let Looking { look, detail, .. } = looking;
    if ask.closely {
        return look;
    }
    live.trace = Trace::of(&look, &views, detail);
    live.views = Some((detail, views));
    if live.since.len() > 2 * look.found.len() + 64 {
        let alive: HashSet<&Arc<str>> = look.found.iter().filter_map(|found| Some(&found.instance.mark.as_ref()?.id)).collect();
        live.since.retain(|id, _| alive.contains(id));
    }
    look
}

/// Which of the known instances live in another pid namespace than this look, where their processes have other numbers. A namespace ends with all
/// that is in it. It lives while the lock of any instance in it is held; from the first namespace of the machine, everything is seen that lives.
fn elsewhere(known: &[Known], here: Option<u64>, paths: &Paths) -> (Vec<bool>, BTreeSet<u64>) {
    let lock = |mark: &Mark| keeper::is_locked(&paths.agent_lock(&mark.agent)).unwrap_or(true);
    let foreign = |known: &Known| known.namespace.filter(|_| here.is_some() && known.namespace != here);
    // No lock is looked at where all are of this namespace.
    let held: Vec<bool> = known.iter().map(|known| foreign(known).is_some() && known.mark.as_ref().is_none_or(lock)).collect();
    let living = known.iter().zip(&held).filter(|(_, held)| **held).filter_map(|(known, _)| foreign(known));
    let hidden: BTreeSet<u64> = living.filter(|_| here != Some(process::FIRST_NAMESPACE)).collect();
    let is_elsewhere = |(known, held): (&Known, bool)| held || foreign(known).is_some_and(|namespace| hidden.contains(&namespace));
    (known.iter().zip(held).map(is_elsewhere).collect(), hidden)
}

/// What stands in the way of instances that would be started, by what the last look saw. Of that, only what starts may need is kept.
pub(super) fn preflight(live: &mut Live, successors: &[Successor<'_>]) -> BTreeMap<AgentName, Obstacle> {
    let seen = live.views.take();
    let none = BTreeMap::new();
    let obstacles = obstacle::find(live, seen.as_ref().map_or(&none, |(_, views)| views), successors);
    if let Some((detail, views)) = seen {
        live.listed = match detail {
            Detail::Look => BTreeMap::new(),
            Detail::Ids => views.into_iter().filter_map(|(socket, view)| Some((socket, view.listed()?))).collect(),
        };
    }
    obstacles
}

struct Looking<'a> {
    live: &'a mut Live,
    ask: &'a Ask<'a>,
    look: Look,
    /// The instances of `ask.known`, by what a pane shows of them.
    known: KnownInstances<'a>,
    /// Those that were found, by their place in `ask.known`.
    answered: Vec<bool>,
    /// Marks in panes that no record knows.
    unrecorded: HashSet<String>,
    /// Marks whose keeper is gone without a word.
    lost: Vec<Mark>,
    /// Agents of which nothing should live and whose fence is held, by the names of their marks.
    fenced: BTreeMap<AgentName, AgentName>,
    /// Pid namespaces that live and cannot be seen into.
    hidden: BTreeSet<u64>,
    /// What servers are asked for.
    detail: Detail,
}

impl<'a> Looking<'a> {
    fn new(live: &'a mut Live, ask: &'a Ask<'a>) -> Self {
        let lives = |left: &Vec<Remnant>| left.iter().filter(|remnant| remnant.process.liveness() != Liveness::Gone).cloned().collect();
        let left = ask.left.iter().map(|(agent, left)| (agent.clone(), lives(left))).collect();
        let look = Look { at: now(), left, namespace: process::pid_namespace(), ..Look::default() };
        let (elsewhere, hidden) = elsewhere(&ask.known, look.namespace, &live.paths);
        let known = KnownInstances::new(&live.fleet, &ask.known, elsewhere);
        live.vigil.glance();
        // Whoever has ended may be started again right after.
        let detail = if (ask.starts.is_empty() && !live.vigil.saw_an_end()) || live.asked.is_some() { Detail::Look } else { Detail::Ids };
        Self {
            live,
            ask,
            look,
            known,
            answered: vec![false; ask.known.len()],
            unrecorded: HashSet::new(),
            lost: Vec::new(),
            fenced: BTreeMap::new(),
            hidden,
            detail,
        }
    }

    /// Known instances that are in no pane: one read of a stat file each while nothing changed.
    fn look_at_the_detached(&mut self) {
        for (at, known) in self.ask.known.iter().enumerate() {
            if self.known.is_elsewhere(at) {
                let why = "it runs in another pid namespace, where its pids are those of other processes".to_owned();
                let nowhere = || blank(known, Seat::Adrift { processes: Vec::new() });
                self.answer(at, known.instance.clone().unwrap_or_else(nowhere), Life::Unknown(why), 0);
                continue;
            }
            let Some(instance) = &known.instance else { continue };
            match &instance.seat {
                Seat::Pane { .. } => {}
                Seat::Detached { .. } => self.look_at_processes(at, known, instance, 0),
                Seat::Adrift { processes } => {
                    let left: Vec<ProcId> = processes.iter().filter(|process| process.liveness() != Liveness::Gone).cloned().collect();
                    let life = if left.is_empty() { Life::Lost } else { Life::Alive { since: None } };
                    let instance = Instance { seat: Seat::Adrift { processes: left }, ..instance.clone() };
                    self.answer(at, instance, life, 0);
                }
            }
        }
    }

    fn answer(&mut self, at: usize, mut instance: Instance, life: Life, attached: u32) {
        self.answered[at] = true;
        if instance.mark.is_none() {
            // No mark tells whose it is, so it is that of the agent as it is called now.
            instance.agent.clone_from(&self.ask.known[at].agent);
        }
        self.look.found.push(Found { instance, life, attached, log_pipe: None, elsewhere: None });
    }

    /// Every pane of a server: what is the fleet's is looked at, the rest of the declared server is named.
    fn look_at_panes(&mut self, socket: &Path, view: &View) {
        let View::Listed(server, listing) = view else { return };
        let adopted = self.known.adopted_on(&server.id);
        let declared = self.ask.server.and_then(|server| socket_path(&server.socket, self.live.tmpdir.as_deref()).ok());
        for pane in &listing.panes {
            let strange = match self.known.owner(pane, &adopted, &self.answered, &self.unrecorded) {
                PaneOwner::Elsewhere => None,
                PaneOwner::Known(at) => self.look_at_known(at, server, listing, pane),
                PaneOwner::Unrecorded { mark, label } => self.look_at_unrecorded(mark, &label, server, listing, pane),
                PaneOwner::Adopted(at) => self.look_at_adopted(at, server, listing, pane),
                PaneOwner::UnrecordedAdopted(mark) => self.look_at_unrecorded_adopted(mark, server, listing, pane),
                PaneOwner::Stranger(why) => Some(why),
            };
            // Sessions that begin so are helpers of this tool.
            let session = pane.sessions.first().map_or("", String::as_str);
            if let Some(why) = strange.filter(|_| declared.as_deref() == Some(socket) && !session.starts_with('_')) {
                let place = format!("{}:{session}", socket.file_name().unwrap_or_default().to_string_lossy());
                self.look.strangers.push(Stranger { place, pid: Some(pane.pid).filter(|pid| *pid > 0), why });
            }
        }
    }

    /// A pane in which the keeper of a known instance runs.
    fn look_at_known(&mut self, at: usize, server: &ServerAt, listing: &Listing, pane: &Pane) -> Option<String> {
        let known = &self.ask.known[at];
        let instance = match &known.instance {
            Some(instance) => Instance { seat: seat(server, pane, Some(&instance.seat)), ..instance.clone() },
            None => blank(known, seat(server, pane, None)),
        };
        let (instance, life) = self.life_in_pane(pane, instance);
        let agent = known.mark.as_ref().map_or(&known.agent, |mark| &mark.agent);
        let log_pipe = self.log_pipe(server, listing, pane, agent, &life);
        self.answer(at, instance, life, people(listing, pane));
        self.look.found.last_mut().into_iter().for_each(|found| found.log_pipe.clone_from(&log_pipe));
        None
    }

    /// A pane in which a keeper of the fleet runs that no record knows.
    fn look_at_unrecorded(&mut self, mark: Mark, label: &str, server: &ServerAt, listing: &Listing, pane: &Pane) -> Option<String> {
        self.unrecorded.insert(label.to_owned());
        let elsewhere = spec_of(&pane.command).and_then(|spec| self.elsewhere(Path::new(&*spec), &mark));
        let known = Known { agent: mark.agent.clone(), mark: Some(mark), instance: None, is_daemon: false, namespace: None };
        let (mut instance, life) = self.life_in_pane(pane, blank(&known, seat(server, pane, None)));
        instance.program = instance.program.or_else(|| oldest_child(instance.keeper.as_ref()?, label));
        self.look.found.push(Found { instance, life, attached: people(listing, pane), log_pipe: None, elsewhere });
        None
    }

    fn look_at_adopted(&mut self, at: usize, server: &ServerAt, listing: &Listing, pane: &Pane) -> Option<String> {
        let instance = self.ask.known[at].instance.as_ref()?;
        let instance = Instance { seat: seat(server, pane, Some(&instance.seat)), ..instance.clone() };
        let lives = !pane.dead && instance.program.as_ref().is_none_or(|program| program.liveness() != Liveness::Gone);
        let life = if lives { Life::Alive { since: None } } else { Life::Lost };
        let log_pipe = self.log_pipe(server, listing, pane, &instance.agent, &life);
        self.answer(at, instance, life, people(listing, pane));
        self.look.found.last_mut().into_iter().for_each(|found| found.log_pipe.clone_from(&log_pipe));
        None
    }

    /// Where the output of a pane goes that lives and has a log.
    fn log_pipe(&self, server: &ServerAt, listing: &Listing, pane: &Pane, agent: &AgentName, life: &Life) -> Option<LogPipe> {
        let Life::Alive { .. } = life else { return None };
        let holder = || {
            let pid = pane.piped_to.filter(|pid| *pid > 0);
            pid.or_else(|| logs::only_other_child(server.id.pid, &listing.panes))
        };
        logs::pipe(&self.live.paths.log_settings(agent), pane.piped_to.is_some(), holder)
    }

    /// A pane that was adopted and whose record is lost. Returns why it is none of the fleet's, if another process runs in it by now.
    fn look_at_unrecorded_adopted(&mut self, mark: Mark, server: &ServerAt, listing: &Listing, pane: &Pane) -> Option<String> {
        let living = if pane.dead { None } else { ProcId::of(pane.pid).ok().flatten() };
        if living.as_ref().is_some_and(|program| !adopted::holds_for(&mark, program)) {
            return Some(NO_MARK.to_owned());
        }
        let life = if living.is_some() { Life::Alive { since: None } } else { Life::Lost };
        // A dead pane is known by the process that it had.
        let program = living.or_else(|| adopted::process_of(&mark));
        let seat = seat(server, pane, None);
        let instance = Instance { agent: mark.agent, generation: mark.generation, mark: None, keeper: None, program, seat };
        self.look.found.push(Found { instance, life, attached: people(listing, pane), log_pipe: None, elsewhere: None });
        None
    }

    /// Known instances that no listing showed, and what no record knows.
    fn look_at_the_rest(&mut self, views: &BTreeMap<PathBuf, View>) {
        let unreadable = views.values().find_map(|view| match view {
            View::Unreadable(why) => Some(why.clone()),
            View::Absent | View::Listed(..) => None,
        });
        let mut missing = Vec::new();
        for (at, known) in self.ask.known.iter().enumerate() {
            if self.answered[at] {
                continue;
            }
            match &known.instance {
                Some(instance) => {
                    let here = match &instance.seat {
                        Seat::Pane { socket, .. } => views.get(socket),
                        Seat::Detached { .. } | Seat::Adrift { .. } => None,
                    };
                    if let Some(View::Unreadable(why)) = here {
                        self.answer(at, instance.clone(), Life::Unknown(why.clone()), 0);
                    } else {
                        self.look_at_processes(at, known, instance, 0);
                    }
                }
                None => {
                    if let Some(found) = known.mark.as_ref().and_then(|mark| self.live.started.find(mark)) {
                        let (keeper, pidfile) = found;
                        let instance = Instance { keeper: Some(keeper), ..blank(known, Seat::Detached { pidfile }) };
                        self.look_at_processes(at, known, &instance, 0);
                    }
                }
            }
            if !self.answered[at] {
                missing.push(at);
            }
        }
        self.look_at_fences();
        let is_due =
            self.ask.search || !(missing.is_empty() && self.lost.is_empty() && self.ask.unproven.is_empty() && self.fenced.is_empty());
        if is_due {
            self.search(&missing, unreadable);
        }
    }
}

/// People who see the pane.
fn people(listing: &Listing, pane: &Pane) -> u32 {
    if listing.attached.is_empty() {
        return 0;
    }
    pane.sessions.iter().filter_map(|session| listing.attached.get(session)).sum()
}

/// Where a pane is. Of the sessions that share it, the one where it was before is meant.
pub(super) fn seat(server: &ServerAt, pane: &Pane, before: Option<&Seat>) -> Seat {
    let earlier = match before {
        Some(Seat::Pane { session, .. }) => pane.sessions.iter().find(|name| *name == session),
        Some(Seat::Detached { .. } | Seat::Adrift { .. }) | None => None,
    };
    Seat::Pane {
        socket: server.socket.clone(),
        server: server.id.clone(),
        session: earlier.or(pane.sessions.first()).cloned().unwrap_or_default(),
        window: pane.window.clone(),
        pane: pane.id.clone(),
    }
}

/// An instance of which only the mark and the seat are known.
fn blank(known: &Known, seat: Seat) -> Instance {
    Instance {
        agent: known.agent.clone(),
        generation: known.mark.as_ref().map_or(Generation(0), |mark| mark.generation),
        mark: known.mark.clone(),
        keeper: None,
        program: None,
        seat,
    }
}
