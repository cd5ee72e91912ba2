//! The whole program on the real machine, each figure beside its yardstick: the same work done by hand, in the same run, pair by pair.
//!
//! `cargo bench --bench fleet -- [--agents 10,100,1000] [--only WHAT] [--repeat N] [--json FILE] [--program PATH]`. Everything runs on a private tmux
//! server and a state folder of its own, and is ended by its process number. Absolute times say little on a shared machine; ratios hold.

use std::path::PathBuf;
use std::process::ExitCode;

mod change;
mod ground;
mod measure;
mod rest;
mod small;
mod start;
mod watch;

use measure::{Row, say};

/// What is measured and how.
struct Task {
    agents: Vec<usize>,
    only: Option<String>,
    repeat: Option<usize>,
    json: Option<PathBuf>,
    program: PathBuf,
    /// Where the files of all grounds are.
    room: tempfile::TempDir,
}

impl Task {
    /// How often a pair is measured: `--repeat`, else what suits its cost.
    fn repeat(&self, usual: usize) -> usize {
        self.repeat.unwrap_or(usual).max(1)
    }
}

/// What is measured together.
type Group = fn(&Task) -> Vec<Row>;

/// The groups that `--only` selects, by name.
const GROUPS: [(&str, Group); 10] = [
    ("small", small::all),
    ("rest", rest::at_rest),
    ("cold", start::panes),
    ("freeze", start::freeze),
    ("daemons", start::daemons),
    ("replace", change::replace_one),
    ("down", change::down),
    ("deaths", watch::deaths),
    ("edits", watch::edits),
    ("idle", watch::idle),
];

fn main() -> ExitCode {
    let task = match arguments(std::env::args().skip(1)) {
        Ok(task) => task,
        Err(why) => {
            say(&format!("{why}\n"));
            return ExitCode::from(2);
        }
    };
    ground::raise_limits();
    ground::clear_when_interrupted(task.room.path());
    let load = measure::load();
    say(&format!("{}load {load} at the beginning\n", measure::head()));
    let mut rows = Vec::new();
    for (name, run) in GROUPS {
        if task.only.as_deref().is_none_or(|only| only.split(',').any(|wanted| wanted == name)) {
            for row in run(&task) {
                say(&row.line());
                rows.push(row);
            }
        }
    }
    say(&format!("load {} at the end\n", measure::load()));
    if let Some(path) = &task.json {
        let document =
            serde_json::json!({ "version": 1, "load": [load, measure::load()], "rows": rows.iter().map(Row::json).collect::<Vec<_>>() });
        std::fs::write(path, format!("{document:#}\n")).expect("the results can be written");
    }
    ExitCode::SUCCESS
}

fn arguments(words: impl Iterator<Item = String>) -> Result<Task, String> {
    let mut task = Task {
        agents: vec![10, 100, 1000],
        only: None,
        repeat: None,
        json: None,
        program: PathBuf::from(env!("CARGO_BIN_EXE_reconcile")),
        room: tempfile::Builder::new().prefix("fleet-").tempdir().map_err(|error| format!("no folder could be made: {error}"))?,
    };
    let mut words = words;
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
        match word.as_str() {
            "--agents" => {
                task.agents = value()?
                    .split(',')
                    .map(|number| number.parse().map_err(|_| format!("`{number}` is no number")))
                    .collect::<Result<_, _>>()?
            }
            "--only" => task.only = Some(value()?),
            "--repeat" => task.repeat = Some(value()?.parse().map_err(|_| "--repeat wants a number".to_owned())?),
            "--json" => task.json = Some(value()?.into()),
            "--program" => task.program = value()?.into(),
            // Cargo says so to every benchmark.
            "--bench" => {}
            other => return Err(format!("`{other}` is not known; see the first lines of benches/fleet/main.rs")),
        }
    }
    if let Some(only) = &task.only
        && let Some(unknown) = only.split(',').find(|wanted| !GROUPS.iter().any(|(name, _)| name == wanted))
    {
        return Err(format!("there is no group `{unknown}`: {}", GROUPS.map(|(name, _)| name).join(", ")));
    }
    Ok(task)
}
