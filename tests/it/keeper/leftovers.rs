//! Descendants that outlive the program's end, where they may stay.

use reconcile::desired::Leftovers;
use reconcile::keeper::Duties;
use reconcile::process::{self, Liveness, ProcId, Signal};

use super::Stand;
use crate::support::{Doomed, LIMIT, end_marked, eventually};

/// A helper in a terminal session of its own, one in that of the program, and what makes the program end.
const SCRIPT: &str = "setsid sleep 1001 & sleep 1002 & until [ -e go ]; do sleep 0.01; done; exit 3";

fn stand(leftovers: Leftovers) -> Stand {
    let mut stand = Stand::sh(SCRIPT);
    stand.spec.duties = Duties { leftovers, ..Duties::default() };
    stand
}

/// Both, as soon as they are there.
fn helpers(stand: &Stand) -> Vec<ProcId> {
    let helps =
        |process: &ProcId| process::cmdline(process.pid).is_ok_and(|words| words.len() == 2 && (words[1] == "1001" || words[1] == "1002"));
    let look = || stand.marked().into_iter().filter(helps).collect::<Vec<_>>();
    eventually(|| Some(look()).filter(|found| found.len() == 2), LIMIT)
}

#[test]
fn what_outlives_a_program_may_stay_and_is_named_if_asked_for() {
    for leftovers in [Leftovers::Report, Leftovers::Keep] {
        let stand = stand(leftovers);
        let mut keeper = stand.start();
        let helpers = helpers(&stand);
        let _doomed = Doomed(helpers.clone());
        std::fs::write(stand.at("go"), "").unwrap();
        assert_eq!(keeper.code(), 3);
        assert!(helpers.len() == 2 && helpers.iter().all(|helper| helper.liveness() == Liveness::Alive), "{helpers:?}");
        let ended = stand.ended();
        let mut named: Vec<_> = ended.left.iter().map(|left| left.command.as_str()).collect();
        named.sort_unstable();
        assert_eq!(named, if leftovers == Leftovers::Report { vec!["sleep 1001", "sleep 1002"] } else { vec![] });
        assert!(ended.leftovers_killed.is_empty() && ended.survivors.is_empty());
        // The next one may start.
        assert!(!reconcile::keeper::is_locked(&stand.at("lock")).unwrap());
        end_marked(stand.label());
    }
}

#[test]
fn a_kill_ends_all_that_did_not_leave_the_programs_terminal_session() {
    let stand = stand(Leftovers::Report);
    let mut keeper = stand.start();
    helpers(&stand);
    process::signal(&keeper.id(), Signal::TERM).unwrap();
    assert_eq!(keeper.code(), 137);
    let left = stand.ended().left;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!((left[0].command.as_str(), stand.marked()), ("sleep 1001", vec![left[0].process.clone()]));
    end_marked(stand.label());
}

#[test]
fn what_becomes_of_it_can_change_while_the_program_runs() {
    let stand = stand(Leftovers::Keep);
    let mut keeper = stand.start();
    helpers(&stand);
    Duties::default().write(&stand.at("duties"), stand.label()).unwrap();
    std::fs::write(stand.at("go"), "").unwrap();
    assert_eq!(keeper.code(), 3);
    assert_eq!(stand.marked(), []);
}
