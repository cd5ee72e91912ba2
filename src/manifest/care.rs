//! How one copy of an agent is looked after, every default written out.

use std::collections::{BTreeMap, BTreeSet};

use super::context::{Fields, has_control};
use super::file::{Backoff, GiveUp, Log, Restart, Runtime};
use super::layers::Written;
use super::read::{At, Entries};
use super::{drain, handoff, hooks, live, probe, terminal};
use crate::desired::{self, Care, HoldOn, Place, Probe};
use crate::time::Duration;

/// The care of a copy, but for `after`, which needs to know all agents. What is wrong is reported.
pub(crate) fn care(agent: &Written<'_>, runtime: Runtime, place: &Place, fields: &Fields<'_>) -> Care {
    let (layout, session_options) = session(place, fields);
    let terminal::Terminal { preset, accept, dialogs, idle, prompt } = terminal::terminal(agent, runtime, fields);
    let usual_care = Care::default();
    let log = agent.get(|agent| &agent.log).map(|log| self::log(log, fields));
    // Where nothing else is written, the preset knows.
    let usual = if preset.is_empty() { desired::Ready::default().probe } else { Probe::Preset };
    let drain = drain::drain(agent, &preset, runtime, fields);
    let ready = desired::Ready { probe: usual, ..Default::default() };
    let ready_timeout = agent.get(|agent| &agent.ready).and_then(|ready| ready.value.timeout).map(|timeout| timeout.value);
    let ready = match agent.get(|agent| &agent.ready) {
        Some(written) => probe::ready(written, ready, runtime, fields),
        None => ready,
    };
    Care {
        // Filled in when all agents are known.
        after: Default::default(),
        preset,
        accept,
        dialogs,
        idle,
        prompt,
        handoff: agent.get(|agent| &agent.handoff).map(|handoff| handoff::handoff(handoff, runtime, fields)).unwrap_or_default(),
        live: agent.get(|agent| &agent.live).map(|live| live::live(live, runtime, fields)).unwrap_or_default(),
        limits: agent.get(|agent| &agent.limits).map(|limits| live::limits(&limits.value, ready_timeout, fields)).unwrap_or_default(),
        ready,
        restart: agent.get(|agent| &agent.restart).map(|restart| self::restart(restart, runtime, fields)).unwrap_or_default(),
        drain,
        protect: agent.get(|agent| &agent.protect).copied().unwrap_or(false),
        on_remove: agent.get(|agent| &agent.on_remove).copied().unwrap_or_default(),
        desired: agent.get(|agent| &agent.desired).copied().unwrap_or_default(),
        hold: agent
            .get(|agent| &agent.hold)
            .map_or_else(|| BTreeSet::from([HoldOn::Busy, HoldOn::Attached]), |hold| hold.iter().copied().collect()),
        hold_max: agent.get(|agent| &agent.hold_max).map_or(usual_care.hold_max, |length| length.value),
        log: log.clone().filter(|_| runtime == Runtime::Daemon).unwrap_or_default(),
        pane_log: log.filter(|_| runtime == Runtime::Tmux),
        hooks: agent.get(|agent| &agent.hooks).map(|hooks| hooks::hooks(hooks, fields)).unwrap_or_default(),
        leftovers: agent.get(|agent| &agent.leftovers).copied().unwrap_or_default(),
        layout,
        session_options,
        title: agent.get(|agent| &agent.title).map(|title| self::title(*title, fields)),
        labels: labels(agent.get(|agent| &agent.labels), fields),
        description: agent.get(|agent| &agent.description).map(|text| fields.text(*text).into_owned()),
    }
}

fn session(place: &Place, fields: &Fields<'_>) -> (Option<String>, BTreeMap<String, String>) {
    let Place::Tmux { session, .. } = place else { return Default::default() };
    let Some((name, session)) = fields.context.sessions.get_key_value(session.as_str()) else { return Default::default() };
    if !fields.context.sessions_used.borrow().contains(*name) {
        fields.context.sessions_used.borrow_mut().insert((*name).to_owned());
    }
    let layout = session.layout.map(|layout| layout.as_str().to_owned());
    (layout, fields.context.fields().options(session.options.as_ref()))
}

/// A title reaches tmux, which would read `#(…)` and the like as formats.
fn title(written: At<&str>, fields: &Fields<'_>) -> String {
    let title = fields.plain(written).into_owned();
    let format = |(at, _): (usize, &str)| title[at + 1..].starts_with(|next: char| next.is_ascii_alphabetic() || "({[#,".contains(next));
    if title.match_indices('#').any(format) {
        let hint = Some("put a space after the `#`, or leave it out".to_owned());
        fields.context.report.error(written.spot, "tmux would read a part of this title as a format", hint);
    }
    title
}

