//! What happens to the fleet: one thing at a step, chosen by chance.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use reconcile::process::{ProcId, Signal, signal};
use serde_json::json;

use super::books::{Order, Text, Way, now};
use super::commands::{From, clean};
use super::fleet::{self, AGENTS, Declared};
use super::machine;
use super::soak::{Background, LIMIT, Soak};

type Trouble = fn(&mut Soak) -> Result<()>;

/// Each with how often it happens beside the others.
const TROUBLES: [(u32, Trouble); 20] = [
    (6, kill_program),
    (4, kill_keeper),
    (2, kill_both),
    (2, kill_pane),
    (1, kill_server),
    (6, restart),
    (6, send),
    (4, apply),
    (4, stop),
    (3, start),
    (3, request),
    (4, put_note),
    (4, write_source),
    (3, edit),
    (3, watcher),
    (5, from_elsewhere),
    (4, pipe),
    (3, disk),
    (2, freeze),
    (2, pause),
];

pub(crate) fn step(soak: &mut Soak) -> Result<()> {
    soak.step += 1;
    let all: u32 = TROUBLES.iter().map(|(weight, _)| weight).sum();
    let mut chosen = soak.rng.u32(0..all);
    for (weight, trouble) in TROUBLES {
        if chosen < weight {
            return trouble(soak);
        }
        chosen -= weight;
    }
    Ok(())
}

fn any(soak: &mut Soak) -> Declared {
    AGENTS[soak.rng.usize(0..AGENTS.len())]
}

fn kill(soak: &mut Soak, what: &str, agent: &str, generation: u64, pid: u32) -> Result<()> {
    let Some(process) = ProcId::of(pid)? else { return Ok(()) };
    soak.lose(&[(agent.to_owned(), generation)]);
    soak.note(&format!("kill -9 of the {what} of {agent} in generation {generation}, process {pid}"))?;
    signal(&process, Signal::KILL)?;
    soak.count(&format!("kills of a {what}"));
    Ok(())
}

fn kill_program(soak: &mut Soak) -> Result<()> {
    let alive = soak.alive()?;
    let Some(line) = soak.rng.choice(alive) else { return Ok(()) };
    kill(soak, "program", &line.agent, line.generation, line.pid)
}

fn kill_keeper(soak: &mut Soak) -> Result<()> {
    let Some((agent, generation, keeper)) = soak.rng.choice(machine::keepers(&soak.fleet)) else { return Ok(()) };
    kill(soak, "keeper", &agent, generation, keeper.pid)
}

fn kill_both(soak: &mut Soak) -> Result<()> {
    let alive = soak.alive()?;
    let Some((agent, generation, keeper)) = soak.rng.choice(machine::keepers(&soak.fleet)) else { return Ok(()) };
    if let Some(line) = alive.iter().find(|line| line.agent == agent && line.generation == generation) {
        kill(soak, "program", &agent, generation, line.pid)?;
    }
    kill(soak, "keeper", &agent, generation, keeper.pid)
}

fn tmux(soak: &Soak, words: &[&str]) -> Result<String> {
    let mut command = clean("tmux");
    command.args(["-f", "/dev/null", "-L", &soak.fleet]).args(words).env("TMUX_TMPDIR", &soak.tried.place);
    Ok(String::from_utf8_lossy(&command.output()?.stdout).into_owned())
}

fn kill_pane(soak: &mut Soak) -> Result<()> {
    let listing = tmux(soak, &["list-panes", "-a", "-F", "#{pane_id} #{pane_pid}"])?;
    let keepers = machine::keepers(&soak.fleet);
    let panes: Vec<(&str, &str)> = listing.lines().filter_map(|line| line.split_once(' ')).collect();
    let Some((pane, pid)) = soak.rng.choice(panes) else { return Ok(()) };
    let Some((agent, generation, _)) = keepers.iter().find(|(_, _, keeper)| keeper.pid.to_string() == pid) else { return Ok(()) };
    soak.lose(&[(agent.clone(), *generation)]);
    soak.note(&format!("kill-pane {pane} of {agent} in generation {generation}"))?;
    tmux(soak, &["kill-pane", "-t", pane])?;
    soak.count("kills of a pane");
    Ok(())
}

