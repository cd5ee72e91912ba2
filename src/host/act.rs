//! One round's acts, as one batch: what concerns panes goes to each server in one client call, starts go in chunks that freeze nobody.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::live::Live;
use super::tmux::{self, Client, Door, Line, SCRIPT_LIMIT, ServerAt, knock, socket_path};
use super::{Act, Outcome, Spawn, adopted, clear, daemon, dress, errand, panes, typing};
use crate::desired::{FleetName, Mark, Place, Server, Signal, SignalTo};
use crate::observed::{Instance, Seat};
use crate::process::{self, Liveness, ProcId};

/// How long the end of processes without a keeper is waited for: they are stopped and killed at once, only the kernel takes its time.
const END: Duration = Duration::from_millis(500);

/// Something with its place in the batch.
type Numbered<T> = (usize, T);

pub(super) fn act(live: &mut Live, batch: &[Act]) -> Vec<Outcome> {
    live.started.reap();
    if !batch.iter().all(|act| matches!(act, Act::Spawn(_) | Act::SetServer(_))) {
        // What else is done in this batch may remove the panes that starts are placed by.
        live.listed.clear();
    }
    let mut outcomes: Vec<Option<Outcome>> = vec![None; batch.len()];
    let mut guarded = Guarded::default();
    let mut texts = typing::Texts::default();
    let mut in_panes: Vec<Numbered<&Spawn>> = Vec::new();
    let mut detached: Vec<Numbered<&Spawn>> = Vec::new();
    for (at, act) in batch.iter().enumerate() {
        outcomes[at] = match act {
            Act::Spawn(spawn) => {
                match &spawn.spec.launch.place {
                    Place::Tmux { .. } => in_panes.push((at, spawn.as_ref())),
                    Place::Daemon { .. } => detached.push((at, spawn.as_ref())),
                }
                None
            }
            Act::Keys { only, keys } => guarded.add(at, only, Needs::Life, key_lines(only, keys)),
            Act::Enter { only } => match typing::reads_no_enter(only) {
                Some(why) => Some(Outcome::Refused(why)),
                None => guarded.add(at, only, Needs::Life, key_lines(only, &["Enter".to_owned()])),
            },
            Act::Paste { only, text } => typing::paste(live, at, only, text, &mut texts, &mut guarded),
            Act::Signal { only, signal, to } => Some(send(live, only, *signal, *to)),
            Act::Run { only, argv, cwd, inbox, patience } => Some(super::run::run(live, only, argv, (cwd, inbox), *patience)),
            Act::Kill { only } => Some(kill(only)),
            Act::Freeze { only } => Some(super::freeze::freeze(only)),
            Act::Thaw { only } => Some(super::freeze::thaw(only)),
            Act::Clear { only } => clear::clear(live, at, only, &mut guarded),
            Act::Release { only } => adopted::release(live, at, only, &mut guarded),
            Act::Dress { only, spec } => dress::dress(live, at, only, spec, &mut guarded),
            Act::Hook { only, name, hook, spec } => Some(errand::start(live, only, name, hook, spec)),
            Act::Rename { only, spec, to } => dress::rename(live, at, only, spec, to, &mut guarded),
            Act::SetServer(server) => Some(to_server(live, server, tmux::options)),
            Act::CloseServer(server) => Some(to_server(live, server, tmux::close)),
        };
    }
    guarded.run(&mut outcomes);
    live.survey.begin(detached.iter().chain(&in_panes).map(|(_, spawn)| *spawn));
    daemon::spawn(live, &detached, &mut outcomes);
    live.attempts.of_daemons(detached.iter().filter_map(|(at, _)| outcomes[*at].as_ref()));
    panes::spawn(live, &in_panes, &mut outcomes);
    live.attempts.in_tmux(in_panes.iter().filter_map(|(at, _)| outcomes[*at].as_ref()));
    outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| Outcome::Unknown("nothing was heard of it".to_owned()))).collect()
}

/// What must be true of a pane for an act on it, besides being the very pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Its program lives.
    Life,
    /// Its program has ended.
    Death,
    /// Nothing.
    Nothing,
}

