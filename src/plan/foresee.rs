//! What will come of a plan: the pure model that `plan` shows as rounds to come and that tests hold against the machine.

use super::{Action, Cause, Change, Next, Plan, ServerChange, Terms, Wait, plan, talk};
use crate::desired::{
    AgentName, AgentSpec, Declared, Desired, Generation, Launch, LaunchDigest, Milestone, OnRemove, Place, Policy, Probe, SessionName,
    Text, canonical_digest,
};
use crate::observed::{
    Activity, Answering, Body, Composed, Ended, Exit, Health, Leaving, Message, MessageKind, Observed, Phase, Press, Purpose, Question,
    Sighting, Step, Typing,
};

/// So many rounds are foreseen at most. A chain of dependencies needs one round per link.
const HORIZON: usize = 200;

/// The plans of the rounds to come if everything answers as it should: the first is the plan for `observed` itself; a round in which
/// there is only waiting is left out.
pub fn foresee(desired: &Desired, observed: &Observed, terms: &Terms) -> Vec<Plan> {
    play(desired, observed, terms).0
}

/// The rounds to come, and the world after the last of them.
pub(super) fn play(desired: &Desired, observed: &Observed, terms: &Terms) -> (Vec<Plan>, Observed) {
    let mut world = observed.clone();
    let mut rounds = Vec::new();
    for _ in 0..HORIZON {
        let plan = plan(desired, &world, terms);
        let (acts, waits) = (plan.has_acts(), plan.has_waits());
        if !acts && !waits {
            break;
        }
        world = after(desired, world, &plan);
        let goes_on = pass_time(&mut world, &plan);
        if acts {
            // That a text is submitted, and that this is noted, is a part of its delivery.
            let begins = |change: &Change| matches!(&change.next, Next::Act(action) if !action.follows());
            if plan.server.is_some() || plan.changes.values().any(begins) {
                rounds.push(plan);
            }
        } else if !goes_on {
            // It waits for the end of a program, and when that will be is not in the model.
            break;
        }
    }
    (rounds, world)
}

/// What the next look shows once the acts of a plan are done.
pub fn after(desired: &Desired, mut world: Observed, plan: &Plan) -> Observed {
    for (name, change) in &plan.changes {
        if let Next::Act(action) = &change.next {
            apply(action, name, desired.agents.get(name), &mut world);
            remember_fault(action, name, &change.cause, &mut world);
        }
    }
    match &plan.server {
        Some(ServerChange::Set { after, .. }) => world.server = Some(after.clone()),
        Some(ServerChange::Close(_)) => world.server = None,
        // The first session brings the server's options with it.
        None if plan.changes.iter().any(|(name, change)| starts_in_tmux(name, change, desired)) => {
            world.server = Some(desired.server.clone())
        }
        None => {}
    }
    world
}

/// For what it was asked to end is remembered until it has another life.
fn remember_fault(action: &Action, name: &AgentName, cause: &Cause, world: &mut Observed) {
    if let (Action::Drain { .. } | Action::Kill { .. }, Cause::Faulty(fault)) = (action, cause)
        && let Some(sighting) = world.agents.get_mut(name)
    {
        sighting.vitals.pulse.fault = Some(fault.clone());
    }
}

/// Whether a step starts an instance in the fleet's tmux server.
pub fn starts_in_tmux(name: &AgentName, change: &Change, desired: &Desired) -> bool {
    let place = desired.agents.get(name).map(|declared| &declared.spec.launch.place);
    matches!(change.next, Next::Act(Action::Spawn { .. })) && matches!(place, Some(Place::Tmux { .. }))
}

