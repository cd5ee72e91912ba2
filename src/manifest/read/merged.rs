//! Tables on top of each other, and their entries as one table. Reads no values.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::manifest::report::Spot;

/// One of the tables that lie on top of each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer<'a> {
    /// Which file it is in, by its number.
    pub(crate) file: u32,
    /// Whether it belongs to `[defaults]`.
    pub(crate) defaults: bool,
    /// The table, or a value in it.
    pub(crate) value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Layer<'a> {
    /// The table in it, if it is one.
    pub(crate) fn table(&self) -> Option<&'a DeTable<'a>> {
        if let DeValue::Table(table) = self.value.get_ref() { Some(table) } else { None }
    }

    /// Where its value is written.
    pub(crate) fn spot(&self) -> Spot {
        Spot::new(self.file, self.defaults, &self.value.span())
    }

    pub(super) fn key_spot(&self, key: &Spanned<std::borrow::Cow<'_, str>>) -> Spot {
        Spot::new(self.file, self.defaults, &key.span())
    }

    pub(super) fn identity(&self) -> usize {
        std::ptr::from_ref(self.value) as usize
    }
}

/// Groups of keys of which a table has one: a higher layer that uses another group hides a lower layer's.
pub(crate) type Alternatives = &'static [&'static [&'static str]];

/// An entry of tables that lie on top of each other: the value of the highest, and what lies below it if all are tables.
pub(crate) struct Entry<'a> {
    pub(crate) key: &'a Spanned<std::borrow::Cow<'a, str>>,
    pub(crate) layer: Layer<'a>,
    pub(crate) below: Vec<Layer<'a>>,
}

type Keys<'a> =
    std::iter::Peekable<<&'a toml::map::Map<Spanned<std::borrow::Cow<'a, str>>, Spanned<DeValue<'a>>> as IntoIterator>::IntoIter>;

/// The entries of tables that lie on top of each other, in the order of their keys.
pub(crate) struct Merged<'a> {
    top: Option<(Layer<'a>, Keys<'a>)>,
    /// The tables below, if their keys count too.
    more: Vec<(Layer<'a>, Keys<'a>)>,
    /// The tables below, if only what they have under the same keys counts.
    under: Vec<Layer<'a>>,
    alternatives: Alternatives,
}

fn keys<'a>(layer: Layer<'a>) -> Option<(Layer<'a>, Keys<'a>)> {
    layer.table().map(|table| (layer, table.iter().peekable()))
}

impl<'a> Merged<'a> {
    /// The entries of these tables, highest first; below the first that is no table, nothing counts.
    pub(crate) fn new(top: Layer<'a>, below: &[Layer<'a>], alternatives: Alternatives) -> Self {
        let more = if below.is_empty() { Vec::new() } else { below.iter().map_while(|layer| keys(*layer)).collect() };
        Self { top: keys(top), more, under: Vec::new(), alternatives }
    }

    /// The entries of the highest table only.
    pub(super) fn of_top(top: Layer<'a>, below: Vec<Layer<'a>>) -> Self {
        Self { top: keys(top), more: Vec::new(), under: below, alternatives: &[] }
    }

    /// Whether one of the tables above uses another alternative than this key belongs to.
    fn is_hidden(&self, key: &str, above: usize) -> bool {
        let Some(own) = self.alternatives.iter().position(|group| group.contains(&key)) else { return false };
        let others = || self.alternatives.iter().enumerate().filter(|(group, _)| *group != own).flat_map(|(_, keys)| keys.iter());
        let tables = self.top.iter().chain(&self.more).take(above);
        tables.filter_map(|(layer, _)| layer.table()).any(|table| others().any(|key| table.contains_key(*key)))
    }

    /// The next entry of the highest table, with what lies below it.
    fn next_of_top(&mut self) -> Option<Entry<'a>> {
        let (layer, keys) = self.top.as_mut()?;
        let (key, value) = keys.next()?;
        let layer = Layer { value, ..*layer };
        let mut below = Vec::new();
        if !self.under.is_empty() && layer.table().is_some() {
            let key = key.get_ref().as_ref();
            for under in &self.under {
                let Some(value) = under.table().and_then(|table| table.get(key)) else { continue };
                let under = Layer { value, ..*under };
                if under.table().is_none() {
                    break;
                }
                below.push(under);
            }
        }
        Some(Entry { key, layer, below })
    }
}

impl<'a> Iterator for Merged<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        if self.more.is_empty() {
            return self.next_of_top();
        }
        loop {
            let tables = self.top.iter_mut().chain(&mut self.more);
            let least = tables.filter_map(|(_, keys)| keys.peek().map(|(key, _)| key.get_ref().as_ref())).min()?;
            let mut found: Option<Entry<'a>> = None;
            for above in 0..=self.more.len() {
                let Some((layer, keys)) = self.top.iter_mut().chain(&mut self.more).nth(above) else { continue };
                let layer = *layer;
                let Some((key, value)) = keys.next_if(|(key, _)| key.get_ref().as_ref() == least) else { continue };
                if !self.alternatives.is_empty() && self.is_hidden(least, above) {
                    continue;
                }
                let layer = Layer { value, ..layer };
                match &mut found {
                    None => found = Some(Entry { key, layer, below: Vec::new() }),
                    Some(entry) => {
                        let lowest = entry.below.last().unwrap_or(&entry.layer);
                        if lowest.table().is_some() && layer.table().is_some() {
                            entry.below.push(layer);
                        }
                    }
                }
            }
            if found.is_some() {
                return found;
            }
        }
    }
}
