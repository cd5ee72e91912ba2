//! The planner's tables: a manifest, a look and the plan that is expected, all as text.
//!
//! A look has a line for each agent that is not as declared: a name, a phase, then what is special about it.
//!
//! ```text
//! reviewer  running gen=3 up=2h attached=1 command=["old"]      a field of the manifest, as it was at the spawn
//! reviewer  leaving drain=1 asked=4s purpose=replace            or: leaving kill asked=6s
//! reviewer  exited code=1 up=5s ago=2s streak=2 recent=[30s]    or: signal=9, failed="why", lost; asked=stop by=kill; unready
//! reviewer  running record=lost                                 or: mark=lost, released, remains=1, secret="KEY", starting, failing="why"
//! reviewer  absent cwd_missing                                  or: place_taken, command_missing, too_many_panes, unreadable, record_mismatch
//! reviewer  unknown="timed out"
//! reviewer  running screen=asks:trust key=Down answering=trust:1:0:1s    presses, answers, ago; or: screen=busy, limit:1h; answered=trust
//! reviewer  running screen=asks:trust key=Down row=0 stood=0 doubled     the row that is selected, and was at the last key; one was pressed twice
//! reviewer  running note=waits untyped=1 unread=5s:no                  or: note=begun, note="why it is unusable"
//! reviewer  running noes=3 said="refused" silent=31m memory=5368709120 proven    consent=no (or yes, unknown); fault=hangs (or memory, runtime)
//! reviewer  running paused=5m                                       or: paused
//! reviewer  running message=prompt screen=idle composer=empty             or: typing=prompt:1:2s (Enters, ago), says=moved, shell=bash
//! reviewer  running screen=unwatched terminal=lines:0                 bytes unread, or keys:5; lines (it was so when the text was typed); late=10s
//! !no_tmux                                                          a condition of the whole fleet: see `look::condition`
//! ```
//!
//! The others run, are ready and as declared; those that are in no manifest run `["run"]`. A plan has a line for each change, one for each
//! guard that it breaks, and one for the server. After each scenario the laws that hold for every plan are tried on it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::desired::{AgentSpec, Generation, Mark, Milestone, Place, Wish, canonical_digest};
use crate::manifest::{Memory, load};
use crate::observed::{
    Activity, Answering, Body, Composed, Condition, Consent, DrainOutcome, Ended, Excuse, Exit, Failures, Fault, Health, Input, InputMode,
    Instance, Leaving, LogPipe, Message, Note, Obstacle, Pause, Phase, Press, Pulse, Purpose, Question, Screen, Seat, Sighting, Step,
    Typing, Unread, Vitals,
};
use crate::process::ProcId;

mod adopt;
mod care;
mod circles;
mod dialogs;
mod foresee;
mod ground;
mod guard;
mod laws;
mod leave;
mod live;
mod look;
mod notes;
mod order;
mod rename;
mod start;
mod sweep;
mod talk;
mod turns;
mod unconfirmed;
mod watch;

/// Noon of some day, when all looks are taken.
const NOW: Timestamp = Timestamp::from_millis(1_795_176_000_000);

/// Holds the plan for a look against the expected one.
#[track_caller]
fn check(manifest: &str, look: &str, expected: &str) {
    check_under("", manifest, look, expected);
}

/// The same under terms: `now`, `unbound`, `allow_empty`, `allow_kill=a,b`, `scope=a,b`, `shown=a,b`, `max_stop=30%`, `parallelism=2`, `watch=safe`,
/// `begun=5s` (ago), `claimed_by=/other.toml`.
#[track_caller]
fn check_under(terms: &str, manifest: &str, look: &str, expected: &str) {
    let desired = desired(manifest);
    let observed = look::read(manifest, &desired, look);
    let terms = read_terms(terms);
    let plan = plan(&desired, &observed, &terms);
    let (found, expected) = (show(&plan), tidy(expected));
    assert!(found == expected, "\n--- expected\n{expected}\n--- planned\n{found}\n");
    laws::hold(&desired, &observed, &terms, &plan);
}

