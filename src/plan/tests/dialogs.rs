//! Which dialogs are answered, key by key, and which need a person.

use super::*;

const LEAD: &str = "[agents.lead]\ncommand = [\"run\"]\npreset = \"claude\"\naccept = [\"trust\"]\n";
const PLAIN: &str = "[agents.lead]\ncommand = [\"run\"]\n";

#[test]
fn an_accepted_dialog_is_answered_key_by_key() {
    let asks = "lead  spawn  it asks `trust`";
    check(LEAD, "lead running starting screen=asks:trust key=Down", &format!("{asks}  answer trust by Down, press 1"));
    // Keys that come too fast get lost.
    check(LEAD, "lead running starting screen=asks:trust key=Enter answering=trust:1:0:100ms", &format!("{asks}  dialog, look in 100ms"));
    check(
        LEAD,
        "lead running starting screen=asks:trust key=Enter answering=trust:1:0:200ms",
        &format!("{asks}  answer trust by Enter, press 2"),
    );
    // After the answer it is looked for the end of the dialog, and only then answered again.
    check(LEAD, "lead running starting screen=asks:trust key=Enter answering=trust:2:1:1s", &format!("{asks}  dialog, look in 100ms"));
    check(
        LEAD,
        "lead running starting screen=asks:trust key=Enter answering=trust:2:1:2s",
        &format!("{asks}  answer trust by Enter, press 3"),
    );
    check(
        LEAD,
        "lead running starting screen=asks:trust answering=trust:7:5:2s",
        &format!("{asks}  dialog: `trust` does not go away, whatever is pressed; answer it: `reconcile attach lead --rw`"),
    );
    // A key whose effect is not seen yet may only be late: it is not pressed again at once, and if it was, Enter waits until both took effect.
    let late = |look: &str| format!("lead running starting screen=asks:trust {look}");
    check(LEAD, &late("key=Down row=0 stood=0 answering=trust:1:0:1s"), &format!("{asks}  dialog, look in 100ms"));
    check(LEAD, &late("key=Down row=0 stood=0 answering=trust:1:0:2s"), &format!("{asks}  answer trust by Down, press 2"));
    check(LEAD, &late("key=Down row=1 stood=0 answering=trust:1:0:200ms"), &format!("{asks}  answer trust by Down, press 2"));
    check(LEAD, &late("key=Enter row=1 stood=0 answering=trust:1:0:200ms"), &format!("{asks}  answer trust by Enter, press 2"));
    check(LEAD, &late("key=Enter row=1 stood=0 doubled answering=trust:2:0:1s"), &format!("{asks}  dialog, look in 100ms"));
    check(LEAD, &late("key=Enter row=1 stood=0 doubled answering=trust:2:0:2s"), &format!("{asks}  answer trust by Enter, press 3"));
    // What was begun for another dialog says nothing about this one.
    check(
        LEAD,
        "lead running starting screen=asks:trust key=Down answering=bypass:3:1:10ms",
        &format!("{asks}  answer trust by Down, press 1"),
    );
}

#[test]
fn a_dialog_that_is_not_accepted_needs_a_person_and_says_how_to_accept_it() {
    check(
        LEAD,
        "lead running starting screen=asks:bypass",
        "lead  spawn  it asks `bypass`  dialog: it asks `bypass`: \"what it says\"; allow it with accept = [\"bypass\"], or answer it: `reconcile attach lead --rw`",
    );
    check(
        LEAD,
        "lead running starting screen=asks",
        "lead  spawn  it asks something  dialog: no rule knows what it asks: \"what it says\"; answer it: `reconcile attach lead --rw`",
    );
    check(
        LEAD,
        "lead running starting screen=asks:trust key=none",
        "lead  spawn  it asks `trust`  dialog: `trust` cannot be answered: no row fits; answer it: `reconcile attach lead --rw`",
    );
    check(
        LEAD,
        "lead running screen=asks:trust answered=trust",
        "lead  deliver  it asks `trust`  dialog: it asks `trust` again, which was answered in this life before; answer it: `reconcile attach lead --rw`",
    );
}

