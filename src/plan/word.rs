//! Any of the reasons as one word, for events, errors and the files of runs: one list fits them all.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{HoldReason, Reason, WaitReason};
use crate::observed::DrainOutcome;

/// Why something is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Word {
    /// What a change waits for.
    Waits(WaitReason),
    /// What holds a change.
    Held(HoldReason),
    /// Why it needs a person.
    Blocked(Reason),
    /// What came of asking for an end.
    Ended(DrainOutcome),
}

impl Word {
    /// That an agent was not ready in time.
    pub const NOT_READY: Self = Self::Blocked(Reason::NotReady);

    /// That an agent failed: it ended by itself, and that was no success.
    pub const FAILED: Self = Self::Blocked(Reason::Failed);

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waits(reason) => reason.as_str(),
            Self::Held(reason) => reason.as_str(),
            Self::Blocked(reason) => reason.as_str(),
            Self::Ended(outcome) => outcome.as_str(),
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        let waits = WaitReason::ALL.iter().copied().map(Self::Waits);
        let held = HoldReason::ALL.iter().copied().map(Self::Held);
        let ended = DrainOutcome::ALL.iter().copied().map(Self::Ended);
        waits.chain(held).chain(Reason::ALL.iter().copied().map(Self::Blocked)).chain(ended)
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
        Self::all().find(|word| word.as_str() == text).ok_or_else(|| de::Error::custom(format!("`{text}` is no reason")))
    }
}

impl JsonSchema for Word {
    fn schema_name() -> Cow<'static, str> {
        "AnyReason".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let waits = generator.subschema_for::<WaitReason>();
        let (held, blocked) = (generator.subschema_for::<HoldReason>(), generator.subschema_for::<Reason>());
        let ended = generator.subschema_for::<DrainOutcome>();
        json_schema!({ "anyOf": [waits, held, blocked, ended] })
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
