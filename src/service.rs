//! The text by which the system's own supervisor runs the watcher of a fleet, and the commands by which it is told. Words only: nothing here
//! looks at a disk or asks a supervisor.
//!
//! A supervisor does not have the environment of a shell, so what a login gives and what the manifest reads is written into the text. What agents
//! take from the environment beyond that may be secret and is not.

use std::collections::{BTreeMap, BTreeSet};

use similar::{ChangeTag, TextDiff};

use crate::desired::{Desired, FleetName, Inherit, MINIMAL_ENV, NEVER_INHERITED, SecretSource, glob};

mod launchd;
mod orders;
mod systemd;

pub use orders::{Order, Standing};

/// What stands in every file that was written here. One without it is a stranger's.
const SIGN: &str = "Written by `reconcile service install`";

/// The variables by which a manifest is given values from outside.
const VARS: &str = "RECONCILE_VAR_";

/// Variables of one login: the next one has others, and the watcher outlives both.
const OF_A_LOGIN: [&str; 4] = ["XDG_SESSION_*", "XDG_SEAT*", "XDG_VTNR", "XDG_ACTIVATION_TOKEN"];

/// How the watcher of a fleet is to be run. All paths are absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watcher {
    /// The fleet.
    pub fleet: FleetName,
    /// This program.
    pub exe: String,
    /// The manifest.
    pub manifest: String,
    /// The folder of the manifest, without `..` in it.
    pub folder: String,
    /// The folder that holds the state folders of all fleets.
    pub state: String,
    /// Where what the watcher says goes, if the supervisor keeps no journal.
    pub log: String,
    /// The flags `--var=KEY=VALUE`.
    pub vars: Vec<String>,
    /// Its environment, as far as it is written down.
    pub environment: BTreeMap<String, String>,
}

impl Watcher {
    /// The program and its arguments.
    fn words(&self) -> impl Iterator<Item = &str> {
        let fixed = [&*self.exe, "watch", "--file", &*self.manifest, "--state-dir", &*self.state];
        fixed.into_iter().chain(self.vars.iter().map(String::as_str))
    }
}

/// A system's own supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supervisor {
    /// The systemd of a user.
    Systemd,
    /// The launchd of a user, on macOS.
    Launchd,
}

impl Supervisor {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Launchd => "launchd",
        }
    }

    /// By what it knows the watcher of a fleet.
    pub fn unit(self, fleet: &FleetName) -> String {
        match self {
            Self::Systemd => format!("reconcile-{fleet}.service"),
            Self::Launchd => format!("reconcile.{fleet}"),
        }
    }

    /// The name of the file that it reads.
    pub fn file_name(self, fleet: &FleetName) -> String {
        match self {
            Self::Systemd => self.unit(fleet),
            Self::Launchd => format!("{}.plist", self.unit(fleet)),
        }
    }

    /// The text of that file.
    ///
    /// # Errors
    ///
    /// If a path or a variable cannot stand in it.
    pub fn text(self, watcher: &Watcher) -> Result<String, String> {
        for path in [&watcher.exe, &watcher.manifest, &watcher.folder, &watcher.state, &watcher.log] {
            if path.contains(char::is_control) {
                return Err(format!("the path {path:?} has control characters, which {} does not take", self.name()));
            }
        }
        if let Some(flag) = watcher.vars.iter().find(|flag| !can_stand(flag)) {
            return Err(format!("the flag {flag:?} has control characters, which {} does not take", self.name()));
        }
        if self == Self::Systemd && watcher.exe.contains(['"', '\'', '\\']) {
            return Err(format!("the path of this program, {}, has a quote or backslash, which systemd does not take", watcher.exe));
        }
        Ok(match self {
            Self::Systemd => systemd::text(watcher),
            Self::Launchd => launchd::text(watcher),
        })
    }

    /// What is at the place of a file that should have the text `wanted`; `there` is the text that it has, none if there is no file.
    pub fn judge(self, there: Option<&str>, wanted: &str) -> Installed {
        match there {
            None => Installed::Absent,
            Some(there) if is_ours(there) => Installed::Ours(self.compare(there, wanted)),
            Some(_) => Installed::Strangers,
        }
    }

    fn compare(self, there: &str, wanted: &str) -> Likeness {
        let variable = match self {
            Self::Systemd => systemd::variable,
            Self::Launchd => launchd::variable,
        };
        let mut likeness = Likeness::default();
        for change in TextDiff::from_lines(there, wanted).iter_all_changes() {
            let sign = match change.tag() {
                ChangeTag::Equal => continue,
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            let line = change.value().trim_end();
            likeness.changes.push(format!("{sign} {line}"));
            match variable(line) {
                Some(name) => drop(likeness.variables.insert(name)),
                None => likeness.is_outdated = true,
            }
        }
        likeness
    }
}

