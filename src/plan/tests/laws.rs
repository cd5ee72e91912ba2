//! What is true of every plan. Each scenario ends with these.

use super::*;
use crate::desired::{Declared, Policy};
use crate::plan::foresee::play;

#[track_caller]
pub(super) fn hold(desired: &Desired, observed: &Observed, terms: &Terms, plan: &Plan) {
    assert_eq!(*plan, super::plan(desired, observed, terms), "planning again gives another plan");
    each_step_fits(desired, observed, terms, plan);
    each_wait_ends_later(observed, plan);
    no_step_is_asked_twice(desired, observed, terms, plan);

    let (rounds, end) = play(desired, observed, terms);
    for (agent, next) in steps(&rounds) {
        // Where notes can only be typed, the next is taken once the text before it is over.
        let follows = |pair: &[Action]| matches!(pair, [Action::Type { .. } | Action::Receive { .. }, Action::Deliver { .. }]);
        let back = next.windows(2).find(|pair| rank(&pair[0]) > rank(&pair[1]) && !follows(pair));
        assert!(back.is_none(), "{agent} goes back: {back:?}");
        let spawns = next.iter().filter(|action| matches!(action, Action::Spawn { .. })).count();
        assert!(spawns <= 1, "{agent} is started {spawns} times");
    }
    let last = super::plan(desired, &end, terms);
    let open: Vec<String> = last
        .changes
        .iter()
        .filter(|(_, change)| !comes_to_rest(change, &end))
        .map(|(name, change)| format!("{name}: {}", show_next(&change.next)))
        .collect();
    assert!(open.is_empty(), "it does not come to rest: {open:?}");
    // A run that is there for messages leaves everything else as it is.
    if last.changes.is_empty() && !terms.only_messages {
        settled_is_what_was_asked_for(desired, &end, terms);
    }
}

/// Whether it is done, or needs a person, or the end of a program that ends by its own doing.
fn comes_to_rest(change: &Change, end: &Observed) -> bool {
    match &change.next {
        Next::Held(_) | Next::Blocked(_) => true,
        Next::Wait(Wait::After { agent, milestone: Milestone::Exited | Milestone::Succeeded }) => {
            matches!(end.agents[agent].phase, Phase::Running { .. })
        }
        Next::Act(_) | Next::Wait(_) => false,
    }
}

#[track_caller]
fn each_step_fits(desired: &Desired, observed: &Observed, terms: &Terms, plan: &Plan) {
    let never_seen = Sighting::default();
    for (agent, change) in &plan.changes {
        assert!(terms.covers(agent), "{agent} is not looked after in this run");
        let sighting = observed.agents.get(agent).unwrap_or(&never_seen);
        let lives = matches!(sighting.phase, Phase::Running { .. } | Phase::Leaving(_));
        let Next::Act(action) = &change.next else { continue };
        assert!(!matches!(sighting.phase, Phase::Unknown { .. }), "{agent} is unknown, and something is done: {action:?}");
        assert!(
            sighting.remains.is_empty() || matches!(action, Action::Sweep { .. }),
            "{agent} has leftovers, and this is done first: {action:?}"
        );
        match action {
            Action::Spawn { generation, .. } => {
                assert!(!lives, "a second instance of {agent}");
                assert!(sighting.obstacle.is_none(), "{agent} cannot start: {:?}", sighting.obstacle);
                let declared = desired.agents.get(agent).unwrap_or_else(|| panic!("{agent} is not declared"));
                let kept_back = super::super::ground::keeps_back(&observed.conditions, &declared.spec.launch.place, observed.at);
                assert_eq!(kept_back, None, "{agent} cannot start");
                assert_eq!(*generation, sighting.generation.max(sighting.replace_up_to).next(), "the generation of {agent}");
            }
            Action::Drain { generation, purpose, .. } | Action::Kill { generation, purpose } => {
                assert!(lives, "{agent} does not live");
                assert!(!sighting.released || desired.agents.contains_key(agent), "{agent} is ours no more");
                assert_eq!(*generation, sighting.generation, "the generation of {agent}");
                assert_eq!(*purpose == Purpose::Replace, change.kind == Kind::Replace, "what the end of {agent} is for");
                let care = desired.agents.get(agent).map(|declared| &declared.spec).or(sighting.spec.as_ref()).map(|spec| &spec.care);
                let protected = care.is_some_and(|care| care.protect) && !terms.allow_kill.contains(agent);
                assert!(!protected || matches!(sighting.phase, Phase::Leaving(_)), "{agent} is protected");
            }
            Action::Stay { generation } => {
                assert!(matches!(sighting.phase, Phase::Leaving(_)), "{agent} was not asked to end");
                assert_eq!(*generation, sighting.generation, "the generation of {agent}");
            }
            Action::Adopt { .. } => assert!(matches!(sighting.phase, Phase::Running { .. }), "{agent} does not run"),
            Action::Answer { generation, .. }
            | Action::Deliver { generation, .. }
            | Action::Type { generation, .. }
            | Action::Submit { generation, .. }
            | Action::Receive { generation, .. } => {
                assert!(lives, "{agent} does not live, and something is typed");
                assert_eq!(*generation, sighting.generation, "the generation of {agent}");
                assert!(!matches!(action, Action::Type { .. }) || sighting.typing.is_none(), "two texts of {agent} at once");
            }
            Action::Sweep { .. } | Action::Amend | Action::Rename { .. } | Action::Forget => {}
        }
    }
    let rests = |agent: &&AgentName| terms.covers(agent) && !plan.changes.contains_key(*agent);
    assert_eq!(plan.at_rest, desired.agents.keys().filter(rests).count());
}

