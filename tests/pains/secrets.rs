//! What must not be shown: row 27.

use serde_json::json;

use crate::room::{Room, set};
use crate::stage::ended;

/// Row 27. A failed task's log shows its pod, without the values of its variables.
#[tokio::test]
async fn the_spec_that_is_shown_when_a_task_fails_has_no_secrets() {
    let room = Room::open().await;
    let id = room
        .submit(json!({
            "env_vars": {"DATABASE_PASSWORD": "hunter2-and-more"},
            "log_pod_spec_on_failure": true,
        }))
        .await;
    let name = room.pod(id, 1).await;
    set(&room.api, &name, "Failed", ended(1));
    let told = room.ended(id).await;
    assert_eq!(told.task.state, "failed");
    let log = room.log(id).await;
    assert!(
        log.iter()
            .any(|(_, text)| text.contains("DATABASE_PASSWORD")),
        "the spec is shown: {log:?}"
    );
    assert!(
        !log.iter()
            .any(|(_, text)| text.contains("hunter2-and-more")),
        "{log:?}"
    );
    assert!(!told.task.reason.unwrap().contains("hunter2"));
}
