//! The end takes the whole tree, nothing of anybody else's, and nothing of it is forgotten.

use std::time::Duration;

use reconcile::keeper::{Asked, Exit, Spec, Status};
use reconcile::process::{self, Liveness, ProcId, Signal};

use super::{EXE, Stand, code};
use crate::support::{Doomed, Guard, LIMIT, end_marked, eventually, mark};

/// Every kind of child that outlives one or another way of killing, as a script of bash.
pub(super) const EIGHT: &str = r#"
sleep 1000 &
nohup sleep 1000 >/dev/null 2>&1 &
set -m
sleep 1000 &
nohup sleep 1000 >/dev/null 2>&1 &
set +m
setsid sleep 1000 &
( setsid sh -c 'setsid sleep 1000 & exit' & )
( sleep 1000 & )
sh -c 'trap "" HUP TERM INT QUIT; exec sleep 1000' &
"#;

/// The sleeping processes of the instance, once there are `count`.
pub(super) fn sleepers(stand: &Stand, count: usize) -> Vec<ProcId> {
    eventually(
        || {
            let sleeps = |process: &ProcId| process::stat(process.pid).ok().flatten().is_some_and(|stat| stat.comm == "sleep");
            let found: Vec<_> = stand.marked().into_iter().filter(sleeps).collect();
            (found.len() >= count).then_some(found)
        },
        LIMIT,
    )
}

pub(super) fn bash(script: &str) -> Stand {
    Stand::new(&["bash", "-c", script])
}

fn stop(stand: &Stand, keeper: &mut Guard, signal: Signal) -> i32 {
    process::signal(&keeper.id(), signal).unwrap();
    let code = keeper.code();
    assert_eq!(stand.marked(), []);
    code
}

#[test]
fn a_stop_ends_all_eight_kinds_of_children() {
    let stand = bash(&format!("{EIGHT} wait; sleep 1000"));
    let mut keeper = stand.start();
    sleepers(&stand, 8);
    assert_eq!(stop(&stand, &mut keeper, Signal::TERM), 137);
    let ended = stand.ended();
    assert_eq!((ended.how, ended.asked), (Exit::Signal(9), Some(Asked::Term)));
    assert!(ended.leftovers_killed.len() >= 8, "{:?}", ended.leftovers_killed);
    assert!(ended.spared.is_empty() && ended.survivors.is_empty());
}

