//! What users of other tools suffer, row by row, and the test that shows that it does not happen
//! here. Each fails when the behaviour is broken. Most run a whole engine in this process on
//! small API servers over HTTP ([`room`]); the others are where they are cheapest.
//!
//! | row | what | tests |
//! |---|---|---|
//! | 1 | lines repeated after an interruption or a resume | `logs::a_line_is_never_repeated_however_often_the_task_is_resumed`, `whole_program crashes::a_daemon_killed_after_the_fourth_line_is_followed_by_the_next` |
//! | 2 | only whole seconds can be asked for | `pod_adapters logs::a_log_is_read_piece_by_piece_without_repeats`, `pod::logs::stamp a_read_goes_on_from_a_whole_second_that_includes_the_cursor` |
//! | 3 | lines lost to a rotation or a stall | `logs::lines_that_were_rotated_away_leave_a_mark`, `pod_adapters logs::a_follow_goes_on_through_a_break_and_a_stall_and_ends_with_the_container` |
//! | 4 | a failed pod recorded as success | `logs::a_pod_that_fails_between_the_wake_and_the_next_wait_fails_its_task` |
//! | 5 | a pod gone before re-entry | `logs::a_pod_that_is_gone_before_its_status_is_read_is_judged_by_what_the_watch_told`, `pod_adapters watch_linger::who_waits_again_after_the_pod_is_gone_still_learns_how_it_ended`, `whole_program outside::a_pod_deleted_after_its_good_end_is_a_success_all_the_same` |
//! | 6 | another pod of the same name | `identity::the_log_of_another_pod_of_the_same_name_is_not_taken_for_ours`, `pod_adapters lifecycle::only_the_pod_of_that_uid_is_deleted` |
//! | 7 | two pods for one task | `identity::a_creation_whose_answer_is_lost_makes_one_pod`, `whole_program crashes::killed_again_and_again_a_task_still_comes_to_its_end` |
//! | 8 | a retry adopts what has ended | `identity::a_retry_does_not_take_up_a_pod_that_has_ended` |
//! | 9 | the pod of a cancelled task runs on | `identity::the_pod_of_a_cancelled_task_is_deleted_although_the_server_says_no_at_first`, `whole_program cancelling::a_deferred_task_is_cancelled_by_the_daemon` |
//! | 10 | a kept pod runs on | `identity::a_pod_that_is_to_be_kept_does_not_run_on_behind_its_failed_task` |
//! | 11 | no timeout while deferred | `trouble::the_execution_timeout_holds_while_the_task_is_deferred`, `whole_program verdicts::a_task_that_runs_out_of_time_while_it_waits_takes_its_pod_along` |
//! | 12 | stuck after a triggerer died | `whole_program crashes::what_a_killed_run_left_is_taken_up_by_a_daemon`, `store orphaned_triggers_pass_to_a_living_engine_and_others_do_not` |
//! | 13 | late or double events | `trouble::an_event_for_a_wait_that_is_over_is_refused`, `store an_event_fires_once_and_a_late_one_changes_nothing` |
//! | 14 | the sidecar with the result hangs | `endings::a_task_that_failed_does_not_wait_for_the_sidecar_with_its_result`, `endings::a_result_whose_sidecar_has_ended_already_is_missed_in_words`, `endings::a_sidecar_that_never_hands_the_result_out_is_given_up_in_the_end`, `whole_program results::a_kept_pods_sidecar_is_ended_with_its_task` |
//! | 15 | a sidecar keeps the pod running | `endings::a_sidecar_that_runs_on_does_not_hold_a_finished_task`, `endings::a_kept_pod_whose_sidecar_runs_on_is_stopped` |
//! | 16 | 401 after an hour | `clusters::a_token_file_whose_token_expires_fails_no_task`, `clusters::a_login_program_whose_token_expires_fails_no_task`, `pod_adapters lifecycle::expired_credentials_are_read_again` |
//! | 17 | a kubeconfig in the trigger's row | `trouble::no_credential_reaches_the_database` |
//! | 18 | one hiccup fails the task | `trouble::no_hiccup_of_the_server_decides_a_tasks_fate` |
//! | 19 | a call hangs | `pod_adapters lifecycle::a_server_that_never_answers_is_given_up` |
//! | 20 | 410 ends the watch | `trouble::a_watch_that_is_too_old_does_not_hold_a_task`, `pod_adapters watch_trouble::a_version_that_is_too_old_is_listed_again_and_missing_pods_are_gone` |
//! | 21 | images that cannot be pulled | `endings::a_hopeless_image_fails_at_once_and_a_busy_registry_is_waited_for` |
//! | 22 | preempted before the start | `endings::a_pod_that_is_preempted_before_it_started_is_replaced` |
//! | 23 | phase Unknown | `methods::a_node_that_stays_silent_is_given_up`, `methods::a_node_that_came_back_is_waited_for_again`, `trigger::pod::decide a_silent_node_gets_a_while_to_come_back` |
//! | 24 | logs of init containers | `logs::logs_of_init_containers_are_collected_and_hold_nothing_up` |
//! | 27 | secrets in the printed spec | `secrets::the_spec_that_is_shown_when_a_task_fails_has_no_secrets` |
//! | 31 | deleted and evicted pods | `endings::an_evicted_pod_ends_its_task_and_says_so`, `endings::a_pod_that_somebody_deletes_ends_its_task` |

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set its stage has failed"
)]

#[path = "../pod_adapters/answer.rs"]
mod answer;
#[allow(dead_code, reason = "shared with tests that ask for other failures")]
#[path = "../pod_adapters/api.rs"]
mod api;
#[allow(dead_code, reason = "shared with tests that put more on the stage")]
#[path = "../pod_adapters/stage.rs"]
mod stage;
#[path = "../pod_adapters/streams.rs"]
mod streams;

mod clusters;
mod endings;
mod identity;
mod logs;
mod methods;
mod room;
mod secrets;
mod trouble;
