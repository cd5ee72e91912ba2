//! What earlier lives left behind, and what another state folder remembers.

use super::*;

const ONE: &str = "[agents.lead]\ncommand = [\"run\"]\nrestart = { backoff = { jitter = 0.0 } }\n";

#[test]
fn what_an_earlier_life_left_is_swept_before_anything_else() {
    check(ONE, "lead exited code=1 ago=1h remains=1", "lead  spawn  an earlier life left processes behind  sweep by TERM");
    check(ONE, "lead absent gen=1 remains=2", "lead  spawn  an earlier life left processes behind  sweep by TERM");
    check(ONE, r#"lead running remains=1 command=["old"]"#, "lead  spawn  an earlier life left processes behind  sweep by TERM");
    check(ONE, "lead leaving drain=1 asked=1h remains=1", "lead  spawn  an earlier life left processes behind  sweep by TERM");
    check_under("allow_empty", "", "lead exited code=0 remains=1", "lead  stop  an earlier life left processes behind  sweep by TERM");
    check(ONE, "lead exited code=1 wanted=stopped remains=1", "lead  stop  an earlier life left processes behind  sweep by TERM");
    // Before an order is kept, or what was shown is asked for.
    check_under(
        "allow_empty shown=",
        "",
        "ada running remains=1\n bob running after=[\"ada\"]",
        "
        ada  stop  an earlier life left processes behind  sweep by TERM
        bob  stop  not in the manifest                    held: not shown
        ",
    );
    check_rounds("", ONE, "lead exited code=1 ago=1h remains=1", "lead sweep by TERM\n lead spawn 2 (streak 1, recent 1, restarts 1)");
}

#[test]
fn a_sweep_is_held_and_asked_for_like_any_end() {
    let due = "lead  spawn  an earlier life left processes behind";
    let look = |more: &str| format!("lead exited code=1 ago=1h remains=1 {more}");
    check(ONE, &look("sweeping=1s"), &format!("{due}  leaves by drain 1, has 9s"));
    check(ONE, &look("sweeping=10s"), &format!("{due}  sweep"));
    check(ONE, &look("attached=2"), &format!("{due}  held: 2 attached"));
    check_under("now", ONE, &look("attached=2"), &format!("{due}  sweep by TERM"));
    check(ONE, &look("cwd_missing"), &format!("{due}  cwd_missing: cwd \"/gone\" does not exist"));
    let protected = format!("{ONE}protect = true\n");
    check(&protected, &look(""), &format!("{due}  held: protected"));
    check_under("allow_kill=lead", &protected, &look(""), &format!("{due}  sweep by TERM"));
    // Those that look at the present instance do not look at what is left of another one.
    check(ONE, "lead running remains=1 attached=1", &format!("{due}  sweep by TERM"));
    let own = format!("{ONE}drain = [{{ keys = [\"C-c\"] }}, {{ signal = \"INT\", wait = \"1m\" }}]\n");
    check(&own, &look(""), &format!("{due}  sweep by INT"));
    check(&own, &look("sweeping=10s"), &format!("{due}  leaves by drain 1, has 50s"));
}

#[test]
fn what_another_state_folder_remembers_is_left_to_it() {
    let blocked =
        "other_state_folder: the state folder /other has the record of its instance: use that one, or take it over with --take-over";
    for look in ["running", "running replace_up_to=1", "running wanted=stopped", "leaving drain=1 asked=1h", "exited code=1 remains=1"] {
        let kind = if look.contains("stopped") { "stop" } else { "spawn" };
        check(
            ONE,
            &format!("lead {look} elsewhere=/other"),
            &format!("lead  {kind}  runs as declared, and no record knows it  {blocked}\nguard  state_folder /other  1"),
        );
    }
}
