//! The mark of a pane that was adopted: an option of the pane, which outlives the process that was meant. So its id says which one that is.

use super::Outcome;
use super::act::{Guarded, Needs, both, guard, identity};
use super::live::Live;
use super::logs;
use super::tmux::{Line, Pane};
use crate::desired::{AgentName, FleetName, Generation, Launch, LaunchDigest, Mark, canonical_digest};
use crate::observed::{Instance, Seat};
use crate::process::{self, ProcId};

/// The option.
const OPTION: &str = "@reconcile";

/// The mark of this life of an agent, as its pane carries it.
fn mark(fleet: &FleetName, agent: &AgentName, generation: Generation, launch: &Launch, program: &ProcId) -> Mark {
    let LaunchDigest(digest) = canonical_digest(launch);
    Mark { fleet: fleet.clone(), agent: agent.clone(), generation, digest: LaunchDigest(digest), id: id(program).into() }
}

/// The id of a mark that holds for just this process of this boot.
fn id(program: &ProcId) -> String {
    format!("{:08x}{:x}", program.pid, program.start_time)
}

/// The mark of an adopted pane, if it holds for the process that was started in the pane last.
pub(super) fn mark_of(pane: &Pane) -> Option<Mark> {
    pane.adopted.parse::<Mark>().ok().filter(|mark| mark.id.get(..8) == Some(&*format!("{:08x}", pane.pid)))
}

/// The process that a mark holds for, also when that has ended; none if the mark is not of this form.
pub(super) fn process_of(mark: &Mark) -> Option<ProcId> {
    let (pid, start_time) = mark.id.split_at_checked(8)?;
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    Some(ProcId { pid: u32::try_from(number(pid)?).ok()?, start_time: number(start_time)?, boot_id: process::boot_id() })
}

/// Whether a mark holds for this process.
pub(super) fn holds_for(mark: &Mark, program: &ProcId) -> bool {
    *mark.id == id(program)
}

/// The command that gives the pane of an adopted instance its mark; none for another, whose keeper bears it.
pub(super) fn give(live: &Live, only: &Instance, agent: &AgentName, launch: &Launch, pane: &str) -> Option<Line> {
    let program = only.program.as_ref().filter(|_| only.mark.is_none())?;
    let mark = mark(&live.fleet, agent, only.generation, launch, program);
    Some(Line::new("set-option").flag("-p -t").word(pane).word(OPTION).word(&mark.to_string()))
}

/// The command that takes the mark from a pane.
pub(super) fn take(pane: &str) -> Line {
    Line::new("set-option").flag("-p -u -t").word(pane).word(OPTION)
}

/// Lets the pane of an adopted instance go, with the log that it was given, whatever runs in it by now.
pub(super) fn release(live: &Live, at: usize, only: &Instance, guarded: &mut Guarded) -> Option<Outcome> {
    let (Seat::Pane { server, pane, .. }, None) = (&only.seat, &only.mark) else { return Some(Outcome::Done) };
    let mut lines = match logs::renew(live, only, None, pane) {
        Ok(lines) => lines,
        Err(why) => return Some(Outcome::Failed(why)),
    };
    lines.push(take(pane));
    // By the mark, and not by the process: the next one in this pane must not inherit it.
    let ours = format!("#{{m:v1/{}/{}/*,#{{{OPTION}}}}}", live.fleet, only.agent);
    let who = both(&identity(pane, server.pid, None, None), &ours);
    guarded.add_line(at, only, guard(at, pane, &who, Needs::Nothing, lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_of_an_adopted_pane_holds_for_one_process() {
        let program = ProcId { pid: 77, start_time: 123_456, boot_id: "b".into() };
        let text = format!("v1/f/a/3/00/{}", id(&program));
        let pane = |pid, adopted: &str| Pane { pid, adopted: adopted.to_owned(), ..Pane::default() };
        let mark = mark_of(&pane(77, &text)).unwrap();
        assert_eq!((mark.agent.as_str(), mark.generation), ("a", Generation(3)));
        assert!(holds_for(&mark, &program));
        let named = process_of(&mark).unwrap();
        assert_eq!((named.pid, named.start_time), (77, 123_456));
        assert!(!holds_for(&mark, &ProcId { start_time: 123_457, ..program }));
        assert_eq!(mark_of(&pane(78, &text)), None, "another process took its place");
        assert_eq!(mark_of(&pane(77, "")), None);
        assert_eq!(mark_of(&pane(77, "v1/f/a/3/00/0")), None);
    }
}
