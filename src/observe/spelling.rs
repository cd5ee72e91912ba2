//! Paths that are spelled otherwise than they were and mean the same place, as where a folder is reached by a link: they are no change.
//!
//! Equal spelling is no change either, wherever a link on the way leads now. What marks and digests say stays as it is.

use std::path::Path;

use serde_json::{Map, Value};

use super::{AgentSpec, Host};

/// Spells the paths of a spec as the declared one does, wherever both mean the same place.
pub(super) fn respell(spec: &mut AgentSpec, declared: &AgentSpec, host: &mut dyn Host) {
    let mut same = |one: &str, other: &str| host.is_same_place(Path::new(one), Path::new(other));
    if spec.launch != declared.launch
        && let Some(launch) = respelled(&*spec.launch, &*declared.launch, &mut same)
    {
        spec.launch = launch.into();
        spec.launch.share(&declared.launch);
    }
    if spec.care != declared.care
        && let Some(care) = respelled(&*spec.care, &*declared.care, &mut same)
    {
        spec.care = care.into();
        spec.care.share(&declared.care);
    }
}

type Same<'a> = dyn FnMut(&str, &str) -> bool + 'a;

/// None if nothing is to be spelled otherwise.
fn respelled<T: serde::Serialize + serde::de::DeserializeOwned>(before: &T, after: &T, same: &mut Same<'_>) -> Option<T> {
    let (before, after) = (serde_json::to_value(before).ok()?, serde_json::to_value(after).ok()?);
    let new = value(&before, &after, same);
    if new == before { None } else { serde_json::from_value(new).ok() }
}

fn value(before: &Value, after: &Value, same: &mut Same<'_>) -> Value {
    match (before, after) {
        (Value::String(one), Value::String(other)) if is_one(one, other, same) => after.clone(),
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            one.iter().zip(other).map(|(one, other)| value(one, other, same)).collect()
        }
        (Value::Object(one), Value::Object(other)) => Value::Object(object(one, other, same)),
        (before, _) => before.clone(),
    }
}

fn object(before: &Map<String, Value>, after: &Map<String, Value>, same: &mut Same<'_>) -> Map<String, Value> {
    let mut new = Map::new();
    for (key, inner) in before {
        // Keys can be paths too.
        let there =
            after.get_key_value(key).or_else(|| after.iter().find(|(other, _)| !before.contains_key(*other) && is_one(key, other, same)));
        match there {
            Some((spelled, other)) => new.insert(spelled.clone(), value(inner, other, same)),
            None => new.insert(key.clone(), inner.clone()),
        };
    }
    new
}

fn is_one(one: &str, other: &str, same: &mut Same<'_>) -> bool {
    one != other && one.starts_with('/') && other.starts_with('/') && same(one, other)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_means_the_same_place_is_spelled_as_declared() {
        let mut same = |one: &str, other: &str| one.replace("/link/", "/real/") == other.replace("/link/", "/real/");
        let before = json!({"cwd": "/link/a", "argv": ["run", "/link/b", "/link/c"], "files": {"/link/x": "1", "/y": "2"}, "n": 1});
        let after = json!({"cwd": "/real/a", "argv": ["run", "/real/b", "/other/c"], "files": {"/real/x": "1", "/z": "2"}, "n": 2});
        let expected = json!({"cwd": "/real/a", "argv": ["run", "/real/b", "/link/c"], "files": {"/real/x": "1", "/y": "2"}, "n": 1});
        assert_eq!(value(&before, &after, &mut same), expected);
    }
}
