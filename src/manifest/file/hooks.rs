//! The table of hooks.

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::read::At;
use super::super::words::HookForms;
use crate::desired::OnFail;
use crate::time::Duration;

/// Commands at the turns of an agent's life. They run in its working folder with its environment but without its secrets, with `RECONCILE_HOOK` set to
/// their name, nothing on standard input, and their output in its log (in tmux it is dropped). None outlives its timeout.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table such as { on_crash = [\"notify-send\", \"crash\"] }", bound(deserialize = "'de: 'a"))]
pub(crate) struct Hooks<'a> {
    /// Before its program is started, and before files of variables and secrets are read. With `on_fail = "fail"` nothing is started when it fails.
    pub(crate) before_spawn: Option<At<HookForms<'a>>>,
    /// Once in each life, when `apply` or a watcher sees for the first time that it is ready. Nothing waits for it.
    pub(crate) after_ready: Option<At<HookForms<'a>>>,
    /// When it is first asked to end, just before the first step of its drain. Nothing waits for it: what must be done first is a step of the drain. A kill
    /// without a drain does not run it.
    pub(crate) before_stop: Option<At<HookForms<'a>>>,
    /// After each end, when its tree is gone; its next life waits for it. `RECONCILE_EXIT_CODE` or `RECONCILE_EXIT_SIGNAL` says how it ended.
    pub(crate) after_stop: Option<At<HookForms<'a>>>,
    /// After an end that nobody asked for and that is not in `restart.success`; before `after_stop`, and with the same variables.
    pub(crate) on_crash: Option<At<HookForms<'a>>>,
}

/// A command and how long it may take.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table such as { command = [\"notify-send\", \"crash\"] }", bound(deserialize = "'de: 'a"))]
pub(crate) struct Hook<'a> {
    /// The program and its arguments.
    #[schemars(required, length(min = 1))]
    pub(crate) command: Option<At<Vec<At<&'a str>>>>,
    /// After this it is killed with its whole tree; at most 10 minutes. Default `"30s"`.
    pub(crate) timeout: Option<At<Duration>>,
    /// What it means when it fails: nothing but a line in the log (`"ignore"`, the default), or that the start fails (`"fail"`, only of `before_spawn`).
    pub(crate) on_fail: Option<At<OnFail>>,
}
