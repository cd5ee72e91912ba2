//! `reconcile handoff`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::ExitStatus;
use super::named::typed_file;
use super::select::{named, select_all};
use super::setup::{Global, Setup};
use super::terminal::Terminal;
use crate::desired::{AgentName, Desired};
use crate::host::Host;
use crate::intent::Intent;
use crate::observe::{Seen, observe};
use crate::observed::MessageKind;
use crate::render::{self, json::pretty};
use crate::safe_open::{self, read_text};
use crate::state::handoff::{NoteId, archive, dead, spool};
use crate::time::Duration;

/// Put, list, show, retry and prune notes for agents
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Lay down a note; the watcher, or the next apply, delivers it when the agent is ready
    Put {
        /// The agent
        agent: String,
        /// The text; without it and --from, what stands on the standard input
        #[arg(conflicts_with = "from")]
        text: Option<String>,
        /// A file with the text
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
    },
    /// List what waits, and what could not be delivered
    List {
        /// Only of these agents: names, globs or label:key=value
        agents: Vec<String>,
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a note, wherever it is
    Show {
        /// Its id
        id: NoteId,
    },
    /// Have a dead letter delivered after all
    Retry {
        /// Its id
        id: NoteId,
    },
    /// Remove the oldest archived notes, and the oldest dead letters
    Prune {
        /// Of these agents: names, globs or label:key=value
        #[arg(required = true)]
        agents: Vec<String>,
        /// So many are kept of each
        #[arg(long, value_name = "N")]
        keep: usize,
    },
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let Some(setup) = global.in_force(None, terminal)? else { return Ok(ExitStatus::Failed) };
    match args.verb {
        Verb::Put { agent, text, from } => put(&setup, &agent, text, from, terminal),
        Verb::List { agents, json } => list(&setup, &agents, json, terminal),
        Verb::Show { id } => show(&setup, id, terminal),
        Verb::Retry { id } => locked(&setup, terminal, |seen| retry(&setup, seen, id, terminal)),
        Verb::Prune { agents, keep } => locked(&setup, terminal, |seen| prune(&setup, seen, &agents, keep, terminal)),
    }
}

fn put(setup: &Setup, agent: &str, text: Option<String>, from: Option<PathBuf>, terminal: &Terminal) -> Result<ExitStatus> {
    let agent = named(agent, &setup.desired)?;
    let mut host = setup.machine()?;
    let text = match (text, from) {
        (Some(text), _) => text,
        (None, Some(path)) => typed_file(&path).with_context(|| format!("the note {} cannot be read", path.display()))?,
        (None, None) => read_text(std::io::stdin()).context("the note cannot be read from the standard input")?,
    };
    let most = setup.desired.agents[&agent].spec.care.handoff.max_size;
    if text.len() as u64 > most {
        bail!("the note has {} bytes, and handoff.max_size of {agent} is {most}", text.len());
    }
    let id = lay_down(setup, &mut host, &agent, &text)?;
    terminal.print(&format!("{id} for {agent}: {} delivers it when {agent} is ready\n", setup.next_to_act()))?;
    Ok(ExitStatus::Done)
}

/// Puts a note aside for an agent.
///
/// # Errors
///
/// If it is empty or cannot be written.
pub(super) fn lay_down(setup: &Setup, host: &mut dyn Host, agent: &AgentName, text: &str) -> Result<NoteId> {
    if text.trim().is_empty() {
        bail!("an empty note says nothing");
    }
    setup.fleet.prepare()?;
    let id: NoteId = host.fresh_id().parse().map_err(anyhow::Error::msg)?;
    spool::put(&setup.fleet.paths().spool(agent), id, text, host.now())?;
    Ok(id)
}

