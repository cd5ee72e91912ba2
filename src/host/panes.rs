//! Starting instances in panes: each keeper is the process of its pane from the first instant, so its mark is in the first listing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::act::{Needs, both, guard, identity, is, outcome};
use super::dress::{session_options, title};
use super::launch::{may_start, orders};
use super::live::Live;
use super::logs;
use super::look::label;
use super::tmux::{self, Client, Detail, Door, Line, Listing, Running, SCRIPT_LIMIT, ServerAt, Trouble, knock, listing, socket_path};
use super::{Outcome, Spawn, adopted, closed};
use crate::desired::{Mark, Place, Server};
use crate::keeper;
use crate::observed::{Instance, Seat};
use crate::process::ProcId;

/// A line at which the server goes back to its other clients for a moment (tmux 3.2 and later).
const BREATHE: &str = "run-shell -d 0.002\n";

/// Starts all of them, server by server.
pub(super) fn spawn(live: &mut Live, spawns: &[(usize, &Spawn)], outcomes: &mut [Option<Outcome>]) {
    let mut paths = BTreeMap::new();
    let mut by_server: BTreeMap<PathBuf, Vec<(usize, &Spawn)>> = BTreeMap::new();
    for (at, spawn) in spawns {
        let Place::Tmux { socket, .. } = &spawn.spec.launch.place else { continue };
        let path = paths.entry(socket).or_insert_with(|| socket_path(socket, live.tmpdir.as_deref()));
        match path {
            Ok(path) => by_server.entry(path.clone()).or_default().push((*at, spawn)),
            Err(why) => outcomes[*at] = Some(Outcome::Hindered(why.clone())),
        }
    }
    for (path, spawns) in by_server {
        match on_server(live, &path, &spawns, outcomes) {
            Ok(server) => closed::find(&server, &spawns, outcomes),
            Err(why) => fail(&spawns, outcomes, &why),
        }
    }
}

fn fail(spawns: &[(usize, &Spawn)], outcomes: &mut [Option<Outcome>], why: &str) {
    for (at, _) in spawns {
        outcomes[*at].get_or_insert_with(|| Outcome::Hindered(why.to_owned()));
    }
}

fn on_server(live: &mut Live, path: &Path, spawns: &[(usize, &Spawn)], outcomes: &mut [Option<Outcome>]) -> Result<ServerAt, String> {
    let (_, first) = spawns.first().ok_or("nothing is to be started")?;
    let was_there = matches!(knock(path), Door::Open(_));
    let server = tmux::start(path, &first.server, &live.fleet, live.servers.get(path))?;
    live.servers.insert(path.to_owned(), server.id.clone());
    let spawns = &in_known_places(live, &server, spawns, outcomes)[..];
    if spawns.is_empty() {
        return Ok(server);
    }
    let listing = match live.listed.remove(path) {
        _ if !was_there => Listing::default(),
        Some(listed) if listed.holds(&server) => listed.listing,
        Some(_) | None => {
            listing(&server, Detail::Ids, tmux::PATIENCE).and_then(tmux::Layout::finish).map_err(|trouble| trouble.to_string())?
        }
    };
    let mut places = Places::of(&listing, live);
    if was_there && listing.facts.starter != live.fleet.as_str() {
        let refused = tmux::of_servers(&Client::of(&server), &first.server)?;
        places.here = Some(Here { server: first.server.clone(), refused });
    }
    let mut jobs = Vec::new();
    for (at, spawn) in spawns {
        match prepare(live, &server, *at, spawn, &mut places) {
            Ok(job) => jobs.push(job),
            Err(outcome) => outcomes[*at] = Some(outcome),
        }
    }
    run(live, &server, &jobs, outcomes);
    Ok(server)
}

