//! `status --json`.

use std::collections::BTreeSet;
use std::fmt;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::super::words::release;
use super::super::{StatusView, Watcher};
use super::FORMAT_VERSION;
use super::condition::ConditionEntry;
use super::plan::WaitEntry;
use super::words::Runtime;
use crate::desired::{AgentName, AgentSpec, Place, Wish};
use crate::observed::{Activity, Consent, Halt, Health, Phase, Seat, Sighting, Vitals};
use crate::plan::{self, Change, HoldReason, Next, Reason, Wait, WaitingFor};
use crate::time::Timestamp;
use doing::doing;
use exit::exit;

mod doing;
mod exit;

pub use doing::Doing;
pub use exit::ExitStatus;

/// How a fleet does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatusDocument {
    /// The version of this form.
    pub format_version: String,
    /// The fleet's name.
    pub fleet: String,
    /// When the machine was looked at.
    pub observed_at: Timestamp,
    /// Whether nothing is due.
    pub at_rest: bool,
    /// Whether everything could be looked at.
    pub complete: bool,
    /// What could not be looked at.
    pub gaps: Vec<String>,
    /// What keeps agents from being started that is the fault of none of them.
    #[serde(default)]
    pub conditions: Vec<ConditionEntry>,
    /// Every agent that is declared or remembered.
    pub agents: Vec<AgentStatus>,
    /// What is there and is not ours. It is never touched.
    pub strangers: Vec<StrangerEntry>,
    /// That the whole fleet is to be left alone; null if it is not.
    #[serde(default)]
    pub halted: Option<HaltEntry>,
    /// The watcher; null if there is none.
    pub watcher: Option<Watcher>,
}

/// How one agent does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentStatus {
    /// Its name.
    pub name: String,
    /// Where it stands in its life.
    pub state: State,
    /// How it is run; null if that is not known.
    pub runtime: Option<Runtime>,
    /// `socket:session pane`, or the pidfile; null if that is not known.
    pub place: Option<String>,
    /// Its own program; null if it does not run.
    pub pid: Option<u32>,
    /// Its keeper; null for an adopted instance, whose end nobody sees.
    pub keeper: Option<u32>,
    /// Its newest life; 0 if there was none.
    pub generation: u64,
    /// Since when it has lived, or when it ended; null if neither.
    pub since: Option<Timestamp>,
    /// Whether it is working; null if that cannot be told.
    pub busy: Option<bool>,
    /// What its program does, by its screen; null if nothing tells.
    #[serde(default)]
    pub activity: Option<Doing>,
    /// What it waits for, with `activity = "waiting"`; else null.
    #[serde(default)]
    pub waiting_for: Option<WaitingFor>,
    /// How many people are attached.
    pub attached: u32,
    /// How often it was started again after a failure.
    pub restarts: u32,
    /// When it is started again; null if no pause is on.
    pub next_try: Option<Timestamp>,
    /// How its last life ended; null while it lives.
    pub exit: Option<ExitStatus>,
    /// What outlived its lives and was left running, with `leftovers = "report"`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<LeftEntry>,
    /// That a person wants it to be left alone; null if nobody does.
    #[serde(default)]
    pub paused: Option<PauseEntry>,
    /// What a change that is due waits for; null if it waits for nothing.
    #[serde(default)]
    pub wait: Option<WaitEntry>,
    /// What holds a change that is due; null if nothing does.
    pub held: Option<Hold>,
    /// What needs a person; null if nothing does.
    pub blocked: Option<Blocker>,
    /// Whether it should run.
    pub wanted: Wish,
    /// Processor time of its program in seconds; null if not known.
    pub cpu_s: Option<f64>,
    /// Resident memory of its program in bytes; null if not known.
    pub rss_bytes: Option<u64>,
    /// Whether its executable file on the disk is another one than it runs, or was written to since it was started; null if that cannot be told. Of a
    /// script, that is the interpreter. It is told and leads to nothing: `replace_on = ["exe"]` does.
    pub stale: Option<bool>,
    /// Whether a signal has stopped its program (state T), which does nothing until it is set going again with CONT. Its `state` stays what it was.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
    /// Notes that wait for it.
    pub handoffs_waiting: u32,
    /// When its usage limit ends; null if it is in none, or that is not known.
    pub usage_limit: Option<Timestamp>,
    /// That it counts as ready because its time was over, with `on_timeout = "proceed"`: what was waited for in vain. Null if it does not.
    #[serde(default)]
    pub ready_assumed: Option<String>,
    /// What is worth a look though nothing is due for it; null if nothing is.
    pub note: Option<String>,
}

/// Where an agent stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Never started, or forgotten.
    Absent,
    /// Running, and not ready.
    Starting,
    /// Running and ready.
    Ready,
    /// Asked to end.
    Leaving,
    /// Ended.
    Exited,
    /// It could not be told.
    Unknown,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Absent => "absent",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Leaving => "leaving",
            Self::Exited => "exited",
            Self::Unknown => "unknown",
        })
    }
}