fn list(setup: &Setup, agents: &[String], as_json: bool, terminal: &Terminal) -> Result<ExitStatus> {
    let seen = look(setup)?;
    let all = ["*".to_owned()];
    let agents = select_all(if agents.is_empty() { &all } else { agents }, &setup.desired, &seen.observed)?;
    let (mut text, mut documents) = (String::new(), Vec::new());
    for agent in &agents {
        let Some(sighting) = seen.observed.agents.get(agent) else { continue };
        for note in &sighting.notes {
            let state = note.unusable.as_deref().map_or("waits".to_owned(), |why| format!("unusable: {}", render::plain(why)));
            let source = note.source.display().to_string();
            let id = note.id.as_deref().unwrap_or("-");
            text += &format!("{agent}  {id}  {} bytes  {}  {state}\n", note.bytes, render::plain(&source));
            documents.push(
                json!({ "agent": agent, "id": note.id, "bytes": note.bytes, "source": source, "state": "waiting", "why": note.unusable }),
            );
        }
        for note in seen.records.get(agent).into_iter().flat_map(|record| &record.untyped) {
            text += &format!("{agent}  {}  in its archive, and still to be typed\n", note.id);
            documents.push(json!({ "agent": agent, "id": note.id, "state": "untyped" }));
        }
        let unsettled = seen.records.get(agent).and_then(|record| record.unsettled.as_deref());
        if let Some(typing) = unsettled.filter(|typing| typing.kind == MessageKind::Handoff && !typing.is_gone(&sighting.screen)) {
            text += &format!("{agent}  {}  in its archive, typed and not confirmed\n", typing.id);
            documents.push(json!({ "agent": agent, "id": typing.id, "state": "unconfirmed" }));
        }
        for letter in dead::list(&setup.fleet.paths().dead(agent))? {
            let why = letter.why.as_ref().map_or("nobody wrote down why", |why| &why.why);
            text += &format!("{agent}  {}  {} bytes  dead letter: {}\n", letter.id, letter.bytes, render::plain(why));
            documents.push(json!({ "agent": agent, "id": letter.id, "bytes": letter.bytes, "state": "dead", "why": why }));
        }
    }
    if as_json {
        terminal.print(&pretty(&json!({ "format_version": "1.0", "notes": documents })))?;
    } else {
        terminal.print(if text.is_empty() { "No note waits.\n" } else { &text })?;
    }
    Ok(ExitStatus::Done)
}

fn show(setup: &Setup, id: NoteId, terminal: &Terminal) -> Result<ExitStatus> {
    let seen = look(setup)?;
    for (agent, sighting) in &seen.observed.agents {
        let waiting = sighting.notes.iter().find(|note| note.id.as_deref() == Some(&*id.to_string())).map(|note| note.source.clone());
        let untyped = seen.records.get(agent).into_iter().flat_map(|record| &record.untyped).find(|note| note.id == id);
        let folder = untyped.map_or_else(|| archive_of(setup, &setup.desired, agent), |note| note.archive.clone());
        if let Some(text) = archive::text(&folder, id)? {
            terminal.print(&text)?;
            return Ok(ExitStatus::Done);
        }
        if let Some(path) = waiting {
            let text = safe_open::open(&path).and_then(read_text).with_context(|| format!("the note {} cannot be read", path.display()))?;
            terminal.print_text(&text)?;
            return Ok(ExitStatus::Done);
        }
        if let Some((letter, text)) = dead::show(&setup.fleet.paths().dead(agent), id)? {
            let why = letter.why.map_or_else(|| "nobody wrote down why".to_owned(), |why| why.why);
            terminal.say(&format!("a dead letter for {agent}: {}\n", render::plain(&why)));
            terminal.print_text(&text)?;
            return Ok(ExitStatus::Done);
        }
    }
    bail!("there is no note {id}")
}

fn retry(setup: &Setup, seen: &Seen, id: NoteId, terminal: &Terminal) -> Result<ExitStatus> {
    let paths = setup.fleet.paths();
    for agent in seen.observed.agents.keys() {
        if dead::retry(&paths.dead(agent), id, &paths.spool(agent), seen.observed.at)?.is_some() {
            terminal.print(&format!("{id} for {agent}: {} delivers it when {agent} is ready\n", setup.next_to_act()))?;
            return Ok(ExitStatus::Done);
        }
    }
    bail!("there is no dead letter {id}")
}

fn prune(setup: &Setup, seen: &Seen, agents: &[String], keep: usize, terminal: &Terminal) -> Result<ExitStatus> {
    let (mut archived, mut letters) = (0, 0);
    for agent in &select_all(agents, &setup.desired, &seen.observed)? {
        let pending = seen.records.values().flat_map(|record| &record.untyped).map(|note| note.id).collect();
        archived += archive::prune(&archive_of(setup, &setup.desired, agent), keep, &pending)?;
        letters += dead::prune(&setup.fleet.paths().dead(agent), keep)?;
    }
    terminal.print(&format!("removed: {archived} of the archive, {letters} dead letters\n"))?;
    Ok(ExitStatus::Done)
}

fn archive_of(setup: &Setup, desired: &Desired, agent: &AgentName) -> PathBuf {
    let declared = desired.agents.get(agent).and_then(|declared| declared.spec.care.handoff.archive.clone());
    declared.unwrap_or_else(|| setup.fleet.paths().archive(agent))
}

fn look(setup: &Setup) -> Result<Seen> {
    observe(&setup.desired, &setup.fleet, &mut setup.machine()?, &Intent::only_look())
}

/// Does something that only the holder of the lock may do.
fn locked(setup: &Setup, terminal: &Terminal, act: impl FnOnce(&Seen) -> Result<ExitStatus>) -> Result<ExitStatus> {
    let _lock = match setup.lock("handoff", Duration::from_secs(30), false, terminal)? {
        Ok(lock) => lock,
        Err(status) => return Ok(status),
    };
    act(&look(setup)?)
}