/// Starts those that take the pane of an earlier life of which this process saw the end and knows the place: the server itself checks whether that is
/// so. Returns the others.
fn in_known_places<'a>(
    live: &mut Live,
    server: &ServerAt,
    spawns: &[(usize, &'a Spawn)],
    outcomes: &mut [Option<Outcome>],
) -> Vec<(usize, &'a Spawn)> {
    let mut jobs = Vec::new();
    let mut others = Vec::new();
    for (at, spawn) in spawns {
        match over_the_known(live, server, *at, spawn) {
            Some(line) => match may_start(live, spawn) {
                Ok(()) => jobs.push(Job { at: *at, spawn, lines: format!("{}\n", line.as_str()) }),
                Err(outcome) => outcomes[*at] = Some(outcome),
            },
            None => others.push((*at, *spawn)),
        }
    }
    run(live, server, &jobs, outcomes);
    for job in jobs {
        // It may have been moved.
        if matches!(outcomes[job.at], Some(Outcome::Refused(_))) {
            outcomes[job.at] = None;
            others.push((job.at, job.spawn));
        }
    }
    others
}

/// The command for an instance that takes the pane of an earlier life, without a listing; none where that must be looked at.
fn over_the_known(live: &Live, server: &ServerAt, at: usize, spawn: &Spawn) -> Option<Line> {
    let Instance { seat: Seat::Pane { server: then, session, window, pane, .. }, mark, keeper, .. } = spawn.instead_of.as_ref()? else {
        return None;
    };
    let Place::Tmux { session: to_session, window: to_window, .. } = &spawn.spec.launch.place else { return None };
    let (mark, keeper) = (mark.as_ref()?, keeper.as_ref().filter(|keeper| live.vigil.saw_end_of(keeper))?);
    if *then != server.id || (session.as_str(), window.as_str()) != (to_session.as_str(), to_window.as_str()) {
        return None;
    }
    let place = both(&is("session_name", session), &is("window_name", window));
    let who = both(&identity(pane, server.id.pid, Some(keeper.pid), Some(mark)), &place);
    // The server may not have noticed the end yet.
    Some(guard(at, pane, &who, Needs::Nothing, respawn(live, spawn, pane, None)))
}

/// The commands that start an instance in the pane of an earlier life, which may have been an adopted one.
fn respawn(live: &Live, spawn: &Spawn, pane: &str, adopted: Option<&ProcId>) -> Vec<Line> {
    let mut lines = vec![keep(live, spawn, Line::new("respawn-pane").flag("-k -t").word(pane))];
    // What an earlier life printed is not what this one did.
    lines.push(Line::new("clear-history").flag("-t").word(pane));
    lines.push(stays(pane));
    lines.extend(adopted.map(|_| adopted::take(pane)));
    lines.extend(title(&spawn.spec.care, pane));
    lines.extend(logs::of_next_life(live, spawn, pane));
    lines
}

/// A start that is ready to be asked for.
struct Job<'a> {
    at: usize,
    spawn: &'a Spawn,
    lines: String,
}

fn prepare<'a>(live: &Live, server: &ServerAt, at: usize, spawn: &'a Spawn, places: &mut Places) -> Result<Job<'a>, Outcome> {
    may_start(live, spawn)?;
    let lines = places.lines(live, server, at, spawn).map_err(Outcome::Refused)?;
    let lines = lines.iter().map(|line| format!("{}\n", line.as_str())).collect();
    Ok(Job { at, spawn, lines })
}

/// Asks for them in chunks. While the server works at one, the files of the next are written.
fn run(live: &mut Live, server: &ServerAt, jobs: &[Job<'_>], outcomes: &mut [Option<Outcome>]) {
    let client = Client::of(server);
    let mut rest = jobs;
    let mut flying: Option<Flight<'_>> = None;
    let mut stuck = None;
    while !rest.is_empty() && stuck.is_none() && !live.is_asked_to_stop() {
        let (chunk, later) = rest.split_at(fitting(rest, live.pace.chunk()));
        rest = later;
        let script = write_orders(live, chunk, outcomes);
        stuck = land(live, flying.take(), outcomes);
        flying = match &stuck {
            None => Some(Flight { chunk, since: Instant::now(), running: client.start_script(&script) }),
            Some(_) => {
                skip(live, chunk, outcomes);
                None
            }
        };
    }
    land(live, flying, outcomes);
    skip(live, rest, outcomes);
}

/// A chunk that the server is working at.
struct Flight<'a> {
    chunk: &'a [Job<'a>],
    since: Instant,
    running: Result<Running, Trouble>,
}

/// How many jobs may go at once, and fit into one script.
fn fitting(jobs: &[Job<'_>], most: usize) -> usize {
    let mut length = 0;
    let fits = |job: &&Job<'_>| {
        length += job.lines.len() + BREATHE.len();
        length < SCRIPT_LIMIT
    };
    jobs.iter().take(most).take_while(fits).count().max(1)
}

