//! What is typed on terminals, and what keeps from it.

use super::*;

const LEAD: &str = "[agents.lead]\ncommand = [\"run\"]\npreset = \"claude\"\naccept = [\"trust\"]\n";

const PLAIN: &str = "[agents.lead]\ncommand = [\"run\"]\n";

#[test]
fn a_prompt_is_typed_when_the_agent_rests_and_never_over_something() {
    let due = "lead  deliver  a prompt waits for it";
    check(LEAD, "lead running message=prompt screen=idle composer=empty", &format!("{due}  type prompt-1 1"));
    check(LEAD, "lead running message=prompt screen=busy", &format!("{due}  held: busy"));
    // Right after it got ready it may only be preparing itself.
    check(LEAD, "lead running up=29s message=prompt screen=busy", &format!("{due}  screen, look in 100ms"));
    check(LEAD, "lead running up=30s message=prompt screen=busy", &format!("{due}  held: busy"));
    check(LEAD, "lead running message=prompt screen=draft composer=hello", &format!("{due}  held: draft"));
    check(LEAD, "lead running message=prompt screen=unclear", &format!("{due}  held: unclear"));
    check(LEAD, "lead running message=prompt screen=limit:1h", &format!("{due}  held: limit for 1h"));
    check(LEAD, "lead running message=prompt screen=limit", &format!("{due}  held: limit"));
    check(LEAD, "lead running message=prompt screen=idle shell=bash", &format!("{due}  held: at bash"));
    check(LEAD, "lead running message=unreadable screen=idle", &format!("{due}  unreadable: its prompt cannot be read: it is gone"));
    check(PLAIN, "lead running message=prompt", &format!("{due}  type prompt-1 1"));
    // Not before it is ready.
    check(PLAIN, "lead running starting up=500ms message=prompt", "lead  spawn  not ready yet  ready? look in 500ms, until 1m29s500ms");
    // Only who says so is typed while it works; over a draft, nobody.
    check(LEAD, "lead running message=urgent screen=busy", "lead  deliver  a text waits for it  type urgent-1 1");
    check(LEAD, "lead running message=urgent screen=draft", "lead  deliver  a text waits for it  held: draft");
}

#[test]
fn enter_follows_when_all_of_a_text_stands_there() {
    let due = "lead  deliver  a prompt waits for it";
    let typing = |look: &str| format!("lead running typing=prompt:0:{look}");
    check(LEAD, &typing("100ms screen=draft composer=dothe-end"), &format!("{due}  screen, look in 200ms"));
    check(LEAD, &typing("300ms screen=draft composer=dothe-end"), &format!("{due}  submit prompt-1, enter 1"));
    check(LEAD, &typing("300ms screen=draft composer=pasted"), &format!("{due}  submit prompt-1, enter 1"));
    check(LEAD, &typing("300ms screen=draft composer=dothe-endornotquit"), &format!("{due}  submit prompt-1, enter 1"));
    // A slow reader shows it bit by bit.
    check(LEAD, &typing("300ms screen=draft composer=doth"), &format!("{due}  screen, look in 100ms"));
    check(LEAD, &typing("300ms screen=idle composer=empty"), &format!("{due}  screen, look in 100ms"));
    // It may be shown in other words than it was typed; what is never seen is not submitted.
    check(LEAD, &typing("5s screen=draft composer=doth"), &format!("{due}  submit prompt-1, enter 1"));
    check(
        LEAD,
        &typing("5s screen=idle composer=empty"),
        &format!("{due}  receive prompt-1 unconfirmed: 5s after it was typed, nothing of it shows in the input box"),
    );
    // Without rules, its end is looked for on the screen.
    check(PLAIN, &typing("300ms screen=unwatched says=the-end"), &format!("{due}  submit prompt-1, enter 1"));
    check(PLAIN, &typing("300ms"), &format!("{due}  screen, look in 100ms"));
    check(PLAIN, &typing("5s"), &format!("{due}  submit prompt-1, enter 1"));
}

