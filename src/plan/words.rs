//! What a plan says in plain words. The one place for them: the terminal, the JSON, the journal and the errors all quote it.

use std::fmt;

use serde_json::Value;

use super::{Action, Cause, Change, FieldChange, Held, HoldReason, Kind, ServerChange, Wait, WaitReason};
use crate::desired::{AgentName, DrainAsk, SignalTo};
use crate::observed::Step;

impl Change {
    /// Why it is due, naming the first field where fields are the reason: `command[2] "sonnet" → "opus"`.
    pub fn why(&self) -> String {
        let fields = match self.cause {
            Cause::LaunchChanged | Cause::CareChanged => &self.fields[..],
            Cause::New
            | Cause::LaunchUnknown
            | Cause::SecretChanged(_)
            | Cause::Asked
            | Cause::Ended(_)
            | Cause::StartInterrupted
            | Cause::WantedAgain
            | Cause::NotReady
            | Cause::Faulty(_)
            | Cause::Shows(_)
            | Cause::Message(_)
            | Cause::Note { .. }
            | Cause::Unread(_)
            | Cause::LogClosed
            | Cause::Unrecorded
            | Cause::Renamed(_)
            | Cause::NotDeclared
            | Cause::WantedStopped
            | Cause::Remains
            | Cause::Unknown => &[],
        };
        match fields {
            [] => self.cause.to_string(),
            [only] => only.to_string(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Spawn => "spawn",
            Self::Replace => "replace",
            Self::Restart => "restart",
            Self::Amend => "amend",
            Self::Deliver => "deliver",
            Self::Stop => "stop",
            Self::Adopt => "adopt",
            Self::Forget => "forget",
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("new in the manifest"),
            Self::LaunchChanged => f.write_str("launch changed"),
            Self::LaunchUnknown => f.write_str("its mark tells of another launch, and its record is lost"),
            Self::SecretChanged(names) => write!(f, "secret {} changed", names.join(", ")),
            Self::Asked => f.write_str("asked for"),
            Self::Ended(how) => write!(f, "it {how}"),
            Self::StartInterrupted => f.write_str("its start was interrupted"),
            Self::WantedAgain => f.write_str("stopped, and wanted again"),
            Self::NotReady => f.write_str("not ready yet"),
            Self::Faulty(fault) => fault.fmt(f),
            Self::Shows(what) => f.write_str(what),
            Self::Note { source, bytes } => write!(f, "{} ({bytes} bytes)", source.display()),
            Self::Unread(id) => write!(f, "it has not acknowledged the note {id} yet"),
            Self::Message(kind) => write!(f, "a {} waits for it", kind.as_str()),
            Self::CareChanged => f.write_str("care changed"),
            Self::LogClosed => f.write_str("something closed the pipe to its log"),
            Self::Unrecorded => f.write_str("runs as declared, and no record knows it"),
            Self::Renamed(from) => write!(f, "renamed from {from}"),
            Self::NotDeclared => f.write_str("not in the manifest"),
            Self::WantedStopped => f.write_str("should be stopped"),
            Self::Remains => f.write_str("an earlier life left processes behind"),
            Self::Unknown => f.write_str("cannot be told how it is"),
        }
    }
}

impl fmt::Display for ServerChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set { fields, .. } => f.write_str(&fields.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
            Self::Close(_) => f.write_str("no agent needs it"),
        }
    }
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [Value::String(field), Value::String(file)] = &self.path[..]
            && field == "replace_on"
        {
            // What is compared is a digest, and says nothing to anybody.
            let what = match (&self.before, &self.after) {
                (Some(_), Some(_)) => "has another content",
                (None, _) => "is new there",
                (Some(_), None) => "is there no more",
            };
            return write!(f, "{field}: {file} {what}");
        }
        for (depth, key) in self.path.iter().enumerate() {
            match key {
                Value::String(name) if depth == 0 => f.write_str(name)?,
                Value::String(name) => write!(f, ".{name}")?,
                Value::Number(place) => write!(f, "[{place}]")?,
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {}
            }
        }
        let text = |value: &Option<Value>| value.as_ref().map_or("(none)".to_owned(), Value::to_string);
        write!(f, " {} → {}", text(&self.before), text(&self.after))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Spawn { .. } => "spawn",
            Self::Deliver { .. } => "deliver",
            Self::Answer { .. } => "answer",
            Self::Type { .. } => "deliver",
            Self::Submit { .. } => "submit",
            Self::Receive { .. } => "receive",
            Self::Drain { .. } => "drain",
            Self::Stay { .. } => "stay",
            Self::Kill { .. } => "kill",
            Self::Sweep { .. } => "sweep",
            Self::Amend => "amend",
            Self::Rename { .. } => "rename",
            Self::Adopt { .. } => "adopt",
            Self::Forget => "forget",
        })
    }
}

impl fmt::Display for DrainAsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask(text) => write!(f, "ask {text:?}"),
            Self::Message(_) => f.write_str("a note in its inbox"),
            Self::Command(words) => write!(f, "command {}", words.join(" ")),
            Self::Keys(keys) => write!(f, "keys {}", keys.join(" ")),
            Self::Signal { signal, to } => {
                let to = match to {
                    SignalTo::Tree => " to the tree",
                    SignalTo::Group => " to the group",
                    SignalTo::Main => "",
                };
                write!(f, "signal {signal}{to}")
            }
        }
    }
}

