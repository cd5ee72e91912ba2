//! A status for people.

use anstyle::Style as Ink;

use super::json::{AgentStatus, State, status_document};
use super::summary::refusal;
use super::table::Row;
use super::text::{BOLD, GREEN, RED, YELLOW, count, folded_line, line, paint, plain};
use super::{StatusView, Style, Watcher, human, running};
use crate::desired::AgentName;
use crate::observed::{Activity, Phase};
use crate::plan::{GuardName, Next};
use crate::time::Timestamp;

const TITLES: [&str; 8] = ["NAME", "STATE", "FOR", "PID", "GEN", "PLACE", "RESTARTS", "WHY"];

/// The columns that a narrow terminal does without: generation, place, restarts, pid. `status --json` has them all.
const SPARE: [usize; 4] = [4, 5, 6, 3];

/// A table of all agents, the strangers, and the counts.
pub fn status_human(view: &StatusView<'_>, style: Style) -> String {
    let document = status_document(view);
    let observed = view.observed;
    let mut out = String::new();
    let agents = count(view.desired.agents.len(), "agent");
    let header = format!("fleet {} · {agents}, {} running · observed {}", view.desired.fleet, running(observed), observed.at.clock());
    folded_line(&header, Ink::new(), style, &mut out);
    human::halted(view.manifest, observed, style, &mut out);
    human::gaps(observed, style, &mut out);
    table(view, &document.agents, style, &mut out);
    if !observed.strangers.is_empty() {
        out.push('\n');
        line(&paint("strangers, never touched", BOLD, style.color), &mut out);
        for stranger in &observed.strangers {
            let pid = stranger.pid.map(|pid| format!("  pid {pid}")).unwrap_or_default();
            folded_line(&format!("  {}{pid}  {}", plain(&stranger.place), plain(&stranger.why)), Ink::new(), style, &mut out);
        }
    }
    out.push('\n');
    folded_line(&view.manifest.complete(&summary(view, &document.agents)), Ink::new(), style, &mut out);
    if let Some(guard) = view.plan.guards.iter().find(|guard| guard.name == GuardName::Moved) {
        folded_line(&refusal(guard), RED, style, &mut out);
    }
    if let Some(watcher) = view.watcher {
        folded_line(&watched(watcher, observed.at), Ink::new(), style, &mut out);
    }
    if let Some(lost) = view.lost_watcher {
        folded_line(&lost.story(observed.at), YELLOW, style, &mut out);
    }
    out
}

fn table(view: &StatusView<'_>, agents: &[AgentStatus], style: Style, out: &mut String) {
    if agents.is_empty() {
        return;
    }
    let rows: Vec<Row<8>> = agents.iter().map(|agent| (ink(agent), cells(view, agent))).collect();
    out.push('\n');
    super::table::write(&TITLES, &SPARE, &rows, style, out);
}

fn ink(agent: &AgentStatus) -> Ink {
    if agent.blocked.is_some() {
        return RED;
    }
    if agent.stopped {
        return YELLOW;
    }
    match agent.state {
        State::Ready if agent.ready_assumed.is_some() => YELLOW,
        State::Ready => GREEN,
        State::Starting | State::Leaving => YELLOW,
        State::Unknown => RED,
        State::Absent | State::Exited => Ink::new(),
    }
}

fn cells(view: &StatusView<'_>, agent: &AgentStatus) -> [String; 8] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        agent.name.clone(),
        if agent.stopped { "stopped".to_owned() } else { agent.state.to_string() },
        or_dash(agent.since.map(|since| view.observed.at.since(since).rough())),
        or_dash(agent.pid.map(|pid| pid.to_string())),
        agent.generation.to_string(),
        or_dash(agent.place.as_deref().map(|place| plain(place).into_owned())),
        agent.restarts.to_string(),
        view.manifest
            .complete(&plain(
                &[stopped(view, agent), why(view, agent), stale(agent), left(agent)]
                    .into_iter()
                    .filter(|part| !part.is_empty())
                    .collect::<Vec<_>>()
                    .join("; "),
            ))
            .into_owned(),
    ]
}

/// That it does nothing, and how it goes on; a fleet that was frozen is thawed as a whole.
fn stopped(view: &StatusView<'_>, agent: &AgentStatus) -> String {
    match agent.pid.filter(|_| agent.stopped) {
        Some(pid) if view.observed.halted.is_none() => format!("stopped by a signal (T); continue it: kill -CONT {pid}"),
        Some(_) => "stopped by a signal (T)".to_owned(),
        None => String::new(),
    }
}

/// That what it runs is not what would be started now.
fn stale(agent: &AgentStatus) -> String {
    if agent.stale == Some(true) { "its program on disk is newer".to_owned() } else { String::new() }
}

