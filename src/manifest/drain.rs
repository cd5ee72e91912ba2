//! How one copy of an agent is asked to end.

use super::context::Fields;
use super::file::{DrainStep, Ready, Runtime};
use super::layers::Written;
use super::probe;
use super::read::At;
use crate::desired::{self, DrainAsk, Preset, Probe, SignalTo};
use crate::screen::Rules;

/// The steps; where none are written, the preset's own way out, else that of the runtime. What is wrong is reported.
pub(crate) fn drain(agent: &Written<'_>, presets: &[Preset], runtime: Runtime, fields: &Fields<'_>) -> Vec<desired::DrainStep> {
    match agent.get(|agent| &agent.drain) {
        Some(steps) => steps.iter().filter_map(|step| drain_step(step, runtime, fields)).collect(),
        None if runtime == Runtime::Daemon => vec![desired::DrainStep::term()],
        None => {
            let of_its_own = way_out(presets);
            let first = of_its_own.exit.map_or_else(desired::DrainStep::interrupt, desired::DrainStep::ask);
            let to = of_its_own.term.unwrap_or_default();
            let ask = DrainAsk::Signal { signal: desired::Signal::Term, to };
            vec![first, desired::DrainStep { ask, ..desired::DrainStep::term() }]
        }
    }
}

/// What the rules of a program say of its end.
#[derive(Default)]
struct WayOut {
    /// The text that asks it to exit.
    exit: Option<String>,
    /// Which processes get TERM after that.
    term: Option<SignalTo>,
}

/// The way out of the presets, of which the later ones count.
fn way_out(presets: &[Preset]) -> WayOut {
    presets.iter().fold(WayOut::default(), |before, preset| {
        let rules = match preset {
            Preset::Named(name) => Rules::preset(name).cloned(),
            Preset::File { text, .. } => Rules::parse(text).ok(),
        };
        let (exit, term) = rules.map_or((None, None), |rules| (rules.exit, rules.term));
        WayOut { exit: exit.or(before.exit), term: term.or(before.term) }
    })
}

fn drain_step(step: &At<DrainStep<'_>>, runtime: Runtime, fields: &Fields<'_>) -> Option<desired::DrainStep> {
    let report = fields.context.report;
    let DrainStep { ask, keys, signal, command, message, to, wait, until } = &step.value;
    let given = [ask.is_some(), keys.is_some(), signal.is_some(), command.is_some(), message.is_some()];
    if given.into_iter().filter(|given| *given).count() != 1 {
        let hint = Some("write a step such as { signal = \"TERM\", wait = \"10s\" }".to_owned());
        report.error_unless_inside(step.spot, "a step needs exactly one of `ask`, `keys`, `signal`, `command` and `message`", hint);
        return None;
    }
    if let Some(to) = to.filter(|_| signal.is_none()) {
        report.error(to.spot, "`to` goes with `signal`", None);
    }
    let on_a_terminal = ask.map(|at| ("ask", at.spot)).or(keys.as_ref().map(|at| ("keys", at.spot)));
    if let (Runtime::Daemon, Some((key, spot))) = (runtime, on_a_terminal) {
        // A mixed fleet's defaults may begin with what is typed: a daemon skips that step.
        if !spot.defaults {
            let hint = Some("a daemon has no keyboard: ask it by { signal = \"TERM\" }".to_owned());
            report.error(spot, format!("`{key}` makes no sense for a daemon"), hint);
        }
        return None;
    }
    let text = |written: At<&str>| {
        if written.value.trim().is_empty() {
            report.error(written.spot, "an empty text asks for nothing", None);
        }
        fields.text(written).into_owned()
    };
    let ask = if let Some(written) = ask {
        DrainAsk::Ask(text(*written))
    } else if let Some(written) = message {
        DrainAsk::Message(text(*written))
    } else if let Some(keys) = keys {
        DrainAsk::Keys(fields.keys(keys))
    } else if let Some(words) = command {
        DrainAsk::Command(fields.argv(words))
    } else {
        let signal = signal.as_ref()?;
        DrainAsk::Signal { signal: signal.value, to: to.map_or(SignalTo::Main, |to| to.value) }
    };
    Some(desired::DrainStep {
        ask,
        wait: wait.map_or(desired::DrainStep::USUAL_WAIT, |wait| wait.value),
        until: until.as_ref().and_then(|until| self::until(until, runtime, fields)),
    })
}

/// The probe that ends a step before its time.
fn until(written: &At<Ready<'_>>, runtime: Runtime, fields: &Fields<'_>) -> Option<Probe> {
    let report = fields.context.report;
    let Ready { timeout, interval, on_timeout, owner, .. } = &written.value;
    if timeout.is_some() || interval.is_some() || on_timeout.is_some() || owner.is_some() {
        report.error(written.spot, "`until` is a probe alone: how long the step may take is its `wait`", None);
    }
    if !probe::has_probe(&written.value) {
        report.error_unless_inside(written.spot, "`until` needs a probe", Some("write one such as { file = \"run/saved\" }".to_owned()));
        return None;
    }
    Some(probe::ready(written, desired::Ready::default(), runtime, fields).probe)
}
