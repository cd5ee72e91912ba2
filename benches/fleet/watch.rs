//! A watcher: how soon it acts, and what it costs while nothing happens.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::Mode;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use crate::Task;
use crate::ground::{Ground, end};
use crate::measure::{Aim, Row, Samples, timed};

/// After the first news of a file it is waited for so long for more, in milliseconds.
const DEBOUNCE: f64 = 100.0;

/// Between two deaths: none of them is one of several at the same time, and the watcher has come to rest.
const APART: Duration = Duration::from_millis(150);

/// Longer than any start takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long nothing happens.
const IDLE: Duration = Duration::from_secs(60);

/// Tells, by a byte, of each start of a program that writes one.
struct Births {
    path: PathBuf,
    pipe: File,
}

impl Births {
    fn new(folder: &Path) -> Self {
        let path = folder.join("births");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RUSR | Mode::WUSR).expect("there is room for a pipe");
        // Open both ways, so that it neither waits for writers nor ends without them.
        let pipe = File::options().read(true).write(true).open(&path).expect("it is there");
        Self { path, pipe }
    }

    /// The program: it says that it is there, and sleeps.
    fn program(&self) -> [String; 3] {
        ["sh".to_owned(), "-c".to_owned(), format!("echo -n . >'{}'; exec sleep 100000", self.path.display())]
    }

    /// Waits until so many have started.
    fn wait(&mut self, births: usize) {
        let begun = Instant::now();
        let (mut seen, mut bytes) = (0, [0; 4096]);
        while seen < births {
            assert!(begun.elapsed() < PATIENCE * 6, "{seen} of {births} programs started");
            if readable(&self.pipe, PATIENCE) {
                seen += self.pipe.read(&mut bytes).expect("it is a pipe");
            }
        }
    }
}

fn readable(what: impl std::os::fd::AsFd, patience: Duration) -> bool {
    let patience = Timespec { tv_sec: patience.as_secs().cast_signed(), tv_nsec: 0 };
    poll(&mut [PollFd::new(&what, PollFlags::IN)], Some(&patience)).expect("it can be waited for") > 0
}

