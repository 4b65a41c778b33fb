//! The reference operator's methods, and the tests of what they do here.
//!
//! | method | tests |
//! |---|---|
//! | `execute`, `execute_async` | `whole_program deferral::lines_appear_while_the_pod_runs_and_each_appears_once` |
//! | `execute_sync` | `a_task_that_is_not_to_be_deferred_follows_its_pod_to_the_end` |
//! | `invoke_defer_method` | `a_pod_that_has_ended_already_is_not_waited_for` |
//! | `trigger_reentry`: success, failed | `endings::a_sidecar_that_runs_on_does_not_hold_a_finished_task` |
//! | … timeout | `a_pod_that_no_node_takes_is_given_up_with_the_reason` |
//! | … error | `endings::a_pod_that_somebody_deletes_ends_its_task`, `a_node_that_came_back_is_waited_for_again`, `a_node_that_stays_silent_is_given_up`, `a_node_that_comes_and_goes_is_waited_for_three_times` |
//! | … running | `logs::a_line_is_never_repeated_however_often_the_task_is_resumed` |
//! | … 404 after success | `whole_program outside::a_pod_deleted_after_its_good_end_is_a_success_all_the_same` |
//! | `find_pod`, `log_matching_pod`, `get_or_create_pod` | `identity::a_creation_whose_answer_is_lost_makes_one_pod`, `identity::a_retry_does_not_take_up_a_pod_that_has_ended`, `golden helpers` |
//! | `await_pod_start` | `endings::a_hopeless_image_fails_at_once_and_a_busy_registry_is_waited_for`, `golden helpers` |
//! | `await_init_containers_completion` | `logs::logs_of_init_containers_are_collected_and_hold_nothing_up` |
//! | `await_pod_completion` | `endings::a_sidecar_that_runs_on_does_not_hold_a_finished_task`, `observe_recordings every_recorded_life_ends_with_the_verdict_that_a_person_would_give` |
//! | `extract_xcom` | `whole_program results::what_a_task_leaves_is_its_result`, `endings::a_result_whose_sidecar_has_ended_already_is_missed_in_words` |
//! | `post_complete_action`, `cleanup` | `a_code_that_means_skipped_skips_and_the_pod_is_disposed_of`, `secrets::the_spec_that_is_shown_when_a_task_fails_has_no_secrets` |
//! | `is_istio_enabled`, `kill_istio_sidecar` | `the_meshs_proxy_in_a_kept_pod_is_told_to_end` |
//! | `process_pod_deletion` | `identity::a_pod_that_is_to_be_kept_does_not_run_on_behind_its_failed_task`, `golden helpers` |
//! | `patch_already_checked` | `a_pod_that_is_kept_is_marked_as_checked` |
//! | `on_kill` | `identity::the_pod_of_a_cancelled_task_is_deleted_although_the_server_says_no_at_first` |
//! | `build_pod_request_obj` | `golden pod_specs` |
//! | `dry_run` | `cli_offline dry_run` |
//! | `convert_config_file_to_dict` | `trouble::no_credential_reaches_the_database` |
//! | credentials | `clusters::a_token_file_whose_token_expires_fails_no_task` |

use adjourn::task::id::TaskId;
use chrono::TimeDelta;
use serde_json::json;

use crate::api::Log;
use crate::room::{Room, eventually, lines, set};
use crate::stage::{ended, running};

#[tokio::test]
async fn a_task_that_is_not_to_be_deferred_follows_its_pod_to_the_end() {
    let room = Room::open().await;
    let id = room
        .submit(json!({
            "deferrable": false,
            "base_container_status_polling_interval": 0.2,
            "startup_check_interval_seconds": 0.2,
        }))
        .await;
    let name = eventually("the pod", async || {
        let pod = room.told(id).await.pod?;
        pod.uid.map(|_| pod.name)
    })
    .await;
    let log = |texts: &[&str]| Log {
        bytes: lines(texts),
        ..Log::default()
    };
    room.api.set_log(&name, "base", log(&["one", "two"]));
    set(&room.api, &name, "Running", running());
    eventually("lines while it runs", async || {
        (room.lines(id).await.len() == 2).then_some(())
    })
    .await;
    room.api
        .set_log(&name, "base", log(&["one", "two", "three"]));
    set(&room.api, &name, "Failed", ended(9));
    let told = room.ended(id).await;
    assert_eq!((told.task.state, told.task.exit_code), ("failed", Some(9)));
    assert_eq!(room.lines(id).await, ["one", "two", "three"]);
    assert!(
        told.history.iter().all(|change| change.event != "defer"),
        "{:?}",
        told.history
    );
    assert_eq!(room.triggers.hub().watches(), 0);
}

#[tokio::test]
async fn a_pod_that_has_ended_already_is_not_waited_for() {
    let room = Room::open().await;
    // The answer is lost, and until the pod is looked for by name it has ended.
    room.api.lose_next_answer("POST ");
    room.api.hold("GET /api/v1/namespaces/jobs/pods/");
    let id = room.submit(json!({})).await;
    let name = eventually("the pod", async || {
        let pod = room.api.pods().into_iter().next()?;
        pod["metadata"]["name"].as_str().map(str::to_owned)
    })
    .await;
    set(&room.api, &name, "Succeeded", ended(0));
    room.api.let_go();
    let told = room.ended(id).await;
    assert_eq!(told.task.state, "success", "{told:#?}");
    assert!(
        told.history.iter().all(|change| change.event != "defer"),
        "{:?}",
        told.history
    );
}

