//! Log lines and cursors: a line and the cursor that covers it are written together.

use std::sync::Arc;

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row, Sqlite};

use super::error::{JobError, StoreError};
use super::open::Store;
use super::rows::{TaskRow, to_ms};
use crate::clock::Timestamp;
use crate::task::id::{Fence, TaskId};
use crate::task::log::{LineKind, LogCursor, LogLine};

/// Rows of one INSERT: seven values each, and SQLite takes 32766 values.
const ROWS_AT_ONCE: usize = 1000;

/// A stored log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// Its place in the task's log, counted from 1.
    pub seq: i64,
    /// The attempt that it belongs to.
    pub try_number: u32,
    /// The line.
    pub line: LogLine,
}

/// How far a container of a pod has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCursor {
    /// The pod.
    pub pod_uid: String,
    /// The container.
    pub container: String,
    /// The cursor.
    pub cursor: LogCursor,
}

impl Store {
    /// Appends lines to a held task's log and moves the cursor over them, together.
    ///
    /// # Errors
    /// [`StoreError::FenceLost`] when the task is held no more: nothing was written.
    pub async fn append_log(
        &self,
        task: TaskId,
        fence: Fence,
        lines: Vec<LogLine>,
        cursor: StoredCursor,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.append_log_within(task, fence, lines, cursor, None, now)
            .await
            .map(|_| ())
    }

    /// As [`Store::append_log`], but keeps no more than `most` bytes of the task's log: what its
    /// containers wrote beyond them is left out, and a mark says so. Answers whether it was cut.
    ///
    /// # Errors
    /// [`StoreError::FenceLost`] when the task is held no more: nothing was written.
    pub async fn append_log_within(
        &self,
        task: TaskId,
        fence: Fence,
        lines: Vec<LogLine>,
        cursor: StoredCursor,
        most: Option<u64>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (cut, bytes) = self
            .writer
            .write_task(task, move |connection, row| {
                Box::pin(async move {
                    let row = row.held(fence)?;
                    let kept = keep(&row, lines, most);
                    for (index, chunk) in kept.lines.chunks(ROWS_AT_ONCE).enumerate() {
                        let done = i64::try_from(index * ROWS_AT_ONCE).unwrap_or(i64::MAX);
                        insert(connection, &row, row.log_seq + done, chunk).await?;
                    }
                    if !kept.lines.is_empty() {
                        count(connection, &row, &kept, now).await?;
                    }
                    move_cursor(connection, task, &cursor).await?;
                    let bytes = kept.bytes.saturating_sub(row.log_bytes);
                    Ok((kept.is_cut(most), bytes))
                })
            })
            .await?;
        self.metrics().log_bytes.inc_by(bytes);
        Ok(cut)
    }

    /// How far the log of a container has been read; from the beginning, if never.
    ///
    /// # Errors
    /// What the database says.
    pub async fn log_cursor(
        &self,
        task: TaskId,
        pod_uid: &str,
        container: &str,
    ) -> Result<LogCursor, StoreError> {
        let row = sqlx::query(
            "SELECT * FROM log_cursors WHERE task = ? AND pod_uid = ? AND container = ?",
        )
        .bind(task.0)
        .bind(pod_uid)
        .bind(container)
        .fetch_optional(&self.reader)
        .await
        .map_err(|error| self.told(error))?;
        row.map_or_else(|| Ok(LogCursor::default()), |row| read_cursor(&row))
            .map_err(|error| self.told(error))
    }

    /// The number behind which the last `lines` lines of a task's containers, or of one of them,
    /// begin.
    ///
    /// # Errors
    /// What the database says.
    pub async fn log_tail(
        &self,
        task: TaskId,
        container: Option<&str>,
        lines: usize,
    ) -> Result<i64, StoreError> {
        let first: Option<i64> = sqlx::query_scalar(
            "SELECT min(seq) FROM (
                 SELECT seq FROM log_lines
                 WHERE task = ?1 AND kind = 'output' AND (?2 IS NULL OR container = ?2)
                 ORDER BY seq DESC LIMIT ?3)",
        )
        .bind(task.0)
        .bind(container)
        .bind(i64::try_from(lines).unwrap_or(i64::MAX))
        .fetch_one(&self.reader)
        .await
        .map_err(|error| self.told(error))?;
        match first {
            Some(first) => Ok(first - 1),
            None => Ok(self.task(task).await?.log_seq),
        }
    }

    /// Up to `limit` lines of a task's log behind number `after`, in order.
    ///
    /// # Errors
    /// What the database says.
    pub async fn log_lines(
        &self,
        task: TaskId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<LogRow>, StoreError> {
        let rows =
            sqlx::query("SELECT * FROM log_lines WHERE task = ? AND seq > ? ORDER BY seq LIMIT ?")
                .bind(task.0)
                .bind(after)
                .bind(limit)
                .fetch_all(&self.reader)
                .await
                .map_err(|error| self.told(error))?;
        rows.iter()
            .map(read_line)
            .collect::<Result<_, _>>()
            .map_err(|error| self.told(error))
    }
}

async fn insert(
    connection: &mut SqliteConnection,
    row: &TaskRow,
    last_seq: i64,
    lines: &[LogLine],
) -> Result<(), JobError> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO log_lines (task, seq, try_number, container, stamp_ns, kind, line) ",
    );
    // Words that many lines share are handed over as they are, not copied for each.
    let words = KINDS.map(|kind| (kind, Arc::<str>::from(kind_word(kind))));
    query.push_values(
        lines.iter().zip(last_seq + 1..),
        |mut values, (line, seq)| {
            let word = words.iter().find(|(kind, _)| *kind == line.kind);
            values
                .push_bind(row.id.0)
                .push_bind(seq)
                .push_bind(row.try_number)
                .push_bind(Arc::clone(&line.container))
                .push_bind(line.stamp_ns)
                .push_bind(word.map(|(_, word)| Arc::clone(word)))
                .push_bind(&line.text[..]);
        },
    );
    query.build().execute(connection).await?;
    Ok(())
}

