//! `live` and `limits`: by what an agent is seen to be alive, and how much it may use.

use super::context::Fields;
use super::file::{Heartbeat, Limits, Live, Runtime};
use super::probe::{self, Kinds};
use super::read::At;
use super::words::PathOrHeartbeat;
use crate::desired;
use crate::time::Duration;

/// By what an agent is seen to be alive. What is wrong is reported.
pub(crate) fn live(written: &At<Live<'_>>, runtime: Runtime, fields: &Fields<'_>) -> desired::Live {
    let Live { screen, file, tcp, http, status, command, heartbeat, max_age, interval, failures, screen_unchanged } = &written.value;
    let report = fields.context.report;
    let (beat, rule) = match heartbeat {
        Some(At { value: PathOrHeartbeat::Path(path), spot }) => (Some(At { value: *path, spot: *spot }), None),
        Some(At { value: PathOrHeartbeat::Table(table), spot }) => (None, Some((table, *spot))),
        None => (None, None),
    };
    let kinds = Kinds {
        screen: *screen,
        file: *file,
        tcp: *tcp,
        http: *http,
        status: *status,
        command: command.as_ref(),
        delay: None,
        heartbeat: beat,
        max_age: *max_age,
    };
    let probe = probe::probe(&kinds, runtime, fields);
    let default = desired::Live::default();
    if !kinds.has_any() {
        let lonely = [("interval", interval.map(|at| at.spot)), ("failures", failures.map(|at| at.spot))];
        for (key, spot) in lonely.into_iter().filter_map(|(key, spot)| Some((key, spot?))) {
            let hint = Some("write what is asked, such as { tcp = \"127.0.0.1:7411\" }".to_owned());
            report.error(spot, format!("`{key}` goes with a probe, and there is none"), hint);
        }
    }
    if let Some(interval) = interval.filter(|interval| interval.value < Duration::from_millis(10)) {
        report.error(interval.spot, "looking that often would keep the machine busy: `interval` is at least \"10ms\"", None);
    }
    if let Some(failures) = failures.filter(|failures| failures.value == 0) {
        report.error(failures.spot, "`failures` is at least 1", None);
    }
    longer_than_nothing("screen_unchanged", *screen_unchanged, fields);
    desired::Live {
        probe,
        interval: interval.map_or(default.interval, |interval| interval.value),
        failures: failures.map_or(default.failures, |failures| failures.value),
        heartbeat: rule.and_then(|(table, spot)| self::heartbeat(table, spot, runtime, fields)),
        // What does not fit the runtime is reported with the other keys; from the defaults it falls away.
        screen_unchanged: screen_unchanged.filter(|_| runtime == Runtime::Tmux).map(|length| length.value),
    }
}

fn longer_than_nothing(key: &str, written: Option<At<Duration>>, fields: &Fields<'_>) {
    if let Some(length) = written.filter(|length| length.value == Duration::ZERO) {
        fields.context.report.error(length.spot, format!("`{key}` must be longer than nothing"), None);
    }
}

fn heartbeat(written: &Heartbeat<'_>, spot: super::report::Spot, runtime: Runtime, fields: &Fields<'_>) -> Option<desired::Heartbeat> {
    let Heartbeat { file, nudge_after, replace_after, nudge } = written;
    let report = fields.context.report;
    longer_than_nothing("nudge_after", *nudge_after, fields);
    longer_than_nothing("replace_after", *replace_after, fields);
    if nudge_after.is_none() && replace_after.is_none() {
        let hint = Some("write `nudge_after`, `replace_after`, or both".to_owned());
        report.error_unless_inside(spot, "a silence would lead to nothing", hint);
    }
    if let (Some(nudge), None) = (nudge, nudge_after) {
        report.error(nudge.spot, "`nudge` goes with `nudge_after`", None);
    }
    if let (Some(nudge), Some(replace)) = (nudge_after, replace_after)
        && nudge.value >= replace.value
    {
        let message = format!("it would be replaced after {}, before it could be nudged after {}", replace.value, nudge.value);
        report.error(nudge.spot, message, Some("set a shorter `nudge_after`".to_owned()));
    }
    let nudge = nudge.map(|nudge| {
        let text = fields.text(nudge).into_owned();
        if text.trim().is_empty() {
            report.error(nudge.spot, "an empty text would be no nudge", None);
        }
        text
    });
    let heartbeat = desired::Heartbeat {
        file: file.map(|file| fields.file(file)),
        nudge_after: nudge_after.filter(|_| runtime == Runtime::Tmux).map(|length| length.value),
        replace_after: replace_after.map(|length| length.value),
        nudge: nudge.unwrap_or_else(|| desired::Heartbeat::USUAL_NUDGE.to_owned()),
    };
    (heartbeat.nudge_after.is_some() || heartbeat.replace_after.is_some()).then_some(heartbeat)
}

/// How much an instance may use, given the time that is written for it to get ready. What is wrong is reported.
pub(crate) fn limits(written: &Limits, ready_timeout: Option<Duration>, fields: &Fields<'_>) -> desired::Limits {
    let Limits { memory, runtime, nofile: _ } = written;
    let report = fields.context.report;
    if let Some(memory) = memory.filter(|memory| memory.value.0.0 == 0) {
        report.error(memory.spot, "every program needs some memory: `memory` is larger than 0", None);
    }
    if let Some(runtime) = runtime.filter(|runtime| runtime.value == Duration::ZERO) {
        report.error(runtime.spot, "`runtime` must be longer than 0", None);
    } else if let (Some(runtime), Some(timeout)) = (runtime, ready_timeout)
        && runtime.value <= timeout
    {
        let message = format!("it would be ended after {}, and it has {timeout} to get ready", runtime.value);
        report.error(runtime.spot, message, Some("set a longer `runtime`, or a shorter `ready.timeout`".to_owned()));
    }
    desired::Limits { memory: memory.map(|memory| memory.value.0.0), runtime: runtime.map(|runtime| runtime.value) }
}
