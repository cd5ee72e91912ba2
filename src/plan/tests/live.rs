//! Signs of life, limits, and what is asked before a restart.

use super::*;

const LIVE: &str = "[agents.lead]\ncommand = [\"run\"]\nlive = { tcp = \"a:1\", heartbeat = { nudge_after = \"15m\", replace_after = \"30m\" } }\nrestart = { backoff = { jitter = 0.0 } }\n";
const PROBED: &str = "[agents.lead]\ncommand = [\"run\"]\npreset = \"claude\"\ndrain = [{ keys = [\"C-c\"] }]\nlive = { tcp = \"a:1\" }\nrestart = { backoff = { jitter = 0.0 } }\n";
const BEATING: &str = "[agents.lead]\ncommand = [\"run\"]\npreset = \"claude\"\ndrain = [{ keys = [\"C-c\"] }]\nlive = { heartbeat = { nudge_after = \"15m\", replace_after = \"30m\" } }\nrestart = { backoff = { jitter = 0.0 } }\n";
const LIMITED: &str =
    "[agents.lead]\ncommand = [\"run\"]\nlimits = { memory = \"4GiB\", runtime = \"8h\" }\nrestart = { backoff = { jitter = 0.0 } }\n";
const ASKED: &str = "[agents.lead]\ncommand = [\"run\"]\nrestart = { only_if = { file = \"work\" }, backoff = { jitter = 0.0 } }\n";

#[test]
fn who_says_no_so_often_is_replaced() {
    check(PROBED, "lead running noes=0 proven", "");
    check(PROBED, "lead running noes=2 proven", "");
    let cause = "it is not alive: refused, 3 times in a row";
    check(PROBED, "lead running noes=3 proven", &format!("lead  replace  {cause}  drain 1 by 1: keys C-c"));
    check_rounds("", PROBED, "lead running noes=3 proven", "lead drain 1 by 1: keys C-c\n lead spawn 2 (streak 1, recent 1, restarts 1)");
    // One that is not ready yet is judged by its readiness alone, and one without a probe by nothing.
    check(PROBED, "lead running starting up=1s noes=9", "lead  spawn  not ready yet  ready? look in 250ms, until 1m29s");
    check(BEATING, "lead running noes=9", "");
    let once = "[agents.lead]\ncommand = [\"run\"]\nlive = { tcp = \"a:1\", failures = 1 }\n";
    check(once, "lead running noes=1 proven", "lead  replace  it is not alive: refused  drain 1 by 1: keys C-c");
}

#[test]
fn who_is_silent_for_too_long_is_replaced() {
    check(BEATING, "lead running silent=29m proven", "");
    check(
        BEATING,
        "lead running silent=30m proven",
        "lead  replace  it is not alive: its heart did not beat for 30m  drain 1 by 1: keys C-c",
    );
    // A heart that could not be looked at says nothing.
    check(BEATING, "lead running proven", "");
    check(PROBED, "lead running silent=9h", "");
    check(LIVE, "lead running silent=31m proven", "lead  replace  it is not alive: its heart did not beat for 31m  drain 1 by 1: keys C-c");
}

#[test]
fn the_usual_holds_hold() {
    for (how, held) in [("attached=1", "1 attached"), ("screen=busy", "busy"), ("screen=draft", "draft"), ("screen=unclear", "unclear")] {
        let cause = "it is not alive: refused, 3 times in a row";
        check(PROBED, &format!("lead running noes=3 proven {how}"), &format!("lead  replace  {cause}  held: {held}"));
        check_under(
            "now",
            PROBED,
            &format!("lead running noes=3 proven {how}"),
            &format!("lead  replace  {cause}  drain 1 by 1: keys C-c"),
        );
    }
    let protected = BEATING.replace("command =", "protect = true\ncommand =");
    check(&protected, "lead running silent=1h proven", "lead  replace  it is not alive: its heart did not beat for 1h  held: protected");
    // What the successor needs is looked at before anything is ended.
    check(
        PROBED,
        "lead running noes=3 proven cwd_missing",
        "lead  replace  it is not alive: refused, 3 times in a row  cwd_missing: cwd \"/gone\" does not exist",
    );
}

