//! Ways out: what holds the first step, patience, the kill, removal.

use super::*;

/// Each hold of an end that `--now` releases, and each that it does not: what its help says, and nothing else.
#[test]
fn now_releases_what_interrupts_people_and_work_and_nothing_else() {
    let manifest = "[agents.a]\nruntime = \"tmux\"\ncommand = [\"run\"]\npreset = \"claude\"\nhold = [\"attached\", \"busy\"]\n\n";
    let next = |terms: &str, special: &str| {
        let protect = if special == "protected" { "protect = true\n" } else { "" };
        let (manifest, special) = (&format!("{manifest}{protect}"), special.trim_start_matches("protected"));
        let desired = desired(manifest);
        let observed = look::read(manifest, &desired, &format!("a running command=[\"old\"] note=waits {special}"));
        show_next(&plan(&desired, &observed, &read_terms(terms)).changes[&name("a")].next)
    };
    for (special, held) in [("attached=1", "1 attached"), ("screen=busy", "busy"), ("screen=draft", "draft"), ("screen=unclear", "unclear")]
    {
        assert_eq!(next("", special), format!("held: {held}"), "{special}");
        assert!(next("now", special).starts_with("drain"), "{special}: {}", next("now", special));
    }
    for (special, held) in [("protected", "protected"), ("paused", "paused"), ("paused=5m", "paused for 5m")] {
        assert_eq!(next("", special), format!("held: {held}"), "{special}");
        assert_eq!(next("now", special), format!("held: {held}"), "{special}");
    }
}

const TMUX: &str = "[agents.lead]\ncommand = [\"run\"]\n";
const DAEMON: &str = "[agents.box]\ncommand = [\"run\"]\nruntime = \"daemon\"\n";
const STOPPED: &str = "[agents.lead]\ncommand = [\"run\"]\ndesired = \"stopped\"\n";

