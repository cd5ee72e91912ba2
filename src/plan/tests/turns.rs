//! How many agents start or stop at a time, and which of them take up a turn.

use super::*;

#[test]
fn so_many_at_a_time_set_out() {
    let manifest = "[agents.a]\ncommand = [\"run\"]\n[agents.b]\ncommand = [\"run\"]\n[agents.c]\ncommand = [\"run\"]\n";
    let all = "a absent\n b absent\n c absent";
    check_under(
        "parallelism=2",
        manifest,
        all,
        "
        a  spawn  new in the manifest  spawn 1
        b  spawn  new in the manifest  spawn 1
        c  spawn  new in the manifest  waits for its turn
    ",
    );
    check_rounds("parallelism=1", manifest, all, "a spawn 1\n b spawn 1\n c spawn 1");
    check_rounds("parallelism=2", manifest, all, "a spawn 1, b spawn 1\n c spawn 1");
    // None at all would be for ever.
    check_rounds("parallelism=0", manifest, all, "a spawn 1\n b spawn 1\n c spawn 1");
    check_rounds("", manifest, all, "a spawn 1, b spawn 1, c spawn 1");
}

#[test]
fn those_on_their_way_take_up_a_turn() {
    let manifest = "[agents.a]\ncommand = [\"run\"]\n[agents.b]\ncommand = [\"run\"]\n[agents.c]\ncommand = [\"run\"]\n";
    check_under(
        "parallelism=1",
        manifest,
        "a running starting up=300ms\n b absent",
        "
        a  spawn  not ready yet        ready? look in 700ms, until 1m29s700ms
        b  spawn  new in the manifest  waits for its turn
    ",
    );
    check_under(
        "parallelism=2 max_stop=100%",
        manifest,
        "a running starting up=300ms\n b running command=[\"old\"]\n c running command=[\"old\"]",
        "
        a  spawn    not ready yet                 ready? look in 700ms, until 1m29s700ms
        b  replace  command[0] \"old\" → \"run\"  drain 1 by 1: keys C-c
        c  replace  command[0] \"old\" → \"run\"  waits for its turn
    ",
    );
    // One on its way needs no second turn for its next step.
    check_under(
        "parallelism=1",
        manifest,
        "a leaving drain=1 asked=10s purpose=replace command=[\"old\"]\n b absent",
        "
        a  replace  command[0] \"old\" → \"run\"  drain 1 by 2: signal TERM
        b  spawn    new in the manifest           waits for its turn
    ",
    );
    // Care, names and what is let go take no turn.
    check_under(
        "parallelism=1",
        manifest,
        "a running starting up=300ms\n b running title=\"was\"\n c running record=lost\n d exited code=0",
        "
        a  spawn   not ready yet           ready? look in 700ms, until 1m29s700ms
        b  amend   title \"was\" → (none)  amend
        c  adopt   runs as declared, and no record knows it  adopt 1
        d  forget  not in the manifest     forget
    ",
    );
}

#[test]
fn one_that_does_not_get_on_takes_up_no_turn() {
    // Else nobody else would ever set out (invariant 4).
    let manifest = "[agents.a]\ncommand = [\"run\"]\n[agents.b]\ncommand = [\"run\"]\n";
    check_under(
        "parallelism=1",
        manifest,
        "a leaving kill asked=1h purpose=replace command=[\"old\"]\n b absent",
        "
        a  replace  command[0] \"old\" → \"run\"  kill_failed: still there 5s after the kill of its whole tree: pid 100, pid 101
        b  spawn    new in the manifest           spawn 1
    ",
    );
    check_under("parallelism=1", manifest, "a running failing=\"no prompt\"\n b absent", "
        a  spawn  not ready yet        not_ready: not ready: no prompt; it was left running; fix what it waits for, or replace it: `reconcile restart a`
        b  spawn  new in the manifest  spawn 1
    ");
}

#[test]
fn who_is_held_for_another_is_no_reason_to_wait() {
    // eve cannot be killed, so cyd, on whom it depends, is kept; and dan, who needs cyd, has it.
    let manifest = "[agents.cyd]\ncommand = [\"run\"]\n[agents.dan]\ncommand = [\"run\"]\nafter = [\"cyd\"]\n[agents.eve]\ncommand = [\"run\"]\nafter = [\"cyd\"]\n";
    check(
        manifest,
        "cyd running command=[\"old\"]\n dan absent\n eve leaving kill asked=1h purpose=replace command=[\"old\"]",
        "
        cyd  replace  command[0] \"old\" → \"run\"  held: by eve
        dan  spawn    new in the manifest           spawn 1
        eve  replace  command[0] \"old\" → \"run\"  kill_failed: still there 5s after the kill of its whole tree: pid 100, pid 101
    ",
    );
}
