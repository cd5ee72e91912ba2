//! A program in a pane lives as if it had been started there by hand.

use reconcile::keeper::{Asked, Stdio};
use reconcile::process::{self, Liveness, ProcId, Signal, State};

use super::end::{EIGHT, bash, sleepers};
use super::{EXE, Exit, Stand, code};
use crate::support::{LIMIT, Tmux, end_marked, eventually};

/// An instance in the only pane of a tmux server of its own.
struct Pane {
    // Ended in this order.
    tmux: Tmux,
    stand: Stand,
}

impl Pane {
    fn new(mut stand: Stand) -> Self {
        stand.spec.stdio = Stdio::Terminal;
        let path = stand.at("spec");
        stand.spec.write(&path).unwrap();
        let tmux = Tmux::in_folder(stand.folder.path());
        let label = stand.label().to_string();
        tmux.run(["new-session", "-d", "-s", "it", "-x", "100", "-y", "30", "--", EXE, "keep", &label, path.to_str().unwrap()]);
        tmux.run(["set-option", "-w", "-t", "=it:", "remain-on-exit", "on"]);
        Self { tmux, stand }
    }

    fn keeper(&self) -> ProcId {
        eventually(|| self.stand.status(), LIMIT).keeper
    }

    /// The screen, once it shows this.
    fn shows(&self, text: &str) -> String {
        eventually(|| Some(self.tmux.screen()).filter(|screen| screen.contains(text)), LIMIT)
    }

    fn keys(&self, keys: &[&str]) {
        self.tmux.run(["send-keys", "-t", "=it:"].iter().chain(keys));
    }

    fn gone(&self) {
        eventually(|| self.stand.marked().is_empty().then_some(()), LIMIT);
    }
}

impl Drop for Pane {
    fn drop(&mut self) {
        end_marked(self.stand.label());
    }
}

#[test]
fn the_terminal_is_the_programs_own() {
    let pane = Pane::new(bash(r#"tty; echo "TERM=$TERM TMUX=$TMUX"; ps -o pgid=,tpgid= -p $$; read -r line; echo "got $line"; exit 5"#));
    let screen = pane.shows("TERM=");
    let term = pane.tmux.run(["show-options", "-gv", "default-terminal"]);
    assert!(screen.contains("/dev/pts/") && screen.contains(&format!("TERM={} TMUX=\n", term.trim())), "{screen}");
    let keeper = pane.keeper();
    let program = process::stat(pane.stand.program().pid).unwrap().unwrap();
    assert_eq!((program.pgrp, program.session), (keeper.pid, keeper.pid));
    pane.keys(&["héllo", "Enter"]);
    pane.shows("got héllo");
    assert_eq!(pane.stand.ended().how, code(5));
    eventually(|| (pane.tmux.run(["display-message", "-p", "-t", "=it:", "#{pane_dead}"]).trim() == "1").then_some(()), LIMIT);
}

#[test]
fn an_interrupt_that_is_typed_reaches_the_program_and_leaves_the_keeper() {
    let pane = Pane::new(bash("trap 'echo interrupted' INT; trap 'echo quit' QUIT; echo ready; while :; do sleep 0.02; done"));
    pane.shows("ready");
    pane.keys(&["C-c"]);
    pane.shows("interrupted");
    pane.keys(&["C-\\"]);
    pane.shows("quit");
    assert_eq!(pane.keeper().liveness(), Liveness::Alive);
    assert_eq!(pane.stand.status().unwrap().ended, None);

    let pane = Pane::new(Stand::new(&["cat"]));
    pane.stand.program();
    pane.keys(&["C-c"]);
    let ended = pane.stand.ended();
    assert_eq!((ended.how, ended.asked), (Exit::Signal(2), None));
}

#[test]
fn a_new_size_of_the_window_reaches_the_program() {
    let pane = Pane::new(bash("trap 'stty size' WINCH; echo ready; while :; do sleep 0.02; done"));
    pane.shows("ready");
    pane.tmux.run(["resize-window", "-t", "=it:", "-x", "77", "-y", "22"]);
    pane.shows("22 77");
}

#[test]
fn a_shell_has_job_control() {
    let mut stand = Stand::new(&["bash", "--norc", "--noprofile", "-i"]);
    stand.spec.env.insert("PS1".to_owned(), "ready> ".to_owned());
    let pane = Pane::new(stand);
    pane.shows("ready>");
    pane.keys(&["sleep 1234", "Enter"]);
    let [job] = sleepers(&pane.stand, 1).try_into().unwrap();
    let in_state = |state: State| eventually(|| (process::stat(job.pid).unwrap()?.state == state).then_some(()), LIMIT);
    pane.keys(&["C-z"]);
    pane.shows("Stopped");
    in_state(State::Stopped);
    pane.keys(&["fg", "Enter"]);
    in_state(State::Running);
    pane.keys(&["C-c"]);
    eventually(|| (job.liveness() == Liveness::Gone).then_some(()), LIMIT);
    pane.keys(&["exit 6", "Enter"]);
    assert_eq!(pane.stand.ended().how, code(6));
}

#[test]
fn a_closed_pane_ends_the_whole_tree() {
    let pane = Pane::new(bash(&format!("trap '' HUP; {EIGHT} sleep 1000; sleep 1000")));
    sleepers(&pane.stand, 9);
    pane.tmux.run(["kill-session", "-t", "=it"]);
    let ended = pane.stand.ended();
    assert_eq!((ended.how, ended.asked), (Exit::Signal(9), Some(Asked::Hangup)));
    pane.gone();
}

#[test]
fn a_program_may_leave_by_itself_when_its_pane_is_closed() {
    let pane = Pane::new(bash("trap 'exit 9' HUP; echo ready; while :; do sleep 0.02; done"));
    pane.shows("ready");
    pane.tmux.run(["kill-server"]);
    let ended = pane.stand.ended();
    assert_eq!((ended.how, ended.asked), (code(9), Some(Asked::Hangup)));
    pane.gone();
}

#[test]
fn a_program_whose_keeper_is_killed_gets_a_hangup() {
    let pane = Pane::new(bash("echo ready; sleep 1000; sleep 1000"));
    pane.shows("ready");
    process::signal(&pane.keeper(), Signal::KILL).unwrap();
    pane.gone();
    assert_eq!(pane.stand.status().unwrap().ended, None);
}

#[test]
fn a_failed_start_can_be_read_in_the_pane() {
    let mut stand = Stand::new(&["true"]);
    stand.spec.cwd = "/nowhere".into();
    stand.spec.stdio = Stdio::Terminal;
    let path = stand.at("spec");
    stand.spec.write(&path).unwrap();
    let tmux = Tmux::in_folder(stand.folder.path());
    let label = stand.label().to_string();
    let config = stand.at("conf");
    std::fs::write(&config, "set -g remain-on-exit on\n").unwrap();
    tmux.run([
        "start-server",
        ";",
        "source-file",
        config.to_str().unwrap(),
        ";",
        "new-session",
        "-d",
        "-s",
        "it",
        "-x",
        "200",
        "--",
        EXE,
        "keep",
        &label,
        path.to_str().unwrap(),
    ]);
    eventually(|| tmux.screen().contains("was not started: cwd /nowhere: it does not exist").then_some(()), LIMIT);
    assert!(matches!(stand.ended().how, Exit::Failed(_)));
}
