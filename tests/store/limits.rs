//! What holds starts back, how much of a log is kept, and which tasks are removed when.

use std::collections::BTreeSet;

use adjourn::store::{
    Claimed, EngineKind, EngineLimits, NewTask, Scope, StartLimits, StepCommit, Store,
};
use adjourn::task::id::TaskId;
use adjourn::task::log::{LineKind, LogLine};
use adjourn::task::outcome::{Ending, FailureKind};
use adjourn::task::pods::{Disposal, DisposalAction};

use crate::support::*;

fn no_more_than(active_pods: u32) -> StartLimits {
    StartLimits {
        active_pods: Some(active_pods),
        starts: None,
    }
}

async fn claim(store: &Store, limits: StartLimits, now: i64) -> Vec<Claimed> {
    store
        .claim_within("me", &Scope::All, 100, limits, at(now + 30), at(now))
        .await
        .unwrap()
}

fn ids(claimed: &[Claimed]) -> Vec<TaskId> {
    claimed.iter().map(|task| task.row.id).collect()
}

async fn finish(store: &Store, claimed: &Claimed, step: StepCommit, now: i64) {
    store
        .commit_step(claimed.row.id, claimed.row.fence, "me", step, at(now))
        .await
        .unwrap();
}

async fn intend(store: &Store, claimed: &Claimed) {
    store
        .intend_pod(claimed.row.id, claimed.row.fence, intent("p"), at(1))
        .await
        .unwrap();
}

#[tokio::test]
async fn starts_wait_while_so_many_pods_are_active_and_go_on_when_an_attempt_ends() {
    let place = Place::new();
    let store = place.store().await;
    let tasks = submit(&store, &["a", "b", "c", "d"]).await;
    let first = claim(&store, no_more_than(2), 1).await;
    assert_eq!(ids(&first), tasks[..2], "a claim alone may bring a pod");
    assert_eq!(claim(&store, no_more_than(2), 1).await.len(), 0);
    for held in &first {
        intend(&store, held).await;
        defer(&store, held, 1).await;
    }
    assert_eq!(store.active_pods().await.unwrap(), 2);
    assert_eq!(claim(&store, no_more_than(2), 2).await.len(), 0);

    // One comes back for its verdict: that is no start.
    store
        .fire(tasks[0], first[0].row.fence, event(), at(3))
        .await
        .unwrap();
    let resumed = claim(&store, no_more_than(2), 3).await;
    assert_eq!(ids(&resumed), tasks[..1]);
    finish(
        &store,
        &resumed[0],
        StepCommit::Complete(Ending::default()),
        4,
    )
    .await;
    assert_eq!(store.active_pods().await.unwrap(), 1);
    assert_eq!(ids(&claim(&store, no_more_than(2), 5).await), tasks[2..3]);
    assert_eq!(claim(&store, no_more_than(2), 5).await.len(), 0);
    // Without the bound everything goes.
    assert_eq!(
        ids(&claim(&store, StartLimits::default(), 5).await),
        tasks[3..]
    );
}

#[tokio::test]
async fn an_attempt_that_failed_holds_no_place_and_its_next_one_waits_for_another() {
    let place = Place::new();
    let store = place.store().await;
    let tasks = submit(&store, &["a", "b"]).await;
    let held = claim(&store, no_more_than(1), 1).await.remove(0);
    intend(&store, &held).await;
    let failed = StepCommit::Fail {
        ending: Ending::default(),
        kind: FailureKind::Failed,
        retry_at: Some(at(2)),
    };
    finish(&store, &held, failed, 2).await;
    let other = claim(&store, no_more_than(1), 2).await.remove(0);
    assert_eq!(other.row.id, tasks[1]);
    assert_eq!(
        store.queue_due_retries(&Scope::All, at(3)).await.unwrap(),
        1
    );
    assert_eq!(claim(&store, no_more_than(1), 3).await.len(), 0);
    finish(&store, &other, StepCommit::Complete(Ending::default()), 4).await;
    let again = claim(&store, no_more_than(1), 4).await.remove(0);
    assert_eq!((again.row.id, again.row.try_number), (tasks[0], 2));
}

