//! Starting a fleet from nothing.

use std::fmt::Write;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Task;
use crate::ground::Ground;
use crate::measure::{Aim, Row, Samples, timed};
use crate::rest::copies;

/// Cold `apply` in tmux, beside one bare client that makes the same sessions of the same command, without keepers, from a file of commands.
pub(crate) fn panes(task: &Task) -> Vec<Row> {
    let mut rows = Vec::new();
    for agents in &task.agents {
        let (mut ours, mut yardstick) = (Samples::default(), Samples::default());
        for _ in 0..task.repeat(if *agents < 500 { 7 } else { 3 }) {
            yardstick.0.push(bare(task, *agents, |_| ()).0);
            ours.0.push(cold(task, *agents, |_| ()).0);
        }
        rows.push(Row {
            what: "cold apply, tmux".to_owned(),
            agents: *agents,
            unit: "ms",
            ours,
            yardstick,
            aim: Aim { times: 1.25, plus: 0.0 },
        });
    }
    rows
}

/// How long another client waits at most while sessions are started, beside the same while a bare client does it in one go.
pub(crate) fn freeze(task: &Task) -> Vec<Row> {
    let mut rows = Vec::new();
    for agents in task.agents.iter().filter(|agents| **agents >= 100) {
        let (mut ours, mut yardstick) = (Samples::default(), Samples::default());
        for _ in 0..task.repeat(3) {
            yardstick.0.push(bare(task, *agents, longest_wait).1);
            ours.0.push(cold(task, *agents, longest_wait).1);
        }
        rows.push(Row {
            what: "others wait during it".to_owned(),
            agents: *agents,
            unit: "ms",
            ours,
            yardstick,
            aim: Aim { times: 0.0, plus: 100.0 },
        });
    }
    rows
}

/// Cold `apply` of daemons, beside so many bare starts of the same program.
pub(crate) fn daemons(task: &Task) -> Vec<Row> {
    let agents = 100;
    let (mut ours, mut yardstick) = (Samples::default(), Samples::default());
    for _ in 0..task.repeat(9) {
        let (took, started) = timed(|| (0..agents).map(|_| sleep()).collect::<Vec<Child>>());
        yardstick.0.push(took);
        for mut child in started {
            child.kill().expect("it is ours");
            child.wait().expect("it is ours");
        }
        let ground = Ground::new(task);
        ground.declare(&format!("{}runtime = \"daemon\"\n", copies(agents)));
        ours.0.push(timed(|| ground.reconcile(&["apply", "--auto-approve"])).0);
        assert_eq!(ground.keepers().len(), agents, "every daemon has its keeper");
    }
    vec![Row { what: "cold apply, daemons".to_owned(), agents, unit: "ms", ours, yardstick, aim: Aim { times: 3.3, plus: 0.0 } }]
}

fn sleep() -> Child {
    Command::new("sleep").arg("100000").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("there is a sleep")
}

/// Starts a fleet on a new ground while `beside` looks on; how long that took, and what it saw.
fn cold<T: Send>(task: &Task, agents: usize, beside: impl FnOnce(&Watch<'_>) -> T + Send) -> (f64, T) {
    let ground = Ground::new(task);
    ground.declare(&copies(agents));
    let result = beside_it(&ground, beside, || ground.reconcile(&["apply", "--auto-approve"]));
    assert_eq!(ground.panes().len(), agents, "every agent has its pane");
    result
}

/// The same sessions by one bare client.
fn bare<T: Send>(task: &Task, agents: usize, beside: impl FnOnce(&Watch<'_>) -> T + Send) -> (f64, T) {
    let ground = Ground::new(task);
    let socket = ground.socket();
    std::fs::create_dir_all(socket.parent().expect("it is in a folder")).expect("there is room for a folder");
    std::fs::set_permissions(socket.parent().expect("it is in a folder"), std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .expect("it is ours");
    // The options that the program sets for a server of its own.
    let mut script = "set -s exit-empty off\nset -g remain-on-exit on\nset -g default-size 200x50\nset -g update-environment ''\nset -g history-limit 2000\n".to_owned();
    for agent in 1..=agents {
        writeln!(script, "new-session -d -x 200 -y 50 -s clone-{agent} -n clone-{agent} -- sleep 100000")
            .expect("a string takes everything");
    }
    let file = ground.path().join("sessions.tmux");
    std::fs::write(&file, script).expect("there is room for a file");
    let result = beside_it(&ground, beside, || ground.tmux(&["start-server", ";", "source-file", &file.to_string_lossy()]));
    assert_eq!(ground.panes().len(), agents, "every session is there");
    result
}

/// A ground where something goes on.
struct Watch<'a> {
    ground: &'a Ground,
    over: AtomicBool,
}

fn beside_it<T: Send, U>(ground: &Ground, beside: impl FnOnce(&Watch<'_>) -> T + Send, work: impl FnOnce() -> U) -> (f64, T) {
    let watch = Watch { ground, over: AtomicBool::new(false) };
    std::thread::scope(|scope| {
        let beside = scope.spawn(|| beside(&watch));
        let (took, _) = timed(work);
        watch.over.store(true, Ordering::Relaxed);
        (took, beside.join().expect("looking on does not fail"))
    })
}

/// The longest that a client waited for a word from the server.
fn longest_wait(watch: &Watch<'_>) -> f64 {
    let socket = watch.ground.socket();
    let mut longest = 0.0_f64;
    while !watch.over.load(Ordering::Relaxed) {
        if socket.exists() {
            let mut client = watch.ground.client(&socket);
            let (took, _) = timed(|| client.args(["display-message", "-p", "#{pid}"]).stdin(Stdio::null()).output());
            longest = longest.max(took);
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    longest
}
