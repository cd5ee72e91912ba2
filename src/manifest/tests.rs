//! Manifests against what comes of them: diagnostics, or the effective agents.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use super::*;
use crate::desired::effective;

/// What comes of a manifest, as text: a line per diagnostic, or the agents without what is default.
fn outcome(world: &Memory, vars: &[(&str, &str)]) -> String {
    let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let loaded = load("constellation.toml", world, &vars);
    let mut text = String::new();
    for diagnostic in &loaded.diagnostics {
        let Diagnostic { severity, message, spans, hint } = diagnostic;
        let places = spans.iter().map(|span| {
            let source = &loaded.texts[&span.file];
            let line = source[..span.bytes.start].matches('\n').count() + 1;
            let file = if span.file.as_ref() == "constellation.toml" { "" } else { span.file.as_ref() };
            let label = if span.label.is_empty() { String::new() } else { format!(" ({})", span.label) };
            format!("{file}{line} «{}»{label}", source[span.bytes.clone()].replace('\n', "⏎"))
        });
        writeln!(text, "{severity:?} {}: {message}", places.collect::<Vec<_>>().join(", ")).unwrap();
        if let Some(hint) = hint {
            writeln!(text, "  hint: {hint}").unwrap();
        }
    }
    let has_errors = loaded.diagnostics.iter().any(|diagnostic| diagnostic.severity == crate::diagnostic::Severity::Error);
    assert_eq!(loaded.desired.is_none(), has_errors, "no fleet exactly where there are errors");
    for (name, agent) in loaded.desired.iter().flat_map(|desired| &desired.agents) {
        write!(text, "{name}").unwrap();
        let place = agent.spec.launch.place.clone();
        let is_default = |key: &str, value: &Value| default_field(&place, name.as_str(), key).as_ref() == Some(value);
        {
            let fields = effective(&agent.spec);
            for (key, value) in fields.iter().filter(|(key, value)| !is_default(key, value)) {
                write!(text, " {key}={value}").unwrap();
            }
        }
        if let Some(old) = &agent.renamed_from {
            write!(text, " renamed_from={old}").unwrap();
        }
        text.push('\n');
    }
    text
}

fn default_field(place: &crate::desired::Place, name: &str, key: &str) -> Option<Value> {
    let runtime = match place {
        crate::desired::Place::Tmux { .. } => "",
        crate::desired::Place::Daemon { .. } => "runtime = \"daemon\"",
    };
    let text = format!("version = 1\nfleet = \"atlas\"\n[agents.{name}]\ncommand = [\"x\"]\n{runtime}");
    let desired = load("constellation.toml", &Memory::with_manifest(&text), &BTreeMap::new()).desired?;
    effective(&desired.agents.get(name)?.spec).get(key).filter(|_| key != "command").cloned()
}

/// The outcome of a manifest after the two lines that every manifest has.
fn check(manifest: &str) -> String {
    outcome(&Memory::with_manifest(&format!("version = 1\nfleet = \"atlas\"\n{manifest}")), &[])
}

mod checks;
mod copies;
mod layers;
mod live;
mod origins;
mod references;
mod shape;
mod strangers;
