//! An agent as it is written: its keys, in the order in which people look for them.

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::read::{At, Entries};
use super::super::words::{After, Argv, FlagOrNames, ForEach, NameOrNames, Scalar, Umask};
use super::{DialogRule, DrainStep, Handoff, Hooks, Idle, Limits, Live, Log, Ready, Restart, Secret};
use crate::desired::{HoldOn, Leftovers, OnRemove, Wish};
use crate::time::Duration;

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
    /// Whether the program of a daemon daemonizes itself and writes its `pidfile` itself. Default false: it runs in the foreground.
    pub(crate) daemonizes: Option<At<bool>>,
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
    /// Names or globs of variables that it does not inherit. What `env`, `env_file` and `secrets` declare stays.
    pub(crate) unset_env: Option<Vec<At<&'a str>>>,
    /// Variables whose values are found when it is started, and never stored or printed.
    #[schemars(extend("propertyNames" = { "pattern": "^[^=\\s]+$" }))]
    pub(crate) secrets: Option<Entries<'a, At<Secret<'a>>>>,
    /// The standard input of a daemon. Default: `/dev/null`.
    #[schemars(length(min = 1))]
    pub(crate) stdin_file: Option<At<&'a str>>,
    /// The permissions that its new files do not get, in octal. Default `"022"`.
    pub(crate) umask: Option<At<Umask>>,
    /// Its niceness, from -20 to 19. Default 0; a caller that may not lower its own niceness starts the agent anyway.
    #[schemars(range(min = -20, max = 19))]
    pub(crate) nice: Option<At<i32>>,
    /// Files whose content is part of what it is started with, so that a change replaces it; `"exe"` is the program's own file.
    pub(crate) replace_on: Option<Vec<At<&'a str>>>,

    /// Whom it waits for before it starts: names (each must be ready), or names with what to wait for. The name of copies means all of them.
    pub(crate) after: Option<At<After<'a>>>,
    /// Which rules its screen is read by: `"claude"`, `"codex"`, `"gemini"`, `"opencode"`, a file of rules, or a list of which the later ones count.
    pub(crate) preset: Option<At<NameOrNames<'a>>>,
    /// The preset's dialogs that may be answered with yes for you, such as `"trust"`. A known dialog that is not named here needs a person.
    pub(crate) accept: Option<Vec<At<&'a str>>>,
    /// Dialogs on top of the preset, with their answers.
    pub(crate) dialogs: Option<Vec<At<DialogRule<'a>>>>,
    /// How it is told to be at work, on top of the preset.
    pub(crate) idle: Option<At<Idle<'a>>>,
    /// A text that each instance is given once, when it is ready.
    #[schemars(length(min = 1))]
    pub(crate) prompt: Option<At<&'a str>>,
    /// A file with that text, read when it is given.
    #[schemars(length(min = 1))]
    pub(crate) prompt_file: Option<At<&'a str>>,
    /// How notes reach it.
    pub(crate) handoff: Option<At<Handoff<'a>>>,
    /// When it counts as ready. Default: when its preset says so; without one, when it has lived for one second.
    pub(crate) ready: Option<At<Ready<'a>>>,
    /// By what it is seen to be alive while it is ready. Default: that it runs.
    pub(crate) live: Option<At<Live<'a>>>,
    /// How much an instance may use. Above a limit, the agent is replaced; a task (`restart.policy = "never"`) has failed. Default: no limit.
    pub(crate) limits: Option<At<Limits>>,
    /// What happens when it ends by itself.
    pub(crate) restart: Option<Restart<'a>>,
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
    /// After so long, a change that is held is reported as overdue; it is held all the same. Default `"30m"`.
    pub(crate) hold_max: Option<At<Duration>>,
    /// Where the output of a daemon goes; of one in tmux, what its terminal gets, byte by byte. Default: a daemon has a log, a pane has none.
    pub(crate) log: Option<At<Log<'a>>>,
    /// Commands at the turns of its life.
    pub(crate) hooks: Option<Hooks<'a>>,
    /// What becomes of descendants that outlive its program: they are killed (`"kill"`, the default), left running and named in events and status
    /// (`"report"`), or left running (`"keep"`). When the agent is killed, what is in its own terminal session goes in every case.
    pub(crate) leftovers: Option<Leftovers>,
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
