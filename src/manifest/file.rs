//! The manifest as it is written: its tables, keys and types. The doc comments are the manual, the types are the schema.
//!
//! Nothing is filled in or checked here beyond the shape; every field may be missing, because a lower layer may have it.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::read::{Alternatives, At, Entries};
use super::words::{After, Argv, CountOrShare, FlagOrNames, ForEach, Scalar, Size, Variable, WindowSize};
use crate::desired::{HoldOn, Milestone, OnChange, OnRemove, OnTimeout, Policy, Signal, SignalTo, Wish};
use crate::time::Duration;

/// The types whose keys exclude each other, by group.
pub(crate) const EXCLUSIVE: &[(&str, Alternatives)] = &[
    ("Ready", &[&["screen"], &["file"], &["tcp"], &["http", "status"], &["command"], &["delay"]]),
    ("Secret", &[&["file"], &["command"], &["env"]]),
    ("Folders", &[&["dirs", "active_within", "activity", "keep_if"], &["file", "pointer"]]),
];

/// The alternatives of the table at this path of an agent's fields.
pub(crate) fn alternatives_at(path: &str) -> Alternatives {
    let type_name = match path {
        "ready" => "Ready",
        "for_each" => "Folders",
        _ if path.starts_with("secrets.") => "Secret",
        _ => return &[],
    };
    EXCLUSIVE.iter().find(|(name, _)| *name == type_name).map_or(&[], |(_, alternatives)| alternatives)
}

/// The only version of the format.
pub(crate) const VERSION: i64 = 1;

/// The most copies of one agent, and the most agents of a fleet.
pub(crate) const MAX_AGENTS: u32 = 10_000;

/// A fleet: agents in tmux panes and daemons, and how they are looked after.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table", bound(deserialize = "'de: 'a"))]
pub(crate) struct Manifest<'a> {
    /// The version of the format: 1.
    #[schemars(required, range(min = 1, max = 1))]
    pub(crate) version: Option<At<i64>>,
    /// The name of the fleet: the identity of everything declared here.
    #[schemars(required, with = "crate::schema::Name")]
    pub(crate) fleet: Option<At<&'a str>>,
    /// Files, or globs of files, with the same tables. A name that is declared twice is an error.
    #[expect(dead_code, reason = "only for the shape: read by `texts` and `layers`")]
    pub(crate) include: Option<Vec<At<&'a str>>>,
    /// The tmux server of the fleet.
    pub(crate) tmux: Option<Tmux<'a>>,
    /// Variables for `${var.NAME}`; overridden by `--var NAME=…` and `RECONCILE_VAR_NAME`.
    #[schemars(extend("propertyNames" = { "pattern": "^[A-Za-z0-9_-]+$" }))]
    pub(crate) vars: Option<Entries<'a, At<Variable<'a>>>>,
    /// What one plan may do at most.
    pub(crate) guard: Option<Guard>,
    /// Fields of every agent that has no others. A key that does not fit an agent's runtime is not used for it.
    #[schemars(with = "Option<crate::schema::Defaults>")]
    #[expect(dead_code, reason = "only for the shape: read by `texts` and `layers`")]
    pub(crate) defaults: Option<IgnoredAny>,
    /// Fields of the agents that name the template.
    #[schemars(with = "Option<crate::schema::Named<crate::schema::Template>>")]
    #[expect(dead_code, reason = "only for the shape: read by `texts` and `layers`")]
    pub(crate) templates: Option<IgnoredAny>,
    /// Sessions with a layout or options; others need no declaration.
    #[schemars(with = "Option<crate::schema::Named<Session<'static>>>")]
    pub(crate) sessions: Option<Entries<'a, Session<'a>>>,
    /// The agents, by their names.
    #[schemars(with = "Option<crate::schema::Named<crate::schema::Agent>>")]
    #[expect(dead_code, reason = "only for the shape: read by `texts` and `layers`")]
    pub(crate) agents: Option<IgnoredAny>,
}