#[test]
fn another_launch_replaces_what_runs() {
    check(TMUX, r#"lead running gen=3 command=["old"]"#, r#"lead  replace  command[0] "old" → "run"  drain 3 by 1: keys C-c"#);
    check(DAEMON, r#"box running gen=3 command=["old"]"#, r#"box  replace  command[0] "old" → "run"  drain 3 by 1: signal TERM"#);
    check(
        TMUX,
        r#"lead running command=["old"] env={ A = "1" } title="was""#,
        r#"lead  replace  command[0] "old" → "run" and 2 more  drain 1 by 1: keys C-c"#,
    );
}

#[test]
fn every_reason_to_replace_is_told() {
    check(TMUX, "lead running gen=3 replace_up_to=3", "lead  replace  asked for  drain 3 by 1: keys C-c");
    check(TMUX, "lead running gen=3 replace_up_to=5", "lead  replace  asked for  drain 3 by 1: keys C-c");
    check(TMUX, "lead running gen=4 replace_up_to=3", "");
    check(TMUX, r#"lead running secret="KEY""#, "lead  replace  secret KEY changed  drain 1 by 1: keys C-c");
    check(
        TMUX,
        r#"lead running record=lost command=["old"]"#,
        "lead  replace  its mark tells of another launch, and its record is lost  drain 1 by 1: keys C-c",
    );
    // A person's wish is told before the field that differs too.
    check(TMUX, r#"lead running replace_up_to=1 command=["old"]"#, "lead  replace  asked for  drain 1 by 1: keys C-c");
}

#[test]
fn a_successor_that_could_not_start_interrupts_nobody() {
    check(TMUX, r#"lead running command=["old"] command_missing"#, r#"lead  replace  command[0] "old" → "run"  command_missing: said so"#);
    check(
        TMUX,
        r#"lead running command=["old"] cwd_missing attached=1"#,
        r#"lead  replace  command[0] "old" → "run"  cwd_missing: cwd "/gone" does not exist"#,
    );
    // What stands in the way of a start is nothing to one that runs on, or is to stop.
    check(TMUX, "lead running command_missing", "");
    check(STOPPED, r#"lead running desired="running" cwd_missing"#, r#"lead  stop  should be stopped  drain 1 by 1: keys C-c"#);
}

#[test]
fn a_drain_whose_successor_cannot_start_any_more_goes_no_further() {
    let leaving = |step: &str| format!(r#"lead leaving {step} purpose=replace command=["old"] cwd_missing"#);
    let replace = r#"lead  replace  command[0] "old" → "run""#;
    check(TMUX, &leaving("drain=1 asked=9s"), &format!("{replace}  leaves by drain 1, has 1s"));
    check(TMUX, &leaving("drain=1 asked=10s"), &format!("{replace}  stay 1"));
    // A kill cannot be taken back.
    check(TMUX, &leaving("kill asked=4s"), &format!("{replace}  leaves by kill, has 1s"));
    // One that should not run needs no successor.
    check(STOPPED, "lead leaving drain=1 asked=10s cwd_missing", "lead  stop  should be stopped  drain 1 by 2: signal TERM");
    check(
        TMUX,
        r#"lead exited code=0 asked=replace command=["old"] cwd_missing"#,
        r#"lead  replace  command[0] "old" → "run"  cwd_missing: cwd "/gone" does not exist"#,
    );
}

#[test]
fn each_step_has_its_time_and_the_kill_comes_last() {
    let replace = r#"lead  replace  command[0] "old" → "run""#;
    let leaving = |step: &str| format!(r#"lead leaving {step} purpose=replace command=["old"]"#);
    check(TMUX, &leaving("drain=1 asked=0s"), &format!("{replace}  leaves by drain 1, has 10s"));
    check(TMUX, &leaving("drain=1 asked=9s999ms"), &format!("{replace}  leaves by drain 1, has 1ms"));
    check(TMUX, &leaving("drain=1 asked=10s"), &format!("{replace}  drain 1 by 2: signal TERM"));
    check(TMUX, &leaving("drain=2 asked=9s"), &format!("{replace}  leaves by drain 2, has 1s"));
    check(TMUX, &leaving("drain=2 asked=10s"), &format!("{replace}  kill 1"));
    check(TMUX, &leaving("kill asked=4s"), &format!("{replace}  leaves by kill, has 1s"));
    check(
        TMUX,
        &leaving("kill asked=5s"),
        &format!("{replace}  kill_failed: still there 5s after the kill of its whole tree: pid 100, pid 101"),
    );
}

#[test]
fn a_kill_that_an_earlier_run_asked_for_is_asked_for_again() {
    // The run that wrote it down may have been killed before it killed, and what could not be killed then may be killed now.
    let look = |asked: &str| format!(r#"lead leaving kill asked={asked} purpose=replace command=["old"]"#);
    let replace = r#"lead  replace  command[0] "old" → "run""#;
    check_under("begun=1s", TMUX, &look("3s"), &format!("{replace}  kill 1"));
    check_under("begun=1s", TMUX, &look("1h"), &format!("{replace}  kill 1"));
    check_under("begun=1s", TMUX, &look("1s"), &format!("{replace}  leaves by kill, has 4s"));
    check_under(
        "begun=10s",
        TMUX,
        &look("6s"),
        &format!("{replace}  kill_failed: still there 5s after the kill of its whole tree: pid 100, pid 101"),
    );
    // A question is not asked twice: what was typed may have been read.
    check_under(
        "begun=1s",
        TMUX,
        r#"lead leaving drain=1 asked=3s purpose=replace command=["old"]"#,
        &format!("{replace}  leaves by drain 1, has 7s"),
    );
}

#[test]
fn the_manifest_sets_the_steps() {
    let manifest = "[agents.lead]\ncommand = [\"run\"]\ndrain = [{ keys = [\"Escape\", \"C-d\"], wait = \"1m\" }, { signal = \"INT\", to = \"tree\", wait = \"0s\" }, { signal = \"HUP\", to = \"group\", wait = \"2s\" }]\n";
    let replace = r#"lead  replace  asked for"#;
    check(manifest, "lead running replace_up_to=1", &format!("{replace}  drain 1 by 1: keys Escape C-d"));
    check(manifest, "lead leaving drain=1 asked=1m replace_up_to=1", &format!("{replace}  drain 1 by 2: signal INT to the tree"));
    // No time at all is one look.
    check(manifest, "lead leaving drain=2 asked=0s replace_up_to=1", &format!("{replace}  drain 1 by 3: signal HUP to the group"));
    check(manifest, "lead leaving drain=3 asked=2s replace_up_to=1", &format!("{replace}  kill 1"));
    check("[agents.lead]\ncommand = [\"run\"]\ndrain = []\n", "lead running replace_up_to=1", &format!("{replace}  kill 1"));
}

#[test]
fn an_edit_in_the_middle_of_a_drain_counts_from_the_next_round() {
    let short = "[agents.lead]\ncommand = [\"run\"]\ndrain = [{ signal = \"INT\", wait = \"1s\" }]\n";
    let replace = r#"lead  replace  asked for"#;
    // A step that is in the list no more has no time left, and none comes back.
    check(short, "lead leaving drain=2 asked=0s replace_up_to=1", &format!("{replace}  kill 1"));
    check(short, "lead leaving drain=1 asked=1s replace_up_to=1", &format!("{replace}  kill 1"));
}

#[test]
fn a_drain_ends_for_what_is_wanted_at_its_end() {
    // Wanted again in the middle: what was typed cannot be taken back, so it leaves and comes again (L-133).
    check(TMUX, "lead leaving drain=1 asked=4s purpose=stop", "lead  replace  stopped, and wanted again  leaves by drain 1, has 6s");
    check(TMUX, "lead leaving drain=1 asked=10s purpose=stop", "lead  replace  stopped, and wanted again  stay 1");
    check(TMUX, "lead leaving kill asked=1s purpose=stop", "lead  replace  stopped, and wanted again  leaves by kill, has 4s");
    // To be replaced, and stopped meanwhile.
    check(
        TMUX,
        r#"lead leaving drain=1 asked=10s purpose=replace wanted=stopped command=["old"]"#,
        r#"lead  stop  should be stopped  drain 1 by 2: signal TERM"#,
    );
    check(
        STOPPED,
        r#"lead leaving drain=1 asked=4s purpose=replace desired="running""#,
        r#"lead  stop  should be stopped  leaves by drain 1, has 6s"#,
    );
    // Out of the manifest meanwhile: by the steps that it was started under.
    check_under(
        "allow_empty",
        "",
        "lead leaving drain=1 asked=10s purpose=replace",
        "lead  stop  not in the manifest  drain 1 by 2: signal TERM",
    );
}

#[test]
fn what_should_be_stopped_is_drained() {
    check(STOPPED, r#"lead running desired="running""#, r#"lead  stop  should be stopped  drain 1 by 1: keys C-c"#);
    check(TMUX, "lead running wanted=stopped", "lead  stop  should be stopped  drain 1 by 1: keys C-c");
    check(TMUX, "lead running starting wanted=stopped", "lead  stop  should be stopped  drain 1 by 1: keys C-c");
    // Stopping beats replacing (L-71), and no care is applied on the way.
    check(
        TMUX,
        r#"lead running wanted=stopped replace_up_to=9 command=["old"] title="was""#,
        "lead  stop  should be stopped  drain 1 by 1: keys C-c",
    );
}

#[test]
fn people_at_the_screen_hold_an_interruption() {
    let replace = r#"lead  replace  command[0] "old" → "run""#;
    let look = r#"lead running command=["old"] attached=2"#;
    check(TMUX, look, &format!("{replace}  held: 2 attached"));
    check_under("now", TMUX, look, &format!("{replace}  drain 1 by 1: keys C-c"));
    check("[agents.lead]\ncommand = [\"run\"]\nhold = [\"busy\"]\n", look, &format!("{replace}  drain 1 by 1: keys C-c"));
    check_under("allow_empty", "", "lead running attached=1", "lead  stop  not in the manifest  held: 1 attached");
    check_under("allow_empty", "", "lead running attached=1 hold=[\"busy\"]", "lead  stop  not in the manifest  drain 1 by 1: keys C-c");
    // Nothing is known of what holds it: people do.
    check_under("allow_empty", "", "lead running attached=1 record=lost", "lead  stop  not in the manifest  held: 1 attached");
    check_under("now allow_empty", "", "lead running attached=1 record=lost", "lead  stop  not in the manifest  drain 1 by 1: signal TERM");
    // They do not hold what they do not see: care, other agents, and a drain that was begun.
    check(TMUX, r#"lead running title="was" attached=1"#, r#"lead  amend  title "was" → (none)  amend"#);
    check(
        TMUX,
        r#"lead leaving drain=1 asked=10s purpose=replace command=["old"] attached=1"#,
        &format!("{replace}  drain 1 by 2: signal TERM"),
    );
}

#[test]
fn protected_agents_are_stopped_by_no_plan() {
    let manifest = "[agents.lead]\ncommand = [\"run\"]\nprotect = true\n";
    let replace = r#"lead  replace  command[0] "old" → "run""#;
    let look = r#"lead running command=["old"]"#;
    check(manifest, look, &format!("{replace}  held: protected"));
    // Not by --now, and not by the name of another.
    check_under("now", manifest, look, &format!("{replace}  held: protected"));
    check_under("allow_kill=other unbound", manifest, look, &format!("{replace}  held: protected"));
    check_under("allow_kill=lead", manifest, look, &format!("{replace}  drain 1 by 1: keys C-c"));
    check_under("allow_kill=lead", manifest, r#"lead running command=["old"] attached=1"#, &format!("{replace}  held: 1 attached"));
    check(manifest, "lead running wanted=stopped", "lead  stop  should be stopped  held: protected");
    // Ended by itself, it is started again like any other.
    check(manifest, "lead exited code=0 asked=stop", "lead  restart  stopped, and wanted again  spawn 2");
}

#[test]
fn protection_is_sticky() {
    check_under("allow_empty", "", "lead running protect=true", "lead  stop  not in the manifest  held: protected");
    check_under("unbound now", "", "lead running protect=true", "lead  stop  asked for  held: protected");
    check_under("allow_kill=lead allow_empty", "", "lead running protect=true", "lead  stop  not in the manifest  drain 1 by 1: keys C-c");
    // As long as it is declared, what is declared counts.
    check(STOPPED, r#"lead running protect=true desired="running""#, r#"lead  stop  should be stopped  drain 1 by 1: keys C-c"#);
    let protected = "[agents.lead]\ncommand = [\"run\"]\nprotect = true\ndesired = \"stopped\"\n";
    check(protected, r#"lead running protect=false desired="running""#, r#"lead  stop  should be stopped  held: protected"#);
}

#[test]
fn what_left_the_manifest_goes_as_it_was_to_go() {
    check_under("allow_empty", "", "lead running", "lead  stop  not in the manifest  drain 1 by 1: keys C-c");
    check_under("allow_empty", "", r#"lead running runtime="daemon""#, "lead  stop  not in the manifest  drain 1 by 1: signal TERM");
    check_under("allow_empty", "", r#"lead running on_remove="kill""#, "lead  stop  not in the manifest  kill 1");
    check_under("allow_empty", "", r#"lead running on_remove="kill" protect=true"#, "lead  stop  not in the manifest  held: protected");
    check_under("allow_empty", "", r#"lead leaving drain=1 asked=0s on_remove="kill""#, "lead  stop  not in the manifest  kill 1");
    check_under("allow_empty", "", r#"lead running on_remove="leave" attached=1"#, "lead  forget  not in the manifest  forget");
    check_under("allow_empty", "", r#"lead running on_remove="leave" released"#, "");
    check_under("allow_empty", "", "lead running record=lost", "lead  stop  not in the manifest  drain 1 by 1: signal TERM");
    check_under(
        "allow_empty",
        "",
        "lead leaving drain=1 asked=9s record=lost",
        "lead  stop  not in the manifest  leaves by drain 1, has 1s",
    );
    check_under("allow_empty", "", "lead leaving drain=1 asked=10s record=lost", "lead  stop  not in the manifest  kill 1");
    // `on_remove` is for what left the manifest, and not for a stop.
    check(
        "[agents.lead]\ncommand = [\"run\"]\non_remove = \"kill\"\n",
        "lead running wanted=stopped",
        "lead  stop  should be stopped  drain 1 by 1: keys C-c",
    );
}

#[test]
fn what_ended_and_left_the_manifest_is_forgotten() {
    check_under("allow_empty", "", "lead exited code=1", "lead  forget  not in the manifest  forget");
    check_under("allow_empty", "", "lead exited code=0 asked=stop by=kill protect=true", "lead  forget  not in the manifest  forget");
    check_under("allow_empty", "", "lead absent gen=2", "lead  forget  not in the manifest  forget");
    check_under("allow_empty", "", "lead exited code=1 released", "lead  forget  not in the manifest  forget");
    check_rounds("unbound", "", "lead running", "lead drain 1 by 1: keys C-c\n lead forget");
}

#[test]
fn one_that_was_left_running_comes_back_without_a_restart() {
    check(TMUX, r#"lead running released on_remove="leave""#, "lead  adopt  runs as declared, and no record knows it  adopt 1");
    check(TMUX, r#"lead running released command=["old"]"#, r#"lead  replace  command[0] "old" → "run"  drain 1 by 1: keys C-c"#);
}

#[test]
fn one_that_is_to_be_killed_is_not_asked_first() {
    let manifest = "[agents.ada]\ncommand = [\"run\"]\n[agents.bob]\ncommand = [\"run\"]\n";
    check_under(
        "kill=ada max_stop=100%",
        manifest,
        "ada running wanted=stopped\n bob running wanted=stopped",
        "
        ada  stop  should be stopped  kill 1
        bob  stop  should be stopped  drain 1 by 1: keys C-c
    ",
    );
    // Nor is one waited for that was asked before; what holds it holds it all the same.
    check_under("kill=lead", TMUX, "lead leaving drain=1 asked=0s wanted=stopped", "lead  stop  should be stopped  kill 1");
    check_under("kill=lead", TMUX, "lead running attached=1 wanted=stopped", "lead  stop  should be stopped  held: 1 attached");
}

#[test]
fn one_whose_program_is_not_started_yet_is_ended_at_once() {
    let stop =
        "[agents.a]\ncommand = [\"run\"]\ndesired = \"stopped\"\ndrain = [{ signal = \"TERM\", wait = \"10s\" }, { keys = [\"C-c\"] }]\n";
    let due = "a  stop  should be stopped";
    check(stop, "a running starting unstarted desired=\"running\"", &format!("{due}  kill 1"));
    check(stop, "a leaving drain=1 asked=1s unstarted desired=\"running\"", &format!("{due}  kill 1"));
    check(stop, "a leaving asked=1s unstarted desired=\"running\"", &format!("{due}  leaves by kill, has 4s"));
    check(stop, "a running starting desired=\"running\"", &format!("{due}  drain 1 by 1: signal TERM"));
}
