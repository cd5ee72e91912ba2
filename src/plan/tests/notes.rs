//! Notes: when they are delivered, and what waits for them.

use super::*;

const LEAD: &str = "[agents.lead]\ncommand = [\"run\"]\nhandoff.source = \"lead.md\"\n";

#[test]
fn a_note_is_delivered_to_one_that_is_ready() {
    let due = "lead  deliver  /notes/lead.md (2150 bytes)";
    check(LEAD, "lead running note=waits", &format!("{due}  deliver /notes/lead.md to 1"));
    check(LEAD, "lead running note=begun", &format!("{due}  deliver /notes/lead.md to 1"));
    check(LEAD, "lead running starting up=500ms note=waits", "lead  spawn  not ready yet  ready? look in 500ms, until 1m29s500ms");
    check(
        LEAD,
        "lead running note=\"it is a link\"",
        "lead  deliver  /notes/lead.md (2150 bytes)  undelivered: the note /notes/lead.md cannot be delivered: it is a link",
    );
    // What a person is asked on the terminal is no reason to keep an inbox empty.
    check(
        &format!("{LEAD}preset = \"claude\"\n"),
        "lead running note=waits screen=permission",
        &format!("{due}  deliver /notes/lead.md to 1"),
    );
    // Who is stopped gets it when it runs again.
    check(&format!("{LEAD}desired = \"stopped\"\n"), "lead exited code=0 asked=stop note=waits desired=\"stopped\"", "");
}

#[test]
fn a_note_that_can_only_be_typed_stays_where_it_is_until_it_can_be() {
    let paste = format!("{LEAD}handoff.deliver = [\"paste\"]\n");
    let due = "lead  deliver  /notes/lead.md (2150 bytes)";
    check(&paste, "lead running note=waits screen=idle", &format!("{due}  deliver /notes/lead.md to 1"));
    check(&paste, "lead running note=waits screen=idle suspended=77", &format!("{due}  held: 77 is suspended"));
    check(
        &paste,
        "lead running note=waits late=10m:1 screen=idle",
        &format!(
            "{due}  unconfirmed: its prompt was typed and not confirmed, and may still wait in its terminal, so nothing more is typed; look at \
             it: `reconcile screen lead`, then submit it: `reconcile keys lead Enter`, or clear it: `reconcile keys lead C-u`"
        ),
    );
    // One after the other: what the first comes to decides about the second.
    check(&paste, "lead running note=waits message=text screen=idle", "lead  deliver  a text waits for it  type text-1 1");
    check(&paste, "lead running note=waits typing=text:0:0s screen=idle", "lead  deliver  a text waits for it  screen, look in 300ms");
    // An inbox takes notes whatever the terminal does.
    for look in ["suspended=77", "late=10m:1"] {
        check(LEAD, &format!("lead running note=waits screen=idle {look}"), &format!("{due}  deliver /notes/lead.md to 1"));
    }
}

#[test]
fn where_a_replacement_is_due_the_successor_gets_it() {
    check(LEAD, "lead running command=[\"old\"] note=waits", "lead  replace  command[0] \"old\" → \"run\"  drain 1 by 1: keys C-c");
    check_rounds(
        "",
        LEAD,
        "lead running command=[\"old\"] note=waits",
        "lead drain 1 by 1: keys C-c\n lead spawn 2\n lead deliver /notes/lead.md to 2",
    );
    check_rounds("", LEAD, "lead absent note=waits", "lead spawn 1\n lead deliver /notes/lead.md to 1");
}

#[test]
fn a_replacement_waits_for_the_note_that_it_requires() {
    let manifest = format!("{LEAD}handoff.require = true\n");
    let replace = "lead  replace  command[0] \"old\" → \"run\" and 1 more";
    let was = "command=[\"old\"] handoff={source=\"lead.md\"}";
    check(&manifest, &format!("lead running {was}"), &format!("{replace}  held: no note"));
    check(&manifest, &format!("lead running {was} note=waits"), &format!("{replace}  drain 1 by 1: keys C-c"));
    check(&manifest, &format!("lead running {was} untyped=1"), &format!("{replace}  drain 1 by 1: keys C-c"));
    // What is no note, or too old for one, is none.
    check(&manifest, &format!("lead running {was} note=old"), &format!("{replace}  held: no note"));
    check(&manifest, &format!("lead running {was} note=link"), &format!("{replace}  held: no note"));
    check_under("now", &manifest, &format!("lead running {was}"), &format!("{replace}  drain 1 by 1: keys C-c"));
    // One that died leaves nothing to wait for.
    check(
        &manifest,
        "lead exited code=1 up=1h ago=2s handoff={source=\"lead.md\"}",
        "lead  restart  it exited with status 1  spawn 2 (streak 1, recent 1, restarts 1)",
    );
}

#[test]
fn what_was_delivered_is_waited_for_until_it_was_read() {
    let manifest = |more: &str| format!("{LEAD}handoff.ack = {{ file = \"read\", timeout = \"1m\", interval = \"1s\"{more} }}\n");
    let due = "lead  deliver  it has not acknowledged the note 00000000000000aa yet";
    check(&manifest(""), "lead running unread=10s:no", &format!("{due}  read? look in 1s, until 50s"));
    check(&manifest(""), "lead running unread=59s500ms:no", &format!("{due}  read? look in 500ms, until 500ms"));
    check(
        &manifest(""),
        "lead running unread=1m:no",
        &format!(
            "{due}  not_acknowledged: the note 00000000000000aa was not acknowledged within 1m: no; start it over: `reconcile restart lead`"
        ),
    );
    check(&manifest(", on_timeout = \"proceed\""), "lead running unread=1m:no", "");
    check(&manifest(""), "lead running unread=10s:yes", "");
    check(LEAD, "lead running unread=10s:no", "");
}
