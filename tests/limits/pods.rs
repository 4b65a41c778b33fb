//! How many pods there are at once, and how fast they come.

use std::collections::BTreeSet;

use adjourn::engine::EngineSettings;
use adjourn::store::{EngineLimits, TaskFilter};
use adjourn::task::id::TaskId;
use serde_json::json;

use crate::room::{Furniture, Room, eventually, set};
use crate::stage::{ended, running};

fn limited(limits: EngineLimits) -> Furniture {
    let usual = Furniture::default();
    Furniture {
        engine: EngineSettings {
            limits,
            ..usual.engine
        },
        ..usual
    }
}

async fn submit(room: &Room, tasks: usize) -> Vec<TaskId> {
    let mut ids = Vec::new();
    for number in 0..tasks {
        let task = json!({"task_id": format!("t{number}")});
        ids.push(room.submit(task).await);
    }
    ids
}

/// Ends the pods as they come, and waits until every task has ended well.
async fn finish(room: &Room, ids: &[TaskId]) {
    let mut over = BTreeSet::new();
    eventually("the end of all tasks", async || {
        for pod in room.api.pods() {
            let name = pod["metadata"]["name"].as_str().unwrap();
            if over.insert(name.to_owned()) {
                set(&room.api, name, "Succeeded", ended(0));
            }
        }
        let mut all = true;
        for id in ids {
            all = all && room.told(*id).await.task.state == "success";
        }
        all.then_some(())
    })
    .await;
}

#[tokio::test]
async fn no_more_pods_are_active_than_agreed_and_who_waits_says_why() {
    let room = Room::with(limited(EngineLimits {
        max_active_pods: Some(2),
        pods_per_second: None,
    }))
    .await;
    let ids = submit(&room, 6).await;
    let deferred = eventually("two that wait for their pods", async || {
        let mut deferred = Vec::new();
        for id in &ids {
            if room.told(*id).await.task.state == "deferred" {
                deferred.push(*id);
            }
        }
        (deferred.len() == 2).then_some(deferred)
    })
    .await;
    for pod in room.api.pods() {
        let name = pod["metadata"]["name"].as_str().unwrap();
        set(&room.api, name, "Running", running());
    }
    let why = "waits in the queue: 2 pods are active, and max_active_pods is 2";
    let listed = room.service.list(&TaskFilter::default()).await.unwrap();
    assert_eq!(listed.len(), 6);
    for task in listed {
        if deferred.contains(&task.id) {
            assert_ne!(task.reason.as_deref(), Some(why));
        } else {
            assert_eq!((task.state, task.reason.as_deref()), ("queued", Some(why)));
            let told = room.told(task.id).await;
            assert_eq!(told.task.reason.as_deref(), Some(why));
        }
    }
    assert_eq!(room.api.pods().len(), 2);
    finish(&room, &ids).await;
    // In the order in which it was written down: an attempt begins with a claim and ends with its
    // verdict, and in between its pod may be there.
    let changes = room
        .sql(
            "SELECT max(active), min(active) FROM (
                 SELECT sum(CASE WHEN begins THEN 1 WHEN event = 'complete' THEN -1 ELSE 0 END)
                        OVER (ORDER BY id) AS active
                 FROM (SELECT id, event,
                              event = 'claim'
                              AND row_number() OVER (PARTITION BY task, event ORDER BY id) = 1
                              AS begins
                       FROM history))",
        )
        .await;
    assert_eq!(changes, "Integer(2)\nInteger(0)\n");
}

#[tokio::test]
async fn pods_come_no_faster_than_agreed() {
    let room = Room::with(limited(EngineLimits {
        max_active_pods: None,
        pods_per_second: Some(2),
    }))
    .await;
    let ids = submit(&room, 4).await;
    finish(&room, &ids).await;
    // Two at once, and then one each half second: a bound from below, which no slowness breaks.
    let waited = room
        .sql(
            "SELECT max(at) - min(at) >= 990 FROM history
             WHERE id IN (SELECT min(id) FROM history WHERE event = 'claim' GROUP BY task)",
        )
        .await;
    assert_eq!(waited, "Integer(1)\n");
}
