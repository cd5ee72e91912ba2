//! What a fleet should be: the manifest with nothing left open.
//!
//! Every template is expanded, every variable filled in, every path absolute, every default written out. The class of a field is the type it
//! lives in: a change in [`Launch`] needs a new instance, a change in [`Care`] never touches the process.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::time::Duration;

mod effective;
mod glob;
mod handoff;
mod hooks;
mod live;
mod mark;
mod shared;
mod terminal;

pub use effective::{canonical_digest, care_fields, effective, launch_fields};
pub use glob::glob;
pub use handoff::{Channel, Handoff};
pub use hooks::{Hook, Hooks, Leftovers, OnFail};
pub use live::{Bytes, Heartbeat, Limits, Live};
pub use mark::{LaunchDigest, Mark};
pub use shared::Shared;
pub use terminal::{DialogAnswer, DialogRule, Idle, Preset, Text};

/// What the names of the contract must look like: `[a-z0-9][a-z0-9_-]{0,62}`.
pub fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    bytes.first().is_some_and(plain) && bytes.len() <= 63 && bytes.iter().all(|byte| plain(byte) || matches!(byte, b'_' | b'-'))
}

macro_rules! name_type {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arc<str>);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                if is_name(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(format!(concat!("`{}` cannot be the name of ", $what, ": use up to 63 of a-z, 0-9, `_` and `-`, beginning with a letter or digit"), text.escape_debug()))
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::time::parsed(deserializer)
            }
        }
    };
}

name_type!(
    /// The name of a fleet: the identity of everything that one manifest declares.
    FleetName,
    "a fleet"
);
name_type!(
    /// The name of an agent, unique in its fleet after expansion.
    AgentName,
    "an agent"
);
name_type!(
    /// The name of a tmux session, or of a window in it.
    SessionName,
    "a session or window"
);

/// The number of an agent's life: 1 for the first; it only grows. 0 stands for "never started".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl Generation {
    /// The one after this.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// All that one manifest asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Whose marks are ours.
    pub fleet: FleetName,
    /// The tmux server of the fleet.
    pub server: Server,
    /// The agents, copies expanded.
    pub agents: BTreeMap<AgentName, Declared>,
    /// What a plan may do at most.
    pub guard: Guard,
    /// `blake3:…` of all texts that the manifest consists of.
    pub digest: String,
}

/// An agent as the manifest declares it.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    /// What it should be.
    pub spec: AgentSpec,
    /// Where that is written.
    pub source: Source,
    /// The name whose instance it takes over, if that one is still known.
    pub renamed_from: Option<AgentName>,
}

/// A place in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The file as it was named on the command line or in `include`.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: usize,
}

/// The tmux server that holds the fleet's sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Where it listens.
    pub socket: Socket,
    /// A tmux configuration of the user's to read instead of nothing.
    pub config: Option<PathBuf>,
    /// Columns and rows of a detached window.
    pub size: Size,
    /// Global options, set when the server is started and when they change.
    pub options: BTreeMap<String, String>,
}

/// Columns and rows, written `"200x50"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns, 20 to 2000.
    pub columns: u16,
    /// Rows, 5 to 2000.
    pub rows: u16,
}

impl Default for Size {
    /// 200x50: in a narrow or low pane, startup dialogs wrap and scroll away.
    fn default() -> Self {
        Self { columns: 200, rows: 50 }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.columns, self.rows)
    }
}

impl FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.split_once('x')
            .and_then(|(columns, rows)| Some(Self { columns: columns.parse().ok()?, rows: rows.parse().ok()? }))
            .filter(|size| (20..=2000).contains(&size.columns) && (5..=2000).contains(&size.rows))
            .ok_or_else(|| format!("`{text}` is not a size: write columns and rows like \"200x50\", from \"20x5\" to \"2000x2000\""))
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::time::parsed(deserializer)
    }
}

/// A tmux socket as the manifest names it: a name for `tmux -L`, or a path for `tmux -S`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Socket(pub String);

impl Socket {
    /// Whether it is a path and not a name in tmux's own folder.
    pub fn is_path(&self) -> bool {
        self.0.contains('/')
    }

