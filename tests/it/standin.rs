//! The stand-in for an agent program, on a real tmux server: what it draws is read as what it is, and what it gets is logged as it came.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use reconcile::process::{self, ProcId};
use reconcile::screen::{Choice, Composer, Meaning, Reading, Rules, read};
use serde_json::{Value, json};

use crate::support::{LIMIT, Tmux, eventually, standin};

/// The stand-in in the only pane of a server.
struct Pane {
    tmux: Tmux,
    rules: Rules,
    folder: tempfile::TempDir,
}

impl Pane {
    /// It runs with these options, in a pane of this size.
    fn new((columns, rows): (u16, u16), options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tmux = Tmux::in_folder(folder.path());
        let pane = Self { tmux, rules: Rules::preset("claude").unwrap().clone(), folder };
        let (program, log) = (standin(), pane.log_path());
        let start = ["start-server", ";", "set-option", "-g", "status", "off", ";", "set-option", "-g", "remain-on-exit", "on", ";"];
        let session = ["new-session", "-d", "-s", "it", "-x", &columns.to_string(), "-y", &rows.to_string(), "--"].map(str::to_owned);
        let words = [program.to_str().unwrap(), "--log", log.to_str().unwrap()].map(str::to_owned);
        let options = options.iter().map(|option| (*option).to_owned());
        pane.tmux.run(start.map(str::to_owned).into_iter().chain(session).chain(words).chain(options));
        pane
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn reading(&self) -> Reading {
        read(&self.tmux.run(["capture-pane", "-p", "-t", "=it:"]), &self.rules)
    }

    /// Waits until the screen means this.
    #[track_caller]
    fn means(&self, meaning: Meaning) {
        let start = Instant::now();
        let last = || Some(self.reading()).filter(|reading| reading.meaning == meaning || start.elapsed() > LIMIT / 2);
        let last = eventually(last, LIMIT);
        assert_eq!(last.meaning, meaning, "{:?}\n{}", last.evidence, self.tmux.screen());
    }

    /// Waits until this stands in the composer.
    #[track_caller]
    fn holds(&self, text: &str, pasted: bool) {
        let wanted = Some(Composer { text: text.to_owned(), pasted });
        eventually(|| (self.reading().composer == wanted).then_some(()), LIMIT);
    }

    fn key(&self, key: &str) {
        self.tmux.run(["send-keys", "-t", "=it:", key]);
    }

    fn types(&self, text: &str) {
        self.tmux.run(["send-keys", "-l", "-t", "=it:", text]);
    }

    /// Pastes in brackets; `then` are the words of a command that follows at once.
    fn pastes(&self, text: &str, then: &[&str]) {
        let mut load = self.tmux.command().args(["load-buffer", "-b", "it", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        load.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(load.wait().unwrap().success());
        let paste = ["paste-buffer", "-p", "-r", "-d", "-b", "it", "-t", "=it:"];
        self.tmux.run(paste.iter().chain(then));
    }

    /// What the log holds; a long line may be written only in part.
    fn log(&self) -> Vec<Value> {
        let text = String::from_utf8_lossy(&std::fs::read(self.log_path()).unwrap_or_default()).into_owned();
        text.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until the log holds exactly this.
    #[track_caller]
    fn logs(&self, lines: &[Value]) {
        eventually(|| (self.log().len() >= lines.len()).then_some(()), LIMIT);
        assert_eq!(self.log(), lines);
    }

    /// The process that tmux names so.
    fn process(&self, format: &str) -> ProcId {
        let pid = self.tmux.run(["display-message", "-p", "-t", "=it:", format]);
        ProcId::of(pid.trim().parse().unwrap()).unwrap().unwrap()
    }

    /// Waits for its exit status. Before 3.6, tmux may miss that a program ended, until it is told to look again.
    #[track_caller]
    fn ends(&self, status: &str) {
        let server = self.process("#{pid}");
        let ended = || {
            process::signal(&server, process::Signal::CHILD).unwrap();
            let now = self.tmux.run(["display-message", "-p", "-t", "=it:", "#{pane_dead} #{pane_dead_status}"]);
            (now.trim() == format!("1 {status}")).then_some(())
        };
        eventually(ended, LIMIT);
    }
}

const WIDE: (u16, u16) = (200, 50);
const SMALL: (u16, u16) = (62, 14);

fn dialog(name: &str, selected: usize, labels: &[&str]) -> Meaning {
    let choice = |label: &&str| Choice { label: (*label).to_owned(), number: None };
    Meaning::Dialog { name: name.to_owned(), choices: labels.iter().map(choice).collect(), selected: Some(selected) }
}

fn numbered(name: &str, selected: usize, labels: &[&str]) -> Meaning {
    let choice = |(number, label): (u32, &&str)| Choice { label: (*label).to_owned(), number: Some(number) };
    Meaning::Dialog { name: name.to_owned(), choices: (1..).zip(labels).map(choice).collect(), selected: Some(selected) }
}

#[test]
fn dialogs_are_read_with_their_rows_at_any_size() {
    for size in [WIDE, SMALL] {
        let pane = Pane::new(size, &["--dialog", "trust", "--dialog", "bypass-numbered", "--dialog", "api-key"]);
        let rows = ["No, exit", "Yes, I trust this folder"];
        pane.means(dialog("trust", 0, &rows));
        pane.key("Down");
        pane.means(dialog("trust", 1, &rows));
        pane.key("Up");
        pane.means(dialog("trust", 0, &rows));
        pane.key("Down");
        pane.means(dialog("trust", 1, &rows));
        pane.key("Enter");
        let rows = ["No, exit", "Yes, I accept"];
        pane.means(numbered("bypass", 0, &rows));
        pane.key("Down");
        pane.means(numbered("bypass", 1, &rows));
        pane.key("Enter");
        pane.means(numbered("api-key", 1, &["Yes", "No (recommended)"]));
        pane.key("Enter");
        pane.means(Meaning::Ready);
        pane.logs(&[
            json!({"dialog": "trust", "chose": "Yes, I trust this folder"}),
            json!({"dialog": "bypass", "chose": "Yes, I accept"}),
            json!({"dialog": "api-key", "chose": "No (recommended)"}),
        ]);
    }
}

#[test]
fn an_older_one_selects_yes_and_a_blind_enter_quits_the_newer_one() {
    let pane = Pane::new(SMALL, &["--dialog", "trust-numbered", "--dialog", "bypass"]);
    pane.means(numbered("trust", 0, &["Yes, I trust this folder", "No, exit"]));
    pane.key("Enter");
    pane.means(dialog("bypass", 0, &["No, exit", "Yes, I accept"]));
    pane.key("Enter");
    pane.ends("1");
    pane.logs(&[json!({"dialog": "trust", "chose": "Yes, I trust this folder"}), json!({"dialog": "bypass", "chose": "No, exit"})]);
}

#[test]
fn what_no_rule_knows_and_what_only_a_person_can_do() {
    let pane = Pane::new(WIDE, &["--dialog", "unknown", "--dialog", "login"]);
    pane.means(Meaning::UnknownDialog);
    pane.key("Escape");
    pane.means(Meaning::Login);
    pane.logs(&[json!({"dialog": "unknown", "chose": null})]);
}

#[test]
fn a_typed_text_is_a_draft_then_work_then_done() {
    for size in [WIDE, SMALL] {
        let pane = Pane::new(size, &["--busy", "1500"]);
        pane.means(Meaning::Ready);
        pane.types("grüße, 世界 ✓");
        pane.holds("grüße, 世界 ✓", false);
        pane.means(Meaning::Draft);
        pane.key("Enter");
        pane.means(Meaning::Busy);
        pane.means(Meaning::Ready);
        pane.types("gone");
        pane.holds("gone", false);
        pane.key("C-u");
        pane.means(Meaning::Ready);
        pane.logs(&[json!({"text": "grüße, 世界 ✓", "pasted": false})]);
        pane.types("/exit");
        pane.key("Enter");
        pane.ends("0");
    }
}

#[test]
fn a_large_paste_is_a_mark_and_arrives_whole() {
    let pane = Pane::new(WIDE, &[]);
    pane.means(Meaning::Ready);
    let text: String = (1..=4000).map(|line| format!("{line}: ein längerer Text, 世界 \\ \"quoted\"\t.\n")).collect();
    pane.pastes(&text, &[]);
    pane.holds("[Pasted text #1 +4000 lines]", true);
    pane.key("Enter");
    pane.logs(&[json!({"text": text, "pasted": true})]);
    pane.means(Meaning::Ready);
    // A short one is shown as it is.
    pane.pastes("one\ntwo", &[]);
    pane.holds("one\ntwo", false);
    pane.key("Enter");
    pane.logs(&[json!({"text": text, "pasted": true}), json!({"text": "one\ntwo", "pasted": true})]);
}

#[test]
fn an_enter_with_the_end_of_a_paste_is_swallowed() {
    // A slow reader gets both in one read.
    let pane = Pane::new(WIDE, &["--coalesce", "--slow", "200"]);
    pane.means(Meaning::Ready);
    pane.pastes("one\ntwo", &[";", "send-keys", "-t", "=it:", "Enter"]);
    pane.means(Meaning::Draft);
    assert_eq!(pane.log(), [] as [Value; 0]);
    pane.key("Enter");
    pane.logs(&[json!({"text": "one\ntwo\n", "pasted": true})]);
}

#[test]
fn the_first_enters_are_swallowed() {
    let pane = Pane::new(WIDE, &["--swallow-enter", "2", "--draft", "a person's words", "--no-exit"]);
    pane.holds("a person's words", false);
    pane.key("Enter");
    pane.key("Enter");
    pane.types("!");
    pane.holds("a person's words!", false);
    pane.means(Meaning::Draft);
    pane.key("Enter");
    pane.logs(&[json!({"text": "a person's words!", "pasted": false})]);
    pane.means(Meaning::Ready);
}

#[test]
fn work_without_end_is_interrupted() {
    let pane = Pane::new(WIDE, &["--busy", "forever"]);
    for (key, place) in [("Escape", 1), ("C-c", 3)] {
        pane.means(Meaning::Ready);
        pane.types("go");
        pane.key("Enter");
        pane.means(Meaning::Busy);
        pane.key(key);
        eventually(|| pane.log().get(place).cloned().filter(|line| *line == json!({"key": key})), LIMIT);
    }
    pane.means(Meaning::Ready);
}

#[test]
fn a_limit_is_read_as_one() {
    for size in [WIDE, SMALL] {
        let limit = "You've hit your session limit · resets 7pm (America/Los_Angeles)";
        let pane = Pane::new(size, &["--limit", limit, "--busy", "50"]);
        pane.means(Meaning::Ready);
        pane.types("go");
        pane.key("Enter");
        let limited = || matches!(pane.reading().meaning, Meaning::Limit { until: Some(_) }).then_some(());
        eventually(limited, LIMIT);
    }
}

#[test]
fn a_permission_is_asked_for_until_it_is_answered() {
    for size in [WIDE, SMALL] {
        let pane = Pane::new(size, &["--permission", "--busy", "forever"]);
        pane.means(Meaning::Ready);
        pane.types("go");
        pane.key("Enter");
        pane.means(Meaning::Permission);
        pane.key("Enter");
        pane.means(Meaning::Busy);
        pane.logs(&[json!({"text": "go", "pasted": false}), json!({"dialog": "permission", "chose": "Yes"})]);
    }
}

#[test]
fn it_ends_when_and_how_it_is_told_to() {
    let pane = Pane::new(WIDE, &["--deaf", "--ignore-term", "--start", "100", "--exit-after", "2500", "--status", "7"]);
    pane.means(Meaning::Ready);
    process::signal(&pane.process("#{pane_pid}"), process::Signal::TERM).unwrap();
    pane.types("unheard");
    pane.ends("7");
    assert_eq!(pane.log(), [] as [Value; 0]);
}

#[test]
fn its_heart_beats_while_it_is_slow() {
    let folder = tempfile::tempdir().unwrap();
    let heart = folder.path().join("heart");
    let pane = Pane::new(WIDE, &["--slow", "3600000", "--heartbeat", heart.to_str().unwrap()]);
    let beat = || std::fs::metadata(&heart).ok()?.modified().ok();
    let first = eventually(beat, LIMIT);
    eventually(|| beat().filter(|beat| *beat > first), LIMIT);
    pane.means(Meaning::Ready);
}

#[test]
fn an_unknown_option_is_refused_with_the_usage() {
    let output = crate::support::command(standin()).arg("--unknown").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Usage: standin"), "{output:?}");
}
