//! Dialogs, prompts and texts on real terminals, with a stand-in for an agent program.

use serde_json::{Value, json};

use super::Running;
use crate::support::{LIMIT, Program, eventually, standin};

mod reads;
mod waits;

/// A fleet of one agent: the stand-in with these options, and these fields.
fn fleet(options: &str, fields: &str) -> Program {
    let program = Program::new("\nfleet = \"terminal\"\n");
    rewrite(&program, options, fields);
    program
}

fn rewrite(program: &Program, options: &str, fields: &str) {
    let words: Vec<String> = options.split_whitespace().map(str::to_owned).collect();
    let command: Vec<String> =
        [standin().display().to_string(), "--log".to_owned(), program.at("log").display().to_string()].into_iter().chain(words).collect();
    program.write(
        "constellation.toml",
        &format!("version = 1\nfleet = \"terminal\"\n[agents.ada]\ncommand = {command:?}\npreset = \"claude\"\n{fields}\n"),
    );
}

/// What the stand-in took, in its order.
fn taken(program: &Program) -> Vec<Value> {
    let log = std::fs::read_to_string(program.at("log")).unwrap_or_default();
    let whole = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    whole.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn texts(program: &Program) -> Vec<String> {
    taken(program).iter().filter_map(|line| Some(line["text"].as_str()?.to_owned())).collect()
}

fn ada(program: &Program) -> Value {
    program.json(&["status", "--json"])["agents"][0].clone()
}

#[test]
fn accepted_dialogs_are_answered_by_label_and_the_prompt_follows_once() {
    for dialogs in ["--dialog trust --dialog bypass", "--dialog trust-numbered --dialog bypass-numbered"] {
        let program = fleet(dialogs, "accept = [\"trust\", \"bypass\"]\nprompt = \"read PLAN.md\\nand begin\"");
        assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
        let expected = [
            json!({ "dialog": "trust", "chose": "Yes, I trust this folder" }),
            json!({ "dialog": "bypass", "chose": "Yes, I accept" }),
            json!({ "text": "read PLAN.md\nand begin", "pasted": true }),
        ];
        assert_eq!(taken(&program), expected);
        assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
        assert_eq!(taken(&program).len(), 3);
    }
}

#[test]
fn in_a_small_pane_too() {
    let program = fleet("--dialog trust --dialog bypass", "accept = [\"trust\", \"bypass\"]\nprompt_file = \"prompt.md\"");
    program.edit("[agents.ada]", "[tmux]\nsize = \"62x14\"\n[agents.ada]");
    let prompt = "a line of the prompt, ünïcode and all\n".repeat(500);
    program.write("prompt.md", &prompt);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(texts(&program), [prompt.trim_end()]);
    assert_eq!(taken(&program).len(), 3);
}

#[test]
fn what_is_not_accepted_blocks_and_nothing_is_typed() {
    for (dialog, reason) in [("trust", "dialog"), ("unknown", "dialog"), ("login", "login")] {
        let program = fleet(&format!("--dialog {dialog}"), "accept = [\"bypass\"]\nprompt = \"go\"");
        let report = program.brief(&["apply", "--auto-approve"]);
        assert!(report.starts_with("exit 3"), "{report}");
        let blocked = ada(&program)["blocked"].clone();
        assert_eq!(blocked["reason"], reason, "{blocked}");
        let hint = if dialog == "trust" { "accept = [\"trust\"]" } else { "reconcile attach ada --rw" };
        assert!(blocked["message"].as_str().unwrap().contains(hint), "{blocked}");
        assert_eq!(program.code(&["send", "ada", "hello"]), 4);
        assert_eq!(taken(&program), [] as [Value; 0]);
    }
}

#[test]
fn a_rule_of_the_manifest_answers_what_the_preset_does_not_know() {
    let rule = "dialogs = [{ name = \"ink\", match = \"Which ink should\", choose = \"^Sepia\" }]";
    let program = fleet("--dialog unknown", rule);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(taken(&program)[0]["chose"], "Sepia ink");
}

#[test]
fn a_text_arrives_whole_in_spite_of_slow_readers_and_swallowed_enters() {
    for options in ["--slow 700", "--swallow-enter 2", "--coalesce --slow 300"] {
        let program = fleet(options, "");
        assert_eq!(program.code(&["apply", "--auto-approve"]), 0, "{options}");
        let text = "one\ntwo\n".repeat(300);
        let receipt = program.json(&["send", "ada", &text, "--json"]);
        assert_eq!(receipt["receipt"], "confirmed", "{options}: {receipt}");
        assert_eq!(texts(&program), [text.trim_end()], "{options}");
    }
}

#[test]
fn what_cannot_be_submitted_is_stranded_and_never_typed_again() {
    let program = fleet("--swallow-enter 99", "");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let receipt = program.json(&["send", "ada", "hello", "--json"]);
    assert_eq!(receipt["receipt"], "stranded", "{receipt}");
    // It stands there like a draft now, and keeps from typing more.
    let receipt = program.json(&["send", "ada", "more", "--json"]);
    assert_eq!((&receipt["receipt"], program.code(&["send", "ada", "more"])), (&json!("refused"), 4), "{receipt}");
    assert_eq!(texts(&program), [] as [&str; 0]);
}

#[test]
fn a_draft_is_never_typed_over() {
    let program = fleet("--draft half", "prompt = \"go\"");
    let report = program.brief(&["apply", "--auto-approve"]);
    assert!(report.starts_with("exit 3") && report.contains("unsent text is in its input box"), "{report}");
    assert_eq!(program.code(&["send", "ada", "hello"]), 4);
    // The person submits it, and the prompt follows.
    let submit = crate::support::Tmux { socket: program.socket() };
    submit.run(["send-keys", "-t", "=ada:", "Enter"]);
    eventually(|| (texts(&program).len() == 1).then_some(()), LIMIT);
    eventually(|| (ada(&program)["busy"] == false).then_some(()), LIMIT);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(texts(&program), ["half", "go"]);
}

#[test]
fn work_is_waited_for_unless_it_may_be_interrupted_and_holds_a_replacement() {
    let program = fleet("--busy forever", "prompt = \"work\"");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    eventually(|| (ada(&program)["busy"] == true).then_some(()), LIMIT);
    let receipt = program.json(&["send", "ada", "more", "--timeout", "1s", "--json"]);
    assert_eq!(receipt["receipt"], "refused", "{receipt}");
    assert_eq!(texts(&program), ["work"]);
    let receipt = program.json(&["send", "ada", "now", "--interrupt", "--json"]);
    assert_eq!(receipt["receipt"], "confirmed", "{receipt}");
    assert_eq!(texts(&program), ["work", "now"]);

    program.edit("--busy", "--no-exit\", \"--busy");
    let report = program.brief(&["apply", "--auto-approve"]);
    assert!(report.starts_with("exit 3") && report.contains("it is busy; released when it is idle, or with --now"), "{report}");
    assert_eq!(ada(&program)["generation"], 1);
    assert_eq!(program.code(&["wait", "ada", "--for", "idle", "--timeout", "0s"]), 3);
    assert_eq!(program.code(&["keys", "ada", "Escape", "--interrupt"]), 0);
    assert_eq!(program.code(&["wait", "ada", "--for", "idle"]), 0);
    assert_eq!(program.code(&["apply", "--auto-approve", "--max-stop", "1"]), 0);
    assert_eq!(ada(&program)["generation"], 2);
}

#[test]
fn a_text_that_is_asked_for_by_a_file_waits_for_the_agent_and_is_told() {
    let program = fleet("--busy 1500", "prompt = \"work\"");
    let _watcher = Running::start(program.command(&["watch"]));
    eventually(|| (texts(&program) == ["work"]).then_some(()), LIMIT);
    let ask = |name: &str, text: &str| program.write(&format!("state/{}/requests/{name}", program.fleet.1), text);
    ask("a.json", r#"{"version":1,"do":"send","agent":"ada","generation":1,"text":"more\nof it","message":"from bob"}"#);
    ask("b.json", r#"{"version":1,"do":"send","agent":"ada","generation":2,"text":"not this"}"#);
    let told = |what: &str, why: &str| {
        let output = program.command(&["history", "--json"]).output().unwrap();
        let events: Vec<Value> =
            String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        events.iter().filter(|event| event["what"] == what && event["why"].as_str().unwrap().contains(why)).count()
    };
    eventually(|| (told("receipt", "text confirmed") == 1).then_some(()), LIMIT);
    assert_eq!(texts(&program), ["work", "more\nof it"]);
    assert_eq!((told("requested", "send: from bob"), told("ignored", "it is about generation 2 of ada")), (1, 1));
}

#[test]
fn a_limit_parks_the_agent_and_a_permission_needs_a_person() {
    let program = fleet("--busy 100", "prompt = \"go\"");
    program.edit("\"--busy\"", "\"--limit\", \"You've hit your session limit · resets 7pm (America/Los_Angeles)\", \"--busy\"");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    eventually(|| ada(&program)["usage_limit"].is_string().then_some(()), LIMIT);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let receipt = program.json(&["send", "ada", "more", "--json"]);
    assert!(receipt["reason"].as_str().unwrap().contains("its usage limit is reached until"), "{receipt}");

    let program = fleet("--permission", "prompt = \"go\"");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 3);
    assert_eq!(ada(&program)["blocked"]["reason"], "permission");
    assert_eq!(program.code(&["send", "ada", "yes"]), 4);
    assert_eq!(texts(&program), ["go"]);
}

#[test]
fn an_end_at_a_limit_or_a_login_is_no_failure() {
    let program = fleet("--dialog login --exit-after 1500 --status 1", "");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 3);
    eventually(|| (ada(&program)["state"] == "exited").then_some(()), LIMIT);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 3);
    let status = ada(&program);
    assert_eq!((&status["blocked"]["reason"], &status["restarts"]), (&json!("login"), &json!(0)), "{status}");
}

