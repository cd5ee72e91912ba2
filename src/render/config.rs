//! The effective manifest, and where its fields come from.

use serde_json::{Map, Value, json};

use super::text::{columns, is_unsafe, line, plain};
use crate::desired::{Desired, effective};
use crate::manifest::Origin;

/// The effective manifest as JSON.
pub fn config_document(desired: &Desired) -> Value {
    let agents: Map<String, Value> =
        desired.agents.iter().map(|(name, declared)| (name.to_string(), Value::Object(effective(&declared.spec)))).collect();
    json!({ "version": 1, "fleet": desired.fleet, "tmux": desired.server, "strangers": { "match": desired.strangers }, "agents": agents })
}

/// The effective manifest as TOML, for people: paths and defaults are written out, so it is no manifest to keep.
///
/// # Errors
///
/// If a value has no form in TOML.
pub fn config_toml(desired: &Desired) -> anyhow::Result<String> {
    fn without_null(value: Value) -> Option<Value> {
        match value {
            Value::Null => None,
            Value::Object(fields) => {
                Some(Value::Object(fields.into_iter().filter_map(|(name, value)| Some((name, without_null(value)?))).collect()))
            }
            Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(value),
        }
    }
    Ok(escaped(&toml::to_string(&without_null(config_document(desired)))?))
}

/// A text of TOML or JSON in which what a terminal would obey or hide is written by its number.
fn escaped(text: &str) -> String {
    let written = |letter: char| match letter {
        '\n' | '\t' => letter.to_string(),
        letter if is_unsafe(letter) => format!("\\u{:04X}", u32::from(letter)),
        letter => letter.to_string(),
    };
    text.chars().map(written).collect()
}

/// Where the fields of an agent come from, as JSON.
pub fn origins_document(origins: &[Origin]) -> Value {
    let one = |Origin { field, file, line, layer }: &Origin| json!({ "field": field, "file": file, "line": line, "layer": layer });
    origins.iter().map(one).collect()
}

/// Where the fields of an agent come from, a line each.
pub fn origins(origins: &[Origin]) -> String {
    let width = origins.iter().map(|origin| columns(&origin.field)).max().unwrap_or(0);
    let mut out = String::new();
    for Origin { field, file, line: at, layer } in origins {
        line(&format!("{:width$}  {}:{at}  {}", plain(field), plain(file), plain(layer)), &mut out);
    }
    line("Fields that are not listed have the tool's own defaults.", &mut out);
    out
}
