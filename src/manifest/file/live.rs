//! The tables of an agent that are about whether it is alive and how much it uses.

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::read::At;
use super::super::words::{PathOrHeartbeat, Size};
use crate::time::Duration;

/// By what it is seen to be alive: one probe, its heartbeat, its screen.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table with a probe such as { tcp = \"127.0.0.1:80\" }", bound(deserialize = "'de: 'a"))]
pub(crate) struct Live<'a> {
    /// Its pane shows text that matches this regular expression.
    pub(crate) screen: Option<At<&'a str>>,
    /// This file is there.
    pub(crate) file: Option<At<&'a str>>,
    /// This `host:port` takes a connection.
    #[schemars(regex(pattern = r"(:[0-9]{1,5}|\})$"))]
    pub(crate) tcp: Option<At<&'a str>>,
    /// A GET of this `http://` address answers with `status`.
    #[schemars(regex(pattern = r"^(http://[^/]|\$\{)"))]
    pub(crate) http: Option<At<&'a str>>,
    /// The status that `http` must answer with. Default 200.
    #[schemars(range(min = 100, max = 599))]
    pub(crate) status: Option<At<u16>>,
    /// This command exits with 0.
    #[schemars(length(min = 1))]
    pub(crate) command: Option<At<Vec<At<&'a str>>>>,
    /// A table: what a silence of its heartbeat leads to. Or, with `max_age`, a file that is a probe like the others.
    pub(crate) heartbeat: Option<At<PathOrHeartbeat<'a>>>,
    /// The greatest age of the last change of the file that `heartbeat` names.
    pub(crate) max_age: Option<At<Duration>>,
    /// The least time between two questions. Default `"10s"`.
    pub(crate) interval: Option<At<Duration>>,
    /// So many answers with no in a row, and it is replaced. Default 3.
    #[schemars(range(min = 1))]
    pub(crate) failures: Option<At<u32>>,
    /// A screen that stays the same for this long, while it does not rest, is told of; nothing else follows.
    pub(crate) screen_unchanged: Option<At<Duration>>,
}

/// What a silence leads to: the time since it last touched its heartbeat file, or since it was started.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table such as { replace_after = \"30m\" }", bound(deserialize = "'de: 'a"))]
pub(crate) struct Heartbeat<'a> {
    /// The file. Default: the one that `RECONCILE_HEARTBEAT` names to the agent.
    #[schemars(length(min = 1))]
    pub(crate) file: Option<At<&'a str>>,
    /// After this silence a text is typed into its terminal, once.
    pub(crate) nudge_after: Option<At<Duration>>,
    /// After this silence it is replaced.
    pub(crate) replace_after: Option<At<Duration>>,
    /// The text. Default: a question whether it still works.
    #[schemars(length(min = 1))]
    pub(crate) nudge: Option<At<&'a str>>,
}

/// A question with a yes or no answer.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table with a probe such as { command = [\"./has-work.sh\"] }", bound(deserialize = "'de: 'a"))]
pub(crate) struct Condition<'a> {
    /// This file is there.
    pub(crate) file: Option<At<&'a str>>,
    /// This `host:port` takes a connection.
    #[schemars(regex(pattern = r"(:[0-9]{1,5}|\})$"))]
    pub(crate) tcp: Option<At<&'a str>>,
    /// A GET of this `http://` address answers with `status`.
    #[schemars(regex(pattern = r"^(http://[^/]|\$\{)"))]
    pub(crate) http: Option<At<&'a str>>,
    /// The status that `http` must answer with. Default 200.
    #[schemars(range(min = 100, max = 599))]
    pub(crate) status: Option<At<u16>>,
    /// This command exits with 0. It runs in the agent's folder.
    #[schemars(length(min = 1))]
    pub(crate) command: Option<At<Vec<At<&'a str>>>>,
    /// This file was changed in its last life, and not longer ago than `max_age`.
    #[schemars(length(min = 1))]
    pub(crate) heartbeat: Option<At<&'a str>>,
    /// The greatest age of the last change of that file.
    pub(crate) max_age: Option<At<Duration>>,
}

/// How much an instance may use. Above `memory` or `runtime`, the agent is replaced; a task (`restart.policy = "never"`) has failed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table such as { memory = \"4GiB\" }")]
pub(crate) struct Limits {
    /// Resident memory of its program and all descendants together, like `"4GiB"`.
    pub(crate) memory: Option<At<Size>>,
    /// How long one instance may run, like `"8h"`.
    pub(crate) runtime: Option<At<Duration>>,
    /// How many files it may have open: its soft limit, never above the hard one. Default 65536. A change replaces it.
    #[schemars(range(min = 64))]
    pub(crate) nofile: Option<At<u64>>,
}
