//! TOML tables that lie on top of each other → serde types, every value with its place. Collects all errors instead of stopping at the first.
//!
//! Borrows from the parsed documents and copies nothing. Knows no key of the manifest: the shape is that of the types in `file`.
//! Tables merge key by key, everything else is taken from the highest layer that has it.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::de::value::{BorrowedStrDeserializer, U64Deserializer};
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use toml::Spanned;
use toml::de::DeValue;

use super::report::{Report, Spot};
use super::suggest;

mod at;
mod merged;
mod refusal;

pub(crate) use at::{At, Entries};
pub(crate) use merged::{Alternatives, Entry, Layer, Merged};

use at::AT;
use refusal::Refusal;

/// Reads tables into types and reports what does not fit.
pub(crate) struct Reader<'r> {
    report: &'r Report,
    left_out: RefCell<HashSet<usize>>,
    exclusive: &'static [(&'static str, Alternatives)],
}

impl<'r> Reader<'r> {
    /// A reader that knows which types have alternatives, by their names.
    pub(crate) fn new(report: &'r Report, exclusive: &'static [(&'static str, Alternatives)]) -> Self {
        Self { report, left_out: RefCell::default(), exclusive }
    }

    /// The tables, highest first, as a `T`. What does not fit is reported once and left out, here and in every later reading.
    pub(crate) fn read<'a, T: Deserialize<'a> + Default>(&self, layers: &[Layer<'a>]) -> T {
        self.read_as(layers, Depth::All)
    }

    /// The same, but only what the highest of the tables has itself; tables in it still merge with those below.
    pub(crate) fn read_top<'a, T: Deserialize<'a> + Default>(&self, layers: &[Layer<'a>]) -> T {
        self.read_as(layers, Depth::Top)
    }

    fn read_as<'a, T: Deserialize<'a> + Default>(&self, layers: &[Layer<'a>], depth: Depth) -> T {
        let Some((top, below)) = layers.split_first() else { return T::default() };
        // Each turn leaves out one more entry, so this ends.
        loop {
            match T::deserialize(Value { layer: *top, below: below.to_vec(), depth, reader: self }) {
                Ok(value) => return value,
                Err(refusal) => {
                    let filled = || "variables are filled in only where any text may stand".to_owned();
                    let hint = refusal.hint.or_else(|| refusal.message.contains("${").then(filled));
                    self.report.error(refusal.spot.unwrap_or(top.spot()), refusal.message, hint);
                    match refusal.culprit {
                        Some(culprit) if self.left_out.borrow_mut().insert(culprit) => {}
                        _ => return T::default(),
                    }
                }
            }
        }
    }

    /// Leaves a value out of every later reading.
    pub(crate) fn leave_out(&self, layer: Layer<'_>) {
        self.left_out.borrow_mut().insert(layer.identity());
    }

    fn is_left_out(&self, layer: Layer<'_>) -> bool {
        let left_out = self.left_out.borrow();
        !left_out.is_empty() && left_out.contains(&layer.identity())
    }

    fn alternatives(&self, type_name: &str) -> Alternatives {
        self.exclusive.iter().find(|(name, _)| *name == type_name).map_or(&[], |(_, alternatives)| alternatives)
    }
}

/// Which keys of tables that lie on top of each other are read.
#[derive(Clone, Copy)]
enum Depth {
    /// Those of all tables.
    All,
    /// Those of the highest.
    Top,
}

struct Value<'a, 'r> {
    layer: Layer<'a>,
    below: Vec<Layer<'a>>,
    depth: Depth,
    reader: &'r Reader<'r>,
}

impl<'a> Value<'a, '_> {
    /// Names the place of an error that has none yet.
    fn placed<T>(spot: Spot, result: Result<T, Refusal>) -> Result<T, Refusal> {
        result.map_err(|mut refusal| {
            refusal.spot.get_or_insert(spot);
            refusal
        })
    }

    fn visit<V: Visitor<'a>>(self, fields: Option<(&'static str, &'static [&'static str])>, visitor: V) -> Result<V::Value, Refusal> {
        let spot = self.layer.spot();
        let result = match self.layer.value.get_ref() {
            DeValue::String(text) => visitor.visit_borrowed_str(text),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => visitor.visit_i64(number),
                Err(_) => Err(de::Error::custom("this number is too large")),
            },
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => visitor.visit_f64(number),
                Err(_) => Err(de::Error::custom("this number cannot be read")),
            },
            DeValue::Boolean(value) => visitor.visit_bool(*value),
            DeValue::Datetime(_) => Err(de::Error::invalid_type(de::Unexpected::Other("a date"), &visitor)),
            DeValue::Array(items) => visitor.visit_seq(Items { items: items.iter(), layer: self.layer, reader: self.reader }),
            DeValue::Table(_) => {
                let alternatives = fields.map_or(&[][..], |(name, _)| self.reader.alternatives(name));
                let entries = match self.depth {
                    Depth::All => Merged::new(self.layer, &self.below, alternatives),
                    Depth::Top => Merged::of_top(self.layer, self.below),
                };
                visitor.visit_map(Fields { entries, fields: fields.map(|(_, fields)| fields), next: None, reader: self.reader })
            }
        };
        Self::placed(spot, result)
    }
}

