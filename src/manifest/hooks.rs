//! The hooks of one copy of an agent.

use super::context::Fields;
use super::file::{Hook, Hooks};
use super::read::At;
use super::words::HookForms;
use crate::desired::{self, OnFail};
use crate::time::Duration;

/// The hooks, every default written out. What is wrong is reported.
pub(super) fn hooks(written: &Hooks<'_>, fields: &Fields<'_>) -> desired::Hooks {
    let Hooks { before_spawn, after_ready, before_stop, after_stop, on_crash } = written;
    let hook = |written: &Option<At<HookForms<'_>>>| written.as_ref().and_then(|written| hook(written, fields));
    let hooks = desired::Hooks {
        before_spawn: hook(before_spawn),
        after_ready: hook(after_ready),
        before_stop: hook(before_stop),
        after_stop: hook(after_stop),
        on_crash: hook(on_crash),
    };
    for written in [after_ready, before_stop, after_stop, on_crash].into_iter().flatten() {
        if let HookForms::Table(Hook { on_fail: Some(At { value: OnFail::Fail, spot }), .. }) = &written.value {
            let hint = Some("take it out, or write \"ignore\"".to_owned());
            fields.context.report.error(*spot, "only `before_spawn` can fail something, which is the start", hint);
        }
    }
    hooks
}

fn hook(written: &At<HookForms<'_>>, fields: &Fields<'_>) -> Option<desired::Hook> {
    let report = fields.context.report;
    let usual = |command| desired::Hook { command, timeout: desired::Hook::USUAL_TIMEOUT, on_fail: OnFail::Ignore };
    let Hook { command, timeout, on_fail } = match &written.value {
        HookForms::Words(words) => return Some(usual(fields.argv(&At { value: words.clone(), spot: written.spot }))),
        HookForms::Table(table) => table,
    };
    let Some(command) = command else {
        let hint = Some("write it like { command = [\"notify-send\", \"it crashed\"], timeout = \"10s\" }".to_owned());
        report.error_unless_inside(written.spot, "a hook needs a `command`", hint);
        return None;
    };
    if let Some(timeout) = timeout.filter(|timeout| timeout.value == Duration::ZERO || timeout.value > desired::Hook::MAX_TIMEOUT) {
        let message = format!("a hook takes more than no time, and at most {}", desired::Hook::MAX_TIMEOUT);
        report.error(timeout.spot, message, None);
    }
    Some(desired::Hook {
        timeout: timeout.map_or(desired::Hook::USUAL_TIMEOUT, |timeout| timeout.value),
        on_fail: on_fail.map_or(OnFail::Ignore, |on_fail| on_fail.value),
        ..usual(fields.argv(command))
    })
}
