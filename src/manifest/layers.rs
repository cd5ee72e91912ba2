//! What lies on top of what: an agent on its templates on the defaults, over all files. Reads no fields but `template` and `extends`.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use super::file::Agent;
use super::read::{At, Layer, Merged, Reader};
use super::report::{Report, Spot};
use super::suggest;

/// The tables of one kind, such as `agents`, by name.
pub(crate) type Tables<'a> = BTreeMap<&'a str, At<Layer<'a>>>;

/// The tables that agents are made of.
pub(crate) struct Layers<'a> {
    /// `[agents.X]`; the place is that of the name.
    pub(crate) agents: Tables<'a>,
    /// `[templates.X]`.
    pub(crate) templates: Tables<'a>,
    /// `[defaults]`, of each file that has them.
    pub(crate) defaults: Vec<Layer<'a>>,
    /// The templates and defaults in which something did not fit, by their address.
    flawed: HashSet<usize>,
    /// What was read of a template and all below it, by the template's address.
    read: RefCell<HashMap<Option<usize>, Rc<Below<'a>>>>,
}

/// The fields that an agent takes from its template, from what that extends, and from the defaults.
pub(crate) struct Below<'a> {
    pub(crate) agent: Agent<'a>,
    /// Whether something in them did not fit, and was left out.
    pub(crate) has_flaws: bool,
}

/// An agent as it is written: its own fields, and those below it.
pub(crate) struct Written<'a> {
    /// Its name under `agents`.
    pub(crate) declared: At<&'a str>,
    pub(crate) own: Agent<'a>,
    pub(crate) below: Rc<Below<'a>>,
    /// Whether something did not fit, and was left out.
    pub(crate) has_flaws: bool,
}

impl<'a> Written<'a> {
    /// A field of the highest layer that has it.
    pub(crate) fn get<'s, T>(&'s self, field: impl Fn(&'s Agent<'a>) -> &'s Option<T>) -> Option<&'s T> {
        field(&self.own).as_ref().or_else(|| field(&self.below.agent).as_ref())
    }
}

/// The tables of all files. What is declared in two of them is reported.
pub(crate) fn collect<'a>(documents: &[Layer<'a>], report: &Report) -> Layers<'a> {
    let defaults = children(documents, "defaults").map(|(_, layer)| Layer { defaults: true, ..layer }).collect();
    for table in ["tmux", "vars", "guard", "strangers", "watch", "defaults", "sessions"] {
        // The values are merged when they are read; here it is only seen that none is hidden by that.
        tables(documents, table, report);
    }
    once(documents, "fleet", report);
    once(documents, "notify", report);
    Layers {
        agents: tables(documents, "agents", report),
        templates: tables(documents, "templates", report),
        defaults,
        flawed: HashSet::new(),
        read: RefCell::default(),
    }
}

/// The value of one key of each document that has it, with the place of the key.
fn children<'a>(documents: &[Layer<'a>], key: &'static str) -> impl Iterator<Item = (Spot, Layer<'a>)> {
    documents.iter().filter_map(move |document| {
        let (key, value) = document.table()?.get_key_value(key)?;
        let layer = Layer { value, ..*document };
        Some((Spot::new(document.file, false, &key.span()), layer))
    })
}