fn kill_server(soak: &mut Soak) -> Result<()> {
    let Ok(pid) = tmux(soak, &["display-message", "-p", "#{pid}"])?.trim().parse::<u32>() else { return Ok(()) };
    let gone: Vec<(String, u64)> = machine::keepers(&soak.fleet)
        .into_iter()
        .filter(|(agent, _, _)| AGENTS.iter().any(|declared| declared.name == agent && !declared.is_daemon))
        .map(|(agent, generation, _)| (agent, generation))
        .collect();
    soak.lose(&gone);
    let hard = soak.rng.bool();
    soak.note(&format!("the tmux server, process {pid}, is {}", if hard { "killed" } else { "told to end" }))?;
    match ProcId::of(pid)? {
        Some(server) if hard => drop(signal(&server, Signal::KILL)?),
        Some(_) | None => drop(tmux(soak, &["kill-server"])?),
    }
    soak.count("kills of the tmux server");
    Ok(())
}

/// Starts a command, which is killed after a while one time in three.
fn begin(soak: &mut Soak, from: From, words: &[&str], order: Option<usize>, text: Option<usize>) -> Result<()> {
    let kill_at = (soak.rng.u32(0..3) == 0).then(|| Instant::now() + Duration::from_millis(soak.rng.u64(0..900)));
    soak.note(&format!("{from:?}: {}", words.join(" ")))?;
    let name = format!("{:05}-{}", soak.step, words[0]);
    let running = soak.tried.begin(from, words, &name, LIMIT)?;
    soak.background.push(Background { running, order, text, kill_at, refused: false });
    Ok(())
}

fn order(soak: &mut Soak, agent: &str, verb: &'static str) -> usize {
    soak.orders.push(Order { agent: agent.to_owned(), verb, from: now(), until: None });
    soak.orders.len() - 1
}

fn restart(soak: &mut Soak) -> Result<()> {
    let agent = any(soak);
    let order = order(soak, agent.name, "restart");
    begin(soak, From::Here, &["restart", agent.name, "--timeout", "15s"], Some(order), None)
}

fn stop(soak: &mut Soak) -> Result<()> {
    let agent = any(soak);
    let verb = if soak.rng.u32(0..3) == 0 { "kill" } else { "stop" };
    let order = order(soak, agent.name, verb);
    soak.stopped.insert(agent.name);
    begin(soak, From::Here, &[verb, agent.name, "--timeout", "15s"], Some(order), None)
}

fn start(soak: &mut Soak) -> Result<()> {
    let agent = any(soak);
    begin(soak, From::Here, &["start", agent.name, "--timeout", "15s"], None, None)
}

/// An agent is left alone for a while, or no longer.
fn pause(soak: &mut Soak) -> Result<()> {
    let agent = any(soak);
    let verb = if soak.paused.insert(agent.name) { "pause" } else { "resume" };
    begin(soak, From::Here, &[verb, agent.name], None, None)
}

/// A program is stopped where it is, until the calm.
fn freeze(soak: &mut Soak) -> Result<()> {
    let alive = soak.alive()?;
    let Some(line) = soak.rng.choice(alive) else { return Ok(()) };
    let Some(process) = ProcId::of(line.pid)? else { return Ok(()) };
    soak.note(&format!("the program of {} in generation {}, process {}, is stopped", line.agent, line.generation, line.pid))?;
    signal(&process, Signal::STOP)?;
    soak.frozen.push(process);
    soak.count("stopped programs");
    Ok(())
}

fn apply(soak: &mut Soak) -> Result<()> {
    begin(soak, From::Here, &["apply", "--auto-approve", "--timeout", "15s"], None, None)
}