    /// Whether it is the user's own server, whose configuration is not ours.
    pub fn is_users_own(&self) -> bool {
        self.0 == "default"
    }
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a plan may do at most; checked before anything is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// How many running agents may be stopped or replaced; at least one always may.
    pub max_stop: Limit,
    /// Whether a manifest that would stop everything is carried out.
    pub allow_empty: bool,
}

impl Default for Guard {
    fn default() -> Self {
        Self { max_stop: Limit::Percent(50), allow_empty: false }
    }
}

/// A number of agents, or a share of the running ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many.
    Count(u32),
    /// So many of a hundred, 0 to 100.
    Percent(u32),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(share) => write!(f, "{share}%"),
        }
    }
}

impl FromStr for Limit {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let limit = match text.strip_suffix('%') {
            Some(share) => share.parse().ok().filter(|share| *share <= 100).map(Self::Percent),
            None => text.parse().ok().map(Self::Count),
        };
        limit.ok_or_else(|| format!("`{text}` is not a limit: write a number like 3 or a share like \"30%\""))
    }
}

/// Everything about one agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentSpec {
    /// What an instance is started with.
    pub launch: Shared<Launch>,
    /// How it is looked after.
    pub care: Shared<Care>,
}

/// What an instance is started with. A change here replaces the instance.
///
/// Serialised without what equals the default, so that a field added later changes no digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The program and its arguments.
    pub command: Command,
    /// Where it runs.
    pub place: Place,
    /// The working folder, absolute.
    pub cwd: PathBuf,
    /// Variables set for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Files of variables, read at the spawn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_file: Vec<PathBuf>,
    /// What it gets of the acting process's environment.
    #[serde(default, skip_serializing_if = "Inherit::is_default")]
    pub inherit_env: Inherit,
    /// Names or globs taken away at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unset_env: Vec<String>,
    /// Variables whose values are found at the spawn and never stored.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, Secret>,
    /// Standard input of a daemon; `/dev/null` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin_file: Option<PathBuf>,
    /// Files whose content counts as part of the launch, with the `blake3:` digest of that content.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub replace_on: BTreeMap<PathBuf, String>,
}

/// The program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Started as it stands. Never empty.
    Argv(Vec<String>),
    /// Run by `sh -c`.
    Shell(String),
}

impl Command {
    /// The words that are executed.
    pub fn argv(&self) -> Vec<String> {
        match self {
            Self::Argv(words) => words.clone(),
            Self::Shell(line) => vec!["sh".to_owned(), "-c".to_owned(), line.clone()],
        }
    }

    /// The program that is executed: a path if it contains a slash, else a name to be found in PATH.
    pub fn program(&self) -> &str {
        match self {
            Self::Argv(words) => words.first().map_or("", String::as_str),
            Self::Shell(_) => "sh",
        }
    }
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Argv(words) => words.serialize(serializer),
            Self::Shell(line) => line.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> de::Visitor<'de> for Words {
            type Value = Command;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of words like [\"claude\", \"--model\", \"opus\"], or one string for `sh -c`")
            }
            fn visit_str<E: de::Error>(self, line: &str) -> Result<Command, E> {
                Ok(Command::Shell(line.to_owned()))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, words: A) -> Result<Command, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(words)).map(Command::Argv)
            }
        }
        deserializer.deserialize_any(Words)
    }
}

/// Where an agent runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "runtime", rename_all = "lowercase")]
pub enum Place {
    /// A pane of a tmux server.
    Tmux {
        /// The server.
        socket: Socket,
        /// The session.
        session: SessionName,
        /// The window in it.
        window: SessionName,
    },
    /// A detached process.
    Daemon {
        /// Its pidfile; without it, one in the state folder.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pidfile: Option<PathBuf>,
    },
}

impl Place {
    /// How an agent in such a place is asked to end where the manifest does not say: Ctrl-C in a pane, then TERM, 10 s each.
    pub fn usual_drain(&self) -> Vec<DrainStep> {
        match self {
            Self::Tmux { .. } => vec![DrainStep::interrupt(), DrainStep::term()],
            Self::Daemon { .. } => vec![DrainStep::term()],
        }
    }
}