#[tokio::test]
async fn a_pod_that_no_node_takes_is_given_up_with_the_reason() {
    let room = Room::open().await;
    let id = room.submit(json!({"schedule_timeout_seconds": 1})).await;
    let name = room.pod(id, 1).await;
    room.api.change(&name, |pod| {
        pod["status"] = json!({"phase": "Pending", "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/3 nodes are available: 3 Insufficient cpu.",
        }]});
    });
    let told = room.ended(id).await;
    assert_eq!(told.task.state, "failed");
    let reason = told.task.reason.unwrap();
    for part in ["schedule_timeout_seconds", "Insufficient cpu"] {
        assert!(reason.contains(part), "{part} in {reason}");
    }
    assert!(room.api.pods().is_empty());
}

/// The node stops reporting, as the cluster tells it.
fn fall_silent(room: &Room, name: &str) {
    room.api.change(name, |pod| {
        pod["status"]["conditions"] = json!([{
            "type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown",
        }]);
    });
}

#[tokio::test]
async fn a_node_that_stays_silent_is_given_up() {
    let room = Room::open().await;
    let id = room.submit(json!({})).await;
    let name = room.pod(id, 1).await;
    set(&room.api, &name, "Running", running());
    fall_silent(&room, &name);
    room.until_seen().await;
    room.leap(TimeDelta::seconds(301));
    room.until_state(id, "failed").await;
    let reason = room.told(id).await.task.reason.unwrap();
    assert!(reason.contains("node"), "{reason}");
}

/// The node of a running pod is silent for too long, and comes back just before the task looks
/// for itself, while the watch has not told it yet.
async fn is_silent_for_a_while(room: &Room, name: &str) {
    set(&room.api, name, "Running", running());
    fall_silent(room, name);
    room.until_seen().await;
    room.api.mute(true);
    set(&room.api, name, "Running", running());
    room.leap(TimeDelta::seconds(301));
}

/// Waits until the task waits for its trigger for that many times.
async fn until_it_waits_again(room: &Room, id: TaskId, times: usize) {
    eventually("another wait", async || {
        let history = room.told(id).await.history;
        let waits = history.iter().filter(|change| change.event == "defer");
        (waits.count() >= times).then_some(())
    })
    .await;
    room.api.mute(false);
}

#[tokio::test]
async fn a_node_that_came_back_is_waited_for_again() {
    let room = Room::open().await;
    let id = room.submit(json!({})).await;
    let name = room.pod(id, 1).await;
    is_silent_for_a_while(&room, &name).await;
    until_it_waits_again(&room, id, 2).await;
    set(&room.api, &name, "Succeeded", ended(0));
    let told = room.ended(id).await;
    assert_eq!((told.task.state, told.task.try_number), ("success", 1));
}

#[tokio::test]
async fn a_node_that_comes_and_goes_is_waited_for_three_times() {
    let room = Room::open().await;
    let id = room.submit(json!({})).await;
    let name = room.pod(id, 1).await;
    for times in 2..=4 {
        is_silent_for_a_while(&room, &name).await;
        until_it_waits_again(&room, id, times).await;
    }
    is_silent_for_a_while(&room, &name).await;
    let told = room.until_state(id, "failed").await;
    let reason = told.task.reason.unwrap();
    assert!(reason.contains("node"), "{reason}");
    room.api.mute(false);
    room.ended(id).await;
    assert!(room.api.pods().is_empty());
}

#[tokio::test]
async fn a_code_that_means_skipped_skips_and_the_pod_is_disposed_of() {
    let room = Room::open().await;
    let id = room.submit(json!({"skip_on_exit_code": [4, 99]})).await;
    let name = room.pod(id, 1).await;
    set(&room.api, &name, "Failed", ended(99));
    let told = room.ended(id).await;
    assert_eq!(
        (told.task.state, told.task.exit_code),
        ("skipped", Some(99))
    );
    assert!(room.api.pods().is_empty());
}

#[tokio::test]
async fn the_meshs_proxy_in_a_kept_pod_is_told_to_end() {
    let room = Room::open().await;
    let id = room.submit(json!({"on_finish_action": "keep_pod"})).await;
    let name = room.pod(id, 1).await;
    crate::endings::base_ends_beside(&room, &name, "istio-proxy", 0);
    room.until_state(id, "success").await;
    let told = room.api.requests("/exec");
    assert!(
        told.iter()
            .any(|asked| asked.contains("istio-proxy") && asked.contains("quitquitquit")),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_pod_that_is_kept_is_marked_as_checked() {
    let room = Room::open().await;
    let id = room.submit(json!({"on_finish_action": "keep_pod"})).await;
    let name = room.pod(id, 1).await;
    set(&room.api, &name, "Succeeded", ended(0));
    assert_eq!(room.ended(id).await.task.state, "success");
    let pod = room.api.pods().remove(0);
    assert_eq!(pod["metadata"]["labels"]["already_checked"], "True");
}
