//! The tables inside of an agent.

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::read::{At, Entries};
use super::super::words::Size;
use super::Condition;
use crate::desired::{Milestone, OnChange, OnTimeout, Owner, Policy, Signal, SignalTo};
use crate::time::Duration;

/// Where the value of a secret is: one of `file`, `command` and `env`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table with `file`, `command` or `env`", bound(deserialize = "'de: 'a"))]
pub(crate) struct Secret<'a> {
    /// A file with the value.
    pub(crate) file: Option<At<&'a str>>,
    /// A command that prints the value.
    #[schemars(length(min = 1))]
    pub(crate) command: Option<At<Vec<At<&'a str>>>>,
    /// A variable of the environment that the tool runs in.
    pub(crate) env: Option<At<&'a str>>,
    /// Whether another value replaces the instance. Default `"ignore"`.
    pub(crate) on_change: Option<OnChange>,
}

/// When an agent counts as ready: one probe, or only times for the default one.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table with a probe such as { tcp = \"127.0.0.1:80\" }", bound(deserialize = "'de: 'a"))]
pub(crate) struct Ready<'a> {
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
    /// It has lived for this long.
    pub(crate) delay: Option<At<Duration>>,
    /// This file was changed since it was started, and not longer ago than `max_age`.
    #[schemars(length(min = 1))]
    pub(crate) heartbeat: Option<At<&'a str>>,
    /// The greatest age of the last change of that file.
    pub(crate) max_age: Option<At<Duration>>,
    /// How long it may take. Default `"90s"`.
    pub(crate) timeout: Option<At<Duration>>,
    /// The time between two looks. Default `"250ms"`.
    pub(crate) interval: Option<At<Duration>>,
    /// What it means when it took longer. Default `"fail"`.
    pub(crate) on_timeout: Option<OnTimeout>,
    /// Which process must serve a loopback address of `tcp` or `http`: one of the agent's own process tree (`"tree"`, the default), so that it is
    /// not ready while another process holds the port; or `"any"`, for a port that a container or a parent outside of the tree serves.
    pub(crate) owner: Option<At<Owner>>,
}

/// What happens when an agent ends by itself.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table such as { policy = \"never\" }", bound(deserialize = "'de: 'a"))]
pub(crate) struct Restart<'a> {
    /// Whether it is started again. Default `"on-failure"`.
    pub(crate) policy: Option<Policy>,
    /// Exit codes that mean success. Default `[0]`.
    #[schemars(inner(range(min = 0, max = 255)))]
    pub(crate) success: Option<Vec<At<i32>>>,
    /// The pause before a restart.
    pub(crate) backoff: Option<Backoff>,
    /// A life of this length clears the count of failures. Default `"10s"`.
    pub(crate) healthy_after: Option<Duration>,
    /// When to stop trying.
    pub(crate) give_up: Option<GiveUp>,
    /// Asked before it is started again; with a no, it stays ended until the answer is another.
    pub(crate) only_if: Option<At<Condition<'a>>>,
}

/// The pause before a restart: `first`, then `factor` times the last one, up to `max`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table such as { first = \"1s\", max = \"60s\" }")]
pub(crate) struct Backoff {
    /// The first pause. Default `"1s"`.
    pub(crate) first: Option<At<Duration>>,
    /// By how much it grows, at least 1. Default 2.
    #[schemars(range(min = 1.0))]
    pub(crate) factor: Option<At<f64>>,
    /// The longest pause. Default `"60s"`.
    pub(crate) max: Option<At<Duration>>,
    /// The share by which a pause may be longer, 0 to 1. Default 0.1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(crate) jitter: Option<At<f64>>,
}

/// When to stop trying.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table such as { failures = 5, within = \"15m\" }")]
pub(crate) struct GiveUp {
    /// So many failures. Default 5.
    #[schemars(range(min = 1))]
    pub(crate) failures: Option<At<u32>>,
    /// Within this time. Default `"15m"`.
    pub(crate) within: Option<At<Duration>>,
}

/// One way of asking an agent to end: one of `ask`, `keys`, `signal`, `command` and `message`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a step such as { signal = \"TERM\", wait = \"10s\" }", bound(deserialize = "'de: 'a"))]
pub(crate) struct DrainStep<'a> {
    /// A text that is typed into its terminal and submitted, such as `"/exit"`.
    #[schemars(length(min = 1))]
    pub(crate) ask: Option<At<&'a str>>,
    /// Keys for its pane, by tmux's names for them, such as `["C-c"]`.
    #[schemars(length(min = 1))]
    pub(crate) keys: Option<At<Vec<At<&'a str>>>>,
    /// A signal.
    pub(crate) signal: Option<At<Signal>>,
    /// A command that asks it, run in its folder with `RECONCILE_AGENT` and the like; ended when the step's time is over.
    #[schemars(length(min = 1))]
    pub(crate) command: Option<At<Vec<At<&'a str>>>>,
    /// A note for its inbox that asks it.
    #[schemars(length(min = 1))]
    pub(crate) message: Option<At<&'a str>>,
    /// Who gets the signal. Default `"main"`: the program.
    pub(crate) to: Option<At<SignalTo>>,
    /// How long it is waited for. Default `"10s"`.
    pub(crate) wait: Option<At<Duration>>,
    /// A probe that ends the step before its time.
    pub(crate) until: Option<At<Ready<'a>>>,
}

/// Where the output of an agent goes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table such as { max_size = \"20MiB\" }", bound(deserialize = "'de: 'a"))]
pub(crate) struct Log<'a> {
    /// The file. Default: one in the state folder.
    pub(crate) file: Option<At<&'a str>>,
    /// The size at which it is moved aside. Default `"20MiB"`.
    pub(crate) max_size: Option<At<Size>>,
    /// How many moved-aside files are kept. Default 3.
    pub(crate) keep: Option<u32>,
}

/// One copy for each of these: folders, or an array in a JSON file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table with `dirs` or `file`", bound(deserialize = "'de: 'a"))]
pub(crate) struct Folders<'a> {
    /// A glob: one copy for each folder that matches. `${each}` is its name and `${each.path}` its path.
    pub(crate) dirs: Option<At<&'a str>>,
    /// Only folders in which something changed within this time. Files that `reconcile` itself writes there do not count.
    pub(crate) active_within: Option<At<Duration>>,
    /// Where in a folder to look for changes. Default: everywhere in it.
    pub(crate) activity: Option<At<Vec<At<&'a str>>>>,
    /// A folder counts, whatever its age, while one of these files is in it.
    pub(crate) keep_if: Option<At<Vec<At<&'a str>>>>,
    /// A JSON file with an array of names.
    pub(crate) file: Option<At<&'a str>>,
    /// Where in the file the array is, as a JSON pointer such as `/teams`. Default: the whole file.
    pub(crate) pointer: Option<At<&'a str>>,
}

/// What to wait for, by name.
pub(crate) type Milestones<'a> = Entries<'a, At<Milestone>>;
