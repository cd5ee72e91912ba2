//! Whatever hangs, a signal ends every command within a second, and so does the time that it was given: nothing that it waited for stays behind.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reconcile::process::{self, Liveness, ProcId, Signal};

use crate::support::{Doomed, LIMIT, Program, Tmux, eventually};

/// A second is what is promised; on a machine that is busy with other tests, everything takes longer. What hangs here hangs for ever.
const SOON: Duration = Duration::from_secs(7);

/// The same where it matters that it is no multiple: a command that does not heed it takes five seconds.
const SHORT: Duration = Duration::from_secs(4);

/// The commands that look at the machine or act on it.
const COMMANDS: [&[&str]; 12] = [
    &["plan"],
    &["status"],
    &["doctor"],
    &["explain", "ada"],
    &["logs", "ada"],
    &["screen", "ada", "--preset", "claude"],
    &["wait", "ada", "--for", "stopped"],
    &["apply", "--auto-approve"],
    &["restart", "ada"],
    &["stop", "ada"],
    &["send", "ada", "a text"],
    &["status", "--watch", "--json"],
];

/// A command at work that waits for something, and what that is.
struct Waiting {
    child: Child,
    started: Vec<ProcId>,
}

impl Waiting {
    /// Starts it and waits until it has started a process that `hangs`.
    fn at(mut command: Command, hangs: impl Fn(&ProcId) -> bool) -> Self {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let below = || process::descendants(child.id()).unwrap_or_default();
        let started = eventually(|| Some(below()).filter(|all| all.iter().any(&hangs)), LIMIT);
        Self { child, started }
    }

    /// Its exit code after this signal, which it has obeyed soon.
    fn signalled(mut self, signal: Signal, what: &dyn std::fmt::Debug) -> Option<i32> {
        let id = ProcId::of(self.child.id()).unwrap().unwrap();
        let _doomed = Doomed(vec![id.clone()]);
        let begun = Instant::now();
        process::signal(&id, signal).unwrap();
        let status = eventually(|| self.child.try_wait().unwrap(), LIMIT);
        assert!(begun.elapsed() < SOON, "{what:?} took {:?}", begun.elapsed());
        assert_eq!(status.signal(), None, "{what:?}");
        let rest = || self.started.iter().filter(|process| process.liveness() != Liveness::Gone).collect::<Vec<_>>();
        let stays = |process: &&ProcId| format!("{:?} {:?}", process::cmdline(process.pid), process::stat(process.pid));
        let until = Instant::now() + SOON;
        eventually(|| (rest().is_empty() || Instant::now() > until).then_some(()), LIMIT);
        assert!(rest().is_empty(), "{what:?} left {:?}", rest().iter().map(stays).collect::<Vec<_>>());
        status.code()
    }
}

/// A process that hangs until this is dropped.
struct Stopped(ProcId);

impl Stopped {
    fn new(process: &ProcId) -> Self {
        process::signal(process, Signal::STOP).unwrap();
        Self(process.clone())
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = process::signal(&self.0, Signal::CONT);
    }
}

fn is_called(process: &ProcId, name: &str) -> bool {
    process::cmdline(process.pid).is_ok_and(|words| words.iter().any(|word| word == name))
}

#[test]
fn a_signal_ends_every_command_while_a_tmux_server_hangs() {
    let program =
        Program::new("version = 1\nfleet = \"deaf\"\n[agents.ada]\ncommand = [\"sleep\", \"1061\"]\nready = { delay = \"0s\" }\n");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let tmux = Tmux { socket: program.socket() };
    let pid = tmux.run(["display-message", "-p", "#{pid}"]).trim().parse().unwrap();
    let server = ProcId::of(pid).unwrap().unwrap();
    let goes_on = Stopped::new(&server);
    let socket = program.socket().canonicalize().unwrap();
    for (words, signal) in COMMANDS.iter().zip([Signal::TERM, Signal::INT].into_iter().cycle()) {
        let waiting = Waiting::at(program.command(words), |process| is_called(process, socket.to_str().unwrap()));
        assert_eq!(waiting.signalled(signal, words), Some(130), "{words:?}");
    }
    let waiting = Waiting::at(program.command(&["watch"]), |process| is_called(process, socket.to_str().unwrap()));
    let code = waiting.signalled(Signal::TERM, &"watch");
    assert!(matches!(code, Some(0 | 130)), "{code:?}");
    // The time of a run counts as well.
    let begun = Instant::now();
    assert_eq!(program.code(&["restart", "ada", "--timeout", "3s"]), 3);
    assert!(begun.elapsed() < Duration::from_secs(3) + SOON, "{:?}", begun.elapsed());
    // Also a short one, of every command that has one: what is waited for otherwise is longer than this.
    let short: [&[&str]; 7] = [
        &["wait", "ada", "--for", "stopped"],
        &["send", "ada", "a text"],
        &["keys", "ada", "x"],
        &["restart", "ada"],
        &["stop", "ada"],
        &["apply", "--auto-approve"],
        &["down", "--auto-approve"],
    ];
    for words in short {
        let begun = Instant::now();
        let code = program.code(&[words, &["--timeout", "500ms"]].concat());
        assert!(matches!(code, 3 | 4), "{words:?}: {code}");
        assert!(begun.elapsed() < Duration::from_millis(500) + SHORT, "{words:?}: {:?}", begun.elapsed());
    }
    drop(goes_on);
    assert_eq!(program.code(&["start", "ada"]), 0);
}

