//! What a plan may do at most, and whom it may touch.

use super::*;

/// Ten agents, of which the first `changed` have another launch than they run.
fn ten(guard: &str) -> String {
    let agents: String = (0..10).map(|number| format!("[agents.a{number}]\ncommand = [\"run\"]\n")).collect();
    format!("{guard}\n{agents}")
}

fn changed(count: usize) -> String {
    (0..count).map(|number| format!("a{number} running command=[\"old\"]\n")).collect()
}

fn replaced(count: usize) -> String {
    (0..count).map(|number| format!("a{number}  replace  command[0] \"old\" → \"run\"  drain 1 by 1: keys C-c\n")).collect()
}

#[test]
fn half_of_the_running_agents_may_be_interrupted() {
    check(&ten(""), &changed(5), &replaced(5));
    check(&ten(""), &changed(6), &format!("{}guard  max_stop 50%  6", replaced(6)));
}

#[test]
fn the_limit_is_what_the_manifest_or_the_run_says() {
    check(&ten("[guard]\nmax_stop = \"30%\""), &changed(3), &replaced(3));
    check(&ten("[guard]\nmax_stop = \"30%\""), &changed(4), &format!("{}guard  max_stop 30%  4", replaced(4)));
    check(&ten("[guard]\nmax_stop = 2"), &changed(3), &format!("{}guard  max_stop 2  3", replaced(3)));
    check_under("max_stop=3", &ten("[guard]\nmax_stop = 2"), &changed(3), &replaced(3));
    check_under("max_stop=10%", &ten(""), &changed(2), &format!("{}guard  max_stop 10%  2", replaced(2)));
    check_under("max_stop=100%", &ten(""), &changed(10), &replaced(10));
}

/// As many agents as run, all of which have another launch.
fn all_of(count: usize, guard: &str) -> String {
    let agents: String = (0..count).map(|number| format!("[agents.a{number}]\ncommand = [\"run\"]\n")).collect();
    format!("{guard}\n{agents}")
}

#[test]
fn the_usual_limit_binds_from_four_running_agents_on() {
    for few in 1..=3 {
        check(&all_of(few, ""), &changed(few), &replaced(few));
    }
    check(&all_of(4, ""), &changed(4), &format!("{}guard  max_stop 50%  4", replaced(4)));
    // Half of five is two, and the fifth is not declared to change.
    check(&all_of(5, ""), &format!("{}a3 running\n a4 running", changed(3)), &format!("{}guard  max_stop 50%  3", replaced(3)));
    check(&all_of(5, ""), &format!("{}a2 running\n a3 running\n a4 running", changed(2)), &replaced(2));
}

#[test]
fn a_limit_that_is_written_binds_however_few_run() {
    check(&all_of(2, "[guard]\nmax_stop = \"50%\""), &changed(2), &format!("{}guard  max_stop 50%  2", replaced(2)));
    check(&all_of(3, "[guard]\nmax_stop = 1"), &changed(3), &format!("{}guard  max_stop 1  3", replaced(3)));
    // A share lets one through: rounded down it would forbid every change of a small fleet.
    check(&all_of(2, "[guard]\nmax_stop = \"10%\""), &changed(1), &replaced(1));
    // Nothing means nothing.
    for none in ["0", "\"0%\""] {
        let guard = format!("[guard]\nmax_stop = {none}");
        let shown = none.trim_matches('"');
        check(&all_of(1, &guard), &changed(1), &format!("{}guard  max_stop {shown}  1", replaced(1)));
    }
    check_under("max_stop=1", &all_of(1, "[guard]\nmax_stop = 0"), &changed(1), &replaced(1));
}

#[test]
fn a_plan_for_the_fleet_of_another_manifest_says_so() {
    let spawn = "a0  spawn  new in the manifest  spawn 1\n";
    check_under("claimed_by=/one/m.toml", &all_of(1, ""), "a0 absent", &format!("{spawn}guard  moved /one/m.toml  1"));
    check_under("claimed_by=/one/m.toml unbound", &all_of(1, ""), "a0 absent", &format!("{spawn}guard  moved /one/m.toml  1"));
    check_under("claimed_by=/one/m.toml", &all_of(1, ""), "a0 running", "guard  moved /one/m.toml  0");
}

