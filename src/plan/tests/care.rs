//! Care is applied in place, and the options of the server too.

use super::*;
use crate::desired::{Server, Size};

const LEAD: &str = "[agents.lead]\ncommand = [\"run\"]\n";

#[test]
fn care_touches_no_process() {
    for (field, was, told) in [
        ("", r#"title="was""#, r#"title "was" → (none)"#),
        ("labels = { tier = \"prod\" }", "labels={ tier = \"test\" }", r#"labels.tier "test" → "prod""#),
        ("protect = true", "protect=false", "protect false → true"),
        ("on_remove = \"leave\"", "on_remove=\"drain\"", r#"on_remove "drain" → "leave""#),
        ("hold = []", "hold=[\"busy\"]", r#"hold ["busy"] → (none)"#),
        ("ready = { delay = \"2s\" }", "ready={ delay = \"1s\" }", r#"ready.delay "1s" → "2s""#),
        ("restart = { policy = \"always\" }", "restart={ policy = \"never\" }", r#"restart.policy "never" → "always""#),
        (
            "drain = [{ signal = \"TERM\", wait = \"10s\" }]",
            "drain=[{ signal = \"TERM\", wait = \"5s\" }]",
            r#"drain[0].wait "5s" → "10s""#,
        ),
    ] {
        // Whoever is attached: nobody notices.
        check(&format!("{LEAD}{field}\n"), &format!("lead running attached=1 {was}"), &format!("lead  amend  {told}  amend"));
    }
}

#[test]
fn several_fields_are_counted() {
    check(LEAD, r#"lead running title="was" description="was""#, r#"lead  amend  description "was" → (none) and 1 more  amend"#);
}

#[test]
fn a_new_launch_brings_its_care_along() {
    check_rounds("", LEAD, r#"lead running title="was" command=["old"]"#, "lead drain 1 by 1: keys C-c\n lead spawn 2");
}

#[test]
fn care_is_applied_before_readiness_is_waited_for() {
    check(LEAD, r#"lead running starting title="was""#, r#"lead  amend  title "was" → (none)  amend"#);
}

#[test]
fn whom_it_waits_for_is_care() {
    let manifest = "[agents.ada]\ncommand = [\"run\"]\n[agents.bob]\ncommand = [\"run\"]\nafter = [\"ada\"]\n";
    check(manifest, "bob running after=[]", r#"bob  amend  after (none) → {"ada":"ready"}  amend"#);
}

const SERVER: &str = "[tmux]\nsize = \"100x40\"\noptions = { history-limit = \"5000\" }\n";

/// What becomes of a server that was last set up in another way.
#[track_caller]
fn server(agents: &str, look: &str, was: impl FnOnce(&mut Server), expected: &str) {
    let manifest = format!("{SERVER}{agents}");
    let desired = desired(&manifest);
    let mut observed = look::read(&manifest, &desired, look);
    let mut server = desired.server.clone();
    was(&mut server);
    observed.server = Some(server);
    let partial = Terms { is_partial: true, ..Terms::default() };
    assert_eq!(plan(&desired, &observed, &partial).server, None, "who sees a part only says nothing of the server");
    let terms = read_terms("allow_empty");
    let plan = plan(&desired, &observed, &terms);
    assert_eq!(show(&plan), tidy(expected));
    assert_eq!(plan.is_empty(), expected.is_empty());
    laws::hold(&desired, &observed, &terms, &plan);
    let next = super::plan(&desired, &after(&desired, observed, &plan), &terms);
    assert_eq!(next.server, None, "its options are set twice");
}

#[test]
fn options_of_the_server_are_set_anew() {
    server(LEAD, "", |_| {}, "");
    let shorter = |server: &mut Server| drop(server.options.insert("history-limit".to_owned(), "2000".to_owned()));
    server(LEAD, "", shorter, "server  options.history-limit \"2000\" → \"5000\"");
    server(LEAD, "", |server| server.size = Size::default(), "server  size \"200x50\" → \"100x40\"");
}

#[test]
fn another_server_has_nothing_to_be_set_anew() {
    let other = |server: &mut Server| {
        server.socket = crate::desired::Socket("other".to_owned());
        server.options.clear();
    };
    server(LEAD, "", other, "");
}

#[test]
fn a_server_that_nobody_needs_is_closed() {
    let daemon = "[agents.box]\ncommand = [\"run\"]\nruntime = \"daemon\"\n";
    server(daemon, "", |_| {}, "server  no agent needs it");
    server("", "", |_| {}, "server  no agent needs it");
    // Not as long as something of ours is in it, or may be.
    let stop = "lead  stop  not in the manifest  drain 1 by 1: keys C-c";
    server("", "lead running", |_| {}, stop);
    server("", "lead running released on_remove=\"leave\"", |_| {}, "");
    let unknown = "lead  stop  cannot be told how it is  unknown: timed out";
    server("", "lead unknown=\"timed out\" gen=1", |_| {}, unknown);
    // Who is to be started in it needs it too.
    server(LEAD, "lead absent wanted=stopped", |_| {}, "");
}

#[test]
fn a_server_that_ran_before_the_fleet_came_is_not_ended() {
    let foreign = |manifest: &str| {
        let desired = desired(manifest);
        let mut observed = look::read(manifest, &desired, "");
        observed.server = Some(Server { options: BTreeMap::new(), ..desired.server.clone() });
        observed.foreign_server = true;
        show(&plan(&desired, &observed, &Terms::default()))
    };
    let tmux = "[tmux]\nsocket = \"default\"\noptions = { status = \"off\" }\n";
    assert_eq!(foreign(tmux), "");
    // What is declared is set for the sessions of the fleet.
    assert_eq!(foreign(&format!("{tmux}{LEAD}")), "server  options.status (none) → \"off\"\n");
}

#[test]
fn a_log_whose_pipe_was_closed_is_opened_again() {
    let logged = "[agents.lead]\ncommand = [\"run\"]\nlog = {}\n";
    check(logged, "lead running log=ours", "");
    check(logged, "lead running log=taken", "");
    check(logged, "lead running log=closed", "lead  amend  something closed the pipe to its log  amend");
    check_rounds("", logged, "lead running log=closed", "lead amend");
    check("[agents.lead]\ncommand = [\"run\"]\n", "lead running log=closed", "");
}
