//! How pods end, or never begin: rows 14, 15, 21-23, 31.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::room::{Room, eventually, set};
use crate::stage::{a_pod, ended, running};

/// Puts a second container beside the base container.
fn beside(room: &Room, name: &str, container: &str, state: Value) {
    room.api.change(name, |pod| {
        let mut other = pod["status"]["containerStatuses"][0].clone();
        other["name"] = container.into();
        other["containerID"] = format!("containerd://{container}").into();
        other["state"] = state;
        let statuses = pod["status"]["containerStatuses"].as_array_mut().unwrap();
        statuses.push(other);
    });
}

/// The base container ends in a pod whose other container goes on.
pub fn base_ends_beside(room: &Room, name: &str, container: &str, code: i32) {
    room.api.change(name, |pod| {
        pod["spec"]["nodeName"] = "node1".into();
        let mut status = a_pod(name, "Running", ended(code))["status"].clone();
        let mut other = status["containerStatuses"][0].clone();
        other["name"] = container.into();
        other["state"] = running();
        let statuses = status["containerStatuses"].as_array_mut().unwrap();
        statuses.push(other);
        pod["status"] = status;
    });
}

/// Row 14. Base has failed: the sidecar with the result is asked once and never waited for,
/// although this server knows no exec at all.
#[tokio::test]
async fn a_task_that_failed_does_not_wait_for_the_sidecar_with_its_result() {
    let room = Room::open().await;
    let id = room.submit(json!({"do_xcom_push": true})).await;
    let name = room.pod(id, 1).await;
    base_ends_beside(&room, &name, "airflow-xcom-sidecar", 3);
    let began = Instant::now();
    let told = room.ended(id).await;
    assert_eq!((told.task.state, told.task.exit_code), ("failed", Some(3)));
    assert!(began.elapsed() < Duration::from_secs(20));
    assert!(room.api.requests("/exec").len() <= 1);
    assert!(room.api.pods().is_empty());
}

/// Row 14. The sidecar has ended before it was asked: that is said, and nothing hangs.
#[tokio::test]
async fn a_result_whose_sidecar_has_ended_already_is_missed_in_words() {
    let room = Room::open().await;
    let id = room.submit(json!({"do_xcom_push": true})).await;
    let name = room.pod(id, 1).await;
    room.api.mute(true);
    set(&room.api, &name, "Running", ended(0));
    beside(&room, &name, "airflow-xcom-sidecar", ended(137));
    room.api
        .change(&name, |pod| pod["status"]["phase"] = "Failed".into());
    room.api.mute(false);
    let told = room.ended(id).await;
    assert_eq!((told.task.state, told.task.exit_code), ("failed", Some(0)));
    let reason = told.task.reason.unwrap();
    assert!(
        reason.contains("sidecar") && reason.contains("137"),
        "{reason}"
    );
    assert!(room.api.requests("/exec").is_empty());
}

/// Row 14. The sidecar is asked again and again, but not for ever.
#[tokio::test]
async fn a_sidecar_that_never_hands_the_result_out_is_given_up_in_the_end() {
    let room = Room::open().await;
    for _ in 0..20 {
        room.api.fail_next("/exec", 503, None);
    }
    let id = room.submit(json!({"do_xcom_push": true})).await;
    let name = room.pod(id, 1).await;
    base_ends_beside(&room, &name, "airflow-xcom-sidecar", 0);
    let asked = |times: usize| {
        let requests = room.api.requests("/exec");
        (requests.len() >= times).then_some(())
    };
    for times in 1..=2 {
        eventually("a question", async || asked(times)).await;
        assert!(!room.told(id).await.task.is_final);
        // Past whatever it waits for.
        room.leap(TimeDelta::minutes(11));
    }
    let told = room.until_state(id, "failed").await;
    assert_eq!(told.task.exit_code, Some(0));
    let reason = told.task.reason.unwrap();
    for part in ["result cannot be retrieved", "3 times"] {
        assert!(reason.contains(part), "{part} in {reason}");
    }
    room.ended(id).await;
    assert!(room.api.pods().is_empty());
}

/// Row 15. The base container decides; the rest goes with the pod.
#[tokio::test]
async fn a_sidecar_that_runs_on_does_not_hold_a_finished_task() {
    let room = Room::open().await;
    for (code, state) in [(0, "success"), (7, "failed")] {
        let id = room.submit(json!({})).await;
        let name = room.pod(id, 1).await;
        base_ends_beside(&room, &name, "proxy", code);
        let told = room.ended(id).await;
        assert_eq!((told.task.state, told.task.exit_code), (state, Some(code)));
        assert!(room.api.pods().is_empty());
    }
}

