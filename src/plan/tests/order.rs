//! Dependencies first in, last out.

use super::*;

/// `bob` waits for `ada` to reach a milestone.
fn after_ada(milestone: &str) -> String {
    format!("[agents.ada]\ncommand = [\"run\"]\n[agents.bob]\ncommand = [\"run\"]\nafter = {{ ada = \"{milestone}\" }}\n")
}

/// What becomes of `bob`, who is to start, for a state of `ada`.
#[track_caller]
fn bob(milestone: &str, ada: &str, expected: &str) {
    bob_under("", milestone, ada, expected);
}

#[track_caller]
fn bob_under(terms: &str, milestone: &str, ada: &str, expected: &str) {
    let manifest = after_ada(milestone);
    let desired = desired(&manifest);
    let observed = look::read(&manifest, &desired, &format!("ada {ada}\n bob absent"));
    let plan = plan(&desired, &observed, &read_terms(terms));
    assert_eq!(show_next(&plan.changes["bob"].next), expected, "after {milestone} of ada, who is {ada}");
    laws::hold(&desired, &observed, &read_terms(terms), &plan);
}

#[test]
fn started_is_reached_by_what_runs() {
    bob("started", "running starting", "spawn 1");
    bob("started", "running", "spawn 1");
    bob("started", r#"running failing="no prompt""#, "spawn 1");
    bob("started", "absent", "waits for ada to be started");
    bob("started", "exited code=0", "spawn 1");
    bob("started", "exited code=1", "waits for ada to be started");
    bob("started", "exited code=1 ago=1h", "waits for ada to be started");
    bob("started", "leaving drain=1", "waits for ada to be started");
}

#[test]
fn ready_is_reached_by_what_is_ready_or_done() {
    bob("ready", "running", "spawn 1");
    bob("ready", "running starting", "waits for ada to be ready");
    bob(
        "ready",
        r#"running failing="no prompt""#,
        "dependency_ended: waits for ada to be ready, but ada is blocked: not ready: no prompt; it was left running; fix what it waits for, or replace it: `reconcile restart ada`",
    );
    bob("ready", "exited code=0 unready", "spawn 1");
    bob("ready", "exited code=1", "waits for ada to be ready");
    bob("ready", "absent", "waits for ada to be ready");
    bob("ready", "leaving kill", "waits for ada to be ready");
}

#[test]
fn exited_is_reached_by_any_end() {
    bob("exited", "running", "waits for ada to have exited");
    bob("exited", "exited code=0", "spawn 1");
    bob("exited", "exited code=1", "spawn 1");
    bob("exited", "exited code=1 ago=1h", "spawn 1");
    bob("exited", "exited lost asked=stop wanted=stopped", "spawn 1");
    bob("exited", "absent", "waits for ada to have exited");
    bob("exited", "leaving drain=1 wanted=stopped", "waits for ada to have exited");
    bob("exited", "running wanted=stopped", "waits for ada to have exited");
}

#[test]
fn succeeded_is_reached_by_success_alone() {
    bob("succeeded", "running", "waits for ada to have succeeded");
    bob("succeeded", "exited code=0", "spawn 1");
    bob("succeeded", "exited code=1", "waits for ada to have succeeded");
    // An end that was asked for is no verdict, whatever the status.
    bob("succeeded", "exited code=0 asked=stop wanted=stopped", "dependency_ended: waits for ada to have succeeded, but ada is stopped");
    bob("succeeded", "exited code=0 asked=replace", "waits for ada to have succeeded");
}

#[test]
fn what_will_not_come_blocks_and_says_why() {
    let gave_up =
        "it exited with status 1 and failed 5 times within 15m; see its output, then change it or try again: `reconcile start ada`";
    bob(
        "ready",
        "exited code=1 up=1s recent=[4m,3m,2m,1m]",
        &format!("dependency_ended: waits for ada to be ready, but ada is blocked: {gave_up}"),
    );
    bob("exited", "exited code=1 up=1s recent=[4m,3m,2m,1m]", "spawn 1");
    bob("ready", "absent cwd_missing", r#"dependency_ended: waits for ada to be ready, but ada is blocked: cwd "/gone" does not exist"#);
    bob(
        "exited",
        "absent cwd_missing",
        r#"dependency_ended: waits for ada to have exited, but ada is blocked: cwd "/gone" does not exist"#,
    );
    bob("ready", r#"unknown="timed out""#, "dependency_ended: waits for ada to be ready, but ada is blocked: timed out");
    for state in ["absent wanted=stopped", "exited code=1 wanted=stopped"] {
        bob("ready", state, "dependency_ended: waits for ada to be ready, but ada is stopped");
    }
    bob("started", "running wanted=stopped", "dependency_ended: waits for ada to be started, but ada is being stopped");
    bob("succeeded", "leaving drain=1 wanted=stopped", "dependency_ended: waits for ada to have succeeded, but ada is being stopped");
}

#[test]
fn a_life_that_is_on_its_way_out_counts_for_nothing() {
    bob("ready", r#"running command=["old"]"#, "waits for ada to be ready");
    bob("started", r#"running command=["old"]"#, "waits for ada to be started");
    bob("ready", "exited code=0 asked=replace", "waits for ada to be ready");
    bob("succeeded", r#"exited code=0 command=["old"]"#, "waits for ada to have succeeded");
}

#[test]
fn a_life_that_stays_counts_though_something_is_due() {
    // Held or blocked, it runs on: what runs now is what there is.
    bob("ready", r#"running command=["old"] attached=1"#, "spawn 1");
    bob("ready", r#"running command=["old"] cwd_missing"#, "spawn 1");
    bob("ready", r#"running title="was""#, "spawn 1");
    bob("ready", "running record=lost", "spawn 1");
    bob("ready", r#"exited code=0 title="was""#, "spawn 1");
    bob("ready", r#"running starting command=["old"] attached=1"#, "waits for ada to be ready");
}

#[test]
fn who_is_left_out_of_a_run_is_waited_for_only_while_it_gets_ready_by_itself() {
    bob_under("scope=bob", "ready", "running", "spawn 1");
    bob_under("scope=bob", "ready", "running starting", "waits for ada to be ready");
    bob_under("scope=bob", "ready", "absent", "dependency_ended: waits for ada to be ready, but ada is left out of this run");
    bob_under("scope=bob", "ready", "leaving drain=1", "dependency_ended: waits for ada to be ready, but ada is left out of this run");
    bob_under("scope=bob", "started", r#"running command=["old"]"#, "spawn 1");
}

#[test]
fn all_who_are_waited_for_count_and_the_hopeless_one_is_named() {
    let manifest = "[agents.ada]\ncommand = [\"run\"]\n[agents.bob]\ncommand = [\"run\"]\n[agents.cyd]\ncommand = [\"run\"]\nafter = [\"ada\", \"bob\"]\n";
    check(
        manifest,
        "ada running starting up=0s\n cyd absent",
        "
        ada  spawn  not ready yet        ready? look in 1s, until 1m30s
        cyd  spawn  new in the manifest  waits for ada to be ready
    ",
    );
    check(
        manifest,
        "bob running starting up=0s\n cyd absent",
        "
        bob  spawn  not ready yet        ready? look in 1s, until 1m30s
        cyd  spawn  new in the manifest  waits for bob to be ready
    ",
    );
    check(
        manifest,
        "ada running starting up=0s\n bob absent cwd_missing\n cyd absent",
        "
        ada  spawn  not ready yet        ready? look in 1s, until 1m30s
        bob  spawn  new in the manifest  cwd_missing: cwd \"/gone\" does not exist
        cyd  spawn  new in the manifest  dependency_ended: waits for bob to be ready, but bob is blocked: cwd \"/gone\" does not exist
    ",
    );
}

#[test]
fn waves_go_in_dependency_by_dependency() {
    let manifest = "[agents.zoe]\ncommand = [\"run\"]\n[agents.bob]\ncommand = [\"run\"]\nafter = [\"zoe\"]\n[agents.ada]\ncommand = [\"run\"]\nafter = [\"bob\", \"zoe\"]\n[agents.cyd]\ncommand = [\"run\"]\nafter = [\"zoe\"]\n";
    let look = "zoe absent\n bob absent\n ada absent\n cyd absent";
    check(
        manifest,
        look,
        "
        ada  spawn  new in the manifest  waits for bob to be ready
        bob  spawn  new in the manifest  waits for zoe to be ready
        cyd  spawn  new in the manifest  waits for zoe to be ready
        zoe  spawn  new in the manifest  spawn 1
    ",
    );
    check_rounds("", manifest, look, "zoe spawn 1\n bob spawn 1, cyd spawn 1\n ada spawn 1");
}

#[test]
fn what_depends_goes_out_first() {
    let look = "ada running\n bob running after=[\"ada\"]\n cyd running after=[\"bob\"]";
    check_under(
        "unbound",
        "",
        look,
        "
        ada  stop  asked for  waits for the end of bob
        bob  stop  asked for  waits for the end of cyd
        cyd  stop  asked for  drain 1 by 1: keys C-c
    ",
    );
    check_rounds(
        "unbound",
        "",
        look,
        "
        cyd drain 1 by 1: keys C-c
        bob drain 1 by 1: keys C-c, cyd forget
        ada drain 1 by 1: keys C-c, bob forget
        ada forget
    ",
    );
}

#[test]
fn every_milestone_counts_on_the_way_out() {
    for milestone in ["started", "ready", "exited", "succeeded"] {
        let look = format!("ada running\n bob running after={{ ada = \"{milestone}\" }}");
        check_under(
            "unbound",
            "",
            &look,
            "
            ada  stop  asked for  waits for the end of bob
            bob  stop  asked for  drain 1 by 1: keys C-c
        ",
        );
    }
}

#[test]
fn a_replaced_pair_goes_out_from_behind_and_in_from_the_front() {
    check_rounds(
        "max_stop=100%",
        &after_ada("ready"),
        "ada running command=[\"old\"]\n bob running command=[\"old\"]",
        "
        bob drain 1 by 1: keys C-c
        ada drain 1 by 1: keys C-c
        ada spawn 2
        bob spawn 2
    ",
    );
    // Only the one on which the other depends: the other runs on.
    check_rounds("", &after_ada("ready"), "ada running command=[\"old\"]", "ada drain 1 by 1: keys C-c\n ada spawn 2");
}

#[test]
fn those_on_their_way_out_are_waited_for_until_they_are_gone() {
    check_under(
        "unbound",
        "",
        "ada running\n bob leaving drain=1 asked=4s after=[\"ada\"]",
        "
        ada  stop  asked for  waits for the end of bob
        bob  stop  asked for  leaves by drain 1, has 6s
    ",
    );
    check_under(
        "unbound",
        "",
        "ada running\n bob exited code=0 asked=stop after=[\"ada\"]",
        "
        ada  stop    asked for  drain 1 by 1: keys C-c
        bob  forget  asked for  forget
    ",
    );
}

#[test]
fn one_that_is_held_holds_what_it_depends_on() {
    check_under(
        "unbound",
        "",
        "ada running\n bob running after=[\"ada\"]\n cyd running after=[\"bob\"] protect=true",
        "
        ada  stop  asked for  held: by bob
        bob  stop  asked for  held: by cyd
        cyd  stop  asked for  held: protected
    ",
    );
    check_under(
        "unbound",
        "",
        "ada running\n bob leaving kill asked=5s after=[\"ada\"]",
        "
        ada  stop  asked for  held: by bob
        bob  stop  asked for  kill_failed: still there 5s after the kill of its whole tree: pid 100, pid 101
    ",
    );
    // Held by one and waiting for another: held is what it is in the end.
    check_under(
        "unbound",
        "",
        "ada running\n bob running after=[\"ada\"] protect=true\n cyd running after=[\"ada\"]",
        "
        ada  stop  asked for  held: by bob
        bob  stop  asked for  held: protected
        cyd  stop  asked for  drain 1 by 1: keys C-c
    ",
    );
    // Its own hold is what is told of it.
    check_under(
        "unbound",
        "",
        "ada running attached=1\n bob running after=[\"ada\"]",
        "
        ada  stop  asked for  held: 1 attached
        bob  stop  asked for  drain 1 by 1: keys C-c
    ",
    );
}

#[test]
fn who_runs_on_keeps_nobody() {
    // What depends on it is not to end, so there is no order to keep.
    check(
        "[agents.bob]\ncommand = [\"run\"]\n",
        "ada running\n bob running after=[\"ada\"]",
        "
        ada  stop   not in the manifest          drain 1 by 1: keys C-c
        bob  amend  after {\"ada\":\"ready\"} → (none)  amend
    ",
    );
}

#[test]
fn the_way_out_is_that_of_the_care_under_which_they_live() {
    // Started without the dependency, declared with it now, and both are to be replaced.
    check(
        "[guard]\nmax_stop = 2\n[agents.ada]\ncommand = [\"run\"]\n[agents.bob]\ncommand = [\"run\"]\nafter = [\"ada\"]\n",
        "ada running command=[\"old\"]\n bob running command=[\"old\"] after=[]",
        "
        ada  replace  command[0] \"old\" → \"run\"             drain 1 by 1: keys C-c
        bob  replace  command[0] \"old\" → \"run\" and 1 more  drain 1 by 1: keys C-c
    ",
    );
    // The record is lost: what is declared is all that is known.
    check(
        "[guard]\nmax_stop = 2\n[agents.ada]\ncommand = [\"run\"]\n[agents.bob]\ncommand = [\"run\"]\nafter = [\"ada\"]\n",
        "ada running command=[\"old\"]\n bob running command=[\"old\"] record=lost",
        "
        ada  replace  command[0] \"old\" → \"run\"  waits for the end of bob
        bob  replace  its mark tells of another launch, and its record is lost  drain 1 by 1: keys C-c
    ",
    );
}

#[test]
fn nobody_is_interrupted_for_a_successor_that_could_not_start() {
    let manifest = after_ada("ready");
    check(&manifest, "ada absent cwd_missing\n bob running command=[\"old\"]", "
        ada  spawn    new in the manifest           cwd_missing: cwd \"/gone\" does not exist
        bob  replace  command[0] \"old\" → \"run\"  dependency_ended: waits for ada to be ready, but ada is blocked: cwd \"/gone\" does not exist
    ");
    // What may still come is worth no delay.
    check(
        &manifest,
        "ada absent\n bob running command=[\"old\"]",
        "
        ada  spawn    new in the manifest           spawn 1
        bob  replace  command[0] \"old\" → \"run\"  drain 1 by 1: keys C-c
    ",
    );
}

#[test]
fn an_end_that_was_begun_is_not_stopped_by_a_dependency() {
    let manifest = after_ada("ready");
    for (step, next) in [("drain=1 asked=10s", "drain 1 by 2: signal TERM"), ("drain=2 asked=10s", "kill 1")] {
        check(
            &manifest,
            &format!("ada absent cwd_missing\n bob leaving {step} purpose=replace command=[\"old\"]"),
            &format!(
                "
            ada  spawn    new in the manifest           cwd_missing: cwd \"/gone\" does not exist
            bob  replace  command[0] \"old\" → \"run\"  {next}
        "
            ),
        );
    }
}

#[test]
fn a_hopeless_replacement_holds_what_it_depends_on_and_who_relies_on_that_has_it() {
    // bob's successor could not start for want of ada, so bob stays, and with it cyd, on whom it depends; dan needs cyd and has it.
    let manifest = "[guard]\nmax_stop = 9\n[agents.ada]\ncommand = [\"run\"]\n[agents.cyd]\ncommand = [\"run\"]\n[agents.bob]\ncommand = [\"run\"]\nafter = [\"ada\", \"cyd\"]\n[agents.dan]\ncommand = [\"run\"]\nafter = [\"cyd\"]\n";
    let hopeless = "dependency_ended: waits for ada to be ready, but ada is blocked: cwd \"/gone\" does not exist";
    check(
        manifest,
        "ada absent cwd_missing\n bob running command=[\"old\"]\n cyd running command=[\"old\"]\n dan absent",
        &format!(
            "
        ada  spawn    new in the manifest           cwd_missing: cwd \"/gone\" does not exist
        bob  replace  command[0] \"old\" → \"run\"  {hopeless}
        cyd  replace  command[0] \"old\" → \"run\"  held: by bob
        dan  spawn    new in the manifest           spawn 1
    "
        ),
    );
    // Nobody who depends on a hopeless one is interrupted for it first.
    check(
        manifest,
        "ada absent cwd_missing\n bob running command=[\"old\"]\n cyd running\n dan running after=[\"bob\"] command=[\"old\"]",
        &format!(
            "
        ada  spawn    new in the manifest           cwd_missing: cwd \"/gone\" does not exist
        bob  replace  command[0] \"old\" → \"run\"  {hopeless}
        dan  replace  command[0] \"old\" → \"run\" and 2 more  drain 1 by 1: keys C-c
    "
        ),
    );
}
