//! The daemon removes what ended long ago by itself.

use std::time::Duration;

use adjourn::clock::Clock;
use adjourn::engine::{Engine, EngineOptions, EngineSettings};
use adjourn::operator::Operators;
use adjourn::pod::client::Connections;
use adjourn::store::{EngineKind, Scope, Store, StoreError};
use adjourn::task::id::TaskId;
use chrono::TimeDelta;
use serde_json::json;

use crate::room::{Room, eventually, set};
use crate::stage::ended;

async fn is_gone(store: &Store, id: TaskId) -> bool {
    match store.task(id).await {
        Ok(_) => false,
        Err(StoreError::NotFound(_)) => true,
        Err(error) => panic!("{error}"),
    }
}

/// A store with a task that has ended, and nobody at work.
async fn left_behind() -> (tempfile::TempDir, Store, TaskId) {
    let room = Room::open().await;
    let id = room.submit(json!({"task_id": "old"})).await;
    let name = room.pod(id, 1).await;
    set(&room.api, &name, "Succeeded", ended(0));
    room.ended(id).await;
    let (directory, path) = room.close().await;
    let store = Store::open(&path, Clock::system().now()).await.unwrap();
    (directory, store, id)
}

async fn engine(store: &Store, kind: EngineKind, retention: Option<Duration>) -> Engine {
    let ahead = TimeDelta::days(8);
    let system = Clock::system();
    Engine::start(EngineOptions {
        clock: Clock::from_fn(move || system.now() + ahead),
        kind,
        scope: Scope::All,
        settings: EngineSettings {
            retention,
            ..EngineSettings::default()
        },
        ..EngineOptions::new(store.clone(), Operators::default(), Connections::default())
    })
    .await
    .unwrap()
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn a_daemon_removes_what_has_been_kept_long_enough() {
    let (_directory, store, id) = left_behind().await;
    let engine = engine(&store, EngineKind::Serve, Some(DAY * 7)).await;
    eventually("the removal", async || {
        is_gone(&store, id).await.then_some(())
    })
    .await;
    engine.stop().await;
}

#[tokio::test]
async fn nothing_is_removed_before_its_time_nor_by_a_run_nor_when_it_is_turned_off() {
    let (_directory, store, id) = left_behind().await;
    for (kind, retention) in [
        (EngineKind::Serve, Some(DAY * 9)),
        (EngineKind::Serve, None),
        (EngineKind::Run, Some(DAY * 7)),
    ] {
        let engine = engine(&store, kind, retention).await;
        // It looks when it begins, before it has answered anything else for long.
        let mut changes = store.changes();
        for _ in 0..3 {
            let _ = tokio::time::timeout(Duration::from_millis(300), changes.changed()).await;
        }
        engine.stop().await;
        assert!(!is_gone(&store, id).await);
    }
}