#[test]
fn a_shell_is_never_typed_at() {
    let program =
        Program::new("version = 1\nfleet = \"shell\"\n[agents.ada]\ncommand = [\"bash\", \"--norc\"]\nready = { delay = \"10ms\" }\n");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let report = program.shot(&["send", "ada", "touch ran"]);
    assert!(report.contains("refused: `bash` waits for commands in its terminal"), "{report}");
    assert!(!program.at("ran").exists());
}

#[test]
fn a_plain_program_takes_texts_too() {
    let program = Program::new(
        "version = 1\nfleet = \"plain\"\n[agents.ada]\ncommand = [\"sh\", \"-c\", \"while read -r line; do echo \\\"$line\\\" >> got; echo ok; done\"]\nready = { delay = \"10ms\" }\n",
    );
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let receipt = program.json(&["send", "ada", "hello you", "--json"]);
    assert_eq!(receipt["receipt"], "confirmed", "{receipt}");
    eventually(|| (std::fs::read_to_string(program.at("got")).ok()? == "hello you\n").then_some(()), LIMIT);
    // A line that the terminal would cut is not begun.
    let long = "x".repeat(5000);
    let receipt = program.json(&["send", "ada", &long, "--json"]);
    assert_eq!(receipt["receipt"], "refused", "{receipt}");
    assert_eq!(std::fs::read_to_string(program.at("got")).unwrap(), "hello you\n");
}