#[test]
fn rules_of_the_manifest_are_answered_as_often_as_they_say() {
    let rule = |more: &str| format!("{PLAIN}dialogs = [{{ name = \"update\", match = \"Update\", {more} }}]\n");
    let asks = "lead running screen=asks:update answered=update";
    check(&rule("keys = [\"s\"], max = 2"), asks, "lead  deliver  it asks `update`  answer update by Enter, press 1");
    let again = "it asks `update` again, which was answered in this life before; answer it: `reconcile attach lead --rw`";
    check(&rule("keys = [\"s\"]"), asks, &format!("lead  deliver  it asks `update`  dialog: {again}"));
    check(
        &rule("stop = true"),
        "lead running screen=asks:update",
        "lead  deliver  it asks `update`  dialog: it asks `update`: \"what it says\"; answer it: `reconcile attach lead --rw`",
    );
}

#[test]
fn what_only_a_person_can_do_is_blocked_and_nothing_is_typed() {
    check(
        LEAD,
        "lead running screen=permission message=prompt",
        "lead  deliver  it asks for a permission  permission: it asks for a permission: \"what it says\"; answer it: `reconcile attach lead --rw`",
    );
    check(
        LEAD,
        "lead running starting screen=login",
        "lead  spawn  it waits for a login  login: a person must log in: \"what it says\"; do it: `reconcile attach lead --rw`",
    );
    check(
        LEAD,
        "lead running screen=exhausted message=prompt",
        "lead  deliver  its context is full  context_full: its context is full, so it cannot go on: \"what it says\"; start it over: `reconcile restart lead`",
    );
    check(
        LEAD,
        "lead running screen=crashed",
        "lead  deliver  it crashed  crashed: it crashed and left its screen behind: \"what it says\"; `reconcile restart lead`",
    );
}

#[test]
fn whom_a_dialog_keeps_from_being_ready_is_not_waited_for() {
    let fleet = format!("{LEAD}[agents.clone]\ncommand = [\"run\"]\nafter = [\"lead\"]\n");
    check(
        &fleet,
        "lead running starting screen=asks:trust key=Down\nclone absent",
        "clone  spawn  new in the manifest  waits for lead to be ready\nlead  spawn  it asks `trust`  answer trust by Down, press 1",
    );
    check(
        &fleet,
        "lead running starting screen=login\nclone absent",
        "clone  spawn  new in the manifest  dependency_ended: waits for lead to be ready, but lead is blocked: a person must log in: \"what it says\"; do it: `reconcile attach lead --rw`
         lead  spawn  it waits for a login  login: a person must log in: \"what it says\"; do it: `reconcile attach lead --rw`",
    );
}

#[test]
fn a_stop_answers_no_dialogs_and_a_replacement_those_that_are_accepted() {
    let steps = "drain = [{ ask = \"save and stop\", wait = \"1m\" }, { keys = [\"C-c\"] }]\n";
    let stop = format!("{LEAD}desired = \"stopped\"\n{steps}");
    let asked = |look: &str| format!("lead leaving drain=1 {look} desired=\"running\"");
    check(&stop, &asked("asked=1s screen=asks:trust"), "lead  stop  should be stopped  leaves by drain 1, has 59s");
    check(&stop, &asked("asked=1m screen=asks:trust"), "lead  stop  should be stopped  drain 1 by 2: keys C-c");
    let replace = format!("{LEAD}{steps}");
    let asked = |look: &str| format!("lead leaving drain=1 {look} replace_up_to=1 purpose=replace");
    check(&replace, &asked("asked=1s screen=asks:trust"), "lead  replace  asked for  answer trust by Enter, press 1");
    check(&replace, &asked("asked=1s screen=asks:bypass"), "lead  replace  asked for  leaves by drain 1, has 59s");
}
