//! What every command about a fleet begins with: the manifest, the state folder, the machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::ExitStatus;
use super::error::coded;
use super::named::{self, Naming};
use super::terminal::{Color, Terminal};
use crate::desired::Desired;
use crate::host::{Live, Setup as Machine, now};
use crate::manifest::{Dependencies, Loaded, load};
use crate::observed::Observed;
use crate::process;
use crate::quit;
use crate::render::json::ErrorCode;
use crate::render::{self, Invocation};
use crate::state::request::{Request, Verb};
use crate::state::{Fleet, Foreign, Lock, NoLock, StateDir};
use crate::time::Duration;

/// Flags of every command.
#[derive(Debug, clap::Args)]
pub(super) struct Global {
    /// The manifest, where it is not the positional argument [default: $RECONCILE_MANIFEST, else constellation.toml here or above]
    #[arg(short = 'f', long = "file", global = true, value_name = "MANIFEST")]
    file: Option<PathBuf>,
    /// The folder in which everything is remembered [default: $RECONCILE_STATE_DIR, else $XDG_STATE_HOME/reconcile, else ~/.local/state/reconcile]
    #[arg(long, global = true, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// A variable of the manifest, which wins over [vars] and RECONCILE_VAR_<name>
    #[arg(long = "var", global = true, value_name = "KEY=VALUE", value_parser = variable)]
    vars: Vec<(String, String)>,
    /// When colour is used
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(super) color: Color,
    #[arg(skip)]
    naming: Naming,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Flags of every command that writes for a manifest.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct LockFlags {
    /// Wait so long for another run of this fleet to end
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    pub(super) lock_timeout: Duration,
    /// The fleet belongs to this manifest now, though another was applied before
    #[arg(long)]
    pub(super) moved: bool,
    /// Take over agents that are recorded in another state folder
    #[arg(long)]
    pub(super) take_over: bool,
}

impl LockFlags {
    /// As [`Setup::lock`].
    pub(super) fn take(self, command: &str, setup: &Setup, terminal: &Terminal) -> Result<Result<Lock, ExitStatus>> {
        setup.lock(command, self.lock_timeout, self.moved, terminal)
    }
}

/// A manifest that was read, whether or not it is valid.
pub(super) struct Read {
    /// Where it is, as it was named.
    pub(super) path: PathBuf,
    /// The words that name it again, and where everything is remembered; none that a command does without.
    pub(super) words: Vec<String>,
    /// What came of it.
    pub(super) loaded: Loaded,
    /// Where everything is remembered.
    pub(super) state: StateDir,
    /// Why nothing may be started by it: other users can write to it.
    pub(super) doubt: Option<String>,
    /// The variables that it was read with.
    pub(super) vars: BTreeMap<String, String>,
}

/// A fleet that commands can work on.
pub(super) struct Setup {
    /// The manifest as it was named, and what names it again.
    pub(super) manifest: Invocation,
    /// The manifest, absolute.
    pub(super) path: PathBuf,
    /// What it asks for.
    pub(super) desired: Desired,
    /// What that depends on.
    pub(super) depends_on: Dependencies,
    /// What is remembered.
    pub(super) fleet: Fleet,
    /// Why nothing may be started by it: other users can write to it.
    pub(super) doubt: Option<String>,
    /// The variables that the manifest was read with.
    pub(super) vars: BTreeMap<String, String>,
    /// What is doubtful about it, in a line each.
    pub(super) warnings: Vec<String>,
    /// Why the manifest in its present form is not in force, if it is not.
    pub(super) broken: Option<String>,
}

/// What the name of a variable of the manifest begins with in the environment.
const VARIABLE: &str = "RECONCILE_VAR_";

impl Global {
    /// Reads the manifest that is meant.
    pub(super) fn read(&self, positional: Option<&Path>) -> Result<Read> {
        let path = self.manifest(positional)?;
        let words = self.words(positional);
        Ok(Read { words, ..self.read_at(path)? })
    }

    /// The words that a command needs to mean the same fleet as this one.
    pub(super) fn words(&self, positional: Option<&Path>) -> Vec<String> {
        let named = positional.or(self.file.as_deref()).map(|path| ["--file".to_owned(), path.display().to_string()]);
        let state = self.state_dir.as_ref().map(|path| ["--state-dir".to_owned(), path.display().to_string()]);
        named.into_iter().chain(state).flatten().chain(self.said_vars()).collect()
    }

