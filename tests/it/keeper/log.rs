//! The log of a detached program.

use std::fmt::Write;
use std::os::unix::fs::MetadataExt;

use reconcile::keeper::Stdio;
use reconcile::process::{self, Signal};

use super::Stand;
use crate::support::{LIMIT, end_marked, eventually, mark};

#[test]
fn no_line_is_lost_when_the_log_is_moved_aside() {
    let mut stand = Stand::new(&["seq", "1", "20000"]);
    if let Stdio::Detached { log, .. } = &mut stand.spec.stdio {
        (log.max_size, log.keep) = (10_000, 100);
    }
    assert_eq!(stand.start().code(), 0);
    let files: Vec<_> =
        (1..=100).rev().map(|number| stand.at(&format!("log.{number}"))).chain([stand.at("log")]).filter(|path| path.exists()).collect();
    assert!(files.len() > 10, "{files:?}");
    let mut all = String::new();
    for file in files {
        let facts = std::fs::metadata(&file).unwrap();
        assert_eq!(facts.mode() & 0o777, 0o600);
        assert!(facts.len() <= 10_000);
        all.push_str(&std::fs::read_to_string(file).unwrap());
    }
    let expected = (1..=20_000).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "{number}");
        text
    });
    assert!(all == expected, "the parts of the log are not what was printed");
}

#[test]
fn the_log_can_be_moved_and_its_settings_changed_while_the_program_runs() {
    let mut stand = Stand::sh("trap 'echo again; echo more' USR2; echo once; while :; do sleep 0.02; done");
    let settings = stand.at("settings");
    if let Stdio::Detached { log_settings, .. } = &mut stand.spec.stdio {
        *log_settings = Some(settings.clone());
    }
    let keeper = stand.start();
    let program = stand.program();
    stand.logged("once");
    std::fs::write(&settings, format!(r#"{{"file":"{}","max_size":6,"keep":2}}"#, stand.at("elsewhere").display())).unwrap();
    process::signal(&keeper.id(), Signal::USR1).unwrap();
    eventually(|| stand.at("elsewhere").exists().then_some(()), LIMIT);
    process::signal(&program, Signal::USR2).unwrap();
    eventually(|| std::fs::read_to_string(stand.at("elsewhere")).ok().filter(|text| text == "more\n"), LIMIT);
    assert_eq!(std::fs::read_to_string(stand.at("elsewhere.1")).unwrap(), "again\n");
    assert_eq!(stand.log(), "once\n");
}

#[test]
fn what_was_spared_and_holds_the_output_does_not_hold_the_keeper() {
    let other = mark("other");
    let line = format!("RECONCILE={other} sleep 1000 & until grep -qzxF RECONCILE={other} /proc/$!/environ; do :; done; echo done");
    let stand = Stand::sh(&line);
    let mut keeper = stand.start();
    let code = keeper.code();
    let ended = stand.ended();
    end_marked(&other);
    assert_eq!((code, stand.log().as_str()), (0, "done\n"));
    assert_eq!((ended.spared.len(), ended.leftovers_killed.len()), (1, 0));
}
