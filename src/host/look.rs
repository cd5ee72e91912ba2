//! One look at the machine: one client call for each tmux server, and of everything else only what is not known yet.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::live::{Live, now};
use super::tmux::{Detail, Door, Layout, Listing, PATIENCE, Pane, ServerAt, Trouble, knock, listing, socket_path, wait_for_end, words};
use super::trace::Trace;
use super::{Ask, Found, Gap, Known, Life, Look, Successor, adopted, conditions, obstacle, story};
use crate::desired::{AgentName, Generation, Mark, Server};
use crate::keeper::Status;
use crate::observed::{Instance, Obstacle, Seat, Stranger};
use crate::process::{self, Liveness, ProcId, Remnant};

mod search;

/// How long the end of a server is waited for that gave no answer.
const ENDING: Duration = Duration::from_millis(200);

/// A tmux server as this look finds it.
#[derive(Debug)]
pub(super) enum View {
    /// There is none.
    Absent,
    /// It could not be read.
    Unreadable(String),
    /// It was.
    Listed(ServerAt, Listing),
}

impl View {
    fn listed(self) -> Option<Listed> {
        match self {
            Self::Listed(server, listing) => Some(Listed { server, listing, since: Instant::now() }),
            Self::Absent | Self::Unreadable(_) => None,
        }
    }
}

/// How long a listing is good enough to place starts by.
const FRESH: Duration = Duration::from_secs(2);

/// The panes of a server as the last look before some starts found them, with their ids.
#[derive(Debug)]
pub(super) struct Listed {
    server: ServerAt,
    pub(super) listing: Listing,
    since: Instant,
}

impl Listed {
    /// Whether it is of this server, and of just now.
    pub(super) fn holds(&self, server: &ServerAt) -> bool {
        self.server.id == server.id && self.since.elapsed() < FRESH
    }
}

/// The servers that gave no answer when they were asked last, and when they had the whole time for it.
#[derive(Debug, Default)]
pub(super) struct Silent(BTreeMap<PathBuf, Instant>);

/// How long such a server is waited for: everybody else waits with it.
const BRIEFLY: Duration = Duration::from_millis(500);

/// How often such a server has the whole time all the same: it may be slow.
const NOW_AND_THEN: Duration = Duration::from_secs(60);

impl Silent {
    fn patience(&self, socket: &Path) -> Duration {
        let had_time = self.0.get(socket).is_some_and(|at| at.elapsed() < NOW_AND_THEN);
        if had_time { BRIEFLY } else { PATIENCE }
    }

    fn hear(&mut self, socket: &Path, view: &View) {
        match view {
            View::Absent | View::Listed(..) => drop(self.0.remove(socket)),
            View::Unreadable(_) if self.patience(socket) == BRIEFLY => {}
            View::Unreadable(_) => drop(self.0.insert(socket.to_owned(), Instant::now())),
        }
    }
}

/// Asks the server that will be looked at soon, so that it answers while other things are read.
pub(super) fn expect(live: &mut Live, server: &Server) {
    if let Ok(path) = socket_path(&server.socket, live.tmpdir.as_deref()) {
        let asked = Asked::at(&path, Detail::Look, live.silent.patience(&path));
        live.asked = Some((path, asked));
    }
}

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
    /// The places of known instances in `ask.known`, by the last part of their mark.
    by_id: HashMap<&'a str, usize>,
    /// Those that were found, by their place in `ask.known`.
    answered: Vec<bool>,
    /// Marks in panes that no record knows.
    unrecorded: HashSet<String>,
    /// Marks whose keeper is gone without a word.
    lost: Vec<Mark>,
    /// Agents of which nothing should live and whose fence is held, by the names of their marks.
    fenced: BTreeMap<AgentName, AgentName>,
    /// What servers are asked for.
    detail: Detail,
}