fn text(soak: &mut Soak, agent: &str, way: Way) -> (usize, String) {
    let token = format!("word-{}-{}", soak.step, soak.texts.len());
    soak.texts.push(Text { token: token.clone(), agent: agent.to_owned(), way, from: now(), until: None, code: None });
    (soak.texts.len() - 1, token)
}

fn send(soak: &mut Soak) -> Result<()> {
    let agent = any(soak);
    if agent.is_daemon {
        return put_note(soak);
    }
    let (at, token) = text(soak, agent.name, Way::Send);
    begin(soak, From::Here, &["send", agent.name, &token, "--timeout", "10s"], None, Some(at))
}

fn put_note(soak: &mut Soak) -> Result<()> {
    let agent = any(soak);
    let (at, token) = text(soak, agent.name, Way::Put);
    begin(soak, From::Here, &["handoff", "put", agent.name, &token], None, Some(at))
}

fn write_source(soak: &mut Soak) -> Result<()> {
    let agent = any(soak);
    let source = soak.tried.place.join("notes").join(format!("{}.md", agent.name));
    // One that lies there still is not overwritten: that would lose it.
    if !agent.has_source() || source.exists() {
        return Ok(());
    }
    let (_, token) = text(soak, agent.name, Way::Source);
    let new = source.with_extension("new");
    std::fs::write(&new, &token)?;
    soak.note(&format!("a note for {}: {token}", agent.name))?;
    std::fs::rename(new, source)?;
    soak.count("sources of notes");
    Ok(())
}

fn request(soak: &mut Soak) -> Result<()> {
    let agent = any(soak);
    let folder = soak.tried.place.join("small/state").join(&soak.fleet).join("requests");
    let content = if soak.rng.bool() || agent.is_daemon {
        let at = order(soak, agent.name, "request");
        soak.orders[at].until = Some(u64::MAX);
        json!({ "version": 1, "do": "restart", "agent": agent.name })
    } else {
        let (_, token) = text(soak, agent.name, Way::Request);
        json!({ "version": 1, "do": "send", "agent": agent.name, "text": token })
    };
    let name = format!("step-{}", soak.step);
    let (new, path) = (folder.join(format!(".{name}")), folder.join(format!("{name}.json")));
    soak.note(&format!("a request: {content}"))?;
    if std::fs::write(&new, content.to_string()).and_then(|()| std::fs::rename(new, path)).is_ok() {
        soak.count("requests");
    }
    Ok(())
}

fn edit(soak: &mut Soak) -> Result<()> {
    if soak.rng.u32(0..3) == 0 {
        soak.edits.care += 1;
        soak.note("an edit of the care of all")?;
    } else {
        let agent = any(soak);
        *soak.edits.editions.entry(agent.name).or_default() += 1;
        let at = order(soak, agent.name, "edit");
        soak.orders[at].until = Some(u64::MAX);
        soak.note(&format!("an edit of {}", agent.name))?;
    }
    soak.count("edits");
    fleet::write_manifest(&soak.tried.place, &soak.fleet, &soak.edits)
}

pub(crate) fn begin_watcher(soak: &mut Soak) -> Result<()> {
    soak.note("a watcher begins")?;
    let name = format!("{:05}-watch", soak.step);
    soak.watcher = Some(soak.tried.begin(From::Here, &["watch"], &name, Duration::from_secs(100 * 3600))?);
    soak.watched.push((now(), None));
    Ok(())
}

/// The watcher is killed, or another one begins.
fn watcher(soak: &mut Soak) -> Result<()> {
    if soak.watcher.is_some() { end_watcher(soak) } else { begin_watcher(soak) }
}

pub(crate) fn end_watcher(soak: &mut Soak) -> Result<()> {
    let Some(mut watcher) = soak.watcher.take() else { return Ok(()) };
    soak.note("kill -9 of the watcher")?;
    if let Some((_, until)) = soak.watched.last_mut() {
        *until = Some(now());
    }
    watcher.child.kill()?;
    watcher.child.wait()?;
    soak.count("kills of the watcher");
    Ok(())
}