/// A watcher of a fleet at rest. Ended with its ground.
struct Watcher {
    child: Child,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A fleet of so many that say that they start, and a watcher of it that has come to rest.
fn watched(task: &Task, agents: usize, more: &str) -> (Ground, Births, Watcher) {
    let ground = Ground::new(task);
    let mut births = Births::new(ground.path());
    ground.declare(&fleet(agents, more, &births, 0));
    ground.reconcile(&["apply", "--auto-approve"]);
    births.wait(agents);
    let child = ground.begin(&["watch", "--auto", "all"]);
    let rounds = || {
        let text = std::fs::read_to_string(ground.path().join("state").join(ground.fleet()).join("watch.json")).unwrap_or_default();
        let status: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        status["rounds"].as_u64().unwrap_or(0)
    };
    let begun = Instant::now();
    while rounds() == 0 {
        assert!(begun.elapsed() < PATIENCE, "the watcher does not begin");
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_secs(2));
    (ground, births, Watcher { child })
}

/// So many copies, and so many more with a table each.
fn fleet(agents: usize, more: &str, births: &Births, others: usize) -> String {
    let command = serde_json::json!(births.program());
    let care = format!(
        "command = {command}\n{more}restart = {{ backoff = {{ first = \"0s\", max = \"0s\" }}, give_up = {{ failures = 1000, within = \"1s\" }} }}\n"
    );
    let mut text = format!("[agents.clone]\nreplicas = {agents}\n{care}");
    for other in 0..others {
        let _ = write!(text, "[agents.other-{other}]\n{care}");
    }
    text
}

/// From the death of a program to its successor's first word, beside the notice of a death and one bare start of the same program.
pub(crate) fn deaths(task: &Task) -> Vec<Row> {
    let mut rows = Vec::new();
    for (what, more, times) in [("death to successor, tmux", "", 3.0), ("death to successor, daemons", "runtime = \"daemon\"\n", 2.0)] {
        for agents in &task.agents {
            let (ground, mut births, _watcher) = watched(task, *agents, more);
            let (_, programs) = ground.settled(*agents);
            let (mut ours, mut yardstick) = (Samples::default(), Samples::default());
            for program in programs.into_iter().take(task.repeat(50)) {
                std::thread::sleep(APART);
                yardstick.0.push(bare(&ground, &mut births, more.is_empty()));
                std::thread::sleep(APART);
                ours.0.push(
                    timed(|| {
                        end(program, Signal::KILL);
                        births.wait(1);
                    })
                    .0,
                );
            }
            rows.push(Row { what: what.to_owned(), agents: *agents, unit: "ms", ours, yardstick, aim: Aim { times, plus: 0.0 } });
        }
    }
    rows
}

/// A program dies, that is noticed, and another one is started: by a client in a new session of the same tmux server, or as a child.
fn bare(ground: &Ground, births: &mut Births, in_tmux: bool) -> f64 {
    let program = births.program();
    let start = || {
        let mut command = Command::new(&program[0]);
        command.args(&program[1..]).stdin(Stdio::null()).spawn().expect("there is a shell")
    };
    let mut first = start();
    births.wait(1);
    let pid = Pid::from_raw(first.id().cast_signed()).expect("it has a number");
    let notice = pidfd_open(pid, PidfdFlags::empty()).expect("it is there");
    let (took, second) = timed(|| {
        end(first.id(), Signal::KILL);
        assert!(readable(&notice, PATIENCE));
        let second = if in_tmux {
            ground.tmux(&[&["new-session", "-d", "-s", "_bare", "--"], &program.each_ref().map(String::as_str)[..]].concat());
            None
        } else {
            Some(start())
        };
        births.wait(1);
        second
    });
    first.wait().expect("it is ours");
    match second {
        Some(mut second) => {
            second.kill().expect("it is ours");
            second.wait().expect("it is ours");
        }
        None => drop(ground.tmux(&["kill-session", "-t", "=_bare"])),
    }
    took
}

/// From the end of writing a manifest to the first word of the agent that it adds.
pub(crate) fn edits(task: &Task) -> Vec<Row> {
    let mut rows = Vec::new();
    for agents in &task.agents {
        let (ground, mut births, _watcher) = watched(task, *agents, "runtime = \"daemon\"\n");
        let mut ours = Samples::default();
        for round in 1..=task.repeat(15) {
            std::thread::sleep(APART * 2);
            ground.declare(&fleet(*agents, "runtime = \"daemon\"\n", &births, round));
            ours.0.push(timed(|| births.wait(1)).0);
        }
        let aim = Aim { times: 0.0, plus: DEBOUNCE + 50.0 };
        rows.push(Row { what: "manifest saved to act".to_owned(), agents: *agents, unit: "ms", ours, yardstick: Samples::default(), aim });
    }
    rows
}

/// What a watcher costs in a minute in which nothing happens, and its memory.
pub(crate) fn idle(task: &Task) -> Vec<Row> {
    let mut rows = Vec::new();
    for agents in task.agents.iter().filter(|agents| **agents >= 100) {
        for (place, more) in [("tmux", ""), ("daemons", "runtime = \"daemon\"\n")] {
            let (_ground, _births, watcher) = watched(task, *agents, more);
            let pid = watcher.child.id();
            let before = Cost::of(pid);
            std::thread::sleep(IDLE);
            let after = Cost::of(pid);
            let row = |what: &str, unit, value: f64, most: f64| Row {
                what: format!("watch idle for 60 s, {place}: {what}"),
                agents: *agents,
                unit,
                ours: Samples(vec![value]),
                yardstick: Samples::default(),
                aim: Aim { times: 0.0, plus: most },
            };
            rows.push(row("cpu", "ms", after.cpu - before.cpu, 10.0));
            rows.push(row("switches", "", after.switches - before.switches, 30.0));
            rows.push(row("pss", "MiB", after.pss, 12.0));
        }
    }
    rows
}

/// What a process has cost so far.
struct Cost {
    /// In milliseconds.
    cpu: f64,
    switches: f64,
    /// In MiB.
    pss: f64,
}

impl Cost {
    fn of(pid: u32) -> Self {
        let read = |path: String| std::fs::read_to_string(path).unwrap_or_default();
        let (mut cpu, mut switches) = (0.0, 0.0);
        for thread in std::fs::read_dir(format!("/proc/{pid}/task")).expect("the watcher runs").flatten() {
            let thread = thread.path().display().to_string();
            let nanos: f64 = read(format!("{thread}/schedstat")).split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
            cpu += nanos / 1e6;
            let status = read(format!("{thread}/status"));
            switches += status.lines().filter(|line| line.contains("ctxt_switches")).filter_map(number).sum::<f64>();
        }
        let rollup = read(format!("/proc/{pid}/smaps_rollup"));
        let pss = rollup.lines().find(|line| line.starts_with("Pss:")).and_then(number).unwrap_or(f64::NAN) / 1024.0;
        Self { cpu, switches, pss }
    }
}

/// The first number of a line.
fn number(line: &str) -> Option<f64> {
    line.split_whitespace().find_map(|word| word.parse().ok())
}
