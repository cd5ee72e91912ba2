//! What is wrong with the machine or the fleet as a whole: nothing is started on it, and it counts for no agent.

use super::*;

const TWO: &str = "[agents.lead]\ncommand = [\"run\"]\n[agents.index]\ncommand = [\"run\"]\nruntime = \"daemon\"\n";

#[test]
fn without_tmux_no_agent_in_tmux_is_started_and_no_daemon_waits() {
    check(
        TWO,
        "!no_tmux\n lead absent\n index absent",
        "
        index  spawn  new in the manifest  spawn 1
        lead   spawn  new in the manifest  no_tmux: tmux is not in PATH (/bin)
        ",
    );
}

#[test]
fn where_nothing_can_be_remembered_nothing_is_started_and_ends_go_on() {
    check(
        "[agents.lead]\ncommand = [\"run\"]\n[agents.idle]\ncommand = [\"run\"]\ndesired = \"stopped\"\n",
        "!state_unwritable\n lead exited code=1 ago=1h\n idle running\n gone running",
        "
        gone  stop  not in the manifest  drain 1 by 1: keys C-c
        idle  stop  should be stopped  drain 1 by 1: keys C-c
        lead  restart  it exited with status 1  state_unwritable: the state folder /state cannot be written: said so
        ",
    );
}

#[test]
fn nothing_is_drained_for_a_successor_that_could_not_start() {
    check(
        "[agents.lead]\ncommand = [\"new\"]\n",
        "!no_tmux\n lead running command=[\"old\"]",
        r#"lead  replace  command[0] "old" → "new"  no_tmux: tmux is not in PATH (/bin)"#,
    );
    check(
        "[agents.lead]\ncommand = [\"run\"]\n",
        "!state_unwritable\n lead running replace_up_to=1",
        "lead  replace  asked for  state_unwritable: the state folder /state cannot be written: said so",
    );
}

#[test]
fn what_the_machine_failed_at_is_tried_again_after_a_pause_and_counts_for_nobody() {
    let one = "[agents.lead]\ncommand = [\"run\"]\n";
    check(one, "!tmux_fails=4s\n lead absent streak=1 recent=[5s]", "lead  spawn  new in the manifest  again in 4s");
    check(
        one,
        "!tmux_fails\n lead absent streak=1 recent=[5s]",
        "lead  spawn  new in the manifest  spawn 1 (streak 1, recent 1, restarts 0)",
    );
    check(one, "!machine_fails=4s\n lead absent", "lead  spawn  new in the manifest  spawn 1");
    check(TWO, "!machine_fails=4s\n index absent", "index  spawn  new in the manifest  again in 4s");
}

#[test]
fn a_server_that_does_not_answer_is_one_reason_and_agents_elsewhere_have_their_own() {
    check(
        TWO,
        "!server_unreachable\n lead unknown=\"said so\"\n index unknown=\"its status cannot be read\"",
        "
        index  spawn  cannot be told how it is  unknown: its status cannot be read
        lead   spawn  cannot be told how it is  server_unreachable: tmux server /tmux: said so
        ",
    );
}

#[test]
fn where_not_all_fit_those_that_do_are_started() {
    check(
        "[agents.a]\ncommand = [\"run\"]\n[agents.b]\ncommand = [\"run\"]\n",
        "!too_many_panes\n a absent\n b absent too_many_panes",
        "
        a  spawn  new in the manifest  spawn 1
        b  spawn  new in the manifest  too_many_panes: said so
        ",
    );
}
