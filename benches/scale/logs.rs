//! How fast the engine takes a log in: read, cut into lines, and stored.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::AsyncReadExt;
use kube::api::LogParams;
use rusqlite::Connection;
use serde_json::json;

use crate::stage::Stage;

const LINES: usize = 1_000_000;
/// Half a megabyte, which is a batch of the engine's.
const BLOCKS_OF_A_COMMIT: usize = 8;
/// As long as log lines usually are, in bytes.
const LINE: &str = "2026-11-24 08:53:24 INFO  report.worker: row 000000001 of the table was read, 17 columns, no warning";

pub struct Logs {
    pub bytes: u64,
    /// Bytes a second, stamps included, read to nowhere.
    pub nowhere: f64,
    /// The same through the engine: from the claim of the step to its verdict.
    pub engine: f64,
    /// The rows that the engine made of it, written by a bare SQLite loop.
    pub bare: f64,
}

pub async fn measure() -> Logs {
    eprintln!("a log of {LINES} lines");
    let mut stage = Stage::set(false).await;
    stage.start_engine().await;
    let write = format!("yes '{LINE}' | head -n {LINES}");
    let task = json!({
        "dag_id": "scale",
        "task_id": "log",
        "run_id": "bench",
        "image": "busybox",
        "cmds": ["sh", "-c"],
        "arguments": [write],
        "random_name_suffix": false,
        "name": "log",
        "on_finish_action": "keep_pod",
    });
    stage.submit_tasks(&[task]).await;
    let mut database = stage.database().await;
    let often = Duration::from_millis(100);
    database
        .until(
            "the end of the task with the log",
            "SELECT count(*) FROM tasks WHERE state = 'success'",
            1,
            often,
        )
        .await;
    let lines = database.number("SELECT log_lines FROM tasks").await;
    assert_eq!(lines, LINES as i64);
    let took = database
        .number("SELECT max(at) - (SELECT max(at) FROM history WHERE event = 'claim') FROM history")
        .await;
    let begun = Instant::now();
    let bytes = read_to_nowhere(&stage).await;
    let nowhere = begun.elapsed().as_secs_f64();
    let path = stage.database_path();
    let bare = tokio::task::spawn_blocking(move || write_again(&path));
    let bare = bare.await.unwrap();
    Logs {
        bytes,
        bare: bytes as f64 / bare.as_secs_f64(),
        nowhere: bytes as f64 / nowhere,
        engine: bytes as f64 / (took as f64 / 1000.0),
    }
}

/// How long a loop takes to write the rows of the log once more: one thread, prepared statements,
/// `synchronous=FULL`, as many in a commit as the engine has.
fn write_again(path: &Path) -> Duration {
    let from = Connection::open(path).unwrap();
    let mut blocks = from
        .prepare("SELECT last_seq, lines FROM log_blocks WHERE kind = 'output' ORDER BY last_seq")
        .unwrap();
    let blocks: Vec<(i64, String)> = blocks
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let to = Connection::open(path.with_file_name("again.db")).unwrap();
    to.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE blocks (id INTEGER PRIMARY KEY, task INTEGER, last_seq INTEGER, lines TEXT);
         CREATE UNIQUE INDEX in_order ON blocks (task, last_seq);",
    )
    .unwrap();
    let mut insert = to
        .prepare("INSERT INTO blocks (task, last_seq, lines) VALUES (1, ?, ?)")
        .unwrap();
    let begun = Instant::now();
    for commit in blocks.chunks(BLOCKS_OF_A_COMMIT) {
        to.execute_batch("BEGIN IMMEDIATE").unwrap();
        for (last_seq, lines) in commit {
            insert.execute(rusqlite::params![last_seq, lines]).unwrap();
        }
        to.execute_batch("COMMIT").unwrap();
    }
    begun.elapsed()
}

async fn read_to_nowhere(stage: &Stage) -> u64 {
    let options = LogParams {
        timestamps: true,
        ..LogParams::default()
    };
    let mut stream = Box::pin(stage.pods().log_stream("log", &options).await.unwrap());
    let mut buffer = vec![0; 256 * 1024];
    let mut bytes = 0;
    loop {
        match stream.read(&mut buffer).await.unwrap() {
            0 => return bytes,
            read => bytes += read as u64,
        }
    }
}
