//! Agents that wait for a person, and what is said and held then.

use serde_json::json;

use super::{ada, fleet, rewrite, texts};
use crate::cli::Running;
use crate::support::{LIMIT, eventually};

#[test]
fn a_change_waits_for_the_answer_to_a_permission() {
    let program = fleet("--permission", "prompt = \"go\"");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 3);
    let status = eventually(|| Some(ada(&program)).filter(|ada| ada["activity"] == "waiting"), LIMIT);
    assert_eq!(
        (&status["state"], &status["waiting_for"], &status["blocked"]["reason"]),
        (&json!("ready"), &json!("permission"), &json!("permission")),
        "{status}"
    );
    rewrite(&program, "--permission --busy 100", "prompt = \"go\"");
    let report = program.brief(&["apply", "--auto-approve"]);
    assert!(report.starts_with("exit 3") && report.contains("it waits for a permission"), "{report}");
    let status = ada(&program);
    assert_eq!((&status["held"]["reason"], &status["generation"]), (&json!("waiting"), &json!(1)), "{status}");
    assert_eq!(status["busy"], json!(false), "{status}");
    // Whoever watches tells that a person is needed.
    let _watcher = Running::start(program.command(&["watch"]));
    let told = || program.shot(&["history"]).lines().any(|line| line.contains("blocked") && line.contains("it waits for a permission"));
    eventually(|| told().then_some(()), LIMIT);
}

#[test]
fn what_no_one_will_answer_is_not_waited_for() {
    for (options, waits) in [("--dialog trust", "an answer"), ("--dialog unknown", "an answer"), ("--dialog login", "a login")] {
        let program = fleet(options, "");
        assert_eq!(program.code(&["apply", "--auto-approve"]), 3);
        for state in ["ready", "idle"] {
            let report = program.brief(&["wait", "ada", "--for", state, "--timeout", "10m"]);
            assert!(report.starts_with("exit 3") && report.contains(&format!("not {state}: ada waits for {waits}")), "{report}");
        }
    }
    let program = fleet("--permission", "prompt = \"go\"");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 3);
    for state in ["ready", "idle"] {
        assert_eq!(program.code(&["wait", "ada", "--for", state, "--timeout", "10m"]), 3);
    }
    // An accepted dialog is answered by the next run: that is waited for as long as it may take.
    let program = fleet("--dialog trust", "");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 3);
    rewrite(&program, "--dialog trust", "accept = [\"trust\"]");
    let report = program.brief(&["wait", "ada", "--for", "ready", "--timeout", "300ms"]);
    assert!(report.starts_with("exit 3") && report.contains("not ready after 300ms: ada"), "{report}");
}

#[test]
fn a_text_is_no_command_unless_that_is_said() {
    let program = fleet("--busy 50", "prompt = \"!touch ran\"");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    eventually(|| (texts(&program) == [" !touch ran"]).then_some(()), LIMIT);
    let sent = program.shot(&["send", "ada", "/compact now"]);
    assert!(sent.contains("`/` begins a command in that program, so it is sent as text; --raw sends the command"), "{sent}");
    assert_eq!(program.code(&["send", "ada", "--raw", "/compact now"]), 0);
    // By a request, too.
    for raw in ["", ",\"raw\":true"] {
        let request = format!(r#"{{"version":1,"do":"send","agent":"ada","text":"/status"{raw}}}"#);
        std::fs::write(program.at("state").join(&program.fleet.1).join("requests/1.json"), request).unwrap();
        // While it works, a text waits.
        eventually(|| (program.code(&["apply", "--auto-approve"]) == 0).then_some(()), LIMIT);
    }
    assert_eq!(texts(&program), [" !touch ran", "> /compact now", "/compact now", "> /status", "/status"]);
}