/// What an instance gets of the acting process's environment. The values are never part of a digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Inherit {
    /// What a login gives: see [`MINIMAL_ENV`].
    #[default]
    Minimal,
    /// Everything but what is always removed.
    All,
    /// Nothing.
    None,
    /// The variables of these names or globs.
    Only(Vec<String>),
}

impl Inherit {
    fn is_default(&self) -> bool {
        *self == Self::Minimal
    }
}

/// Names and globs of `inherit_env = "minimal"`.
pub const MINIMAL_ENV: [&str; 10] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_*", "TZ", "TMPDIR", "XDG_*"];

/// Variables that no agent gets from outside, whatever is inherited: they would point it at the caller's own tmux or agent.
pub const NEVER_INHERITED: [&str; 3] = ["TMUX", "TMUX_PANE", "CLAUDECODE"];

/// A variable whose value is found at the spawn and never stored, printed or put on a command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Where the value is.
    pub from: SecretSource,
    /// Whether another value is a reason to replace the instance.
    #[serde(default, skip_serializing_if = "OnChange::is_default")]
    pub on_change: OnChange,
}

/// Where the value of a secret is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretSource {
    /// The content of a file, without one newline at its end.
    File(PathBuf),
    /// What a command prints, without one newline at its end.
    Command(Vec<String>),
    /// A variable of the acting process.
    Env(String),
}

/// What another value of a secret means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnChange {
    /// Nothing; the next instance gets it.
    #[default]
    Ignore,
    /// The instance is replaced.
    Replace,
}

impl OnChange {
    fn is_default(&self) -> bool {
        *self == Self::Ignore
    }
}

/// How an agent is looked after. A change here is applied in place and touches no process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Care {
    /// Whom it waits for before it starts, and for what.
    pub after: BTreeMap<AgentName, Milestone>,
    /// By which rules its screen is read; of several, the later ones count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub preset: Vec<Preset>,
    /// The names of the preset's dialogs that are answered.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub accept: BTreeSet<String>,
    /// Dialogs on top of the preset; all of them are answered as they say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dialogs: Vec<DialogRule>,
    /// How it is told to be at work, on top of the preset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Idle>,
    /// A text that each instance is given once, when it is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Text>,
    /// How notes reach it.
    #[serde(skip_serializing_if = "Handoff::is_default")]
    pub handoff: Handoff,
    /// When it counts as ready.
    pub ready: Ready,
    /// By what it is seen to be alive.
    #[serde(skip_serializing_if = "Live::is_default")]
    pub live: Live,
    /// How much it may use.
    #[serde(skip_serializing_if = "Limits::is_default")]
    pub limits: Limits,
    /// What happens when it ends by itself.
    pub restart: Restart,
    /// How it is asked to end, step by step; a kill of the whole tree follows.
    pub drain: Vec<DrainStep>,
    /// Never stopped by a plan.
    pub protect: bool,
    /// What happens when it leaves the manifest.
    pub on_remove: OnRemove,
    /// Whether it should run.
    pub desired: Wish,
    /// What holds a change that would interrupt it.
    pub hold: BTreeSet<HoldOn>,
    /// Where a daemon's output goes.
    pub log: Log,
    /// Where what a pane's terminal gets is written, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pane_log: Option<Log>,
    /// Commands at the turns of its life.
    #[serde(skip_serializing_if = "Hooks::is_empty")]
    pub hooks: Hooks,
    /// What becomes of descendants that outlive its program.
    #[serde(skip_serializing_if = "Leftovers::is_default")]
    pub leftovers: Leftovers,
    /// The layout of the window that it shares, a name that `tmux select-layout` knows.
    pub layout: Option<String>,
    /// Options of its session.
    pub session_options: BTreeMap<String, String>,
    /// Shown as the pane's title and in the status.
    pub title: Option<String>,
    /// For people and `--target label:k=v`.
    pub labels: BTreeMap<String, String>,
    /// For people.
    pub description: Option<String>,
}

