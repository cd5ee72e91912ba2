//! Values that may be written in more than one way, and values that are text with a form of their own.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::file::{Folders, Heartbeat, Hook, Milestones};
use super::read::At;
use crate::desired::{self, Limit};

/// A value with several forms: what is expected, and how each form is read.
macro_rules! forms {
    ($type:ident<$a:lifetime>, $expecting:literal, table $table:literal $fields:tt, { $($method:item)* }) => {
        impl<'de: $a, $a> Deserialize<'de> for $type<$a> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Forms<$a>(std::marker::PhantomData<&$a ()>);
                impl<'de: $a, $a> Visitor<'de> for Forms<$a> {
                    type Value = $type<$a>;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }
                    $($method)*
                }
                // The keys count where the value is a table; every other form is read as it stands.
                deserializer.deserialize_struct($table, &$fields, Forms(std::marker::PhantomData))
            }
        }
    };
    ($type:ident<$a:lifetime>, $expecting:literal, { $($method:item)* }) => {
        impl<'de: $a, $a> Deserialize<'de> for $type<$a> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Forms<$a>(std::marker::PhantomData<&$a ()>);
                impl<'de: $a, $a> Visitor<'de> for Forms<$a> {
                    type Value = $type<$a>;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }
                    $($method)*
                }
                deserializer.deserialize_any(Forms(std::marker::PhantomData))
            }
        }
    };
}

macro_rules! schema_of {
    ($type:ty, $name:literal, |$generator:ident| $schema:expr) => {
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

/// A text, a whole number, or true or false, where text is meant in the end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scalar<'a> {
    Text(&'a str),
    Number(i64),
    Flag(bool),
}

forms!(Scalar<'a>, "a string, a whole number, or true or false", {
    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(text))
    }
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(number))
    }
    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Flag(flag))
    }
});
schema_of!(Scalar<'_>, "Scalar", |_generator| json_schema!({ "type": ["string", "integer", "boolean"] }));

/// The value of a variable: written here, or taken from the environment.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Variable<'a> {
    Here(Scalar<'a>),
    Env(At<&'a str>),
}

forms!(Variable<'a>, "a string, a whole number, true or false, or { env = \"NAME\" }", table "Variable" ["env"], {
    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Variable::Here(Scalar::Text(text)))
    }
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Variable::Here(Scalar::Number(number)))
    }
    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Variable::Here(Scalar::Flag(flag)))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let table = FromEnvironment::deserialize(MapAccessDeserializer::new(map))?;
        table.env.map(Variable::Env).ok_or_else(|| de::Error::custom("a variable is a value, or { env = \"NAME\" }"))
    }
});
schema_of!(Variable<'_>, "Variable", |generator| {
    let table = generator.subschema_for::<FromEnvironment<'static>>();
    json_schema!({ "anyOf": [{ "type": ["string", "integer", "boolean"] }, table] })
});

/// A value from the environment that the tool runs in.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table", bound(deserialize = "'de: 'a"))]
struct FromEnvironment<'a> {
    /// The name of the variable.
    #[schemars(required)]
    env: Option<At<&'a str>>,
}

/// A program with its arguments, or a line for `sh -c`.
#[derive(Clone, Debug)]
pub(crate) enum Argv<'a> {
    Words(Vec<At<&'a str>>),
    Line(&'a str),
}

forms!(Argv<'a>, "an array of words such as [\"claude\", \"--continue\"], or a string for `sh -c`", {
    fn visit_borrowed_str<E: de::Error>(self, line: &'de str) -> Result<Self::Value, E> {
        Ok(Argv::Line(line))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, words: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(words)).map(Argv::Words)
    }
});
schema_of!(Argv<'_>, "Argv", |_generator| json_schema!({
    "anyOf": [{ "type": "string", "minLength": 1 }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }],
}));

/// A word for a whole set of variables, or their names.
#[derive(Clone, Debug)]
pub(crate) enum FlagOrNames<'a> {
    Word(&'a str),
    Names(Vec<At<&'a str>>),
}

forms!(FlagOrNames<'a>, "\"minimal\", \"all\", \"none\", or an array of names and globs", {
    fn visit_borrowed_str<E: de::Error>(self, word: &'de str) -> Result<Self::Value, E> {
        match word {
            "minimal" | "all" | "none" => Ok(FlagOrNames::Word(word)),
            _ => Err(E::unknown_variant(word, &["minimal", "all", "none"])),
        }
    }
    fn visit_seq<A: SeqAccess<'de>>(self, names: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(names)).map(FlagOrNames::Names)
    }
});
schema_of!(FlagOrNames<'_>, "FlagOrNames", |_generator| json_schema!({
    "anyOf": [{ "enum": ["minimal", "all", "none"] }, { "type": "array", "items": { "type": "string", "minLength": 1 } }],
}));

/// One name, or several.
#[derive(Clone, Debug)]
pub(crate) enum NameOrNames<'a> {
    Name(&'a str),
    Names(Vec<At<&'a str>>),
}

forms!(NameOrNames<'a>, "a name, or an array of names", {
    fn visit_borrowed_str<E: de::Error>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(NameOrNames::Name(name))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, names: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(names)).map(NameOrNames::Names)
    }
});
schema_of!(NameOrNames<'_>, "NameOrNames", |_generator| json_schema!({
    "anyOf": [{ "type": "string", "minLength": 1 }, { "type": "array", "items": { "type": "string", "minLength": 1 } }],
}));

