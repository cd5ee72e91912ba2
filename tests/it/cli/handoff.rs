//! Notes for agents: exactly once into an inbox, at most once onto a terminal, whatever is killed on the way.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use reconcile::process::{self, ProcId, Signal};
use serde_json::{Value, json};

use crate::support::{LIMIT, Program, eventually, standin};

const FLEET: &str = r#"
version = 1
fleet = "notes"
[agents.ada]
runtime = "daemon"
command = ["sleep", "1007"]
ready = { delay = "10ms" }
handoff = { source = "ada.md" }
"#;

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn fleet_folder(program: &Program) -> PathBuf {
    program.at("state").join(&program.fleet.1)
}

fn envelopes(program: &Program) -> Vec<Value> {
    let files = files(&fleet_folder(program).join("inbox/ada"));
    files.iter().map(|file| serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()).collect()
}

#[test]
fn a_note_is_delivered_archived_and_gone() {
    let program = Program::new(FLEET);
    let text = "go on with PLAN.md\nżółć\n";
    program.write("ada.md", text);
    let plan = program.json(&["plan", "--json"]);
    assert_eq!(plan["resource_changes"][0]["deliveries"][0]["bytes"], text.len(), "{plan}");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let [envelope] = &envelopes(&program)[..] else { panic!("{:?}", envelopes(&program)) };
    assert_eq!(
        (&envelope["text"], &envelope["to"], &envelope["from"], &envelope["version"]),
        (&json!(text), &json!("ada"), &json!("ada"), &json!(1))
    );
    let [archived] = &files(&fleet_folder(&program).join("archive/ada"))[..] else { panic!("one copy") };
    // The copy is the envelope, byte by byte and under the same name.
    let [delivered] = &files(&fleet_folder(&program).join("inbox/ada"))[..] else { panic!("one envelope") };
    assert_eq!(archived.file_name(), delivered.file_name());
    assert_eq!(std::fs::read(archived).unwrap(), std::fs::read(delivered).unwrap());
    assert!(envelope["ts"].as_str().unwrap().len() == "2026-11-20T14:02:12Z".len(), "{envelope}");
    assert!(!program.at("ada.md").exists());
    // The next one is the next one, and is shown in the plan of an agent that runs.
    program.write("ada.md", "more");
    assert!(program.brief(&["plan"]).contains("> ada    deliver"), "{}", program.brief(&["plan"]));
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(envelopes(&program).len(), 2);
    assert_eq!(program.code(&["plan", "--detailed-exitcode"]), 0);
}

