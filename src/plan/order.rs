//! Dependencies first in, last out; and no more agents on their way at a time than may be.
//!
//! Starts wait for starts and ends wait for ends, never one for the other, and a circle is cut: so nobody waits for ever.

use std::collections::{BTreeMap, BTreeSet};

use super::local::blocked;
use super::{Action, Cause, Change, Held, Kind, Next, Reason, Terms, Wait};
use crate::desired::{AgentName, Desired, Milestone, Wish};
use crate::observed::{Health, Observed, Phase, Sighting};

type Changes = BTreeMap<AgentName, Change>;

/// Turns steps that must not be taken yet into waits, holds and blocks.
pub(super) fn put_in_order(changes: &mut Changes, desired: &Desired, observed: &Observed, terms: &Terms) {
    if changes.iter().any(|(name, change)| ends(name, change, observed)) {
        order_both(changes, desired, observed, terms);
    } else {
        order_starts(changes, desired, observed, terms);
    }
    if let Some(limit) = terms.parallelism {
        take_turns(changes, observed, limit.max(1));
    }
}

fn order_both(changes: &mut Changes, desired: &Desired, observed: &Observed, terms: &Terms) {
    // Whom an end is held for decides whether a start may rely on what runs, and a replacement whose successor could not start holds ends:
    // each is ordered again with what the other found, until that is no more.
    let judged = changes.clone();
    let mut hopeless: Changes = BTreeMap::new();
    loop {
        order_ends(changes, desired, observed, terms);
        order_starts(changes, desired, observed, terms);
        let is_hopeless = |(name, change): &(&AgentName, &Change)| {
            ends(name, change, observed) && matches!(change.next, Next::Blocked(_)) && !matches!(judged[*name].next, Next::Blocked(_))
        };
        let found = hopeless.len();
        hopeless.extend(changes.iter().filter(is_hopeless).map(|(name, change)| (name.clone(), change.clone())));
        if hopeless.len() == found {
            break;
        }
        changes.clone_from(&judged);
        changes.extend(hopeless.clone());
    }
}

/// How far another agent is from a milestone.
enum Reach {
    Reached,
    NotYet,
    Never(String),
}

fn order_starts(changes: &mut Changes, desired: &Desired, observed: &Observed, terms: &Terms) {
    let starts: BTreeSet<AgentName> =
        changes.iter().filter(|(name, change)| begins(name, change, observed)).map(|(name, _)| name.clone()).collect();
    let needs = |name: &AgentName| desired.agents[name].spec.care.after.keys();
    let (order, circle) = dependencies_first(&starts, needs);
    for name in order {
        let mut waits = None;
        for (other, milestone) in &desired.agents[name].spec.care.after {
            match reach(other, *milestone, changes, desired, observed, terms) {
                Reach::Reached => {}
                Reach::NotYet => waits = waits.or(Some(Next::Wait(Wait::After { agent: other.clone(), milestone: *milestone }))),
                Reach::Never(why) => {
                    waits = Some(blocked(Reason::DependencyEnded, format!("waits for {other} {}, but {other} {why}", milestone.awaited())));
                    break;
                }
            }
        }
        let change = changes.get_mut(name).expect("starts are changes");
        // Something that runs is not interrupted for a successor that could not start; what may still come is worth no delay.
        let interrupts = ends(name, change, observed);
        if let Some(next) = waits
            && !(interrupts && matches!(next, Next::Wait(_)))
        {
            change.next = next;
        }
    }
    for name in circle {
        let change = changes.get_mut(name).expect("starts are changes");
        change.next = blocked(Reason::DependencyCycle, "waits for itself in a circle of `after`".to_owned());
    }
}

/// Whether a change is about to start an instance, or to interrupt one for a successor.
fn begins(name: &AgentName, change: &Change, observed: &Observed) -> bool {
    match &change.next {
        Next::Act(Action::Spawn { .. }) => true,
        Next::Act(Action::Drain { .. } | Action::Kill { .. }) | Next::Wait(Wait::Dependants(_)) | Next::Held(Held::NotShown) => {
            change.kind == Kind::Replace && ends(name, change, observed)
        }
        Next::Act(_) | Next::Wait(_) | Next::Held(_) | Next::Blocked(_) => false,
    }
}