#[test]
fn only_enter_is_pressed_again_and_every_end_has_a_receipt() {
    let due = "lead  deliver  a prompt waits for it";
    let typing = |look: &str| format!("lead running typing=prompt:{look}");
    check(LEAD, &typing("1:0s screen=idle composer=empty"), &format!("{due}  receive prompt-1 confirmed"));
    check(LEAD, &typing("1:0s screen=busy composer=empty"), &format!("{due}  receive prompt-1 confirmed"));
    check(LEAD, &typing("1:0s screen=busy"), &format!("{due}  receive prompt-1 confirmed"));
    check(LEAD, &typing("1:500ms screen=draft composer=dothe-end"), &format!("{due}  screen, look in 100ms"));
    check(LEAD, &typing("1:1s screen=draft composer=dothe-end"), &format!("{due}  submit prompt-1, enter 2"));
    check(
        LEAD,
        &typing("5:1s screen=draft composer=dothe-end"),
        &format!("{due}  receive prompt-1 stranded: Enter was pressed 5 times, and it still stands where a person types"),
    );
    check(LEAD, &typing("1:1s screen=unclear"), &format!("{due}  screen, look in 100ms"));
    check(LEAD, &typing("1:5s screen=unclear"), &format!("{due}  receive prompt-1 unconfirmed: its screen does not say: \"what it says\""));
    // Without rules, the cursor tells: it went on to another row.
    check(PLAIN, &typing("1:100ms screen=unwatched says=moved"), &format!("{due}  receive prompt-1 confirmed"));
    check(PLAIN, &typing("1:100ms screen=unwatched"), &format!("{due}  screen, look in 100ms"));
    check(
        PLAIN,
        &typing("1:5s screen=unwatched"),
        &format!("{due}  receive prompt-1 unconfirmed: its screen does not say: \"what it says\""),
    );
    // Keys are pressed, and what they do nobody can tell.
    check(PLAIN, "lead running typing=keys:0:0s", "lead  deliver  a text waits for it  receive keys-1 confirmed");
}

#[test]
fn a_run_for_messages_does_nothing_else() {
    check_under(
        "only_messages",
        LEAD,
        "lead running message=text screen=idle command=[\"old\"]",
        "lead  deliver  a text waits for it  type text-1 1",
    );
    check_under("only_messages", LEAD, "lead running screen=asks:trust key=Down", "");
    check_under(
        "only_messages",
        LEAD,
        "lead running message=text screen=asks:trust key=Down",
        "lead  deliver  a text waits for it  dialog: it asks something: \"what it says\"",
    );
    check_under("only_messages", LEAD, "lead absent", "");
    check_under("only_messages", LEAD, "lead running starting message=text screen=idle", "");
}

#[test]
fn work_holds_what_would_interrupt_it() {
    let replace = "lead  replace  command[0] \"old\" → \"run\"";
    let look = |screen: &str| format!("lead running command=[\"old\"] screen={screen}");
    check(LEAD, &look("busy"), &format!("{replace}  held: busy"));
    for (screen, waits) in [("permission", "permission"), ("asks", "dialog"), ("asks:bypass", "dialog"), ("login", "login")] {
        check(LEAD, &look(screen), &format!("{replace}  held: waiting for {waits}: \"what it says\""));
        check_under("now", LEAD, &look(screen), &format!("{replace}  drain 1 by 2: signal TERM"));
    }
    check(LEAD, &look("starting"), &format!("{replace}  held: unclear"));
    check(LEAD, &look("draft"), &format!("{replace}  held: draft"));
    check(LEAD, &look("unclear"), &format!("{replace}  held: unclear"));
    for rests in ["idle", "limit:1h"] {
        check(LEAD, &look(rests), &format!("{replace}  drain 1 by 1: ask \"/exit\""));
    }
    // For these another life is the way out; what is accepted is answered by us, and nothing of a person's is lost.
    for rests in ["exhausted", "crashed", "asks:trust"] {
        check(LEAD, &look(rests), &format!("{replace}  drain 1 by 2: signal TERM"));
    }
    check_under("now", LEAD, &look("busy"), &format!("{replace}  drain 1 by 1: ask \"/exit\""));
    check(&format!("{LEAD}hold = [\"attached\"]\n"), &look("busy"), &format!("{replace}  drain 1 by 1: ask \"/exit\""));
    // One that is not ready yet has done nothing that could be lost.
    check(LEAD, "lead running starting command=[\"old\"] screen=unclear", &format!("{replace}  drain 1 by 2: signal TERM"));
    // An end that was begun goes on.
    check(
        LEAD,
        "lead leaving drain=1 asked=10s purpose=replace command=[\"old\"] screen=busy",
        &format!("{replace}  drain 1 by 2: signal TERM"),
    );
}

