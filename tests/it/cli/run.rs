//! What a run leaves for programs: its error, its events, its file.

use serde_json::{Value, json};

use super::Program;

const LATE: &str = r#"version = 1
fleet = "late"
[agents.ada]
runtime = "daemon"
command = ["sh", "-c", "echo no licence; exec sleep 1000"]
log = {}
ready = { file = "up", timeout = "1s" }
[agents.bob]
runtime = "daemon"
command = ["sleep", "1000"]
ready = { delay = "0s" }
after = ["ada"]
"#;

/// The lines that a command wrote, each a document.
fn lines(program: &Program, arguments: &[&str]) -> (i32, Vec<Value>) {
    let output = program.command(arguments).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// The files of all runs, oldest first.
fn runs(program: &Program) -> Vec<Value> {
    let folder = program.at("state").join(&program.fleet.1).join("runs");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort_by_key(|path| std::fs::metadata(path).unwrap().modified().unwrap());
    paths.iter().map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).collect()
}

#[test]
fn an_agent_that_does_not_get_ready_is_named_with_step_and_timeout() {
    let program = Program::new(LATE);
    let (code, told) = lines(&program, &["apply", "--auto-approve", "--json"]);
    assert_eq!(code, 3);
    let overdue: Vec<&Value> = told.iter().filter(|line| line["what"] == "overdue").collect();
    assert_eq!((overdue.len(), &overdue[0]["agent"], &overdue[0]["reason"]), (1, &json!("ada"), &json!("not_ready")), "{told:?}");
    let error = &told.last().unwrap()["error"];
    assert_eq!((&error["code"], &error["retryable"]), (&json!("not_ready"), &json!(false)), "{error}");
    let ada = &error["agents"][0];
    let which = (&ada["agent"], &ada["step"], &ada["reason"], &ada["timeout_ms"], &ada["printed"][0]);
    assert_eq!(which, (&json!("ada"), &json!("ready"), &json!("not_ready"), &json!(1000), &json!("no licence")), "{error}");
    assert_eq!((&error["agents"][1]["agent"], &error["agents"][1]["reason"]), (&json!("bob"), &json!("dependency_ended")), "{error}");
    let run = runs(&program).pop().unwrap();
    assert_eq!((&run["phase"], &run["exit_code"], &run["code"]), (&json!("errored"), &json!(3), &json!("not_ready")), "{run}");
    assert_eq!((&run["agents"], &run["command"], &run["timeout_ms"]), (&error["agents"], &json!("apply"), &json!(300_000)), "{run}");
    // It is told once, however often it is looked at.
    let (_, again) = lines(&program, &["apply", "--auto-approve", "--json"]);
    assert_eq!(again.iter().filter(|line| line["what"] == "overdue").count(), 0, "{again:?}");
    assert_eq!(again.last().unwrap()["error"]["code"], "not_ready");
    let document = program.json(&["restart", "ada", "--json"]);
    assert_eq!(document["error"]["code"], "not_ready", "{document}");
}

#[test]
fn one_that_counts_as_ready_after_its_time_is_told_from_one_that_is() {
    let program = Program::new(&LATE.replace("timeout = \"1s\"", "timeout = \"1s\", on_timeout = \"proceed\""));
    let (code, told) = lines(&program, &["apply", "--auto-approve", "--json"]);
    assert_eq!(code, 0);
    let of_ada: Vec<&str> = told.iter().filter(|line| line["agent"] == "ada").map(|line| line["what"].as_str().unwrap()).collect();
    assert!(of_ada.ends_with(&["overdue", "ready"]), "{of_ada:?}");
    let status = program.json(&["status", "--json"]);
    let late = status["agents"][0]["ready_assumed"].as_str().unwrap();
    assert!(late.starts_with("after 1s: "), "{late}");
    assert_eq!((&status["agents"][0]["state"], &status["agents"][1]["ready_assumed"]), (&json!("ready"), &Value::Null), "{status}");
    let shown = program.shot(&["status"]);
    assert!(shown.contains("counts as ready after 1s"), "{shown}");
}

#[test]
fn each_run_leaves_a_file_also_where_nothing_was_done() {
    let program = Program::new("version = 1\nfleet = \"it\"\n[agents.a]\nruntime = \"daemon\"\ncommand = [\"sleep\", \"1000\"]\n");
    let last = |code: i64, expected: &str| {
        let run = runs(&program).pop().unwrap();
        let phase = if code == 0 { "done" } else { "errored" };
        assert_eq!((&run["exit_code"], &run["phase"]), (&json!(code), &json!(phase)), "{run}");
        assert_eq!(run["code"].as_str().unwrap_or("none"), expected, "{run}");
        runs(&program).len()
    };
    assert_eq!(program.code(&["apply"]), 4);
    last(4, "approval_needed");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    last(0, "none");
    assert_eq!(program.code(&["apply"]), 0);
    last(0, "none");
    let valid = std::fs::read_to_string(program.at("constellation.toml")).unwrap();
    program.write("constellation.toml", "version = 1\nfleet = 3\n");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 1);
    last(1, "manifest_invalid");
    std::fs::write(program.at("constellation.toml"), valid).unwrap();
    assert_eq!(program.code(&["kill", "--all", "--max-stop", "0", "--auto-approve"]), 0);
    assert_eq!(last(0, "none"), 5);
}