/// What is at the place of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Installed {
    /// Nothing.
    Absent,
    /// A file that was not written here, and is left alone.
    Strangers,
    /// A file that was written here.
    Ours(Likeness),
}

impl Installed {
    /// In a word, for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Strangers => "stranger",
            Self::Ours(likeness) if likeness.is_outdated => "outdated",
            Self::Ours(_) => "current",
        }
    }

    /// Whether it is exactly what it should be.
    pub fn is_same(&self) -> bool {
        matches!(self, Self::Ours(likeness) if likeness.changes.is_empty())
    }

    /// Whether the watcher is run as it should be. The environment of a shell may be another: each has its own.
    pub fn is_current(&self) -> bool {
        matches!(self, Self::Ours(likeness) if !likeness.is_outdated)
    }
}

/// How a text that is there compares with the one that should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Likeness {
    /// The lines that differ, with their signs; none if the texts are the same.
    pub changes: Vec<String>,
    /// The variables of the environment that differ.
    pub variables: BTreeSet<String>,
    /// Whether anything else differs.
    pub is_outdated: bool,
}

/// Whether a text was written here.
fn is_ours(text: &str) -> bool {
    text.lines().take(3).any(|line| line.contains(SIGN))
}

/// What of an environment is written down for a watcher of a manifest that reads the variables `read`.
///
/// # Errors
///
/// If one that means something to the manifest cannot be written down.
pub fn written_down(environment: &BTreeMap<String, String>, read: &BTreeSet<String>) -> Result<BTreeMap<String, String>, String> {
    let mut written = BTreeMap::new();
    for (name, value) in environment {
        let is_meant = read.contains(name) || name.starts_with(VARS);
        let is_usual = name == "TMUX_TMPDIR" || matches(&MINIMAL_ENV, name) && !matches(&OF_A_LOGIN, name);
        if is_name(name) && can_stand(value) && (is_meant || is_usual) {
            written.insert(name.clone(), value.clone());
        } else if is_meant {
            return Err(format!("the variable {name:?} has a name or value that a supervisor does not take: use --var KEY=VALUE"));
        }
    }
    Ok(written)
}

/// The variables of an environment that agents would take from it and that are not written down.
pub fn left_out(desired: &Desired, environment: &BTreeMap<String, String>, written: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut taken = BTreeSet::new();
    for agent in desired.agents.values() {
        let launch = &agent.spec.launch;
        taken.extend(launch.secrets.values().filter_map(|secret| match &secret.from {
            SecretSource::Env(name) => Some(name.clone()),
            SecretSource::File(_) | SecretSource::Command(_) => None,
        }));
        if let Inherit::Only(globs) = &launch.inherit_env {
            let globs: Vec<&str> = globs.iter().map(String::as_str).collect();
            let named = environment.keys().filter(|name| matches(&globs, name) && !matches(&NEVER_INHERITED, name));
            taken.extend(named.filter(|name| !matches(&OF_A_LOGIN, name)).cloned());
        }
    }
    taken.retain(|name| !written.contains_key(name));
    taken
}

fn matches(globs: &[&str], name: &str) -> bool {
    globs.iter().any(|pattern| glob(pattern, name))
}

/// Whether a supervisor takes it for the name of a variable.
fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| is_plain(c) && !c.is_ascii_digit()) && name.chars().all(is_plain)
}

/// Whether both supervisors take it as a value: of control characters, only tabs and newlines.
fn can_stand(value: &str) -> bool {
    !value.contains(|c: char| c.is_control() && c != '\t' && c != '\n')
}

#[cfg(test)]
mod tests;