#[test]
fn what_waits_for_a_person_is_told_by_what_it_waits_for() {
    let waits = |look: &str| {
        let desired = desired(LEAD);
        let observed = look::read(LEAD, &desired, look);
        let care = &desired.agents[&name("lead")].spec.care;
        waiting_for(&name("lead"), &observed.agents[&name("lead")], Some(care), NOW).map(WaitingFor::as_str)
    };
    for (look, on) in [
        ("screen=permission", Some("permission")),
        ("screen=login", Some("login")),
        ("screen=asks", Some("dialog")),
        ("screen=asks:bypass", Some("dialog")),
        ("screen=asks:trust key=Down", None),
        ("screen=asks:trust key=none", Some("dialog")),
        ("screen=asks:trust answered=trust", Some("dialog")),
        ("screen=exhausted", Some("person")),
        ("screen=crashed", Some("person")),
        ("screen=busy", None),
        ("screen=starting", None),
        ("screen=draft composer=hello", None),
        ("late=10m screen=draft composer=dothe-end", Some("person")),
    ] {
        assert_eq!(waits(&format!("lead running {look}")), on, "{look}");
    }
    assert_eq!(waits("lead exited code=0 up=1h ago=2s screen=login"), None);
}

#[test]
fn a_text_that_is_seen_later_gets_its_enter_then() {
    let due = "lead  deliver  a prompt waits for it";
    // A program that starts keeps a text for later, and shows it then.
    check(LEAD, "lead running typing=prompt:0:20s screen=starting", &format!("{due}  screen, look in 1s"));
    check(LEAD, "lead running typing=prompt:0:20s screen=unclear", &format!("{due}  screen, look in 1s"));
    check(LEAD, "lead running typing=prompt:1:20s screen=starting composer=dothe-end", &format!("{due}  screen, look in 1s"));
    check(
        LEAD,
        "lead running typing=prompt:0:45s screen=unclear",
        &format!("{due}  receive prompt-1 unconfirmed: 45s after it was typed, nothing of it shows in the input box"),
    );
    for composer in ["pasted", "dothe-end"] {
        let look = format!("lead running late=10s screen=draft composer={composer}");
        check(LEAD, &look, &format!("{due}  submit prompt-1, enter 1"));
    }
    // What another person may have pasted since is left alone.
    check(
        LEAD,
        "lead running late=10m screen=draft composer=pasted",
        &format!(
            "{due}  stranded: its prompt is in its input box and could not be submitted; submit it, or clear it: `reconcile attach lead --rw`"
        ),
    );
    check(LEAD, "lead running late=10s screen=draft composer=hello", "");
    check(LEAD, "lead running message=prompt up=1m screen=starting", &format!("{due}  held: unclear"));
    check(LEAD, "lead running up=10s message=prompt screen=starting", &format!("{due}  screen, look in 100ms"));
}

#[test]
fn the_echo_of_a_terminal_confirms_nothing() {
    let due = "lead  deliver  a prompt waits for it";
    // Nothing tells yet that the program reads.
    check(PLAIN, "lead running message=prompt screen=unwatched terminal=lines:0", &format!("{due}  held: not reading"));
    check(PLAIN, "lead running message=prompt screen=unwatched terminal=keys:0", &format!("{due}  type prompt-1 1"));
    let probed = format!("{PLAIN}ready = {{ file = \"up\" }}\n");
    check(&probed, "lead running message=prompt screen=unwatched terminal=lines:0", &format!("{due}  type prompt-1 1"));
    // What was typed is echoed, and the cursor moves on, whether or not the program reads.
    let typing = |look: &str| format!("lead running typing=prompt:1:{look} lines screen=unwatched says=moved");
    check(PLAIN, &typing("100ms terminal=lines:0"), &format!("{due}  receive prompt-1 confirmed"));
    check(PLAIN, &typing("100ms terminal=lines:12"), &format!("{due}  screen, look in 100ms"));
    check(
        PLAIN,
        &typing("5s terminal=lines:12"),
        &format!("{due}  receive prompt-1 unconfirmed: its program has not read it: 12 bytes wait in its terminal"),
    );
    check(
        PLAIN,
        &typing("5s terminal=keys:0"),
        &format!(
            "{due}  receive prompt-1 unconfirmed: its program took its terminal over after the text was typed, and may have discarded it"
        ),
    );
}

