//! What a worker writes: lines, failures, verdicts.

use adjourn::store::{Scope, StepCommit, StoreError};
use adjourn::task::log::LogLine;
use adjourn::task::outcome::{Ending, FailureKind};
use adjourn::task::pods::{Disposal, DisposalAction};
use adjourn::task::state::TaskState;
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn lines_and_cursor_are_appended_together_and_in_order() {
    let place = Place::new();
    let store = place.store().await;
    let id = submit(&store, &["a"]).await[0];
    let held = claim_one(&store, 1).await;
    let (task, fence) = (held.row.id, held.row.fence);
    let many: Vec<LogLine> = (0..2500)
        .map(|number| line(format!("line {number}").as_bytes(), number))
        .collect();
    store
        .append_log(task, fence, many, cursor(2499), at(2))
        .await
        .unwrap();
    let odd = vec![line(b"", 2500), line(b"\xff\x00\xfe", 2501)];
    store
        .append_log(task, fence, odd, cursor(2501), at(3))
        .await
        .unwrap();

    let row = store.task(id).await.unwrap();
    assert_eq!(row.log_lines, 2502);
    assert_eq!(row.last_log_at, Some(at(3)));
    let stored = store.log_lines(id, 0, 5000).await.unwrap();
    let seqs: Vec<i64> = stored.iter().map(|row| row.seq).collect();
    assert_eq!(seqs, (1..=2502).collect::<Vec<i64>>());
    assert_eq!(stored[1234].line.text[..], *b"line 1234");
    assert_eq!(stored[2500].line.text[..], *b"");
    assert_eq!(stored[2501].line.text[..], *b"\xff\x00\xfe");
    let kept = store.log_cursors(id).await.unwrap();
    assert_eq!(kept, [cursor(2501)]);
    assert!(kept[0].is_of("u1", "base") && !kept[0].is_of("u2", "base"));
}

#[tokio::test]
async fn a_failed_attempt_with_retries_left_is_queued_again_when_its_time_has_come() {
    let place = Place::new();
    let store = place.store().await;
    let mut task = new_task("a");
    task.retry.retries = 1;
    let id = store.submit(vec![task], at(0)).await.unwrap()[0].id;
    let held = claim_one(&store, 1).await;
    let fail = StepCommit::Fail {
        ending: Ending {
            reason: "container base ended with exit code 3".into(),
            exit_code: Some(3),
            ..Ending::default()
        },
        kind: FailureKind::Failed,
        retry_at: Some(at(100)),
    };
    let row = store
        .commit_step(id, held.row.fence, "me", fail, at(2))
        .await
        .unwrap();
    assert_eq!(row.state, TaskState::UpForRetry { retry_at: at(100) });
    assert_eq!(
        store.queue_due_retries(&Scope::All, at(99)).await.unwrap(),
        0
    );
    assert_eq!(
        store.queue_due_retries(&Scope::All, at(100)).await.unwrap(),
        1
    );
    let again = claim_one(&store, 101).await;
    assert_eq!(again.row.try_number, 2);
    // A new attempt has its own deadline.
    assert_eq!(again.row.deadline, Some(at(701)));
}

#[tokio::test]
async fn a_verdict_and_what_is_wished_for_its_pod_are_one_write() {
    let place = Place::new();
    let store = place.store().await;
    let id = submit(&store, &["a"]).await[0];
    let held = claim_one(&store, 1).await;
    let wish = Disposal {
        connection: intent("p").connection,
        server: intent("p").server,
        namespace: "jobs".into(),
        name: "p".into(),
        uid: Some("u1".into()),
        nonce: "n".into(),
        action: DisposalAction::Delete,
    };
    let ending = Ending {
        reason: "container base ended with exit code 0".into(),
        exit_code: Some(0),
        result: Some(json!({"rows": 3})),
        disposals: vec![wish.clone()],
        ..Ending::default()
    };
    let step = StepCommit::Complete(ending);
    let row = store
        .commit_step(id, held.row.fence, "me", step, at(2))
        .await
        .unwrap();
    assert_eq!(row.state, TaskState::Success);
    assert_eq!(row.finished_at, Some(at(2)));
    assert_eq!(
        store.xcom(id).await.unwrap().get("return_value"),
        Some(&json!({"rows": 3}))
    );
    let due = store.due_disposals(&Scope::All, 10, at(2)).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].disposal, wish);

    let put_off = store
        .disposal_put_off(due[0].id, at(9), "no answer".into())
        .await;
    put_off.unwrap();
    assert!(
        store
            .due_disposals(&Scope::All, 10, at(8))
            .await
            .unwrap()
            .is_empty()
    );
    let due = store.due_disposals(&Scope::All, 10, at(9)).await.unwrap();
    assert_eq!(due[0].attempts, 1);
    store.disposal_done(due[0].id).await.unwrap();
    assert_eq!(store.open_disposals(&Scope::All).await.unwrap().0, 0);
}

#[tokio::test]
async fn an_ended_task_cannot_be_cancelled_and_a_successful_one_not_retried() {
    let place = Place::new();
    let store = place.store().await;
    let id = submit(&store, &["a"]).await[0];
    let held = claim_one(&store, 1).await;
    let step = StepCommit::Complete(Ending::default());
    store
        .commit_step(id, held.row.fence, "me", step, at(2))
        .await
        .unwrap();
    for refused in [
        store.cancel(id, "by a test", at(3)).await,
        store.retry(id, "by a test", at(3)).await,
    ] {
        assert!(
            matches!(refused, Err(StoreError::Illegal { .. })),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn why_a_task_was_cancelled_outlives_the_step_that_was_under_way() {
    for let_go in [
        StepCommit::Postpone {
            until: at(9),
            reason: "no cluster".into(),
        },
        StepCommit::Release {
            reason: "the engine stops".into(),
        },
        StepCommit::Defer {
            trigger: trigger(),
            reason: "waits".into(),
        },
    ] {
        let place = Place::new();
        let store = place.store().await;
        let id = submit(&store, &["a"]).await[0];
        let held = claim_one(&store, 1).await.row;
        store.cancel(id, "by a person", at(2)).await.unwrap();
        let step = store.commit_step(id, held.fence, "me", let_go, at(3));
        assert_eq!(step.await.unwrap().reason.as_deref(), Some("by a person"));
        let told = store.history(id).await.unwrap().pop().unwrap();
        assert_ne!(told.reason.as_deref(), Some("by a person"));
    }
}
