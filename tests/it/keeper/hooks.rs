//! Commands before the start and after the end of a program.

use reconcile::desired::{Hook, OnFail};
use reconcile::keeper::{Asked, Duties, Exit, Secret, StartErrorKind};
use reconcile::process::{self, Signal};
use reconcile::time::Duration;

use super::{Stand, code};
use crate::support::{LIMIT, eventually};

fn hook(line: &str) -> Option<Hook> {
    Some(Hook { command: ["sh", "-c", line].map(str::to_owned).into(), timeout: Hook::USUAL_TIMEOUT, on_fail: OnFail::Ignore })
}

fn told(line: &str) -> String {
    format!("echo $RECONCILE_HOOK {line} code=$RECONCILE_EXIT_CODE signal=$RECONCILE_EXIT_SIGNAL")
}

/// Says what happens, in the log.
fn telling(line: &str) -> Stand {
    let mut stand = Stand::sh(line);
    stand.spec.duties.hooks.on_crash = hook(&told(""));
    stand.spec.duties.hooks.after_stop = hook(&told(""));
    stand.spec.duties.success = [0, 7].into();
    stand
}

#[test]
fn hooks_run_in_the_folder_and_environment_of_the_program_without_its_secrets() {
    let mut stand = Stand::sh("cat made; exit 3");
    stand.spec.secrets.insert("TOKEN".to_owned(), Secret::File(stand.at("token")));
    stand.spec.env_files.push(stand.at("env"));
    std::fs::write(stand.at("env"), "FILED=yes\n").unwrap();
    stand.spec.inherited.insert("GONE".to_owned(), "x".to_owned());
    stand.spec.unset.push("GONE".to_owned());
    let line = "echo $RECONCILE_HOOK $(pwd) $FILED [$TOKEN$GONE]; cat; echo err >&2";
    // What the program needs is made by the hook before it: here, its secret.
    stand.spec.duties.hooks.before_spawn = hook(&format!("{line}; echo from-hook > made; echo hunter2 > token; chmod 600 token"));
    stand.spec.duties.hooks.on_crash = hook(line);
    stand.spec.duties.hooks.after_stop = hook(line);
    assert_eq!(stand.start().code(), 3);
    let here = stand.spec.cwd.display();
    let said = |name: &str| format!("{name} {here} yes []\nerr\n");
    assert_eq!(stand.log(), [&said("before_spawn"), "from-hook\n", &said("on_crash"), &said("after_stop")].concat());
    assert_eq!(stand.ended().complaints, Vec::<String>::new());
}

#[test]
fn a_start_fails_with_the_words_of_the_hook_before_it_if_that_is_asked_for() {
    let mut stand = Stand::sh("echo it runs");
    let failing = Hook { on_fail: OnFail::Fail, ..hook("echo no disk; setsid sleep 1000 & echo left '\\033[1m' >&2; exit 4").unwrap() };
    stand.spec.duties.hooks.before_spawn = Some(failing.clone());
    stand.spec.duties.hooks.after_stop = hook("echo never");
    assert_eq!(stand.start().code(), 126);
    let Exit::Failed(error) = stand.ended().how else { panic!() };
    assert_eq!(error.kind, StartErrorKind::Hook);
    assert_eq!(error.message, "the hook before_spawn, sh, failed: exit status: 4: left [1m");
    assert!(!stand.log().contains("it runs") && !stand.log().contains("never"));
    assert_eq!(stand.marked(), []);

    let mut stand = Stand::sh("echo it runs");
    stand.spec.duties.hooks.before_spawn = Some(Hook { on_fail: OnFail::Ignore, ..failing });
    assert_eq!(stand.start().code(), 0);
    assert!(
        stand.log().ends_with("[reconcile: the hook before_spawn, sh, failed: exit status: 4: left [1m]\nit runs\n"),
        "{}",
        stand.log()
    );
    assert_eq!(stand.marked(), []);
}

#[test]
fn a_hook_that_takes_too_long_goes_with_its_whole_tree() {
    let mut stand = telling("exit 0");
    let escaping = "(setsid sh -c 'setsid sleep 1000 & sleep 1000' &) ; echo begun; sleep 1000; echo never";
    stand.spec.duties.hooks.after_stop = Some(Hook { timeout: Duration::from_millis(300), ..hook(escaping).unwrap() });
    assert_eq!(stand.start().code(), 0);
    assert_eq!(stand.log(), "begun\n[reconcile: the hook after_stop, sh, took longer than 300ms]\n");
    assert_eq!(stand.ended().complaints, ["the hook after_stop, sh, took longer than 300ms"]);
    assert_eq!(stand.marked(), []);

    // One that cannot be started is told too, and does not keep the other from running.
    let mut stand = telling("exit 1");
    stand.spec.duties.hooks.on_crash = Some(Hook { command: vec!["no-such-tool".to_owned()], ..hook("").unwrap() });
    assert_eq!(stand.start().code(), 1);
    assert!(stand.log().ends_with("after_stop code=1 signal=\n"), "{}", stand.log());
    assert!(stand.ended().complaints[0].contains("no-such-tool: it is not in the PATH"), "{:?}", stand.ended().complaints);
}

