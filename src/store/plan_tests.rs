//! Questions that are asked all the time cost the same beside a thousand tasks that have ended
//! and beside twenty thousand: by the plans that SQLite makes, and by the steps that its machine
//! takes, which no clock has a part in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments, AssertSqlSafe, Connection, Row};

use super::listing::{ANY_OPEN, TaskFilter, question};
use super::open::Store;
use super::sql::Value;
use super::{claim, disposals, over_time, retention, starts, triggers};
use crate::clock::Timestamp;
use crate::task::id::TaskId;

/// What may be walked from end to end: it holds only what is under way, or a handful of rows.
const SHORT: [&str; 14] = [
    "SCAN json_each",
    "SCAN CONSTANT ROW",
    "SCAN owners",
    "SCAN some",
    "SCAN active",
    "SCAN listed",
    "SCAN tasks USING INDEX tasks_running",
    "SCAN tasks USING COVERING INDEX tasks_running",
    "SCAN tasks USING INDEX tasks_with_pod",
    "SCAN tasks USING COVERING INDEX tasks_with_pod",
    "SCAN tasks USING INDEX tasks_retryable",
    "SCAN disposals",
    "SCAN engines",
    "SCAN installation",
];

enum Bind {
    Null,
    Number(i64),
    Text(&'static str),
}

struct Question {
    name: String,
    sql: String,
    arguments: SqliteArguments,
}

fn ask(name: &str, sql: &str, binds: &[Bind]) -> Question {
    let mut arguments = SqliteArguments::default();
    for bind in binds {
        match bind {
            Bind::Null => arguments.add(None::<i64>),
            Bind::Number(number) => arguments.add(*number),
            Bind::Text(text) => arguments.add(*text),
        }
        .unwrap();
    }
    Question {
        name: name.to_owned(),
        sql: sql.to_owned(),
        arguments,
    }
}

fn list(name: &str, filter: TaskFilter) -> Question {
    let filter = TaskFilter {
        limit: Some(20),
        ..filter
    };
    let asked = question(&filter);
    let mut arguments = SqliteArguments::default();
    for value in asked.values {
        match value {
            Value::Number(number) => arguments.add(number),
            Value::Text(text) => arguments.add(text),
            Value::Bytes(bytes) => arguments.add(bytes),
        }
        .unwrap();
    }
    Question {
        name: name.to_owned(),
        sql: asked.text,
        arguments,
    }
}

/// Now, in a database whose tasks ended at moments from 1 on.
const NOW: i64 = 10_000_000;

fn questions() -> Vec<Question> {
    use Bind::{Null, Number, Text};
    let due = || [Number(NOW), Null, Number(8), Number(2)];
    let scoped = || [Number(NOW), Text("[2,3]"), Number(8), Number(2)];
    let some = |text: &str| Some(text.to_owned());
    let states = |states: &[&str]| TaskFilter {
        states: states.iter().map(|state| (*state).to_owned()).collect(),
        ..TaskFilter::default()
    };
    vec![
        ask("anything due", starts::ANY_DUE, &due()[..2]),
        ask("due", starts::DUE, &due()),
        ask("due, of some", starts::DUE, &scoped()),
        ask("due with a pod", starts::DUE_WITH_POD, &due()[..3]),
        ask("due without pods", starts::DUE_OTHERS, &due()[..3]),
        ask("due pods", starts::DUE_PODS, &due()[..3]),
        ask("active pods", starts::ACTIVE, &[Number(100)]),
        ask("holders", claim::HOLDERS, &[Null]),
        ask("lapsed", claim::LAPSED, &[Number(NOW), Text("[]"), Null]),
        ask("due retries", claim::DUE_RETRIES, &due()[..2]),
        ask("watchers", triggers::WATCHERS, &[Null]),
        ask("watchers of some", triggers::WATCHERS_OF, &[Text("[2,3]")]),
        ask("watched", triggers::WATCHED_FENCES, &[Text("me"), Null]),
        ask(
            "triggers",
            triggers::TRIGGERS_OF,
            &[Text("me"), Text("[2,3]")],
        ),
        ask(
            "adopted",
            triggers::ADOPT,
            &[Text("me"), Text("[\"x\"]"), Null],
        ),
        ask("due wishes", disposals::DUE_DISPOSALS, &due()[..3]),
        ask("open wishes", disposals::OPEN_DISPOSALS, &[Null]),
        ask("prunable", retention::PRUNABLE, &[Number(500), Number(100)]),
        ask(
            "still prunable",
            retention::STILL_PRUNABLE,
            &[Number(100), Number(500)],
        ),
        ask(
            "lines of one",
            retention::DELETE_BLOCKS,
            &[Number(100), Number(5)],
        ),
        ask(
            "history of one",
            retention::DELETE_HISTORY,
            &[Number(100), Number(5)],
        ),
        ask("one task", retention::DELETE_TASK, &[Number(100)]),
        ask("any open", ANY_OPEN, &[Null]),
        ask("any open of some", ANY_OPEN, &[Text("[100,101]")]),
        ask(
            "flow",
            over_time::FLOW,
            &[Number(0), Number(1000), Number(50)],
        ),
        ask("reach of the flow", over_time::REACH, &[Number(50)]),
        ask("waits", over_time::WAITS, &[Number(0), Number(50)]),
        list("the newest", TaskFilter::default()),
        list(
            "the next page",
            TaskFilter {
                before: Some(TaskId(500)),
                ..TaskFilter::default()
            },
        ),
        list(
            "some ids",
            TaskFilter {
                ids: vec![TaskId(100), TaskId(2)],
                ..TaskFilter::default()
            },
        ),
        list(
            "what is open",
            states(&["queued", "running", "deferred", "up_for_retry"]),
        ),
        list("what ended well", states(&["success"])),
        list("what failed, of which there is none", states(&["failed"])),
        list(
            "of a DAG",
            TaskFilter {
                dag_id: some("etl"),
                ..TaskFilter::default()
            },
        ),
        list(
            "of a run",
            TaskFilter {
                run_id: some("r7"),
                ..TaskFilter::default()
            },
        ),
        list(
            "of a name",
            TaskFilter {
                task_id: some("load"),
                ..TaskFilter::default()
            },
        ),
        list(
            "open ones of a DAG",
            TaskFilter {
                dag_id: some("etl"),
                ..states(&["deferred"])
            },
        ),
    ]
}

async fn finished(connection: &mut SqliteConnection, from: i64, to: i64) {
    sqlx::raw_sql(AssertSqlSafe(format!(
        "BEGIN;
         WITH RECURSIVE n (i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {to})
         INSERT INTO tasks (id, dag_id, task_id, run_id, map_index, operator, definition, state,
                            max_tries, retry_policy, submitted_at, finished_at, changed_at)
         SELECT i, 'etl', 'load', 'r' || (i % 50), i, 'pod', '{{}}', 'success', 1, '{{}}', i, i, i
         FROM n;
         INSERT INTO history (task, at, event, from_state, to_state, try_number, fence)
         SELECT id, 1, 'claim', 'queued', 'running', 1, 1 FROM tasks WHERE id BETWEEN {from} AND {to};
         INSERT INTO log_blocks (task, first_seq, last_seq, try_number, container, kind, lines)
         SELECT id, 1, 1, 1, 'base', 'output', json_array('0000000000000000001A') FROM tasks WHERE id BETWEEN {from} AND {to};
         COMMIT;"
    )))
    .execute(connection)
    .await
    .unwrap();
}

/// A few tasks of every kind that is under way, each with what belongs to it.
async fn under_way(connection: &mut SqliteConnection) {
    sqlx::raw_sql(
        "INSERT INTO tasks (id, dag_id, task_id, run_id, map_index, operator, definition, state,
                            entry, claim_rank, not_before, max_tries, retry_policy, submitted_at,
                            changed_at, pod_live, lease_until, owner)
         VALUES (1, 'etl', 'a', 'r', 1, 'pod', '{}', 'queued', 'execute', 2, 1, 1, '{}', 1, 1, 0, NULL, NULL),
                (2, 'etl', 'a', 'r', 2, 'pod', '{}', 'queued', 'reentry', 1, 1, 1, '{}', 1, 1, 1, NULL, NULL),
                (3, 'etl', 'a', 'r', 3, 'own', '{}', 'queued', 'execute', 2, 1, 1, '{}', 1, 1, 0, NULL, NULL),
                (4, 'etl', 'a', 'r', 4, 'pod', '{}', 'queued', 'execute', 2, 1, 1, '{}', 1, 1, 1, NULL, NULL),
                (5, 'etl', 'a', 'r', 5, 'pod', '{}', 'running', 'execute', NULL, NULL, 1, '{}', 1, 1, 0, 1, 'x'),
                (6, 'etl', 'a', 'r', 6, 'pod', '{}', 'deferred', NULL, NULL, NULL, 1, '{}', 1, 1, 1, NULL, NULL),
                (7, 'etl', 'a', 'r', 7, 'pod', '{}', 'deferred', NULL, NULL, NULL, 1, '{}', 1, 1, 1, NULL, NULL),
                (8, 'etl', 'a', 'r', 8, 'pod', '{}', 'up_for_retry', NULL, NULL, 1, 1, '{}', 1, 1, 0, NULL, NULL);
         INSERT INTO triggers (task, fence, kind, version, kwargs, owner, deferred_at)
         VALUES (6, 1, 'pod', 1, '{}', 'me', 1), (7, 1, 'pod', 1, '{}', 'x', 1);
         INSERT INTO disposals (task, connection, overrides, server, namespace, name, nonce, action,
                                due_at, wanted_at)
         VALUES (6, 'c', '{}', 's', 'jobs', 'p', 'n', 'delete', 1, 1);",
    )
    .execute(connection)
    .await
    .unwrap();
}

