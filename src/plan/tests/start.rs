//! First starts, restarts, pauses, giving up, and what stands in the way.

use super::*;

const ONE: &str = "[agents.lead]\ncommand = [\"run\"]\nrestart = { backoff = { jitter = 0.0 } }\n";

#[test]
fn what_runs_as_declared_is_at_rest() {
    check(ONE, "", "");
}

#[test]
fn a_new_agent_is_started() {
    check(ONE, "lead absent", "lead  spawn  new in the manifest  spawn 1");
}

#[test]
fn an_agent_that_was_asked_for_and_never_seen_is_started_in_the_next_life() {
    check(
        ONE,
        "lead absent gen=3 streak=2 recent=[30s,5s] restarts=7",
        "lead  restart  its start was interrupted  spawn 4 (streak 2, recent 2, restarts 7)",
    );
}

#[test]
fn what_stands_in_the_way_blocks_a_start() {
    check(ONE, "lead absent cwd_missing", r#"lead  spawn  new in the manifest  cwd_missing: cwd "/gone" does not exist"#);
    check(ONE, "lead absent command_missing", "lead  spawn  new in the manifest  command_missing: said so");
    check(ONE, "lead absent place_taken", "lead  spawn  new in the manifest  place_taken: said so");
    check(ONE, "lead absent too_many_panes", "lead  spawn  new in the manifest  too_many_panes: said so");
    check(ONE, "lead absent unreadable", "lead  spawn  new in the manifest  unreadable: said so");
    check(ONE, "lead absent record_mismatch", "lead  spawn  new in the manifest  record_mismatch: said so");
    check(
        ONE,
        "lead exited code=1 ago=1h cwd_missing",
        r#"lead  restart  it exited with status 1  cwd_missing: cwd "/gone" does not exist"#,
    );
}

#[test]
fn one_that_cannot_start_stops_no_other() {
    check(
        "[agents.bad]\ncommand = [\"run\"]\n[agents.good]\ncommand = [\"run\"]\n",
        "bad absent cwd_missing\n good absent",
        r#"
        bad   spawn  new in the manifest  cwd_missing: cwd "/gone" does not exist
        good  spawn  new in the manifest  spawn 1
        "#,
    );
}

#[test]
fn a_start_waits_until_it_is_ready() {
    let manifest = |ready: &str| format!("[agents.lead]\ncommand = [\"run\"]\n{ready}\n");
    let starting = "lead running starting up=300ms";
    check(&manifest(""), starting, "lead  spawn  not ready yet  ready? look in 700ms, until 1m29s700ms");
    check(&manifest("ready = { delay = \"5s\" }"), starting, "lead  spawn  not ready yet  ready? look in 4s700ms, until 1m29s700ms");
    check(
        &manifest("ready = { file = \"/x\", interval = \"2s\", timeout = \"10s\" }"),
        starting,
        "lead  spawn  not ready yet  ready? look in 2s, until 9s700ms",
    );
    // A look that is overdue is due now, and not in the past.
    check(
        &manifest("ready = { delay = \"5s\" }"),
        "lead running starting up=6s",
        "lead  spawn  not ready yet  ready? look in 125ms, until 1m24s",
    );
}

#[test]
fn one_that_did_not_get_ready_is_left_running_and_shown() {
    check(
        ONE,
        r#"lead running failing="no prompt""#,
        "lead  spawn  not ready yet  not_ready: not ready: no prompt; it was left running; fix what it waits for, or replace it: `reconcile restart lead`",
    );
    // Another launch is worth a try.
    check(ONE, r#"lead running failing="no prompt" command=["old"]"#, r#"lead  replace  command[0] "old" → "run"  drain 1 by 1: keys C-c"#);
}

#[test]
fn pauses_double_from_one_second_to_a_minute() {
    // `streak` counts the failures before this one; none of these lives was a healthy one.
    for (streak, pause) in
        [(0, "1s"), (1, "2s"), (2, "4s"), (3, "8s"), (4, "16s"), (5, "32s"), (6, "1m"), (7, "1m"), (40, "1m"), (4_000_000_000_u64, "1m")]
    {
        check(
            ONE,
            &format!("lead exited code=1 up=5s streak={streak}"),
            &format!("lead  restart  it exited with status 1  again in {pause}"),
        );
    }
}

#[test]
fn a_pause_is_over_when_it_is_over() {
    check(ONE, "lead exited code=1 up=5s ago=999ms", "lead  restart  it exited with status 1  again in 1ms");
    check(
        ONE,
        "lead exited code=1 up=5s ago=1s restarts=2",
        "lead  restart  it exited with status 1  spawn 2 (streak 1, recent 1, restarts 3)",
    );
    check(
        ONE,
        "lead exited code=1 up=5s ago=3s streak=1",
        "lead  restart  it exited with status 1  spawn 2 (streak 2, recent 1, restarts 1)",
    );
}

#[test]
fn the_manifest_sets_the_pauses() {
    let manifest =
        "[agents.lead]\ncommand = [\"run\"]\nrestart = { backoff = { first = \"500ms\", factor = 3.0, max = \"10s\", jitter = 0.0 } }\n";
    for (streak, pause) in [(0, "500ms"), (1, "1s500ms"), (2, "4s500ms"), (3, "10s"), (9, "10s")] {
        check(
            manifest,
            &format!("lead exited code=1 up=5s streak={streak}"),
            &format!("lead  restart  it exited with status 1  again in {pause}"),
        );
    }
}

#[test]
fn jitter_only_lengthens_and_has_a_bound_and_differs_between_agents() {
    let mut pauses = std::collections::BTreeSet::new();
    for agent in ["a", "b", "c", "d", "e", "f"] {
        for streak in 0..12 {
            let manifest = format!("[agents.{agent}]\ncommand = [\"run\"]\n");
            let look = format!("{agent} exited code=1 up=5s streak={streak}");
            let desired = desired(&manifest);
            let plan = plan(&desired, &look::read(&manifest, &desired, &look), &Terms::default());
            let Next::Wait(Wait::Backoff { until }) = plan.changes[agent].next else { panic!("{plan:?}") };
            let plain = (1_u64 << streak.min(6)).min(60) * 1000;
            let pause = until.since(NOW).as_millis();
            assert!((plain..=plain + plain / 10).contains(&pause), "{agent}: {pause} ms after {streak} failures");
            if streak == 6 {
                pauses.insert(pause);
            }
        }
    }
    assert!(pauses.len() > 3, "they restart in step: {pauses:?}");
}

#[test]
fn only_health_ends_a_run_of_failures() {
    // A life that got ready and lasted: this is the first failure again.
    check(ONE, "lead exited code=1 up=10s streak=5", "lead  restart  it exited with status 1  again in 1s");
    check(ONE, "lead exited code=1 up=9s999ms streak=5", "lead  restart  it exited with status 1  again in 32s");
    // A long life that never got ready was no healthy one, and a start alone is none either.
    check(ONE, "lead exited code=1 up=1h unready streak=5", "lead  restart  it exited with status 1  again in 32s");
    check(ONE, "lead running starting up=20s streak=5", "lead  spawn  not ready yet  ready? look in 1s, until 1m10s");
    let longer = "[agents.lead]\ncommand = [\"run\"]\nrestart = { healthy_after = \"1m\", backoff = { jitter = 0.0 } }\n";
    check(longer, "lead exited code=1 up=59s streak=2", "lead  restart  it exited with status 1  again in 4s");
    check(longer, "lead exited code=1 up=60s streak=2", "lead  restart  it exited with status 1  again in 1s");
}

#[test]
fn it_gives_up_after_so_many_failures_in_the_window() {
    let gave_up = |how: &str| {
        format!(
            "lead  restart  it {how}  failed_repeatedly: it {how} and failed 5 times within 15m; see its output, then change it or try again: `reconcile start lead`"
        )
    };
    check(ONE, "lead exited code=1 up=1s ago=1h streak=4 recent=[1h4m,1h3m,1h2m,1h1m]", &gave_up("exited with status 1"));
    check(ONE, "lead exited signal=11 up=1s streak=4 recent=[4m,3m,2m,1m]", &gave_up("was ended by signal 11"));
    check(ONE, r#"lead exited failed="no such file" up=0s streak=4 recent=[4m,3m,2m,1m]"#, &gave_up("could not start: no such file"));
    check(ONE, "lead exited lost up=1s streak=4 recent=[4m,3m,2m,1m]", &gave_up("ended unseen"));
    // Four are one too few, and one that is as old as the window does not count.
    check(ONE, "lead exited code=1 up=1s streak=3 recent=[3m,2m,1m]", "lead  restart  it exited with status 1  again in 8s");
    check(ONE, "lead exited code=1 up=1s streak=4 recent=[15m,3m,2m,1m]", "lead  restart  it exited with status 1  again in 16s");
    check(ONE, "lead exited code=1 up=1s streak=4 recent=[14m59s,3m,2m,1m]", &gave_up("exited with status 1"));
}

#[test]
fn slow_crash_cycles_are_seen_although_each_life_was_healthy() {
    // L-152: every life got ready and lived for three minutes, so the pause is short each time. Still it is a loop.
    check(
        ONE,
        "lead exited code=1 up=3m streak=1 recent=[12m,9m,6m,3m]",
        "lead  restart  it exited with status 1  failed_repeatedly: it exited with status 1 and failed 5 times within 15m; see its output, then change it or try again: `reconcile start lead`",
    );
    let slower =
        "[agents.lead]\ncommand = [\"run\"]\nrestart = { give_up = { failures = 3, within = \"12h\" }, backoff = { jitter = 0.0 } }\n";
    check(
        slower,
        "lead exited code=1 up=5h streak=1 recent=[10h,5h]",
        "lead  restart  it exited with status 1  failed_repeatedly: it exited with status 1 and failed 3 times within 12h; see its output, then change it or try again: `reconcile start lead`",
    );
}

#[test]
fn failures_are_counted_one_by_one_into_a_loop() {
    // The counters of each start are what the next end is judged by.
    let mut pauses = Vec::new();
    let desired = desired(ONE);
    let mut world = look::read(ONE, &desired, "lead exited code=1 up=1s");
    loop {
        let plan = plan(&desired, &world, &Terms::default());
        match &plan.changes["lead"].next {
            Next::Wait(Wait::Backoff { until }) => {
                pauses.push(until.since(world.at).to_string());
                world.at = *until;
            }
            Next::Act(Action::Spawn { failures, .. }) => {
                world = after(&desired, world, &plan);
                assert_eq!(world.agents["lead"].failures, *failures);
                world.at = world.at + Duration::from_secs(1);
                let ended = Ended {
                    at: world.at,
                    since: world.at,
                    was_ready: false,
                    exit: Exit::Code(1),
                    asked: None,
                    outcome: None,
                    excuse: None,
                };
                world.agents.get_mut("lead").unwrap().phase = Phase::Exited(ended);
            }
            Next::Blocked(_) => break,
            other @ (Next::Act(_) | Next::Wait(_) | Next::Held(_)) => panic!("{other:?}"),
        }
    }
    assert_eq!(pauses, ["1s", "2s", "4s", "8s"]);
    assert_eq!(world.agents["lead"].generation, Generation(5));
    assert_eq!(world.agents["lead"].failures.restarts, 4);
}

#[test]
fn a_person_or_a_new_definition_begins_anew_after_giving_up() {
    // L-153: what was given up comes back, with a clean slate and its history.
    let gave_up = "code=1 up=1s streak=4 recent=[4m,3m,2m,1m] restarts=9";
    check(ONE, &format!("lead exited {gave_up} replace_up_to=1"), "lead  restart  asked for  spawn 2 (streak 0, recent 0, restarts 9)");
    check(
        ONE,
        &format!(r#"lead exited {gave_up} command=["old"]"#),
        r#"lead  restart  command[0] "old" → "run"  spawn 2 (streak 0, recent 0, restarts 9)"#,
    );
    check(
        ONE,
        &format!(r#"lead exited {gave_up} secret="KEY""#),
        "lead  restart  secret KEY changed  spawn 2 (streak 0, recent 0, restarts 9)",
    );
    // A wish that an earlier life fulfilled is none for this one.
    check(ONE, "lead exited code=1 up=1s gen=4 replace_up_to=3 streak=0", "lead  restart  it exited with status 1  again in 1s");
}

#[test]
fn a_replacement_begins_anew_too() {
    // It ended because it was asked to: the definition that failed is the old one.
    check(
        ONE,
        r#"lead exited code=1 asked=replace streak=4 recent=[4m,3m,2m,1m] restarts=9 command=["old"]"#,
        r#"lead  replace  command[0] "old" → "run"  spawn 2 (streak 0, recent 0, restarts 9)"#,
    );
    check(
        ONE,
        "lead exited code=1 asked=replace streak=4 recent=[4m,3m,2m,1m] restarts=9 replace_up_to=1",
        "lead  replace  asked for  spawn 2 (streak 0, recent 0, restarts 9)",
    );
}

#[test]
fn an_exit_that_was_asked_for_is_no_verdict() {
    for how in ["code=1", "signal=9", "signal=15", "lost", "code=0", "code=143"] {
        // Neither a failure, nor a pause, nor a success that would leave it ended.
        check(ONE, &format!("lead exited {how} asked=replace"), "lead  replace  stopped, and wanted again  spawn 2");
        check(ONE, &format!("lead exited {how} asked=stop by=kill"), "lead  restart  stopped, and wanted again  spawn 2");
    }
    // The counters of before are kept: an end that was asked for proves nothing either way.
    check(
        ONE,
        "lead exited code=1 asked=stop streak=3 recent=[3m,2m,1m] restarts=4",
        "lead  restart  stopped, and wanted again  spawn 2 (streak 3, recent 3, restarts 4)",
    );
    let never = "[agents.lead]\ncommand = [\"run\"]\nrestart = { policy = \"never\" }\n";
    check(never, "lead exited code=1 asked=stop", "lead  restart  stopped, and wanted again  spawn 2");
}

#[test]
fn each_policy_has_its_own_idea_of_an_end() {
    let manifest = |policy: &str| {
        format!(
            "[agents.lead]\ncommand = [\"run\"]\nrestart = {{ policy = \"{policy}\", success = [0, 3], backoff = {{ jitter = 0.0 }} }}\n"
        )
    };
    for success in ["code=0", "code=3"] {
        let look = format!("lead exited {success} up=1h ago=1h");
        check(&manifest("on-failure"), &look, "");
        check(&manifest("never"), &look, "");
        let status = &success[5..];
        check(
            &manifest("always"),
            &look,
            &format!("lead  restart  it exited with status {status}  spawn 2 (streak 0, recent 0, restarts 1)"),
        );
    }
    let look = "lead exited code=2 up=1s";
    check(&manifest("on-failure"), look, "lead  restart  it exited with status 2  again in 1s");
    check(&manifest("always"), look, "lead  restart  it exited with status 2  again in 1s");
    check(
        &manifest("never"),
        look,
        r#"lead  restart  it exited with status 2  failed: it exited with status 2, and restart.policy is "never"; change it, or start it again: `reconcile start lead`"#,
    );
    // Nobody saw it end, or a signal ended it: that is no success (L-155).
    check(&manifest("on-failure"), "lead exited lost up=1s", "lead  restart  it ended unseen  again in 1s");
    check(&manifest("on-failure"), "lead exited signal=15 up=1s", "lead  restart  it was ended by signal 15  again in 1s");
    check(&manifest("on-failure"), r#"lead exited failed="x" up=0s"#, "lead  restart  it could not start: x  again in 1s");
}

#[test]
fn always_never_gives_up_on_success_but_paces_short_lives() {
    let manifest = "[agents.lead]\ncommand = [\"run\"]\nrestart = { policy = \"always\", backoff = { jitter = 0.0 } }\n";
    check(manifest, "lead exited code=0 up=1s streak=3 recent=[4m,3m,2m,1m]", "lead  restart  it exited with status 0  again in 8s");
    check(
        manifest,
        "lead exited code=0 up=1s ago=10s streak=3 recent=[4m,3m,2m,1m]",
        "lead  restart  it exited with status 0  spawn 2 (streak 4, recent 0, restarts 1)",
    );
    check(manifest, "lead exited code=0 up=1h", "lead  restart  it exited with status 0  again in 1s");
    check(
        manifest,
        "lead exited code=1 up=1s streak=4 recent=[4m,3m,2m,1m]",
        "lead  restart  it exited with status 1  failed_repeatedly: it exited with status 1 and failed 5 times within 15m; see its output, then change it or try again: `reconcile start lead`",
    );
}

#[test]
fn a_one_shot_that_is_done_runs_again_only_for_a_reason() {
    let manifest = "[agents.migrate]\ncommand = [\"run\"]\nruntime = \"daemon\"\nrestart = { policy = \"never\" }\n";
    check(manifest, "migrate exited code=0 unready up=100ms", "");
    check(manifest, "migrate exited code=0 replace_up_to=1", "migrate  restart  asked for  spawn 2");
    check(manifest, r#"migrate exited code=0 command=["old"]"#, r#"migrate  restart  command[0] "old" → "run"  spawn 2"#);
    check(manifest, r#"migrate exited code=0 title="old""#, r#"migrate  amend  title "old" → (none)  amend"#);
    check(manifest, "migrate absent", "migrate  spawn  new in the manifest  spawn 1");
}

#[test]
fn what_should_be_stopped_is_not_started() {
    let stopped = "[agents.lead]\ncommand = [\"run\"]\ndesired = \"stopped\"\n";
    check(stopped, "lead absent", "");
    check(stopped, "lead exited code=1 streak=9", "");
    check(stopped, "lead exited code=0 asked=stop", "");
    check(ONE, "lead absent wanted=stopped", "");
    check(ONE, "lead exited code=1 wanted=stopped", "");
    // Its care follows the manifest, its launch the next start; only the care is told.
    check(stopped, r#"lead exited code=1 title="old" command=["old"]"#, r#"lead  amend  title "old" → (none)  amend"#);
    check(ONE, r#"lead exited code=1 wanted=stopped title="old" command=["old"]"#, r#"lead  amend  title "old" → (none)  amend"#);
}

#[test]
fn what_cannot_be_told_leads_to_nothing() {
    let unknown = r#"lead unknown="timed out" gen=3 up=1h"#;
    check(ONE, unknown, "lead  spawn  cannot be told how it is  unknown: timed out");
    check(
        "[agents.lead]\ncommand = [\"run\"]\ndesired = \"stopped\"\n",
        unknown,
        "lead  stop  cannot be told how it is  unknown: timed out",
    );
    check("", r#"lead unknown="timed out" gen=3"#, "lead  stop  cannot be told how it is  unknown: timed out");
    // Neither what changed, nor what was asked for, nor what an earlier life left, whatever may be done otherwise.
    check_under(
        "now unbound allow_empty allow_kill=lead",
        ONE,
        r#"lead unknown="timed out" gen=3 replace_up_to=3 remains=2 command=["old"]"#,
        "lead  spawn  cannot be told how it is  unknown: timed out",
    );
}