#[test]
fn what_goes_on_by_itself_needs_no_approval() {
    let asked = |manifest: &str, look: &str| {
        let desired = desired(manifest);
        let observed = look::read(manifest, &desired, look);
        plan(&desired, &observed, &Terms::default()).needs_approval(&observed)
    };
    let one = all_of(1, "");
    assert!(!asked(&one, "a0 running starting"), "it gets ready");
    assert!(!asked(&one, "a0 leaving drain=1 asked=1s purpose=replace command=[\"old\"]"), "it was approved when it began");
    assert!(asked(&one, "a0 absent"));
    assert!(asked(&one, "a0 running command=[\"old\"]"));
    let after = format!("{}after = [\"a0\"]\n", all_of(2, ""));
    assert!(!asked(&after, "a0 running starting\n a1 absent"), "a start that only waits");
}

#[test]
fn a_run_that_stops_everything_on_purpose_is_not_bound() {
    check_under("unbound", &ten(""), &changed(10), &replaced(10));
    check_under(
        "unbound",
        "",
        "a running\n b running",
        "
        a  stop  asked for  drain 1 by 1: keys C-c
        b  stop  asked for  drain 1 by 1: keys C-c
    ",
    );
}

#[test]
fn stops_count_like_replacements() {
    let look = "a0 running wanted=stopped\n b0 running\n b1 running\n";
    let manifest = "[guard]\nmax_stop = 2\n[agents.a0]\ncommand = [\"run\"]\n[agents.a1]\ncommand = [\"run\"]\n";
    check(
        manifest,
        look,
        "
        a0  stop  should be stopped    drain 1 by 1: keys C-c
        b0  stop  not in the manifest  drain 1 by 1: keys C-c
        b1  stop  not in the manifest  drain 1 by 1: keys C-c
        guard  max_stop 2  3
    ",
    );
}

#[test]
fn those_on_their_way_out_count_until_they_are_gone() {
    // Also those that an earlier run asked: a crash in the middle lends no further leave (invariant 13).
    let leaving = "a0 leaving drain=1 asked=1s purpose=replace command=[\"old\"]\n a1 running command=[\"old\"]\n";
    check(
        &ten("[guard]\nmax_stop = 1"),
        leaving,
        "
        a0  replace  command[0] \"old\" → \"run\"  leaves by drain 1, has 9s
        a1  replace  command[0] \"old\" → \"run\"  drain 1 by 1: keys C-c
        guard  max_stop 1  2
    ",
    );
    // One that has gone is interrupted no more.
    let gone = "a0 exited code=0 asked=replace command=[\"old\"]\n a1 running command=[\"old\"]\n";
    check(
        &ten("[guard]\nmax_stop = 1"),
        gone,
        "
        a0  replace  command[0] \"old\" → \"run\"  spawn 2
        a1  replace  command[0] \"old\" → \"run\"  drain 1 by 1: keys C-c
    ",
    );
}

#[test]
fn what_is_held_or_blocked_or_waits_for_its_turn_counts_as_what_it_is() {
    let look = "a0 running command=[\"old\"] attached=1\n a1 running command=[\"old\"] cwd_missing\n a2 running command=[\"old\"]";
    check(
        &ten("[guard]\nmax_stop = 1"),
        look,
        "
        a0  replace  command[0] \"old\" → \"run\"  held: 1 attached
        a1  replace  command[0] \"old\" → \"run\"  cwd_missing: cwd \"/gone\" does not exist
        a2  replace  command[0] \"old\" → \"run\"  drain 1 by 1: keys C-c
    ",
    );
    // A wait ends by itself, and then it is interrupted: it counts now.
    check_under(
        "parallelism=1",
        &ten("[guard]\nmax_stop = 1"),
        &changed(2),
        "
        a0  replace  command[0] \"old\" → \"run\"  drain 1 by 1: keys C-c
        a1  replace  command[0] \"old\" → \"run\"  waits for its turn
        guard  max_stop 1  2
    ",
    );
}

#[test]
fn starts_and_care_and_what_is_let_go_are_no_interruptions() {
    let manifest =
        "[guard]\nmax_stop = 0\n[agents.a0]\ncommand = [\"run\"]\n[agents.a1]\ncommand = [\"run\"]\n[agents.a2]\ncommand = [\"run\"]\n";
    check(
        manifest,
        "a0 absent\n a1 running title=\"was\"\n a2 running record=lost\n b0 running on_remove=\"leave\"\n b1 exited code=0",
        "
        a0  spawn   new in the manifest           spawn 1
        a1  amend   title \"was\" → (none)        amend
        a2  adopt   runs as declared, and no record knows it  adopt 1
        b0  forget  not in the manifest           forget
        b1  forget  not in the manifest           forget
    ",
    );
}

