//! Removing tasks that ended long ago, in small steps.
//!
//! One step is one transaction that removes a bounded number of rows. A task goes when its log and
//! its history are gone; what is left of it then goes with its row. A task with a wish about a pod
//! that does not hold yet is left alone, and so is one that somebody gave another attempt.

use super::error::{JobError, StoreError};
use super::open::Store;
use super::rows::to_ms;
use super::sql::{Connection, query, query_scalar};
use crate::clock::Timestamp;
use crate::task::id::TaskId;

/// How many tasks one step looks at.
const TASKS: i64 = 100;

/// Tasks that ended before ?1 and leave nothing to be done, the longest ended first.
pub(super) const PRUNABLE: &str = "
    SELECT id FROM tasks INDEXED BY tasks_finished
    WHERE finished_at < ?1
      AND NOT EXISTS (SELECT 1 FROM disposals WHERE disposals.task = tasks.id)
    ORDER BY finished_at, id LIMIT ?2";

/// Whether one task is still such a task.
pub(super) const STILL_PRUNABLE: &str = "
    SELECT EXISTS (
        SELECT 1 FROM tasks
        WHERE id = ?1 AND finished_at < ?2
          AND NOT EXISTS (SELECT 1 FROM disposals WHERE disposals.task = tasks.id))";

pub(super) const DELETE_BLOCKS: &str = "
    DELETE FROM log_blocks
    WHERE id IN (SELECT id FROM log_blocks WHERE task = ?1 ORDER BY last_seq LIMIT ?2)";

/// A block of log lines may be some 70 KiB: it counts for as many rows of history.
const BLOCK_ROWS: i64 = 16;

pub(super) const DELETE_HISTORY: &str = "
    DELETE FROM history
    WHERE id IN (SELECT id FROM history WHERE task = ?1 ORDER BY id LIMIT ?2)";

pub(super) const DELETE_TASK: &str = "DELETE FROM tasks WHERE id = ?1";

/// What one step removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PruneStep {
    /// The tasks that are gone.
    pub tasks: Vec<TaskId>,
    /// Whether there may be more to remove.
    pub more: bool,
}

impl Store {
    /// The tasks that ended before that moment and may be removed, the longest ended first; up to
    /// `limit`, or all.
    ///
    /// # Errors
    /// What the database says.
    pub async fn prunable(
        &self,
        ended_before: Timestamp,
        limit: Option<i64>,
    ) -> Result<Vec<TaskId>, StoreError> {
        let ids: Vec<i64> = query_scalar(PRUNABLE)
            .bind(to_ms(ended_before))
            .bind(limit.unwrap_or(i64::MAX))
            .fetch_all(&self.reader)
            .await
            .map_err(|error| self.told(error))?;
        Ok(ids.into_iter().map(TaskId).collect())
    }

    /// Removes at most about `rows` rows of tasks that ended before that moment, in one
    /// transaction. To be called again, after a pause, while there is more.
    ///
    /// # Errors
    /// What the database says.
    pub async fn prune_step(
        &self,
        ended_before: Timestamp,
        rows: u32,
    ) -> Result<PruneStep, StoreError> {
        // Asked of a reader: where there is nothing to do, nobody waits for the write lock.
        let tasks = self.prunable(ended_before, Some(TASKS)).await?;
        if tasks.is_empty() {
            return Ok(PruneStep::default());
        }
        crate::failpoint::reach!("prune.before");
        let step = self
            .writer
            .write(move |connection| {
                Box::pin(async move {
                    let mut step = PruneStep::default();
                    let mut left = i64::from(rows).max(BLOCK_ROWS);
                    for task in tasks {
                        if left <= 0 {
                            break;
                        }
                        if prune_one(connection, task, ended_before, &mut left).await? {
                            step.tasks.push(task);
                        }
                    }
                    step.more = true;
                    Ok(step)
                })
            })
            .await?;
        crate::failpoint::reach!("prune.after");
        self.forget_counts().await;
        Ok(step)
    }
}

/// Whether the task is gone now.
async fn prune_one(
    connection: &mut Connection,
    task: TaskId,
    ended_before: Timestamp,
    left: &mut i64,
) -> Result<bool, JobError> {
    let still: bool = query_scalar(STILL_PRUNABLE)
        .bind(task.0)
        .bind(to_ms(ended_before))
        .fetch_one(&mut *connection)
        .await?;
    if !still {
        return Ok(false);
    }
    for (question, weight) in [(DELETE_BLOCKS, BLOCK_ROWS), (DELETE_HISTORY, 1)] {
        let at_most = *left / weight;
        let gone = query(question)
            .bind(task.0)
            .bind(at_most)
            .execute(&mut *connection)
            .await?;
        let gone = i64::try_from(gone).unwrap_or(i64::MAX);
        *left -= gone.saturating_mul(weight);
        if gone == at_most {
            // There may be more of it: the next step goes on with this task.
            *left = 0;
            return Ok(false);
        }
    }
    query(DELETE_TASK)
        .bind(task.0)
        .execute(&mut *connection)
        .await?;
    *left -= 1;
    Ok(true)
}
