//! Fills the document of a status.

use std::collections::BTreeSet;

use super::super::super::StatusView;
use super::super::super::words::release;
use super::super::FORMAT_VERSION;
use super::super::condition::ConditionEntry;
use super::super::plan::WaitEntry;
use super::super::words::Runtime;
use super::doing::doing;
use super::exit::exit;
use super::{AgentStatus, Blocker, HaltEntry, Hold, LeftEntry, PauseEntry, State, StatusDocument, StrangerEntry};
use crate::desired::{AgentName, AgentSpec, Place, Wish};
use crate::observed::{Activity, Consent, Health, LogPipe, Phase, Seat, Sighting, Vitals};
use crate::plan::{self, Change, GuardName, Next, Wait};
use crate::time::Timestamp;

/// A status for programs.
pub fn status_document(view: &StatusView<'_>) -> StatusDocument {
    let StatusView { manifest: _, desired, observed, plan, usage: _, held_since: _, watcher, lost_watcher } = *view;
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
        warnings: observed.warnings.clone(),
        conditions: observed.conditions.iter().map(ConditionEntry::of).collect(),
        agents: names.into_iter().map(|name| agent(view, name)).collect(),
        strangers: strangers.collect(),
        halted: observed.halted.as_ref().map(HaltEntry::of),
        watcher: watcher.cloned(),
        lost_watcher: lost_watcher.cloned(),
        claimed_by: plan.guards.iter().find(|guard| guard.name == GuardName::Moved).map(|guard| guard.limit.clone()),
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
                Some(Hold { reason: held.reason(), release: view.manifest.complete(&release(held, name)).into_owned(), since, overdue })
            }
            Some(Next::Act(_) | Next::Wait(_) | Next::Blocked(_)) | None => None,
        },
        blocked: match next {
            Some(Next::Blocked(blocked)) => {
                Some(Blocker { reason: blocked.reason, message: view.manifest.complete(&blocked.message).into_owned() })
            }
            Some(Next::Act(_) | Next::Wait(_) | Next::Held(_)) | None => None,
        },
        wanted: if wishes_stop { Wish::Stopped } else { Wish::Running },
        cpu_s: usage.map(|usage| usage.cpu_s),
        rss_bytes: usage.map(|usage| usage.rss_bytes),
        stale: usage.and_then(|usage| usage.stale),
        stopped: usage.is_some_and(|usage| usage.stopped),
        handoffs_waiting: u32::try_from(sighting.notes.len() + sighting.untyped).unwrap_or(u32::MAX),
        ready_assumed: ready_assumed(sighting).map(str::to_owned),
        labels: spec.map(|spec| spec.care.labels.clone()).unwrap_or_default(),
        note: note(sighting, view.observed.at),
        usage_limit: if let Activity::Limit { until } = sighting.screen.activity { until } else { None },
    }
}

/// A remark about an agent that stays as it is.
fn note(sighting: &Sighting, now: Timestamp) -> Option<String> {
    let Vitals { pulse, silent_since: _, memory: _, unchanged_since, consent } = &sighting.vitals;
    match (&sighting.phase, consent) {
        (Phase::Exited(_), Some(Consent::No(why))) => Some(format!("restart.only_if said no: {why}")),
        (Phase::Running { .. }, _) if !pulse.unheard.is_empty() => Some(format!("its live probe gives no answer: {}", pulse.unheard)),
        (Phase::Running { .. }, _) if pulse.noes > 0 => Some(format!("its live probe said no: {}", pulse.said)),
        (Phase::Running { .. }, _) if ready_assumed(sighting).is_some() => {
            ready_assumed(sighting).map(|late| format!("counts as ready {late} (on_timeout = \"proceed\")"))
        }
        (Phase::Running { .. }, _) if log_trouble(sighting).is_some() => log_trouble(sighting),
        (Phase::Running { .. }, _) => unchanged_since.map(|since| format!("unchanged for {}", now.since(since).rough())),
        (Phase::Exited(_) | Phase::Absent | Phase::Leaving(_) | Phase::Unknown { .. }, _) => None,
    }
}

/// Why nothing is written into its log.
fn log_trouble(sighting: &Sighting) -> Option<String> {
    sighting.log_pipe.as_ref().and_then(LogPipe::trouble)
}

/// What was waited for in vain of one that counts as ready all the same.
fn ready_assumed(sighting: &Sighting) -> Option<&str> {
    match &sighting.phase {
        Phase::Running { health: Health::Ready(_), .. } => sighting.vitals.pulse.late.as_deref(),
        Phase::Running { .. } | Phase::Absent | Phase::Leaving(_) | Phase::Exited(_) | Phase::Unknown { .. } => None,
    }
}

pub(in super::super) fn state(phase: &Phase) -> (State, Option<Timestamp>) {
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