/// That something is to be left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PauseEntry {
    /// Since when.
    pub since: Timestamp,
    /// Until when; null if until it is resumed.
    pub until: Option<Timestamp>,
    /// Why; null if nobody said.
    pub why: Option<String>,
}

/// That a whole fleet is to be left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HaltEntry {
    /// Since when.
    pub since: Timestamp,
    /// Why; null if nobody said.
    pub why: Option<String>,
    /// Whether its processes are stopped where they are.
    pub frozen: bool,
}

impl HaltEntry {
    pub(super) fn of(halt: &Halt) -> Self {
        let Halt { since, why, frozen } = halt;
        Self { since: *since, why: why.clone(), frozen: *frozen }
    }
}

/// A process that was left running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftEntry {
    /// Its number.
    pub pid: u32,
    /// Its command line, shortened.
    pub command: String,
}

/// What holds a change that is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    /// The reason as one word.
    pub reason: HoldReason,
    /// What releases it.
    pub release: String,
    /// Since when it is held, as a watcher saw it; null if none did.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// Whether that is longer than `hold_max`.
    #[serde(default)]
    pub overdue: bool,
}

/// What needs a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Blocker {
    /// The reason as one word.
    pub reason: Reason,
    /// What is wrong and what to do.
    pub message: String,
}

/// Something that is not ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StrangerEntry {
    /// Where.
    pub place: String,
    /// Its process; null if that is not known.
    pub pid: Option<u32>,
    /// Why it is a stranger.
    pub why: String,
}

/// The schema of a status.
pub fn status_schema() -> Schema {
    super::schema_of::<StatusDocument>()
}

/// A status for programs.
pub fn status_document(view: &StatusView<'_>) -> StatusDocument {
    let StatusView { desired, observed, plan, usage: _, held_since: _, watcher } = *view;
    let names: BTreeSet<&AgentName> = desired.agents.keys().chain(observed.agents.keys()).collect();
    let strangers = observed.strangers.iter().map(|stranger| StrangerEntry {
        place: stranger.place.clone(),
        pid: stranger.pid,
        why: stranger.why.clone(),
    });
    StatusDocument {
        format_version: FORMAT_VERSION.to_owned(),
        fleet: desired.fleet.to_string(),
        observed_at: observed.at,
        at_rest: plan.is_empty(),
        complete: observed.gaps.is_empty(),
        gaps: observed.gaps.clone(),
        conditions: observed.conditions.iter().map(ConditionEntry::of).collect(),
        agents: names.into_iter().map(|name| agent(view, name)).collect(),
        strangers: strangers.collect(),
        halted: observed.halted.as_ref().map(HaltEntry::of),
        watcher: watcher.cloned(),
    }
}

fn agent(view: &StatusView<'_>, name: &AgentName) -> AgentStatus {
    let never_seen = Sighting::default();
    let sighting = view.observed.agents.get(name).unwrap_or(&never_seen);
    let declared = view.desired.agents.get(name).map(|declared| &declared.spec);
    let next = view.plan.changes.get(name).map(|change: &Change| &change.next);
    let instance = sighting.instance.as_ref();
    let usage = view.usage.get(name);
    let (state, since) = state(&sighting.phase);
    let spec = sighting.spec.as_ref().or(declared);
    let care = declared.or(spec).map(|spec| &*spec.care);
    let waiting_for = plan::waiting_for(name, sighting, care, view.observed.at);
    let wishes_stop = sighting.wanted == Wish::Stopped || declared.is_none_or(|spec| spec.care.desired == Wish::Stopped);
    AgentStatus {
        name: name.to_string(),
        state,
        runtime: runtime(sighting, spec),
        place: place(sighting, spec),
        pid: instance.and_then(|instance| instance.program.as_ref()).map(|program| program.pid),
        keeper: instance.and_then(|instance| instance.keeper.as_ref()).map(|keeper| keeper.pid),
        generation: sighting.generation.0,
        since,
        busy: sighting.is_busy(),
        activity: doing(sighting, waiting_for),
        waiting_for,
        attached: sighting.attached,
        restarts: sighting.failures.restarts,
        next_try: match next {
            Some(Next::Wait(Wait::Backoff { until })) => Some(*until),
            Some(Next::Act(_) | Next::Wait(_) | Next::Held(_) | Next::Blocked(_)) | None => None,
        },
        exit: exit(&sighting.phase),
        left: sighting.left.iter().map(|left| LeftEntry { pid: left.process.pid, command: left.command.clone() }).collect(),
        paused: sighting.paused.as_ref().filter(|pause| pause.holds(view.observed.at)).map(|pause| PauseEntry {
            since: pause.since,
            until: pause.until,
            why: pause.why.clone(),
        }),
        wait: match next {
            Some(Next::Wait(wait)) => Some(WaitEntry::of(wait)),
            Some(Next::Act(_) | Next::Held(_) | Next::Blocked(_)) | None => None,
        },
        held: match next {
            Some(Next::Held(held)) => {
                let longest = spec.map(|spec| spec.care.hold_max);
                let since = view.held_since.get(name).copied();
                let overdue = since.zip(longest).is_some_and(|(since, longest)| view.observed.at.since(since) >= longest);
                Some(Hold { reason: held.reason(), release: release(held, name), since, overdue })
            }
            Some(Next::Act(_) | Next::Wait(_) | Next::Blocked(_)) | None => None,
        },
        blocked: match next {
            Some(Next::Blocked(blocked)) => Some(Blocker { reason: blocked.reason, message: blocked.message.clone() }),
            Some(Next::Act(_) | Next::Wait(_) | Next::Held(_)) | None => None,
        },
        wanted: if wishes_stop { Wish::Stopped } else { Wish::Running },
        cpu_s: usage.map(|usage| usage.cpu_s),
        rss_bytes: usage.map(|usage| usage.rss_bytes),
        stale: usage.and_then(|usage| usage.stale),
        stopped: usage.is_some_and(|usage| usage.stopped),
        handoffs_waiting: u32::try_from(sighting.notes.len() + sighting.untyped).unwrap_or(u32::MAX),
        ready_assumed: ready_assumed(sighting).map(str::to_owned),
        note: note(sighting, view.observed.at),
        usage_limit: match sighting.screen.activity {
            Activity::Limit { until } => until,
            Activity::Unwatched
            | Activity::Unclear
            | Activity::Starting
            | Activity::Idle
            | Activity::Draft
            | Activity::Busy
            | Activity::Asks(_)
            | Activity::Permission
            | Activity::Login
            | Activity::Exhausted
            | Activity::Crashed => None,
        },
    }
}

