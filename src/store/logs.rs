//! Log lines and cursors: a line and the cursor that covers it are written together.

use futures::TryStreamExt;

use super::error::{JobError, StoreError};
use super::log_blocks::{insert, unpack};
use super::many_rows::{ManyRows, Script, Values};
use super::open::Store;
use super::rows::{TaskRow, to_ms};
use super::sql::{Row, query, query_as};
use crate::clock::Timestamp;
use crate::task::id::{Fence, TaskId};
use crate::task::log::{LineKind, LogCursor, LogLine};

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

impl StoredCursor {
    /// Whether it tells of this container.
    #[must_use]
    pub fn is_of(&self, pod_uid: &str, container: &str) -> bool {
        self.pod_uid == pod_uid && self.container == container
    }
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
                    let mut script = Script::about(connection, 1);
                    if !kept.lines.is_empty() {
                        insert(&mut script, &row, &kept.lines).await?;
                        count(&mut script, &row, &kept, now).await?;
                    }
                    script
                        .rows(&CURSORS, &[cursor], |to, cursor| {
                            spell_cursor(to, task, cursor)
                        })
                        .await?;
                    script.send().await?;
                    let bytes = kept.bytes.saturating_sub(row.log_bytes);
                    Ok((kept.is_cut(most), bytes))
                })
            })
            .await?;
        self.metrics().log_bytes.inc_by(bytes);
        Ok(cut)
    }

    /// How far the logs of a task's containers have been read: of those that were read at all.
    ///
    /// # Errors
    /// What the database says.
    pub async fn log_cursors(&self, task: TaskId) -> Result<Vec<StoredCursor>, StoreError> {
        let rows = query("SELECT * FROM log_cursors WHERE task = ?")
            .bind(task.0)
            .fetch_all(&self.reader)
            .await
            .map_err(|error| self.told(error))?;
        rows.iter()
            .map(read_cursor)
            .collect::<Result<_, _>>()
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
        // Each block is of one container and kind, so that no line is looked at.
        let mut blocks = query_as::<(i64, i64)>(
            "SELECT first_seq, last_seq FROM log_blocks
             WHERE task = ?1 AND kind = 'output' AND (?2 IS NULL OR container = ?2)
             ORDER BY last_seq DESC",
        )
        .bind(task.0)
        .bind(container)
        .fetch(&self.reader);
        let mut missing = i64::try_from(lines).unwrap_or(i64::MAX);
        let mut behind = None;
        while missing > 0 {
            let block = blocks.try_next().await;
            let Some((first, last)) = block.map_err(|error| self.told(error))? else {
                break;
            };
            let taken = missing.min(last - first + 1);
            missing -= taken;
            behind = Some(last - taken);
        }
        drop(blocks);
        match behind {
            Some(behind) => Ok(behind),
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
        let mut blocks =
            query("SELECT * FROM log_blocks WHERE task = ? AND last_seq > ? ORDER BY last_seq")
                .bind(task.0)
                .bind(after)
                .fetch(&self.reader);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut lines = Vec::new();
        while lines.len() < limit {
            let block = blocks.try_next().await.map_err(|error| self.told(error))?;
            let Some(block) = block else { break };
            lines.extend(unpack(&block, after).map_err(|error| self.told(error))?);
        }
        lines.truncate(limit);
        Ok(lines)
    }
}

async fn count(
    script: &mut Script<'_>,
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
    let counted = "UPDATE tasks
                   SET log_lines = log_lines + ?, log_seq = log_seq + ?, last_log_at = ?,
                       log_bytes = ?, log_cut = ?
                   WHERE id = ?";
    script
        .one(counted, |to| {
            to.add(i64::try_from(output).unwrap_or(i64::MAX))?;
            to.add(i64::try_from(kept.lines.len()).unwrap_or(i64::MAX))?;
            to.add(last_log_at.map(to_ms))?;
            to.add(i64::try_from(kept.bytes).unwrap_or(i64::MAX))?;
            to.add(i64::try_from(kept.cut).unwrap_or(i64::MAX))?;
            to.add(row.id.0)
        })
        .await
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

const CURSORS: ManyRows = ManyRows {
    head: "INSERT INTO log_cursors
               (task, pod_uid, container, container_id, stamp_ns, seen_at_stamp, complete)
           SELECT * FROM (",
    columns: 7,
    tail: ") AS new WHERE column1 IS NOT NULL
           ON CONFLICT (task, pod_uid, container) DO UPDATE
           SET container_id = excluded.container_id, stamp_ns = excluded.stamp_ns,
               seen_at_stamp = excluded.seen_at_stamp, complete = excluded.complete",
};

fn spell_cursor(to: &mut Values, task: TaskId, stored: &StoredCursor) -> Result<(), JobError> {
    let cursor = &stored.cursor;
    to.add(task.0)?;
    to.add(&stored.pod_uid)?;
    to.add(&stored.container)?;
    to.add(&cursor.container_id)?;
    to.add(cursor.stamp_ns)?;
    to.add(cursor.seen_at_stamp)?;
    to.add(cursor.complete)
}

fn read_cursor(row: &Row) -> Result<StoredCursor, sqlx::Error> {
    Ok(StoredCursor {
        pod_uid: row.try_get("pod_uid")?,
        container: row.try_get("container")?,
        cursor: LogCursor {
            container_id: row.try_get("container_id")?,
            stamp_ns: row.try_get("stamp_ns")?,
            seen_at_stamp: row.try_get("seen_at_stamp")?,
            complete: row.try_get("complete")?,
        },
    })
}
