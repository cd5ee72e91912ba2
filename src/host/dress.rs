//! The part of the care that the machine knows, put on a running instance; and its new name. No process notices.

use super::act::{Guarded, Needs};
use super::launch::{self, with_file};
use super::live::Live;
use super::logs;
use super::tmux::{Line, as_format_text};
use super::{Outcome, adopted};
use crate::desired::{AgentName, AgentSpec, Care, Place};
use crate::observed::{Instance, Seat};
use crate::process;

/// The option of a session in which the names of those lie that were declared for it.
const DECLARED: &str = "@reconcile_options";

/// Applies title, layout, session options and log.
pub(super) fn dress(live: &Live, at: usize, only: &Instance, spec: &AgentSpec, guarded: &mut Guarded) -> Option<Outcome> {
    if let Err(why) = renew_duties(live, only, &spec.care, &only.agent) {
        return Some(Outcome::Failed(why));
    }
    match &only.seat {
        Seat::Pane { pane, session, .. } => {
            // The mark first: what tmux does not take of the care must not leave the pane without it.
            let mut lines: Vec<Line> = adopted::give(live, only, &only.agent, &spec.launch, pane).into_iter().collect();
            lines.extend(title(&spec.care, pane));
            lines.extend(spec.care.layout.iter().map(|layout| Line::new("select-layout").flag("-t").word(pane).word(layout)));
            lines.extend(session_options(&spec.care, &format!("={session}:")));
            match logs::renew(live, only, spec.care.pane_log.as_ref(), pane) {
                Ok(log) => lines.extend(log),
                Err(why) => return Some(Outcome::Failed(why)),
            }
            guarded.add(at, only, Needs::Nothing, lines)
        }
        Seat::Detached { .. } => Some(renew_log(live, only, &spec.care)),
        Seat::Adrift { .. } => Some(Outcome::Done),
    }
}

/// Writes down what is asked of its keeper, which reads it when it matters; the record is that of the agent under this name.
fn renew_duties(live: &Live, only: &Instance, care: &Care, agent: &AgentName) -> Result<(), String> {
    let Some(mark) = &only.mark else { return Ok(()) };
    let path = live.paths.duties(&mark.agent);
    let duties = launch::duties(care, live.paths.record(agent));
    duties.write(&path, mark).map_err(|error| format!("the duties of its keeper {} could not be written: {error}", path.display()))
}

/// The title of a pane. tmux would expand it as a format.
pub(super) fn title(care: &Care, pane: &str) -> Vec<Line> {
    let line = |title: &String| Line::new("select-pane").flag("-t").word(pane).flag("-T").word(&as_format_text(title));
    care.title.iter().map(line).collect()
}

/// The declared options of a session.
pub(super) fn session_options(care: &Care, session: &str) -> Vec<Line> {
    let set = |name: &str, value: &str| Line::new("set-option").flag("-t").word(session).word(name).word(value);
    let mut lines: Vec<Line> = care.session_options.iter().map(|(name, value)| set(name, value)).collect();
    if !lines.is_empty() {
        lines.push(set(DECLARED, &care.session_options.keys().map(String::as_str).collect::<Vec<_>>().join(" ")));
    }
    lines
}

fn renew_log(live: &Live, only: &Instance, care: &Care) -> Outcome {
    let (Some(mark), Some(keeper)) = (&only.mark, &only.keeper) else { return Outcome::Done };
    let path = live.paths.log_settings(&mark.agent);
    let text = match serde_json::to_vec(&with_file(&care.log, &mark.agent, &live.paths)) {
        Ok(text) => text,
        Err(error) => return Outcome::Failed(error.to_string()),
    };
    if let Err(error) = replace(&path, &text) {
        return Outcome::Failed(format!("the log settings {} could not be written: {error}", path.display()));
    }
    match process::signal(keeper, process::Signal::USR1) {
        Ok(process::Outcome::Sent) => Outcome::Done,
        Ok(process::Outcome::Gone | process::Outcome::Refused) => Outcome::Refused(format!("the keeper of {} is gone", only.agent)),
        Err(error) => Outcome::Failed(format!("{keeper} could not be signalled: {error}")),
    }
}

/// Replaces a file as a whole; mode 0600.
pub(super) fn replace(path: &std::path::Path, text: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let folder = path.parent().ok_or_else(|| std::io::Error::other("it is no path of a file"))?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text)?;
    file.persist(path).map_err(|error| error.error).map(drop)
}

/// Gives session, window and pidfile the names they would have now, where they bear the old agent's.
pub(super) fn rename(live: &Live, at: usize, only: &Instance, spec: &AgentSpec, to: &AgentName, guarded: &mut Guarded) -> Option<Outcome> {
    if let Err(why) = renew_duties(live, only, &spec.care, to) {
        return Some(Outcome::Failed(why));
    }
    let born = only.mark.as_ref().map(|mark| mark.agent.as_str());
    let is_old = |name: &str| name != to.as_str() && (name == only.agent.as_str() || Some(name) == born);
    match (&only.seat, &spec.launch.place) {
        (Seat::Pane { session, window, pane, .. }, Place::Tmux { session: new_session, window: new_window, .. }) => {
            let mut lines: Vec<Line> = adopted::give(live, only, to, &spec.launch, pane).into_iter().collect();
            if window != new_window.as_str() && is_old(window) {
                lines.push(Line::new("rename-window").flag("-t").word(pane).word(new_window.as_str()));
            }
            if session != new_session.as_str() && is_old(session) {
                lines.push(Line::new("rename-session").flag("-t").word(&format!("={session}")).word(new_session.as_str()));
            }
            if lines.is_empty() { Some(Outcome::Done) } else { guarded.add(at, only, Needs::Nothing, lines) }
        }
        (Seat::Detached { pidfile }, Place::Daemon { pidfile: declared }) => {
            let new = declared.clone().unwrap_or_else(|| live.paths.pidfile(to));
            let was_default = *pidfile == live.paths.pidfile(&only.agent)
                || only.mark.as_ref().is_some_and(|mark| *pidfile == live.paths.pidfile(&mark.agent));
            if !was_default || new == *pidfile {
                return Some(Outcome::Done);
            }
            // Linked first, so that another's file of that name is not replaced.
            match std::fs::hard_link(pidfile, &new).and_then(|()| std::fs::remove_file(pidfile)) {
                Ok(()) => Some(Outcome::Done),
                Err(error) => Some(Outcome::Failed(format!("pidfile {} could not become {}: {error}", pidfile.display(), new.display()))),
            }
        }
        (Seat::Pane { .. } | Seat::Detached { .. } | Seat::Adrift { .. }, Place::Tmux { .. } | Place::Daemon { .. }) => Some(Outcome::Done),
    }
}