    /// Reads this manifest.
    pub(super) fn read_at(&self, path: PathBuf) -> Result<Read> {
        let state = StateDir::locate(self.state_dir.as_deref())?;
        let mut vars: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter_map(|(name, value)| Some((name.strip_prefix(VARIABLE)?.to_owned(), value)))
            .collect();
        vars.extend(self.vars.iter().cloned());
        let text = path.to_str().with_context(|| format!("{}: the path is not UTF-8", path.display()))?;
        let disk = self.naming.disk(&path, state.path())?;
        let loaded = load(text, &disk, &vars);
        Ok(Read { path, words: self.words(None), loaded, state, doubt: named::doubt(&disk), vars })
    }

    /// Reads the manifest and says what is wrong with it; none if that is an error.
    pub(super) fn setup(&self, positional: Option<&Path>, terminal: &Terminal) -> Result<Option<Setup>> {
        self.set_up(self.read(positional)?, terminal)
    }

    /// The same of one that was read.
    pub(super) fn set_up(&self, read: Read, terminal: &Terminal) -> Result<Option<Setup>> {
        let Read { path, words, loaded, state, doubt, vars } = read;
        let manifest = Invocation::new(path.display().to_string(), &words);
        terminal.is_about(&manifest);
        terminal.say_once(&render::diagnostics(&loaded.diagnostics, &loaded.texts, terminal.err()));
        let warnings = render::warnings(&loaded.diagnostics, &loaded.texts);
        let Loaded { desired, depends_on, .. } = loaded;
        let Some(desired) = desired else {
            if let Some(hint) = self.naming.hint().filter(|_| doubt.is_some()) {
                terminal.say(&format!("hint: {hint}\n"));
            }
            let (code, what) =
                if path.exists() { (ErrorCode::ManifestInvalid, "is not valid") } else { (ErrorCode::ManifestMissing, "does not exist") };
            terminal.note_error(&coded(code, format_args!("the manifest {} {what}", path.display())));
            return Ok(None);
        };
        let fleet = state.fleet(&desired.fleet)?;
        let absolute = std::path::absolute(&path).with_context(|| format!("cannot tell where {} is", path.display()))?;
        Ok(Some(Setup { manifest, path: absolute, desired, depends_on, fleet, doubt, vars, warnings, broken: None }))
    }

    /// The variables as the flags name them, for a helper.
    pub(super) fn said_vars(&self) -> impl Iterator<Item = String> + '_ {
        self.vars.iter().map(|(key, value)| format!("--var={key}={value}"))
    }

    /// The manifest as the flag names it.
    pub(super) fn named(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The manifest that is meant.
    pub(super) fn manifest(&self, positional: Option<&Path>) -> Result<PathBuf> {
        if let (Some(one), Some(other)) = (positional, &self.file)
            && one != other
        {
            let why = format!("two manifests are named, {} and {}: name one", one.display(), other.display());
            return Err(coded(ErrorCode::Usage, why));
        }
        let named = positional.map(Path::to_owned).or_else(|| self.file.clone());
        if let Some(path) = named.or_else(|| std::env::var_os("RECONCILE_MANIFEST").filter(|path| !path.is_empty()).map(PathBuf::from)) {
            return Ok(path);
        }
        self.naming.find()
    }
}

/// What a watcher calls itself where it holds the lock.
const WATCH: &str = "watch";

/// How long the round of another command is waited for, and that of a watcher, which may look after many.
const ROUND: Duration = Duration::from_secs(5);
const ROUND_OF_A_WATCHER: Duration = Duration::from_secs(30);

impl Setup {
    /// Has the watcher of the fleet look now, if there is one: what it waits for may have changed.
    pub(super) fn wake_watcher(&self) {
        wake_watcher(&self.fleet);
    }

    /// Who does next what is due: the watcher, which is woken, or whoever runs the next `apply`.
    pub(super) fn next_to_act(&self) -> &'static str {
        self.wake_watcher();
        match self.fleet.watcher() {
            Ok(Some(_)) => "the watcher",
            Ok(None) | Err(_) => "the next apply",
        }
    }

