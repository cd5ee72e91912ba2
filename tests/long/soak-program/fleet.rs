//! The fleet: ten agents in panes and as daemons, and its manifest, of which some things are changed while it runs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// Whom it consists of.
pub(crate) const AGENTS: [Declared; 10] = [
    Declared { name: "ada", is_daemon: false, more: "handoff = { source = \"notes/ada.md\" }" },
    Declared { name: "bob", is_daemon: false, more: "drain = [{ signal = \"TERM\", wait = \"500ms\" }]" },
    Declared { name: "cyd", is_daemon: false, more: "session = \"work\"\nwindow = \"pair\"\nlog = {}" },
    Declared { name: "dan", is_daemon: false, more: "session = \"work\"\nwindow = \"pair\"\nrestart = { policy = \"always\" }" },
    Declared {
        name: "eve",
        is_daemon: false,
        more: "handoff = { source = \"notes/eve.md\", deliver = [\"inbox\", \"paste\"] }\nafter = [\"ada\"]",
    },
    Declared { name: "fay", is_daemon: false, more: "log = {}" },
    Declared { name: "gus", is_daemon: true, more: "handoff = { source = \"notes/gus.md\" }" },
    Declared { name: "hal", is_daemon: true, more: "after = [\"gus\"]\nlog = { file = \"hal.log\", max_size = \"20KiB\", keep = 1 }" },
    Declared { name: "ivy", is_daemon: true, more: "drain = [{ signal = \"TERM\", wait = \"500ms\" }]" },
    Declared { name: "joe", is_daemon: true, more: "live = { file = \"key/joe\", interval = \"1s\", failures = 10 }" },
];

/// An agent as it is declared: what all have is not said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Declared {
    pub(crate) name: &'static str,
    pub(crate) is_daemon: bool,
    more: &'static str,
}

impl Declared {
    /// Whether it does not end when it is asked to.
    fn is_stubborn(self) -> bool {
        matches!(self.name, "bob" | "ivy")
    }

    /// Whether it has a process below it that leaves its session.
    fn has_helper(self) -> bool {
        matches!(self.name, "ada" | "cyd" | "gus" | "ivy")
    }

    /// Whether it has a source of notes.
    pub(crate) fn has_source(self) -> bool {
        self.more.contains("source")
    }

    /// The files that must be there when it starts.
    pub(crate) fn files(self, place: &Path) -> Vec<PathBuf> {
        let mut files = vec![place.join("env").join(self.name), place.join("key").join(self.name)];
        if self.is_daemon {
            files.push(place.join("stdin").join(self.name));
        }
        files
    }
}

/// What is changed of it.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    /// Of the launch, by agent.
    pub(crate) editions: BTreeMap<&'static str, u32>,
    /// Of the care of all.
    pub(crate) care: u32,
}

/// Makes everything that the manifest names.
pub(crate) fn furnish(place: &Path) -> Result<()> {
    for folder in ["lives", "one", "env", "key", "stdin", "notes", "out", "home", "work", "second", "small/read"] {
        std::fs::create_dir_all(place.join(folder))?;
    }
    for agent in AGENTS {
        for file in agent.files(place) {
            std::fs::write(&file, "A=1\n")?;
        }
    }
    Ok(())
}

/// Writes the manifest in one step.
pub(crate) fn write_manifest(place: &Path, fleet: &str, edits: &Edits) -> Result<()> {
    let own = std::env::current_exe()?;
    let mut text = format!(
        "version = 1\nfleet = \"{fleet}\"\n\n[watch]\nauto = \"all\"\nresync = \"5s\"\n\n[guard]\nmax_stop = \"100%\"\n\n\
         [[notify]]\non = [\"crash\"]\nfile = \"told.jsonl\"\n\n[defaults]\ncwd = \"work\"\n\
         restart = {{ backoff = {{ first = \"50ms\", max = \"500ms\" }}, healthy_after = \"500ms\", give_up = {{ failures = 1000, within = \"1m\" }} }}\n\
         labels = {{ care = \"{}\" }}\n",
        edits.care
    );
    for agent in AGENTS {
        let edition = edits.editions.get(agent.name).copied().unwrap_or_default();
        let mut words = vec![own.display().to_string(), "agent".to_owned(), "--books".to_owned(), place.display().to_string()];
        words.extend(["--edition".to_owned(), edition.to_string()]);
        words.extend(agent.is_stubborn().then(|| "--stubborn".to_owned()));
        words.extend(agent.has_helper().then(|| "--helper".to_owned()));
        let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
        let name = agent.name;
        write!(
            text,
            "\n[agents.{name}]\ncommand = [{}]\nenv_file = [\"env/{name}\"]\nsecrets.KEY = {{ file = \"key/{name}\" }}\n",
            words.join(", ")
        )?;
        if agent.is_daemon {
            write!(text, "runtime = \"daemon\"\nstdin_file = \"stdin/{name}\"\nready = {{ delay = \"100ms\" }}\n")?;
        } else {
            text.push_str("ready = { screen = \"life [0-9]+ is ready\", interval = \"50ms\" }\n");
        }
        text.push_str(agent.more);
        text.push('\n');
    }
    let new = place.join("constellation.toml.new");
    std::fs::write(&new, text)?;
    Ok(std::fs::rename(new, place.join("constellation.toml"))?)
}
