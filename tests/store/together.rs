//! Many writes that arrive at once: together in a transaction, and each for itself.

use adjourn::store::{Claimed, Scope, StepCommit, Store, StoreError};
use adjourn::task::outcome::Ending;
use adjourn::task::state::TaskState;
use futures::future::join_all;

use crate::support::*;

async fn claim_all(store: &Store, count: usize, now: i64) -> Vec<Claimed> {
    let claimed = store.claim("me", &Scope::All, 1000, at(now + 30), at(now));
    let claimed = claimed.await.unwrap();
    assert_eq!(claimed.len(), count);
    claimed
}

async fn submit_many(store: &Store, count: usize) {
    let tasks = (0..count).map(|number| new_task(&format!("t{number}")));
    store.submit(tasks.collect(), at(0)).await.unwrap();
}

#[tokio::test]
async fn each_of_many_changes_at_once_is_written_and_answered() {
    let place = Place::new();
    let store = place.store().await;
    // Not a number that statements of a fixed size divide.
    submit_many(&store, 347).await;
    let claimed = claim_all(&store, 347, 1).await;
    join_all(claimed.iter().map(|one| defer(&store, one, 2))).await;
    let fired = claimed.iter().map(async |one| {
        let fence = store.task(one.row.id).await.unwrap().fence;
        store.fire(one.row.id, fence, event(), at(3)).await.unwrap()
    });
    let fired = join_all(fired).await;
    assert!(fired.iter().all(|row| row.event == Some(event())));
    let claimed = claim_all(&store, 347, 4).await;
    let ended = claimed.iter().map(async |one| {
        let ending = Ending {
            reason: format!("{} is done", one.row.key.task_id),
            exit_code: Some(0),
            result: Some(one.row.id.0.into()),
            ..Ending::default()
        };
        let step = StepCommit::Complete(ending);
        let committed = store.commit_step(one.row.id, one.row.fence, "me", step, at(5));
        committed.await.unwrap()
    });
    for answered in join_all(ended).await {
        let row = store.task(answered.id).await.unwrap();
        assert_eq!(answered, row);
        assert_eq!(row.state, TaskState::Success);
        let words = format!("{} is done", row.key.task_id);
        assert_eq!(row.reason.as_deref(), Some(words.as_str()));
        let history = store.history(row.id).await.unwrap();
        let events: Vec<&str> = history.iter().map(|one| one.event.as_str()).collect();
        assert_eq!(
            events,
            ["submit", "claim", "defer", "fire", "claim", "complete"]
        );
        let xcom = store.xcom(row.id).await.unwrap();
        assert_eq!(xcom.len(), 1);
        assert_eq!(xcom["return_value"], serde_json::Value::from(row.id.0));
    }
}

#[tokio::test]
async fn changes_of_one_task_at_once_follow_each_other() {
    let place = Place::new();
    let store = place.store().await;
    submit_many(&store, 3).await;
    let claimed = claim_all(&store, 3, 1).await;
    let (id, fence) = (claimed[0].row.id, claimed[0].row.fence);
    let renewals = (0..20).map(|second| store.renew(id, fence, at(40 + second), at(2)));
    let (renewed, cancelled, cancelled_again) = tokio::join!(
        join_all(renewals),
        store.cancel(id, "by one", at(2)),
        store.cancel(id, "by another", at(2)),
    );
    assert!(renewed.iter().all(Result::is_ok));
    assert!(cancelled.is_ok() && cancelled_again.is_ok());
    let row = store.task(id).await.unwrap();
    let TaskState::Running {
        lease_until,
        cancelling,
        ..
    } = row.state
    else {
        panic!("{:?}", row.state)
    };
    assert!(cancelling);
    assert_eq!(lease_until, at(59));
}

#[tokio::test]
async fn a_change_that_cannot_be_written_takes_no_other_down() {
    let place = Place::new();
    let store = place.store().await;
    submit_many(&store, 40).await;
    let claimed = claim_all(&store, 40, 1).await;
    // A trigger that stands where the deferral of the task wants to put its own.
    let unlucky = claimed[17].row.id;
    let stray = format!(
        "INSERT INTO triggers (task, fence, kind, version, kwargs, owner, deferred_at)
         VALUES ({unlucky}, 0, 'pod', 1, '{{}}', 'nobody', 0)"
    );
    place.execute(stray).await;
    let deferred = claimed.iter().map(async |one| {
        let step = StepCommit::Defer {
            trigger: trigger(),
            reason: "waits".into(),
        };
        let committed = store.commit_step(one.row.id, one.row.fence, "me", step, at(2));
        (one.row.id, committed.await)
    });
    for (id, answered) in join_all(deferred).await {
        let row = store.task(id).await.unwrap();
        if id == unlucky {
            assert!(
                matches!(&answered, Err(StoreError::Sql { source, .. })
                if source.as_database_error().is_some_and(|error| {
                    error.is_unique_violation()
                })),
                "{answered:?}"
            );
            assert!(matches!(row.state, TaskState::Running { .. }));
        } else {
            assert_eq!(answered.unwrap(), row);
            assert_eq!(row.state, TaskState::Deferred);
        }
    }
}

#[tokio::test]
async fn a_change_that_is_refused_takes_no_other_down() {
    let place = Place::new();
    let store = place.store().await;
    submit_many(&store, 5).await;
    let claimed = claim_all(&store, 5, 1).await;
    let released = claimed.iter().enumerate().map(async |(at_index, one)| {
        let fence = if at_index == 2 {
            one.row.fence.next()
        } else {
            one.row.fence
        };
        let step = StepCommit::Release {
            reason: "let go".into(),
        };
        store
            .commit_step(one.row.id, fence, "me", step, at(2))
            .await
    });
    let released = join_all(released).await;
    let held: Vec<bool> = released.iter().map(Result::is_ok).collect();
    assert_eq!(held, [true, true, false, true, true]);
    assert!(released[2].as_ref().is_err_and(StoreError::is_fence_lost));
}

#[tokio::test]
async fn a_key_that_is_submitted_twice_at_once_is_one_task_or_refused() {
    let place = Place::new();
    let store = place.store().await;
    let twice = vec![new_task("a"), new_task("b"), new_task("a")];
    let submitted = store.submit(twice, at(0)).await.unwrap();
    let created: Vec<bool> = submitted.iter().map(|one| one.created).collect();
    assert_eq!(created, [true, true, false]);
    assert_eq!(submitted[0].id, submitted[2].id);
    let mut other = new_task("c");
    other.definition = "{}".into();
    let refused = store.submit(vec![new_task("c"), other], at(1)).await;
    assert!(
        matches!(&refused, Err(StoreError::KeyTwice { key }) if key.task_id == "c"),
        "{refused:?}"
    );
}