/// The acts of all rounds to come, a line per round.
#[track_caller]
fn check_rounds(terms: &str, manifest: &str, look: &str, expected: &str) {
    let desired = desired(manifest);
    let observed = look::read(manifest, &desired, look);
    let terms = read_terms(terms);
    let mut found = String::new();
    for plan in super::foresee(&desired, &observed, &terms) {
        let act = |(name, change): (&AgentName, &Change)| match &change.next {
            Next::Act(action) => Some(format!("{name} {}", show_action(action))),
            Next::Wait(_) | Next::Held(_) | Next::Blocked(_) => None,
        };
        writeln!(found, "{}", plan.changes.iter().filter_map(act).collect::<Vec<_>>().join(", ")).unwrap();
    }
    let expected = tidy(expected);
    assert!(found == expected, "\n--- expected\n{expected}\n--- foreseen\n{found}\n");
    laws::hold(&desired, &observed, &terms, &plan(&desired, &observed, &terms));
}

/// What a manifest asks for; the two lines that every manifest begins with are added.
#[track_caller]
fn desired(manifest: &str) -> Desired {
    let text = format!("version = 1\nfleet = \"atlas\"\n{manifest}");
    let world = Memory::with_manifest(&text).file("/work/notes", "x");
    let loaded = load("constellation.toml", &world, &BTreeMap::new());
    loaded.desired.unwrap_or_else(|| panic!("{:#?}\n{text}", loaded.diagnostics))
}

fn name(text: &str) -> AgentName {
    text.parse().unwrap()
}

fn read_terms(text: &str) -> Terms {
    let names = |list: &str| list.split(',').filter(|name| !name.is_empty()).map(name).collect();
    let mut terms = Terms::default();
    for word in text.split_whitespace() {
        match word.split_once('=').unwrap_or((word, "")) {
            ("now", _) => terms.now = true,
            ("unbound", _) => terms.unbound = true,
            ("claimed_by", path) => terms.claimed_by = Some(path.into()),
            ("allow_empty", _) => terms.allow_empty = true,
            ("only_messages", _) => terms.only_messages = true,
            ("allow_kill", list) => terms.allow_kill = names(list),
            ("kill", list) => terms.kill = names(list),
            ("scope", list) => terms.scope = Some(names(list)),
            ("shown", list) => terms.shown = Some(names(list)),
            ("max_stop", limit) => terms.max_stop = Some(limit.parse().unwrap()),
            ("parallelism", number) => terms.parallelism = Some(number.parse().unwrap()),
            ("watch", level) => terms.watch = [Auto::Heal, Auto::Safe, Auto::All].into_iter().find(|auto| auto.as_str() == level),
            ("begun", ago) => terms.begun = Some(look::ago(ago)),
            (word, _) => panic!("`{word}` is no term"),
        }
    }
    terms
}

/// A plan as text.
fn show(plan: &Plan) -> String {
    let mut text = String::new();
    for (name, change) in &plan.changes {
        writeln!(text, "{name}  {}  {}  {}", change.kind, change.why(), show_next(&change.next)).unwrap();
    }
    for guard in plan.broken_guards() {
        writeln!(text, "guard  {} {}  {}", guard.name, guard.limit, guard.value).unwrap();
    }
    if let Some(change) = &plan.server {
        writeln!(text, "server  {change}").unwrap();
    }
    text
}