    /// Takes the fleet's lock for a command that writes; an exit status, with what was said, if another run holds it or the fleet is another
    /// manifest's and was not `moved` here.
    pub(super) fn lock(&self, command: &str, patience: Duration, moved: bool, terminal: &Terminal) -> Result<Result<Lock, ExitStatus>> {
        match moved {
            true => lock_anyway(&self.fleet, command, patience, terminal),
            false => lock(&self.fleet, &self.path, command, patience, terminal),
        }
    }

    /// Moves the records of what runs and is remembered by another state folder into this one. Says whether there was something to move.
    pub(super) fn take_over(&self, observed: &Observed) -> Result<bool> {
        let keepers = process::keepers().context("the processes could not be listed")?;
        let mut folders: BTreeMap<&Path, Vec<Foreign>> = BTreeMap::new();
        for (agent, sighting) in &observed.agents {
            let mark = sighting.instance.as_ref().and_then(|instance| instance.mark.as_ref());
            let keeper = keepers.iter().find(|keeper| Some(&keeper.mark) == mark);
            let home = keeper.and_then(|keeper| keeper.spec.parent()?.parent());
            if let (Some(folder), Some(mark), Some(home)) = (&sighting.elsewhere, mark, home) {
                let foreign = Foreign { agent: agent.clone(), mark: mark.clone(), home: home.to_owned() };
                folders.entry(folder).or_default().push(foreign);
            }
        }
        for (folder, instances) in &folders {
            self.fleet.take_over(folder, instances)?;
        }
        Ok(!folders.is_empty())
    }

    /// The machine on which the fleet lives. Where the fleet belongs to another manifest, no command of this one is run.
    pub(super) fn machine(&self) -> Result<Live> {
        machine_for(&self.fleet, &self.path, &self.vars)
    }

    /// As [`Setup::machine`], for a command that holds the lock and makes the fleet this manifest's.
    pub(super) fn own_machine(&self) -> Result<Live> {
        machine(&self.fleet, &self.path, &self.vars)
    }

    /// Whether the fleet belongs to another manifest. If so, says which.
    pub(super) fn is_anothers(&self, terminal: &Terminal) -> Result<bool> {
        is_anothers(&self.fleet, &self.path, terminal)
    }

    /// Whether nothing may be started from this manifest. If so, says why.
    pub(super) fn is_refused(&self, terminal: &Terminal) -> bool {
        if let Some(doubt) = &self.doubt {
            terminal.error(&coded(ErrorCode::Refused, format_args!("{doubt}; nothing was done")));
        }
        self.doubt.is_some()
    }
}

/// As [`Setup::wake_watcher`].
pub(super) fn wake_watcher(fleet: &Fleet) {
    if let Ok(Some(_)) = fleet.watcher() {
        let request = Request {
            version: 1,
            verb: Verb::Look,
            agent: None,
            generation: None,
            until: None,
            text: None,
            interrupt: false,
            raw: false,
            message: None,
            ts: None,
        };
        // Without it, the watcher looks when its time comes.
        let _ = fleet.request(&request, now());
    }
}

/// As [`Setup::lock`], of a fleet that was not moved.
pub(super) fn lock(
    fleet: &Fleet,
    manifest: &Path,
    command: &str,
    patience: Duration,
    terminal: &Terminal,
) -> Result<Result<Lock, ExitStatus>> {
    let lock = match lock_anyway(fleet, command, patience, terminal)? {
        Ok(lock) => lock,
        Err(status) => return Ok(Err(status)),
    };
    if is_anothers(fleet, manifest, terminal)? {
        return Ok(Err(ExitStatus::Refused));
    }
    Ok(Ok(lock))
}

/// Whether a fleet belongs to another manifest than this. If so, says which.
fn is_anothers(fleet: &Fleet, manifest: &Path, terminal: &Terminal) -> Result<bool> {
    let Some(other) = fleet.claimed_by_another(manifest)? else { return Ok(false) };
    let why = format!(
        "the fleet {} belongs to {}; nothing was done. Give this manifest another `fleet` name, or pass --moved if it is the same fleet",
        fleet.name(),
        other.display()
    );
    terminal.error(&coded(ErrorCode::OtherManifest, why));
    Ok(true)
}

