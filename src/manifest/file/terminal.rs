//! The tables of an agent that are about its terminal.

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::read::At;
use crate::time::Duration;

/// A dialog and its answer: one of `choose`, `keys` and `stop`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a dialog such as { name = \"trust\", match = \"Do you trust\", choose = \"Yes\" }",
    bound(deserialize = "'de: 'a")
)]
pub(crate) struct DialogRule<'a> {
    /// Its name; it takes the place of the preset's dialog of that name.
    #[schemars(required, length(min = 1))]
    pub(crate) name: Option<At<&'a str>>,
    /// A regular expression for its question. A blank in it stands for any white space or none.
    #[serde(rename = "match")]
    #[schemars(required, length(min = 1))]
    pub(crate) question: Option<At<&'a str>>,
    /// A regular expression for the label of the row that is chosen.
    #[schemars(length(min = 1))]
    pub(crate) choose: Option<At<&'a str>>,
    /// Keys that answer it, by tmux's names for them, such as `["a"]` or `["Down", "Enter"]`.
    #[schemars(length(min = 1))]
    pub(crate) keys: Option<At<Vec<At<&'a str>>>>,
    /// `true`: it is not answered and needs a person.
    pub(crate) stop: Option<At<bool>>,
    /// How often it may be answered in one life of the agent. Default 1.
    #[schemars(range(min = 1))]
    pub(crate) max: Option<At<u32>>,
    /// Whether it counts as answered only when it is gone from the screen. Default true.
    pub(crate) confirm_gone: Option<bool>,
}

/// How an agent is told to be at work.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table such as { busy = \"esc to interrupt\" }", bound(deserialize = "'de: 'a"))]
pub(crate) struct Idle<'a> {
    /// It works while its screen matches this regular expression.
    #[schemars(length(min = 1))]
    pub(crate) busy: Option<At<&'a str>>,
    /// It rests while its screen matches this one.
    #[schemars(length(min = 1))]
    pub(crate) idle: Option<At<&'a str>>,
    /// It rests when nothing was written to its window for this long. Only where there is no pattern and no preset.
    pub(crate) quiet: Option<At<Duration>>,
}
