//! Lost records and found instances.

use super::*;

const LEAD: &str = "[agents.lead]\ncommand = [\"run\"]\n";

#[test]
fn a_lost_record_is_rebuilt_from_a_mark_that_tells_of_this_launch() {
    check(LEAD, "lead running gen=7 record=lost", "lead  adopt  runs as declared, and no record knows it  adopt 7");
    check(LEAD, "lead running gen=7 record=lost attached=3", "lead  adopt  runs as declared, and no record knows it  adopt 7");
    check(LEAD, r#"lead running gen=7 record=lost title="was""#, "lead  adopt  runs as declared, and no record knows it  adopt 7");
}

#[test]
fn a_mark_that_tells_of_another_launch_is_a_reason_to_replace() {
    let why = "its mark tells of another launch, and its record is lost";
    check(LEAD, r#"lead running gen=7 record=lost command=["old"]"#, &format!("lead  replace  {why}  drain 7 by 1: keys C-c"));
    check(LEAD, r#"lead running gen=7 record=lost command=["old"] attached=1"#, &format!("lead  replace  {why}  held: 1 attached"));
    check(
        "[agents.lead]\ncommand = [\"run\"]\nprotect = true\n",
        r#"lead running gen=7 record=lost command=["old"]"#,
        &format!("lead  replace  {why}  held: protected"),
    );
}

#[test]
fn one_that_was_found_by_its_pidfile_becomes_ours() {
    check(LEAD, "lead running record=lost mark=lost", "lead  adopt  runs as declared, and no record knows it  adopt 1");
    check(LEAD, "lead running starting record=lost mark=lost", "lead  adopt  runs as declared, and no record knows it  adopt 1");
}

#[test]
fn a_lost_record_of_one_that_ended_is_no_reason_to_wait() {
    check(
        LEAD,
        "lead exited code=1 record=lost up=1h ago=1h",
        "lead  restart  it exited with status 1  spawn 2 (streak 1, recent 1, restarts 1)",
    );
    check(LEAD, "lead exited code=0 record=lost", "");
}

#[test]
fn after_a_lost_state_folder_nobody_is_restarted() {
    let manifest = "[agents.ada]\ncommand = [\"run\"]\n[agents.bob]\ncommand = [\"run\"]\nafter = [\"ada\"]\n";
    check(
        manifest,
        "ada running gen=3 record=lost\n bob running gen=5 record=lost",
        "
        ada  adopt  runs as declared, and no record knows it  adopt 3
        bob  adopt  runs as declared, and no record knows it  adopt 5
        ",
    );
    check_rounds("", manifest, "ada running gen=3 record=lost\n bob running gen=5 record=lost", "ada adopt 3, bob adopt 5");
}

#[test]
fn who_should_not_run_is_not_adopted() {
    check(
        "[agents.lead]\ncommand = [\"run\"]\ndesired = \"stopped\"\n",
        "lead running record=lost",
        "lead  stop  should be stopped  drain 1 by 1: keys C-c",
    );
}