#[test]
fn who_waits_for_a_person_or_the_end_of_a_limit_is_as_alive_as_can_be() {
    let login = "lead  deliver  it waits for a login  login: a person must log in: \"what it says\"; do it: `reconcile attach lead --rw`";
    check(PROBED, "lead running noes=9 screen=login", login);
    check(BEATING, "lead running silent=9h screen=login", login);
    check(BEATING, "lead running silent=9h screen=limit:1h", "");
    check(PROBED, "lead running noes=9 screen=limit", "");
}

#[test]
fn a_hopeless_one_is_not_replaced_for_ever_and_left_running() {
    let left = |why: &str, often: &str| {
        format!(
            "lead  replace  it is not alive: {why}  unhealthy: it is not alive: {why}; after {often} it is left running as it is; fix what is checked, or replace it: `reconcile restart lead`"
        )
    };
    let refused = "refused, 3 times in a row";
    check(PROBED, "lead running noes=3 proven streak=1 recent=[4m,3m,2m,1m]", &left(refused, "5 failures within 15m"));
    // Slower than the window: none of these lives ever gave a sign of life.
    check(BEATING, "lead running silent=31m streak=4 recent=[2h]", &left("its heart did not beat for 31m", "5 failures in a row"));
    check(
        BEATING,
        "lead running silent=31m streak=4 proven",
        "lead  replace  it is not alive: its heart did not beat for 31m  drain 1 by 1: keys C-c",
    );
    // A person begins anew.
    check(PROBED, "lead running noes=3 proven recent=[4m,3m,2m,1m] replace_up_to=1", "lead  replace  asked for  drain 1 by 1: keys C-c");
}

#[test]
fn an_end_for_a_fault_counts_and_is_followed_by_a_pause() {
    let ended = "lead exited code=0 asked=replace fault=hangs";
    check(PROBED, &format!("{ended} up=1m proven"), "lead  replace  it is not alive: it hangs  again in 1s");
    check(
        PROBED,
        &format!("{ended} up=1m proven ago=1s"),
        "lead  replace  it is not alive: it hangs  spawn 2 (streak 1, recent 1, restarts 1)",
    );
    check(PROBED, &format!("{ended} up=1m streak=2"), "lead  replace  it is not alive: it hangs  again in 4s");
    check(
        LIMITED,
        "lead exited code=0 asked=replace fault=memory up=1m",
        "lead  replace  it uses 5GiB, and limits.memory is 4GiB  again in 1s",
    );
    // That its time is over is no failure.
    check(
        LIMITED,
        "lead exited code=0 asked=replace fault=runtime streak=3",
        "lead  replace  it has run for 9h, and limits.runtime is 8h  spawn 2 (streak 3, recent 0, restarts 0)",
    );
    // The reason stays the same while it leaves.
    check(
        LIMITED,
        "lead leaving drain=1 asked=4s purpose=replace fault=memory",
        "lead  replace  it uses 5GiB, and limits.memory is 4GiB  leaves by drain 1, has 6s",
    );
    check(
        LIMITED,
        "lead leaving drain=1 asked=4s purpose=replace fault=memory wanted=stopped",
        "lead  stop  should be stopped  leaves by drain 1, has 6s",
    );
}

#[test]
fn who_uses_more_than_it_may_is_replaced() {
    check(LIMITED, "lead running memory=4294967296 up=7h", "");
    check(
        LIMITED,
        "lead running memory=4402341479 up=7h",
        "lead  replace  it uses 4.2GiB, and limits.memory is 4GiB  drain 1 by 1: keys C-c",
    );
    check(LIMITED, "lead running up=8h", "lead  replace  it has run for 8h, and limits.runtime is 8h  drain 1 by 1: keys C-c");
    check(
        LIMITED,
        "lead running starting up=10s memory=5368709120",
        "lead  replace  it uses 5GiB, and limits.memory is 4GiB  drain 1 by 1: keys C-c",
    );
    check_rounds("", LIMITED, "lead running up=9h", "lead drain 1 by 1: keys C-c\n lead spawn 2");
    check(LIMITED, "lead running up=9h screen=busy", "lead  replace  it has run for 9h, and limits.runtime is 8h  held: busy");
    check(BEATING, "lead running memory=5368709120 up=90h", "");
}

