//! What is not typed: behind a text that was not confirmed, and at a program that a signal has stopped.

use super::*;

const LEAD: &str = "[agents.lead]\ncommand = [\"run\"]\npreset = \"claude\"\naccept = [\"trust\"]\n";
const PLAIN: &str = "[agents.lead]\ncommand = [\"run\"]\n";

#[test]
fn nothing_is_typed_behind_a_text_that_was_not_confirmed() {
    let due = "lead  deliver  a text waits for it";
    let kept = "lead  deliver  a prompt waits for it  unconfirmed: its prompt was typed and not confirmed, and may still wait in its terminal, so \
                nothing more is typed; look at it: `reconcile screen lead`, then submit it: `reconcile keys lead Enter`, or clear it: \
                `reconcile keys lead C-u`";
    let behind = kept.replace("a prompt waits", "a text waits");
    // Enter was never pressed: it stands there alone, and is told of.
    for look in ["", "message=text"] {
        check(PLAIN, &format!("lead running late=10m {look} screen=idle"), kept);
    }
    // Enter was pressed, and it cannot be told whether it was taken: that counts where something is to be typed.
    check(PLAIN, "lead running late=10m:1 screen=idle", "");
    check(PLAIN, "lead running late=10m:1 message=text screen=unwatched", &behind);
    check_under("only_messages", PLAIN, "lead running late=10m:1 message=text screen=unwatched", &behind);
    check(PLAIN, "lead running late=10m:1 screen=unwatched terminal=keys:12", kept);
    // It went on since.
    check(PLAIN, "lead running late=10m:1 message=text screen=unwatched says=moved", &format!("{due}  type text-1 1"));
    check(PLAIN, "lead running late=10m:1 message=text screen=unwatched says=moved terminal=keys:12", kept);
    // Rules show that nothing stands there, unless what was typed has not been read.
    check(LEAD, "lead running late=10m message=text screen=idle composer=empty", &format!("{due}  type text-1 1"));
    check(LEAD, "lead running late=10m message=text screen=idle composer=empty terminal=keys:3", kept);
    check(LEAD, "lead running late=10m message=text screen=busy", &format!("{due}  held: busy"));
    // A person sees to it with keys.
    check(PLAIN, "lead running late=10m message=keys screen=idle", &format!("{due}  type keys-1 1"));
    check(LEAD, "lead running late=10m message=keys screen=draft composer=dothe-end", &format!("{due}  type keys-1 1"));
    // A request to end is not typed behind it either.
    let stop = format!("{PLAIN}desired = \"stopped\"\ndrain = [{{ ask = \"stop\" }}, {{ keys = [\"C-c\"] }}]\n");
    check(&stop, "lead running late=10m screen=idle desired=\"running\"", "lead  stop  should be stopped  drain 1 by 2: keys C-c");
}

#[test]
fn a_suspended_program_is_not_typed_at() {
    let held = "held: 77 is suspended";
    check(PLAIN, "lead running message=text screen=idle suspended=77", &format!("lead  deliver  a text waits for it  {held}"));
    check(
        LEAD,
        "lead running message=keys screen=idle composer=empty suspended=77",
        &format!("lead  deliver  a text waits for it  {held}"),
    );
    check(LEAD, "lead running screen=asks:trust suspended=77", &format!("lead  deliver  it asks `trust`  {held}"));
    // What was begun gets no Enter.
    let due = "lead  deliver  a prompt waits for it";
    let typing = |look: &str| format!("lead running typing=prompt:{look} screen=unwatched says=the-end suspended=77");
    check(PLAIN, &typing("0:1s"), &format!("{due}  screen, look in 100ms"));
    for enters in ["0", "1"] {
        check(
            PLAIN,
            &typing(&format!("{enters}:5s")),
            &format!("{due}  receive prompt-1 unconfirmed: a signal has stopped its program (pid 77), and it reads nothing"),
        );
    }
    let stop = format!("{PLAIN}desired = \"stopped\"\ndrain = [{{ ask = \"stop\" }}, {{ signal = \"TERM\" }}]\n");
    check(&stop, "lead running screen=idle suspended=77 desired=\"running\"", "lead  stop  should be stopped  drain 1 by 2: signal TERM");
}
