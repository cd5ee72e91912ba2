//! The commands by which a supervisor is told of a file. A person may have to give them, so they are words that can be shown.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Installed, Supervisor};
use crate::desired::FleetName;

/// What a supervisor is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Nothing: all is as it should be.
    Rest,
    /// Run the watcher, from now on.
    Start,
    /// Run the watcher anew, of which the file has changed.
    Restart,
    /// End the watcher, now and for good.
    Stop,
    /// Take note that the file is gone.
    Forget,
    /// End the watcher, of which the file is gone.
    Abandon,
}

/// How a supervisor says that a watcher is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// In its own word, such as `active`.
    pub word: String,
    /// Whether it runs, or is about to.
    pub runs: bool,
}

impl Supervisor {
    /// What it is to be told after a file was written where `before` was.
    pub fn due(self, before: &Installed, standing: Option<&Standing>) -> Order {
        let runs = standing.is_some_and(|standing| standing.runs);
        match (self, before.is_same()) {
            (_, false) if runs => Order::Restart,
            // It takes no order to run what it runs already.
            (Self::Launchd, true) if runs => Order::Rest,
            (Self::Systemd | Self::Launchd, _) => Order::Start,
        }
    }

    /// What it is to be told before the file is removed.
    pub fn last(self, standing: Option<&Standing>) -> Order {
        match (self, standing) {
            // It takes no order to end what it does not know.
            (Self::Launchd, Some(standing)) if !standing.runs => Order::Rest,
            (Self::Systemd | Self::Launchd, _) => Order::Stop,
        }
    }

    /// The commands that give an order about the file at `path` for a user, one after the other.
    pub fn commands(self, order: Order, fleet: &FleetName, path: &str, user: u32) -> Vec<Vec<String>> {
        let unit = self.unit(fleet);
        let (domain, target) = (format!("gui/{user}"), format!("gui/{user}/{unit}"));
        let systemctl = |words: &[&str]| argv(&["systemctl", "--user"], words);
        let launchctl = |words: &[&str]| argv(&["launchctl"], words);
        match (self, order) {
            (_, Order::Rest) | (Self::Launchd, Order::Forget) => Vec::new(),
            (Self::Systemd, Order::Start) => vec![systemctl(&["daemon-reload"]), systemctl(&["enable", "--now", &unit])],
            (Self::Systemd, Order::Restart) => {
                vec![systemctl(&["daemon-reload"]), systemctl(&["enable", &unit]), systemctl(&["restart", &unit])]
            }
            (Self::Systemd, Order::Stop) => vec![systemctl(&["disable", "--now", &unit])],
            (Self::Systemd, Order::Forget) => vec![systemctl(&["daemon-reload"])],
            (Self::Systemd, Order::Abandon) => vec![systemctl(&["stop", &unit]), systemctl(&["daemon-reload"])],
            (Self::Launchd, Order::Start) => vec![launchctl(&["bootstrap", &domain, path])],
            (Self::Launchd, Order::Restart) => vec![launchctl(&["bootout", &target]), launchctl(&["bootstrap", &domain, path])],
            (Self::Launchd, Order::Stop | Order::Abandon) => vec![launchctl(&["bootout", &target])],
        }
    }

    /// The command that asks how the watcher is.
    pub fn question(self, fleet: &FleetName, user: u32) -> Vec<String> {
        let unit = self.unit(fleet);
        match self {
            Self::Systemd => argv(&["systemctl", "--user"], &["is-active", &unit]),
            Self::Launchd => argv(&["launchctl"], &["print", &format!("gui/{user}/{unit}")]),
        }
    }

    /// What the answer means: whether the command succeeded, and what it printed. None if it is no answer.
    pub fn standing(self, succeeded: bool, printed: &str) -> Option<Standing> {
        let word = match self {
            Self::Systemd => printed.trim(),
            Self::Launchd if succeeded => "loaded",
            Self::Launchd => "not loaded",
        };
        let runs = ["active", "activating", "reloading", "loaded"].contains(&word);
        (!word.is_empty()).then(|| Standing { word: word.to_owned(), runs })
    }

    /// The line by which a person gives the watcher these variables of the environment.
    pub fn import(self, variables: &BTreeSet<String>, fleet: &FleetName, user: u32) -> String {
        let unit = self.unit(fleet);
        let names: Vec<&str> = variables.iter().map(String::as_str).collect();
        match self {
            Self::Systemd => format!("systemctl --user import-environment {} && systemctl --user restart {unit}", names.join(" ")),
            Self::Launchd => {
                let set: String = names.iter().map(|name| format!("launchctl setenv {name} \"${name}\" && ")).collect();
                format!("{set}launchctl kickstart -k gui/{user}/{unit}")
            }
        }
    }

    /// The link to the file at `path` that stays when it cannot be told to take it away.
    pub fn link(self, path: &Path) -> Option<PathBuf> {
        match self {
            Self::Systemd => Some(path.parent()?.join("default.target.wants").join(path.file_name()?)),
            Self::Launchd => None,
        }
    }
}

fn argv(program: &[&str], words: &[&str]) -> Vec<String> {
    program.iter().chain(words).map(|word| (*word).to_owned()).collect()
}
