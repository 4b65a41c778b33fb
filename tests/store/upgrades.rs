//! A database of each older schema, with something in every table: brought up to date, everything
//! is as it was, and its tasks go on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use adjourn::store::{Scope, Store};
use adjourn::task::id::{Fence, TaskId};
use adjourn::task::state::TaskState;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::support::*;

/// Four tasks: one that waits for its pod, one that ended, one that is to be tried again, and one
/// that was submitted a moment ago.
const ROWS: &str = r#"
    INSERT INTO installation VALUES (1, '0123456789abcdef0123456789abcdef', 1699999000000);
    INSERT INTO engines (owner, kind, started_at, alive_until)
    VALUES ('boot:ns:1:2', 'serve', 1699999000000, 1700000000000);
    INSERT INTO tasks (id, dag_id, task_id, run_id, map_index, operator, definition, state, entry,
                       claim_rank, not_before, fence, try_number, max_tries, retry_policy,
                       execution_timeout_ms, deadline, event, postponed, resumes, failure_kind,
                       reason, advice, exit_code, submitted_at, started_at, finished_at, changed_at,
                       log_lines, log_seq, last_log_at)
    VALUES (1, 'etl', 'waits', 'r1', -1, 'pod', '{"task_id":"waits"}', 'deferred', NULL,
            NULL, NULL, 3, 1, 2, '{"retries":1}',
            600000, 1700000600000, NULL, 0, 2, NULL,
            'the pod runs', NULL, NULL, 1699999999000, 1700000000000, NULL, 1700000001000,
            3, 5, 1700000001000),
           (2, 'etl', 'ended', 'r1', 4, 'pod', '{"task_id":"ended"}', 'failed', NULL,
            NULL, NULL, 7, 2, 2, '{"retries":1}',
            NULL, NULL, NULL, 0, 1, 'failed',
            'exit code 3 · ünïcode', 'look at its log', 3, 1699999999000, 1700000000000,
            1700000002000, 1700000002000, 1, 1, 1700000001500),
           (3, 'etl', 'again', 'r2', -1, 'pod', '{"task_id":"again"}', 'up_for_retry', NULL,
            NULL, 1700000900000, 2, 1, 5, '{"retries":4}',
            NULL, NULL, NULL, 1, 0, 'could_not_start',
            'no image', NULL, NULL, 1699999999000, 1700000000000, NULL, 1700000002000, 0, 0, NULL),
           (9, 'other', 'fresh', 'r1', -1, 'pod', '{"task_id":"fresh"}', 'queued', 'execute',
            2, 1699999999000, 0, 1, 1, '{"retries":0}',
            NULL, NULL, NULL, 0, 0, NULL,
            NULL, NULL, NULL, 1699999999000, NULL, NULL, 1699999999000, 0, 0, NULL);
    INSERT INTO pods VALUES
        (1, 1, 'kubernetes_default', '{}', 'https://10.0.0.1:6443', 'jobs', 'waits-x', 'n1', 'h1',
         'uid-1', 1700000000100, 1700000000200, NULL, NULL),
        (2, 1, 'prod', '{}', 'https://10.0.0.1:6443', 'jobs', 'ended-x', 'n2', 'h2',
         NULL, 1700000000100, NULL, '{"pod":{"phase":"Failed"}}', 'delete');
    INSERT INTO triggers VALUES
        (1, 3, 'pod', 1, '{"pod":"waits-x"}', 'boot:ns:1:2', 1700000001000, 1700000030000,
         1700000600000);
    INSERT INTO log_cursors VALUES (1, 'uid-1', 'base', 'containerd://1', 1700000001000000007, 1, 0);
    INSERT INTO disposals VALUES
        (5, 2, 'prod', '{}', 'https://10.0.0.1:6443', 'jobs', 'ended-x', 'uid-2', 'n2', 'delete',
         1700000100000, 2, 'refused', 1700000002000);
    INSERT INTO xcom VALUES (2, 'return_value', '{"answer":42}');
    INSERT INTO history VALUES
        (1, 1, 1699999999000, 'submit', NULL, 'queued', 1, 0, NULL, NULL),
        (2, 1, 1700000000000, 'claim', 'queued', 'running', 1, 1, 'boot:ns:1:2', NULL),
        (7, 1, 1700000001000, 'defer', 'running', 'deferred', 1, 3, 'boot:ns:1:2', 'the pod runs');
