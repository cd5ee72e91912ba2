//! Field by field: what differs between two specs, in the words of the manifest.

use serde_json::{Map, Value};

use super::{FieldChange, ServerChange};
use crate::desired::{AgentSpec, Care, Desired, Place, Server, care_fields, launch_fields};
use crate::observed::{Observed, Phase, Seat, Sighting};

/// What differs between two specs, the launch before the care.
pub(super) fn spec(before: &AgentSpec, after: &AgentSpec) -> Vec<FieldChange> {
    let mut fields = Vec::new();
    if before.launch != after.launch {
        objects(&launch_fields(&before.launch), &launch_fields(&after.launch), &mut Vec::new(), &mut fields);
    }
    fields.extend(care(&before.care, &after.care, &after.launch.place));
    fields
}

/// What differs between two cares of an agent at this place.
pub(super) fn care(before: &Care, after: &Care, place: &Place) -> Vec<FieldChange> {
    let mut fields = Vec::new();
    if before != after {
        objects(&care_fields(before, place), &care_fields(after, place), &mut Vec::new(), &mut fields);
    }
    fields
}

/// What a server that was set up by us lacks, or that it is of no use any more.
pub(super) fn server(desired: &Desired, observed: &Observed) -> Option<ServerChange> {
    let known = observed.server.as_ref()?;
    let wanted = &desired.server;
    let declared = desired.agents.values().any(|declared| matches!(declared.spec.launch.place, Place::Tmux { .. }));
    let seated = |sighting: &Sighting| {
        let instance = sighting.instance.as_ref().is_some_and(|instance| matches!(instance.seat, Seat::Pane { .. }));
        instance || matches!(sighting.phase, Phase::Unknown { .. })
    };
    if !declared && !observed.agents.values().any(seated) {
        // A server that ran before is not ours to end.
        if observed.foreign_server {
            return None;
        }
        return Some(ServerChange::Close(known.clone()));
    }
    if known == wanted || known.socket != wanted.socket {
        return None;
    }
    let mut fields = Vec::new();
    objects(&server_fields(known), &server_fields(wanted), &mut Vec::new(), &mut fields);
    Some(ServerChange::Set { fields, after: wanted.clone() })
}

fn server_fields(server: &Server) -> Map<String, Value> {
    let Server { socket: _, config, size, options } = server;
    let mut fields = Map::new();
    fields.insert("size".to_owned(), Value::String(size.to_string()));
    if let Some(config) = config {
        fields.insert("config".to_owned(), Value::String(config.to_string_lossy().into_owned()));
    }
    fields.insert("options".to_owned(), options.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect());
    fields
}

fn objects(before: &Map<String, Value>, after: &Map<String, Value>, path: &mut Vec<Value>, found: &mut Vec<FieldChange>) {
    let mut names: Vec<&String> = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name))).collect();
    names.sort();
    // The command is what people look for first.
    names.sort_by_key(|name| !(path.is_empty() && *name == "command"));
    for name in names {
        path.push(Value::String(name.clone()));
        values(before.get(name), after.get(name), path, found);
        path.pop();
    }
}

fn values(before: Option<&Value>, after: Option<&Value>, path: &mut Vec<Value>, found: &mut Vec<FieldChange>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => objects(before, after, path, found),
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            for place in 0..before.len().max(after.len()) {
                path.push(Value::from(place));
                values(before.get(place), after.get(place), path, found);
                path.pop();
            }
        }
        (before, after) => found.push(FieldChange { path: path.clone(), before: before.cloned(), after: after.cloned() }),
    }
}
