//! The manifest as it is written: its tables, keys and types. The doc comments are the manual, the types are the schema.
//!
//! Nothing is filled in or checked here beyond the shape; every field may be missing, because a lower layer may have it.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::read::{Alternatives, At, Entries};
use super::words::{CountOrShare, Scalar, Variable, WindowSize};

mod agent;
mod handoff;
mod hooks;
mod live;
mod strangers;
mod tables;
mod terminal;
mod watch;

pub(crate) use agent::{Agent, Runtime};
pub(crate) use handoff::Handoff;
pub(crate) use hooks::{Hook, Hooks};
pub(crate) use live::{Condition, Heartbeat, Limits, Live};
pub(crate) use strangers::Strangers;
pub(crate) use tables::{Backoff, DrainStep, Folders, GiveUp, Log, Milestones, Ready, Restart, Secret};
pub(crate) use terminal::{DialogRule, Idle};
pub(crate) use watch::{Notify, Watch};

/// The types whose keys exclude each other, by group.
pub(crate) const EXCLUSIVE: &[(&str, Alternatives)] = &[
    ("Ready", &[&["screen"], &["file"], &["tcp"], &["http", "status"], &["command"], &["delay"], &["heartbeat", "max_age"]]),
    ("Live", &[&["screen"], &["file"], &["tcp"], &["http", "status"], &["command"], &["max_age"]]),
    ("Condition", &[&["file"], &["tcp"], &["http", "status"], &["command"], &["heartbeat", "max_age"]]),
    ("Secret", &[&["file"], &["command"], &["env"]]),
    ("Folders", &[&["dirs", "active_within", "activity", "keep_if"], &["file", "pointer"]]),
];

/// The types that have exactly one of these keys. They stand in arrays, which are never merged.
pub(crate) const ONE_OF: &[(&str, &[&str])] = &[
    ("DrainStep", &["ask", "keys", "signal", "command", "message"]),
    ("DialogRule", &["choose", "keys", "stop"]),
    ("Notify", &["command", "file"]),
];

/// The alternatives of the table at this path of an agent's fields.
pub(crate) fn alternatives_at(path: &str) -> Alternatives {
    let type_name = match path {
        "ready" | "handoff.ack" => "Ready",
        "live" => "Live",
        "restart.only_if" => "Condition",
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
    /// What is looked for that nobody owns.
    pub(crate) strangers: Option<Strangers<'a>>,
    /// How `reconcile watch` goes about its work.
    pub(crate) watch: Option<Watch>,
    /// Who hears about what.
    pub(crate) notify: Option<Vec<At<Notify<'a>>>>,
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
    /// Options of the server, set globally if the fleet starts it; else set for the sessions of the fleet.
    #[schemars(extend("propertyNames" = { "pattern": "^[A-Za-z0-9@_\\[\\]][A-Za-z0-9@_\\[\\]-]*$" }))]
    pub(crate) options: Option<Entries<'a, At<Scalar<'a>>>>,
    /// A tmux configuration that the server reads when it is started; without it, it reads none.
    pub(crate) config: Option<At<&'a str>>,
}

/// What one plan may do at most.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct Guard {
    /// Stops and replacements together, as a number or as a share of the running agents. A share is rounded down to at least one, and 0 allows none. Without it, half of the running agents, and any number while fewer than four run.
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