#[test]
fn a_task_over_its_limits_has_failed_and_is_not_run_again() {
    const TASK: &str = "[agents.lead]\ncommand = [\"run\"]\nlimits = { memory = \"4GiB\", runtime = \"8h\" }\nrestart = { policy = \"never\" }\n[agents.two]\ncommand = [\"run\"]\nafter = { lead = \"succeeded\" }\n";
    let over = "it has run for 8h, and limits.runtime is 8h";
    check(TASK, "lead running up=7h", "");
    check(TASK, "lead running up=8h", &format!("lead  stop  {over}  drain 1 by 1: keys C-c"));
    check_under("watch=heal", TASK, "lead running up=8h", &format!("lead  stop  {over}  drain 1 by 1: keys C-c"));
    check(
        TASK,
        "lead leaving drain=1 asked=4s purpose=stop fault=memory",
        "lead  stop  it uses 5GiB, and limits.memory is 4GiB  leaves by drain 1, has 6s",
    );
    // Whatever its status says when it was asked to end, it did not succeed, and what waits for that never starts.
    let over = "it has run for 9h, and limits.runtime is 8h";
    let failed = format!("it has failed: {over}; restart.policy is \"never\"; change it, or start it again: `reconcile start lead`");
    check(
        TASK,
        "lead exited code=0 asked=stop fault=runtime\n two absent",
        &format!(
            "lead  restart  {over}  failed: {failed}\n two  spawn  new in the manifest  dependency_ended: waits for lead to have succeeded, but lead is blocked: {failed}"
        ),
    );
    check_rounds("", TASK, "lead running up=8h", "lead drain 1 by 1: keys C-c");
    check(TASK, "lead exited code=0 asked=stop fault=runtime replace_up_to=1", "lead  restart  asked for  spawn 2");
}

#[test]
fn a_nudge_is_typed_like_any_text() {
    check(
        BEATING,
        "lead running silent=16m message=nudge screen=idle composer=empty",
        "lead  deliver  a nudge waits for it  type nudge-1 1",
    );
    check(BEATING, "lead running silent=16m message=nudge screen=draft", "lead  deliver  a nudge waits for it  held: draft");
    // Who is to be replaced is nudged no more.
    check(
        BEATING,
        "lead running silent=31m proven message=nudge screen=idle",
        "lead  replace  it is not alive: its heart did not beat for 31m  drain 1 by 1: keys C-c",
    );
}

#[test]
fn a_restart_is_asked_for_first() {
    let ended = "lead exited code=1 up=5s";
    check(
        ASKED,
        &format!("{ended} ago=1h consent=yes"),
        "lead  restart  it exited with status 1  spawn 2 (streak 1, recent 1, restarts 1)",
    );
    check(ASKED, &format!("{ended} consent=yes"), "lead  restart  it exited with status 1  again in 1s");
    check(ASKED, &format!("{ended} ago=1h consent=no"), "");
    let blocked = |why: &str| {
        format!(
            "lead  restart  it exited with status 1  condition_unknown: restart.only_if could not be asked, and without its yes nothing is started: {why}"
        )
    };
    check(ASKED, &format!("{ended} ago=1h consent=unknown"), &blocked("timed out"));
    check(ASKED, &format!("{ended} ago=1h"), &blocked("it was not asked"));
    // Care is applied to it all the same, and other reasons to start it need no consent.
    check(ASKED, &format!(r#"{ended} consent=no title="old""#), r#"lead  amend  title "old" → (none)  amend"#);
    check(ASKED, &format!("{ended} consent=no replace_up_to=1"), "lead  restart  asked for  spawn 2");
    check(ASKED, "lead exited code=1 asked=stop", "lead  restart  stopped, and wanted again  spawn 2");
    check(ASKED, "lead exited code=0 up=1h", "");
    // It comes before the verdict of giving up, and who waits for it waits in vain.
    check(ASKED, &format!("{ended} streak=4 recent=[4m,3m,2m,1m] consent=no"), "");
    check(
        &format!("{ASKED}[agents.two]\ncommand = [\"run\"]\nafter = [\"lead\"]\n"),
        &format!("{ended} consent=no\n two absent"),
        "two  spawn  new in the manifest  dependency_ended: waits for lead to be ready, but lead exited with status 1",
    );
}