fn once(documents: &[Layer<'_>], key: &'static str, report: &Report) {
    let mut places = children(documents, key).map(|(spot, _)| spot);
    if let Some(first) = places.next() {
        places.for_each(|spot| twice(key, spot, first, report));
    }
}

fn twice(name: &str, spot: Spot, first: Spot, report: &Report) {
    let spots = vec![(spot, String::new()), (first, "first declared here".to_owned())];
    report.clash(spots, format!("`{}` is declared twice", name.escape_debug()), None);
}

fn tables<'a>(documents: &[Layer<'a>], key: &'static str, report: &Report) -> Tables<'a> {
    let mut found = Tables::new();
    for (_, layer) in children(documents, key) {
        let Some(table) = layer.table() else {
            report.error(layer.spot(), format!("`{key}` must be a table"), None);
            continue;
        };
        for (name, value) in table {
            let spot = Spot::new(layer.file, false, &name.span());
            let name = name.get_ref().as_ref();
            let entry = At { value: Layer { value, ..layer }, spot };
            match found.entry(name) {
                std::collections::btree_map::Entry::Vacant(free) => {
                    free.insert(entry);
                }
                std::collections::btree_map::Entry::Occupied(_) if name.starts_with("x-") && key != "agents" && key != "templates" => {}
                std::collections::btree_map::Entry::Occupied(first) => twice(name, spot, first.get().spot, report),
            }
        }
    }
    found
}

impl<'a> Layers<'a> {
    /// Reads every template and the defaults once by themselves, so that what is wrong in them is reported once.
    pub(crate) fn check_shared(&mut self, reader: &Reader<'_>, report: &Report) {
        let mut flawed = HashSet::new();
        let mut read = |layer: Layer<'a>| {
            let errors = report.errors();
            reader.read::<Agent<'_>>(&[layer]);
            if report.errors() > errors {
                flawed.insert(std::ptr::from_ref(layer.value) as usize);
            }
        };
        for layer in &self.defaults {
            refuse(*layer, &["template", "extends"], "in [defaults]", reader, report);
            read(*layer);
        }
        for (name, template) in &self.templates {
            check_name(name, template.spot, "a template", report);
            if check_table(template.value, report) {
                refuse(template.value, &["template"], "in a template; it takes fields from another one by `extends`", reader, report);
                read(template.value);
                self.chain(template.value, "extends", report);
            }
        }
        self.flawed = flawed;
    }

    /// What an agent consists of, highest first: itself, its template, what that extends, and the defaults.
    pub(crate) fn of_agent(&self, agent: Layer<'a>, reader: &Reader<'_>, report: &Report) -> Vec<Layer<'a>> {
        refuse(agent, &["extends"], "in an agent; it takes fields from a template by `template`", reader, report);
        let mut layers = self.chain(agent, "template", report);
        layers.extend(&self.defaults);
        layers
    }

    /// What lies below an agent; read once for all agents of a template.
    pub(crate) fn below(&self, agent: &[Layer<'a>], reader: &Reader<'_>) -> Rc<Below<'a>> {
        let layers = &agent[1..];
        let template = layers.first().filter(|layer| !layer.defaults).map(|layer| std::ptr::from_ref(layer.value) as usize);
        if let Some(known) = self.read.borrow().get(&template) {
            return Rc::clone(known);
        }
        let has_flaws = layers.iter().any(|layer| self.flawed.contains(&(std::ptr::from_ref(layer.value) as usize)));
        let below = Rc::new(Below { agent: reader.read(layers), has_flaws });
        self.read.borrow_mut().insert(template, Rc::clone(&below));
        below
    }

    /// A table and the templates below it. A cycle and an unknown name end the chain; each is reported once.
    fn chain(&self, table: Layer<'a>, key: &'static str, report: &Report) -> Vec<Layer<'a>> {
        let mut layers = vec![table];
        let mut names: Vec<&str> = Vec::new();
        let mut asked = text_at(table, key);
        while let Some(name) = asked {
            let Some((name, template)) = self.templates.get_key_value(name.value) else {
                if names.is_empty() {
                    let hint = suggest::did_you_mean(name.value, self.templates.keys().copied());
                    let hint = hint.unwrap_or_else(|| "declare it as [templates.NAME]".to_owned());
                    report.error(name.spot, format!("there is no template `{}`", name.value.escape_debug()), Some(hint));
                }
                break;
            };
            if std::ptr::eq(template.value.value, table.value) {
                // Every template of a cycle finds it; the first by name reports it.
                if names.iter().all(|other| *name < *other) {
                    let cycle = [*name].into_iter().chain(names).chain([*name]).collect::<Vec<_>>().join(" → ");
                    let spot = text_at(table, key).map_or(table.spot(), |asked| asked.spot);
                    report.error(spot, format!("templates extend each other in a cycle: {cycle}"), None);
                }
                break;
            }
            if names.contains(name) || template.value.table().is_none() {
                break;
            }
            names.push(name);
            layers.push(template.value);
            asked = text_at(template.value, "extends");
        }
        layers
    }
}