#[test]
fn a_text_for_a_program_that_is_stopped_takes_no_longer_than_it_was_given() {
    let program = Program::new("version = 1\nfleet = \"still\"\n[agents.ada]\ncommand = [\"cat\"]\nready = { delay = \"10ms\" }\n");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let pid = u32::try_from(program.pids()["ada"]).unwrap();
    let _goes_on = Stopped::new(&ProcId::of(pid).unwrap().unwrap());
    let begun = Instant::now();
    let output = program.command(&["send", "ada", "a text", "--timeout", "1s"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(4) && text.contains("a signal has stopped its program"), "{output:?}");
    assert!(begun.elapsed() < Duration::from_secs(1) + SHORT, "{:?}", begun.elapsed());
}

#[test]
fn a_signal_ends_every_command_while_a_command_of_a_secret_or_a_probe_hangs() {
    let secret = "secrets.S = { command = [\"sh\", \"-c\", \"test -e hang && exec sleep 77061; echo x\"], on_change = \"replace\" }\n";
    let probe = "ready = { command = [\"sh\", \"-c\", \"test -e hang && exec sleep 77061; exit 1\"] }\n";
    for (name, line) in [("secret", secret), ("probe", probe)] {
        let head = format!("version = 1\nfleet = \"{name}\"\n[agents.ada]\nruntime = \"daemon\"\ncommand = [\"sleep\", \"1062\"]\n");
        let program = Program::new(&format!("{head}{line}"));
        program.code(&["apply", "--auto-approve", "--timeout", "1ms"]);
        eventually(|| (program.pids().len() == 1).then_some(()), LIMIT);
        std::fs::write(program.at("hang"), "").unwrap();
        // A look that waits for no secret waits for a probe only briefly, and ends by itself.
        let waits: &[&[&str]] = if name == "secret" { &[&["plan"], &["apply", "--auto-approve"]] } else { &[&["apply", "--auto-approve"]] };
        for (words, signal) in waits.iter().zip([Signal::INT, Signal::TERM]) {
            let waiting = Waiting::at(program.command(words), |process| is_called(process, "77061"));
            assert_eq!(waiting.signalled(signal, words), Some(130), "{name} {words:?}");
        }
        let begun = Instant::now();
        let code = program.code(&["apply", "--auto-approve", "--timeout", "2s"]);
        assert!(begun.elapsed() < Duration::from_secs(2) + SOON, "{name}: {:?}", begun.elapsed());
        assert!(matches!(code, 0 | 3), "{name}: {code}");
        std::fs::remove_file(program.at("hang")).unwrap();
    }
}

#[test]
fn a_signal_ends_the_wait_for_what_is_typed() {
    let program = Program::new("version = 1\nfleet = \"unheard\"\n[agents.ada]\ncommand = [\"sleep\", \"1063\"]\n");
    assert!(crate::support::command("mkfifo").arg(program.at("pipe")).status().unwrap().success());
    for words in
        [&["plan", "pipe"][..], &["screen", "--capture", "pipe", "--preset", "claude"], &["handoff", "put", "ada", "--from", "pipe"]]
    {
        let mut child = program.command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let id = ProcId::of(child.id()).unwrap().unwrap();
        let _doomed = Doomed(vec![id.clone()]);
        // It has taken over the signal, and waits.
        let catches = |status: &str| status.lines().any(|line| line.strip_prefix("SigCgt:").is_some_and(|set| mask(set) & (1 << 14) != 0));
        eventually(|| std::fs::read_to_string(format!("/proc/{}/status", id.pid)).ok().filter(|status| catches(status)), LIMIT);
        process::signal(&id, Signal::TERM).unwrap();
        assert_eq!(eventually(|| child.try_wait().unwrap(), LIMIT).code(), Some(130), "{words:?}");
    }
}

fn mask(text: &str) -> u64 {
    u64::from_str_radix(text.trim(), 16).unwrap()
}