"#;

/// Logs as schemas before blocks had them: a row a line.
const LOG_ROWS: &str = r#"
    INSERT INTO log_lines
    SELECT column1, column2, column3, column4, column5, column6, CAST(column7 AS BLOB)
    FROM (VALUES
        (1, 1, 1, 'base', 1700000001000000001, 'event', 'Normal Started: "it" runs'),
        (1, 2, 1, 'base', 1700000001000000002, 'output', 'first "line" \ of ünïcode'),
        (1, 3, 1, 'base', 1700000001000000003, 'output', x'00ff80fe'),
        (1, 4, 1, 'base', 1700000001000000003, 'gap', 'lines are missing'),
        (1, 5, 1, 'base', 1700000001000000007, 'output', ''),
        (2, 1, 1, 'base', 1700000001500000000, 'output', 'ERROR'));
"#;

/// The same in blocks.
const LOG_BLOCKS: &str = r#"
    INSERT INTO log_blocks VALUES
        (1, 1, 1, 1, 1, 'base', 'event', '["1700000001000000001Normal Started: \"it\" runs"]', NULL),
        (2, 1, 2, 2, 1, 'base', 'output',
         '["1700000001000000002first \"line\" \\ of ünïcode"]', NULL),
        (3, 1, 3, 3, 1, 'base', 'output', '["1700000001000000003"]', x'00ff80fe'),
        (4, 1, 4, 4, 1, 'base', 'gap', '["1700000001000000003lines are missing"]', NULL),
        (5, 1, 5, 5, 1, 'base', 'output', '["1700000001000000007"]', NULL),
        (6, 2, 1, 1, 1, 'base', 'output', '["1700000001500000000ERROR"]', NULL);
"#;

/// What later schemas keep beside it, as the programs that had them wrote it.
const LIMITS: &str = "
    UPDATE tasks SET log_bytes = 32, pod_live = 1 WHERE id = 1;
    UPDATE tasks SET log_bytes = 6 WHERE id = 2;
    UPDATE engines SET max_active_pods = 7;";

/// The migrations' files, oldest first.
fn migrations() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

async fn connect(path: &Path, create: bool) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path);
    options.create_if_missing(create).connect().await.unwrap()
}

async fn execute(connection: &mut SqliteConnection, script: &str) {
    sqlx::raw_sql(AssertSqlSafe(script))
        .execute(connection)
        .await
        .unwrap();
}

/// A database as the program with the first `schema` migrations left it.
async fn database(path: &Path, schema: usize) {
    let directory = tempfile::tempdir().unwrap();
    for file in &migrations()[..schema] {
        std::fs::copy(file, directory.path().join(file.file_name().unwrap())).unwrap();
    }
    let mut connection = connect(path, true).await;
    let migrator = Migrator::new(directory.path()).await.unwrap();
    migrator.run(&mut connection).await.unwrap();
    execute(&mut connection, ROWS).await;
    let logs = if schema < 3 { LOG_ROWS } else { LOG_BLOCKS };
    execute(&mut connection, logs).await;
    if schema >= 2 {
        execute(&mut connection, LIMITS).await;
    }
    connection.close().await.unwrap();
}

/// Every table with its columns, and what a look at these shows.
type Content = BTreeMap<String, (Vec<String>, Vec<String>)>;

async fn look(connection: &mut SqliteConnection, table: &str, columns: &[String]) -> Vec<String> {
    let quoted: Vec<String> = columns.iter().map(|it| format!("quote({it})")).collect();
    let question = format!(
        "SELECT {} AS shown FROM {table} ORDER BY shown",
        quoted.join(" || ', ' || ")
    );
    sqlx::query_scalar(AssertSqlSafe(question))
        .fetch_all(connection)
        .await
        .unwrap()
}