#[test]
fn a_crash_is_an_end_that_nobody_asked_for_and_no_success() {
    let check = |line: &str, exit: i32, expected: &str| {
        let stand = telling(line);
        assert_eq!(stand.start().code(), exit);
        assert_eq!(stand.log(), expected);
    };
    check("exit 0", 0, "after_stop code=0 signal=\n");
    check("exit 7", 7, "after_stop code=7 signal=\n");
    check("exit 5", 5, "on_crash code=5 signal=\nafter_stop code=5 signal=\n");
    check("kill -TERM $$", 143, "on_crash code= signal=15\nafter_stop code= signal=15\n");

    // The keeper was told to end it.
    let stand = telling("echo up; sleep 1000");
    let mut keeper = stand.start();
    stand.logged("up");
    process::signal(&keeper.id(), Signal::TERM).unwrap();
    assert_eq!(keeper.code(), 137);
    assert_eq!(stand.ended().asked, Some(Asked::Term));
    assert_eq!(stand.log(), "up\nafter_stop code= signal=9\n");

    // A drain was recorded, of just this life.
    for (mark, leaving, expected) in [
        (None, "{}", "after_stop code= signal=15\n"),
        (None, "null", "on_crash code= signal=15\nafter_stop code= signal=15\n"),
        (Some("v1/other"), "{}", "on_crash code= signal=15\nafter_stop code= signal=15\n"),
    ] {
        let mut stand = telling("sleep 1000");
        stand.spec.duties.record = Some(stand.at("record"));
        let label = stand.label().to_string();
        std::fs::write(stand.at("record"), format!(r#"{{"mark":"{}","leaving":{leaving}}}"#, mark.unwrap_or(&label))).unwrap();
        let mut keeper = stand.start();
        process::signal(&stand.program(), Signal::TERM).unwrap();
        assert_eq!(keeper.code(), 143);
        assert_eq!(stand.log(), expected);
    }
}

#[test]
fn hooks_are_changed_while_the_program_runs() {
    let stand = telling("echo up; sleep 1000");
    let mut keeper = stand.start();
    stand.logged("up");
    let other = crate::support::mark("agent");
    let mut duties = Duties { success: [0].into(), ..Duties::default() };
    duties.hooks.after_stop = hook("echo of another life");
    duties.write(&stand.at("duties"), &other).unwrap();
    duties.hooks.after_stop = hook("echo changed");
    duties.write(&stand.at("duties"), stand.label()).unwrap();
    process::signal(&stand.program(), Signal::KILL).unwrap();
    assert_eq!(keeper.code(), 137);
    assert_eq!(stand.log(), "up\nchanged\n");

    // What another life was told says nothing about this one.
    let mut stand = telling("exit 0");
    duties.write(&stand.at("duties"), &other).unwrap();
    stand.spec.duties.hooks.on_crash = None;
    assert_eq!(stand.start().code(), 0);
    assert_eq!(stand.log(), "after_stop code=0 signal=\n");
}

#[test]
fn an_end_that_is_asked_for_ends_the_hook_before_the_start_and_waits_for_the_one_after_the_end() {
    let mut stand = Stand::sh("echo it runs");
    stand.spec.duties.hooks.before_spawn = hook("echo begun; sleep 1000");
    let mut keeper = stand.start();
    stand.logged("begun");
    process::signal(&keeper.id(), Signal::TERM).unwrap();
    assert_eq!(keeper.code(), 126);
    assert!(matches!(stand.ended().how, Exit::Failed(error) if error.kind == StartErrorKind::Asked));
    assert_eq!((stand.log().as_str(), stand.marked()), ("begun\n", vec![]));

    let mut stand = Stand::sh("exit 0");
    stand.spec.duties.hooks.after_stop = hook("echo begun; until [ -e go ]; do sleep 0.01; done; echo done");
    let mut keeper = stand.start();
    stand.logged("begun");
    process::signal(&keeper.id(), Signal::TERM).unwrap();
    std::fs::write(stand.at("go"), "").unwrap();
    assert_eq!(keeper.code(), 0);
    assert_eq!((stand.log().as_str(), stand.ended().how), ("begun\ndone\n", code(0)));
}

#[test]
fn specs_and_statuses_of_earlier_versions_are_understood() {
    let stand = Stand::sh("exit 2");
    let mut spec = serde_json::to_value(&stand.spec).unwrap();
    spec.as_object_mut().unwrap().remove("duties_file").unwrap();
    assert!(spec.get("duties").is_none());
    assert_eq!(serde_json::from_value::<reconcile::keeper::Spec>(spec).unwrap().duties, Duties::default());
    assert_eq!(stand.start().code(), 2);
    eventually(|| stand.status()?.ended, LIMIT);
    let text = std::fs::read_to_string(stand.at("status")).unwrap();
    assert!(!text.contains("\"left\"") && !text.contains("complaints"), "{text}");
}