#[test]
fn a_killed_apply_delivers_nothing_twice_and_loses_nothing() {
    let program = Program::new(FLEET);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    for round in 0..12 {
        program.write("ada.md", &format!("note {round}"));
        let mut apply = program.command(&["apply", "--auto-approve"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Killed at another moment of its life each time: when the first file of the delivery is seen, or a while after.
        let id = ProcId::of(apply.id()).unwrap().unwrap();
        let claimed = || files(program.folder.path()).iter().any(|file| file.to_string_lossy().ends_with(".claimed"));
        for _ in 0..(round * 40) {
            if round % 2 == 0 && claimed() || apply.try_wait().unwrap().is_some() {
                break;
            }
        }
        let _ = process::signal(&id, Signal::KILL);
        apply.wait().unwrap();
        assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
        let texts: Vec<String> = envelopes(&program).iter().map(|envelope| envelope["text"].as_str().unwrap().to_owned()).collect();
        let expected: Vec<String> = (0..=round).map(|round| format!("note {round}")).collect();
        let (mut sorted, mut wanted) = (texts.clone(), expected);
        sorted.sort();
        wanted.sort();
        assert_eq!(sorted, wanted);
        assert_eq!(files(&fleet_folder(&program).join("archive/ada")).len(), round + 1);
        let left: Vec<_> = files(program.folder.path()).into_iter().filter(|file| file.to_string_lossy().contains("ada.md")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn the_successor_gets_the_note_and_it_is_typed_once() {
    let program = Program::new("\nfleet = \"paste\"\n");
    let command = [standin().display().to_string(), "--log".to_owned(), program.at("log").display().to_string()];
    let manifest = |more: &str| {
        format!(
            "version = 1\nfleet = \"paste\"\n[agents.ada]\ncommand = {command:?}\npreset = \"claude\"\nenv = {{ A = \"{more}\" }}\n\
             handoff = {{ source = \"ada.md\", deliver = [\"inbox\", \"paste\"] }}\n"
        )
    };
    let texts = || {
        let log = std::fs::read_to_string(program.at("log")).unwrap_or_default();
        let lines = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        lines
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter_map(|line| Some(line["text"].as_str()?.to_owned()))
            .collect::<Vec<_>>()
    };
    program.write("constellation.toml", &manifest("1"));
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    program.write("constellation.toml", &manifest("2"));
    program.write("ada.md", "you are the second");
    let plan = program.brief(&["plan"]);
    assert!(plan.contains("ada.md (18 bytes) to the new instance"), "{plan}");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(texts(), ["/exit", "you are the second"]);
    assert_eq!(envelopes(&program).len(), 1);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(texts().len(), 2);
    assert_eq!(program.json(&["status", "--json"])["agents"][0]["generation"], 2);
}

#[test]
fn what_cannot_be_delivered_is_a_dead_letter_that_can_be_retried() {
    let program = Program::new(FLEET);
    program.edit("source = \"ada.md\"", "source = \"ada.md\", max_size = \"4B\"");
    program.write("ada.md", "too long a note");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(envelopes(&program), [] as [Value; 0]);
    let list = program.json(&["handoff", "list", "--json"]);
    assert_eq!(list["notes"][0]["state"], "dead", "{list}");
    let id = list["notes"][0]["id"].as_str().unwrap();
    assert!(program.shot(&["handoff", "show", id]).contains("too long a note"));
    program.edit("max_size = \"4B\"", "max_size = \"1KiB\"");
    assert_eq!(program.code(&["handoff", "retry", id]), 0);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let [envelope] = &envelopes(&program)[..] else { panic!("one envelope") };
    assert_eq!((&envelope["id"], &envelope["text"]), (&json!(id), &json!("too long a note")));
    assert_eq!(program.json(&["handoff", "list", "--json"])["notes"], json!([]));
}

#[test]
fn a_link_is_left_alone_and_blocks() {
    let program = Program::new(FLEET);
    program.write("secret", "not a note");
    std::os::unix::fs::symlink("secret", program.at("ada.md")).unwrap();
    assert_eq!(program.code(&["apply", "--auto-approve"]), 3);
    assert_eq!(program.json(&["status", "--json"])["agents"][0]["blocked"]["reason"], "undelivered");
    assert!(program.at("ada.md").is_symlink());
    assert_eq!(envelopes(&program), [] as [Value; 0]);
}

#[test]
fn notes_that_are_put_aside_arrive_in_their_order() {
    let program = Program::new(FLEET);
    for text in ["one", "two"] {
        assert_eq!(program.code(&["handoff", "put", "ada", text]), 0);
    }
    assert_eq!(program.json(&["status", "--json"])["agents"][0]["handoffs_waiting"], 2);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let texts: Vec<Value> = envelopes(&program).iter().map(|envelope| envelope["text"].clone()).collect();
    assert_eq!(texts, ["one", "two"]);
    assert_eq!(program.code(&["handoff", "put", "ada", " "]), 1);
    assert_eq!(program.code(&["handoff", "prune", "ada", "--keep", "1"]), 0);
    assert_eq!(files(&fleet_folder(&program).join("archive/ada")).len(), 1);
    assert_eq!(envelopes(&program).len(), 2);
}

#[test]
fn an_acknowledgement_is_waited_for() {
    let program = Program::new(FLEET);
    program.edit("source = \"ada.md\"", "source = \"ada.md\", ack = { file = \"read\", interval = \"10ms\", timeout = \"200ms\" }");
    program.write("ada.md", "read me");
    let report = program.brief(&["apply", "--auto-approve"]);
    assert!(report.starts_with("exit 3") && report.contains("was not acknowledged within 200ms"), "{report}");
    program.write("read", "");
    eventually(|| (program.code(&["apply", "--auto-approve"]) == 0).then_some(()), LIMIT);
    assert!(program.shot(&["history"]).contains("read     note"), "{}", program.shot(&["history"]));
}

#[test]
fn the_successor_of_one_that_crashed_is_told() {
    let program = Program::new(FLEET);
    program.edit(
        "command = [\"sleep\", \"1007\"]",
        "command = \"[ -e ok ] && touch up && exec sleep 1007; echo out of paper; touch ok; exit 3\"",
    );
    program.edit("source = \"ada.md\"", "crash_note = true");
    program.edit("delay = \"10ms\"", "file = \"up\"");
    program.edit("handoff =", "restart = { backoff = { first = \"10ms\" } }\nhandoff =");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let [envelope] = &envelopes(&program)[..] else { panic!("{:?}", envelopes(&program)) };
    let text = envelope["text"].as_str().unwrap();
    assert!(text.contains("it exited with status 3") && text.contains("    out of paper\n"), "{text}");
}

#[test]
fn notes_follow_an_agent_to_its_new_name() {
    let program = Program::new(FLEET);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(program.code(&["handoff", "put", "ada", "for you"]), 0);
    program.edit("[agents.ada]", "[agents.eve]\nrenamed_from = \"ada\"");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    // The instance goes on, and was told of this inbox.
    let [envelope] = &envelopes(&program)[..] else { panic!("one envelope") };
    assert_eq!((&envelope["to"], &envelope["text"]), (&json!("eve"), &json!("for you")));
    assert_eq!(files(&fleet_folder(&program).join("archive/eve")).len(), 1);
}

#[test]
fn a_note_of_a_restart_that_is_held_waits_for_the_successor() {
    let program = Program::new("\nfleet = \"held\"\n");
    let command = [standin().display().to_string(), "--busy".to_owned(), "forever".to_owned()];
    program.write(
        "constellation.toml",
        &format!("version = 1\nfleet = \"held\"\n[agents.ada]\ncommand = {command:?}\npreset = \"claude\"\nprompt = \"work\"\nhandoff.require = true\n"),
    );
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let busy = |wanted: bool| (program.json(&["status", "--json"])["agents"][0]["busy"] == wanted).then_some(());
    eventually(|| busy(true), LIMIT);
    program.write("note.md", "for you");
    assert_eq!(program.code(&["restart", "ada", "--handoff", "note.md"]), 3);
    assert_eq!(program.json(&["status", "--json"])["agents"][0]["handoffs_waiting"], 1);
    assert_eq!(program.code(&["keys", "ada", "Escape", "--interrupt"]), 0);
    eventually(|| busy(false), LIMIT);
    assert_eq!(program.code(&["apply", "--auto-approve", "--max-stop", "1"]), 0);
    assert_eq!(program.json(&["status", "--json"])["agents"][0]["generation"], 2);
    assert_eq!(envelopes(&program)[0]["text"], "for you");
}

#[test]
fn a_note_that_is_still_to_be_typed_outlives_its_agent() {
    let program = Program::new("\nfleet = \"untyped\"\n");
    let command = [standin().display().to_string(), "--log".to_owned(), program.at("log").display().to_string(), "--busy".to_owned()];
    let manifest = |busy: &str, prompt: &str| {
        let command: Vec<String> = command.iter().cloned().chain([busy.to_owned()]).collect();
        format!(
            "version = 1\nfleet = \"untyped\"\n[agents.ada]\ncommand = {command:?}\npreset = \"claude\"\n{prompt}\n\
             handoff = {{ source = \"ada.md\", deliver = [\"paste\"] }}\n"
        )
    };
    program.write("constellation.toml", &manifest("forever", "prompt = \"work\""));
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    program.write("ada.md", "not lost");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 3);
    assert_eq!(program.code(&["down", "--auto-approve", "--now"]), 0);
    assert_eq!(program.code(&["plan", "--destroy", "--detailed-exitcode"]), 0);
    program.write("constellation.toml", &manifest("100", ""));
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert!(std::fs::read_to_string(program.at("log")).unwrap().contains("not lost"));
}

#[test]
fn a_delivery_that_fails_says_why_and_is_not_hammered_at() {
    let program = Program::new(FLEET);
    program.write("file", "");
    program.edit("source = \"ada.md\"", "source = \"ada.md\", inbox = \"file/in\"");
    program.write("ada.md", "for you");
    let report = program.brief(&["apply", "--auto-approve"]);
    assert!(report.starts_with("exit 3") && report.contains("could not be delivered"), "{report}");
    assert_eq!(program.shot(&["history"]).matches("failed").count(), 1);
    program.edit("inbox = \"file/in\"", "inbox = \"in\"");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(files(&program.at("in")).len(), 1);
}

#[test]
fn the_agent_is_told_of_its_own_inbox_and_an_old_file_acknowledges_nothing() {
    let program = Program::new(FLEET);
    program.edit("[\"sleep\", \"1007\"]", "\"echo $RECONCILE_INBOX > where; exec sleep 1007\"");
    program.edit(
        "source = \"ada.md\"",
        "source = \"ada.md\", inbox = \"in\", ack = { file = \"read\", interval = \"10ms\", timeout = \"100ms\" }",
    );
    program.write("read", "");
    program.write("ada.md", "for you");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 3);
    let told = std::fs::read_to_string(program.at("where")).unwrap();
    assert!(told.trim_end().ends_with("/in"), "{told}");
    program.write("read", "now");
    eventually(|| (program.code(&["apply", "--auto-approve"]) == 0).then_some(()), LIMIT);
}

#[test]
fn two_agents_do_not_take_notes_from_one_file() {
    let program = Program::new(FLEET);
    program.edit("[agents.ada]", "[agents.bob]\nruntime = \"daemon\"\ncommand = [\"x\"]\nhandoff = { source = \"ada.md\" }\n[agents.ada]");
    assert!(program.shot(&["validate"]).contains("take their notes from the same file"));
}
