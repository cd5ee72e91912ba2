//! Agents that go on under another name.

use super::*;

const NEW: &str = "[agents.new]\ncommand = [\"run\"]\nrenamed_from = \"old\"\n";

#[test]
fn an_instance_is_kept_under_the_new_name() {
    check(NEW, "new absent\n old running gen=4", "new  amend  renamed from old  rename old");
    check_rounds("", NEW, "new absent\n old running gen=4", "new rename old");
    check(NEW, "new absent\n old exited code=1 up=1s", "new  amend  renamed from old  rename old");
    check(NEW, "new absent\n old leaving drain=1 asked=1s", "new  amend  renamed from old  rename old");
    // People who look at it are not in the way, and it is not one that could be protected from its new name.
    check(NEW, "new absent\n old running attached=1 protect=true", "new  amend  renamed from old  rename old");
}

#[test]
fn only_places_named_after_the_agent_follow() {
    // In a session of another name it stays, and nothing is left to do.
    let shared = "[agents.new]\ncommand = [\"run\"]\nsession = \"work\"\nwindow = \"w\"\nrenamed_from = \"old\"\n";
    check_rounds(
        "",
        shared,
        r#"new absent
        old running session="work" window="w""#,
        "new rename old",
    );
    // From a session of its own into another: that is another place.
    let moved = "[agents.new]\ncommand = [\"run\"]\nsession = \"work\"\nrenamed_from = \"old\"\n";
    check_rounds("", moved, "new absent\n old running gen=4", "new rename old\n new drain 4 by 1: keys C-c\n new spawn 5");
    // The other way round: a place that it has by another name is not given up for the default.
    check_rounds(
        "",
        NEW,
        r#"new absent
        old running gen=4 session="work""#,
        "new rename old\n new drain 4 by 1: keys C-c\n new spawn 5",
    );
}

#[test]
fn what_changed_with_the_name_comes_after_it() {
    check_rounds(
        "",
        NEW,
        r#"new absent
        old running gen=4 command=["other"]"#,
        "new rename old\n new drain 4 by 1: keys C-c\n new spawn 5",
    );
    check_rounds(
        "",
        NEW,
        r#"new absent
        old running gen=4 title="was""#,
        "new rename old\n new amend",
    );
}

#[test]
fn a_name_that_was_never_used_is_no_rename() {
    check(NEW, "new absent", "new  spawn  new in the manifest  spawn 1");
    check(NEW, "new absent\n old absent", "new  spawn  new in the manifest  spawn 1\n old  forget  not in the manifest  forget");
}

#[test]
fn a_rename_that_was_done_is_done() {
    // The line may stay in the manifest. One that came up under the old name again is just not declared.
    check(NEW, "", "");
    check_under("max_stop=100%", NEW, "old running", "old  stop  not in the manifest  drain 1 by 1: keys C-c");
    check(NEW, "new exited code=0\n old running", "old  stop  not in the manifest  drain 1 by 1: keys C-c");
}

#[test]
fn what_cannot_be_told_is_not_renamed() {
    let blocked = "new  amend  renamed from old  unknown: timed out";
    check(
        NEW,
        r#"new absent
        old unknown="timed out" gen=4"#,
        blocked,
    );
    // Nor is anything put over what the new name may have.
    check(
        NEW,
        r#"new unknown="timed out" gen=0
        old running gen=4"#,
        blocked,
    );
}

#[test]
fn what_an_earlier_life_left_is_swept_before_the_rename() {
    check(NEW, "new absent\n old running gen=4 remains=1", "old  amend  an earlier life left processes behind  sweep by TERM");
    check_rounds("", NEW, "new absent\n old running gen=4 remains=1", "old sweep by TERM\n new rename old");
}

#[test]
fn out_of_scope_nothing_is_renamed_or_stopped() {
    check_under("scope=other", NEW, "new absent\n old running", "");
    check_under("scope=new", NEW, "new absent\n old running", "new  amend  renamed from old  rename old");
}

#[test]
fn those_who_wait_for_it_wait_for_its_new_name() {
    let manifest = "[agents.new]\ncommand = [\"run\"]\nrenamed_from = \"old\"\n[agents.worker]\ncommand = [\"run\"]\nafter = [\"new\"]\n";
    check_rounds("", manifest, "new absent\n old running gen=4\n worker absent", "new rename old\n worker spawn 1");
}

#[test]
fn a_lost_record_does_not_keep_it_from_its_new_name() {
    // The mark was given under the old name, and its digest tells of the place of that name.
    check_rounds("", NEW, "new absent\n old running gen=4 record=lost", "new rename old");
    check_rounds(
        "",
        NEW,
        r#"new absent
        old running gen=4 record=lost command=["other"]"#,
        "new rename old\n new drain 4 by 1: keys C-c\n new spawn 5",
    );
    let shared = "[agents.new]\ncommand = [\"run\"]\nsession = \"work\"\nwindow = \"w\"\nrenamed_from = \"old\"\n";
    check_rounds(
        "",
        shared,
        r#"new absent
        old running gen=4 record=lost session="work" window="w""#,
        "new rename old",
    );
    check_rounds("", shared, "new absent\n old running gen=4 record=lost", "new rename old\n new drain 4 by 1: keys C-c\n new spawn 5");
    let daemon = "[agents.new]\ncommand = [\"run\"]\nruntime = \"daemon\"\nrenamed_from = \"old\"\n";
    check_rounds(
        "",
        daemon,
        r#"new absent
        old running gen=4 record=lost runtime="daemon""#,
        "new rename old",
    );
}