/// Somebody looks from elsewhere, or acts for another state folder: refused as long as something of the fleet lives.
fn from_elsewhere(soak: &mut Soak) -> Result<()> {
    let looks = [&["plan"][..], &["status"]];
    let look = looks[soak.rng.usize(0..looks.len())];
    match soak.rng.u32(0..4) {
        0 if soak.namespaces => {
            soak.count("looks from another namespace");
            begin(soak, From::Namespace, look, None, None)
        }
        1 if soak.namespaces => {
            soak.count("looks without /proc");
            begin(soak, From::NoProc, look, None, None)
        }
        // Where nothing of the fleet lives, nothing tells whose it is.
        _ if machine::keepers(&soak.fleet).len() < 3 => Ok(()),
        _ => {
            let agent = any(soak).name;
            let acts: [&[&str]; 6] = [
                &["apply", "--auto-approve", "--timeout", "5s"],
                &["watch", "--once"],
                &["restart", agent, "--timeout", "5s"],
                &["kill", agent, "--timeout", "5s"],
                &["stop", agent, "--timeout", "5s"],
                &["down", "--auto-approve", "--timeout", "5s"],
            ];
            let act = acts[soak.rng.usize(0..acts.len())];
            soak.count("acts for the second state folder");
            begin(soak, From::Second, act, None, None)?;
            if let Some(background) = soak.background.last_mut() {
                background.refused = true;
            }
            Ok(())
        }
    }
}

/// Puts a pipe in the place of a file that an agent needs at its start.
fn pipe(soak: &mut Soak) -> Result<()> {
    let agent = any(soak);
    let files = agent.files(&soak.tried.place);
    let file = files[soak.rng.usize(0..files.len())].clone();
    if soak.pipes.contains_key(&file) {
        return take_pipe_away(soak, &file);
    }
    let new = file.with_extension("pipe");
    clean("mkfifo").args(["-m", "600"]).arg(&new).status()?;
    std::fs::copy(&file, file.with_extension("aside"))?;
    std::fs::rename(new, &file)?;
    soak.note(&format!("a pipe is in the place of {}", file.display()))?;
    soak.count("pipes");
    soak.pipes.insert(file, (agent.name, now()));
    Ok(())
}

fn take_pipe_away(soak: &mut Soak, file: &Path) -> Result<()> {
    if let Some((agent, since)) = soak.pipes.remove(file) {
        soak.were_pipes.push((agent, since, now()));
        std::fs::rename(file.with_extension("aside"), file)?;
        soak.note(&format!("{} is a file again", file.display()))?;
    }
    Ok(())
}

/// The disk of the state folder fills up, or has room again.
fn disk(soak: &mut Soak) -> Result<()> {
    if !soak.small_disk {
        return Ok(());
    }
    if let Some((_, until @ None)) = soak.full.last_mut() {
        *until = Some(now());
        std::fs::remove_file(soak.tried.place.join("small/ballast"))?;
        return soak.note("the disk has room again");
    }
    soak.full.push((now(), None));
    let mut ballast = File::create(soak.tried.place.join("small/ballast"))?;
    let left = soak.rng.u64(0..3) * 4096;
    while ballast.write_all(&[0; 4096]).is_ok() {}
    let size = ballast.metadata()?.len();
    ballast.set_len(size.saturating_sub(left))?;
    soak.note(&format!("the disk is full but for {left} bytes"))?;
    soak.count("full disks");
    Ok(())
}

/// Ends all troubles that last.
pub(crate) fn undo_all(soak: &mut Soak) -> Result<()> {
    let files: Vec<_> = soak.pipes.keys().cloned().collect();
    for file in files {
        take_pipe_away(soak, &file)?;
    }
    if soak.full.last().is_some_and(|(_, until)| until.is_none()) {
        disk(soak)?;
    }
    for process in std::mem::take(&mut soak.frozen) {
        signal(&process, Signal::CONT)?;
    }
    Ok(())
}
