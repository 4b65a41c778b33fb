//! The store: idempotent submits, fenced writes, events that fire once, views for people.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be; its shared parts too"
)]

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use adjourn::clock::Timestamp;
use adjourn::store::{
    Claimed, NewTask, Scope, SqlCell, StepCommit, Store, StoreError, StoredCursor, TaskFilter,
};
use adjourn::task::deferral::{EventStatus, TriggerEvent, TriggerSpec};
use adjourn::task::id::{TaskId, TaskKey};
use adjourn::task::log::{LineKind, LogCursor, LogLine};
use adjourn::task::outcome::{Ending, FailureKind};
use adjourn::task::pods::{
    ConnectionOverrides, ConnectionRef, Disposal, DisposalAction, PodIntent,
};
use adjourn::task::retry::RetryPolicy;
use adjourn::task::state::TaskState;
use chrono::DateTime;
use serde_json::json;
use sqlx::Connection;
use tempfile::TempDir;

fn at(second: i64) -> Timestamp {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

fn new_task(name: &str) -> NewTask {
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

fn trigger() -> TriggerSpec {
    TriggerSpec {
        kind: "pod".into(),
        version: 1,
        kwargs: json!({"pod": "a"}),
        next_log_at: Some(at(30)),
    }
}

fn event() -> TriggerEvent {
    TriggerEvent {
        status: EventStatus::Running,
        reason: "time to fetch the newest logs".into(),
        at: at(30),
        payload: json!({"phase": "Running"}),
    }
}

fn line(text: &[u8], stamp_ns: i64) -> LogLine {
    LogLine {
        container: "base".into(),
        stamp_ns,
        text: text.to_vec(),
        kind: LineKind::Output,
    }
}

fn cursor(stamp_ns: i64) -> StoredCursor {
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

fn intent(name: &str) -> PodIntent {
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

struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("adjourn.db")
    }

    async fn store(&self) -> Store {
        Store::open(&self.path(), at(0)).await.unwrap()
    }
}

async fn submit(store: &Store, names: &[&str]) -> Vec<TaskId> {
    let tasks = names.iter().map(|name| new_task(name)).collect();
    let submitted = store.submit(tasks, at(0)).await.unwrap();
    submitted.into_iter().map(|task| task.id).collect()
}

async fn claim_one(store: &Store, now: i64) -> Claimed {
    let lease = at(now + 30);
    let claimed = store.claim("me", &Scope::All, 1, lease, at(now)).await;
    claimed.unwrap().pop().unwrap()
}

async fn defer(store: &Store, claimed: &Claimed, now: i64) {
    let step = StepCommit::Defer {
        trigger: trigger(),
        reason: "waits".into(),
    };
    store
        .commit_step(claimed.row.id, claimed.row.fence, "me", step, at(now))
        .await
        .unwrap();
}

#[tokio::test]
async fn the_same_key_is_the_same_task_and_another_definition_is_refused() {
    let place = Place::new();
    let store = place.store().await;
    let first = store.submit(vec![new_task("a")], at(0)).await.unwrap();
    let second = store.submit(vec![new_task("a")], at(1)).await.unwrap();
    assert!(first[0].created);
    assert!(!second[0].created);
    assert_eq!(first[0].id, second[0].id);

    let mut other = new_task("a");
    other.definition = "{}".into();
    // All or none: the task before the clash is not stored either.
    let refused = store.submit(vec![new_task("b"), other], at(2)).await;
    assert!(
        matches!(&refused, Err(StoreError::KeyTaken { task, .. }) if *task == first[0].id),
        "{refused:?}"
    );
    let all = store.list(&TaskFilter::default()).await.unwrap();
    assert_eq!(all.len(), 1);
}

#[tokio::test]
async fn kills_are_claimed_first_then_resumes_then_starts() {
    let place = Place::new();
    let store = place.store().await;
    let ids = submit(&store, &["resumed", "killed", "fresh"]).await;
    for _ in 0..2 {
        let claimed = claim_one(&store, 1).await;
        defer(&store, &claimed, 1).await;
    }
    let fence = store.task(ids[0]).await.unwrap().fence;
    store.fire(ids[0], fence, event(), at(2)).await.unwrap();
    store.cancel(ids[1], "by a test", at(2)).await.unwrap();
    let claimed = store.claim("me", &Scope::All, 10, at(40), at(3)).await;
    let order: Vec<TaskId> = claimed.unwrap().iter().map(|task| task.row.id).collect();
    assert_eq!(order, [ids[1], ids[0], ids[2]]);
}

#[tokio::test]
async fn two_engines_never_claim_the_same_task() {
    let place = Place::new();
    let (one, two) = (place.store().await, place.store().await);
    let names: Vec<String> = (0..40).map(|number| format!("t{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    submit(&one, &names).await;
    let mut claims = Vec::new();
    for round in 0..10 {
        let (mine, theirs) = tokio::join!(
            one.claim("one", &Scope::All, 3, at(60), at(round)),
            two.claim("two", &Scope::All, 3, at(60), at(round)),
        );
        for task in mine.unwrap().into_iter().chain(theirs.unwrap()) {
            claims.push(task.row.id);
        }
    }
    let distinct: HashSet<TaskId> = claims.iter().copied().collect();
    assert_eq!(claims.len(), 40);
    assert_eq!(distinct.len(), 40);
}

#[tokio::test]
async fn an_event_fires_once_and_a_late_one_changes_nothing() {
    let place = Place::new();
    let store = place.store().await;
    let id = submit(&store, &["a"]).await[0];
    let claimed = claim_one(&store, 1).await;
    defer(&store, &claimed, 1).await;
    let fence = claimed.row.fence;
    let fired = store.fire(id, fence, event(), at(30)).await.unwrap();
    assert_eq!(fired.resumes, 1);
    assert_eq!(fired.event, Some(event()));
    assert_eq!(store.trigger_of(id).await.unwrap(), None);

    let again = store.fire(id, fence, event(), at(31)).await;
    assert!(matches!(again, Err(StoreError::FenceLost { .. })));
    assert_eq!(store.task(id).await.unwrap(), fired);
}

#[tokio::test]
async fn a_worker_that_lost_its_claim_writes_nothing() {
    let place = Place::new();
    let store = place.store().await;
    let id = submit(&store, &["a"]).await[0];
    let lost = claim_one(&store, 1).await;
    let nobody = HashSet::new();
    // The lease of 30 s has not ended yet at second 20, and has at second 40.
    assert!(
        store
            .reclaim(&Scope::All, &nobody, at(20))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        store
            .reclaim(&Scope::All, &nobody, at(40))
            .await
            .unwrap()
            .len(),
        1
    );
    let held = claim_one(&store, 41).await;
    let (task, fence) = (lost.row.id, lost.row.fence);
    let before = store.task(id).await.unwrap();

    let complete = StepCommit::Complete(Ending::default());
    let lines = vec![line(b"late", 1)];
    let refusals = [
        store.renew(task, fence, at(90), at(42)).await.err(),
        store
            .commit_step(task, fence, "me", complete, at(42))
            .await
            .err(),
        store
            .append_log(task, fence, lines, cursor(1), at(42))
            .await
            .err(),
        store
            .intend_pod(task, fence, intent("p"), at(42))
            .await
            .err(),
        store
            .pod_created(task, fence, "p".into(), "u".into(), at(42))
            .await
            .err(),
    ];
    for refusal in refusals {
        assert!(
            matches!(refusal, Some(StoreError::FenceLost { .. })),
            "{refusal:?}"
        );
    }
    assert_eq!(store.task(id).await.unwrap(), before);
    assert!(store.log_lines(id, 0, 10).await.unwrap().is_empty());
    assert!(store.pods(id).await.unwrap().is_empty());
    assert_eq!(before.fence, held.row.fence);
}

#[tokio::test]
async fn a_dead_owners_claim_is_taken_over_at_once() {
    let place = Place::new();
    let store = place.store().await;
    submit(&store, &["a"]).await;
    claim_one(&store, 1).await;
    let dead = HashSet::from(["me".to_owned()]);
    assert_eq!(store.holders(&Scope::All).await.unwrap(), dead);
    let taken = store.reclaim(&Scope::All, &dead, at(2)).await.unwrap();
    assert_eq!(taken.len(), 1);
    // The second claim is of the same attempt: its deadline stays where it was.
    let again = claim_one(&store, 300).await;
    assert_eq!(again.row.deadline, Some(at(601)));
    assert_eq!(again.row.try_number, 1);
}

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
    assert_eq!(stored[1234].line.text, b"line 1234");
    assert_eq!(stored[2500].line.text, b"");
    assert_eq!(stored[2501].line.text, b"\xff\x00\xfe");
    let kept = store.log_cursor(id, "u1", "base").await.unwrap();
    assert_eq!(kept, cursor(2501).cursor);
    assert_eq!(
        store.log_cursor(id, "u2", "base").await.unwrap(),
        LogCursor::default()
    );
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
async fn orphaned_triggers_pass_to_a_living_engine_and_others_do_not() {
    let place = Place::new();
    let store = place.store().await;
    let ids = submit(&store, &["a", "b"]).await;
    for _ in &ids {
        let claimed = claim_one(&store, 1).await;
        defer(&store, &claimed, 1).await;
    }
    assert_eq!(
        store
            .watched_triggers("me", &Scope::All)
            .await
            .unwrap()
            .len(),
        2
    );
    let scope = Scope::Tasks(vec![ids[1]]);
    let dead = HashSet::from(["me".to_owned()]);
    let adopted = store.adopt_triggers("heir", &scope, &dead).await.unwrap();
    assert_eq!(adopted.len(), 1);
    assert_eq!(adopted[0].task, ids[1]);
    assert_eq!(adopted[0].spec, trigger());
    let left = store.watched_triggers("me", &Scope::All).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].task, ids[0]);
}

fn text(cell: &SqlCell) -> &str {
    let SqlCell::Text(text) = cell else {
        panic!("not a text: {cell:?}");
    };
    text
}

#[tokio::test]
async fn the_views_show_a_person_what_is_deferred_and_what_happened() {
    let place = Place::new();
    let store = place.store().await;
    let id = submit(&store, &["a"]).await[0];
    let held = claim_one(&store, 1).await;
    let fence = held.row.fence;
    store
        .intend_pod(id, fence, intent("a-x1"), at(1))
        .await
        .unwrap();
    store
        .pod_created(id, fence, "a-x1".into(), "u1".into(), at(1))
        .await
        .unwrap();
    store
        .append_log(
            id,
            fence,
            vec![line(b"hello", 1_500_000_000)],
            cursor(1),
            at(2),
        )
        .await
        .unwrap();
    defer(&store, &held, 3).await;

    let table = store.sql("select * from deferred_tasks").await.unwrap();
    let shown: std::collections::HashMap<&str, &SqlCell> = table
        .columns
        .iter()
        .map(String::as_str)
        .zip(&table.rows[0])
        .collect();
    assert_eq!(table.rows.len(), 1);
    for (column, expected) in [
        ("dag_id", "etl"),
        ("task_id", "a"),
        ("run_id", "r1"),
        ("pod_namespace", "jobs"),
        ("pod_name", "a-x1"),
        ("pod_uid", "u1"),
        ("trigger_kind", "pod"),
        ("deferred_since", "2023-11-14T22:13:23.000Z"),
        ("next_log_time", "2023-11-14T22:13:50.000Z"),
        ("deadline", "2023-11-14T22:23:21.000Z"),
        ("last_log_time", "2023-11-14T22:13:22.000Z"),
    ] {
        assert_eq!(text(shown[column]), expected, "{column}");
    }
    assert_eq!(shown["resumes"], &SqlCell::Integer(0));

    let history = store
        .sql("select at, event, from_state, to_state, reason from task_history")
        .await
        .unwrap();
    let events: Vec<(&str, &str)> = history
        .rows
        .iter()
        .map(|row| (text(&row[1]), text(&row[3])))
        .collect();
    assert_eq!(
        events,
        [
            ("submit", "queued"),
            ("claim", "running"),
            ("defer", "deferred")
        ]
    );
    let log = store.sql("select stamp, line from task_log").await.unwrap();
    assert_eq!(text(&log.rows[0][0]), "1970-01-01T00:00:01.500000000Z");
    assert_eq!(text(&log.rows[0][1]), "hello");
}

#[tokio::test]
async fn a_persons_sql_cannot_write() {
    let place = Place::new();
    let store = place.store().await;
    let ids = submit(&store, &["a"]).await;
    for statement in [
        "delete from tasks",
        "update tasks set state = 'success'",
        "drop table tasks",
        "pragma query_only = off; delete from tasks",
    ] {
        let refused = store.sql(statement).await;
        assert!(
            matches!(refused, Err(StoreError::Query(_))),
            "{statement}: {refused:?}"
        );
    }
    let wrong = store.sql("selekt 1").await;
    assert!(
        matches!(&wrong, Err(StoreError::Query(words)) if words.contains("syntax error")),
        "{wrong:?}"
    );
    assert!(store.task(ids[0]).await.is_ok());
}

async fn refusal(path: &Path) -> StoreError {
    Store::open(path, at(0)).await.unwrap_err()
}

#[tokio::test]
async fn what_is_no_database_of_ours_is_refused_and_left_alone() {
    let place = Place::new();
    let path = place.path();
    std::fs::write(
        &path,
        "not a database, but long enough to be taken for one".repeat(100),
    )
    .unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(refusal(&path).await, StoreError::Damaged { .. }));
    assert_eq!(std::fs::read(&path).unwrap(), before);

    let empty = place.directory.path().join("empty.db");
    std::fs::write(&empty, "").unwrap();
    assert!(matches!(refusal(&empty).await, StoreError::Foreign { .. }));
    let directory = place.directory.path().join("directory.db");
    std::fs::create_dir(&directory).unwrap();
    assert!(matches!(
        refusal(&directory).await,
        StoreError::Damaged { .. }
    ));
    let nowhere = place.path().join("below/a/file.db");
    assert!(matches!(refusal(&nowhere).await, StoreError::Place { .. }));
}

#[tokio::test]
async fn a_database_of_a_newer_schema_is_refused() {
    let place = Place::new();
    let path = place.path();
    drop(place.store().await);
    let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite:{}", path.display()))
        .await
        .unwrap();
    sqlx::query(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values (9999, 'to come', 1, x'00', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    let error = refusal(&path).await;
    assert!(
        matches!(error, StoreError::NewerSchema { found: 9999, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn the_database_is_for_its_owner_alone() {
    let place = Place::new();
    let store = place.store().await;
    submit(&store, &["a"]).await;
    for entry in std::fs::read_dir(place.directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.path());
    }
}

#[tokio::test]
async fn an_installation_keeps_its_id() {
    let place = Place::new();
    let first = place.store().await.installation().to_owned();
    let second = place.store().await.installation().to_owned();
    assert_eq!(first, second);
    assert_eq!(first.len(), 32);
    let other = Place::new().store().await.installation().to_owned();
    assert_ne!(first, other);
}

#[tokio::test]
async fn a_change_by_another_process_is_noticed() {
    let place = Place::new();
    let (one, two) = (place.store().await, place.store().await);
    let mut changes = one.changes();
    changes.mark_unchanged();
    // The first look only learns where things stand; submit until one is noticed.
    for number in 0.. {
        submit(&two, &[&format!("t{number}")]).await;
        let noticed = tokio::time::timeout(Duration::from_millis(500), changes.changed()).await;
        if noticed.is_ok() {
            return;
        }
        assert!(number < 20, "twenty commits went unnoticed");
    }
}
