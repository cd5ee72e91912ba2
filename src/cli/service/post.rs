//! The file of a watcher at its supervisor, and what the supervisor is told of it.

use std::path::PathBuf;

use anyhow::{Context, Error, Result, bail};

use crate::desired::FleetName;
use crate::host::supervisor;
use crate::service::{Installed, Order, Standing, Supervisor};

/// The file of a fleet's watcher at a supervisor.
pub(super) struct Post {
    pub(super) supervisor: Supervisor,
    pub(super) fleet: FleetName,
    pub(super) file: PathBuf,
}

impl Post {
    /// Where the supervisor looks for it. An error if there is no home.
    pub(super) fn of(supervisor: Supervisor, fleet: FleetName) -> Result<Self> {
        let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = folder("HOME").context("there is no place for the file: HOME is not set");
        let folder = match (supervisor, folder("XDG_CONFIG_HOME")) {
            (Supervisor::Systemd, Some(config)) => config.join("systemd/user"),
            (Supervisor::Systemd, None) => home?.join(".config/systemd/user"),
            (Supervisor::Launchd, _) => home?.join("Library/LaunchAgents"),
        };
        let file = folder.join(supervisor.file_name(&fleet));
        Ok(Self { supervisor, fleet, file })
    }

    /// What is there, where this text should be.
    pub(super) fn installed(&self, wanted: &str) -> Result<Installed> {
        Ok(self.supervisor.judge(supervisor::text_at(&self.file)?.as_deref(), wanted))
    }

    /// How the watcher is, as the supervisor says.
    pub(super) fn standing(&self) -> Result<Standing> {
        let command = self.supervisor.question(&self.fleet, supervisor::user());
        let said = supervisor::tell(&command)?;
        self.supervisor.standing(said.succeeded, &said.printed).ok_or_else(|| Error::msg(said.complaint))
    }

    /// Gives an order; the first command that fails is the last.
    pub(super) fn give(&self, order: Order) -> Result<()> {
        for command in self.commands(order) {
            let said = supervisor::tell(&command)?;
            if !said.succeeded {
                let why = [said.complaint, said.printed].into_iter().find(|text| !text.is_empty());
                bail!("`{}` failed: {}", command.join(" "), why.unwrap_or_else(|| "it does not say why".to_owned()));
            }
        }
        Ok(())
    }

    /// An order as lines for a person.
    pub(super) fn by_hand(&self, order: Order) -> String {
        self.commands(order).iter().map(|command| format!("\n  {}", command.join(" "))).collect()
    }

    fn commands(&self, order: Order) -> Vec<Vec<String>> {
        self.supervisor.commands(order, &self.fleet, &self.file.display().to_string(), supervisor::user())
    }
}