/// Whom to wait for: names, or names with what to wait for.
#[derive(Debug)]
pub(crate) enum After<'a> {
    Names(Vec<At<&'a str>>),
    Milestones(Milestones<'a>),
}

forms!(After<'a>, "an array of names, or a table such as { lead = \"ready\" }", {
    fn visit_seq<A: SeqAccess<'de>>(self, names: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(names)).map(After::Names)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Milestones::deserialize(MapAccessDeserializer::new(map)).map(After::Milestones)
    }
});
schema_of!(After<'_>, "After", |generator| {
    let table = generator.subschema_for::<Milestones<'static>>();
    json_schema!({ "anyOf": [{ "type": "array", "items": { "type": "string", "minLength": 1 } }, table] })
});

/// A command at a turn of an agent's life.
#[derive(Debug)]
pub(crate) enum HookForms<'a> {
    Words(Vec<At<&'a str>>),
    Table(Hook<'a>),
}

forms!(HookForms<'a>, "an array of words, or a table with `command`", table "Hook" ["command", "timeout", "on_fail"], {
    fn visit_seq<A: SeqAccess<'de>>(self, words: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(words)).map(HookForms::Words)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Hook::deserialize(MapAccessDeserializer::new(map)).map(HookForms::Table)
    }
});
schema_of!(HookForms<'_>, "HookForms", |generator| {
    let table = generator.subschema_for::<Hook<'static>>();
    json_schema!({ "anyOf": [{ "type": "array", "items": { "type": "string" }, "minItems": 1 }, table] })
});

/// What to make copies for.
#[derive(Debug)]
pub(crate) enum ForEach<'a> {
    List(Vec<At<&'a str>>),
    Folders(Folders<'a>),
}

forms!(ForEach<'a>, "an array of words, or a table with `dirs` or `file`", table "Folders" ["dirs", "active_within", "activity", "keep_if", "file", "pointer"], {
    fn visit_seq<A: SeqAccess<'de>>(self, words: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(words)).map(ForEach::List)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Folders::deserialize(MapAccessDeserializer::new(map)).map(ForEach::Folders)
    }
});
schema_of!(ForEach<'_>, "ForEach", |generator| {
    let table = generator.subschema_for::<Folders<'static>>();
    let name = generator.subschema_for::<crate::schema::NameText>();
    json_schema!({ "anyOf": [{ "type": "array", "items": name }, table] })
});

/// A file that is a probe, or what a silence leads to.
#[derive(Debug)]
pub(crate) enum PathOrHeartbeat<'a> {
    Path(&'a str),
    Table(Heartbeat<'a>),
}

forms!(PathOrHeartbeat<'a>, "a path, or a table such as { replace_after = \"30m\" }", table "Heartbeat" ["file", "nudge_after", "replace_after", "nudge"], {
    fn visit_borrowed_str<E: de::Error>(self, path: &'de str) -> Result<Self::Value, E> {
        Ok(PathOrHeartbeat::Path(path))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Heartbeat::deserialize(MapAccessDeserializer::new(map)).map(PathOrHeartbeat::Table)
    }
});
schema_of!(PathOrHeartbeat<'_>, "PathOrHeartbeat", |generator| {
    let table = generator.subschema_for::<Heartbeat<'static>>();
    json_schema!({ "anyOf": [{ "type": "string", "minLength": 1 }, table] })
});

/// A number of agents, or a share of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CountOrShare(pub(crate) Limit);

impl<'de> Deserialize<'de> for CountOrShare {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;
        impl Visitor<'_> for Forms {
            type Value = CountOrShare;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number such as 3, or a share such as \"30%\"")
            }
            fn visit_i64<E: de::Error>(self, count: i64) -> Result<CountOrShare, E> {
                let count = u32::try_from(count).map_err(|_| E::invalid_type(de::Unexpected::Signed(count), &self))?;
                Ok(CountOrShare(Limit::Count(count)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<CountOrShare, E> {
                text.parse().map(CountOrShare).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Forms)
    }
}
schema_of!(CountOrShare, "CountOrShare", |_generator| json_schema!({
    "anyOf": [{ "type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32 }, { "type": "string", "pattern": "^([0-9]{1,9}|([0-9]|[1-9][0-9]|100)%)$" }],
}));

/// A value written as text with a form of its own.
macro_rules! textual {
    ($type:ident) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Cow::<str>::deserialize(deserializer)?.parse().map($type).map_err(de::Error::custom)
            }
        }
    };
}

/// Columns and rows of a window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WindowSize(pub(crate) desired::Size);
textual!(WindowSize);
schema_of!(WindowSize, "WindowSize", |_generator| json_schema!({ "type": "string", "pattern": "^[0-9]{2,4}x[0-9]{1,4}$" }));

/// The permissions that new files do not get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Umask(pub(crate) desired::Umask);
textual!(Umask);
schema_of!(Umask, "Umask", |_generator| json_schema!({ "type": "string", "pattern": "^0{0,2}[0-7]{1,2}$" }));

/// A number of bytes, written `"20MiB"`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size(pub(crate) Bytes);
textual!(Size);
schema_of!(Size, "Size", |_generator| json_schema!({ "type": "string", "pattern": "^[0-9]{1,12}(B|KiB|MiB|GiB|TiB)$" }));

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) u64);

impl FromStr for Bytes {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = [("B", 0), ("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)].iter().find(|(name, _)| *name == unit);
        unit.and_then(|(_, shift)| number.parse::<u64>().ok()?.checked_mul(1 << shift))
            .map(Self)
            .ok_or_else(|| format!("`{}` is not a size: write it like \"20MiB\", with B, KiB, MiB, GiB or TiB", text.escape_debug()))
    }
}