fn labels(entries: Option<&Entries<'_, At<super::words::Scalar<'_>>>>, fields: &Fields<'_>) -> BTreeMap<String, String> {
    let entries = entries.map_or(&[][..], |entries| &entries.0);
    let entries = entries.iter().map(|(name, value)| {
        let wrong = |character: char| character == '=' || character == ',' || character.is_whitespace() || character.is_control();
        if name.value.is_empty() || name.value.contains(wrong) {
            fields.context.report.error(name.spot, format!("`{}` cannot be the name of a label", name.value.escape_debug()), None);
        }
        let text = fields.scalar(*value, ["false", "true"]);
        if has_control(&text) {
            fields.context.report.error(value.spot, "control characters have no place here", None);
        }
        (name.value.to_owned(), text)
    });
    entries.collect()
}

fn restart(written: &Restart<'_>, runtime: Runtime, fields: &Fields<'_>) -> desired::Restart {
    let Restart { policy, success, backoff, healthy_after, give_up, only_if } = written;
    let default = desired::Restart::default();
    let success = success.as_ref().map_or(default.success, |codes| {
        for code in codes.iter().filter(|code| !(0..=255).contains(&code.value)) {
            fields.context.report.error(code.spot, format!("{} is no exit code: they go from 0 to 255", code.value), None);
        }
        codes.iter().map(|code| code.value).collect()
    });
    desired::Restart {
        policy: policy.unwrap_or(default.policy),
        success,
        backoff: backoff.as_ref().map(|backoff| self::backoff(backoff, fields)).unwrap_or_default(),
        healthy_after: healthy_after.unwrap_or(default.healthy_after),
        give_up: give_up.as_ref().map(|give_up| self::give_up(give_up, fields)).unwrap_or_default(),
        only_if: only_if.as_ref().and_then(|only_if| probe::condition(only_if, runtime, fields)),
    }
}

fn backoff(written: &Backoff, fields: &Fields<'_>) -> desired::Backoff {
    let Backoff { first, factor, max, jitter } = written;
    let report = fields.context.report;
    if let Some(factor) = factor.filter(|factor| !(factor.value >= 1.0 && factor.value.is_finite())) {
        report.error(factor.spot, "a pause cannot get shorter: `factor` is at least 1", None);
    }
    if let Some(jitter) = jitter.filter(|jitter| !(0.0..=1.0).contains(&jitter.value)) {
        report.error(jitter.spot, "`jitter` is a share from 0 to 1", None);
    }
    let default = desired::Backoff::default();
    let backoff = desired::Backoff {
        first: first.map_or(default.first, |first| first.value),
        factor: factor.map_or(default.factor, |factor| factor.value),
        max: max.map_or(default.max, |max| max.value),
        jitter: jitter.map_or(default.jitter, |jitter| jitter.value),
    };
    if let Some(spot) = first.or(*max).map(|at| at.spot).filter(|_| backoff.first > backoff.max) {
        let message = format!("the first pause, {}, is longer than the longest one, {}", backoff.first, backoff.max);
        report.error(spot, message, Some("change `first` or `max`".to_owned()));
    }
    backoff
}

fn give_up(written: &GiveUp, fields: &Fields<'_>) -> desired::GiveUp {
    let GiveUp { failures, within } = written;
    let report = fields.context.report;
    if let Some(failures) = failures.filter(|failures| failures.value == 0) {
        let hint = Some("write `restart = { policy = \"never\" }` for no second try".to_owned());
        report.error(failures.spot, "`failures` is at least 1", hint);
    }
    if let Some(within) = within.filter(|within| within.value == Duration::ZERO) {
        report.error(within.spot, "`within` must be longer than nothing", None);
    }
    let default = desired::GiveUp::default();
    desired::GiveUp {
        failures: failures.map_or(default.failures, |failures| failures.value),
        within: within.map_or(default.within, |within| within.value),
    }
}

fn log(written: &At<Log<'_>>, fields: &Fields<'_>) -> desired::Log {
    let Log { file, max_size, keep } = &written.value;
    let default = desired::Log::default();
    if let Some(size) = max_size.filter(|size| size.value.0.0 == 0) {
        fields.context.report.error(size.spot, "a log needs some room: `max_size` is larger than 0", None);
    }
    desired::Log {
        file: file.map(|file| fields.file(file)),
        max_size: max_size.map_or(default.max_size, |size| size.value.0.0),
        keep: keep.unwrap_or(default.keep),
    }
}