fn reach(other: &AgentName, milestone: Milestone, changes: &Changes, desired: &Desired, observed: &Observed, terms: &Terms) -> Reach {
    let Some(declared) = desired.agents.get(other) else { return Reach::Never("is not declared".to_owned()) };
    let never_seen = Sighting::default();
    let sighting = observed.agents.get(other).unwrap_or(&never_seen);
    let seen = seen(sighting, milestone, declared);
    match changes.get(other).map(|change| (change.kind, &change.next)) {
        // Its own step touches no process, or cannot be taken: what runs now is what there is.
        Some((Kind::Amend | Kind::Deliver | Kind::Adopt | Kind::Forget, _)) | None => match seen {
            // One that gets ready by itself needs no run for it.
            Reach::NotYet if !terms.covers(other) && !matches!(sighting.phase, Phase::Running { .. }) => {
                Reach::Never("is left out of this run".to_owned())
            }
            seen @ (Reach::Reached | Reach::NotYet | Reach::Never(_)) => seen,
        },
        Some((_, Next::Held(_))) => seen,
        Some((_, Next::Blocked(blocked))) => match seen {
            Reach::Reached => Reach::Reached,
            Reach::NotYet | Reach::Never(_) => Reach::Never(format!("is blocked: {}", blocked.message)),
        },
        Some((Kind::Stop, _)) => match milestone {
            Milestone::Exited => seen,
            Milestone::Started | Milestone::Ready | Milestone::Succeeded => Reach::Never("is being stopped".to_owned()),
        },
        // On its way to another life: only what this life has reached for good counts.
        Some((
            Kind::Spawn,
            Next::Wait(Wait::Ready { .. } | Wait::Dialog { .. } | Wait::Screen { .. }) | Next::Act(Action::Answer { .. }),
        )) => seen,
        Some((Kind::Restart, _)) if milestone == Milestone::Exited => seen,
        Some((Kind::Spawn | Kind::Replace | Kind::Restart, _)) => Reach::NotYet,
    }
}

/// How far an agent is from a milestone by what is seen of it alone.
fn seen(sighting: &Sighting, milestone: Milestone, declared: &crate::desired::Declared) -> Reach {
    let stopped = declared.spec.care.desired == Wish::Stopped || sighting.wanted == Wish::Stopped;
    let reached = |yes: bool| if yes { Reach::Reached } else { Reach::NotYet };
    match &sighting.phase {
        Phase::Running { health, .. } => match milestone {
            Milestone::Started => Reach::Reached,
            Milestone::Ready => match health {
                Health::Ready(_) => Reach::Reached,
                Health::Starting => Reach::NotYet,
                Health::Failing { why } => Reach::Never(format!("is not ready: {why}")),
            },
            Milestone::Exited | Milestone::Succeeded => Reach::NotYet,
        },
        Phase::Exited(ended) => {
            // An end that was asked for is no verdict.
            let success = ended.asked.is_none() && ended.is_success(&declared.spec.care.restart);
            match milestone {
                Milestone::Exited => Reach::Reached,
                Milestone::Started | Milestone::Ready | Milestone::Succeeded if success => Reach::Reached,
                Milestone::Started | Milestone::Ready | Milestone::Succeeded if stopped => Reach::Never("is stopped".to_owned()),
                Milestone::Started | Milestone::Ready | Milestone::Succeeded => Reach::Never(ended.exit.to_string()),
            }
        }
        Phase::Absent if stopped => Reach::Never("is stopped".to_owned()),
        Phase::Absent | Phase::Leaving(_) | Phase::Unknown { .. } => reached(false),
    }
}

fn order_ends(changes: &mut Changes, desired: &Desired, observed: &Observed, terms: &Terms) {
    let fresh: BTreeSet<AgentName> =
        changes.iter().filter(|(name, change)| ends(name, change, observed)).map(|(name, _)| name.clone()).collect();
    if fresh.is_empty() {
        return;
    }
    let dependants = dependants(changes, desired, observed);
    let none = BTreeSet::new();
    let of = |name: &AgentName| dependants.get(name).unwrap_or(&none).iter();
    let mut settled: BTreeSet<&AgentName> = BTreeSet::new();
    for name in first_of_each_circle_free(&fresh, of) {
        let mut waits = Vec::new();
        let mut held = None;
        for other in of(name) {
            match &changes[other].next {
                // Where a circle was cut, the one does not wait for the other that waits for it.
                Next::Act(_) | Next::Wait(_) if fresh.contains(other) && !settled.contains(other) => {}
                Next::Act(_) | Next::Wait(_) => waits.push(other.clone()),
                Next::Held(_) | Next::Blocked(_) => held = held.or(Some(Held::Dependant(other.clone()))),
            }
        }
        let next = &mut changes.get_mut(name).expect("ends are changes").next;
        // Nobody is interrupted of whom the approved plan did not say so; another reason to hold is the truer one.
        let held = held.or_else(|| terms.shown.as_ref().is_some_and(|shown| !shown.contains(name)).then_some(Held::NotShown));
        match (held, waits.is_empty(), &next) {
            (_, _, Next::Held(_) | Next::Blocked(_)) | (None, true, _) => {}
            (Some(held), _, _) => *next = Next::Held(held),
            (None, false, _) => *next = Next::Wait(Wait::Dependants(waits)),
        }
        settled.insert(name);
    }
}