/// What is told of an agent that stays as it is.
fn note(sighting: &Sighting, now: Timestamp) -> Option<String> {
    let Vitals { pulse, silent_since: _, memory: _, unchanged_since, consent } = &sighting.vitals;
    match (&sighting.phase, consent) {
        (Phase::Exited(_), Some(Consent::No(why))) => Some(format!("restart.only_if said no: {why}")),
        (Phase::Running { .. }, _) if !pulse.unheard.is_empty() => Some(format!("its live probe gives no answer: {}", pulse.unheard)),
        (Phase::Running { .. }, _) if pulse.noes > 0 => Some(format!("its live probe said no: {}", pulse.said)),
        (Phase::Running { .. }, _) if ready_assumed(sighting).is_some() => {
            ready_assumed(sighting).map(|late| format!("counts as ready {late} (on_timeout = \"proceed\")"))
        }
        (Phase::Running { .. }, _) => unchanged_since.map(|since| format!("unchanged for {}", now.since(since).rough())),
        (Phase::Exited(_) | Phase::Absent | Phase::Leaving(_) | Phase::Unknown { .. }, _) => None,
    }
}

/// What was waited for in vain of one that counts as ready all the same.
fn ready_assumed(sighting: &Sighting) -> Option<&str> {
    match &sighting.phase {
        Phase::Running { health: Health::Ready(_), .. } => sighting.vitals.pulse.late.as_deref(),
        Phase::Running { .. } | Phase::Absent | Phase::Leaving(_) | Phase::Exited(_) | Phase::Unknown { .. } => None,
    }
}

pub(super) fn state(phase: &Phase) -> (State, Option<Timestamp>) {
    match phase {
        Phase::Absent => (State::Absent, None),
        Phase::Running { since, health: Health::Ready(_) } => (State::Ready, Some(*since)),
        Phase::Running { since, health: Health::Starting | Health::Failing { .. } } => (State::Starting, Some(*since)),
        Phase::Leaving(leaving) => (State::Leaving, Some(leaving.since)),
        Phase::Exited(ended) => (State::Exited, Some(ended.at)),
        Phase::Unknown { .. } => (State::Unknown, None),
    }
}

fn runtime(sighting: &Sighting, spec: Option<&AgentSpec>) -> Option<Runtime> {
    match sighting.instance.as_ref().map(|instance| &instance.seat) {
        Some(Seat::Pane { .. }) => Some(Runtime::Tmux),
        Some(Seat::Detached { .. }) => Some(Runtime::Daemon),
        Some(Seat::Adrift { .. }) | None => spec.map(|spec| Runtime::of(&spec.launch.place)),
    }
}

/// Where it is; else where it should be.
fn place(sighting: &Sighting, spec: Option<&AgentSpec>) -> Option<String> {
    match sighting.instance.as_ref().map(|instance| &instance.seat) {
        Some(Seat::Pane { socket, session, pane, .. }) => {
            let socket = socket.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
            Some(format!("{socket}:{session} {pane}"))
        }
        Some(Seat::Detached { pidfile }) => Some(pidfile.display().to_string()),
        Some(Seat::Adrift { .. }) | None => match spec.map(|spec| &spec.launch.place)? {
            Place::Tmux { socket, session, .. } => Some(format!("{socket}:{session}")),
            Place::Daemon { pidfile } => pidfile.as_ref().map(|pidfile| pidfile.display().to_string()),
        },
    }
}
