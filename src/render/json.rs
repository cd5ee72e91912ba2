//! What programs read: documents with a stable form, their schemas, and how they are written.
//!
//! Documents of a later version have more fields; those of this one keep their names and meaning.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;

use super::text::is_unsafe;

mod condition;
mod error;
mod event;
mod plan;
mod simulation;
mod status;
mod words;

pub use crate::event::ErrorCode;
pub use condition::{ConditionEntry, ConditionKind};
pub use error::{ErrorDocument, ErrorEntry, error_schema};
pub use event::{entry_line, event_line, event_schema};
pub use plan::{
    BlockedEntry, ChangeEntry, Delivery, GuardEntry, HeldEntry, Interrupts, Manifest, PlanDocument, Precondition, ResourceChange,
    ServerEntry, Source, Summary, WaitEntry, plan_document, plan_schema,
};
pub use simulation::{Fared, SimulationDocument, simulation_document};
pub use status::{AgentStatus, Blocker, Doing, ExitStatus, Hold, State, StatusDocument, StrangerEntry, status_document, status_schema};
pub use words::{Act, CauseReason, NextStep, Runtime};

/// The version of the form of all documents: the first number changes when something is taken away or means something else.
pub const FORMAT_VERSION: &str = "1.0";

/// A document over several lines, with a newline at its end.
pub fn pretty(document: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(document).expect("documents have string keys only");
    format!("{}\n", harmless(&text))
}

/// A document on one line, with a newline at its end.
pub fn compact(document: &impl Serialize) -> String {
    let text = serde_json::to_string(document).expect("documents have string keys only");
    format!("{}\n", harmless(&text))
}

/// JSON escapes the old control characters only; a terminal obeys more than those. All others can stand in strings only, where they have a number.
fn harmless(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) && character != '\n' {
            let mut units = [0; 2];
            character.encode_utf16(&mut units).iter().for_each(|unit| safe.push_str(&format!("\\u{unit:04x}")));
        } else {
            safe.push(character);
        }
    }
    safe
}

fn schema_of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}
