//! What a watcher does by itself, and what people want to be left alone.

use super::*;
use crate::observed::Halt;

/// One of each: new, changed care, changed launch, stopped by the manifest, stopped by a person, asked to be replaced, gone from the manifest.
const MANIFEST: &str = "
    [guard]
    max_stop = \"100%\"
    [agents.asked]
    command = [\"run\"]
    [agents.care]
    command = [\"run\"]
    protect = false
    [agents.down]
    command = [\"run\"]
    desired = \"stopped\"
    [agents.launch]
    command = [\"run\"]
    [agents.new]
    command = [\"run\"]
    [agents.stop]
    command = [\"run\"]
";

const LOOK: &str = "
    asked running replace_up_to=1
    care running protect=true
    down running
    gone running
    launch running command=[\"old\"]
    new absent
    stop running wanted=stopped
";

#[test]
fn each_level_does_what_the_ones_before_it_do() {
    let common = |drift: &str, leaves: &str| {
        format!(
            "asked  replace  asked for  drain 1 by 1: keys C-c
             care  amend  protect true → false  {}
             down  stop  should be stopped  {drift}
             gone  stop  not in the manifest  {leaves}
             launch  replace  command[0] \"old\" → \"run\"  {drift}
             new  spawn  new in the manifest  spawn 1
             stop  stop  should be stopped  drain 1 by 1: keys C-c",
            if drift.starts_with("held") { drift } else { "amend" }
        )
    };
    check_under("watch=heal", MANIFEST, LOOK, &common("held: auto heal", "held: auto heal"));
    check_under("watch=safe", MANIFEST, LOOK, &common("drain 1 by 1: keys C-c", "held: auto safe"));
    check_under("watch=all", MANIFEST, LOOK, &common("drain 1 by 1: keys C-c", "drain 1 by 1: keys C-c"));
}

#[test]
fn at_the_safe_level_only_what_rests_is_replaced_whatever_its_hold_says() {
    let manifest = "[agents.a]\ncommand = [\"run\"]\nhold = []\npreset = \"claude\"\n";
    let because = "a  replace  command[0] \"old\" → \"run\"";
    let ask = "drain 1 by 1: ask \"/exit\"";
    for (word, held) in [("attached=2 screen=idle", "held: 2 attached"), ("screen=busy", "held: busy")] {
        let look = format!("a running command=[\"old\"] {word}");
        check_under("watch=safe", manifest, &look, &format!("{because}  {held}"));
        check_under("watch=all", manifest, &look, &format!("{because}  {ask}"));
    }
    let draft = "a running command=[\"old\"] screen=draft";
    check_under("watch=safe", manifest, draft, &format!("{because}  held: draft"));
    check_under("watch=all", manifest, draft, &format!("{because}  drain 1 by 2: signal TERM"));
    check_under("watch=safe", manifest, "a running replace_up_to=1 attached=1 screen=idle", &format!("a  replace  asked for  {ask}"));
}

#[test]
fn what_was_begun_is_brought_to_its_end_at_every_level() {
    check_under("watch=heal allow_empty", "", "a leaving drain=1 asked=1s", "a  stop  not in the manifest  leaves by drain 1, has 9s");
}

#[test]
fn a_guard_holds_what_a_watcher_would_stop_and_the_rest_goes_on() {
    let agents: String = (0..6).map(|number| format!("[agents.a{number}]\ncommand = [\"run\"]\n")).collect();
    let look: String = (0..4).map(|number| format!("a{number} running command=[\"old\"]\n")).collect();
    let look = format!("{look} a4 exited code=1 ago=1m\n");
    let held: String = (0..4).map(|number| format!("a{number}  replace  command[0] \"old\" → \"run\"  held: guard max_stop\n")).collect();
    let expected = format!("{held}a4  restart  it exited with status 1  spawn 2 (streak 1, recent 1, restarts 1)\nguard  max_stop 50%  4");
    check_under("watch=safe", &agents, &look, &expected);
}

#[test]
fn what_ended_together_starts_again_in_waves() {
    let agents: String = (0..25).map(|number| format!("[agents.a{number:02}]\ncommand = [\"run\"]\n")).collect();
    let ended = |from: usize| (from..25).map(|number| format!("a{number:02} exited signal=9 ago=5m\n")).collect::<String>();
    let line = |number: usize, next: &str| format!("a{number:02}  restart  it was ended by signal 9  {next}\n");
    let spawns =
        |range: std::ops::Range<usize>| range.map(|number| line(number, "spawn 2 (streak 1, recent 1, restarts 1)")).collect::<String>();
    let waits =
        |range: std::ops::Range<usize>, left: &str| range.map(|number| line(number, &format!("wave in {left}"))).collect::<String>();
    check_under("watch=safe", &agents, &ended(0), &(spawns(0..10) + &waits(10..25, "1s")));
    // A run that somebody approved does not wait.
    check_under("", &agents, &ended(0), &spawns(0..25));
    let started: String = (0..10).map(|number| format!("a{number:02} running gen=2 up=400ms\n")).collect();
    check_under("watch=safe", &agents, &(started + &ended(10)), &waits(10..25, "600ms"));
    let started: String = (0..10).map(|number| format!("a{number:02} running gen=2 up=1s\n")).collect();
    check_under("watch=safe", &agents, &(started + &ended(10)), &(spawns(10..20) + &waits(20..25, "1s")));
    // Ends that are far from each other are no one event, nor are starts of what never ran.
    let apart: String = (0..25).map(|number| format!("a{number:02} exited signal=9 ago={}s\n", 60 + 20 * number)).collect();
    check_under("watch=safe", &agents, &apart, &spawns(0..25));
    let new: String = (0..25).map(|number| format!("a{number:02} absent\n")).collect();
    let all: String = (0..25).map(|number| format!("a{number:02}  spawn  new in the manifest  spawn 1\n")).collect();
    check_under("watch=safe", &agents, &new, &all);
}

#[test]
fn what_is_paused_is_left_alone_until_its_time() {
    let manifest = "[agents.a]\ncommand = [\"run\"]\n[agents.b]\ncommand = [\"run\"]\nafter = { a = \"started\" }\n";
    check(manifest, "a exited code=1 paused ago=1m", "a  restart  it exited with status 1  held: paused");
    check(manifest, "a exited code=1 paused=5m ago=1m", "a  restart  it exited with status 1  held: paused for 5m");
    check(manifest, "a running paused", "");
    check_under("now", manifest, "a running command=[\"old\"] paused", "a  replace  command[0] \"old\" → \"run\"  held: paused");
    check(manifest, "a running wanted=stopped paused", "a  stop  should be stopped  held: paused");
}

#[test]
fn a_halted_fleet_is_left_alone() {
    let desired = desired(MANIFEST);
    let mut observed = look::read(MANIFEST, &desired, LOOK);
    observed.halted = Some(Halt { since: ago("1m"), why: None, frozen: false, doubt: None });
    let plan = plan(&desired, &observed, &Terms::default());
    assert!(plan.changes.values().all(|change| change.next == Next::Held(Held::Halted)), "{}", show(&plan));
    assert_eq!(plan.changes.len(), 7);
}

fn ago(length: &str) -> Timestamp {
    look::ago(length)
}