#[tokio::test]
async fn what_takes_no_new_pod_is_never_held_back() {
    let place = Place::new();
    let store = place.store().await;
    let own = NewTask {
        operator: "own".into(),
        ..new_task("own")
    };
    let tasks = submit(&store, &["begun", "killed", "waits"]).await;
    // Its worker died between the pod and the deferral.
    let begun = claim_one(&store, 1).await;
    intend(&store, &begun).await;
    let release = StepCommit::Release {
        reason: "let go".into(),
    };
    finish(&store, &begun, release, 2).await;
    store.cancel(tasks[1], "by a test", at(2)).await.unwrap();
    let own = store.submit(vec![own], at(2)).await.unwrap()[0].id;
    let none = StartLimits {
        active_pods: Some(0),
        starts: Some(0),
    };
    let claimed = claim(&store, none, 3).await;
    assert_eq!(ids(&claimed), [tasks[1], tasks[0], own]);
    assert!(claimed.iter().all(|task| !task.row.starts_a_pod()));
    assert_eq!(claim(&store, none, 3).await.len(), 0);
}

#[tokio::test]
async fn no_more_starts_are_taken_at_once_than_the_pace_allows() {
    let place = Place::new();
    let store = place.store().await;
    let tasks = submit(&store, &["a", "b", "c"]).await;
    let two = StartLimits {
        active_pods: None,
        starts: Some(2),
    };
    let claimed = claim(&store, two, 1).await;
    assert_eq!(ids(&claimed), tasks[..2]);
    assert!(claimed.iter().all(|task| task.row.starts_a_pod()));
}

#[tokio::test]
async fn an_engine_says_what_it_holds_starts_back_for() {
    let place = Place::new();
    let store = place.store().await;
    let limits = EngineLimits {
        max_active_pods: Some(7),
        pods_per_second: None,
    };
    for now in 0..2 {
        store
            .engine_alive("me", EngineKind::Serve, limits, at(now + 30), at(now))
            .await
            .unwrap();
    }
    assert_eq!(store.engines().await.unwrap()[0].limits, limits);
}

fn ten_bytes(number: i64) -> LogLine {
    line(format!("line {number:04}").as_bytes(), number)
}

#[tokio::test]
async fn a_log_beyond_its_bound_is_cut_with_one_mark_and_goes_on_under_a_higher_one() {
    let place = Place::new();
    let store = place.store().await;
    submit(&store, &["a"]).await;
    let held = claim_one(&store, 1).await;
    let (task, fence) = (held.row.id, held.row.fence);
    let append = async |from: i64, to: i64, most: u64| {
        let mut lines: Vec<LogLine> = (from..to).map(ten_bytes).collect();
        lines.push(LogLine {
            kind: LineKind::Event,
            ..line(b"a remark", to)
        });
        store
            .append_log_within(task, fence, lines, cursor(to), Some(most), at(2))
            .await
            .unwrap()
    };
    let shown = async || {
        let rows = store.log_lines(task, 0, 100).await.unwrap();
        let texts = rows.iter().map(|row| match row.line.kind {
            LineKind::Output => String::from_utf8(row.line.text.to_vec()).unwrap(),
            LineKind::Gap => "(cut)".to_owned(),
            LineKind::Event => "(remark)".to_owned(),
        });
        texts.collect::<Vec<_>>()
    };
    assert!(!append(0, 3, 30).await, "it just fits, newlines included");
    assert_eq!(store.task(task).await.unwrap().log_bytes, 30);
    assert!(append(3, 5, 30).await);
    assert!(append(5, 7, 30).await);
    let expected = [
        "line 0000",
        "line 0001",
        "line 0002",
        "(remark)",
        "(cut)",
        "(remark)",
        "(remark)",
    ];
    assert_eq!(shown().await, expected);
    let row = store.task(task).await.unwrap();
    assert_eq!((row.log_lines, row.log_bytes, row.log_seq), (3, 30, 7));
    assert!(row.log_is_cut(Some(30)) && row.log_is_cut(Some(20)));
    assert!(!row.log_is_cut(Some(50)) && !row.log_is_cut(None));
    // The cursor has moved on over what was left out.
    let stood = store.log_cursors(task).await.unwrap();
    assert_eq!(stood[0].cursor.stamp_ns, 7);

    assert!(append(7, 12, 50).await);
    let now = shown().await;
    assert_eq!(now[7..], ["line 0007", "line 0008", "(cut)", "(remark)"]);
    let rows = store.log_lines(task, 0, 100).await.unwrap();
    let mark = String::from_utf8_lossy(&rows[4].line.text).into_owned();
    assert!(
        mark.contains("30 bytes (max_bytes in [task_log])"),
        "{mark}"
    );
}