fn apply(action: &Action, name: &AgentName, declared: Option<&Declared>, world: &mut Observed) {
    let at = world.at;
    if let Action::Rename { from } = action {
        let mut sighting = world.agents.remove(from).unwrap_or_default();
        match (&mut sighting.spec, declared) {
            (Some(spec), Some(declared)) => spec.launch = under_new_name(&spec.launch, from, name, &declared.spec.launch).into(),
            (None, Some(declared)) => sighting.spec = started_as(sighting.digest.as_ref(), from, name, &declared.spec),
            (Some(_) | None, None) => {}
        }
        world.agents.insert(name.clone(), sighting);
        return;
    }
    let sighting = world.agents.entry(name.clone()).or_default();
    match (action, declared) {
        (Action::Spawn { generation, failures }, Some(declared)) => {
            let health = match declared.spec.care.ready.probe {
                Probe::Delay(length) if length.as_millis() == 0 => Health::Ready(at),
                Probe::Delay(_)
                | Probe::Screen(_)
                | Probe::File(_)
                | Probe::Tcp(_)
                | Probe::Http { .. }
                | Probe::Command(_)
                | Probe::Heartbeat { .. }
                | Probe::Preset => Health::Starting,
            };
            *sighting = Sighting {
                generation: *generation,
                spent: *generation,
                digest: Some(canonical_digest(&declared.spec.launch)),
                spec: Some(declared.spec.clone()),
                phase: Phase::Running { since: at, health },
                failures: failures.clone(),
                wanted: sighting.wanted,
                replace_up_to: sighting.replace_up_to,
                messages: started_with(*generation, &declared.spec),
                notes: std::mem::take(&mut sighting.notes),
                ..Sighting::default()
            };
        }
        (Action::Deliver { note, .. }, _) => sighting.notes.retain(|other| other != note),
        (Action::Answer { press, presses, dialog, .. }, _) => {
            sighting.answering = Some(Answering {
                dialog: dialog.clone(),
                at,
                presses: *presses,
                answers: u32::from(press.answers),
                row: None,
                doubled: false,
            });
            let enter = Press { keys: vec!["Enter".to_owned()], answers: true, row: None };
            sighting.screen.activity = match press.answers {
                true => Activity::Idle,
                false => Activity::Asks(Question { name: Some(dialog.clone()), next: Ok(enter) }),
            };
        }
        (Action::Type { message, .. }, _) => {
            sighting.typing = Some(Box::new(Typing {
                id: message.id.clone(),
                kind: message.kind,
                at,
                enters: 0,
                submits: talk::submits(&message.body),
                cursor: None,
                tail: String::new(),
                mode: None,
                frees: false,
            }));
            sighting.screen.composer = Some(Composed::Pasted);
        }
        (Action::Submit { enters, .. }, _) => {
            if let Some(typing) = &mut sighting.typing {
                (typing.enters, typing.at) = (*enters, at);
            }
            sighting.screen.composer = Some(Composed::Empty);
        }
        (Action::Receive { id, .. }, _) => {
            sighting.typing = None;
            sighting.messages.retain(|message| message.id != *id);
        }
        (Action::Stay { .. }, _) => {
            if let Phase::Leaving(leaving) = &sighting.phase {
                sighting.phase = Phase::Running { since: leaving.since, health: Health::Ready(at) };
            }
        }
        (Action::Drain { step, purpose, .. }, _) => ask_to_leave(sighting, Step::Drain(*step), *purpose, at),
        (Action::Kill { purpose, .. }, _) => ask_to_leave(sighting, Step::Kill, *purpose, at),
        (Action::Sweep { ask: Some(_) }, _) => sighting.sweeping = Some(at),
        (Action::Sweep { ask: None }, _) => sighting.remains.clear(),
        (Action::Amend, Some(declared)) => {
            if let Some(spec) = &mut sighting.spec {
                spec.care = declared.spec.care.clone();
            }
            sighting.log_pipe = None;
        }
        (Action::Adopt { generation }, Some(declared)) => {
            sighting.generation = (*generation).max(crate::desired::Generation(1));
            sighting.spec = Some(declared.spec.clone());
            sighting.released = false;
        }
        (Action::Forget, _) => {
            let left_running = matches!(sighting.phase, Phase::Running { .. });
            let leaves = sighting.spec.as_ref().is_some_and(|spec| spec.care.on_remove == OnRemove::Leave);
            if left_running && leaves {
                sighting.released = true;
            } else if sighting.untyped > 0 {
                *sighting = Sighting { untyped: sighting.untyped, ..Sighting::default() };
            } else {
                world.agents.remove(name);
            }
        }
        (Action::Spawn { .. } | Action::Amend | Action::Adopt { .. }, None) | (Action::Rename { .. }, _) => {}
    }
}

/// What an instance is to be given once it is ready.
fn started_with(generation: Generation, spec: &AgentSpec) -> Vec<Message> {
    let message = |_: &Text| Message {
        id: format!("prompt-{generation}"),
        kind: MessageKind::Prompt,
        // It is read when it is typed.
        body: Body::Text(String::new()),
        interrupts: false,
    };
    spec.care.prompt.iter().map(message).collect()
}

fn ask_to_leave(sighting: &mut Sighting, step: Step, purpose: Purpose, asked_at: crate::time::Timestamp) {
    let (since, before) = match &sighting.phase {
        Phase::Running { since, .. } => (*since, None),
        Phase::Leaving(leaving) => (leaving.since, Some(leaving)),
        Phase::Absent | Phase::Exited(_) | Phase::Unknown { .. } => return,
    };
    sighting.phase = Phase::Leaving(Leaving::next(before, step, asked_at, since, purpose));
}

