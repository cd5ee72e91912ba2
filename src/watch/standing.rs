//! What stands still: told when it begins, and once more when it is held for too long. Remembered, so that another watcher does not tell it again.

use std::collections::BTreeMap;

use anyhow::Result;

use super::Event;
use crate::converge::Round;
use crate::desired::{AgentName, Care, Desired};
use crate::event::{What, Word};
use crate::observed::Observed;
use crate::plan::{Held, Next, Plan, Reason};
use crate::state::{Fleet, Standing, Standings, Unremembered};

/// Tells what has changed in what stands still, and writes down how it is now.
pub(super) fn tell(plan: &Plan, desired: &Desired, observed: &Observed, fleet: &Fleet, round: &mut Round<'_>) -> Result<Standings> {
    let before = fleet.standings().unwrap_or_default();
    let (now, events) = compare(&before, plan, desired, observed);
    round.tell(&events);
    if now != before {
        fleet.or_noted(Unremembered::Standings, fleet.write_standings(&now));
    }
    Ok(now)
}

/// What stands still now, and what is new about it.
fn compare(before: &Standings, plan: &Plan, desired: &Desired, observed: &Observed) -> (Standings, Vec<Event>) {
    let at = observed.at;
    let usual = Care::default().hold_max;
    let mut events = Vec::new();
    let mut standings = Standings::new();
    let mut shared: BTreeMap<Reason, (&str, usize)> = BTreeMap::new();
    for (agent, change) in &plan.changes {
        let (what, state, word, why) = match &change.next {
            // A person is needed, as where nothing is due for it.
            Next::Held(held @ Held::Waiting { .. }) => {
                (What::Blocked, "held", Word::Held(held.reason()), format!("{} held: {}", change.kind, held.text(agent)))
            }
            Next::Held(held) => (What::Held, "held", Word::Held(held.reason()), format!("{}: {}", change.kind, held.text(agent))),
            Next::Blocked(blocked) => {
                let what = if is_repeated_failure(blocked.reason) { What::FailedRepeatedly } else { What::Blocked };
                (what, "blocked", Word::Blocked(blocked.reason), blocked.message.clone())
            }
            Next::Act(_) | Next::Wait(_) => continue,
        };
        let generation = generation(agent, observed);
        let event = |what, why| Event { at, agent: Some(agent.clone()), generation, what, reason: Some(word), why };
        let known = before.get(agent).filter(|known| known.state == state && known.reason == word.as_str());
        let mut standing = match known {
            // One from later than now is from before the clock was set back.
            Some(known) => Standing { since: known.since.min(at), ..known.clone() },
            None => {
                match &change.next {
                    Next::Blocked(blocked) if blocked.reason.is_shared() => {
                        shared.entry(blocked.reason).or_insert((&blocked.message, 0)).1 += 1
                    }
                    Next::Blocked(_) | Next::Held(_) | Next::Act(_) | Next::Wait(_) => events.push(event(what, why.clone())),
                }
                Standing { state: state.to_owned(), reason: word.as_str().to_owned(), since: at, overdue: false }
            }
        };
        let longest = desired.agents.get(agent).map_or(usual, |declared| declared.spec.care.hold_max);
        if state == "held" && !standing.overdue && at.since(standing.since) >= longest {
            events.push(event(What::HeldOverdue, format!("for {}; {why}", at.since(standing.since).rough())));
            standing.overdue = true;
        }
        standings.insert(agent.clone(), standing);
    }
    // What blocks many for one reason is reported once, however many more it blocks later.
    let is_known = |reason: &Reason| before.values().any(|known| known.reason == reason.as_str());
    for (reason, (message, count)) in shared.into_iter().filter(|(reason, _)| !is_known(reason)) {
        let agents = if count == 1 { "an agent".to_owned() } else { format!("{count} agents") };
        let why = format!("{} keeps {agents} from being started: {message}", reason.in_short());
        events.push(Event { at, agent: None, generation: None, what: What::Blocked, reason: Some(Word::Blocked(reason)), why });
    }
    (standings, events)
}

