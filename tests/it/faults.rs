//! Faults that measuring found: each row of the list with the tests that fail when its mending is taken out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

mod lives;
mod successors;

/// What was found to be wrong, by section and number. The list is complete.
const FOUND: &[&str] = &[
    "A1", "A2", "A3", "A4", "A5", "A6", "B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "C1", "C2", "C3", "C4", "C5", "C6", "D1",
    "D2", "D3", "D4", "D5", "D6", "D7", "D8", "D9", "D10", "D11", "D12", "D13", "D14", "E1", "E2", "E3", "E4", "E5", "E6", "E7", "E8",
    "E9", "E10", "F1", "F2", "F3", "G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8", "G9", "G10", "H1", "H2",
];

/// Rows that are still to be mended.
const OPEN: &[&str] = &[
    "A2", "A3", "A4", "A5", "A6", "B6", "B7", "B9", "C1", "C2", "C3", "C4", "C5", "C6", "D1", "D2", "D3", "D4", "D5", "D6", "D7", "D8",
    "D9", "D10", "D11", "D12", "D13", "D14", "E1", "E2", "E3", "E4", "E5", "E6", "E7", "E8", "E9", "E10", "F1", "F2", "F3", "G1", "G2",
    "G3", "G4", "G5", "G6", "G7", "G8", "G9", "G10", "H1", "H2",
];

/// The tests of each row that is mended, by the name of their function.
const TESTS: &[(&str, &[&str])] = &[
    (
        "A1",
        &["an_instance_is_not_ended_for_a_successor_that_cannot_start", "a_drain_whose_successor_cannot_start_any_more_goes_no_further"],
    ),
    (
        "B1",
        &[
            "an_older_record_takes_up_what_runs_and_ends_nothing",
            "a_second_state_folder_is_refused_and_can_take_over",
            "every_record_every_mark_every_fence",
            "a_sweep_is_held_and_asked_for_like_any_end",
        ],
    ),
    ("B2", &["what_a_killed_keeper_left_is_found_whatever_the_record_says"]),
    ("B3", &["a_look_from_another_pid_namespace_changes_nothing"]),
    ("B4", &["another_spelling_of_the_same_folder_is_no_change"]),
    ("B5", &["two_state_folders_that_start_at_once_start_one_instance", "of_many_that_start_at_once_one_at_most_goes_on"]),
    ("B8", &["a_stop_answers_no_dialogs_and_a_replacement_those_that_are_accepted"]),
];

#[test]
fn every_fault_has_a_test_or_is_open() {
    let found: BTreeSet<&str> = FOUND.iter().copied().collect();
    let open: BTreeSet<&str> = OPEN.iter().copied().collect();
    let tested: BTreeSet<&str> = TESTS.iter().map(|(row, _)| *row).collect();
    assert_eq!(open.intersection(&tested).collect::<Vec<_>>(), Vec::<&&str>::new(), "mended rows that are said to be open");
    assert_eq!(open.union(&tested).copied().collect::<BTreeSet<_>>(), found, "each row is either open or has tests");
}

#[test]
fn the_tests_of_the_faults_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = String::new();
    let mut folders: Vec<PathBuf> = vec![root.join("src"), root.join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                texts += &std::fs::read_to_string(path).unwrap();
            }
        }
    }
    for (row, tests) in TESTS {
        assert!(!tests.is_empty(), "{row} has no test");
        for test in *tests {
            assert!(texts.contains(&format!("fn {test}(")), "{row}: there is no test {test}");
        }
    }
}