fn show_next(next: &Next) -> String {
    let left = |until: &Timestamp| until.since(NOW);
    match next {
        Next::Act(action) => show_action(action),
        Next::Wait(Wait::Backoff { until }) => format!("again in {}", left(until)),
        Next::Wait(Wait::Ready { look_at, until }) => format!("ready? look in {}, until {}", left(look_at), left(until)),
        Next::Wait(Wait::Leave { step: Step::Drain(step), until, .. }) => format!("leaves by drain {}, has {}", step + 1, left(until)),
        Next::Wait(Wait::Leave { step: Step::Kill, until, .. }) => format!("leaves by kill, has {}", left(until)),
        Next::Wait(Wait::Read { look_at, until }) => format!("read? look in {}, until {}", left(look_at), left(until)),
        Next::Wait(Wait::Wave { until }) => format!("wave in {}", left(until)),
        Next::Wait(Wait::Condition { until }) => format!("only_if, look in {}", left(until)),
        Next::Wait(Wait::Dialog { until }) => format!("dialog, look in {}", left(until)),
        Next::Wait(Wait::Screen { until }) => format!("screen, look in {}", left(until)),
        Next::Wait(wait @ (Wait::After { .. } | Wait::Dependants(_) | Wait::Turn)) => wait.to_string(),
        Next::Held(Held::Attached(count)) => format!("held: {count} attached"),
        Next::Held(Held::Protected) => "held: protected".to_owned(),
        Next::Held(Held::NotShown) => "held: not shown".to_owned(),
        Next::Held(Held::Dependant(agent)) => format!("held: by {agent}"),
        Next::Held(Held::Busy) => "held: busy".to_owned(),
        Next::Held(Held::Draft) => "held: draft".to_owned(),
        Next::Held(Held::NoNote) => "held: no note".to_owned(),
        Next::Held(Held::Unclear) => "held: unclear".to_owned(),
        Next::Held(Held::Waiting { on, shows }) => format!("held: waiting for {}: {shows}", on.as_str()),
        Next::Held(Held::NotReading) => "held: not reading".to_owned(),
        Next::Held(Held::Suspended(pid)) => format!("held: {pid} is suspended"),
        Next::Held(Held::Shell(name)) => format!("held: at {name}"),
        Next::Held(Held::Limit(Some(until))) => format!("held: limit for {}", left(until)),
        Next::Held(Held::Limit(None)) => "held: limit".to_owned(),
        Next::Held(Held::Paused { until, why: _ }) => {
            format!("held: paused{}", until.as_ref().map(|until| format!(" for {}", left(until))).unwrap_or_default())
        }
        Next::Held(Held::Halted) => "held: halted".to_owned(),
        Next::Held(Held::Auto(auto)) => format!("held: auto {}", auto.as_str()),
        Next::Held(Held::Guard(name)) => format!("held: guard {name}"),
        Next::Blocked(Blocked { reason, message }) => {
            format!("{}: {message}", reason.as_str())
        }
    }
}

fn show_action(action: &Action) -> String {
    match action {
        Action::Spawn { generation, failures } if *failures == Failures::default() => format!("spawn {generation}"),
        Action::Spawn { generation, failures: Failures { streak, recent, restarts } } => {
            format!("spawn {generation} (streak {streak}, recent {}, restarts {restarts})", recent.len())
        }
        Action::Drain { generation, step, ask, purpose: _ } => format!("drain {generation} by {}: {ask}", step + 1),
        Action::Stay { generation } => format!("stay {generation}"),
        Action::Kill { generation, purpose: _ } => format!("kill {generation}"),
        Action::Rename { from } => format!("rename {from}"),
        Action::Adopt { generation } => format!("adopt {generation}"),
        Action::Deliver { generation, note } => format!("deliver {} to {generation}", note.source.display()),
        Action::Answer { generation: _, dialog, press, presses } => {
            format!("answer {dialog} by {}, press {presses}", press.keys.join(" "))
        }
        Action::Type { generation, message } => format!("type {} {generation}", message.id),
        Action::Submit { generation: _, id, enters } => format!("submit {id}, enter {enters}"),
        Action::Receive { generation: _, id, kind: _, receipt } => format!("receive {id} {receipt}"),
        Action::Amend | Action::Forget => action.to_string(),
        Action::Sweep { ask } => ask.map_or("sweep".to_owned(), |signal| format!("sweep by {signal}")),
    }
}

/// Expected text: without the indentation, and two blanks between columns however they are aligned.
fn tidy(text: &str) -> String {
    let line = |line: &str| line.split("  ").map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ");
    text.lines().map(line).filter(|line| !line.is_empty()).map(|line| line + "\n").collect()
}
