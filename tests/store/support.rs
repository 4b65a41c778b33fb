//! What the tests of the store share.

use std::time::Duration;

use adjourn::clock::Timestamp;
use adjourn::store::{Claimed, NewTask, Scope, StepCommit, Store, StoredCursor};
use adjourn::task::deferral::{EventStatus, TriggerEvent, TriggerSpec};
use adjourn::task::id::{TaskId, TaskKey};
use adjourn::task::log::{LineKind, LogCursor, LogLine};
use adjourn::task::pods::{ConnectionOverrides, ConnectionRef, PodIntent};
use adjourn::task::retry::RetryPolicy;
use chrono::DateTime;
use serde_json::json;

pub use crate::place::Place;

pub fn at(second: i64) -> Timestamp {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

pub fn new_task(name: &str) -> NewTask {
    NewTask {
        key: TaskKey {
            dag_id: "etl".into(),
            task_id: name.into(),
            run_id: "r1".into(),
            map_index: -1,
        },
        operator: "pod".into(),
        definition: format!("{{\"task_id\":\"{name}\"}}"),
        retry: RetryPolicy::default(),
        execution_timeout: Some(Duration::from_secs(600)),
    }
}

pub fn trigger() -> TriggerSpec {
    TriggerSpec {
        kind: "pod".into(),
        version: 1,
        kwargs: json!({"pod": "a"}),
        next_log_at: Some(at(30)),
    }
}

pub fn event() -> TriggerEvent {
    TriggerEvent {
        status: EventStatus::Running,
        reason: "time to fetch the newest logs".into(),
        at: at(30),
        payload: json!({"phase": "Running"}),
    }
}

pub fn line(text: &[u8], stamp_ns: i64) -> LogLine {
    LogLine {
        container: "base".into(),
        stamp_ns,
        text: text.to_vec().into(),
        kind: LineKind::Output,
    }
}

pub fn cursor(stamp_ns: i64) -> StoredCursor {
    StoredCursor {
        pod_uid: "u1".into(),
        container: "base".into(),
        cursor: LogCursor {
            container_id: "containerd://c".into(),
            stamp_ns,
            seen_at_stamp: 1,
            complete: false,
        },
    }
}

pub fn intent(name: &str) -> PodIntent {
    PodIntent {
        connection: ConnectionRef {
            name: "kubernetes_default".into(),
            overrides: ConnectionOverrides::default(),
        },
        server: "https://127.0.0.1:6443/".into(),
        namespace: "jobs".into(),
        name: name.into(),
        nonce: "n".into(),
        body_hash: "h".into(),
    }
}

pub async fn submit(store: &Store, names: &[&str]) -> Vec<TaskId> {
    let tasks = names.iter().map(|name| new_task(name)).collect();
    let submitted = store.submit(tasks, at(0)).await.unwrap();
    submitted.into_iter().map(|task| task.id).collect()
}

pub async fn claim_one(store: &Store, now: i64) -> Claimed {
    let lease = at(now + 30);
    let claimed = store.claim("me", &Scope::All, 1, lease, at(now)).await;
    claimed.unwrap().pop().unwrap()
}

pub async fn defer(store: &Store, claimed: &Claimed, now: i64) {
    let step = StepCommit::Defer {
        trigger: trigger(),
        reason: "waits".into(),
    };
    store
        .commit_step(claimed.row.id, claimed.row.fence, "me", step, at(now))
        .await
        .unwrap();
}
