//! A request to end has three outcomes, and its message is for one life only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{LIMIT, Program, eventually};

/// A program that takes its messages out of its inbox where `takes` is there, ends by a message where `obeys` is there, and ignores TERM.
fn fleet(drain: &str) -> Program {
    let program = Program::new(&format!(
        "version = 1\nfleet = \"shutdown\"\n[defaults]\nruntime = \"daemon\"\nready = {{ file = \"up\" }}\n[agents.ada]\ncommand = [\"sh\", \"ada.sh\"]\n\
         drain = {drain}\n"
    ));
    program.write(
        "ada.sh",
        "trap : TERM\ntouch up\nwhile true; do for note in \"$RECONCILE_INBOX\"/*.json; do\n[ -e takes ] && [ -e \"$note\" ] || continue\n\
         grep -q bye \"$note\" && touch bye\nmv \"$note\" taken\n[ -e obeys ] && exit 0\ndone; sleep 0.02; done\n",
    );
    assert_eq!(program.command(&["apply", "--auto-approve"]).status().unwrap().code(), Some(0));
    program
}

fn inbox(program: &Program) -> PathBuf {
    program.at("state").join(&program.fleet.1).join("inbox/ada")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn json(program: &Program, arguments: &[&str]) -> Value {
    let output = program.command(arguments).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

/// Stops the agent, and what is told of that end by the command, by the status, and by the journal.
fn outcomes(program: &Program) -> [Value; 4] {
    let stop = json(program, &["stop", "ada", "--json"]);
    let of_agent = stop["outcomes"].as_array().unwrap()[0].clone();
    let status = json(program, &["status", "--json"]);
    let events = program.command(&["events", "--json"]).output().unwrap();
    let events: Vec<Value> = String::from_utf8(events.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let end = events.iter().rev().find(|event| event["what"] == "exited").unwrap().clone();
    let how = |text: &Value| text.as_str().unwrap().split_once(", ").unwrap().1.to_owned();
    let words = json!([how(&of_agent["ended"]), how(&end["why"])]);
    [of_agent["outcome"].clone(), status["agents"][0]["exit"]["outcome"].clone(), end["reason"].clone(), words]
}

#[test]
fn a_request_to_end_is_graceful_acknowledged_or_timed_out() {
    let cases: BTreeMap<&str, (&[&str], &str)> = BTreeMap::from([
        ("graceful", (&["takes", "obeys"][..], "graceful after step 1")),
        ("acknowledged", (&["takes"][..], "acknowledged, then killed")),
        ("timed_out", (&[][..], "timed out, then killed")),
    ]);
    for (word, (files, told)) in cases {
        let program = fleet(&format!("[{{ message = \"bye\", wait = \"{}\" }}]", if word == "graceful" { "20s" } else { "1s" }));
        files.iter().for_each(|file| program.write(file, ""));
        assert_eq!(outcomes(&program), [json!(word), json!(word), json!(word), json!([told, told])]);
        assert_eq!(names(&inbox(&program)), [] as [String; 0], "{word}");
        // What was taken is its reader's.
        assert_eq!(program.at("taken").exists(), word != "timed_out");
    }
    // A probe of the step says it too, also where something else follows before the kill.
    let program = fleet("[{ message = \"bye\", wait = \"20s\", until = { file = \"saved\" } }, { signal = \"TERM\", wait = \"100ms\" }]");
    program.write("saved", "");
    assert_eq!(outcomes(&program)[0], "acknowledged");
    // No one asks before a kill.
    let program = fleet("[{ message = \"bye\" }]");
    let killed = json(&program, &["kill", "ada", "--json"]);
    assert_eq!((&killed["outcomes"][0]["outcome"], &names(&inbox(&program))), (&json!("killed"), &Vec::new()));
}

#[test]
fn a_message_that_asks_to_end_is_not_for_the_next_life() {
    let program = fleet("[{ message = \"bye\", wait = \"100ms\" }]");
    let restart = program.command(&["restart", "ada", "--json"]).output().unwrap();
    assert_eq!(restart.status.code(), Some(0), "{restart:?}");
    // It takes all that is there, and a note that comes later is the first one.
    std::fs::write(inbox(&program).join("99991231T235959Z-1-1-from-test.json"), "{}").unwrap();
    program.write("takes", "");
    eventually(|| names(&inbox(&program)).is_empty().then_some(()), LIMIT);
    assert_eq!(std::fs::read_to_string(program.at("taken")).unwrap(), "{}");
    assert!(!program.at("bye").exists());
    assert_eq!(json(&program, &["status", "--json"])["agents"][0]["generation"], 2);
    let history = program.command(&["history"]).output().unwrap();
    let history = String::from_utf8(history.stdout).unwrap();
    assert!(history.contains("request to end taken out of the inbox"), "{history}");
}
