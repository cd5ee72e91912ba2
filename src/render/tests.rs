use proptest::prelude::*;

use super::json::{event_line, plan_document, plan_schema, pretty, status_document, status_schema};
use super::sample::{NOW, Sample, all_sorts, fleet, in_our_zone, name, running, spec};
use super::text::is_unsafe;
use super::*;
use crate::desired::{Generation, OnChange, Secret, SecretSource};
use crate::event::{Entry, Event, What};
use crate::observed::{Phase, Stranger};
use crate::time::Duration;

fn shown(sample: &Sample, extent: Extent) -> String {
    in_our_zone(&plan_human(&sample.plan_view(), extent, Style::PLAIN))
}

#[test]
fn a_plan_is_laid_out_as_the_contract_says() {
    insta::assert_snapshot!(shown(&all_sorts(), Extent::Readable), @r#"
    fleet atlas · constellation.toml · 8 agents, 7 running · observed 14:02:11

      + clone-3    spawn      new in the manifest
      ± builder    replace    command[2] "sonnet" → "opus"    interrupts: up 2d4h
      ~ mailbox    amend      drain[0].wait "5s" → "10s"
      - scout      stop       not in the manifest             interrupts: up 6h12m
      ! lead       held       command[2] "sonnet" → "opus"    a client is attached; released when it detaches, or with --now
      ✗ relay      blocked    cwd "/srv/relay" does not exist

    1 to spawn, 1 to replace, 1 to amend, 1 to stop. 1 held, 1 blocked, 3 at rest.

    builder, lead
      - command = ["claude", "--model", "sonnet"]
      + command = ["claude", "--model", "opus"]
        runtime = "tmux"
        way out: signal TERM, up to 10s → kill of the whole tree

    clone-3
      + command = ["claude", "--model", "opus"]
      + cwd = "/src/atlas"
      + drain = [{ signal = "TERM", to = "main", wait = "10s" }]

    mailbox
        desired = "running"
      - drain = [{ signal = "TERM", to = "main", wait = "5s" }]
      + drain = [{ signal = "TERM", to = "main", wait = "10s" }]
        hold = ["busy", "attached"]

    scout
        way out: signal TERM, up to 10s → kill of the whole tree

    rounds to come
      1  amend mailbox · drain builder, scout · spawn clone-3
      2  forget scout · spawn builder
    "#);
}

#[test]
fn a_plan_without_changes_is_one_line() {
    let calm = |who| (who, running(who, spec(who, "opus"), Duration::from_secs(60)));
    let sample = fleet(&[("a", spec("a", "opus")), ("b", spec("b", "opus"))], vec![calm("a"), calm("b")]);
    assert_eq!(shown(&sample, Extent::Readable), "No changes. 2 agents at rest.\n");
}

#[test]
fn a_long_plan_stays_readable_and_can_be_shown_whole() {
    let names: Vec<String> = (0..1000).map(|index| format!("clone-{index}")).collect();
    let agents: Vec<_> = names.iter().map(|who| (who.as_str(), spec(who, who))).collect();
    let sample = fleet(&agents, Vec::new());
    let text = shown(&sample, Extent::Readable);
    assert!(text.lines().count() < 200, "{}", text.lines().count());
    for line in [
        "    … 960 more like these; --all shows them",
        "1000 to spawn. 0 at rest.",
        "… the details of 990 agents besides; --all shows them",
        "  1  spawn clone-0, clone-1, clone-10, clone-100, clone-101, clone-102 and 994 more",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
    }
    let all = shown(&sample, Extent::All);
    assert!(names.iter().all(|name| all.contains(&format!("  + {name} "))));
}

#[test]
fn agents_that_change_alike_are_shown_once() {
    let clones = ["clone-1", "clone-2", "clone-3", "clone-4"];
    let sightings = clones.map(|who| (who, running(who, spec(who, "sonnet"), Duration::from_secs(60))));
    let sample = fleet(&clones.map(|who| (who, spec(who, "opus"))), sightings.into());
    let text = shown(&sample, Extent::Readable);
    assert_eq!(text.matches("+ command = [\"claude\", \"--model\", \"opus\"]").count(), 1, "{text}");
    assert!(text.contains("\n\nclone-1, clone-2, clone-3, clone-4\n"), "{text}");
    // What refuses it is the last word of the command, and no line within a long plan.
    assert!(!text.contains("refused"), "{text}");
    assert_eq!(
        refusal(sample.plan.broken_guards().next().unwrap()),
        "refused by guard max_stop: 4 agents would be stopped or replaced, and the limit is 50%; --max-stop 4 allows it"
    );
}

#[test]
fn a_secret_that_changed_is_named_and_not_shown() {
    let mut with_secret = spec("lead", "opus");
    let secret = Secret { from: SecretSource::File("/keys/api".into()), on_change: OnChange::Replace };
    with_secret.launch.secrets.insert("API_KEY".to_owned(), secret);
    let mut sample = fleet(&[("lead", with_secret.clone())], vec![("lead", running("lead", with_secret, Duration::from_secs(60)))]);
    sample.observed.agents.get_mut("lead").unwrap().changed_secrets = vec!["API_KEY".to_owned()];
    sample.plan_again();
    insta::assert_snapshot!(shown(&sample, Extent::Readable), @r#"
    fleet atlas · constellation.toml · 1 agent, 1 running · observed 14:02:11

      ± lead    replace    secret API_KEY changed    interrupts: up 1m

    1 to replace. 0 at rest.

    lead
      - secrets.API_KEY = (secret)
      + secrets.API_KEY = (secret)
        way out: signal TERM, up to 10s → kill of the whole tree

    rounds to come
      1  drain lead
      2  spawn lead
    "#);
}

#[test]
fn colour_repeats_what_the_text_says() {
    let sample = all_sorts();
    let coloured = plan_human(&sample.plan_view(), Extent::All, Style { color: true, ..Style::PLAIN });
    let plain = plan_human(&sample.plan_view(), Extent::All, Style::PLAIN);
    assert_ne!(coloured, plain);
    assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
}

#[test]
fn a_narrow_terminal_gets_the_notes_on_lines_of_their_own() {
    let text = plan_human(&all_sorts().plan_view(), Extent::Readable, Style { width: 60, ..Style::PLAIN });
    assert!(text.contains("\n                          interrupts: up 2d4h\n"), "{text}");
}

#[test]
fn a_status_fits_a_narrow_terminal_and_never_cuts_why() {
    let mut sample = all_sorts();
    let folded = |sample: &Sample, width| status_human(&sample.status_view(), Style { color: false, width, fold: Fold::AtWidth });
    for width in [60, 80, 120] {
        let text = folded(&sample, width);
        assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains("replace held: a client is attached; released when it detaches, or with --now"), "{text}");
    }
    let table: Vec<String> = folded(&sample, 80).lines().skip(2).take(9).map(str::to_owned).collect();
    insta::assert_snapshot!(table.join("\n"), @r#"
      NAME     STATE   FOR    PID    RESTARTS  WHY
      builder  ready   2d4h   41771  0         replace: command[2] "sonnet" → "opus"
      calm-1   ready   1d     41771  0
      calm-2   ready   1d     41771  0
      calm-3   ready   1d     41771  0
      clone-3  absent  -      -      0         spawn: new in the manifest
      lead     ready   1d     41771  0
          replace held: a client is attached; released when it detaches, or with
          --now
    "#);
    // The commands in it are those that work when they are copied, and are folded as such.
    sample.manifest = Invocation::new("m.toml".to_owned(), &["--file".to_owned(), "m.toml".to_owned()]);
    let flat = folded(&sample, 80).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("Not at rest: `reconcile plan --file m.toml` shows more."), "{flat}");
}

#[test]
fn a_status_is_a_table() {
    insta::assert_snapshot!(in_our_zone(&status_human(&all_sorts().status_view(), Style { width: 140, ..Style::PLAIN })), @r#"
    fleet atlas · 8 agents, 7 running · observed 14:02:11

      NAME     STATE   FOR    PID    GEN  PLACE             RESTARTS  WHY
      builder  ready   2d4h   41771  7    atlas:builder %3  0         replace: command[2] "sonnet" → "opus"
      calm-1   ready   1d     41771  7    atlas:calm-1 %3   0
      calm-2   ready   1d     41771  7    atlas:calm-2 %3   0
      calm-3   ready   1d     41771  7    atlas:calm-3 %3   0
      clone-3  absent  -      -      0    atlas:clone-3     0         spawn: new in the manifest
      lead     ready   1d     41771  7    atlas:lead %3     0         replace held: a client is attached; released when it detaches, or with --now
      mailbox  ready   1d     41771  7    atlas:mailbox %3  0         amend: drain[0].wait "5s" → "10s"
      relay    absent  -      -      0    atlas:relay       2         blocked: cwd "/srv/relay" does not exist
      scout    ready   6h12m  41771  7    atlas:scout %3    0         stop: not in the manifest

    strangers, never touched
      atlas:notes  pid 4242  no mark

    7 ready, 2 absent, 1 held, 1 blocked. Not at rest: `reconcile plan` shows more.
    Watched by pid 900 for 0s, 120 rounds, the last 0s ago.
    "#);
}

#[test]
fn events_are_lines() {
    let event = Event {
        at: NOW,
        agent: Some(name("builder")),
        generation: Some(Generation(8)),
        what: What::Spawn,
        reason: None,
        why: "command changed".to_owned(),
    };
    let fleets = Event { agent: None, generation: None, what: What::Done, reason: None, why: "at rest".to_owned(), ..event.clone() };
    let lines = [event_human(&event, 9, Style::PLAIN), event_human(&fleets, 9, Style::PLAIN)].concat();
    assert_eq!(in_our_zone(&lines), "14:02:11  builder    spawn    command changed\n14:02:11  (fleet)    done     at rest\n");
    insta::assert_snapshot!(event_line(&event), @r#"{"at":"2026-11-20T14:02:11Z","agent":"builder","generation":8,"what":"spawn","why":"command changed"}"#);
    insta::assert_snapshot!(json::entry_line(&Entry { number: 7, event: fleets }), @r#"{"number":7,"at":"2026-11-20T14:02:11Z","what":"done","why":"at rest"}"#);
}

#[test]
fn a_plan_document_has_what_the_contract_names() {
    let document = plan_document(&all_sorts().plan_view(), Extent::Readable);
    let builder = document.resource_changes.iter().find(|change| change.name == "builder").unwrap();
    let before = builder.change.before.as_ref().unwrap();
    assert_eq!(before["command"], serde_json::json!(["claude", "--model", "sonnet"]));
    let mut builder = serde_json::to_value(builder).unwrap();
    for spec in ["before", "after"] {
        builder["change"][spec] = builder["change"][spec]["command"].take();
    }
    insta::assert_snapshot!(builder.to_string(), @r#"{"action_reason":"launch_changed","address":"builder","cause":"command changed","change":{"actions":["delete","create"],"after":["claude","--model","opus"],"after_sensitive":{},"before":["claude","--model","sonnet"],"before_sensitive":{},"replace_paths":[["command",2]]},"deliveries":[],"interrupts":{"attached":0,"busy":null,"uptime_s":187200},"kind":"replace","name":"builder","next":"drain","precondition":{"generation":7,"launch_digest":"blake3:4bb58de9f4466a152cf6ef9415c59882","pid":41771},"source":{"file":"constellation.toml","line":41},"type":"agent","wait":null,"why":"command[2] \"sonnet\" → \"opus\""}"#);
    let mut rest = serde_json::to_value(&document).unwrap();
    rest.as_object_mut().unwrap().remove("resource_changes");
    insta::assert_snapshot!(serde_json::to_string(&rest).unwrap(), @r#"{"basis":"live","blocked":[{"address":"relay","message":"cwd \"/srv/relay\" does not exist","reason":"cwd_missing"}],"complete":true,"conditions":[],"fleet":"atlas","format_version":"1.0","gaps":[],"guards":[{"limit":"50%","name":"max_stop","pass":true,"value":2},{"limit":"false","name":"allow_empty","pass":true,"value":0}],"halted":null,"held":[{"address":"lead","reason":"attached","release":"detached, or --now"}],"manifest":{"digest":"blake3:00","path":"constellation.toml"},"observed_at":"2026-11-20T14:02:11Z","rounds":[["builder drain","clone-3 spawn","mailbox amend","scout drain"],["builder spawn","scout forget"]],"server_change":null,"summary":{"adopt":0,"amend":1,"blocked":1,"deliver":0,"forget":0,"held":1,"replace":1,"rest":3,"restart":0,"spawn":1,"starting":0,"stop":1},"tool_version":"0.1.0","warnings":[]}"#);
    let all = plan_document(&all_sorts().plan_view(), Extent::All);
    let calm = all.resource_changes.iter().find(|change| change.name == "calm-1").unwrap();
    assert_eq!((calm.change.actions.as_slice(), calm.kind), (&[super::json::Act::NoOp][..], None));
    let read: json::PlanDocument = serde_json::from_str(&pretty(&all)).unwrap();
    assert_eq!(read, all);
}

#[test]
fn a_status_document_has_what_the_contract_names() {
    let document = status_document(&all_sorts().status_view());
    insta::assert_snapshot!(serde_json::to_string(&document.agents[0]).unwrap(), @r#"{"name":"builder","state":"ready","runtime":"tmux","place":"atlas:builder %3","pid":41771,"keeper":41770,"generation":7,"since":"2026-11-18T10:02:11Z","busy":null,"activity":null,"waiting_for":null,"attached":0,"restarts":0,"next_try":null,"exit":null,"paused":null,"wait":null,"held":null,"blocked":null,"wanted":"running","cpu_s":12.4,"rss_bytes":91750400,"stale":false,"handoffs_waiting":0,"usage_limit":null,"ready_assumed":null,"labels":{},"note":null}"#);
    let lead = document.agents.iter().find(|agent| agent.name == "lead").unwrap();
    assert_eq!(lead.held.as_ref().unwrap().reason, crate::plan::HoldReason::Attached);
    let relay = document.agents.iter().find(|agent| agent.name == "relay").unwrap();
    assert_eq!((relay.state, relay.blocked.is_some(), relay.restarts), (json::State::Absent, true, 2));
}

#[test]
fn documents_keep_to_their_schemas() {
    let sample = all_sorts();
    let keeps = |schema: schemars::Schema, document: serde_json::Value| {
        let validator = jsonschema::validator_for(schema.as_value()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
        let mut broken = document;
        broken.as_object_mut().unwrap().remove("fleet").or_else(|| broken.as_object_mut().unwrap().remove("what")).unwrap();
        assert!(!validator.is_valid(&broken));
    };
    for extent in [Extent::Readable, Extent::All] {
        keeps(plan_schema(), serde_json::to_value(plan_document(&sample.plan_view(), extent)).unwrap());
    }
    keeps(status_schema(), serde_json::to_value(status_document(&sample.status_view())).unwrap());
    let event = Event { at: NOW, agent: Some(name("a")), generation: None, what: What::Held, reason: None, why: String::new() };
    keeps(json::event_schema(), serde_json::from_str(&event_line(&event)).unwrap());
    keeps(json::event_schema(), serde_json::from_str(&json::entry_line(&Entry { number: 1, event })).unwrap());
}

#[test]
fn markdown_folds_the_details() {
    let text = in_our_zone(&plan_markdown(&all_sorts().plan_view(), Extent::Readable));
    let without_details = text.split("<details>").next().unwrap();
    insta::assert_snapshot!(without_details, @r#"
    **Fleet `atlas`**: 1 to spawn, 1 to replace, 1 to amend, 1 to stop. 1 held, 1 blocked, 3 at rest.

    ```diff
    + clone-3    spawn      new in the manifest
    ± builder    replace    command[2] "sonnet" → "opus"    interrupts: up 2d4h
    ~ mailbox    amend      drain[0].wait "5s" → "10s"
    - scout      stop       not in the manifest             interrupts: up 6h12m
    ! lead       held       command[2] "sonnet" → "opus"    a client is attached; released when it detaches, or with --now
    ✗ relay      blocked    cwd "/srv/relay" does not exist
    ```
    "#);
    assert_eq!(text.matches("<details><summary>").count(), 2);
    let mut sample = all_sorts();
    sample.observed.gaps.push("```\n<b>".to_owned());
    assert!(plan_markdown(&sample.plan_view(), Extent::Readable).contains("````text"));
}

#[test]
fn a_plan_of_a_halted_fleet_says_so() {
    let mut sample = all_sorts();
    sample.observed.halted = Some(crate::observed::Halt { since: NOW, why: Some("smoke".to_owned()), frozen: true, doubt: None });
    let said = "halted since 2026-11-20 14:02:11 and its processes are stopped: smoke; released by `reconcile resume`\n";
    let mut check = |is_at_rest: bool| {
        if is_at_rest {
            sample.plan.changes.clear();
        }
        let view = sample.plan_view();
        assert!(plan_human(&view, Extent::Readable, Style::PLAIN).contains(said));
        assert!(plan_markdown(&view, Extent::Readable).contains(said));
        let document = serde_json::to_value(plan_document(&view, Extent::Readable)).unwrap();
        assert_eq!(document["halted"], serde_json::json!({ "since": NOW, "why": "smoke", "frozen": true }));
    };
    check(false);
    check(true);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_control_character_gets_through(text in "[a-z\u{0}-\u{1f}\u{7f}-\u{9f}\u{202e}`]{1,12}") {
        let mut sample = all_sorts();
        sample.observed.gaps = vec![text.clone()];
        sample.observed.strangers = vec![Stranger { place: text.clone(), pid: None, why: text.clone() }];
        sample.observed.agents.insert(name("calm-1"), crate::observed::Sighting {
            phase: Phase::Unknown { why: text.clone() },
            ..crate::observed::Sighting::default()
        });
        for who in ["builder", "clone-3", "mailbox"] {
            let spec = &mut sample.desired.agents.get_mut(who).unwrap().spec;
            spec.launch.env.insert(text.clone(), text.clone());
            spec.launch.cwd = format!("/{text}").into();
            spec.care.title = Some(text.clone());
        }
        sample.plan_again();
        let event = Event { at: NOW, agent: None, generation: None, what: What::Failed, reason: None, why: text.clone() };
        let view = PlanView { manifest: &Invocation::new(text.clone(), &[]), ..sample.plan_view() };
        let outputs = [
            plan_human(&view, Extent::All, Style::PLAIN),
            anstream::adapter::strip_str(&plan_human(&view, Extent::All, Style { color: true, width: 80, fold: Fold::AtWidth })).to_string(),
            plan_markdown(&view, Extent::All),
            pretty(&plan_document(&view, Extent::All)),
            status_human(&sample.status_view(), Style::PLAIN),
            json::compact(&status_document(&sample.status_view())),
            event_human(&event, 8, Style::PLAIN),
            event_line(&event),
        ];
        for output in outputs {
            prop_assert!(!output.contains(|character| is_unsafe(character) && character != '\n'), "{:?}", output);
        }
        prop_assert_eq!(event_human(&event, 8, Style::PLAIN).lines().count(), 1);
        let read: serde_json::Value = serde_json::from_str(&event_line(&event)).unwrap();
        prop_assert_eq!(read["why"].as_str(), Some(text.as_str()));
    }
}

#[test]
fn what_was_printed_commands_no_terminal() {
    let bytes = b"\x1b[1;31mred\x1b[0m\tand\x1b]0;title\x07 more\r\n\x1b(Bnext\x07 \x1bPq#0\x1b\\line\xff\n";
    assert_eq!(crate::render::printed(bytes), "red\tand more\nnext line\u{fffd}\n");
    assert_eq!(crate::render::printed(b"cut \x1b"), "cut ");
    assert_eq!(crate::render::printed(b"progress 1%\rprogress 2%\rdone\x1b[K\nnext\r\n"), "done\nnext\n");
    assert_eq!(crate::render::printed(b"progress 10%\rprogress 9%"), "progress 9%%", "as it stands on a terminal");
}
