//! Fills the document of a plan.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::super::words::{Class, cause_in_short, class, deliveries, interrupted, release};
use super::super::super::{Extent, PlanView, rounds, summary};
use super::super::FORMAT_VERSION;
use super::super::condition::ConditionEntry;
use super::super::status::HaltEntry;
use super::super::words::{Act, CauseReason, NextStep};
use super::{
    BlockedEntry, ChangeEntry, Delivery, GuardEntry, HeldEntry, Interrupts, Manifest, PlanDocument, Precondition, ResourceChange,
    ServerEntry, Source, Summary, WaitEntry,
};
use crate::desired::{AgentName, AgentSpec, Declared, canonical_digest, effective, launch_fields};
use crate::observed::{Note, Sighting};
use crate::plan::{Change, Kind, Next, ServerChange};
use crate::time::{Duration, Timestamp};

/// A plan for programs; with [`Extent::All`], agents at rest are listed too.
pub fn plan_document(view: &PlanView<'_>, extent: Extent) -> PlanDocument {
    let PlanView { manifest, desired, observed, plan, rounds: to_come, basis } = *view;
    let names: BTreeSet<&AgentName> = match extent {
        Extent::Readable => plan.changes.keys().collect(),
        Extent::All => plan.changes.keys().chain(desired.agents.keys()).collect(),
    };
    let never_seen = Sighting::default();
    let sighting = |name: &AgentName| observed.agents.get(name).unwrap_or(&never_seen);
    let change = |name: &AgentName| resource(name, plan.changes.get(name), desired.agents.get(name), sighting(name), observed.at);
    let held = plan.changes.iter().filter_map(|(name, change)| match &change.next {
        Next::Held(held) => Some(HeldEntry {
            address: name.to_string(),
            reason: held.reason(),
            release: manifest.complete(&release(held, name)).into_owned(),
        }),
        Next::Act(_) | Next::Wait(_) | Next::Blocked(_) => None,
    });
    let blocked = plan.changes.iter().filter_map(|(name, change)| match &change.next {
        Next::Blocked(blocked) => Some(BlockedEntry {
            address: name.to_string(),
            reason: blocked.reason,
            message: manifest.complete(&blocked.message).into_owned(),
        }),
        Next::Act(_) | Next::Wait(_) | Next::Held(_) => None,
    });
    let guards =
        plan.guards.iter().map(|guard| GuardEntry { name: guard.name, limit: guard.limit.clone(), value: guard.value, pass: guard.pass });
    PlanDocument {
        format_version: FORMAT_VERSION.to_owned(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        fleet: desired.fleet.to_string(),
        manifest: Manifest { path: manifest.manifest.clone(), digest: desired.digest.clone() },
        observed_at: observed.at,
        basis,
        complete: observed.gaps.is_empty(),
        gaps: observed.gaps.clone(),
        warnings: observed.warnings.clone(),
        conditions: observed.conditions.iter().map(ConditionEntry::of).collect(),
        halted: observed.halted.as_ref().map(HaltEntry::of),
        resource_changes: names.into_iter().map(change).collect(),
        server_change: plan.server.as_ref().map(|change| ServerEntry {
            actions: vec![if matches!(change, ServerChange::Close(_)) { Act::Delete } else { Act::Update }],
            paths: match change {
                ServerChange::Set { fields, .. } => fields.iter().map(|field| field.path.clone()).collect(),
                ServerChange::Close(_) => Vec::new(),
            },
            why: change.to_string(),
        }),
        held: held.collect(),
        blocked: blocked.collect(),
        guards: guards.collect(),
        rounds: rounds::rounds(to_come),
        summary: counts(view),
    }
}

fn counts(view: &PlanView<'_>) -> Summary {
    let summary::Counts { spawn, replace, restart, amend, stop, deliver, adopt, forget, starting, held, blocked } =
        summary::counts(view.plan);
    Summary { spawn, replace, restart, amend, stop, deliver, adopt, forget, starting, held, blocked, rest: view.plan.at_rest }
}

fn resource(name: &AgentName, change: Option<&Change>, declared: Option<&Declared>, sighting: &Sighting, now: Timestamp) -> ResourceChange {
    let costs = change.and_then(|change| interrupted(change, sighting, now));
    let known = sighting.spec.as_ref().map(|spec| canonical_digest(&spec.launch));
    ResourceChange {
        address: name.to_string(),
        sort: "agent".to_owned(),
        name: name.to_string(),
        kind: change.map(|change| change.kind),
        change: ChangeEntry {
            actions: change.map_or(&[Act::NoOp][..], actions).to_vec(),
            before: before(change, sighting),
            after: after(change, declared),
            before_sensitive: Map::new(),
            after_sensitive: Map::new(),
            replace_paths: change.map(|change| replace_paths(change, sighting.spec.as_ref(), declared)).unwrap_or_default(),
        },
        action_reason: change.map(|change| CauseReason::of(&change.cause)),
        cause: change.map(cause_in_short),
        why: change.map(Change::why),
        source: declared.map(|declared| Source { file: declared.source.file.to_string(), line: declared.source.line }),
        deliveries: change.map(|change| deliveries(change, Some(sighting)).map(delivery).collect()).unwrap_or_default(),
        interrupts: costs.map(|(up, attached)| Interrupts { uptime_s: up.map(Duration::as_secs), busy: sighting.is_busy(), attached }),
        next: change.map(|change| NextStep::of(&change.next)),
        wait: change.and_then(|change| match &change.next {
            Next::Wait(wait) => Some(WaitEntry::of(wait)),
            Next::Act(_) | Next::Held(_) | Next::Blocked(_) => None,
        }),
        precondition: Precondition {
            generation: sighting.generation.0,
            pid: sighting.instance.as_ref().and_then(|instance| instance.program.as_ref()).map(|program| program.pid),
            launch_digest: sighting.digest.as_ref().or(known.as_ref()).map(ToString::to_string),
        },
    }
}

fn delivery(note: &Note) -> Delivery {
    Delivery { id: note.id.clone(), source: note.source.display().to_string(), bytes: note.bytes }
}

fn actions(change: &Change) -> &'static [Act] {
    if class(change) == Class::Starting {
        return &[Act::NoOp];
    }
    match change.kind {
        Kind::Spawn | Kind::Restart => &[Act::Create],
        Kind::Replace => &[Act::Delete, Act::Create],
        Kind::Amend | Kind::Deliver | Kind::Adopt => &[Act::Update],
        Kind::Stop => &[Act::Delete],
        Kind::Forget => &[Act::Forget],
    }
}