/// A launch after a rename: where the place was named after the agent, as it is by default, the place takes the new name too.
pub fn under_new_name(launch: &Launch, from: &AgentName, to: &AgentName, declared: &Launch) -> Launch {
    let place = match (&launch.place, &declared.place) {
        (Place::Tmux { socket, session, window }, Place::Tmux { session: new_session, window: new_window, .. }) => {
            let follow = |old: &crate::desired::SessionName, new: &crate::desired::SessionName| {
                if old.as_str() == from.as_str() && new.as_str() == to.as_str() { new.clone() } else { old.clone() }
            };
            Place::Tmux { socket: socket.clone(), session: follow(session, new_session), window: follow(window, new_window) }
        }
        (place, _) => place.clone(),
    };
    Launch { place, ..launch.clone() }
}

/// What an instance was started as under its old name, where only the digest in its mark tells: the declared spec, if that fits.
pub fn started_as(digest: Option<&LaunchDigest>, from: &AgentName, to: &AgentName, declared: &AgentSpec) -> Option<AgentSpec> {
    let before = match &declared.launch.place {
        Place::Tmux { socket, session, window } => {
            let old: SessionName = from.as_str().parse().expect("names of agents and sessions are alike");
            let back = |name: &SessionName| if name.as_str() == to.as_str() { old.clone() } else { name.clone() };
            Place::Tmux { socket: socket.clone(), session: back(session), window: back(window) }
        }
        place @ Place::Daemon { .. } => place.clone(),
    };
    let launch = Launch { place: before, ..Launch::clone(&declared.launch) };
    (digest == Some(&canonical_digest(&launch))).then(|| declared.clone())
}

/// Lets pass what the plan waits for, and says whether anything did: asked ones leave, started ones get ready, pauses end, and
/// tasks whose end is waited for succeed.
fn pass_time(world: &mut Observed, plan: &Plan) -> bool {
    let at = world.at;
    let mut goes_on = false;
    for (name, sighting) in &mut world.agents {
        let next = plan.changes.get(name).map(|change| &change.next);
        if let Some(Next::Wait(
            Wait::Backoff { until } | Wait::Condition { until } | Wait::Dialog { until } | Wait::Screen { until } | Wait::Wave { until },
        )) = next
        {
            goes_on |= *until > world.at;
            world.at = world.at.max(*until);
        }
        if matches!(next, Some(Next::Wait(Wait::Dialog { .. } | Wait::Screen { .. })))
            && sighting.typing.is_none()
            && sighting.answering.is_none()
        {
            sighting.screen.activity = Activity::Idle;
        }
        if let Some(Next::Wait(Wait::Read { .. })) = next {
            sighting.unread = None;
            goes_on = true;
        }
        match &sighting.phase {
            // That one is held or left out of a run does not keep it from getting ready.
            Phase::Running { since, health: Health::Starting } => {
                sighting.phase = Phase::Running { since: *since, health: Health::Ready(at) };
                goes_on = true;
            }
            Phase::Leaving(leaving) if matches!(next, Some(Next::Act(_) | Next::Wait(_))) => {
                let (asked, outcome) = (Some((leaving.purpose, leaving.step)), Some(leaving.outcome()));
                let (since, exit) = (leaving.since, Exit::Code(0));
                sighting.phase = Phase::Exited(Ended { at, since, was_ready: true, exit, asked, outcome, excuse: None });
                goes_on = true;
            }
            Phase::Running { .. } | Phase::Leaving(_) | Phase::Absent | Phase::Exited(_) | Phase::Unknown { .. } => {}
        }
        if sighting.sweeping.is_some() && matches!(next, Some(Next::Wait(Wait::Leave { .. }))) {
            sighting.remains.clear();
            sighting.sweeping = None;
            goes_on = true;
        }
    }
    for change in plan.changes.values() {
        if let Next::Wait(Wait::After { agent, milestone: Milestone::Exited | Milestone::Succeeded }) = &change.next
            && let Some(sighting) = world.agents.get_mut(agent)
        {
            goes_on |= succeed(sighting, world.at);
        }
    }
    goes_on
}

/// Ends what was started to end, if it is not started again whatever comes of it; says whether it did.
fn succeed(sighting: &mut Sighting, at: crate::time::Timestamp) -> bool {
    let restart = sighting.spec.as_ref().map(|spec| &spec.care.restart).filter(|restart| restart.policy != Policy::Always);
    let (Some(restart), Phase::Running { since, .. }) = (restart, &sighting.phase) else { return false };
    let exit = Exit::Code(restart.success.iter().next().copied().unwrap_or(0));
    sighting.phase = Phase::Exited(Ended { at, since: *since, was_ready: true, exit, asked: None, outcome: None, excuse: None });
    true
}