/// Acts on panes: checked and done by the server in one breath.
#[derive(Debug, Default)]
pub(super) struct Guarded {
    by_server: BTreeMap<PathBuf, (Option<ServerAt>, Vec<Numbered<Line>>)>,
}

impl Guarded {
    /// Adds commands for the pane of an instance, or says at once why they cannot be done.
    pub(super) fn add(&mut self, at: usize, only: &Instance, needs: Needs, lines: Vec<Line>) -> Option<Outcome> {
        let Seat::Pane { server, pane, .. } = &only.seat else {
            return Some(Outcome::Refused(format!("{} is in no pane", only.agent)));
        };
        let process = only.keeper.as_ref().or(only.program.as_ref().filter(|_| only.mark.is_none())).map(|process| process.pid);
        if process.is_none() && only.mark.is_none() {
            return Some(Outcome::Refused(format!("the process in the pane of {} is not known", only.agent)));
        }
        let who = identity(pane, server.pid, process, only.mark.as_ref());
        self.add_line(at, only, guard(at, pane, &who, needs, lines))
    }

    /// Adds a command for the pane of an instance that checks by itself whether it is the one.
    pub(super) fn add_line(&mut self, at: usize, only: &Instance, line: Line) -> Option<Outcome> {
        let Seat::Pane { socket, server, .. } = &only.seat else {
            return Some(Outcome::Refused(format!("{} is in no pane", only.agent)));
        };
        let (running, guarded) = self.by_server.entry(socket.clone()).or_insert_with(|| (open(socket), Vec::new()));
        if running.as_ref().is_none_or(|running| running.id != *server) {
            return Some(Outcome::Refused(format!("the tmux server of {} runs no more", only.agent)));
        }
        guarded.push((at, line));
        None
    }

    /// Does what was added, with one client for each server and as many more as the length of the scripts needs.
    fn run(self, outcomes: &mut [Option<Outcome>]) {
        for (server, acts) in self.by_server.into_values() {
            let Some(server) = server else { continue };
            let mut rest = acts.as_slice();
            while !rest.is_empty() {
                let mut script = String::new();
                let mut count = 0;
                for (_, line) in rest {
                    if count > 0 && script.len() + line.as_str().len() >= SCRIPT_LIMIT {
                        break;
                    }
                    script.push_str(line.as_str());
                    script.push('\n');
                    count += 1;
                }
                let (now, later) = rest.split_at(count);
                let said = Client::of(&server).run_script(&script);
                for (at, _) in now {
                    outcomes[*at] = Some(outcome(*at, &said));
                }
                rest = later;
            }
        }
    }
}

/// What a client's answer says of one guarded act.
pub(super) fn outcome(at: usize, said: &Result<tmux::Output, tmux::Trouble>) -> Outcome {
    let output = match said {
        Ok(output) => output,
        Err(trouble @ tmux::Trouble::NotStarted(_)) => return Outcome::Failed(trouble.to_string()),
        Err(trouble @ (tmux::Trouble::Timeout | tmux::Trouble::Broken(_))) => return Outcome::Unknown(trouble.to_string()),
    };
    let said = |word: &str| output.stdout.split(|byte| *byte == b'\n').any(|line| line == format!("{word} {at}").as_bytes());
    if said("done") {
        Outcome::Done
    } else if said("other") {
        Outcome::Refused("the pane is not that of this instance any more".to_owned())
    } else {
        Outcome::Failed(format!("tmux: {}", output.complaint))
    }
}

/// A format that is true for just this pane of just this server: by the process in it, by the mark in its command, or by both.
pub(super) fn identity(pane: &str, server: u32, process: Option<u32>, mark: Option<&Mark>) -> String {
    let mut all = both(&is("pane_id", pane), &is("pid", &server.to_string()));
    if let Some(process) = process {
        all = both(&all, &is("pane_pid", &process.to_string()));
    }
    if let Some(mark) = mark {
        all = both(&all, &format!("#{{m:* {mark} *,#{{pane_start_command}}}}"));
    }
    all
}

/// A format that is true where both are.
pub(super) fn both(one: &str, other: &str) -> String {
    format!("#{{&&:{one},{other}}}")
}

