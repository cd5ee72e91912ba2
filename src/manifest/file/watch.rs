//! The tables of a watcher: what it does by itself, and whom it tells.

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::read::At;
use crate::desired::{Auto, Occasion};
use crate::time::Duration;

/// How `reconcile watch` goes about its work.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table such as { auto = \"heal\" }")]
pub(crate) struct Watch {
    /// How far it goes without being asked. `"heal"`: starts what should run, starts again what ended, delivers. `"safe"`: and changes in place, and
    /// replaces what rests and to which nobody is attached. `"all"`: and stops what left the manifest. Default `"safe"`.
    pub(crate) auto: Option<Auto>,
    /// After so much time without news it looks all the same. Default `"30s"`.
    pub(crate) resync: Option<At<Duration>>,
}

/// Who hears about what: a command or a file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table such as { on = [\"crash\"], command = [\"./notify.sh\"] }",
    bound(deserialize = "'de: 'a")
)]
pub(crate) struct Notify<'a> {
    /// About what.
    #[schemars(required, length(min = 1))]
    pub(crate) on: Option<At<Vec<Occasion>>>,
    /// A program that gets the event as JSON on its standard input. It runs in the manifest's folder, is ended after 30 seconds, and tried three times.
    #[schemars(length(min = 1))]
    pub(crate) command: Option<At<Vec<At<&'a str>>>>,
    /// A file to which the event is appended as a line of JSON.
    #[schemars(length(min = 1))]
    pub(crate) file: Option<At<&'a str>>,
}
