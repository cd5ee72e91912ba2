//! For each field of an agent, where it comes from. Reads the texts again, so that loading need not remember it.

use std::sync::Arc;

use super::report::{Report, Spot};
use super::{Loaded, file, layers, read, texts};
use crate::desired::AgentName;

/// Where a field of an agent comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The field in the words of the manifest, such as `restart.backoff.max`.
    pub field: String,
    /// The file.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: usize,
    /// `agent`, `template NAME` or `defaults`. A field that is not listed has the tool's own default.
    pub layer: String,
}

impl Loaded {
    /// Where each field of an agent comes from, in the order of their names; none if there is no such agent.
    pub fn explain(&self, agent: &AgentName) -> Option<Vec<Origin>> {
        let source = &self.desired.as_ref()?.agents.get(agent)?.source;
        let report = Report::default();
        let contents: Vec<_> = self.files.iter().filter_map(|name| self.texts.get(name)).collect();
        let documents: Vec<_> = (0..).zip(&contents).map(|(file, text)| texts::document(text, file, &report)).collect();
        let documents = texts::layers(&documents);
        let tables = layers::collect(&documents, &report);
        let reader = read::Reader::new(&report, file::EXCLUSIVE);
        let line_of = |spot: Spot| {
            let text = contents.get(spot.file as usize).and_then(|text| text.get(..spot.start as usize));
            text.map_or(1, |text| text.matches('\n').count() + 1)
        };
        let here = |spot: Spot| self.files.get(spot.file as usize) == Some(&source.file) && line_of(spot) == source.line;
        let declared = tables.agents.values().find(|table| here(table.spot))?;
        let chain = tables.of_agent(declared.value, &reader, &report);
        let name_of = |layer: usize| {
            let table = chain.get(layer)?;
            let template = tables.templates.iter().find(|(_, template)| std::ptr::eq(template.value.value, table.value));
            Some(match template {
                Some((name, _)) => format!("template {name}"),
                None if table.defaults => "defaults".to_owned(),
                None => "agent".to_owned(),
            })
        };
        let origins = layers::origins(&chain).into_iter().filter_map(|(field, spot, layer)| {
            Some(Origin { field, file: Arc::clone(self.files.get(spot.file as usize)?), line: line_of(spot), layer: name_of(layer)? })
        });
        Some(origins.collect())
    }
}
