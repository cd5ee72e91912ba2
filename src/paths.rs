//! Where everything of a fleet lies in its state folder. Names only: nothing here looks at a disk.
//!
//! The state, the host and the keepers all find each other's files through this one list.

use std::path::{Path, PathBuf};

use crate::desired::{AgentName, Mark};

/// The places in the state folder of one fleet.
///
/// What belongs to an instance (its pidfile, status, spec, lock and log) is named after the agent as its mark calls it: a rename moves the record and
/// leaves the files of a living instance where its keeper has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    folder: PathBuf,
}

impl Paths {
    /// The places under `folder`, which is the folder of one fleet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The fleet's folder itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The lock of those who act.
    pub fn lock(&self) -> PathBuf {
        self.folder.join("lock")
    }

    /// The lock that a watcher holds for its life.
    pub fn watch_lock(&self) -> PathBuf {
        self.folder.join("watch.lock")
    }

    /// What the watcher says, where the supervisor that runs it keeps no journal.
    pub fn watch_log(&self) -> PathBuf {
        self.folder.join("watch.log")
    }

    /// Whose the fleet is: manifest, applied digest, tmux server.
    pub fn claim(&self) -> PathBuf {
        self.folder.join("fleet.json")
    }

    /// That the fleet is halted.
    pub fn halt(&self) -> PathBuf {
        self.folder.join("halt.json")
    }

    /// What the manifest asked for when a watcher found it valid last.
    pub fn in_force(&self) -> PathBuf {
        self.folder.join("in-force.json")
    }

    /// How the watcher does.
    pub fn watch_status(&self) -> PathBuf {
        self.folder.join("watch.json")
    }

    /// What is asked for by files.
    pub fn requests(&self) -> PathBuf {
        self.folder.join("requests")
    }

    /// The key of the digests of secrets.
    pub fn key(&self) -> PathBuf {
        self.folder.join("key")
    }

    /// Every event, a line each.
    pub fn journal(&self) -> PathBuf {
        self.folder.join("journal.jsonl")
    }

    /// The folder of one file per `apply`.
    pub fn runs(&self) -> PathBuf {
        self.folder.join("runs")
    }

    /// The folder of records and of the locks of instances.
    pub fn agents(&self) -> PathBuf {
        self.folder.join("agents")
    }

    /// What is remembered of an agent.
    pub fn record(&self, agent: &AgentName) -> PathBuf {
        self.folder.join(format!("agents/{agent}.json"))
    }

    /// Names the state folder that took over an instance which was started for this one: [`moved_text`].
    pub fn moved(&self, agent: &AgentName) -> PathBuf {
        self.folder.join("moved").join(agent.as_str())
    }

    /// Names the state folder from which an agent was taken over: the keeper of its instance works for that one, for its life.
    pub fn kept_by(&self, agent: &AgentName) -> PathBuf {
        self.folder.join("kept").join(agent.as_str())
    }

    /// Take-overs of records that are under way, into this folder or out of it.
    pub fn moving(&self) -> PathBuf {
        self.folder.join("moving")
    }

    /// The lock that the keeper of an agent's instance holds for its life. Never deleted.
    pub fn agent_lock(&self, agent: &AgentName) -> PathBuf {
        self.folder.join(format!("agents/{agent}.lock"))
    }

    /// The folder of pidfiles, statuses and specs.
    pub fn run(&self) -> PathBuf {
        self.folder.join("run")
    }

    /// The default pidfile of a daemon.
    pub fn pidfile(&self, agent: &AgentName) -> PathBuf {
        self.folder.join(format!("run/{agent}.pid"))
    }

    /// How the instance lives or ended, in its keeper's words.
    pub fn status(&self, agent: &AgentName) -> PathBuf {
        self.folder.join(format!("run/{agent}.status"))
    }

    /// What a keeper is told; it unlinks it before it starts the program. One per instance: a late keeper must not read its successor's.
    pub fn spec(&self, mark: &Mark) -> PathBuf {
        self.folder.join(format!("run/{}.{}.spec", mark.agent, mark.id))
    }

    /// The settings of a log: of a daemon's, which its keeper reads anew when it is told to, or of a pane's, which its writer is started with.
    pub fn log_settings(&self, agent: &AgentName) -> PathBuf {
        self.folder.join(format!("run/{agent}.log.json"))
    }

    /// What is asked of the keeper of an agent's instance, where that changed since the start.
    pub fn duties(&self, agent: &AgentName) -> PathBuf {
        self.folder.join(format!("run/{agent}.duties.json"))
    }

    /// What the runner of a hook is told; it unlinks it before it starts.
    pub fn errand(&self, mark: &Mark, hook: &str) -> PathBuf {
        self.folder.join(format!("run/{}.{}.{hook}", mark.agent, mark.id))
    }

    /// The folder of notes for an agent.
    pub fn inbox(&self, agent: &AgentName) -> PathBuf {
        self.folder.join(format!("inbox/{agent}"))
    }

    /// The folder of notes that were delivered to an agent.
    pub fn archive(&self, agent: &AgentName) -> PathBuf {
        self.folder.join(format!("archive/{agent}"))
    }

    /// The folder of notes that wait for an agent, put there by `handoff put`.
    pub fn spool(&self, agent: &AgentName) -> PathBuf {
        self.folder.join(format!("spool/{agent}"))
    }

    /// The folder of notes that could not be delivered to an agent.
    pub fn dead(&self, agent: &AgentName) -> PathBuf {
        self.folder.join(format!("dead/{agent}"))
    }

    /// The file by whose change time an agent shows that it lives.
    pub fn heartbeat(&self, agent: &AgentName) -> PathBuf {
        self.folder.join(format!("run/{agent}.heartbeat"))
    }

    /// The default log.
    pub fn log(&self, agent: &AgentName) -> PathBuf {
        self.folder.join(format!("logs/{agent}.log"))
    }

    /// A log that was moved aside: 1 is the newest.
    pub fn old_log(&self, agent: &AgentName, age: u32) -> PathBuf {
        self.folder.join(format!("logs/{agent}.log.{age}"))
    }
}

/// What is written of an instance that another state folder took over: its mark, and that folder. All other instances are those of the folder that they
/// were started for, so this one file decides whose an instance is.
pub fn moved_text(mark: &Mark, to: &Path) -> Option<String> {
    Some(format!("{mark}\n{}", to.to_str()?))
}

/// The state folder that took over the instance with this mark, by such a text.
pub fn moved_to(text: &str, mark: &Mark) -> Option<PathBuf> {
    let (of, to) = text.split_once('\n')?;
    (mark.is_written(of) && to.starts_with('/')).then(|| PathBuf::from(to))
}
