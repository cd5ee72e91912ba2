//! What came of a run that acts: its error for programs, and its file in `runs/`.

use super::ExitStatus;
use super::error::coded;
use super::logs;
use super::setup::Setup;
use super::terminal::Terminal;
use crate::converge::Ending;
use crate::desired::Desired;
use crate::event::ErrorCode;
use crate::host::now;
use crate::observed::Observed;
use crate::plan::{Next, Plan, Reason, Unfinished, Word, unfinished};
use crate::state::{Fleet, Run, RunEnd};
use crate::time::{Duration, Timestamp};

/// The file of a run in `runs/`. It is begun when the plan is approved, and otherwise when the run is over.
pub(super) struct Account {
    fleet: Fleet,
    command: &'static str,
    timeout: Duration,
    started: Timestamp,
    file: Option<Run>,
}

impl Account {
    /// The account of a run that begins now and has this timeout.
    pub(super) fn new(fleet: Fleet, command: &'static str, timeout: Duration) -> Self {
        Self { fleet, command, timeout, started: now(), file: None }
    }

    /// The file, begun if it was not.
    pub(super) fn file(&mut self) -> anyhow::Result<&mut Run> {
        let file = match self.file.take() {
            Some(file) => file,
            None => self.fleet.begin_run(self.command, self.timeout, self.started)?,
        };
        Ok(self.file.insert(file))
    }

    /// Writes how the run ended. The file is for observers: if it cannot be written, the run itself is not affected.
    pub(super) fn close(mut self, result: &anyhow::Result<ExitStatus>, terminal: &Terminal) {
        let status = result.as_ref().copied().unwrap_or(ExitStatus::Failed);
        let failure = match result {
            Ok(status) => terminal.failure(*status),
            Err(error) => Some(Terminal::failure_of(error)),
        };
        let agents = failure.as_ref().map(|failure| failure.agents.clone()).unwrap_or_default();
        let end = RunEnd { exit_code: status.code(), error: failure.map(|failure| (failure.code, failure.message)), agents };
        let _ = self.file().is_ok() && self.file.is_some_and(|file| file.end(end, now()).is_ok());
    }
}

/// Reports what was done but not recorded since the last such report. Then the run does not end as if all were done.
pub(super) fn say_what_is_lost(fleet: &Fleet, status: ExitStatus, terminal: &Terminal) -> ExitStatus {
    let Some(lost) = fleet.take_lost() else { return status };
    let why = format!("{lost}. {}", lost.way_out());
    terminal.error(&coded(ErrorCode::Machine, why));
    match status {
        ExitStatus::Done => ExitStatus::NotAtRest,
        ExitStatus::Due
        | ExitStatus::Failed
        | ExitStatus::NotAtRest
        | ExitStatus::Refused
        | ExitStatus::Locked
        | ExitStatus::Interrupted => status,
    }
}

/// How many agents the message of an error names.
const NAMED: usize = 3;

/// Takes note of what is left to do, and why, for programs.
pub(super) fn note_rest(ending: &Ending, rest: &str, plan: &Plan, desired: &Desired, observed: &Observed, at: (&Setup, &Terminal)) {
    let (setup, terminal) = at;
    let Some(code) = code(ending, plan) else { return };
    let mut agents = unfinished(plan, desired, observed);
    for agent in agents.iter_mut().filter(|agent| prints_why(agent)) {
        agent.printed = logs::evidence(setup, observed, &agent.agent).1;
    }
    let said = |agent: &Unfinished| {
        let limit = agent.timeout_ms.map(|limit| format!(", {}", Duration::from_millis(limit))).unwrap_or_default();
        format!("{} ({}{limit}): {}", agent.agent, agent.step, agent.message)
    };
    let mut parts: Vec<String> = std::iter::once(rest.to_owned()).chain(agents.iter().take(NAMED).map(said)).collect();
    parts.extend(agents.len().checked_sub(NAMED).filter(|more| *more > 0).map(|more| format!("and {more} more")));
    terminal.note_error(&coded(code, parts.join(" ")));
    terminal.note_unfinished(agents);
}

/// Whether what an agent printed may tell why it is no further.
fn prints_why(agent: &Unfinished) -> bool {
    match agent.reason {
        Some(Word::Blocked(reason)) => matches!(
            reason,
            Reason::NotReady | Reason::Failed | Reason::FailedRepeatedly | Reason::Unhealthy | Reason::Crashed | Reason::ContextFull
        ),
        Some(Word::Waits(_) | Word::Held(_) | Word::Ended(_)) | None => false,
    }
}

/// The code of what is left to do; none if nothing is.
fn code(ending: &Ending, plan: &Plan) -> Option<ErrorCode> {
    let blocked = || {
        plan.changes.values().filter_map(|change| match &change.next {
            Next::Blocked(blocked) => Some(blocked.reason),
            Next::Act(_) | Next::Wait(_) | Next::Held(_) => None,
        })
    };
    match ending {
        Ending::AtRest => None,
        Ending::TimedOut => Some(ErrorCode::TimedOut),
        Ending::Interrupted => Some(ErrorCode::Interrupted),
        Ending::Refused(_) => Some(ErrorCode::Guard),
        Ending::Stuck if blocked().any(|reason| reason == Reason::NotReady) => Some(ErrorCode::NotReady),
        Ending::Stuck if blocked().next().is_some() => Some(ErrorCode::Blocked),
        Ending::Stuck => Some(ErrorCode::Held),
    }
}