#[test]
fn a_limit_and_a_login_are_no_failures() {
    let ended = |excuse: &str| format!("lead exited code=1 up=1h ago=2s streak=1 recent=[30s] excuse={excuse}");
    check(LEAD, &ended("limit:1h"), "lead  restart  it exited with status 1  held: limit for 1h");
    check(LEAD, &ended("limit:0s"), "lead  restart  it exited with status 1  spawn 2 (streak 1, recent 1, restarts 0)");
    check(LEAD, &ended("limit"), "lead  restart  it exited with status 1  held: limit for 58s");
    check(
        LEAD,
        &ended("login"),
        "lead  restart  it exited with status 1  login: it ended where a person must log in; log in, then start it again: `reconcile start lead`",
    );
}

#[test]
fn what_is_foreseen_ends_in_a_delivery() {
    let fleet = format!("{LEAD}prompt = \"begin\"\n");
    check_rounds("", &fleet, "lead absent", "lead spawn 1\n lead type prompt-1 1");
}

#[test]
fn a_request_to_end_is_typed_like_any_text() {
    let stop = format!("{LEAD}desired = \"stopped\"\ndrain = [{{ ask = \"save and stop\", wait = \"1m\" }}, {{ keys = [\"C-c\"] }}]\n");
    let was = "desired=\"running\"";
    let due = "lead  stop  should be stopped";
    check(&stop, &format!("lead running screen=idle {was}"), &format!("{due}  drain 1 by 1: ask \"save and stop\""));
    // What cannot be typed is no way out.
    for keeps in ["draft", "login", "asks:trust", "idle shell=bash"] {
        check_under("now", &stop, &format!("lead running screen={keeps} {was}"), &format!("{due}  drain 1 by 2: keys C-c"));
    }
    let asked = |look: &str| format!("lead leaving drain=1 {look} {was}");
    check(&stop, &asked("asked=100ms typing=ask:0:100ms screen=draft composer=dothe-end"), &format!("{due}  screen, look in 200ms"));
    check(&stop, &asked("asked=300ms typing=ask:0:300ms screen=draft composer=dothe-end"), &format!("{due}  submit ask-1, enter 1"));
    check(&stop, &asked("asked=1s typing=ask:1:0s screen=busy composer=empty"), &format!("{due}  receive ask-1 confirmed"));
    check(&stop, &asked("asked=10s screen=busy"), &format!("{due}  leaves by drain 1, has 50s"));
    check(&stop, &asked("asked=1m screen=busy"), &format!("{due}  drain 1 by 2: keys C-c"));
}

#[test]
fn a_step_that_is_done_before_its_time_is_over_then() {
    let stop = format!("{PLAIN}desired = \"stopped\"\ndrain = [{{ keys = [\"C-c\"], wait = \"1m\", until = {{ file = \"saved\" }} }}]\n");
    let asked = |look: &str| format!("lead leaving drain=1 asked=10s {look} desired=\"running\"");
    check(&stop, &asked(""), "lead  stop  should be stopped  leaves by drain 1, has 50s");
    check(&stop, &asked("drained"), "lead  stop  should be stopped  kill 1");
}

#[test]
fn a_line_that_its_terminal_cannot_take_is_refused_once() {
    let why = "one of its lines has 4095 bytes, and its terminal takes fewer than 4095 while the kernel edits its lines; \
               write the text to a file and name that file instead";
    let (prompt, text) = ("lead  deliver  a prompt waits for it", "lead  deliver  a text waits for it");
    check(
        PLAIN,
        "lead running message=long screen=unwatched terminal=lines:0",
        &format!("{prompt}  untypable: its prompt cannot be typed: {why}"),
    );
    check(
        PLAIN,
        "lead running message=long-text screen=unwatched terminal=lines:0",
        &format!("{text}  receive long-text-1 refused: {why}"),
    );
    check(PLAIN, "lead running message=long screen=idle terminal=keys:0", &format!("{prompt}  type long-1 1"));
}
