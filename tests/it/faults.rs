//! Faults that measuring found: each row of the list with the tests that fail when its mending is taken out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

mod beside;
mod full_disk;
mod lives;
mod shutdown;
mod state_files;
mod successors;

/// What was found to be wrong, by section and number. The list is complete.
const FOUND: &[&str] = &[
    "A1", "A2", "A3", "A4", "A5", "A6", "B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "C1", "C2", "C3", "C4", "C5", "C6", "D1",
    "D2", "D3", "D4", "D5", "D6", "D7", "D8", "D9", "D10", "D11", "D12", "D13", "D14", "E1", "E2", "E3", "E4", "E5", "E6", "E7", "E8",
    "E9", "E10", "F1", "F2", "F3", "G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8", "G9", "G10", "H1", "H2",
];

/// Rows that are not wholly mended, and what is missing.
const OPEN: &[(&str, &str)] = &[("H2", "the time of the first build")];

/// The tests of each row that is mended, by the name of their function.
const TESTS: &[(&str, &[&str])] = &[
    (
        "A1",
        &["an_instance_is_not_ended_for_a_successor_that_cannot_start", "a_drain_whose_successor_cannot_start_any_more_goes_no_further"],
    ),
    ("A2", &["what_a_launch_lacks_is_said_before_anything_is_stopped"]),
    (
        "A3",
        &[
            "a_daemon_with_a_pidfile_of_its_own_form_is_started_again_and_restarted",
            "a_daemon_that_its_pidfile_names_can_be_adopted_and_others_block",
        ],
    ),
    ("A4", &["without_tmux_there_is_one_reason_and_nothing_is_tried", "a_tmux_that_fails_for_a_while_counts_for_no_agent"]),
    ("A5", &["a_task_over_its_limits_has_failed_and_is_not_run_again", "a_task_over_its_time_has_failed_and_runs_once"]),
    ("A6", &["a_script_whose_interpreter_is_missing_replaces_no_healthy_agent", "a_start_that_cannot_be_is_told_with_its_reason"]),
    (
        "B1",
        &[
            "an_older_record_takes_up_what_runs_and_ends_nothing",
            "a_second_state_folder_is_refused_and_can_take_over",
            "every_record_every_mark_every_fence",
            "a_sweep_is_held_and_asked_for_like_any_end",
            "what_a_killed_keeper_left_is_asked_before_it_is_killed",
        ],
    ),
    (
        "B2",
        &["what_a_killed_keeper_left_is_found_whatever_the_record_says", "a_second_state_folder_does_not_end_what_a_killed_keeper_left"],
    ),
    ("B3", &["a_look_from_another_pid_namespace_changes_nothing", "what_ended_with_its_pid_namespace_is_started_again"]),
    ("B4", &["another_spelling_of_the_same_folder_is_no_change"]),
    ("B5", &["two_state_folders_that_start_at_once_start_one_instance", "of_many_that_start_at_once_one_at_most_goes_on"]),
    ("B6", &["a_dead_pane_that_was_adopted_and_has_no_record_is_forgotten_once"]),
    ("B7", &["an_agent_comes_back_beside_what_persons_opened_in_its_session"]),
    (
        "C4",
        &[
            "on_a_full_disk_ending_works_and_says_what_is_not_remembered",
            "in_a_read_only_state_folder_ending_works_and_says_what_is_not_remembered",
            "on_a_full_disk_what_ends_an_instance_is_done_and_nothing_is_started",
        ],
    ),
    ("B8", &["a_stop_answers_no_dialogs_and_a_replacement_those_that_are_accepted"]),
    ("B9", &["a_pane_without_a_process_says_nothing_of_the_others"]),
    ("C1", &["a_pipe_in_place_of_a_file_blocks_its_agent_and_no_other", "what_a_manifest_is_made_of_is_never_waited_for"]),
    ("C2", &["what_a_secret_command_leaves_running_delays_no_look_and_hides_no_change"]),
    (
        "C3",
        &[
            "while_a_command_waits_for_a_drain_others_act_beside_it",
            "a_killed_command_leaves_no_hold",
            "a_watcher_heals_and_reports_while_a_command_is_at_work",
        ],
    ),
    ("C5", &["a_line_that_its_terminal_cannot_take_is_refused_once"]),
    (
        "C6",
        &[
            "twenty_thousand_included_files_are_read_in_a_moment",
            "what_cannot_be_watched_is_said",
            "a_thread_that_cannot_be_started_is_no_panic",
        ],
    ),
    ("D1", &["a_note_is_delivered_archived_and_gone"]),
    ("D2", &["a_note_of_a_restart_is_for_the_successor"]),
    ("D3", &["a_note_and_a_folder_that_only_a_private_group_could_write_are_ours"]),
    (
        "D4",
        &[
            "a_crash_in_a_pane_tells_what_was_printed_and_the_next_life_begins_on_an_empty_screen",
            "what_a_daemon_printed_in_earlier_lives_is_no_evidence_of_this_one",
        ],
    ),
    ("D5", &["an_agent_that_does_not_get_ready_is_named_with_step_and_timeout", "each_run_leaves_a_file_also_where_nothing_was_done"]),
    ("D6", &["one_that_counts_as_ready_after_its_time_is_told_from_one_that_is"]),
    (
        "D7",
        &[
            "a_command_reads_lines_and_the_program_works_on_the_same_fleet_inside_of_it",
            "a_file_and_a_command_hear_in_the_order_of_the_journal",
        ],
    ),
    ("D8", &["an_empty_manifest_is_one_notice"]),
    (
        "D9",
        &[
            "a_request_to_end_is_graceful_acknowledged_or_timed_out",
            "a_message_that_asks_to_end_is_not_for_the_next_life",
            "a_crash_at_every_single_call_leaves_no_message_to_the_next_life",
            "a_message_that_asks_to_end_dies_at_every_step",
        ],
    ),
    ("D10", &["a_watcher_that_was_killed_is_missed_and_one_that_ended_is_not", "a_folder_whose_name_no_agent_can_have_is_told_of_once"]),
    ("D11", &["what_this_program_writes_is_no_activity", "what_this_program_writes_into_a_folder_does_not_keep_it_active"]),
    ("D12", &["each_word_is_read_as_what_was_written", "each_error_has_a_code_that_a_program_can_act_on"]),
    (
        "D13",
        &[
            "a_log_whose_pipe_was_closed_goes_on_and_a_pipe_of_another_program_is_named_and_left",
            "a_log_whose_pipe_was_closed_is_opened_again",
            "hooks_that_work_against_the_fleet_are_named",
            "hooks_that_change_panes_are_named_and_others_are_not",
        ],
    ),
    ("D14", &["the_environment_is_the_declared_one_and_nothing_else"]),
    ("E1", &["the_echo_of_a_terminal_confirms_nothing", "what_only_the_terminal_echoes_is_not_confirmed"]),
    ("E2", &["what_waits_for_a_person_is_told_by_what_it_waits_for", "a_change_waits_for_the_answer_to_a_permission"]),
    ("E3", &["every_capture_is_read_as_what_it_is", "a_dialog_counts_as_answered_when_something_else_is_shown"]),
    ("E4", &["every_capture_is_read_as_what_it_is", "a_text_that_is_seen_later_gets_its_enter_then"]),
    ("E5", &["every_capture_is_read_as_what_it_is"]),
    ("E6", &["every_capture_is_read_as_what_it_is"]),
    ("E7", &["a_text_is_no_command_unless_that_is_said"]),
    ("E8", &["what_no_one_will_answer_is_not_waited_for"]),
    ("E9", &["a_program_of_gemini_ends_by_itself_when_its_tree_is_asked", "the_way_out_of_a_preset"]),
    ("E10", &["it_outlives_the_agent_that_started_it_however_that_ends"]),
    (
        "F1",
        &[
            "a_manifest_that_was_found_is_read_only_if_no_other_user_can_write_to_it",
            "a_look_runs_no_command_of_a_manifest_whose_fleet_is_anothers",
        ],
    ),
    ("F2", &["a_log_that_is_a_link_or_not_ours_blocks_its_agent"]),
    ("F3", &["nothing_that_a_terminal_obeys_is_passed_on"]),
    ("G1", &["a_fleet_is_halted_and_resumed_whatever_its_manifest_says"]),
    ("G2", &["what_goes_on_by_itself_needs_no_approval", "what_goes_on_by_itself_is_waited_for_without_an_approval"]),
    ("G3", &["a_command_in_a_hint_works_when_it_is_copied"]),
    ("G4", &["the_usual_limit_binds_from_four_running_agents_on", "a_refusal_is_the_last_line_and_on_stderr"]),
    ("G5", &["the_schemas_can_be_read_by_a_strict_reader"]),
    ("G6", &["a_status_fits_a_narrow_terminal_and_never_cuts_why"]),
    ("G7", &["where_nothing_is_owned_nothing_is_bound"]),
    ("G8", &["flags_are_offered_where_they_work", "times_are_written_in_one_way"]),
    ("G9", &["the_end_of_a_fleet_is_told_in_one_document", "a_watcher_says_when_nothing_is_due_and_whether_it_had_to_be_killed"]),
    ("G10", &["a_name_that_is_begun_is_asked_about_with_all_that_begin_so", "a_status_is_of_the_agents_that_are_named"]),
    ("H1", &["tests_never_see_the_home_folder_of_the_person_who_runs_them", "tests_start_every_process_with_a_clean_environment"]),
];

#[test]
fn every_fault_has_a_test_or_is_open() {
    let found: BTreeSet<&str> = FOUND.iter().copied().collect();
    let open: BTreeSet<&str> = OPEN.iter().map(|(row, _)| *row).collect();
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
