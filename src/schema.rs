//! JSON Schemas of what people and programs write and read.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::manifest::file;

/// The name of a fleet, agent, session or template.
pub(crate) struct Name;

impl JsonSchema for Name {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$" })
    }
}

/// A name with variables in it.
pub(crate) struct NameText;

impl JsonSchema for NameText {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "NameText".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^([a-z0-9]|\$\{[^}]+\})([a-z0-9_-]|\$\{[^}]+\})*$" })
    }
}

/// A table whose keys are names.
pub(crate) struct Named<T>(std::marker::PhantomData<T>);

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("Named_{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        json_schema!({ "type": "object", "propertyNames": { "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$" }, "additionalProperties": value })
    }
}

/// Defines a kind of table as an agent without some of its keys.
macro_rules! part_of_agent {
    ($type:ident, $name:literal, $description:literal, without $without:expr) => {
        #[doc = $description]
        pub(crate) struct $type;

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let mut schema = file::Agent::json_schema(generator);
                if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
                    properties.retain(|key, _| !$without.contains(&key.as_str()));
                }
                schema.insert("description".to_owned(), $description.into());
                schema
            }
        }
    };
}

part_of_agent!(Agent, "Agent", "One long-lived program under care.", without["extends"]);
part_of_agent!(Template, "Template", "Fields of the agents that name it.", without["template"]);
part_of_agent!(Defaults, "Defaults", "Fields of every agent that has no others.", without ["template", "extends"]);

/// The JSON Schema of a manifest.
pub fn manifest() -> Value {
    let generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let mut schema = Value::from(generator.into_root_schema_for::<file::Manifest>());
    strict(&mut schema);
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".to_owned(), "Manifest of reconcile".into());
    }
    if let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
        for (name, alternatives) in file::EXCLUSIVE {
            if let Some(definition) = definitions.get_mut(*name) {
                exclude(definition, alternatives);
            }
        }
        for (name, keys) in file::ONE_OF {
            if let Some(definition) = definitions.get_mut(*name).and_then(Value::as_object_mut) {
                let required = keys.iter().map(|key| json!({ "required": [key] })).collect();
                definition.insert("oneOf".to_owned(), required);
            }
        }
        if let Some(step) = definitions.get_mut("DrainStep").and_then(Value::as_object_mut) {
            step.insert("dependentRequired".to_owned(), json!({ "to": ["signal"] }));
        }
    }
    schema
}

/// Takes out what TOML does not have, and lets `x-…` into every table.
fn strict(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Array(types)) = fields.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    fields.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(forms)) = fields.get_mut("anyOf") {
                forms.retain(|form| form.get("type").is_none_or(|kind| kind != "null"));
                // What is left of an optional type is the type itself.
                if let [Value::Object(only)] = forms.as_slice() {
                    let only = only.clone();
                    fields.remove("anyOf");
                    only.into_iter().for_each(|(key, value)| {
                        fields.entry(key).or_insert(value);
                    });
                }
            }
            // Editors show the default of a table that is left out as `null`.
            if fields.get("default") == Some(&Value::Null) {
                fields.remove("default");
            }
            if fields.get("additionalProperties") == Some(&Value::Bool(false)) {
                fields.insert("patternProperties".to_owned(), json!({ "^x-": true }));
            }
            fields.values_mut().for_each(strict);
        }
        Value::Array(items) => items.iter_mut().for_each(strict),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Says that a table has keys of at most one of these groups.
fn exclude(definition: &mut Value, groups: &[&[&str]]) {
    let any_of = |keys: &[&str]| json!({ "anyOf": keys.iter().map(|key| json!({ "required": [key] })).collect::<Vec<_>>() });
    let mut rules = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        let others: Vec<&str> = groups[number + 1..].iter().flat_map(|group| group.iter().copied()).collect();
        if !others.is_empty() {
            rules.push(json!({ "not": { "allOf": [any_of(group), any_of(&others)] } }));
        }
    }
    if let Some(fields) = definition.as_object_mut() {
        fields.insert("allOf".to_owned(), rules.into());
    }
}