impl<'de> Deserializer<'de> for Value<'de, '_> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.visit(None, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.visit(Some((name, fields)), visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, name: &'static str, _: usize, visitor: V) -> Result<V::Value, Refusal> {
        if name == AT {
            let spot = self.layer.spot();
            Self::placed(spot, visitor.visit_seq(Placed { spot: spot.pack(), step: 0, value: Some(self) }))
        } else {
            self.visit(None, visitor)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let spot = self.layer.spot();
        let result = if let DeValue::String(text) = self.layer.value.get_ref() {
            visitor.visit_enum(BorrowedStrDeserializer::new(text))
        } else {
            let expected = format!("one of {}", suggest::list(variants.iter().copied()));
            self.visit(None, Nothing(expected)).and(Err(de::Error::custom("expected a word")))
        };
        Self::placed(spot, result)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple map identifier
    }
}

/// A visitor that takes nothing, to say in the usual words what was expected.
struct Nothing(String);

impl Visitor<'_> for Nothing {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The two numbers of a place, then the value.
struct Placed<D> {
    spot: [u64; 2],
    step: usize,
    value: Option<D>,
}

impl<'de, D: Deserializer<'de, Error = Refusal>> SeqAccess<'de> for Placed<D> {
    type Error = Refusal;
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refusal> {
        self.step += 1;
        match self.spot.get(self.step - 1) {
            Some(number) => seed.deserialize(U64Deserializer::new(*number)).map(Some),
            None => self.value.take().map(|value| seed.deserialize(value)).transpose(),
        }
    }
}

struct Items<'a, 'r> {
    items: std::slice::Iter<'a, Spanned<DeValue<'a>>>,
    layer: Layer<'a>,
    reader: &'r Reader<'r>,
}

impl<'a> SeqAccess<'a> for Items<'a, '_> {
    type Error = Refusal;

    fn next_element_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>, Refusal> {
        for value in self.items.by_ref() {
            let layer = Layer { value, ..self.layer };
            if !self.reader.is_left_out(layer) {
                let item = Value { layer, below: Vec::new(), depth: Depth::All, reader: self.reader };
                return blamed(layer, seed.deserialize(item)).map(Some);
            }
        }
        Ok(None)
    }
}

struct Fields<'a, 'r> {
    entries: Merged<'a>,
    /// The keys of the type; none if they are free.
    fields: Option<&'static [&'static str]>,
    next: Option<Entry<'a>>,
    reader: &'r Reader<'r>,
}

impl<'a> MapAccess<'a> for Fields<'a, '_> {
    type Error = Refusal;

    fn next_key_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>, Refusal> {
        for entry in self.entries.by_ref() {
            let key = entry.key.get_ref().as_ref();
            if self.reader.is_left_out(entry.layer) {
                continue;
            }
            let spot = entry.layer.key_spot(entry.key);
            if let Some(fields) = self.fields
                && !fields.contains(&key)
            {
                if !key.starts_with("x-") {
                    let hint = suggest::did_you_mean(key, fields.iter().copied())
                        .or_else(|| (fields.len() <= 16).then(|| format!("known here: {}", suggest::list(fields.iter().copied()))));
                    self.reader.report.error(spot, format!("unknown key `{}`", key.escape_debug()), hint);
                    self.reader.leave_out(entry.layer);
                }
                continue;
            }
            self.next = Some(entry);
            return seed.deserialize(Key { key, spot }).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<S::Value, Refusal> {
        let Some(entry) = self.next.take() else { return Err(de::Error::custom("a key without a value")) };
        let value = Value { layer: entry.layer, below: entry.below, depth: Depth::All, reader: self.reader };
        blamed(entry.layer, seed.deserialize(value))
    }
}

/// Makes an entry the one to leave out, if no inner one is.
fn blamed<T>(layer: Layer<'_>, result: Result<T, Refusal>) -> Result<T, Refusal> {
    result.map_err(|mut refusal| {
        refusal.culprit.get_or_insert(layer.identity());
        refusal
    })
}

struct Key<'a> {
    key: &'a str,
    spot: Spot,
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_borrowed_str(self.key)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, _: usize, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_seq(Placed { spot: self.spot.pack(), step: 0, value: Some(self) })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple map identifier
        struct option newtype_struct enum ignored_any
    }
}