#[test]
fn only_living_agents_of_ours_make_up_the_share() {
    // Of two running ones, half is one; what ended or was let go is not among them.
    let manifest = &all_of(2, "[guard]\nmax_stop = \"50%\"");
    let look = "a0 running command=[\"old\"]\n a1 running command=[\"old\"]\n b0 running released on_remove=\"leave\"\n b1 running released on_remove=\"leave\"\n";
    check(manifest, look, &format!("{}guard  max_stop 50%  2", replaced(2)));
}

#[test]
fn an_empty_manifest_is_refused() {
    let stop = "a  stop  not in the manifest  drain 1 by 1: keys C-c";
    check("", "a running", &format!("{stop}\n guard  allow_empty false  1"));
    check_under("allow_empty", "", "a running", stop);
    check("[guard]\nallow_empty = true", "a running", stop);
    // With several, both guards speak.
    check_under(
        "allow_empty",
        "[guard]\nmax_stop = \"50%\"",
        "a running\n b running",
        &format!("{stop}\n b  stop  not in the manifest  drain 1 by 1: keys C-c\n guard  max_stop 50%  2"),
    );
    // It stops nobody: there is nothing to refuse.
    check("", "a exited code=0", "a  forget  not in the manifest  forget");
    check("", "a running protect=true", "a  stop  not in the manifest  held: protected");
    check("", "", "");
}

#[test]
fn a_run_looks_after_those_in_its_scope_only() {
    let manifest = "[agents.a0]\ncommand = [\"run\"]\n[agents.a1]\ncommand = [\"run\"]\n";
    let look = "a0 running command=[\"old\"]\n a1 running command=[\"old\"]\n b running";
    check_under("scope=a1", manifest, look, "a1  replace  command[0] \"old\" → \"run\"  drain 1 by 1: keys C-c");
    check_under("scope=b", manifest, look, "b  stop  not in the manifest  drain 1 by 1: keys C-c");
    check_under("scope=", manifest, look, "");
}

#[test]
fn only_what_was_shown_is_interrupted() {
    let manifest = "[agents.a0]\ncommand = [\"run\"]\n[agents.a1]\ncommand = [\"run\"]\n[agents.a2]\ncommand = [\"run\"]\n[agents.a3]\ncommand = [\"run\"]\n";
    let look = "a0 running command=[\"old\"]\n a1 running command=[\"old\"]\n a2 absent\n a3 leaving drain=1 asked=10s purpose=replace command=[\"old\"]\n b running";
    check_under(
        "shown=a0",
        manifest,
        look,
        "
        a0  replace  command[0] \"old\" → \"run\"  drain 1 by 1: keys C-c
        a1  replace  command[0] \"old\" → \"run\"  held: not shown
        a2  spawn    new in the manifest           spawn 1
        a3  replace  command[0] \"old\" → \"run\"  drain 1 by 2: signal TERM
        b   stop     not in the manifest           held: not shown
    ",
    );
    check_under("shown=", manifest, "a0 running replace_up_to=1", "a0  replace  asked for  held: not shown");
}

#[test]
fn what_was_not_shown_holds_what_it_depends_on() {
    // Else that would wait for an end that does not come.
    let manifest = "[agents.ada]\ncommand = [\"run\"]\n[agents.bob]\ncommand = [\"run\"]\nafter = [\"ada\"]\n[agents.cyd]\ncommand = [\"run\"]\nafter = [\"ada\"]\n";
    check_under(
        "shown=ada max_stop=100%",
        manifest,
        "ada running command=[\"old\"]\n bob running command=[\"old\"]\n cyd absent",
        "
        ada  replace  command[0] \"old\" → \"run\"  held: by bob
        bob  replace  command[0] \"old\" → \"run\"  held: not shown
        cyd  spawn    new in the manifest           spawn 1
    ",
    );
    // That its successor could not start is the truer reason.
    check_under("shown=", manifest, "ada absent cwd_missing\n bob running command=[\"old\"]", "
        ada  spawn    new in the manifest           cwd_missing: cwd \"/gone\" does not exist
        bob  replace  command[0] \"old\" → \"run\"  dependency_ended: waits for ada to be ready, but ada is blocked: cwd \"/gone\" does not exist
    ");
}
