//! Which pod is whose, and what becomes of it: rows 6-10.

use serde_json::json;

use crate::api::Log;
use crate::room::{Room, eventually, lines, set};
use crate::stage::{ended, running};

/// Row 6. A name without a suffix comes again: the log of the pod that has it now is not ours.
#[tokio::test]
async fn the_log_of_another_pod_of_the_same_name_is_not_taken_for_ours() {
    let room = Room::open().await;
    let id = room
        .submit(json!({"name": "same", "random_name_suffix": false, "logging_interval": 0.1}))
        .await;
    let name = room.pod(id, 1).await;
    assert_eq!(name, "same");
    room.api.hold("/log?");
    set(&room.api, &name, "Running", running());
    eventually("a request for the log", async || {
        (!room.api.requests("/pods/same/log").is_empty()).then_some(())
    })
    .await;
    let ours = room.api.pods().remove(0);
    set(&room.api, &name, "Succeeded", ended(0));
    room.api.remove(&name);
    let mut theirs = ours.clone();
    theirs["metadata"]["uid"] = "another".into();
    theirs["metadata"]["labels"] = json!({});
    room.api.put(theirs);
    let log = Log {
        bytes: lines(&["somebody else's"]),
        ..Log::default()
    };
    room.api.set_log(&name, "base", log);
    room.api.let_go();
    let told = room.ended(id).await;
    assert_eq!(told.task.state, "success", "{told:#?}");
    assert_eq!(room.lines(id).await, [""; 0]);
    // And it is left alone.
    let left = room.api.pods();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["metadata"]["uid"], "another");
}

/// Row 7. The answer to the creation is lost: what is there is ours.
#[tokio::test]
async fn a_creation_whose_answer_is_lost_makes_one_pod() {
    let room = Room::open().await;
    room.api.lose_next_answer("POST ");
    let id = room.submit(json!({})).await;
    let name = room.pod(id, 1).await;
    assert!(room.api.requests("POST ").len() >= 2);
    let names: Vec<_> = room.api.pods();
    assert_eq!(names.len(), 1);
    assert_eq!(names[0]["metadata"]["name"], name.as_str());
    set(&room.api, &name, "Succeeded", ended(0));
    let told = room.ended(id).await;
    assert_eq!((told.task.state, told.task.try_number), ("success", 1));
    assert!(room.api.pods().is_empty());
}

/// Row 8. What ended, or was evicted, is not taken up by the next try.
#[tokio::test]
async fn a_retry_does_not_take_up_a_pod_that_has_ended() {
    let room = Room::open().await;
    let id = room
        .submit(json!({"retries": 1, "retry_delay": 0.01}))
        .await;
    let first = room.pod(id, 1).await;
    set(&room.api, &first, "Running", running());
    // The kubelet evicts it: its containers are killed.
    room.api.change(&first, |pod| {
        pod["status"] = crate::stage::a_pod(&first, "Failed", ended(137))["status"].clone();
        pod["status"]["reason"] = "Evicted".into();
        pod["status"]["message"] = "The node was low on resource: memory.".into();
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
    assert_eq!((told.task.state, told.task.try_number), ("success", 2));
    assert!(room.api.pods().is_empty());
}

/// Row 9. The wish to delete is kept until the cluster has carried it out.
#[tokio::test]
async fn the_pod_of_a_cancelled_task_is_deleted_although_the_server_says_no_at_first() {
    let room = Room::open().await;
    let id = room.submit(json!({})).await;
    let name = room.pod(id, 1).await;
    set(&room.api, &name, "Running", running());
    for _ in 0..6 {
        room.api.fail_next("DELETE ", 503, None);
    }
    room.service.cancel(id, "enough").await.unwrap();
    let told = room.ended(id).await;
    assert_eq!(told.task.state, "cancelled");
    assert!(room.api.pods().is_empty());
    assert!(room.api.requests("DELETE ").len() > 6);
}

/// Row 10. Keeping is for pods that have ended; one that goes on is stopped.
#[tokio::test]
async fn a_pod_that_is_to_be_kept_does_not_run_on_behind_its_failed_task() {
    let room = Room::open().await;
    let id = room
        .submit(json!({"on_finish_action": "keep_pod", "execution_timeout": 0.3}))
        .await;
    let name = room.pod(id, 1).await;
    set(&room.api, &name, "Running", running());
    room.until_state(id, "failed").await;
    let stopped = eventually("a deadline for the pod", async || {
        let pod = room.api.pods().remove(0);
        pod["spec"]["activeDeadlineSeconds"].as_i64()
    })
    .await;
    assert!(stopped <= 1, "{stopped}");
    // As the kubelet does then.
    room.api.change(&name, |pod| {
        pod["status"] = crate::stage::a_pod(&name, "Failed", ended(137))["status"].clone();
        pod["status"]["reason"] = "DeadlineExceeded".into();
    });
    room.ended(id).await;
    assert_eq!(room.api.pods().len(), 1, "kept");
    assert!(room.api.requests("DELETE ").is_empty());
}