/// The lock of a fleet, even if it belongs to another manifest.
fn lock_anyway(fleet: &Fleet, command: &str, patience: Duration, terminal: &Terminal) -> Result<Result<Lock, ExitStatus>> {
    match patiently(patience, |patience| fleet.lock(command, patience)) {
        Ok(lock) => Ok(Ok(lock)),
        Err(NoLock::Failed(error)) => Err(error),
        Err(held @ NoLock::Held(_)) => {
            terminal.error(&coded(ErrorCode::Locked, format_args!("{held}; nothing was done. Wait for it with --lock-timeout 60s")));
            Ok(Err(ExitStatus::Locked))
        }
    }
}

/// As [`Setup::own_machine`], of the fleet of this manifest with these variables.
fn machine(fleet: &Fleet, manifest: &Path, vars: &BTreeMap<String, String>) -> Result<Live> {
    let text = |path: &Path| path.to_str().map(str::to_owned);
    let named = |(name, value): (&str, Option<String>)| Some((name.to_owned(), value?));
    let fixed = [
        ("RECONCILE_FLEET", Some(fleet.name().to_string())),
        ("RECONCILE_STATE_DIR", fleet.paths().folder().parent().and_then(text)),
        ("RECONCILE_MANIFEST", text(manifest)),
    ];
    let vars = vars.iter().map(|(name, value)| (format!("{VARIABLE}{name}"), value.clone()));
    let variables = fixed.into_iter().filter_map(named).chain(vars).collect();
    let mut machine =
        Live::new(Machine { fleet: fleet.name().clone(), paths: fleet.paths().clone(), exe: exe()?, interrupts: None, variables });
    machine.be_brief();
    Ok(machine)
}

/// As [`Setup::machine`].
pub(super) fn machine_for(fleet: &Fleet, manifest: &Path, vars: &BTreeMap<String, String>) -> Result<Live> {
    let mut machine = machine(fleet, manifest, vars)?;
    if let Some(other) = fleet.claimed_by_another(manifest)? {
        machine.run_no_commands(&format!("the fleet belongs to {}: no command of this manifest is run", other.display()));
    }
    Ok(machine)
}

/// Takes a lock, trying for as long as `patience`, or as a round takes if that is longer: no command has it for more. The time of this run is kept.
fn patiently<T>(patience: Duration, take: impl Fn(Duration) -> Result<T, NoLock>) -> Result<T, NoLock> {
    let in_time = |usual: Duration| Duration::from_millis(quit::patience(usual.std()).as_millis().try_into().unwrap_or(u64::MAX));
    let first = in_time(patience.max(ROUND));
    match take(first) {
        Err(NoLock::Held(Some(holder))) if holder.command == WATCH && first < ROUND_OF_A_WATCHER => {
            take(in_time(ROUND_OF_A_WATCHER - first))
        }
        taken => taken,
    }
}

/// This program, for those who start it again.
pub(super) fn exe() -> Result<PathBuf> {
    let exe = std::env::current_exe().context("cannot tell where this program is, which is the keeper of every agent too")?;
    // After an upgrade in place the kernel names the old file; the new one at the same path is as good.
    Ok(exe.to_str().and_then(|path| path.strip_suffix(" (deleted)")).map_or(exe.clone(), PathBuf::from))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::state::Holder;

    #[test]
    fn a_round_is_waited_for_and_longer_if_that_was_said() {
        let check = |command: &str, patience: u64| {
            let tried = RefCell::new(Vec::new());
            let holder = Holder { pid: 1, command: command.to_owned(), started: now() };
            let taken = patiently::<()>(Duration::from_secs(patience), |patience| {
                tried.borrow_mut().push(patience.as_millis() / 1000);
                Err(NoLock::Held(Some(holder.clone())))
            });
            assert!(taken.is_err());
            tried.into_inner()
        };
        assert_eq!(check("watch", 0), [5, 25]);
        assert_eq!(check("watch", 20), [20, 10]);
        assert_eq!(check("watch", 60), [60]);
        assert_eq!(check("apply", 20), [20]);
        assert_eq!(check("restart", 0), [5], "a round of another command is no reason to refuse");
    }
}