/// Writes what the keepers are told, and returns the script that starts them.
fn write_orders(live: &Live, chunk: &[Job<'_>], outcomes: &mut [Option<Outcome>]) -> String {
    let mut script = String::new();
    for (asked, job) in chunk.iter().enumerate() {
        let path = live.paths.spec(&job.spawn.mark);
        let write = |spec: keeper::Spec| {
            spec.write(&path).map_err(|error| format!("the spec {} could not be written: {error}", path.display()))?;
            logs::prepare(live, job.spawn)
        };
        let written = orders(live, job.spawn).and_then(|spec| write(spec).map_err(Outcome::Hindered));
        if asked > 0 && asked % live.pace.breath() == 0 {
            script.push_str(BREATHE);
        }
        match written {
            Ok(()) => script.push_str(&job.lines),
            Err(outcome) => outcomes[job.at] = Some(outcome),
        }
    }
    script
}

/// Hears what came of a chunk. Returns why nothing more should be asked of this server.
fn land(live: &mut Live, flight: Option<Flight<'_>>, outcomes: &mut [Option<Outcome>]) -> Option<Trouble> {
    let Flight { chunk, since, running } = flight?;
    let said = running.and_then(Running::finish);
    live.pace.learn(chunk.len(), since.elapsed());
    for job in chunk {
        let came = outcomes[job.at].get_or_insert_with(|| blamed(outcome(job.at, &said), &said));
        if matches!(came, Outcome::Failed(_) | Outcome::Hindered(_) | Outcome::Refused(_)) {
            // It may hold secrets and nobody will read it.
            let _ = std::fs::remove_file(live.paths.spec(&job.spawn.mark));
        }
    }
    said.err()
}

/// What tmux says where it or the machine cannot go on, whatever is started.
const MACHINES: [&str; 5] = ["fork failed", "server exited", "lost server", "no server running", "error connecting"];

/// An outcome of a start, with whose fault it is.
fn blamed(outcome: Outcome, said: &Result<tmux::Output, Trouble>) -> Outcome {
    let Outcome::Failed(why) = outcome else { return outcome };
    let is_machines = match said {
        Ok(output) => MACHINES.iter().any(|words| output.complaint.contains(words)),
        Err(Trouble::NotStarted(_) | Trouble::Timeout | Trouble::Broken(_)) => true,
    };
    if is_machines { Outcome::Hindered(why) } else { Outcome::Failed(why) }
}

/// What was not tried, because a signal asked to stop or the server did not answer, is no failure of the agent.
fn skip(live: &Live, jobs: &[Job<'_>], outcomes: &mut [Option<Outcome>]) {
    for job in jobs {
        outcomes[job.at].get_or_insert(Outcome::Skipped);
        let _ = std::fs::remove_file(live.paths.spec(&job.spawn.mark));
    }
}

/// The sessions and windows of a server, with those that this batch is about to make.
struct Places {
    sessions: BTreeMap<String, Session>,
    /// Dead panes of ours, with their mark, session and window.
    dead: BTreeMap<String, (Mark, String, String)>,
    /// What is set for each session of ours, where the server is not.
    here: Option<Here>,
}

struct Here {
    server: Server,
    /// Options that only the whole server has.
    refused: Vec<String>,
}

struct Session {
    target: String,
    is_ours: bool,
    windows: BTreeMap<String, Window>,
}

struct Window {
    target: String,
    is_ours: bool,
}

impl Places {
    fn of(listing: &Listing, live: &Live) -> Self {
        let mut places = Self { sessions: BTreeMap::new(), dead: BTreeMap::new(), here: None };
        for pane in &listing.panes {
            let mark = label(&pane.command).map_or_else(|| adopted::mark_of(pane), |label| label.parse().ok());
            let is_ours = mark.as_ref().is_some_and(|mark| mark.fleet == live.fleet);
            if let (true, true, Some(mark), Some(session)) = (is_ours, pane.dead, mark, pane.sessions.first()) {
                places.dead.insert(pane.id.clone(), (mark, session.clone(), pane.window.clone()));
            }
            for (at, name) in pane.sessions.iter().enumerate() {
                // Ids are those of the first; another name for the same window is addressed by name.
                let ids = pane.ids.as_ref().filter(|_| at == 0);
                let target = ids.map_or_else(|| format!("={name}:"), |(session, _)| format!("{session}:"));
                let session =
                    places.sessions.entry(name.clone()).or_insert_with(|| Session { target, is_ours: false, windows: BTreeMap::new() });
                session.is_ours |= is_ours || listing.owners.get(name).is_some_and(|owner| *owner == *live.fleet.as_str());
                let target = ids.map_or_else(|| format!("={name}:={}", pane.window), |(_, window)| window.clone());
                let window =
                    session.windows.entry(pane.window.clone()).or_insert_with(|| Window { target: target.clone(), is_ours: false });
                if is_ours && !window.is_ours {
                    *window = Window { target, is_ours };
                }
            }
        }
        places
    }

    /// The commands that start one instance at its place. Errors say who has the place.
    fn lines(&mut self, live: &Live, server: &ServerAt, at: usize, spawn: &Spawn) -> Result<Vec<Line>, String> {
        let Place::Tmux { session, window, .. } = &spawn.spec.launch.place else { return Ok(Vec::new()) };
        let (session, window) = (session.as_str(), window.as_str());
        if let Some(lines) = self.over_the_dead(live, server, at, spawn, (session, window)) {
            return Ok(lines);
        }
        let care = &spawn.spec.care;
        let target = format!("={session}:={window}");
        let print = |line: Line| line.flag("-P -F").word(&format!("done {at}"));
        let here = |target: &str| self.here.as_ref().map_or_else(Vec::new, |here| tmux::session_lines(&here.server, &here.refused, target));
        let mut lines = Vec::new();
        let Some(there) = self.sessions.get_mut(session) else {
            let size = spawn.server.size;
            let line = print(Line::new("new-session").flag(&format!("-d -c / -x {} -y {}", size.columns, size.rows)));
            lines.push(keep(live, spawn, line.flag("-s").word(session).flag("-n").word(window)));
            let of_session =
                |name: &str, value: &str| Line::new("set-option").flag("-t").word(&format!("={session}:")).word(name).word(value);
            // A user may have said that sessions without a client are to be removed.
            lines.push(of_session("destroy-unattached", "off"));
            lines.push(of_session(tmux::OWNER, live.fleet.as_str()));
            lines.extend(here(&target));
            lines.extend(session_options(care, &format!("={session}:")));
            lines.extend(made(live, spawn, &target));
            let windows = BTreeMap::from([(window.to_owned(), Window { target, is_ours: true })]);
            self.sessions.insert(session.to_owned(), Session { target: format!("={session}:"), is_ours: true, windows });
            return Ok(lines);
        };
        if !there.is_ours {
            return Err(format!("the tmux session `{session}` is somebody else's"));
        }
        match there.windows.get(window).filter(|window| window.is_ours) {
            None => {
                // A person may have a window of that name there: until it is all set up, this one has a name that no other has.
                let name = format!("reconcile-{}", spawn.mark.id);
                let target = format!("={session}:={name}");
                let line = print(Line::new("new-window").flag("-d -c / -t").word(&there.target).flag("-n").word(&name));
                lines.push(keep(live, spawn, line));
                lines.extend(here(&target));
                lines.extend(made(live, spawn, &target));
                lines.push(Line::new("rename-window").flag("-t").word(&target).word(window));
                there.windows.insert(window.to_owned(), Window { target: format!("={session}:={window}"), is_ours: true });
            }
            Some(window) => {
                // What follows is for the pane that is active: the new one, and then the earlier is active again.
                lines.push(keep(live, spawn, print(Line::new("split-window").flag("-c / -t").word(&window.target))));
                lines.extend(made(live, spawn, &window.target));
                lines.push(Line::new("last-pane").flag("-t").word(&window.target));
                // After each, or there is soon no space for another.
                lines.push(Line::new("select-layout").flag("-t").word(&window.target).word(care.layout.as_deref().unwrap_or("tiled")));
            }
        }
        Ok(lines)
    }

    /// The commands for an instance that takes the pane of an earlier life; none where the place is another now.
    fn over_the_dead(&mut self, live: &Live, server: &ServerAt, at: usize, spawn: &Spawn, place: (&str, &str)) -> Option<Vec<Line>> {
        let Some(Instance { seat: Seat::Pane { server: then, pane, .. }, mark, keeper, program, .. }) = &spawn.instead_of else {
            return None;
        };
        let (there, session, window) = self.dead.get(pane)?;
        // Whoever was adopted has no mark of its own, but in the pane.
        let adopted = program.as_ref().filter(|_| mark.is_none());
        let is_its = mark.as_ref() == Some(there) || adopted.is_some_and(|program| adopted::holds_for(there, program));
        if *then != server.id || !is_its {
            return None;
        }
        if (session.as_str(), window.as_str()) != place {
            return None;
        }
        let process = keeper.as_ref().or(adopted).map(|process| process.pid);
        let who = identity(pane, server.id.pid, process, mark.as_ref());
        self.dead.remove(pane);
        Some(vec![guard(at, pane, &who, Needs::Death, respawn(live, spawn, pane, adopted))])
    }
}

/// What a pane that was just made gets.
fn made(live: &Live, spawn: &Spawn, target: &str) -> Vec<Line> {
    let mut lines = vec![stays(target)];
    lines.extend(title(&spawn.spec.care, target));
    lines.extend(logs::of_new(live, spawn, target));
    lines
}

/// A pane stays when its program has ended: it keeps its place and its last words. Other panes of its window do as their owner wants.
fn stays(target: &str) -> Line {
    Line::new("set-option").flag("-p -t").word(target).flag("remain-on-exit on")
}

/// The command line of a keeper as the words behind `--`: at least two, so that no shell reads them.
fn keep(live: &Live, spawn: &Spawn, line: Line) -> Line {
    let words = keeper::arguments(&spawn.mark, &live.paths.spec(&spawn.mark));
    let line = line.flag("--").word(&live.exe.to_string_lossy());
    words.iter().fold(line, |line, word| line.word(&word.to_string_lossy()))
}
