//! What serde says when a value does not fit, in words for people who know TOML and no Rust.

use std::fmt;

use serde::de;

use crate::manifest::report::Spot;
use crate::manifest::suggest;

/// What serde says when a value does not fit.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(super) message: String,
    pub(super) hint: Option<String>,
    pub(super) spot: Option<Spot>,
    /// The innermost entry that can be left out so that the rest may be read.
    pub(super) culprit: Option<usize>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl de::Error for Refusal {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), hint: None, spot: None, culprit: None }
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("expected {}, found {}", plain_words(expected), plain_kind(found)))
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(found: &str, expected: &'static [&'static str]) -> Self {
        let choices = suggest::list(expected.iter().copied());
        let mut refusal = Self::custom(format_args!("`{}` is not one of {choices}", found.escape_debug()));
        refusal.hint = suggest::did_you_mean(found, expected.iter().copied());
        refusal
    }
}

/// What serde's own types expect, in words that a newcomer to Rust knows too.
fn plain_words(expected: &dyn de::Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "u8" | "u16" | "u32" | "u64" => "a whole number, 0 or more".to_owned(),
        "i8" | "i16" | "i32" | "i64" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a borrowed string" => "a string".to_owned(),
        "a sequence" => "an array".to_owned(),
        "a map" => "a table".to_owned(),
        _ => text,
    }
}

fn plain_kind(found: de::Unexpected<'_>) -> String {
    match found {
        de::Unexpected::Map => "a table".to_owned(),
        de::Unexpected::Seq => "an array".to_owned(),
        de::Unexpected::Bool(value) => format!("{value}"),
        de::Unexpected::Signed(value) => format!("the number {value}"),
        de::Unexpected::Unsigned(value) => format!("the number {value}"),
        de::Unexpected::Float(value) => format!("the number {value}"),
        de::Unexpected::Str(value) => format!("the string {value:?}"),
        de::Unexpected::Other(what) => what.to_owned(),
        de::Unexpected::Char(_)
        | de::Unexpected::Bytes(_)
        | de::Unexpected::Unit
        | de::Unexpected::Option
        | de::Unexpected::NewtypeStruct
        | de::Unexpected::Enum
        | de::Unexpected::UnitVariant
        | de::Unexpected::NewtypeVariant
        | de::Unexpected::TupleVariant
        | de::Unexpected::StructVariant => found.to_string(),
    }
}
