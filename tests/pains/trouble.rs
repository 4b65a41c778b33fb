//! An outside that is unwell, late or double: rows 11, 13, 16-20.

use adjourn::task::deferral::{EventStatus, TriggerEvent};
use serde_json::{Value, json};

use crate::room::{Room, set};
use crate::stage::{ended, running};

/// Row 11. The deadline is a moment in the row: it holds while nothing runs.
#[tokio::test]
async fn the_execution_timeout_holds_while_the_task_is_deferred() {
    let room = Room::open().await;
    let id = room.submit(json!({"execution_timeout": 0.5})).await;
    let name = room.pod(id, 1).await;
    set(&room.api, &name, "Running", running());
    let told = room.ended(id).await;
    assert_eq!(told.task.state, "failed");
    let kind = serde_json::to_value(told.task.failure_kind).unwrap();
    assert_eq!(kind, "timed_out");
    assert!(room.api.pods().is_empty());
}

/// Row 13. A late event changes nothing, and is no failure of the task.
#[tokio::test]
async fn an_event_for_a_wait_that_is_over_is_refused() {
    let room = Room::open().await;
    let id = room.submit(json!({"logging_interval": 0.1})).await;
    let name = room.pod(id, 1).await;
    let store = room.service.store();
    let fence = store.task(id).await.unwrap().fence;
    set(&room.api, &name, "Running", running());
    let resumes = room.told(id).await.task.resumes;
    crate::room::eventually("a resume", async || {
        (room.told(id).await.task.resumes > resumes).then_some(())
    })
    .await;
    let late = TriggerEvent {
        status: EventStatus::Failed,
        reason: "too late".to_owned(),
        at: adjourn::clock::Clock::system().now(),
        payload: Value::Null,
    };
    let now = adjourn::clock::Clock::system().now();
    let refused = store.fire(id, fence, late, now).await;
    assert!(refused.is_err_and(|error| error.is_fence_lost()));
    set(&room.api, &name, "Succeeded", ended(0));
    assert_eq!(room.ended(id).await.task.state, "success");
}

/// Row 17. The stored trigger names its connection and holds nothing that opens a cluster.
#[tokio::test]
async fn no_credential_reaches_the_database() {
    let room = Room::open().await;
    room.api.write_kubeconfig("very-secret-token");
    room.api.accept_only("very-secret-token");
    let id = room.submit(json!({})).await;
    let name = room.pod(id, 1).await;
    let stored = room.sql("SELECT kwargs FROM triggers").await;
    assert!(stored.contains("kubernetes_default"), "{stored}");
    // Where the pod is stands in its own row: an address, which opens nothing.
    assert!(!stored.contains(&room.api.address()), "{stored}");
    set(&room.api, &name, "Failed", ended(1));
    room.ended(id).await;
    let path = room.service.store().path().to_owned();
    for file in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("very-secret-token"));
    }
}

/// Row 18. Each kind of request fails in each way that can pass, twice, and the task does not.
#[tokio::test]
async fn no_hiccup_of_the_server_decides_a_tasks_fate() {
    for code in [500, 503, 429] {
        let room = Room::open().await;
        for what in [
            "POST ",
            "watch=1",
            "/log?",
            "DELETE ",
            "GET /api/v1/namespaces/jobs/pods/",
        ] {
            room.api.fail_next(what, code, None);
            room.api.fail_next(what, code, (code == 429).then_some(1));
        }
        let id = room.submit(json!({"logging_interval": 0.1})).await;
        let name = room.pod(id, 1).await;
        set(&room.api, &name, "Running", running());
        let resumed = room.told(id).await.task.resumes;
        crate::room::eventually("a resume", async || {
            (room.told(id).await.task.resumes > resumed).then_some(())
        })
        .await;
        set(&room.api, &name, "Succeeded", ended(0));
        let told = room.ended(id).await;
        assert_eq!(
            (told.task.state, told.task.try_number),
            ("success", 1),
            "{code}: {told:#?}"
        );
        assert!(room.api.pods().is_empty(), "{code}");
    }
}

/// Row 20. A watch that is told 410 goes on by a new list.
#[tokio::test]
async fn a_watch_that_is_too_old_does_not_hold_a_task() {
    let room = Room::open().await;
    let id = room.submit(json!({"poll_interval": 3600})).await;
    let name = room.pod(id, 1).await;
    set(&room.api, &name, "Running", running());
    room.api.mute(true);
    set(&room.api, &name, "Failed", ended(3));
    room.api.compact();
    room.api.break_watches();
    room.api.mute(false);
    let told = room.ended(id).await;
    assert_eq!((told.task.state, told.task.exit_code), ("failed", Some(3)));
}