/// Row 15, where the pod is to be kept: what goes on is ended.
#[tokio::test]
async fn a_kept_pod_whose_sidecar_runs_on_is_stopped() {
    let room = Room::open().await;
    let id = room.submit(json!({"on_finish_action": "keep_pod"})).await;
    let name = room.pod(id, 1).await;
    base_ends_beside(&room, &name, "proxy", 0);
    room.until_state(id, "success").await;
    eventually("a deadline for the pod", async || {
        let pod = room.api.pods().remove(0);
        pod["spec"]["activeDeadlineSeconds"].as_i64()
    })
    .await;
    assert!(room.api.requests("DELETE ").is_empty());
}

/// Row 21. What can never start is told at once; what may pass is waited for.
#[tokio::test]
async fn a_hopeless_image_fails_at_once_and_a_busy_registry_is_waited_for() {
    let room = Room::open().await;
    let id = room.submit(json!({"startup_timeout_seconds": 3600})).await;
    let name = room.pod(id, 1).await;
    let hopeless = json!({"waiting": {"reason": "InvalidImageName",
        "message": "Failed to apply default image tag \"a b\": invalid reference format"}});
    set(&room.api, &name, "Pending", hopeless);
    let told = room.ended(id).await;
    assert_eq!(told.task.state, "failed");
    let kind = serde_json::to_value(told.task.failure_kind).unwrap();
    assert_eq!(kind, "could_not_start");
    let reason = told.task.reason.unwrap();
    assert!(reason.contains("InvalidImageName"), "{reason}");

    let id = room.submit(json!({"startup_timeout_seconds": 3600})).await;
    let name = room.pod(id, 1).await;
    let busy = json!({"waiting": {"reason": "ErrImagePull",
        "message": "pull QPS exceeded"}});
    set(&room.api, &name, "Pending", busy);
    let seen = room.triggers.hub().counts().events;
    set(&room.api, &name, "Running", running());
    eventually("both to be seen", async || {
        (room.triggers.hub().counts().events > seen).then_some(())
    })
    .await;
    set(&room.api, &name, "Succeeded", ended(0));
    assert_eq!(room.ended(id).await.task.state, "success");
}

/// Row 22. Preempted before any container ran, and without container statuses: another pod takes
/// its place, and no try is spent.
#[tokio::test]
async fn a_pod_that_is_preempted_before_it_started_is_replaced() {
    let room = Room::open().await;
    let id = room.submit(json!({})).await;
    let first = room.pod(id, 1).await;
    room.api.change(&first, |pod| {
        pod["status"] = json!({"phase": "Failed", "conditions": [{
            "type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler",
            "message": "default-scheduler: preempting to accommodate a higher priority pod",
            "lastTransitionTime": "2026-11-24T08:53:25Z",
        }]});
    });
    let second = eventually("a second pod", async || {
        let pods = room.told(id).await.pods;
        let second = pods.get(1)?;
        second.uid.as_ref().map(|_| second.name.clone())
    })
    .await;
    assert_ne!(first, second);
    room.until_state(id, "deferred").await;
    set(&room.api, &second, "Succeeded", ended(0));
    let told = room.ended(id).await;
    assert_eq!((told.task.state, told.task.try_number), ("success", 1));
    let log = room.log(id).await;
    assert!(
        log.iter().any(|(_, text)| text.contains("preempted")),
        "the reason is on record: {log:?}"
    );
    assert!(room.api.pods().is_empty());
}

/// Row 31. An eviction is an end.
#[tokio::test]
async fn an_evicted_pod_ends_its_task_and_says_so() {
    let room = Room::open().await;
    let id = room.submit(json!({})).await;
    let name = room.pod(id, 1).await;
    set(&room.api, &name, "Running", running());
    room.api.change(&name, |pod| {
        pod["status"] = a_pod(&name, "Failed", ended(137))["status"].clone();
        pod["status"]["reason"] = "Evicted".into();
        pod["status"]["message"] = "The node was low on resource: memory.".into();
    });
    let told = room.ended(id).await;
    assert_eq!(told.task.state, "failed");
    let reason = told.task.reason.unwrap();
    assert!(reason.to_lowercase().contains("evicted"), "{reason}");
}

/// Row 31. A deletion by somebody else is an end as well.
#[tokio::test]
async fn a_pod_that_somebody_deletes_ends_its_task() {
    let room = Room::open().await;
    let id = room.submit(json!({"poll_interval": 3600})).await;
    let name = room.pod(id, 1).await;
    set(&room.api, &name, "Running", running());
    room.api.remove(&name);
    let told = room.ended(id).await;
    assert_eq!(told.task.state, "failed");
    assert_eq!(told.pods.len(), 1, "no second pod");
}