impl Wait {
    /// What is waited for, as one word.
    pub fn reason(&self) -> WaitReason {
        match self {
            Self::Backoff { .. } => WaitReason::Backoff,
            Self::Condition { .. } => WaitReason::Condition,
            Self::Ready { .. } => WaitReason::Ready,
            Self::Dialog { .. } => WaitReason::Answer,
            Self::Screen { .. } => WaitReason::Screen,
            Self::Read { .. } => WaitReason::Acknowledgement,
            Self::Leave { step: Step::Drain(_), .. } => WaitReason::Drain,
            Self::Leave { step: Step::Kill, .. } => WaitReason::Kill,
            Self::After { .. } => WaitReason::After,
            Self::Dependants(_) => WaitReason::Dependants,
            Self::Turn => WaitReason::Turn,
            Self::Wave { .. } => WaitReason::Wave,
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backoff { until } => write!(f, "tries again at {}", until.clock()),
            Self::Ready { until, .. } => write!(f, "waits to be ready, until {}", until.clock()),
            Self::Condition { .. } => f.write_str("waits for the answer of restart.only_if"),
            Self::Dialog { .. } | Self::Screen { .. } => f.write_str("waits for its terminal"),
            Self::Read { until, .. } => write!(f, "waits until it has read it, until {}", until.clock()),
            Self::Leave { step: Step::Drain(step), until, .. } => {
                write!(f, "was asked to end (step {}), has until {}", step + 1, until.clock())
            }
            Self::Leave { step: Step::Kill, until, .. } => write!(f, "is being killed, has until {}", until.clock()),
            Self::After { agent, milestone } => write!(f, "waits for {agent} {}", milestone.awaited()),
            Self::Dependants(agents) => {
                let names: Vec<&str> = agents.iter().take(3).map(|agent| agent.as_str()).collect();
                let more = agents.len().saturating_sub(3);
                write!(f, "waits for the end of {}", names.join(", "))?;
                if more > 0 { write!(f, " and {more} more") } else { Ok(()) }
            }
            Self::Turn => f.write_str("waits for its turn"),
            Self::Wave { .. } => f.write_str("waits for its turn, as several ended at about the same time"),
        }
    }
}

impl Held {
    /// What holds it, as one word.
    pub fn reason(&self) -> HoldReason {
        match self {
            Self::Attached(_) => HoldReason::Attached,
            Self::Protected => HoldReason::Protected,
            Self::Busy => HoldReason::Busy,
            Self::Draft => HoldReason::Draft,
            Self::Shell(_) => HoldReason::Shell,
            Self::NoNote => HoldReason::NoNote,
            Self::Unclear => HoldReason::Unclear,
            Self::Waiting { .. } => HoldReason::Waiting,
            Self::NotReading => HoldReason::NotReading,
            Self::Suspended(_) => HoldReason::Suspended,
            Self::Limit(_) => HoldReason::Limit,
            Self::NotShown => HoldReason::NotShown,
            Self::Paused { .. } => HoldReason::Paused,
            Self::Halted => HoldReason::Halted,
            Self::Auto(_) => HoldReason::Auto,
            Self::Guard(_) => HoldReason::Guard,
            Self::Dependant(_) => HoldReason::Dependant,
        }
    }
}

impl Held {
    /// What holds a change of this agent, and what releases it.
    pub fn text(&self, agent: &AgentName) -> String {
        match self {
            Self::Attached(1) => "a client is attached; released when it detaches, or with --now".to_owned(),
            Self::Attached(count) => format!("{count} clients are attached; released when they detach, or with --now"),
            Self::Protected => format!("it is protected; released with --allow-kill {agent}"),
            Self::Busy => "it is busy; released when it is idle, or with --now".to_owned(),
            Self::Draft => "unsent text is in its input box; released when that is submitted or gone, or with --now".to_owned(),
            Self::Shell(name) => format!("`{name}` waits for commands in its terminal, and would run the text"),
            Self::NoNote => {
                "there is no note for its successor, and handoff.require asks for one; released by a note, or with --now".to_owned()
            }
            Self::Unclear => "its screen does not say whether it is busy; released when it does, or with --now".to_owned(),
            Self::Waiting { on, shows } => format!("{}: {shows}; released when a person answers, or with --now", on.said()),
            Self::NotReading => {
                "it is not known whether its program reads its terminal yet; released when it takes its terminal over, or by a \
                                 `ready` probe"
                    .to_owned()
            }
            Self::Suspended(pid) => {
                format!("a signal has stopped its program (T), and it reads nothing; released when it goes on: `kill -CONT {pid}`")
            }
            Self::Limit(Some(until)) => format!("its usage limit is reached until {}", until.clock()),
            Self::Limit(None) => "its usage limit is reached, and its screen does not say until when".to_owned(),
            Self::NotShown => "the approved plan did not show it; plan again".to_owned(),
            Self::Paused { until, why } => {
                let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
                match until {
                    None => format!("it is paused{why}; released by `reconcile resume {agent}`"),
                    Some(until) => {
                        format!("it is paused until {}{why}; released by then, or by `reconcile resume {agent}`", until.clock())
                    }
                }
            }
            Self::Halted => "the fleet is halted; released by `reconcile resume`".to_owned(),
            Self::Auto(auto) => format!("a watcher with auto = \"{}\" leaves it to `reconcile apply`", auto.as_str()),
            Self::Guard(name) => format!("refused to a watcher by guard {name}; `reconcile apply` asks"),
            Self::Dependant(agent) => format!("{agent} depends on it and is held or blocked itself"),
        }
    }
}
