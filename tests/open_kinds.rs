//! Operators and triggers of a program's own, and what becomes of kinds that nobody knows.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be; its shared parts too"
)]

#[path = "../examples/own_operator.rs"]
mod example;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use adjourn::clock::{Clock, Timestamp};
use adjourn::engine::{Engine, EngineOptions};
use adjourn::operator::{Failure, Operator, Operators, Refused, Step, TaskContext};
use adjourn::pod::client::Connections;
use adjourn::service::{Service, ServiceError};
use adjourn::store::{NewTask, Store, TaskFilter};
use adjourn::task::deferral::TriggerEvent;
use adjourn::task::id::{TaskId, TaskKey};
use adjourn::task::outcome::{Ending, FailureKind};
use adjourn::task::state::TaskState;
use async_trait::async_trait;

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

async fn store(directory: &Path) -> Store {
    let path = directory.join("adjourn.db");
    Store::open(&path, Clock::system().now()).await.unwrap()
}

fn reminder(task_id: &str, directory: &Path) -> NewTask {
    let door = directory.join("door");
    example::reminder(task_id, "hello", Duration::ZERO, &door)
}

/// Waits until the store's task is as it should be.
async fn until(store: &Store, task: TaskId, wanted: impl Fn(&adjourn::store::TaskRow) -> bool) {
    let mut changes = store.changes();
    let look = async {
        while !wanted(&store.task(task).await.unwrap()) {
            changes.changed().await.unwrap();
        }
    };
    let seen = tokio::time::timeout(PATIENCE, look).await;
    assert!(seen.is_ok(), "{:?}", store.task(task).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_waits_for_its_moment_then_for_its_own_trigger() {
    let directory = tempfile::tempdir().unwrap();
    let done = example::remind(directory.path()).await.unwrap();
    assert_eq!(done.task.state, "success", "{:?}", done.task.reason);
    assert_eq!(done.xcom["return_value"]["text"], "the tea is ready");
    assert_eq!(done.xcom["return_value"]["knock"], "knock, knock");
    assert_eq!(done.task.resumes, 2);
    let waited: Vec<&str> = done
        .history
        .iter()
        .filter(|change| change.to_state == "deferred")
        .filter_map(|change| change.reason.as_deref())
        .collect();
    assert!(waited[0].starts_with("waits until "), "{waited:?}");
    assert!(waited[1].starts_with("waits for a knock at "), "{waited:?}");
    // The moment counts from the submission, and the history tells that it was waited for.
    let fired = done
        .history
        .iter()
        .find(|change| change.event == "fire")
        .unwrap();
    assert!(fired.at - done.task.submitted_at >= chrono::TimeDelta::seconds(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_waits_survive_the_engine() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    let service = Service::new(store.clone(), example::operators(), Clock::system());
    let task = reminder("tea", directory.path());
    let id = service.submit_definitions(vec![task]).await.unwrap()[0].id;

    let first = Engine::start(example::options(store.clone()))
        .await
        .unwrap();
    until(&store, id, |row| {
        row.state == TaskState::Deferred && row.resumes == 1
    })
    .await;
    // Dropped, as a kill would: nothing is told.
    drop(first);

    std::fs::write(directory.path().join("door"), "it is me").unwrap();
    let second = Engine::start(example::options(store.clone()))
        .await
        .unwrap();
    tokio::time::timeout(PATIENCE, second.settled())
        .await
        .unwrap()
        .unwrap();
    second.stop().await;
    let done = service.describe(id).await.unwrap();
    assert_eq!(done.task.state, "success", "{:?}", done.task.reason);
    assert_eq!(done.xcom["return_value"]["knock"], "it is me");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_is_checked_by_its_own_operator_and_stored_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    let service = Service::new(store.clone(), example::operators(), Clock::system());
    let good = reminder("tea", directory.path());
    let refused_with = async |task: NewTask| {
        let tasks = vec![reminder("other", directory.path()), task];
        match service.submit_definitions(tasks).await {
            Err(ServiceError::Refused { task_id, refused }) => (task_id, refused.0.join("; ")),
            other => panic!("not refused: {other:?}"),
        }
    };
    let (task_id, words) = refused_with(NewTask {
        definition: r#"{"text": "x", "delay_seconds": -1, "door": "d"}"#.to_owned(),
        ..good.clone()
    })
    .await;
    assert_eq!(task_id, "tea");
    assert!(words.starts_with("delay_seconds: "), "{words}");
    let (_, words) = refused_with(NewTask {
        operator: "alarm".to_owned(),
        ..good.clone()
    })
    .await;
    assert_eq!(
        words,
        "no operator of kind \"alarm\" is registered with this program; it has reminder"
    );
    // None of those that came along was stored.
    let stored = store.list(&TaskFilter::default()).await.unwrap();
    assert!(stored.is_empty());

    let first = service
        .submit_definitions(vec![good.clone()])
        .await
        .unwrap();
    let again = service.submit_definitions(vec![good]).await.unwrap();
    assert!(first[0].created && !again[0].created);
    assert_eq!(first[0].id, again[0].id);
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_that_an_engine_does_not_know_wait_and_stop_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    let service = Service::new(store.clone(), example::operators(), Clock::system());
    let mut ids = Vec::new();
    // One that waits at the door already, and one that nobody has begun.
    let waits = reminder("waits", directory.path());
    ids.push(service.submit_definitions(vec![waits]).await.unwrap()[0].id);
    let knowing = Engine::start(example::options(store.clone()))
        .await
        .unwrap();
    until(&store, ids[0], |row| {
        row.state == TaskState::Deferred && row.resumes == 1
    })
    .await;
    knowing.stop().await;
    let queued = reminder("queued", directory.path());
    ids.push(service.submit_definitions(vec![queued]).await.unwrap()[0].id);
    std::fs::write(directory.path().join("door"), "anybody?").unwrap();

    // An engine that knows the operator under another name, and none of the program's triggers.
    let others = Operators::default().with("other", example::operators().get("reminder").unwrap());
    let other = NewTask {
        operator: "other".to_owned(),
        ..reminder("other", &directory.path().join("nowhere"))
    };
    let others_service = Service::new(store.clone(), others.clone(), Clock::system());
    let other = others_service
        .submit_definitions(vec![other])
        .await
        .unwrap()[0]
        .id;
    let options = EngineOptions::new(store.clone(), others, Connections::default());
    let ignorant = Engine::start(options).await.unwrap();
    // Its own task comes as far as it can; the others are where they were, and it is told why.
    until(&store, other, |row| {
        row.state == TaskState::Deferred && row.resumes == 1
    })
    .await;
    until(&store, ids[1], |row| {
        row.reason.as_deref().is_some_and(|reason| {
            reason.contains("no operator of kind \"reminder\" is registered with this engine")
        })
    })
    .await;
    let waiting = service.describe(ids[0]).await.unwrap();
    assert_eq!(waiting.task.state, "deferred");
    assert_eq!(waiting.trigger.unwrap().kind, "knock");
    let queued = service.describe(ids[1]).await.unwrap();
    assert!(!queued.task.is_final);
    assert_eq!(queued.task.try_number, 1);
    ignorant.stop().await;

    // Whoever knows them goes on.
    let knowing = Engine::start(example::options(store.clone()))
        .await
        .unwrap();
    for id in ids {
        until(&store, id, |row| row.state == TaskState::Success).await;
    }
    knowing.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_task_of_an_unknown_kind_comes_to_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    let service = Service::new(store.clone(), example::operators(), Clock::system());
    let task = reminder("nobody's", directory.path());
    let id = service.submit_definitions(vec![task]).await.unwrap()[0].id;
    // The clock stands ahead at each look, past every wait.
    let ahead = Arc::new(AtomicI64::new(0));
    let clock = Clock::from_fn(move || {
        let minutes = ahead.fetch_add(1, Ordering::Relaxed);
        Clock::system().now() + chrono::TimeDelta::minutes(minutes)
    });
    let ignorant = EngineOptions {
        clock,
        ..EngineOptions::new(store.clone(), Operators::default(), Connections::default())
    };
    let ignorant = Engine::start(ignorant).await.unwrap();
    service.cancel(id, "enough").await.unwrap();
    until(&store, id, |row| row.state == TaskState::Cancelled).await;
    ignorant.stop().await;
    let ended = service.describe(id).await.unwrap();
    let reason = ended.task.reason.unwrap();
    assert!(reason.contains("no operator of kind"), "{reason}");
    let put_off = ended
        .history
        .iter()
        .filter(|change| change.event == "postpone");
    assert!(put_off.count() >= 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_taken_by_another_kind_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    let operators = example::operators();
    let both = operators
        .clone()
        .with("other", operators.get("reminder").unwrap());
    let service = Service::new(store, both, Clock::system());
    let task = reminder("tea", directory.path());
    service
        .submit_definitions(vec![task.clone()])
        .await
        .unwrap();
    let other = NewTask {
        operator: "other".to_owned(),
        ..task
    };
    let refused = service.submit_definitions(vec![other]).await;
    assert!(refused.is_err(), "{refused:?}");
}

/// Asks the store over and over; an answer that does not come fails the attempt.
struct Busy;

#[async_trait]
impl Operator for Busy {
    fn check(&self, _: &TaskKey, _: &str, _: Timestamp) -> Result<(), Refused> {
        Ok(())
    }

    async fn execute(&self, context: &TaskContext) -> Result<Step, Failure> {
        for _ in 0..200 {
            if let Err(error) = context.journal.pods().await {
                let kind = FailureKind::Failed;
                return Err(Failure::attempt(kind, false, error.to_string()));
            }
        }
        Ok(Step::Complete(Ending::default()))
    }

    async fn trigger_reentry(&self, _: &TaskContext, _: TriggerEvent) -> Result<Step, Failure> {
        Err(Failure::transient("it never waits"))
    }

    async fn on_kill(&self, _: &TaskContext) -> Result<Ending, Failure> {
        Ok(Ending::default())
    }
}

/// Each step is looked after by its worker, which asks the store as well. A step must go on
/// meanwhile: one that is held still while it stands in line for a connection keeps the line from
/// moving, and as many of them as there are connections hold up everything.
#[tokio::test(flavor = "multi_thread")]
async fn steps_that_ask_the_store_all_the_time_do_not_hold_each_other_up() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    let operators = Operators::default().with("busy", Arc::new(Busy));
    let service = Service::new(store.clone(), operators.clone(), Clock::system());
    let tasks = (0..32).map(|number| NewTask {
        operator: "busy".to_owned(),
        ..reminder(&format!("busy-{number}"), directory.path())
    });
    service.submit_definitions(tasks.collect()).await.unwrap();
    let mut options = EngineOptions::new(store.clone(), operators, Connections::default());
    options.settings.slots = 32;
    options.settings.look = Duration::from_millis(1);
    let engine = Engine::start(options).await.unwrap();
    let settled = tokio::time::timeout(PATIENCE, engine.settled()).await;
    settled.unwrap().unwrap();
    engine.stop().await;
    for task in store.list(&TaskFilter::default()).await.unwrap() {
        assert_eq!(task.state, TaskState::Success, "{:?}", task.reason);
    }
}