/// The tmux server of the fleet.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table", bound(deserialize = "'de: 'a"))]
pub(crate) struct Tmux<'a> {
    /// A name for `tmux -L`, or a path with a `/` in it for `tmux -S`; `"default"` is your own server. Default: the fleet's name.
    pub(crate) socket: Option<At<&'a str>>,
    /// Columns and rows of a window to which nobody is attached, like `"200x50"` (the default).
    pub(crate) size: Option<At<WindowSize>>,
    /// Global options of the server.
    #[schemars(extend("propertyNames" = { "pattern": "^[A-Za-z0-9@_\\[\\]][A-Za-z0-9@_\\[\\]-]*$" }))]
    pub(crate) options: Option<Entries<'a, At<Scalar<'a>>>>,
    /// A tmux configuration that the server reads when it is started; without it, it reads none.
    pub(crate) config: Option<At<&'a str>>,
}

/// What one plan may do at most.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct Guard {
    /// Stops and replacements together, as a number or as a share of the running agents. Default `"50%"`; at least one is always allowed.
    pub(crate) max_stop: Option<At<CountOrShare>>,
    /// Whether a manifest that would stop everything is carried out. Default false.
    pub(crate) allow_empty: Option<bool>,
}

/// A tmux session that holds agents.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table", bound(deserialize = "'de: 'a"))]
pub(crate) struct Session<'a> {
    /// How the panes of a window are laid out.
    pub(crate) layout: Option<Layout>,
    /// Options of the session.
    #[schemars(extend("propertyNames" = { "pattern": "^[A-Za-z0-9@_\\[\\]][A-Za-z0-9@_\\[\\]-]*$" }))]
    pub(crate) options: Option<Entries<'a, At<Scalar<'a>>>>,
}

/// A layout that `tmux select-layout` knows.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Layout {
    /// Side by side.
    EvenHorizontal,
    /// One above the other.
    EvenVertical,
    /// A large one above, the others side by side below.
    MainHorizontal,
    /// A large one at the left, the others one above the other at the right.
    MainVertical,
    /// In rows and columns.
    Tiled,
}

impl Layout {
    /// tmux's name for it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::EvenHorizontal => "even-horizontal",
            Self::EvenVertical => "even-vertical",
            Self::MainHorizontal => "main-horizontal",
            Self::MainVertical => "main-vertical",
            Self::Tiled => "tiled",
        }
    }
}

