//! The reason of an event as one word. The words are those of the plan, so that one list fits plans, statuses and events.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::plan::{HoldReason, Reason};

/// Why something is as an event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Word {
    /// What holds a change.
    Held(HoldReason),
    /// Why it needs a person.
    Blocked(Reason),
}

impl Word {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held(reason) => reason.as_str(),
            Self::Blocked(reason) => reason.as_str(),
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        let held = HoldReason::ALL.iter().copied().map(Self::Held);
        held.chain(Reason::ALL.iter().copied().map(Self::Blocked))
    }
}

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::all().find(|word| word.as_str() == text).ok_or_else(|| de::Error::custom(format!("`{text}` is not a reason of an event")))
    }
}

impl JsonSchema for Word {
    fn schema_name() -> Cow<'static, str> {
        "EventReason".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (held, blocked) = (generator.subschema_for::<HoldReason>(), generator.subschema_for::<Reason>());
        json_schema!({ "anyOf": [held, blocked] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_read_as_what_was_written() {
        let mut seen = std::collections::BTreeSet::new();
        for word in Word::all() {
            let text = serde_json::to_string(&word).unwrap();
            assert_eq!(serde_json::from_str::<Word>(&text).unwrap(), word);
            assert!(seen.insert(text), "{word:?} is the word of another fact too");
        }
        assert!(serde_json::from_str::<Word>(r#""gave_up""#).is_err());
    }
}