#[test]
fn of_many_texts_at_once_each_is_typed_once_and_confirmed_to_its_sender() {
    let program = Program::new(
        "version = 1\nfleet = \"plain\"\n[agents.ada]\ncommand = [\"sh\", \"-c\", \"while read -r line; do echo \\\"$line\\\" >> got; done\"]\nready = { delay = \"10ms\" }\n",
    );
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let words: Vec<String> = (0..6).map(|number| format!("word {number}")).collect();
    let mut senders: Vec<Running> =
        words.iter().map(|word| Running::start(program.command(&["send", "ada", word, "--timeout", "15s"]))).collect();
    let codes: Vec<Option<i32>> = senders.iter_mut().map(Running::code).collect();
    let got = std::fs::read_to_string(program.at("got")).unwrap();
    let mut lines: Vec<&str> = got.lines().collect();
    lines.sort_unstable();
    assert_eq!((lines, codes), (words.iter().map(String::as_str).collect(), vec![Some(0); 6]));
}

#[test]
fn a_request_to_end_is_typed_and_the_way_out_of_the_preset_is_taken() {
    let program = fleet("", "");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let report = program.brief(&["stop", "ada"]);
    assert!(report.contains("exited with status 0, graceful after step 1"), "{report}");
    assert_eq!(texts(&program), ["/exit"]);

    let own = "drain = [{ ask = \"save\", wait = \"20s\", until = { file = \"saved\" } }, { message = \"go\", wait = \"0s\" }, { signal = \"TERM\" }]";
    let program = fleet("--busy 100", own);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let mut stop =
        program.command(&["stop", "ada"]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    eventually(|| (texts(&program) == ["save"]).then_some(()), LIMIT);
    program.write("saved", "");
    assert_eq!(stop.wait().unwrap().code(), Some(0));
    let history = program.shot(&["history"]);
    assert!(history.contains("graceful after step 3") && history.contains("request to end confirmed"), "{history}");
    // Nobody took the message, so the next life does not find it.
    let inbox = program.at("state").join(&program.fleet.1).join("inbox/ada");
    assert_eq!(std::fs::read_dir(inbox).unwrap().count(), 0);
}

#[test]
fn a_program_of_gemini_ends_by_itself_when_its_tree_is_asked() {
    // As Gemini CLI does, the first process goes on after TERM and ends when its child has.
    let program = Program::new(
        "version = 1\nfleet = \"gemini\"\n[agents.ada]\npreset = \"gemini\"\nready = { file = \"up\" }\n\
         command = \"trap : TERM; sleep 1041 & child=$!; touch up; while kill -0 $child 2>/dev/null; do wait $child; done; exit 0\"\n",
    );
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    // It takes no text, so `/quit` is not typed.
    let report = program.brief(&["stop", "ada", "--now"]);
    assert!(report.contains("exited with status 0, graceful after step 2"), "{report}");
}

#[test]
fn a_command_may_ask_for_the_end() {
    let program = Program::new(
        "version = 1\nfleet = \"command\"\n[agents.ada]\nruntime = \"daemon\"\ncommand = \"while [ ! -e bye ]; do sleep 0.05; done\"\nready = { delay = \"10ms\" }\n\
         drain = [{ command = [\"sh\", \"-c\", \"echo $RECONCILE_AGENT > bye\"], wait = \"20s\" }]\n",
    );
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let report = program.brief(&["stop", "ada"]);
    assert!(report.contains("exited with status 0, graceful after step 1"), "{report}");
    assert_eq!(std::fs::read_to_string(program.at("bye")).unwrap(), "ada\n");
}

#[test]
fn a_prompt_that_is_missing_interrupts_nobody() {
    let program = fleet("", "");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    rewrite(&program, "--busy 100", "prompt_file = \"missing.md\"");
    let report = program.brief(&["apply", "--auto-approve"]);
    assert!(report.starts_with("exit 3") && report.contains("missing.md: No such file"), "{report}");
    assert_eq!((ada(&program)["generation"].clone(), texts(&program).len()), (json!(1), 0));
    program.write("missing.md", "go");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    assert_eq!(texts(&program), ["/exit", "go"]);
}

#[test]
fn enter_is_not_pressed_at_a_shell_that_took_the_place_of_the_program() {
    let program = Program::new(
        "version = 1\nfleet = \"became\"\n[agents.ada]\ncommand = \"while [ ! -e go ]; do sleep 0.01; done; exec bash --norc\"\nready = { delay = \"10ms\" }\n",
    );
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let mut send = program.command(&["send", "ada", "touch ran", "--json"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let tmux = crate::support::Tmux { socket: program.socket() };
    eventually(|| tmux.run(["capture-pane", "-p", "-t", "=ada:"]).contains("touch ran").then_some(()), LIMIT);
    program.write("go", "");
    let mut said = String::new();
    std::io::Read::read_to_string(&mut send.stdout.take().unwrap(), &mut said).unwrap();
    assert_eq!(send.wait().unwrap().code(), Some(3), "{said}");
    assert!(said.contains("`bash` waits for commands"), "{said}");
    assert!(!program.at("ran").exists());
}

#[test]
fn what_could_not_be_submitted_is_told_and_holds_no_replacement() {
    let program = fleet("--swallow-enter 99", "prompt = \"go\"");
    let report = program.brief(&["apply", "--auto-approve"]);
    assert!(report.starts_with("exit 3") && report.contains("1 not confirmed"), "{report}");
    assert_eq!(ada(&program)["blocked"]["reason"], "stranded");
    assert_eq!(program.code(&["restart", "ada"]), 3);
    assert_eq!(ada(&program)["generation"], 2);
}

#[test]
fn a_rule_is_answered_as_often_as_it_says() {
    let rule = "dialogs = [{ name = \"ink\", match = \"Which ink should\", keys = [\"Down\", \"Enter\"], max = 2 }]";
    let program = fleet("--dialog unknown --dialog unknown --dialog unknown", rule);
    assert_eq!(program.code(&["apply", "--auto-approve"]), 3);
    assert_eq!(taken(&program).len(), 2);
    assert_eq!(ada(&program)["blocked"]["reason"], "dialog");
    // Who is asked by a person presses keys all the same.
    assert_eq!(program.code(&["keys", "ada", "Enter"]), 4);
}
