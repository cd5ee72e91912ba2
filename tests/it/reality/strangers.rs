//! Strangers, names that look alike, and people who look on.

use std::process::Stdio;

use super::*;

const PAIR: &str =
    "[defaults]\ncommand = [\"sleep\", \"2020\"]\nready = { delay = \"0s\" }\n[agents.ada]\n[agents.bob]\nruntime = \"daemon\"\n";

fn panes(world: &World) -> Vec<String> {
    let mut panes: Vec<String> = world.tmux.run(["list-panes", "-a", "-F", "#S #{pane_pid}"]).lines().map(str::to_owned).collect();
    panes.sort();
    panes
}

#[test]
fn a_session_of_somebody_else_keeps_its_name() {
    let world = World::new(PAIR);
    world.tmux.run(["new-session", "-d", "-s", "ada", "sleep", "2021"]);
    let before = panes(&world);
    let text = world.apply(3);
    assert!(text.contains("ada") && text.contains("did not start"), "{text}");
    assert_eq!(world.kept(), ["bob"]);
    assert_eq!(panes(&world), before, "the stranger was touched");
    // Neither a name, nor a window, nor a kill of everything reaches it.
    world.run(&["down", "--auto-approve"], 0);
    assert_eq!(panes(&world), before);
    world.tmux.run(["rename-session", "-t", "=ada", "elsewhere"]);
    world.comes_to_rest();
    assert_eq!(panes(&world).len(), 2);
}

#[test]
fn names_that_begin_alike_are_different() {
    let agents = |one: &str| {
        format!(
            "[defaults]\nready = {{ delay = \"0s\" }}\ncommand = [\"sleep\", \"2022\"]\n[agents.agent-10]\n[agents.agent-11]\nruntime = \"daemon\"\n\
             [agents.agent]\n[agents.agent-1]\ncommand = [\"sleep\", \"{one}\"]\n"
        )
    };
    let world = World::new(&agents("2023"));
    world.comes_to_rest();
    let before = world.keepers();
    world.declare(&agents("2024"));
    world.comes_to_rest();
    let now = world.keepers();
    assert_ne!(now["agent-1"], before["agent-1"]);
    for agent in ["agent", "agent-10", "agent-11"] {
        assert_eq!(now[agent], before[agent], "{agent}");
    }
    world.declare(&agents("2024").replace("[agents.agent-1]\ncommand = [\"sleep\", \"2024\"]\n", ""));
    world.comes_to_rest();
    for agent in ["agent", "agent-10", "agent-11"] {
        assert_eq!(world.keepers()[agent], before[agent], "{agent}");
    }
}

#[test]
fn who_is_attached_holds_a_replacement() {
    let world = World::new(PAIR);
    world.comes_to_rest();
    let before = world.keepers();
    let (mut client, _doomed) = world.tmux.attached("ada");
    world.declare(&PAIR.replace("2020", "2025"));
    let text = world.apply(3);
    assert!(text.contains("held") && text.contains("attached"), "{text}");
    assert_eq!(world.keepers()["ada"], before["ada"]);
    assert_ne!(world.keepers()["bob"], before["bob"], "who is not looked at is replaced");
    // It lets go, and the change is carried out.
    world.tmux.run(["detach-client", "-s", "=ada"]);
    eventually(|| client.try_wait().unwrap(), LIMIT);
    world.comes_to_rest();
    assert_ne!(world.keepers()["ada"], before["ada"]);
}

#[test]
fn now_does_not_wait_for_who_is_attached() {
    let world = World::new(PAIR);
    world.comes_to_rest();
    let before = world.keepers();
    // A client that is a program is nobody who looks on.
    let control = || {
        crate::support::command("tmux")
            .arg("-S")
            .arg(&world.tmux.socket)
            .args(["-C", "attach-session", "-t", "=ada"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
    };
    let mut client = control().unwrap();
    let _doomed = crate::support::Doomed(vec![ProcId::of(client.id()).unwrap().unwrap()]);
    let clients = || world.tmux.run(["list-clients", "-F", "#S"]).lines().count();
    eventually(|| (clients() == 1).then_some(()), LIMIT);
    world.declare(&PAIR.replace("2020", "2026"));
    world.comes_to_rest();
    assert_ne!(world.keepers()["ada"], before["ada"]);
    client.kill().unwrap();
    client.wait().unwrap();
}