async fn count(
    connection: &mut SqliteConnection,
    row: &TaskRow,
    kept: &Kept,
    now: Timestamp,
) -> Result<(), JobError> {
    let output = kept
        .lines
        .iter()
        .filter(|line| line.kind == LineKind::Output)
        .count();
    let last_log_at = if output > 0 {
        Some(now)
    } else {
        row.last_log_at
    };
    let written = sqlx::query(
        "UPDATE tasks SET log_lines = log_lines + ?, log_seq = log_seq + ?, last_log_at = ?,
                          log_bytes = ?, log_cut = ?
         WHERE id = ? AND fence = ?",
    )
    .bind(i64::try_from(output).unwrap_or(i64::MAX))
    .bind(i64::try_from(kept.lines.len()).unwrap_or(i64::MAX))
    .bind(last_log_at.map(to_ms))
    .bind(i64::try_from(kept.bytes).unwrap_or(i64::MAX))
    .bind(i64::try_from(kept.cut).unwrap_or(i64::MAX))
    .bind(row.id.0)
    .bind(row.fence.0)
    .execute(connection)
    .await?
    .rows_affected();
    if written == 1 {
        Ok(())
    } else {
        Err(StoreError::FenceLost { task: row.id }.into())
    }
}

/// What of some lines is kept, and how the task's log stands with it.
struct Kept {
    lines: Vec<LogLine>,
    bytes: u64,
    /// The bound at which the log was cut; 0 when it was not.
    cut: u64,
}

impl Kept {
    fn is_cut(&self, most: Option<u64>) -> bool {
        is_cut(self.cut, most)
    }
}

/// Whether a log that was cut at `cut` stays so under a bound of `most`: a higher one lets it go on.
fn is_cut(cut: u64, most: Option<u64>) -> bool {
    cut > 0 && most.is_some_and(|most| cut >= most)
}

impl TaskRow {
    /// Whether nothing more of its log is kept under a bound of `most` bytes.
    #[must_use]
    pub fn log_is_cut(&self, most: Option<u64>) -> bool {
        is_cut(self.log_cut, most)
    }
}

/// Leaves out what a task's containers wrote beyond `most` bytes, and puts a mark in its place.
/// Remarks are no output: they are kept.
fn keep(row: &TaskRow, lines: Vec<LogLine>, most: Option<u64>) -> Kept {
    let mut kept = Kept {
        lines: Vec::with_capacity(lines.len()),
        bytes: row.log_bytes,
        cut: row.log_cut,
    };
    for line in lines {
        if line.kind != LineKind::Output {
            kept.lines.push(line);
            continue;
        }
        if kept.is_cut(most) {
            continue;
        }
        let bytes = kept.bytes.saturating_add(line.text.len() as u64 + 1);
        match most {
            Some(most) if bytes > most => {
                kept.cut = most;
                kept.lines.push(LogLine {
                    text: format!(
                        "the log goes on, and is not kept beyond {most} bytes (max_bytes in [task_log])"
                    )
                    .into(),
                    kind: LineKind::Gap,
                    ..line
                });
            }
            Some(_) | None => {
                kept.bytes = bytes;
                kept.lines.push(line);
            }
        }
    }
    kept
}

async fn move_cursor(
    connection: &mut SqliteConnection,
    task: TaskId,
    stored: &StoredCursor,
) -> Result<(), JobError> {
    let StoredCursor {
        pod_uid,
        container,
        cursor,
    } = stored;
    sqlx::query(
        "INSERT INTO log_cursors
             (task, pod_uid, container, container_id, stamp_ns, seen_at_stamp, complete)
         VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (task, pod_uid, container) DO UPDATE
         SET container_id = excluded.container_id, stamp_ns = excluded.stamp_ns,
             seen_at_stamp = excluded.seen_at_stamp, complete = excluded.complete",
    )
    .bind(task.0)
    .bind(pod_uid)
    .bind(container)
    .bind(&cursor.container_id)
    .bind(cursor.stamp_ns)
    .bind(cursor.seen_at_stamp)
    .bind(cursor.complete)
    .execute(connection)
    .await?;
    Ok(())
}

const KINDS: [LineKind; 3] = [LineKind::Output, LineKind::Gap, LineKind::Event];

fn kind_word(kind: LineKind) -> &'static str {
    match kind {
        LineKind::Output => "output",
        LineKind::Gap => "gap",
        LineKind::Event => "event",
    }
}

fn read_cursor(row: &SqliteRow) -> Result<LogCursor, sqlx::Error> {
    Ok(LogCursor {
        container_id: row.try_get("container_id")?,
        stamp_ns: row.try_get("stamp_ns")?,
        seen_at_stamp: row.try_get("seen_at_stamp")?,
        complete: row.try_get("complete")?,
    })
}

fn read_line(row: &SqliteRow) -> Result<LogRow, sqlx::Error> {
    let kind: String = row.try_get("kind")?;
    Ok(LogRow {
        seq: row.try_get("seq")?,
        try_number: row.try_get("try_number")?,
        line: LogLine {
            container: row.try_get::<&str, _>("container")?.into(),
            stamp_ns: row.try_get("stamp_ns")?,
            text: row.try_get::<Vec<u8>, _>("line")?.into(),
            kind: match kind.as_str() {
                "gap" => LineKind::Gap,
                "event" => LineKind::Event,
                _ => LineKind::Output,
            },
        },
    })
}
