//! `reconcile send` and `reconcile keys`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};

use super::ExitStatus;
use super::outcome::say_what_is_lost;
use super::select::named;
use super::setup::{Global, Setup};
use super::terminal::Terminal;
use crate::converge::{Attempt, Audience, Turns, send};
use crate::desired::{AgentName, MOST_TYPED};
use crate::event::Entry;
use crate::host::{Host, Interrupts, Live, Wake};
use crate::observe::commands;
use crate::observed::{Body, Message, MessageKind, Observed, Receipt, as_typed};
use crate::plan::Plan;
use crate::quit;
use crate::render;
use crate::safe_open::read_text;
use crate::screen::as_text;
use crate::time::Duration;

/// How often is looked whether the agent takes it now.
const INTERVAL: Duration = Duration::from_millis(250);

/// Type a text into the terminal of an agent and submit it; says whether it arrived
#[derive(Debug, clap::Args)]
pub(super) struct SendArgs {
    /// The agent
    agent: String,
    /// The text; without it, what stands on the standard input
    text: Option<String>,
    /// Type the text as it is, so that `/compact` runs as a command
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    how: How,
}

/// Press keys in the terminal of an agent
#[derive(Debug, clap::Args)]
pub(super) struct KeysArgs {
    /// The agent
    agent: String,
    /// Keys by tmux's names, such as Escape or C-c; what is no name of a key is typed as it stands
    #[arg(required = true)]
    keys: Vec<String>,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, clap::Args)]
struct How {
    /// Do not wait until it rests; keys are then also pressed at a dialog or over a draft
    #[arg(long)]
    interrupt: bool,
    /// Wait so long at most until it takes it
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    timeout: Duration,
    /// Wait so long for another run of this fleet to end
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    lock_timeout: Duration,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn text(args: SendArgs, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let text = match args.text {
        Some(text) => text,
        None => read_text(std::io::stdin()).context("the text cannot be read from the standard input")?,
    };
    if as_typed(&text).trim().is_empty() {
        bail!("there is nothing to send: the text is empty");
    }
    if text.len() as u64 > MOST_TYPED {
        bail!("a text of more than 1 MiB is not typed: write it to a file and tell the agent where that is");
    }
    let body = if args.raw { Written::Raw(text) } else { Written::Text(text) };
    run("send", &args.agent, body, args.how, global, terminal)
}

pub(super) fn keys(args: KeysArgs, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    run("keys", &args.agent, Written::Keys(args.keys), args.how, global, terminal)
}

/// What is to be typed, as a person wrote it.
enum Written {
    /// A text that stays a text, whatever it begins with.
    Text(String),
    /// A text that may be a command of the program.
    Raw(String),
    /// Keys.
    Keys(Vec<String>),
}

impl Written {
    /// The same as it is typed at this agent; says so where that differs.
    fn typed(self, agent: &AgentName, setup: &Setup, terminal: &Terminal) -> Body {
        let text = match self {
            Self::Raw(text) => return Body::Text(text),
            Self::Keys(keys) => return Body::Keys(keys),
            Self::Text(text) => text,
        };
        let presets = setup.desired.agents.get(agent).map(|declared| commands(&declared.spec.care.preset)).unwrap_or_default();
        match as_text(&presets, &text) {
            Cow::Borrowed(_) => Body::Text(text),
            Cow::Owned(typed) => {
                let first: String = text.trim_start().chars().take(1).collect();
                terminal.say(&format!("`{first}` begins a command in that program, so it is sent as text; --raw sends the command\n"));
                Body::Text(typed)
            }
        }
    }
}

fn run(command: &str, agent: &str, written: Written, how: How, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    let Some(setup) = global.in_force(None, terminal)? else { return Ok(ExitStatus::Failed) };
    let agent = named(agent, &setup.desired)?;
    setup.fleet.prepare()?;
    quit::within(how.timeout.std(), i32::from(ExitStatus::NotAtRest.code()));
    let mut host = setup.machine()?;
    // An answer that comes later ends a wait.
    host.attend(&BTreeSet::new(), &BTreeSet::new());
    host.heed(Interrupts::install().context("cannot take over the signals")?);
    let body = written.typed(&agent, &setup, terminal);
    let message = Message { id: host.fresh_id(), kind: MessageKind::Sent, body, interrupts: how.interrupt };
    let receipt = match receipt(command, &setup, &mut host, &agent, &message, &how, terminal)? {
        Ok(receipt) => receipt,
        Err(status) => return Ok(status),
    };
    if how.json {
        terminal.print(&render::json::pretty(&render::receipt_document(&agent, &message.id, &receipt)))?;
    } else {
        terminal.print(&format!("{agent}: {}\n", render::plain(&receipt.to_string())))?;
    }
    Ok(match receipt {
        Receipt::Confirmed => say_what_is_lost(&setup.fleet, ExitStatus::Done, terminal),
        Receipt::Unconfirmed(_) | Receipt::Stranded(_) => say_what_is_lost(&setup.fleet, ExitStatus::NotAtRest, terminal),
        Receipt::Refused(_) => ExitStatus::Refused,
    })
}

/// What came of it, once the agent takes it or the time is over. The lock is held while something is typed, and not while it is waited.
fn receipt(
    command: &str,
    setup: &Setup,
    host: &mut Live,
    agent: &AgentName,
    message: &Message,
    how: &How,
    terminal: &Terminal,
) -> Result<Result<Receipt, ExitStatus>> {
    let deadline = host.now() + how.timeout;
    loop {
        let attempt = {
            let lock = match setup.lock(command, how.lock_timeout, false, terminal)? {
                Ok(lock) => lock,
                Err(status) => return Ok(Err(status)),
            };
            let mut turns = Turns::of(command, lock);
            send(&setup.desired, &setup.fleet, host, agent, message, &mut Silence, &mut turns)?
        };
        match attempt {
            Attempt::Over(receipt) => return Ok(Ok(receipt)),
            Attempt::Interrupted => return Ok(Err(ExitStatus::Interrupted)),
            Attempt::NotNow(why) if host.now() >= deadline => {
                return Ok(Ok(Receipt::Refused(format!("after {}: {why}", how.timeout))));
            }
            Attempt::NotNow(_) => {}
        }
        if host.wait(&[], (host.now() + INTERVAL).min(deadline)) == Wake::Signal {
            return Ok(Err(ExitStatus::Interrupted));
        }
    }
}

/// The receipt is all that is told.
struct Silence;

impl Audience for Silence {
    fn event(&mut self, _: &Entry) {}
    fn round(&mut self, _: &Plan, _: &Observed) {}
}