/// A string of a table, if it is one; other types are reported when the table is read.
fn text_at<'a>(layer: Layer<'a>, key: &str) -> Option<At<&'a str>> {
    let value = layer.table()?.get(key)?;
    let text = value.get_ref().as_str()?;
    Some(At { value: text, spot: Layer { value, ..layer }.spot() })
}

/// Reports keys that have no place in this kind of table.
fn refuse(layer: Layer<'_>, keys: &[&str], place: &str, reader: &Reader<'_>, report: &Report) {
    let Some(table) = layer.table() else { return };
    for key in keys {
        if let Some((key, value)) = table.get_key_value(*key) {
            report.error(Spot::new(layer.file, false, &key.span()), format!("`{}` has no place {place}", key.get_ref()), None);
            reader.leave_out(Layer { value, ..layer });
        }
    }
}

/// Whether an entry of `agents` or `templates` is a table; reports it if not.
pub(crate) fn check_table(layer: Layer<'_>, report: &Report) -> bool {
    let is_table = layer.table().is_some();
    if !is_table {
        report.error(layer.spot(), "expected a table", None);
    }
    is_table
}

/// Whether this can be a name; reports it if not.
pub(crate) fn check_name(name: &str, spot: Spot, what: &str, report: &Report) -> bool {
    let fits = crate::desired::is_name(name);
    if !fits {
        let rule = "use up to 63 of a-z, 0-9, `_` and `-`, beginning with a letter or digit";
        report.error(spot, format!("`{}` cannot be the name of {what}", name.escape_debug()), Some(rule.to_owned()));
    }
    fits
}

/// For each field of an agent, in the words of the manifest (`restart.backoff.max`), where its key is, and in which of the layers.
pub(crate) fn origins(layers: &[Layer<'_>]) -> Vec<(String, Spot, usize)> {
    let mut found = Vec::new();
    if let Some((top, below)) = layers.split_first() {
        descend(Merged::new(*top, below, &[]), &mut Vec::new(), layers, &mut found);
    }
    found
}

fn descend<'a>(entries: Merged<'a>, path: &mut Vec<&'a str>, layers: &[Layer<'a>], found: &mut Vec<(String, Spot, usize)>) {
    for entry in entries {
        let key = entry.key.get_ref().as_ref();
        // `extends` is a template's own, no field of the agent.
        if path.is_empty() && key == "extends" {
            continue;
        }
        if key.starts_with("x-") && path.first().is_none_or(|first| !matches!(*first, "env" | "labels" | "secrets")) {
            continue;
        }
        path.push(key);
        let field = path.join(".");
        if entry.layer.table().is_some() {
            let alternatives = super::file::alternatives_at(&field);
            descend(Merged::new(entry.layer, &entry.below, alternatives), path, layers, found);
        } else {
            let layer = layers.iter().position(|layer| has(*layer, path, entry.layer)).unwrap_or(0);
            found.push((field, Spot::new(entry.layer.file, entry.layer.defaults, &entry.key.span()), layer));
        }
        path.pop();
    }
}

/// Whether this very value is what a layer has at the end of a path.
fn has(layer: Layer<'_>, path: &[&str], value: Layer<'_>) -> bool {
    let end = path.iter().try_fold(layer.value, |table, key| table.get_ref().as_table()?.get(*key));
    end.is_some_and(|end| std::ptr::eq(end, value.value))
}
