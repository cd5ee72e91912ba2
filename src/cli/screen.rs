//! `reconcile screen`.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};

use super::ExitStatus;
use super::named::typed_file;
use super::select::one;
use super::setup::Global;
use super::terminal::Terminal;
use crate::host::{Reach, terminal_text};
use crate::intent::Intent;
use crate::observe::{self, observe};
use crate::observed::Phase;
use crate::render::{self, json::pretty};
use crate::screen::{self, Meaning, Rules};

/// Show what the screen of an agent program means, and by which rule; nothing is typed
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The agent at whose pane to look
    #[arg(required_unless_present_any = ["capture", "presets"])]
    agent: Option<String>,
    /// Read a saved screen instead, as `tmux capture-pane -p` writes it
    #[arg(long, value_name = "FILE", conflicts_with = "agent")]
    capture: Option<PathBuf>,
    /// The rules: claude, codex, gemini, opencode, or files of your own; of several the later ones count. Default: those of the agent
    #[arg(long, value_name = "NAME|FILE", required_unless_present_any = ["agent", "presets"])]
    preset: Vec<String>,
    /// List the presets, the versions they were tried on, and their dialogs
    #[arg(long, conflicts_with_all = ["agent", "capture", "preset"])]
    presets: bool,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args, global: &Global, terminal: &Terminal) -> Result<ExitStatus> {
    if args.presets {
        let presets: Vec<&Rules> = Rules::names().filter_map(Rules::preset).collect();
        terminal.print(&if args.json { pretty(&render::presets_document(&presets)) } else { render::presets_human(&presets) })?;
        return Ok(ExitStatus::Done);
    }
    let (text, rules) = match (&args.agent, &args.capture) {
        (None, Some(path)) => {
            let text = typed_file(path).with_context(|| format!("the screen {} cannot be read", path.display()))?;
            (text, rules(&args.preset)?)
        }
        (Some(agent), _) => {
            let Some(shown) = shown(agent, &args, global, terminal)? else { return Ok(ExitStatus::Failed) };
            shown
        }
        (None, None) => bail!("name an agent, or a saved screen with --capture"),
    };
    let reading = screen::read(&text, &rules);
    let dialog = if let Meaning::Dialog { name, .. } = &reading.meaning { rules.dialog(name) } else { None };
    let answer = dialog.map(|dialog| screen::answer(&reading, dialog));
    terminal.print(&if args.json {
        pretty(&render::screen_document(&reading, answer.as_ref()))
    } else {
        render::screen_human(&reading, answer.as_ref(), terminal.out())
    })?;
    Ok(ExitStatus::Done)
}

/// What the pane of an agent shows, and by which rules it is read; none if the manifest is not valid, which was said.
fn shown(agent: &str, args: &Args, global: &Global, terminal: &Terminal) -> Result<Option<(String, Rules)>> {
    let Some(setup) = global.in_force(None, terminal)? else { return Ok(None) };
    let seen = observe(&setup.desired, &setup.fleet, &mut setup.machine()?, &Intent::only_look())?;
    let agent = one(agent, &setup.desired, &seen.observed)?;
    let instance = seen.observed.agents.get(&agent).and_then(|sighting| sighting.instance.as_ref());
    if !seen.observed.agents.get(&agent).is_some_and(|sighting| matches!(sighting.phase, Phase::Running { .. } | Phase::Leaving(_))) {
        terminal.say(&format!("{agent} does not run: this is what its pane showed last\n"));
    }
    let Some(text) = instance.and_then(|instance| terminal_text(instance, Reach::Shown)) else { bail!("{agent} has no terminal now") };
    let text = text.map_err(|why| anyhow!("the terminal of {agent} cannot be read: {why}"))?;
    let care = setup.desired.agents.get(&agent).map(|declared| &declared.spec.care);
    let rules = match care.filter(|care| args.preset.is_empty() && care.reads_screen()) {
        Some(care) => observe::rules(&care.preset, &care.dialogs, care.idle.as_ref()),
        None if args.preset.is_empty() => bail!("{agent} has no `preset` in the manifest: name one with --preset"),
        None => rules(&args.preset)?,
    };
    Ok(Some((text, rules)))
}

/// The rules of these names and files, in one.
fn rules(presets: &[String]) -> Result<Rules> {
    let mut all: Option<Rules> = None;
    for preset in presets {
        let rules = match Rules::preset(preset) {
            Some(rules) => rules.clone(),
            None => {
                let names = Rules::names().collect::<Vec<_>>().join(", ");
                let text = typed_file(preset.as_ref()).with_context(|| {
                    format!("`{preset}` is no preset, of which there are {names}, and no file of rules that can be read")
                })?;
                Rules::parse(&text).map_err(|error| anyhow!("{preset}: {error}"))?
            }
        };
        all = Some(match all {
            Some(earlier) => earlier.merge(rules),
            None => rules,
        });
    }
    all.context("no rules are named")
}