pub(super) fn is(variable: &str, value: &str) -> String {
    format!("#{{==:#{{{variable}}},{value}}}")
}

/// Commands that are only run in the pane that is meant, and a word about whether they were.
pub(super) fn guard(at: usize, pane: &str, identity: &str, needs: Needs, mut lines: Vec<Line>) -> Line {
    let condition = match needs {
        Needs::Nothing => identity.to_owned(),
        Needs::Life => both(identity, &is("pane_dead", "0")),
        Needs::Death => both(identity, &is("pane_dead", "1")),
    };
    let say = |word: &str| Line::new("display-message").flag("-p").word(&format!("{word} {at}"));
    lines.push(say("done"));
    Line::new("if-shell").flag("-F -t").word(pane).word(&condition).block(&lines).block(&[say("other")])
}

fn key_lines(only: &Instance, keys: &[String]) -> Vec<Line> {
    let Seat::Pane { pane, .. } = &only.seat else { return Vec::new() };
    let send = keys.iter().fold(Line::new("send-keys").flag("-t").word(pane).flag("--"), |line, key| line.word(key));
    leave_modes(pane).into_iter().chain([send]).collect()
}

/// A pane that somebody scrolls in would eat what is typed; modes can lie upon each other.
pub(super) fn leave_modes(pane: &str) -> Vec<Line> {
    let leave = Line::new("if-shell").flag("-F -t").word(pane).word("#{pane_in_mode}");
    let leave = leave.block(&[Line::new("send-keys").flag("-t").word(pane).flag("-X cancel")]);
    vec![leave.clone(), leave]
}

/// Who listens at a socket, if anybody does that we can talk to.
fn open(socket: &Path) -> Option<ServerAt> {
    match knock(socket) {
        Door::Open(server) => Some(server),
        Door::Nobody | Door::Unreadable(_) => None,
    }
}

fn to_server(live: &mut Live, server: &Server, what: impl Fn(&ServerAt, &Server, &FleetName) -> Result<(), String>) -> Outcome {
    let path = match socket_path(&server.socket, live.tmpdir.as_deref()) {
        Ok(path) => path,
        Err(why) => return Outcome::Failed(why),
    };
    match knock(&path) {
        Door::Nobody => Outcome::Done,
        Door::Unreadable(why) => Outcome::Failed(why),
        Door::Open(running) => match what(&running, server, &live.fleet) {
            Ok(()) => Outcome::Done,
            Err(why) => Outcome::Failed(why),
        },
    }
}

fn number(signal: Signal) -> process::Signal {
    match signal {
        Signal::Term => process::Signal::TERM,
        Signal::Int => process::Signal::INT,
        Signal::Hup => process::Signal::HUP,
        Signal::Quit => process::Signal::QUIT,
        Signal::Usr1 => process::Signal::USR1,
        Signal::Usr2 => process::Signal::USR2,
        Signal::Kill => process::Signal::KILL,
    }
}

/// Sends a signal to the program or to those of its descendants that are meant, each checked for itself.
fn send(live: &Live, only: &Instance, signal: Signal, to: SignalTo) -> Outcome {
    let named = || super::story::of(&live.paths, only.mark.as_ref()?).ok().flatten()?.program;
    let Some(program) = only.program.clone().or_else(named) else {
        return Outcome::Refused(format!("the program of {} is not known yet", only.agent));
    };
    let first = match ask(&program, signal) {
        // The others only while the program lives: what outlives it is its keeper's.
        Ok(process::Outcome::Sent) => Outcome::Done,
        Ok(process::Outcome::Gone) => return Outcome::Refused(format!("the program of {} has ended", only.agent)),
        Ok(process::Outcome::Refused) => return Outcome::Refused(format!("{program} is not of our user")),
        Err(error) => return Outcome::Failed(format!("{program} could not be signalled: {error}")),
    };
    let group = process::stat(program.pid).ok().flatten().map(|seen| seen.pgrp);
    let others = match to {
        SignalTo::Main => Vec::new(),
        SignalTo::Tree | SignalTo::Group => below(&program, only.mark.as_ref()),
    };
    for process in others.iter().rev().filter(|process| is_of(process, only.mark.as_ref())) {
        let in_group = || process::stat(process.pid).ok().flatten().map(|seen| seen.pgrp) == group;
        if to == SignalTo::Tree || in_group() {
            // One that has just ended needs no signal.
            let _ = ask(process, signal);
        }
    }
    first
}