/// A wait that was over would be none, and a look that is overdue is due now.
#[track_caller]
fn each_wait_ends_later(observed: &Observed, plan: &Plan) {
    for (agent, change) in &plan.changes {
        match &change.next {
            Next::Wait(
                Wait::Backoff { until }
                | Wait::Leave { until, .. }
                | Wait::Condition { until }
                | Wait::Dialog { until }
                | Wait::Screen { until }
                | Wait::Wave { until },
            ) => {
                assert!(*until > observed.at, "{agent}")
            }
            Next::Wait(Wait::Ready { look_at, .. } | Wait::Read { look_at, .. }) => assert!(*look_at >= observed.at, "{agent}"),
            Next::Wait(Wait::After { .. } | Wait::Dependants(_) | Wait::Turn) | Next::Act(_) | Next::Held(_) | Next::Blocked(_) => {}
        }
    }
}

/// A step that was taken shows: the same is not asked for in the next round.
#[track_caller]
fn no_step_is_asked_twice(desired: &Desired, observed: &Observed, terms: &Terms, before: &Plan) {
    let next = super::plan(desired, &super::after(desired, observed.clone(), before), terms);
    for (agent, change) in &before.changes {
        let (Next::Act(_), Some(again)) = (&change.next, next.changes.get(agent)) else { continue };
        assert_ne!(change.next, again.next, "{agent} is asked twice");
    }
}

fn steps(rounds: &[Plan]) -> BTreeMap<AgentName, Vec<Action>> {
    let mut steps: BTreeMap<AgentName, Vec<Action>> = BTreeMap::new();
    for (agent, change) in rounds.iter().flat_map(|plan| &plan.changes) {
        // A dialog may come at any time.
        if let Next::Act(action) = &change.next
            && !matches!(action, Action::Answer { .. })
        {
            steps.entry(agent.clone()).or_default().push(action.clone());
        }
    }
    steps
}

/// Steps only go forward: names first, then what is left over, then the way out, then the way in, then care.
fn rank(action: &Action) -> usize {
    match action {
        Action::Rename { .. } => 0,
        Action::Sweep { .. } => 1,
        Action::Adopt { .. } => 2,
        Action::Drain { step, .. } => 10 + step,
        Action::Stay { .. } => 999,
        Action::Kill { .. } => 1000,
        Action::Spawn { .. } => 1001,
        Action::Amend => 1002,
        Action::Deliver { .. } => 1900,
        Action::Answer { .. } => 2000,
        Action::Type { .. } => 3000,
        Action::Submit { enters, .. } => 3000 + *enters as usize,
        Action::Receive { .. } => 4000,
        Action::Forget => 5000,
    }
}

#[track_caller]
fn settled_is_what_was_asked_for(desired: &Desired, end: &Observed, terms: &Terms) {
    for (agent, sighting) in end.agents.iter().filter(|(agent, _)| terms.covers(agent)) {
        match (desired.agents.get(agent), &sighting.phase) {
            (Some(declared), phase) => {
                assert!(is_as_declared(declared, sighting, phase), "{agent} is not as declared: {sighting:#?}");
            }
            (None, Phase::Running { .. }) => assert!(sighting.released, "{agent} runs and is not declared"),
            (None, phase) => panic!("{agent} is not declared and remembered: {phase:?}"),
        }
        assert!(sighting.remains.is_empty(), "{agent} left something behind");
    }
}

fn is_as_declared(declared: &Declared, sighting: &Sighting, phase: &Phase) -> bool {
    let wanted = declared.spec.care.desired == Wish::Running && sighting.wanted == Wish::Running;
    let restart = &declared.spec.care.restart;
    match phase {
        Phase::Running { health, .. } => {
            wanted && matches!(health, Health::Ready(_)) && !sighting.released && sighting.spec.as_ref() == Some(&declared.spec)
        }
        Phase::Exited(ended) if wanted => {
            let success = matches!(ended.exit, Exit::Code(code) if restart.success.contains(&code));
            let refused = matches!(sighting.vitals.consent, Some(Consent::No(_)));
            (refused || success && restart.policy != Policy::Always) && sighting.spec.as_ref().is_none_or(|spec| *spec == declared.spec)
        }
        Phase::Exited(_) | Phase::Absent => !wanted,
        Phase::Leaving(_) | Phase::Unknown { .. } => false,
    }
}