/// Whether an agent is left as it is because it failed too often: what a listener of `failed_repeatedly` hears of.
fn is_repeated_failure(reason: Reason) -> bool {
    match reason {
        Reason::FailedRepeatedly | Reason::Unhealthy => true,
        Reason::PlaceTaken
        | Reason::CwdMissing
        | Reason::CommandMissing
        | Reason::DependencyEnded
        | Reason::DependencyCycle
        | Reason::Failed
        | Reason::NotReady
        | Reason::NotAcknowledged
        | Reason::ContextFull
        | Reason::Crashed
        | Reason::KillFailed
        | Reason::NoEffect
        | Reason::Dialog
        | Reason::Login
        | Reason::Permission
        | Reason::Stranded
        | Reason::Unconfirmed
        | Reason::OtherStateFolder
        | Reason::Untypable
        | Reason::RecordMismatch
        | Reason::TooManyPanes
        | Reason::NoTmux
        | Reason::ServerUnreachable
        | Reason::StateUnwritable
        | Reason::Unknown
        | Reason::Unreadable
        | Reason::Undelivered
        | Reason::ConditionUnknown => false,
    }
}

fn generation(agent: &AgentName, observed: &Observed) -> Option<crate::desired::Generation> {
    observed.agents.get(agent).map(|sighting| sighting.generation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Blocked, Cause, Change, Kind, WaitingFor};
    use crate::time::Timestamp;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_millis(minute * 60_000)
    }

    #[test]
    fn what_stands_still_is_told_once_and_once_more_when_it_is_held_for_too_long() {
        let desired = Desired::nothing("f".parse().unwrap());
        let mut standings = Standings::new();
        let mut told = Vec::new();
        let held = || Next::Held(Held::Attached(1));
        let waiting = || Next::Held(Held::Waiting { on: WaitingFor::Permission, shows: "may it?".to_owned() });
        let stuck = || Next::Blocked(Blocked { reason: Reason::FailedRepeatedly, message: "it failed".to_owned() });
        for (minute, next) in [
            (0, Some(held())),
            (10, Some(held())),
            (30, Some(held())),
            (40, Some(held())),
            (50, Some(stuck())),
            (60, None),
            (70, Some(held())),
            (80, Some(waiting())),
            (110, Some(waiting())),
        ] {
            let change = next.map(|next| Change { kind: Kind::Replace, cause: Cause::Asked, fields: Vec::new(), next });
            let plan = Plan { changes: change.into_iter().map(|change| ("a".parse().unwrap(), change)).collect(), ..Plan::default() };
            let observed = Observed::nothing(desired.fleet.clone(), at(minute));
            let (now, events) = compare(&standings, &plan, &desired, &observed);
            told.extend(events.into_iter().map(|event| (minute, event.what)));
            standings = now;
        }
        let held = [(0, What::Held), (30, What::HeldOverdue), (50, What::FailedRepeatedly), (70, What::Held)];
        assert_eq!(told, [&held[..], &[(80, What::Blocked), (110, What::HeldOverdue)]].concat());
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_put_off_that_it_is_held_for_too_long() {
        let desired = Desired::nothing("f".parse().unwrap());
        let change = Change { kind: Kind::Replace, cause: Cause::Asked, fields: Vec::new(), next: Next::Held(Held::Attached(1)) };
        let plan = Plan { changes: [("a".parse().unwrap(), change)].into(), ..Plan::default() };
        let mut standings = Standings::new();
        let mut told = Vec::new();
        for minute in [1440, 0, 29, 30] {
            let observed = Observed::nothing(desired.fleet.clone(), at(minute));
            let (now, events) = compare(&standings, &plan, &desired, &observed);
            standings = now;
            told.extend(events.iter().map(|event| (minute, event.what)));
        }
        assert_eq!(told, [(1440, What::Held), (30, What::HeldOverdue)]);
    }

    #[test]
    fn what_blocks_many_for_one_reason_is_told_once() {
        let desired = Desired::nothing("f".parse().unwrap());
        let mut standings = Standings::new();
        let mut told = Vec::new();
        for (minute, names) in [(0, "a b c"), (1, "a b c d"), (2, ""), (3, "a")] {
            let blocked = || Next::Blocked(Blocked { reason: Reason::NoTmux, message: "tmux is not in PATH (/bin)".to_owned() });
            let change = || Change { kind: Kind::Spawn, cause: Cause::New, fields: Vec::new(), next: blocked() };
            let changes = names.split_whitespace().map(|name| (name.parse().unwrap(), change())).collect();
            let observed = Observed::nothing(desired.fleet.clone(), at(minute));
            let (now, events) = compare(&standings, &Plan { changes, ..Plan::default() }, &desired, &observed);
            told.extend(events.into_iter().map(|event| format!("{minute} {} {:?} {}", event.agent.is_some(), event.what, event.why)));
            standings = now;
        }
        assert_eq!(
            told,
            [
                "0 false Blocked no tmux keeps 3 agents from being started: tmux is not in PATH (/bin)",
                "3 false Blocked no tmux keeps an agent from being started: tmux is not in PATH (/bin)"
            ]
        );
    }
}