/// Sends a signal; one that asks for the end also sets the process going, which would not hear it where it was stopped.
fn ask(process: &ProcId, signal: Signal) -> std::io::Result<process::Outcome> {
    let sent = process::signal(process, number(signal))?;
    match signal {
        Signal::Term | Signal::Int | Signal::Hup if sent == process::Outcome::Sent => {
            let _ = process::signal(process, process::Signal::CONT);
        }
        Signal::Term | Signal::Int | Signal::Hup | Signal::Quit | Signal::Usr1 | Signal::Usr2 | Signal::Kill => {}
    }
    Ok(sent)
}

/// Whether a descendant is part of the instance: another instance that it started, and a tmux server, are not.
pub(super) fn is_of(process: &ProcId, mark: Option<&Mark>) -> bool {
    let is_server = process::stat(process.pid).ok().flatten().is_none_or(|seen| seen.comm.starts_with("tmux: server"));
    let other = |value: std::ffi::OsString| value.to_str()?.parse::<Mark>().ok().map(|other| Some(&other) != mark);
    match process::variable(process.pid, process::MARK_VARIABLE) {
        Ok(value) => !is_server && !value.and_then(other).unwrap_or(false),
        Err(_) => false,
    }
}

/// What descends from a program and is its own: nothing of a server for all sessions that it happened to start.
pub(super) fn below(program: &ProcId, mark: Option<&Mark>) -> Vec<ProcId> {
    process::own_descendants(program.pid, &mark.map(Mark::to_string).unwrap_or_default()).unwrap_or_default()
}

/// Tells the keeper to end the whole tree, or ends it from here where there is no keeper.
fn kill(only: &Instance) -> Outcome {
    if let Some(keeper) = only.keeper.as_ref().filter(|keeper| keeper.liveness() != Liveness::Gone) {
        if !is_keeper_of(keeper, only.mark.as_ref()) {
            return Outcome::Refused(format!("{keeper} is not the keeper of {}", only.agent));
        }
        return match process::signal(keeper, process::Signal::TERM) {
            Ok(process::Outcome::Sent) => {
                // One that somebody stopped would never read it.
                let _ = process::signal(keeper, process::Signal::CONT);
                Outcome::Done
            }
            Ok(process::Outcome::Gone) => Outcome::Refused(format!("{} has ended", only.agent)),
            Ok(process::Outcome::Refused) => Outcome::Refused(format!("{keeper} is not of our user")),
            Err(error) => Outcome::Failed(format!("{keeper} could not be signalled: {error}")),
        };
    }
    let mut roots: Vec<ProcId> = only.program.iter().cloned().collect();
    if let Seat::Adrift { processes } = &only.seat {
        roots.extend(processes.iter().cloned());
    }
    roots.retain(|root| root.liveness() != Liveness::Gone);
    if roots.is_empty() {
        return Outcome::Refused(format!("{} has ended", only.agent));
    }
    let mark = only.mark.as_ref().map(Mark::to_string).unwrap_or_default();
    match process::end_tree(&roots, &mark, END) {
        Ok(ended) if ended.survivors.is_empty() => Outcome::Done,
        Ok(ended) => {
            let named: Vec<String> = ended.survivors.iter().map(|left| format!("{} ({})", left.process.pid, left.command)).collect();
            Outcome::Failed(format!("still there after a kill: {}", named.join(", ")))
        }
        Err(error) => Outcome::Failed(format!("the processes of {} could not be ended: {error}", only.agent)),
    }
}

/// Whether a process was started as the keeper of this mark.
fn is_keeper_of(process: &ProcId, mark: Option<&Mark>) -> bool {
    let words = process::cmdline(process.pid).unwrap_or_default();
    let label = mark.map(Mark::to_string);
    matches!(words.as_slice(), [_, verb, text, _] if verb == process::KEEP && label.is_some_and(|label| *text == *label))
}