impl Default for Care {
    /// The care of a daemon of which nothing is known; the loader fills in what depends on the runtime.
    fn default() -> Self {
        Self {
            after: BTreeMap::new(),
            preset: Vec::new(),
            accept: BTreeSet::new(),
            dialogs: Vec::new(),
            idle: None,
            prompt: None,
            handoff: Handoff::default(),
            ready: Ready::default(),
            live: Live::default(),
            limits: Limits::default(),
            restart: Restart::default(),
            drain: vec![DrainStep::term()],
            protect: false,
            on_remove: OnRemove::Drain,
            desired: Wish::Running,
            hold: BTreeSet::from([HoldOn::Busy, HoldOn::Attached]),
            log: Log::default(),
            pane_log: None,
            hooks: Hooks::default(),
            leftovers: Leftovers::Kill,
            layout: None,
            session_options: BTreeMap::new(),
            title: None,
            labels: BTreeMap::new(),
            description: None,
        }
    }
}

impl Care {
    /// Whether something says how its screen is to be read.
    pub fn reads_screen(&self) -> bool {
        let Self { preset, dialogs, idle, .. } = self;
        !preset.is_empty() || !dialogs.is_empty() || idle.is_some()
    }

    /// Whether a dialog of this name is answered.
    pub fn accepts(&self, dialog: &str) -> bool {
        match self.dialogs.iter().find(|rule| rule.name == dialog) {
            Some(rule) => rule.answer != DialogAnswer::Stop,
            None => self.accept.contains(dialog),
        }
    }
}

/// What one agent waits for in the life of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Milestone {
    /// Its instance runs.
    Started,
    /// Its instance is ready, or has ended with success.
    Ready,
    /// Its instance has ended, however.
    Exited,
    /// Its instance has ended with success.
    Succeeded,
}

impl Milestone {
    /// As it is waited for: `to be ready`.
    pub fn awaited(self) -> &'static str {
        match self {
            Self::Started => "to be started",
            Self::Ready => "to be ready",
            Self::Exited => "to have exited",
            Self::Succeeded => "to have succeeded",
        }
    }
}

impl fmt::Display for Milestone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Started => "started",
            Self::Ready => "ready",
            Self::Exited => "exited",
            Self::Succeeded => "succeeded",
        })
    }
}

/// When an agent counts as ready.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ready {
    /// What is looked at. The default rule: it has lived for one second.
    pub probe: Probe,
    /// How long it may take.
    pub timeout: Duration,
    /// The time between two looks.
    pub interval: Duration,
    /// What it means when it took longer.
    pub on_timeout: OnTimeout,
}

impl Default for Ready {
    fn default() -> Self {
        Self {
            probe: Probe::Delay(Duration::from_secs(1)),
            timeout: Duration::from_secs(90),
            interval: Duration::from_millis(250),
            on_timeout: OnTimeout::Fail,
        }
    }
}

/// What it means when an agent did not get ready in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnTimeout {
    /// It has failed: it is left as it is, shown, and what depends on it does not start.
    #[default]
    Fail,
    /// It counts as ready, with a warning.
    Proceed,
}

/// A question with a yes or no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Probe {
    /// The pane shows text that matches this regular expression.
    Screen(String),
    /// A file is there.
    File(PathBuf),
    /// `host:port` takes a connection.
    Tcp(String),
    /// A GET of an `http://` address answers with this status.
    Http {
        /// The address.
        url: String,
        /// The status, 200 without it.
        status: u16,
    },
    /// A command exits with 0.
    Command(Vec<String>),
    /// It has lived for this long.
    Delay(Duration),
    /// A file was changed not longer ago than this, and not before the spawn.
    Heartbeat {
        /// The file.
        file: PathBuf,
        /// The greatest age of its last change.
        max_age: Duration,
    },
    /// Its preset reads the screen as that of a program that takes input or works.
    Preset,
}

/// What happens when an agent ends by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Restart {
    /// Whether it is started again.
    pub policy: Policy,
    /// Exit codes that mean success.
    pub success: BTreeSet<i32>,
    /// The pause before a restart.
    pub backoff: Backoff,
    /// A life of this length that got ready clears the count of failures.
    pub healthy_after: Duration,
    /// When to stop trying.
    pub give_up: GiveUp,
    /// What is asked before it is started again; a no leaves it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_if: Option<Probe>,
}