/// One long-lived program under care.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table", bound(deserialize = "'de: 'a"))]
pub(crate) struct Agent<'a> {
    /// The template that it takes fields from.
    #[schemars(with = "Option<crate::schema::Name>")]
    #[expect(dead_code, reason = "only for the shape: read by `texts` and `layers`")]
    pub(crate) template: Option<At<&'a str>>,
    /// The template that this template takes fields from.
    #[schemars(with = "Option<crate::schema::Name>")]
    #[expect(dead_code, reason = "only for the shape: read by `texts` and `layers`")]
    pub(crate) extends: Option<At<&'a str>>,

    /// The program and its arguments; or one string, run by `sh -c`. Required.
    pub(crate) command: Option<At<Argv<'a>>>,
    /// Where it runs: `"tmux"` (a pane, the default) or `"daemon"` (a detached process).
    pub(crate) runtime: Option<At<Runtime>>,
    /// The tmux session that holds it. Default: its own, named like the agent.
    #[schemars(with = "Option<crate::schema::NameText>")]
    pub(crate) session: Option<At<&'a str>>,
    /// The window in its session; agents in one window are its panes. Default: its own, named like the agent.
    #[schemars(with = "Option<crate::schema::NameText>")]
    pub(crate) window: Option<At<&'a str>>,
    /// The pidfile of a daemon. Default: one in the state folder.
    #[schemars(length(min = 1))]
    pub(crate) pidfile: Option<At<&'a str>>,
    /// The working folder. Default: the manifest's.
    #[schemars(length(min = 1))]
    pub(crate) cwd: Option<At<&'a str>>,
    /// Variables set for it.
    #[schemars(extend("propertyNames" = { "pattern": "^[^=\\s]+$" }))]
    pub(crate) env: Option<Entries<'a, At<Scalar<'a>>>>,
    /// Files of variables (dotenv syntax), read when it is started.
    pub(crate) env_file: Option<Vec<At<&'a str>>>,
    /// What it gets of the environment that the tool runs in: `"minimal"` (the default), `"all"`, `"none"`, or names and globs.
    pub(crate) inherit_env: Option<At<FlagOrNames<'a>>>,
    /// Names or globs of variables that are taken away.
    pub(crate) unset_env: Option<Vec<At<&'a str>>>,
    /// Variables whose values are found when it is started, and never stored or printed.
    #[schemars(extend("propertyNames" = { "pattern": "^[^=\\s]+$" }))]
    pub(crate) secrets: Option<Entries<'a, At<Secret<'a>>>>,
    /// The standard input of a daemon. Default: `/dev/null`.
    #[schemars(length(min = 1))]
    pub(crate) stdin_file: Option<At<&'a str>>,
    /// Files whose content is part of what it is started with, so that a change replaces it; `"exe"` is the program's own file.
    pub(crate) replace_on: Option<Vec<At<&'a str>>>,

    /// Whom it waits for before it starts: names (each must be ready), or names with what to wait for. The name of copies means all of them.
    pub(crate) after: Option<At<After<'a>>>,
    /// When it counts as ready. Default: when it has lived for one second.
    pub(crate) ready: Option<At<Ready<'a>>>,
    /// What happens when it ends by itself.
    pub(crate) restart: Option<Restart>,
    /// How it is asked to end, step by step; a kill of the whole tree follows. Default: `C-c` and TERM in tmux, TERM for a daemon, 10s each.
    pub(crate) drain: Option<Vec<At<DrainStep<'a>>>>,
    /// Never stopped by a plan, also after it left the manifest. Default false.
    pub(crate) protect: Option<bool>,
    /// What happens when it leaves the manifest. Default `"drain"`.
    pub(crate) on_remove: Option<OnRemove>,
    /// Whether it should run. Default `"running"`.
    pub(crate) desired: Option<Wish>,
    /// What holds a change that would interrupt it. Default `["busy", "attached"]`.
    pub(crate) hold: Option<Vec<HoldOn>>,
    /// Where the output of a daemon goes.
    pub(crate) log: Option<At<Log<'a>>>,
    /// Shown as the pane's title and in the status.
    pub(crate) title: Option<At<&'a str>>,
    /// For people, and for `--target label:KEY=VALUE`.
    #[schemars(extend("propertyNames" = { "pattern": "^[^=,\\s]+$" }))]
    pub(crate) labels: Option<Entries<'a, At<Scalar<'a>>>>,
    /// For people.
    pub(crate) description: Option<At<&'a str>>,

    /// So many copies of it, named `NAME-1`, `NAME-2`…
    #[schemars(range(min = 0, max = 10_000))]
    pub(crate) replicas: Option<At<u32>>,
    /// One copy for each of these: a list of words, the folders that match a glob, or an array in a JSON file.
    pub(crate) for_each: Option<At<ForEach<'a>>>,
    /// Its name; for copies with `${index}` or `${each}` in it.
    #[schemars(with = "Option<crate::schema::NameText>")]
    pub(crate) name: Option<At<&'a str>>,
    /// The name that it had until now: its instance is kept.
    #[schemars(with = "Option<crate::schema::NameText>")]
    pub(crate) renamed_from: Option<At<&'a str>>,
}

/// Where an agent runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Runtime {
    /// A pane of the fleet's tmux server.
    Tmux,
    /// A detached process with a pidfile.
    Daemon,
}

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
    /// How long it may take. Default `"90s"`.
    pub(crate) timeout: Option<At<Duration>>,
    /// The time between two looks. Default `"250ms"`.
    pub(crate) interval: Option<At<Duration>>,
    /// What it means when it took longer. Default `"fail"`.
    pub(crate) on_timeout: Option<OnTimeout>,
}

/// What happens when an agent ends by itself.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table such as { policy = \"never\" }")]
pub(crate) struct Restart {
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

/// One way of asking an agent to end: `keys` or `signal`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a step such as { signal = \"TERM\", wait = \"10s\" }", bound(deserialize = "'de: 'a"))]
pub(crate) struct DrainStep<'a> {
    /// Keys for its pane, by tmux's names for them, such as `["C-c"]`.
    #[schemars(length(min = 1))]
    pub(crate) keys: Option<At<Vec<At<&'a str>>>>,
    /// A signal.
    pub(crate) signal: Option<At<Signal>>,
    /// Who gets the signal. Default `"main"`: the program.
    pub(crate) to: Option<At<SignalTo>>,
    /// How long it is waited for. Default `"10s"`.
    pub(crate) wait: Option<At<Duration>>,
}

/// Where the output of a daemon goes.
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
    /// Only folders in which something changed within this time.
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