#[test]
fn what_a_program_leaves_is_ended_and_named() {
    let stand = bash(&format!("{EIGHT} read x < go; exit 3"));
    rustix::fs::mknodat(rustix::fs::CWD, stand.at("go"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let mut keeper = stand.start();
    let left = sleepers(&stand, 8);
    std::fs::write(stand.at("go"), "\n").unwrap();
    assert_eq!(keeper.code(), 3);
    let ended = stand.ended();
    assert_eq!((ended.how, ended.asked), (code(3), None));
    for process in left {
        assert_eq!(process.liveness(), Liveness::Gone);
        let named = ended.leftovers_killed.iter().find(|remnant| remnant.process == process).unwrap();
        assert_eq!(named.command, "sleep 1000");
    }
    assert_eq!(stand.marked(), []);
}

#[test]
fn a_program_that_is_killed_or_stopped_takes_its_tree_along() {
    let stand = bash(&format!("{EIGHT} sleep 1000; :"));
    let mut keeper = stand.start();
    sleepers(&stand, 9);
    process::signal(&stand.program(), Signal::KILL).unwrap();
    assert_eq!(keeper.code(), 137);
    assert_eq!((stand.marked(), stand.ended().asked), (vec![], None));

    let stand = bash("kill -STOP $$");
    let mut keeper = stand.start();
    stand.program();
    assert_eq!(stop(&stand, &mut keeper, Signal::TERM), 137);
}

#[test]
fn a_program_that_forks_as_fast_as_it_can_does_not_get_away() {
    let stand = Stand::sh("f() { setsid sleep 1000 & sleep 0.001; }; while :; do f; f & done");
    let mut keeper = stand.start();
    sleepers(&stand, 20);
    stop(&stand, &mut keeper, Signal::TERM);
    assert_eq!(stand.ended().survivors, []);
}

#[test]
fn other_instances_and_tmux_servers_are_spared_with_all_below_them() {
    let nested = Stand::new(&["sleep", "1000"]);
    nested.spec.write(&nested.at("spec")).unwrap();
    let script = format!(
        "{EXE} keep {label} {spec} & tmux -S nested.sock -f /dev/null new-session -d -- sh -c 'setsid sleep 1000 & sleep 1000; :' \
         && sleep 1000 & echo started; sleep 1000",
        label = nested.label(),
        spec = nested.at("spec").display()
    );
    let stand = bash(&script);
    let _tmux = crate::support::Tmux { socket: stand.at("nested.sock") };
    let mut keeper = stand.start();
    let other = nested.program();
    let nested_keeper = nested.status().unwrap().keeper;
    // The sleepers of the pane bear the mark, but live below a server that others may use by now.
    sleepers(&stand, 2);
    let server = eventually(
        || {
            let all = process::descendants(keeper.child.id()).unwrap();
            all.into_iter()
                .find(|process| process::stat(process.pid).ok().flatten().is_some_and(|stat| stat.comm.starts_with("tmux: server")))
        },
        LIMIT,
    );
    let below = eventually(|| Some(process::descendants(server.pid).unwrap()).filter(|below| below.len() == 3), LIMIT);
    let _doomed = Doomed(below.iter().chain([&other, &nested_keeper, &server]).cloned().collect());
    assert!(stand.marked().iter().all(|process| *process != server && !below.contains(process)));

    process::signal(&keeper.id(), Signal::TERM).unwrap();
    assert_eq!(keeper.code(), 137);
    let ended = stand.ended();
    let mut spared: Vec<_> = ended.spared.iter().map(|remnant| remnant.process.clone()).collect();
    let mut expected = vec![nested_keeper.clone(), server.clone()];
    spared.sort();
    expected.sort();
    assert_eq!(spared, expected);
    for process in below.iter().chain([&other, &nested_keeper, &server]) {
        assert_eq!(process.liveness(), Liveness::Alive, "{process}");
    }
    assert!(process::keepers().unwrap().iter().any(|keeper| keeper.process == nested_keeper && keeper.mark == *nested.label()));

    process::signal(&nested_keeper, Signal::TERM).unwrap();
    nested.ended();
    // The server goes with its last pane.
    process::end_tree(&below, &stand.label().to_string(), LIMIT).unwrap();
    eventually(|| (server.liveness() == Liveness::Gone).then_some(()), LIMIT);
}

#[test]
fn what_a_killed_keeper_left_is_found_by_its_mark() {
    let stand = bash(&format!("{EIGHT} sleep 1000"));
    let keeper = stand.start();
    sleepers(&stand, 9);
    let program = stand.program();
    let others = mark("other");
    process::signal(&keeper.id(), Signal::KILL).unwrap();
    eventually(|| (keeper.id().liveness() == Liveness::Gone).then_some(()), LIMIT);
    assert_eq!(program.liveness(), Liveness::Alive);
    assert!(process::keepers().unwrap().iter().all(|keeper| keeper.mark != *stand.label()));
    let found = stand.marked();
    assert!(found.contains(&program) && found.len() >= 9, "{found:?}");
    let by_mark = process::marks_of().unwrap();
    assert_eq!(by_mark.get(stand.label()).map(Vec::len), Some(found.len()));
    // A root that bears another mark than the one that is meant is spared, whoever asks.
    let spared = process::end_tree(&found, &others.to_string(), Duration::from_secs(1)).unwrap();
    assert_eq!((spared.killed.len(), spared.spared.len()), (0, found.len()));
    let ended = process::end_tree(&found, &stand.label().to_string(), LIMIT).unwrap();
    assert_eq!((ended.killed.len(), ended.survivors.len()), (found.len(), 0));
    assert_eq!(stand.marked(), []);
    assert_eq!(stand.status().unwrap().ended, None);
}

#[test]
fn a_running_keeper_is_found_with_its_mark_and_spec() {
    let stand = Stand::new(&["sleep", "1000"]);
    let keeper = stand.start();
    stand.program();
    let found: Vec<_> = process::keepers().unwrap().into_iter().filter(|found| found.mark == *stand.label()).collect();
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].process, &found[0].spec), (&keeper.id(), &stand.at("spec")));
}

#[test]
fn signals_of_its_own_descendants_and_of_groups_do_not_end_a_keeper() {
    let stand = bash(
        "trap : TERM HUP INT; for s in TERM HUP INT QUIT USR2 TSTP TTIN TTOU; do kill -$s $PPID; done; kill -TERM 0; echo sent; sleep 1000",
    );
    let mut keeper = stand.start();
    stand.logged("sent");
    stand.settle(&keeper);
    assert_eq!(stand.status().unwrap().ended, None);
    // Nobody's hangup concerns what has no terminal.
    process::signal(&keeper.id(), Signal::HUP).unwrap();
    stand.settle(&keeper);
    assert_eq!(stand.status().unwrap().ended, None);
    stop(&stand, &mut keeper, Signal::TERM);
}

#[test]
fn the_status_of_an_ended_instance_is_replaced_by_the_next() {
    let stand = Stand::sh("exit 4");
    assert_eq!(stand.start().code(), 4);
    let next = Spec { label: mark("agent"), argv: vec!["true".to_owned()], ..stand.spec.clone() };
    let next = Stand { folder: tempfile::tempdir().unwrap(), spec: next };
    assert_eq!(next.start().code(), 0);
    let status = Status::read(&stand.at("status")).unwrap().unwrap();
    assert_eq!((&status.label, status.ended.unwrap().how), (next.label(), code(0)));
    end_marked(next.label());
}