fn before(change: Option<&Change>, sighting: &Sighting) -> Option<Map<String, Value>> {
    let creates = change.is_some_and(|change| actions(change) == [Act::Create]);
    sighting.spec.as_ref().filter(|_| !creates).map(effective)
}

fn after(change: Option<&Change>, declared: Option<&Declared>) -> Option<Map<String, Value>> {
    let ends = change.is_some_and(|change| matches!(change.kind, Kind::Stop | Kind::Forget));
    declared.filter(|_| !ends).map(|declared| effective(&declared.spec))
}

/// The paths of launch fields among those that differ.
fn replace_paths(change: &Change, before: Option<&AgentSpec>, declared: Option<&Declared>) -> Vec<Vec<Value>> {
    if change.kind != Kind::Replace {
        return Vec::new();
    }
    let specs = [before, declared.map(|declared| &declared.spec)];
    let launch: Vec<Map<String, Value>> = specs.into_iter().flatten().map(|spec| launch_fields(&spec.launch)).collect();
    let is_launch = |path: &[Value]| {
        let name = path.first().and_then(Value::as_str);
        name.is_some_and(|name| launch.iter().any(|fields| fields.contains_key(name)))
    };
    change.fields.iter().filter(|field| is_launch(&field.path)).map(|field| field.path.clone()).collect()
}