/// What its lives have left running.
fn left(agent: &AgentStatus) -> String {
    let named: Vec<String> = agent.left.iter().map(|left| format!("pid {} ({})", left.pid, left.command)).collect();
    if named.is_empty() { String::new() } else { format!("left running: {}", named.join(", ")) }
}

/// What an agent waits for or is stuck on; else what is worth a look; else how it ended.
fn why(view: &StatusView<'_>, agent: &AgentStatus) -> String {
    let Ok(name) = agent.name.parse::<AgentName>() else { return String::new() };
    if let Some(change) = view.plan.changes.get(&name) {
        return match &change.next {
            Next::Act(_) => format!("{}: {}", change.kind, change.why()),
            Next::Wait(wait) => format!("{}: {}; {wait}", change.kind, change.why()),
            Next::Held(held) => {
                let overdue = agent.held.as_ref().filter(|hold| hold.overdue).and_then(|hold| hold.since);
                let overdue = overdue.map(|since| format!(" (overdue, for {})", view.observed.at.since(since).rough())).unwrap_or_default();
                format!("{} held{overdue}: {}", change.kind, held.text(&name))
            }
            // The whole message is shown once, above.
            Next::Blocked(blocked) if blocked.reason.is_shared() => format!("blocked: {}", blocked.reason.in_short()),
            Next::Blocked(blocked) => format!("blocked: {}", blocked.message),
        };
    }
    let Some(sighting) = view.observed.agents.get(&name) else { return String::new() };
    if sighting.released {
        return "left running, and ours no more".to_owned();
    }
    if let Some(pause) = &agent.paused {
        let until = pause.until.map(|until| format!(" until {}", until.clock())).unwrap_or_default();
        let why = pause.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        return format!("paused{until}{why}");
    }
    if let Some(note) = &agent.note {
        return note.clone();
    }
    match &sighting.phase {
        Phase::Exited(ended) if ended.asked.is_some() => "stopped as asked".to_owned(),
        Phase::Exited(ended) => ended.exit.to_string(),
        Phase::Unknown { why } => why.clone(),
        Phase::Running { .. } => at_work(&sighting.screen.activity),
        Phase::Absent | Phase::Leaving(_) => String::new(),
    }
}

/// What one does that needs nothing, as far as its screen tells.
fn at_work(activity: &Activity) -> String {
    match activity {
        Activity::Busy => "at work".to_owned(),
        Activity::Idle => "idle".to_owned(),
        Activity::Draft => "a draft is not submitted".to_owned(),
        Activity::Limit { until: Some(until) } => format!("its usage limit is reached until {}", until.clock()),
        Activity::Limit { until: None } => "its usage limit is reached".to_owned(),
        Activity::Starting => "is still starting".to_owned(),
        Activity::Unclear => "its screen does not say what it is doing".to_owned(),
        Activity::Unwatched | Activity::Asks(_) | Activity::Permission | Activity::Login | Activity::Exhausted | Activity::Crashed => {
            String::new()
        }
    }
}

fn summary(view: &StatusView<'_>, agents: &[AgentStatus]) -> String {
    let states = [State::Ready, State::Starting, State::Leaving, State::Exited, State::Absent, State::Unknown];
    let number = |is: &dyn Fn(&AgentStatus) -> bool| agents.iter().filter(|agent| is(agent)).count();
    let mut counts: Vec<(usize, String)> =
        states.into_iter().map(|state| (number(&|agent| agent.state == state), state.to_string())).collect();
    counts.push((number(&|agent| agent.held.is_some()), "held".to_owned()));
    counts.push((number(&|agent| agent.blocked.is_some()), "blocked".to_owned()));
    let parts: Vec<String> = counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let rest = if view.plan.is_empty() { "At rest." } else { "Not at rest: `reconcile plan` shows more." };
    if parts.is_empty() { rest.to_owned() } else { format!("{}. {rest}", parts.join(", ")) }
}

fn watched(watcher: &Watcher, now: Timestamp) -> String {
    let rounds = watcher.rounds.map(|rounds| format!(", {rounds} rounds")).unwrap_or_default();
    let last = watcher.last_round.map(|last| format!(", the last {} ago", now.since(last).rough())).unwrap_or_default();
    let overdue = if watcher.overdue { "; its next round is overdue" } else { "" };
    let broken = watcher
        .manifest_error
        .as_ref()
        .map(|why| format!("; the manifest is not valid, and what was declared before is in force: {}", plain(why)));
    let failed = watcher.error.as_ref().map(|why| format!("; its last round failed: {}", plain(why)));
    let blind = watcher.blind.as_ref().map(|why| format!("; it notices changes of files only at `resync`: {}", plain(why)));
    let (broken, failed, blind) = (broken.unwrap_or_default(), failed.unwrap_or_default(), blind.unwrap_or_default());
    format!("Watched by pid {} for {}{rounds}{last}{overdue}{broken}{failed}{blind}.", watcher.pid, now.since(watcher.since).rough())
}