impl Default for Restart {
    fn default() -> Self {
        Self {
            policy: Policy::OnFailure,
            success: BTreeSet::from([0]),
            backoff: Backoff::default(),
            healthy_after: Duration::from_secs(10),
            give_up: GiveUp::default(),
            only_if: None,
        }
    }
}

/// Whether an agent that ended by itself is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Always.
    Always,
    /// When it ended without success.
    #[default]
    OnFailure,
    /// Never.
    Never,
}

/// The pause before a restart: `first`, then `factor` times the last, up to `max`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// By how much it grows, at least 1.
    pub factor: f64,
    /// The longest pause.
    pub max: Duration,
    /// The share by which a pause may be longer, 0 to 1, so that a fleet does not restart in step.
    pub jitter: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), factor: 2.0, max: Duration::from_secs(60), jitter: 0.1 }
    }
}

/// When to stop trying.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GiveUp {
    /// So many failures…
    pub failures: u32,
    /// …within this time.
    pub within: Duration,
}

impl Default for GiveUp {
    fn default() -> Self {
        Self { failures: 5, within: Duration::from_secs(15 * 60) }
    }
}

/// One way of asking an agent to end, and how long to wait for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainStep {
    /// How it is asked.
    pub ask: DrainAsk,
    /// How long it is waited for; zero is one look.
    pub wait: Duration,
    /// What ends the step before its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Probe>,
}

impl DrainStep {
    /// How long a step waits where the manifest does not say.
    pub const USUAL_WAIT: Duration = Duration::from_secs(10);

    /// Ctrl-C in its pane.
    pub fn interrupt() -> Self {
        Self { ask: DrainAsk::Keys(vec!["C-c".to_owned()]), wait: Self::USUAL_WAIT, until: None }
    }

    /// A text in its terminal.
    pub fn ask(text: String) -> Self {
        Self { ask: DrainAsk::Ask(text), wait: Self::USUAL_WAIT, until: None }
    }

    /// TERM to its program.
    pub const fn term() -> Self {
        Self { ask: DrainAsk::Signal { signal: Signal::Term, to: SignalTo::Main }, wait: Self::USUAL_WAIT, until: None }
    }
}

/// How an agent is asked to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DrainAsk {
    /// A text is typed into its terminal and submitted.
    Ask(String),
    /// A note is laid into its inbox.
    Message(String),
    /// A command is run.
    Command(Vec<String>),
    /// Keys are sent to its pane, by tmux's names for them.
    Keys(Vec<String>),
    /// A signal is sent.
    Signal {
        /// Which.
        signal: Signal,
        /// To whom.
        to: SignalTo,
    },
}

/// The signals that a drain may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Signal {
    /// SIGTERM.
    Term,
    /// SIGINT.
    Int,
    /// SIGHUP.
    Hup,
    /// SIGQUIT.
    Quit,
    /// SIGUSR1.
    Usr1,
    /// SIGUSR2.
    Usr2,
    /// SIGKILL.
    Kill,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Term => "TERM",
            Self::Int => "INT",
            Self::Hup => "HUP",
            Self::Quit => "QUIT",
            Self::Usr1 => "USR1",
            Self::Usr2 => "USR2",
            Self::Kill => "KILL",
        })
    }
}

/// Who gets a signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignalTo {
    /// The program and all its descendants.
    Tree,
    /// The processes of the program's process group that are its descendants.
    Group,
    /// The program.
    #[default]
    Main,
}

/// What happens to an agent that leaves the manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnRemove {
    /// It is drained.
    #[default]
    Drain,
    /// It is killed.
    Kill,
    /// It is left running and is ours no more.
    Leave,
}

/// Whether an agent should run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Wish {
    /// It should.
    #[default]
    Running,
    /// It should not.
    Stopped,
}

/// What holds a change that would interrupt an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HoldOn {
    /// It is working.
    Busy,
    /// A person is attached to its session.
    Attached,
}

/// Where the output of an agent goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    /// The file; without it, one in the state folder.
    pub file: Option<PathBuf>,
    /// The size in bytes at which it is moved aside.
    pub max_size: u64,
    /// How many moved-aside files are kept.
    pub keep: u32,
}

impl Default for Log {
    fn default() -> Self {
        Self { file: None, max_size: 20 * 1024 * 1024, keep: 3 }
    }
}
