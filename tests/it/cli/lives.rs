//! What each life of an agent has printed is kept apart from what the others have.

use crate::support::{LIMIT, Program, eventually};

/// A program that crashes in its first life, after one line, and is ready and rests in the next.
const CRASHES_ONCE: &str = "if [ -e once ]; then echo second life; touch ready; exec /bin/sleep 1081; fi; touch once; echo boom; exit 3";

fn world(runtime: &str) -> Program {
    Program::new(&format!(
        "version = 1\nfleet = \"lives\"\n[agents.ada]\nruntime = \"{runtime}\"\ncommand = \"{CRASHES_ONCE}\"\n\
         ready = {{ file = \"ready\" }}\nrestart = {{ backoff = {{ first = \"10ms\" }} }}\n"
    ))
}

fn text(program: &Program, arguments: &[&str]) -> String {
    String::from_utf8(program.command(arguments).output().unwrap().stdout).unwrap()
}

#[test]
fn a_crash_in_a_pane_tells_what_was_printed_and_the_next_life_begins_on_an_empty_screen() {
    let program = world("tmux");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let history = text(&program, &["history"]);
    assert!(history.contains("exited with status 3: boom"), "{history}");
    let shown = || Some(text(&program, &["logs", "ada"])).filter(|logs| logs.contains("second life"));
    let shown = eventually(shown, LIMIT);
    assert!(!shown.contains("boom") && !shown.contains("Pane is dead"), "{shown}");
    let spool: Vec<_> = walk(&program.at("state")).into_iter().filter(|text| text.contains("ended unexpectedly")).collect();
    assert!(spool.iter().all(|note| note.contains("boom") && !note.contains("Pane is dead")), "{spool:?}");
}

#[test]
fn what_a_daemon_printed_in_earlier_lives_is_no_evidence_of_this_one() {
    let program = world("daemon");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert!(text(&program, &["history"]).contains("exited with status 3: boom"));
    std::fs::remove_file(program.at("ready")).unwrap();
    let restarted = text(&program, &["restart", "ada", "--json"]);
    assert!(restarted.contains("second life") && !restarted.contains("boom"), "{restarted}");
    // The log itself has all of them.
    let logs = text(&program, &["logs", "ada"]);
    assert!(logs.contains("boom") && logs.matches("second life").count() >= 2, "{logs}");
}

#[test]
fn a_log_that_is_moved_aside_goes_on_under_its_name() {
    let program = Program::new(
        "version = 1\nfleet = \"lives\"\n[agents.ada]\nruntime = \"daemon\"\nlog = { file = \"ada.log\" }\n\
         command = \"while sleep 0.02; do echo line; done\"\nready = { delay = \"10ms\" }\n",
    );
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let has_lines = || std::fs::read_to_string(program.at("ada.log")).ok().filter(|text| text.contains("line"));
    eventually(has_lines, LIMIT);
    std::fs::rename(program.at("ada.log"), program.at("ada.log.1")).unwrap();
    eventually(has_lines, LIMIT);
    std::fs::remove_file(program.at("ada.log")).unwrap();
    eventually(has_lines, LIMIT);
}

fn walk(folder: &std::path::Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => texts.extend(walk(&path)),
            path => texts.extend(std::fs::read_to_string(path)),
        }
    }
    texts
}