async fn content(path: &Path) -> Content {
    let mut connection = connect(path, false).await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema
         WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> '_sqlx_migrations'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let mut content = Content::new();
    for table in tables {
        let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info(?)")
            .bind(&table)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let rows = look(&mut connection, &table, &columns).await;
        assert!(!rows.is_empty(), "{table} has something in it");
        content.insert(table, (columns, rows));
    }
    connection.close().await.unwrap();
    content
}

/// The same columns of the same tables, or of views that took their place.
async fn again(path: &Path, before: &Content) -> Content {
    let mut connection = connect(path, false).await;
    let mut content = Content::new();
    for (table, (columns, _)) in before {
        let rows = look(&mut connection, table, columns).await;
        content.insert(table.clone(), (columns.clone(), rows));
    }
    connection.close().await.unwrap();
    content
}

async fn schema(path: &Path) -> Vec<(String, String)> {
    let mut connection = connect(path, false).await;
    let rows = sqlx::query_as("SELECT name, sql FROM sqlite_schema WHERE sql <> '' ORDER BY name")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    rows
}

#[tokio::test]
async fn a_database_of_each_schema_is_brought_up_to_date_and_loses_nothing() {
    let fresh = Place::new();
    drop(fresh.store().await);
    let newest = schema(&fresh.path()).await;
    for number in 1..=migrations().len() {
        let place = Place::new();
        let path = place.path();
        database(&path, number).await;
        let before = content(&path).await;
        assert!(before.len() >= 10, "{:?}", before.keys());

        let store = Store::open(&path, at(0)).await.unwrap();
        assert_eq!(again(&path, &before).await, before, "schema {number}");
        assert_eq!(schema(&path).await, newest, "schema {number}");
        assert_eq!(store.installation(), "0123456789abcdef0123456789abcdef");

        let rows = store.log_lines(TaskId(1), 0, 100).await.unwrap();
        let lines: Vec<&[u8]> = rows.iter().map(|row| &row.line.text[..]).collect();
        assert_eq!(
            lines,
            [
                br#"Normal Started: "it" runs"#.as_slice(),
                r#"first "line" \ of ünïcode"#.as_bytes(),
                &[0x00, 0xff, 0x80, 0xfe],
                b"lines are missing",
                b"",
            ],
            "schema {number}"
        );
        let ended = store.task(TaskId(2)).await.unwrap();
        assert_eq!(ended.state, TaskState::Failed, "schema {number}");
        assert_eq!(ended.exit_code, Some(3));

        // What waits goes on: its trigger fires, and a worker takes it.
        let fired = store.fire(TaskId(1), Fence(3), event(), at(40)).await;
        assert!(fired.is_ok(), "schema {number}: {fired:?}");
        let claimed = store
            .claim("me", &Scope::All, 10, at(71), at(41))
            .await
            .unwrap();
        let ids: Vec<i64> = claimed.iter().map(|task| task.row.id.0).collect();
        assert_eq!(ids, [1, 9], "schema {number}");
    }
}

#[tokio::test]
async fn what_limits_need_is_counted_from_what_was_there() {
    let place = Place::new();
    database(&place.path(), 1).await;
    drop(place.store().await);
    let mut connection = connect(&place.path(), false).await;
    let rows: Vec<(i64, i64, i64)> =
        sqlx::query_as("SELECT id, log_bytes, pod_live FROM tasks ORDER BY id")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    connection.close().await.unwrap();
    let lines = ["first \"line\" \\ of ünïcode".len() as i64, 4, 0];
    let bytes = lines.iter().map(|length| length + 1).sum::<i64>();
    assert_eq!(rows, [(1, bytes, 1), (2, 6, 0), (3, 0, 0), (9, 0, 0)]);
}
