//! What is foreseen: the rounds to come, and the model that they are played on.

use super::*;

#[test]
fn nothing_is_foreseen_where_nothing_is_due() {
    check_rounds("", "[agents.a]\ncommand = [\"run\"]\n", "", "");
}

#[test]
fn a_replacement_is_foreseen_to_its_end() {
    check_rounds("", "[agents.a]\ncommand = [\"run\"]\n", "a running gen=6 command=[\"old\"]", "a drain 6 by 1: keys C-c\n a spawn 7");
}

#[test]
fn pauses_are_foreseen_as_over() {
    check_rounds(
        "",
        "[agents.a]\ncommand = [\"run\"]\n[agents.b]\ncommand = [\"run\"]\nafter = [\"a\"]\n",
        "a exited code=1 up=5s streak=3\n b absent",
        "a spawn 2 (streak 4, recent 1, restarts 1)\n b spawn 1",
    );
}

#[test]
fn what_does_not_get_on_is_in_no_round() {
    let manifest = "[agents.a]\ncommand = [\"run\"]\n[agents.b]\ncommand = [\"run\"]\nafter = [\"a\"]\n";
    check_rounds("", manifest, "a absent cwd_missing\n b absent", "");
    check_rounds("", manifest, "a running command=[\"old\"] attached=1\n b absent", "b spawn 1");
    check_rounds("", manifest, "a unknown=\"timed out\"\n b running command=[\"old\"]", "");
}

#[test]
fn what_is_waited_for_to_end_is_foreseen_to_unless_it_runs_for_ever() {
    let manifest = |policy: &str| {
        format!(
            "[agents.a]\ncommand = [\"run\"]\nrestart.policy = \"{policy}\"\n[agents.b]\ncommand = [\"run\"]\nafter = {{ a = \"exited\" }}\n"
        )
    };
    check_rounds("", &manifest("on-failure"), "a absent\n b absent", "a spawn 1\n b spawn 1");
    check_rounds("", &manifest("always"), "a absent\n b absent", "a spawn 1");
}

#[test]
fn those_who_get_ready_by_themselves_are_foreseen_to() {
    let manifest = "[agents.a]\ncommand = [\"run\"]\n[agents.b]\ncommand = [\"run\"]\nafter = [\"a\"]\n";
    // Held, and left out of the run: nothing is done to it, and it gets ready all the same.
    check_rounds("", manifest, "a running starting attached=1 command=[\"old\"]\n b absent", "b spawn 1");
    check_rounds("scope=b", manifest, "a running starting\n b absent", "b spawn 1");
    check_rounds("scope=b parallelism=1", manifest, "a running starting\n b absent", "b spawn 1");
}

#[test]
fn a_long_chain_is_foreseen_to_its_end() {
    let mut manifest = "[agents.a0]\ncommand = [\"run\"]\n".to_owned();
    let mut look = "a0 absent\n".to_owned();
    let mut expected = "a0 spawn 1\n".to_owned();
    for number in 1..90 {
        manifest += &format!("[agents.a{number}]\ncommand = [\"run\"]\nafter = [\"a{}\"]\n", number - 1);
        look += &format!("a{number} absent\n");
        expected += &format!("a{number} spawn 1\n");
    }
    check_rounds("", &manifest, &look, &expected);
}

/// What the next look shows of one agent after the acts of the plan.
fn seen_after(manifest: &str, look: &str, agent: &str) -> Option<Sighting> {
    let desired = desired(manifest);
    let observed = look::read(manifest, &desired, look);
    let plan = plan(&desired, &observed, &Terms { unbound: true, ..Terms::default() });
    after(&desired, observed, &plan).agents.remove(agent)
}

#[test]
fn after_each_action_the_model_shows_what_it_did() {
    let manifest = "[agents.a]\ncommand = [\"run\"]\n";
    let spec = desired(manifest).agents["a"].spec.clone();

    let spawned = seen_after(manifest, "a exited code=1 up=1s ago=1h wanted=running streak=1 restarts=1 gen=4", "a").unwrap();
    assert_eq!(spawned.phase, Phase::Running { since: NOW, health: Health::Starting });
    assert_eq!((spawned.generation, spawned.spec.as_ref()), (Generation(5), Some(&spec)));
    assert_eq!(spawned.digest, Some(canonical_digest(&spec.launch)));
    assert_eq!((spawned.failures.streak, spawned.failures.restarts), (2, 2));

    let at_once = "[agents.a]\ncommand = [\"run\"]\nready = { delay = \"0s\" }\n";
    assert_eq!(seen_after(at_once, "a absent", "a").unwrap().phase, Phase::Running { since: NOW, health: Health::Ready(NOW) });

    let asked = seen_after(manifest, "a running replace_up_to=1 up=2h", "a").unwrap();
    let leaving = Leaving {
        step: Step::Drain(0),
        asked_at: NOW,
        since: look::ago("2h"),
        purpose: Purpose::Replace,
        if_killed: DrainOutcome::TimedOut,
    };
    assert_eq!(asked.phase, Phase::Leaving(leaving));
    let killed = seen_after(manifest, "a leaving drain=2 asked=1m up=2h wanted=stopped", "a").unwrap();
    let leaving =
        Leaving { step: Step::Kill, asked_at: NOW, since: look::ago("2h"), purpose: Purpose::Stop, if_killed: DrainOutcome::TimedOut };
    assert_eq!(killed.phase, Phase::Leaving(leaving));

    let asked = seen_after(manifest, "a running remains=3", "a").unwrap();
    assert_eq!((asked.remains.len(), asked.sweeping), (3, Some(NOW)));
    let swept = seen_after(manifest, "a running remains=3 sweeping=1h", "a").unwrap();
    assert!(swept.remains.is_empty() && swept.instance.is_some());
    let amended = seen_after(manifest, "a running title=\"was\"", "a").unwrap();
    assert_eq!(amended.spec, Some(spec.clone()));
    let amended =
        seen_after("[agents.a]\ncommand = [\"run\"]\ndesired = \"stopped\"\n", "a exited code=1 command=[\"old\"] title=\"was\"", "a")
            .unwrap();
    assert_eq!(amended.spec.unwrap().launch.command, crate::desired::Command::Argv(vec!["old".to_owned()]), "care alone is applied");
    let adopted = seen_after(manifest, "a running record=lost gen=7", "a").unwrap();
    assert_eq!((adopted.spec, adopted.generation, adopted.released), (Some(spec.clone()), Generation(7), false));

    assert_eq!(seen_after("", "b exited code=1", "b"), None);
    let left = seen_after("", "b running on_remove=\"leave\"", "b").unwrap();
    assert!(left.released && matches!(left.phase, Phase::Running { .. }));

    let renamed = "[agents.a]\ncommand = [\"run\"]\nrenamed_from = \"b\"\n";
    assert_eq!(seen_after(renamed, "a absent\n b running gen=3", "b"), None);
    let moved = seen_after(renamed, "a absent\n b running gen=3 streak=2", "a").unwrap();
    assert_eq!((moved.generation, moved.failures.streak, moved.spec), (Generation(3), 2, Some(spec)));
}