impl<'a> Looking<'a> {
    fn new(live: &'a mut Live, ask: &'a Ask<'a>) -> Self {
        let id = |(at, known): (usize, &'a Known)| Some((&*known.mark.as_ref()?.id, at));
        let by_id = ask.known.iter().enumerate().filter_map(id).collect();
        let lives = |left: &Vec<Remnant>| left.iter().filter(|remnant| remnant.process.liveness() != Liveness::Gone).cloned().collect();
        let left = ask.left.iter().map(|(agent, left)| (agent.clone(), lives(left))).collect();
        let look = Look { at: now(), left, namespace: process::pid_namespace(), ..Look::default() };
        live.vigil.glance();
        // Whoever has ended may be started again right after.
        let detail = if (ask.starts.is_empty() && !live.vigil.saw_an_end()) || live.asked.is_some() { Detail::Look } else { Detail::Ids };
        Self {
            live,
            ask,
            look,
            by_id,
            answered: vec![false; ask.known.len()],
            unrecorded: HashSet::new(),
            lost: Vec::new(),
            fenced: BTreeMap::new(),
            detail,
        }
    }

    /// Starts one client for each server that may have instances.
    fn ask_servers(&mut self) -> BTreeMap<PathBuf, Asked> {
        if self.ask.closely {
            return BTreeMap::new();
        }
        let mut sockets: BTreeSet<PathBuf> = self.ask.sockets.iter().cloned().collect();
        for known in &self.ask.known {
            if let Some(Instance { seat: Seat::Pane { socket, .. }, .. }) = &known.instance
                && !sockets.contains(socket)
            {
                sockets.insert(socket.clone());
            }
        }
        if let Some(server) = self.ask.server {
            match socket_path(&server.socket, self.live.tmpdir.as_deref()) {
                Ok(path) => drop(sockets.insert(path)),
                Err(why) => self.look.gaps.push(Gap::Server(PathBuf::from(&server.socket.0), why)),
            }
        }
        let detail = self.detail;
        let mut early = self.live.asked.take();
        let silent = &self.live.silent;
        let mut asked = |path: &PathBuf| match early.take_if(|(at, _)| at == path) {
            // What stands in the way of starts can be told without ids; for the starts themselves there is another listing then.
            Some((_, asked)) => asked,
            None => Asked::at(path, detail, silent.patience(path)),
        };
        sockets.into_iter().map(|path| (path.clone(), asked(&path))).collect()
    }

    fn hear_servers(&mut self, asked: BTreeMap<PathBuf, Asked>) -> BTreeMap<PathBuf, View> {
        let mut views = BTreeMap::new();
        for (socket, asked) in asked {
            let view = asked.heard();
            self.live.silent.hear(&socket, &view);
            match &view {
                View::Absent => {}
                View::Unreadable(why) => self.look.gaps.push(Gap::Server(socket.clone(), why.clone())),
                View::Listed(server, _) => drop(self.live.servers.insert(socket.clone(), server.id.clone())),
            }
            views.insert(socket, view);
        }
        views
    }

    /// Known instances that are in no pane: one read of a stat file each while nothing changed.
    fn look_at_the_detached(&mut self) {
        for (at, known) in self.ask.known.iter().enumerate() {
            if self.is_foreign(known) {
                let why = "it runs in another pid namespace, where the numbers of its processes mean something else".to_owned();
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

    /// Whether the processes of an instance have their numbers in another namespace than this look.
    fn is_foreign(&self, known: &Known) -> bool {
        known.namespace.is_some() && self.look.namespace.is_some() && known.namespace != self.look.namespace
    }

    /// An instance of which only its processes tell.
    fn look_at_processes(&mut self, at: usize, known: &Known, instance: &Instance, attached: u32) {
        let Some(process) = instance.keeper.as_ref().or(instance.program.as_ref()) else {
            // Asked for and never seen: it is searched for.
            return;
        };
        match self.live.vigil.liveness(process) {
            Liveness::Alive => {
                let mut instance = instance.clone();
                let since = known.mark.as_ref().and_then(|mark| self.complete(mark, &mut instance));
                self.answer(at, instance, Life::Alive { since }, attached);
            }
            Liveness::Gone => self.answer_gone(at, known, instance.clone(), attached),
            Liveness::Unknown => {
                let why = format!("whether {process} lives could not be told");
                self.look.gaps.push(Gap::Agent(known.agent.clone(), why.clone()));
                self.answer(at, instance.clone(), Life::Unknown(why), attached);
            }
        }
    }

    /// Fills in the program of a living instance, once its keeper has named it, and returns since when it lives.
    fn complete(&mut self, mark: &Mark, instance: &mut Instance) -> Option<crate::time::Timestamp> {
        if instance.program.is_none()
            && let Ok(Some(status)) = story::of(&self.live.paths, mark)
        {
            instance.program.clone_from(&status.program);
            if status.program.is_some() {
                self.live.since.insert(mark.id.clone(), status.started_at);
            }
        }
        self.live.since.get(&mark.id).copied()
    }

    /// An instance whose processes are gone: its keeper said how it ended, or nobody did.
    fn answer_gone(&mut self, at: usize, known: &Known, mut instance: Instance, attached: u32) {
        let life = match &known.mark {
            Some(mark) => self.gone(mark, &mut instance),
            None => Life::Lost,
        };
        self.answer(at, instance, life, attached);
    }

    fn gone(&mut self, mark: &Mark, instance: &mut Instance) -> Life {
        let mut told = story::of(&self.live.paths, mark);
        if let Ok(Some(status)) = &told {
            if status.keeper.liveness() == Liveness::Alive {
                instance.keeper = Some(status.keeper.clone());
                instance.program = instance.program.take().or_else(|| status.program.clone());
                return Life::Alive { since: status.program.as_ref().map(|_| status.started_at) };
            }
            if status.ended.is_none() {
                // It may have ended after that was read, and has then written how.
                told = story::of(&self.live.paths, mark);
            }
        }
        let life = match told {
            Ok(Some(status)) => {
                if instance.program.is_none() {
                    instance.program.clone_from(&status.program);
                }
                match story::end(&status) {
                    Some((life, survivors)) => {
                        self.adrift(mark, survivors, instance);
                        self.hear_of_the_end(&status, &instance.agent);
                        life
                    }
                    None => Life::Lost,
                }
            }
            Ok(None) => Life::Lost,
            Err(why) => {
                self.look.gaps.push(Gap::Agent(instance.agent.clone(), why.clone()));
                Life::Unknown(why)
            }
        };
        if life == Life::Lost {
            self.lost.push(mark.clone());
        }
        life
    }

    fn answer(&mut self, at: usize, mut instance: Instance, life: Life, attached: u32) {
        self.answered[at] = true;
        if instance.mark.is_none() {
            // No mark tells whose it is, so it is that of the agent as it is called now.
            instance.agent.clone_from(&self.ask.known[at].agent);
        }
        self.look.found.push(Found { instance, life, attached, elsewhere: None });
    }

    fn look_at_panes(&mut self, socket: &Path, view: &View) {
        let View::Listed(server, listing) = view else { return };
        let known = &self.ask.known;
        let adopted: HashMap<&str, usize> =
            known.iter().enumerate().filter_map(|(at, known)| Some((adopted_pane(known, server)?, at))).collect();
        let declared = self.ask.server.and_then(|server| socket_path(&server.socket, self.live.tmpdir.as_deref()).ok());
        for pane in &listing.panes {
            let why = match label(&pane.command) {
                Some(label) => match self.look_at_ours(server, listing, pane, &label) {
                    Whose::Ours => continue,
                    Whose::Others(why) => why,
                },
                None => match adopted.get(pane.id.as_str()).filter(|at| !self.answered[**at]) {
                    Some(at) => {
                        self.look_at_adopted(*at, server, listing, pane);
                        continue;
                    }
                    None => match self.look_at_unrecorded_adopted(server, listing, pane) {
                        Whose::Ours => continue,
                        Whose::Others(why) => why,
                    },
                },
            };
            // Sessions that begin so are helpers of this tool.
            let session = pane.sessions.first().map_or("", String::as_str);
            if declared.as_deref() == Some(socket) && !session.starts_with('_') {
                let place = format!("{}:{session}", socket.file_name().unwrap_or_default().to_string_lossy());
                self.look.strangers.push(Stranger { place, pid: Some(pane.pid).filter(|pid| *pid > 0), why });
            }
        }
    }

    /// The place of the known instance whose mark is written like this.
    fn known_as(&self, label: &str) -> Option<usize> {
        let at = *self.by_id.get(label.rsplit('/').next()?)?;
        self.ask.known[at].mark.as_ref().is_some_and(|mark| mark.is_written(label)).then_some(at)
    }

    /// A pane whose command is that of a keeper.
    fn look_at_ours(&mut self, server: &ServerAt, listing: &Listing, pane: &Pane, label: &str) -> Whose {
        let at = self.known_as(label);
        if at.is_some_and(|at| self.is_foreign(&self.ask.known[at])) {
            return Whose::Ours;
        }
        if let Some(at) = at.filter(|at| !self.answered[*at]) {
            let known = &self.ask.known[at];
            let instance = match &known.instance {
                Some(instance) => Instance { seat: seat(server, pane, Some(&instance.seat)), ..instance.clone() },
                None => blank(known, seat(server, pane, None)),
            };
            let (instance, life) = self.life_in_pane(pane, instance);
            self.answer(at, instance, life, people(listing, pane));
            return Whose::Ours;
        }
        let Ok(mark) = label.parse::<Mark>() else { return Whose::Others("no mark".to_owned()) };
        if mark.fleet != self.live.fleet {
            return Whose::Others(format!("it belongs to the fleet {}", mark.fleet));
        }
        if at.is_some() || !self.unrecorded.insert(label.to_owned()) {
            return Whose::Others("it bears the mark of another pane".to_owned());
        }
        let elsewhere = spec_of(&pane.command).and_then(|spec| self.elsewhere(Path::new(&*spec), &mark));
        let known = Known { agent: mark.agent.clone(), mark: Some(mark), instance: None, is_daemon: false, namespace: None };
        let (mut instance, life) = self.life_in_pane(pane, blank(&known, seat(server, pane, None)));
        instance.program = instance.program.or_else(|| oldest_child(instance.keeper.as_ref()?, label));
        self.look.found.push(Found { instance, life, attached: people(listing, pane), elsewhere });
        Whose::Ours
    }

    fn life_in_pane(&mut self, pane: &Pane, mut instance: Instance) -> (Instance, Life) {
        let same = instance.keeper.as_ref().is_some_and(|keeper| keeper.pid == pane.pid && !self.live.vigil.saw_end_of(keeper));
        if same && !pane.dead && instance.program.is_some() {
            let since = instance.mark.as_ref().and_then(|mark| self.live.since.get(&mark.id).copied());
            return (instance, Life::Alive { since });
        }
        let Some(mark) = instance.mark.clone() else { return (instance, Life::Lost) };
        if pane.pid == 0 && !pane.dead {
            let why = format!("tmux names no process of the pane {}", pane.id);
            self.look.gaps.push(Gap::Agent(instance.agent.clone(), why.clone()));
            return (instance, Life::Unknown(why));
        }
        let process = if pane.dead { Ok(None) } else { ProcId::of(pane.pid) };
        let life = match process {
            Ok(Some(keeper)) => {
                instance.keeper = Some(keeper);
                Life::Alive { since: self.complete(&mark, &mut instance) }
            }
            Ok(None) => self.gone(&mark, &mut instance),
            Err(error) => {
                let why = format!("process {} could not be looked at: {error}", pane.pid);
                self.look.gaps.push(Gap::Agent(instance.agent.clone(), why.clone()));
                Life::Unknown(why)
            }
        };
        (instance, life)
    }

    fn look_at_adopted(&mut self, at: usize, server: &ServerAt, listing: &Listing, pane: &Pane) {
        let known = &self.ask.known[at];
        let Some(instance) = &known.instance else { return };
        let instance = Instance { seat: seat(server, pane, Some(&instance.seat)), ..instance.clone() };
        let lives = !pane.dead && instance.program.as_ref().is_none_or(|program| program.liveness() != Liveness::Gone);
        let life = if lives { Life::Alive { since: None } } else { Life::Lost };
        self.answer(at, instance, life, people(listing, pane));
    }

    /// A pane that was adopted and whose record is lost: it carries its mark as an option.
    fn look_at_unrecorded_adopted(&mut self, server: &ServerAt, listing: &Listing, pane: &Pane) -> Whose {
        let Some(mark) = adopted::mark_of(pane) else { return Whose::Others("no mark".to_owned()) };
        if mark.fleet != self.live.fleet {
            return Whose::Others(format!("it belongs to the fleet {}", mark.fleet));
        }
        if self.ask.known.iter().any(|known| known.mark.is_none() && known.agent == mark.agent) {
            // Its record tells of another pane: this one was let go.
            return Whose::Others("no mark".to_owned());
        }
        let living = if pane.dead { None } else { ProcId::of(pane.pid).ok().flatten() };
        if living.as_ref().is_some_and(|program| !adopted::holds_for(&mark, program)) {
            return Whose::Others("no mark".to_owned());
        }
        let life = if living.is_some() { Life::Alive { since: None } } else { Life::Lost };
        // A dead pane is known by the process that it had.
        let program = living.or_else(|| adopted::process_of(&mark));
        let seat = seat(server, pane, None);
        let instance = Instance { agent: mark.agent, generation: mark.generation, mark: None, keeper: None, program, seat };
        self.look.found.push(Found { instance, life, attached: people(listing, pane), elsewhere: None });
        Whose::Ours
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

    /// What was left running as declared, and what went wrong with hooks.
    fn hear_of_the_end(&mut self, status: &Status, agent: &AgentName) {
        let Some(end) = &status.ended else { return };
        if !end.left.is_empty() {
            let known = self.look.left.entry(agent.clone()).or_default();
            let new = end.left.iter().filter(|remnant| remnant.process.liveness() != Liveness::Gone).cloned();
            known.extend(new);
            known.sort_by(|one, other| one.process.cmp(&other.process));
            known.dedup_by(|one, other| one.process == other.process);
        }
        if !end.complaints.is_empty() {
            self.look.complaints.insert(agent.clone(), end.complaints.clone());
        }
    }
}

/// A server that was asked and has not answered yet.
#[derive(Debug)]
pub(super) enum Asked {
    Nobody,
    Unreadable(String),
    Answering(ServerAt, Box<Result<Layout, Trouble>>),
}

impl Asked {
    fn at(path: &Path, detail: Detail, patience: Duration) -> Self {
        match knock(path) {
            Door::Nobody => Self::Nobody,
            Door::Unreadable(why) => Self::Unreadable(why),
            Door::Open(server) => {
                let layout = listing(&server, detail, patience);
                Self::Answering(server, Box::new(layout))
            }
        }
    }

    fn heard(self) -> View {
        match self {
            Self::Nobody => View::Absent,
            Self::Unreadable(why) => View::Unreadable(why),
            Self::Answering(server, layout) => match layout.and_then(Layout::finish) {
                Ok(listing) => View::Listed(server, listing),
                // What a client says is no evidence of a server's end: the socket is. One that is just ending may still hold it.
                Err(trouble) => {
                    if trouble != Trouble::Timeout {
                        wait_for_end(&server.id, ENDING);
                    }
                    match knock(&server.socket) {
                        Door::Nobody => View::Absent,
                        Door::Open(_) | Door::Unreadable(_) => View::Unreadable(trouble.to_string()),
                    }
                }
            },
        }
    }
}

enum Whose {
    Ours,
    Others(String),
}

/// The label in a command that is exactly `EXE keep LABEL SPEC`.
pub(super) fn label(command: &str) -> Option<Cow<'_, str>> {
    Some(keep_words(command)?.0)
}

/// The spec in such a command.
fn spec_of(command: &str) -> Option<Cow<'_, str>> {
    Some(keep_words(command)?.1)
}

fn keep_words(command: &str) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    if !command.contains(" keep v1/") {
        return None;
    }
    if !command.contains(['"', '\'', '\\']) {
        let mut words = command.split(' ');
        let (_, verb, label, spec, none) = (words.next()?, words.next()?, words.next()?, words.next()?, words.next());
        let is_keep = verb == process::KEEP && !spec.is_empty() && none.is_none();
        return is_keep.then_some((Cow::Borrowed(label), Cow::Borrowed(spec)));
    }
    let [_, verb, label, spec] = <[String; 4]>::try_from(words(command)).ok()?;
    (verb == process::KEEP).then_some((Cow::Owned(label), Cow::Owned(spec)))
}

/// The program of a keeper whose status was lost with its record: the first that it started and that bears its mark.
fn oldest_child(keeper: &ProcId, label: &str) -> Option<ProcId> {
    let children = process::children(keeper.pid).ok()?.into_iter();
    let bears_mark = |pid: &u32| process::variable(*pid, process::MARK_VARIABLE).ok().flatten().is_some_and(|value| value == label);
    children.filter(bears_mark).filter_map(|pid| ProcId::of(pid).ok().flatten()).min_by_key(|child| (child.start_time, child.pid))
}

/// The pane of an instance that was adopted, if it is on this server.
fn adopted_pane<'a>(known: &'a Known, at: &ServerAt) -> Option<&'a str> {
    match (&known.mark, &known.instance) {
        (None, Some(Instance { seat: Seat::Pane { server, pane, .. }, .. })) if *server == at.id => Some(pane),
        (None | Some(_), _) => None,
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