/// A task that ended then, with so many lines in its log.
async fn ended(
    store: &Store,
    name: &str,
    lines: i64,
    then: i64,
    disposals: Vec<Disposal>,
) -> TaskId {
    submit(store, &[name]).await;
    let held = claim_one(store, 1).await;
    intend(store, &held).await;
    // Ten lines a block: each call makes one.
    for first in (0..lines).step_by(10) {
        let written = (first..lines.min(first + 10)).map(ten_bytes).collect();
        store
            .append_log(held.row.id, held.row.fence, written, cursor(lines), at(1))
            .await
            .unwrap();
    }
    let ending = Ending {
        result: Some(serde_json::json!({"rows": 3})),
        disposals,
        ..Ending::default()
    };
    let failed = StepCommit::Fail {
        ending,
        kind: FailureKind::Failed,
        retry_at: None,
    };
    finish(store, &held, failed, then).await;
    held.row.id
}

fn wish() -> Disposal {
    let intent = intent("p");
    Disposal {
        connection: intent.connection,
        server: intent.server,
        namespace: intent.namespace,
        name: intent.name,
        uid: None,
        nonce: intent.nonce,
        action: DisposalAction::Delete,
    }
}

async fn rows_of_all(place: &Place) -> i64 {
    let mut rows = 0;
    // A block of lines may be large: it counts for sixteen rows.
    for (table, weight) in [
        ("tasks", 1),
        ("pods", 1),
        ("log_blocks", 16),
        ("log_cursors", 1),
        ("history", 1),
        ("xcom", 1),
    ] {
        rows += weight * place.count(table).await;
    }
    rows
}

#[tokio::test]
async fn tasks_that_ended_long_ago_are_removed_in_steps_of_so_many_rows() {
    let place = Place::new();
    let store = place.store().await;
    let mut old = BTreeSet::new();
    for number in 0..5 {
        old.insert(ended(&store, &format!("old{number}"), 100, 50, Vec::new()).await);
    }
    let young = ended(&store, "young", 10, 1000, Vec::new()).await;
    assert_eq!(
        store.prunable(at(100), None).await.unwrap(),
        old.iter().copied().collect::<Vec<_>>()
    );
    let mut removed = BTreeSet::new();
    let mut before = rows_of_all(&place).await;
    let mut steps = 0;
    loop {
        let step = store.prune_step(at(100), 40).await.unwrap();
        removed.extend(step.tasks.iter().copied());
        if !step.more {
            break;
        }
        steps += 1;
        let after = rows_of_all(&place).await;
        // A task's last rows (its pod, its cursor, its result) go along with it.
        let along = i64::try_from(step.tasks.len()).unwrap() * 3;
        assert!(before - after <= 40 + along, "{before} {after} {step:?}");
        assert!(
            before > after,
            "a step that removes nothing would go on for ever"
        );
        before = after;
    }
    assert_eq!(removed, old);
    assert!(steps >= 13, "five times ten blocks in {steps} steps");
    assert_eq!(store.log_lines(young, 0, 100).await.unwrap().len(), 10);
    // What is left is the young one's alone.
    assert_eq!(rows_of_all(&place).await, 1 + 1 + 16 + 1 + 3 + 1);
}

#[tokio::test]
async fn a_task_with_a_pod_to_dispose_of_or_another_attempt_is_not_removed() {
    let place = Place::new();
    let store = place.store().await;
    let wishes = ended(&store, "wishes", 3, 50, vec![wish()]).await;
    let retried = ended(&store, "retried", 3, 50, Vec::new()).await;
    store.retry(retried, "by a test", at(60)).await.unwrap();
    submit(&store, &["queued"]).await;
    let step = store.prune_step(at(10_000), 1000).await.unwrap();
    assert_eq!(step, adjourn::store::PruneStep::default());

    let due = store.due_disposals(&Scope::All, 10, at(100)).await.unwrap();
    store.disposal_done(due[0].id).await.unwrap();
    let step = store.prune_step(at(10_000), 1000).await.unwrap();
    assert_eq!(step.tasks, [wishes]);
    // The same key may be used anew, as a task of its own.
    let again = submit(&store, &["wishes"]).await;
    assert!(again[0] > wishes);
}