async fn database(directory: &tempfile::TempDir) -> SqliteConnection {
    let path = directory.path().join("adjourn.db");
    let store = Store::open(&path, Timestamp::UNIX_EPOCH).await.unwrap();
    drop(store);
    let mut connection = SqliteConnection::connect(&format!("sqlite:{}", path.display()))
        .await
        .unwrap();
    sqlx::raw_sql("PRAGMA foreign_keys = ON")
        .execute(&mut connection)
        .await
        .unwrap();
    under_way(&mut connection).await;
    finished(&mut connection, 100, 1100).await;
    connection
}

/// How many steps SQLite's machine takes for each question, by its name. Nothing is changed.
async fn steps(connection: &mut SqliteConnection) -> Vec<(String, u64)> {
    let mut counted = Vec::new();
    for question in questions() {
        let mut begun = connection.begin().await.unwrap();
        let count = Arc::new(AtomicU64::new(0));
        let counter = count.clone();
        begun
            .lock_handle()
            .await
            .unwrap()
            .set_progress_handler(1, move || {
                counter.fetch_add(1, Ordering::Relaxed);
                true
            });
        sqlx::query_with(AssertSqlSafe(question.sql), question.arguments)
            .fetch_all(&mut *begun)
            .await
            .unwrap();
        begun.lock_handle().await.unwrap().remove_progress_handler();
        counted.push((question.name, count.load(Ordering::Relaxed)));
        begun.rollback().await.unwrap();
    }
    counted
}