/// The names so that each comes after those that it needs, where one of each circle needs nobody.
fn first_of_each_circle_free<'a, I>(names: &'a BTreeSet<AgentName>, needs: impl Fn(&AgentName) -> I) -> Vec<&'a AgentName>
where
    I: Iterator<Item = &'a AgentName>,
{
    let mut order = Vec::new();
    let mut open: BTreeSet<AgentName> = names.clone();
    loop {
        let (free, circle) = dependencies_first(&open, &needs);
        order.extend(free.into_iter().filter_map(|name| names.get(name)));
        let mut rest: BTreeSet<AgentName> = circle.into_iter().cloned().collect();
        let Some(mut cut) = rest.first().cloned() else { return order };
        // Whoever is left stands in a circle or behind one: from need to need, a walk ends in a circle.
        let mut seen = BTreeSet::new();
        while seen.insert(cut.clone()) {
            cut = needs(&cut).find(|other| rest.contains(*other)).cloned().expect("who is left needs one who is left");
        }
        rest.remove(&cut);
        order.extend(names.get(&cut));
        open = rest;
    }
}

/// Whether a change ends an instance that was not asked to end yet.
fn ends(name: &AgentName, change: &Change, observed: &Observed) -> bool {
    let running = observed.agents.get(name).is_some_and(|sighting| matches!(sighting.phase, Phase::Running { .. }));
    let leaves = match change.kind {
        Kind::Stop | Kind::Replace => true,
        Kind::Spawn | Kind::Restart | Kind::Amend | Kind::Deliver | Kind::Adopt | Kind::Forget => false,
    };
    // A sweep ends earlier lives, and not this one.
    running && leaves && change.cause != Cause::Remains
}

/// Who of those that are to end depends on whom, by the care under which they live.
fn dependants(changes: &Changes, desired: &Desired, observed: &Observed) -> BTreeMap<AgentName, BTreeSet<AgentName>> {
    let mut dependants: BTreeMap<AgentName, BTreeSet<AgentName>> = BTreeMap::new();
    for (name, change) in changes {
        let Some(sighting) = observed.agents.get(name) else { continue };
        let lives = matches!(sighting.phase, Phase::Running { .. } | Phase::Leaving(_));
        if !lives || !matches!(change.kind, Kind::Stop | Kind::Replace) {
            continue;
        }
        let care = sighting.spec.as_ref().or(desired.agents.get(name).map(|declared| &declared.spec)).map(|spec| &spec.care);
        for other in care.into_iter().flat_map(|care| care.after.keys()) {
            dependants.entry(other.clone()).or_default().insert(name.clone());
        }
    }
    dependants
}

/// The names so that each comes after those that it needs, and those that stand in a circle or behind one.
fn dependencies_first<I>(names: &BTreeSet<AgentName>, needs: impl Fn(&AgentName) -> I) -> (Vec<&AgentName>, Vec<&AgentName>)
where
    I: Iterator<Item: std::borrow::Borrow<AgentName>>,
{
    use std::borrow::Borrow;
    let mut open: BTreeMap<&AgentName, usize> = BTreeMap::new();
    let mut needed_by: BTreeMap<&AgentName, Vec<&AgentName>> = BTreeMap::new();
    for name in names {
        let mut count = 0;
        for other in needs(name) {
            if let Some(other) = names.get(other.borrow()) {
                needed_by.entry(other).or_default().push(name);
                count += 1;
            }
        }
        open.insert(name, count);
    }
    let mut order: Vec<&AgentName> = open.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    let mut next = 0;
    while let Some(name) = order.get(next) {
        next += 1;
        for other in needed_by.remove(*name).unwrap_or_default() {
            let count = open.get_mut(other).expect("all names are open");
            *count -= 1;
            if *count == 0 {
                order.push(other);
            }
        }
    }
    let circle = open.into_iter().filter(|(_, count)| *count > 0).map(|(name, _)| name).collect();
    (order, circle)
}

/// Lets so many agents set out that no more than `limit` are on their way.
fn take_turns(changes: &mut Changes, observed: &Observed, limit: usize) {
    let on_the_way = |sighting: &Sighting| match &sighting.phase {
        Phase::Leaving(_) | Phase::Running { health: Health::Starting, .. } => true,
        Phase::Running { health: Health::Ready(_) | Health::Failing { .. }, .. }
        | Phase::Absent
        | Phase::Exited(_)
        | Phase::Unknown { .. } => false,
    };
    // One that leaves and does not get on, or is left out of this run, would take up its turn for ever.
    let gets_on = |name: &AgentName, sighting: &Sighting| match changes.get(name).map(|change| &change.next) {
        Some(Next::Act(_) | Next::Wait(_)) => true,
        Some(Next::Held(_) | Next::Blocked(_)) | None => !matches!(sighting.phase, Phase::Leaving(_)),
    };
    let taken = observed.agents.iter().filter(|(name, sighting)| on_the_way(sighting) && gets_on(name, sighting)).count();
    let mut free = limit.saturating_sub(taken);
    for (name, change) in changes {
        let sets_out = match &change.next {
            Next::Act(Action::Spawn { .. }) => true,
            Next::Act(Action::Drain { .. } | Action::Kill { .. }) => !observed.agents.get(name).is_some_and(on_the_way),
            Next::Act(_) | Next::Wait(_) | Next::Held(_) | Next::Blocked(_) => false,
        };
        if sets_out && free == 0 {
            change.next = Next::Wait(Wait::Turn);
        } else if sets_out {
            free -= 1;
        }
    }
}