#[tokio::test]
async fn tasks_that_have_ended_cost_no_question_a_step() {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = database(&directory).await;
    // What is asked for the first time has to be understood first.
    steps(&mut connection).await;
    let few = steps(&mut connection).await;
    assert!(few.iter().all(|(_, steps)| *steps > 5), "{few:?}");
    finished(&mut connection, 1101, 20_000).await;
    let many = steps(&mut connection).await;
    assert_eq!(few, many);
}

#[tokio::test]
async fn no_question_walks_what_has_ended_from_end_to_end() {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = database(&directory).await;
    for question in questions() {
        let explain = format!("EXPLAIN QUERY PLAN {}", question.sql);
        let rows = sqlx::query_with(AssertSqlSafe(explain), question.arguments)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        assert!(!plan.is_empty(), "{}", question.name);
        for line in &plan {
            // The newest of all are read in the order in which they lie, up to the limit.
            let newest = line == "SCAN tasks" && question.name == "the newest";
            let walks = line.starts_with("SCAN")
                && !newest
                && !SHORT.iter().any(|short| line.starts_with(short));
            assert!(!walks, "{}: {plan:?}", question.name);
        }
    }
}

/// What hangs on a task goes with it: without an index each removal would walk the whole table.
#[tokio::test]
async fn everything_that_hangs_on_a_task_is_found_by_an_index() {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = database(&directory).await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT schema.name FROM sqlite_schema AS schema,
                pragma_foreign_key_list(schema.name) AS keys
         WHERE keys.\"table\" = 'tasks' ORDER BY 1",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(tables.len(), 7, "{tables:?}");
    for table in tables {
        let explain = format!("EXPLAIN QUERY PLAN DELETE FROM {table} WHERE task = 1");
        let rows = sqlx::query(AssertSqlSafe(explain))
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        assert!(plan[0].starts_with("SEARCH"), "{table}: {plan:?}");
    }
}
