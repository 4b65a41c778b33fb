//! The changes of all tasks' states, in their order; and what deferred tasks wait for.

use super::error::StoreError;
use super::inspect::{HistoryRow, TriggerRow, read_history, read_trigger};
use super::open::Store;
use super::sql::{Row, query, query_scalar};
use crate::task::id::{TaskId, TaskKey};

pub(super) const CHANGES: &str = "
    SELECT history.*, tasks.dag_id, tasks.task_id, tasks.run_id, tasks.map_index
    FROM history JOIN tasks ON tasks.id = history.task
    WHERE history.id > ?1 ORDER BY history.id LIMIT ?2";

pub(super) const CHANGES_OF_ONE: &str = "
    SELECT history.*, tasks.dag_id, tasks.task_id, tasks.run_id, tasks.map_index
    FROM history JOIN tasks ON tasks.id = history.task
    WHERE history.task = ?3 AND history.id > ?1 ORDER BY history.id LIMIT ?2";

pub(super) const NEWEST_CHANGE: &str = "SELECT max(id) FROM history";

pub(super) const TRIGGERS_AFTER: &str = "
    SELECT task, kind, deferred_at, next_log_at, deadline FROM triggers
    WHERE task > ?1 ORDER BY task LIMIT ?2";

/// One change of one task's state, among those of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRow {
    /// Its number: later changes have higher ones.
    pub id: i64,
    /// The task.
    pub task: TaskId,
    /// Its key.
    pub key: TaskKey,
    /// The change.
    pub history: HistoryRow,
}

impl Store {
    /// The number of the newest change of a state; 0 when there was none.
    ///
    /// # Errors
    /// What the database says.
    pub async fn newest_change(&self) -> Result<i64, StoreError> {
        let newest: Option<i64> = query_scalar(NEWEST_CHANGE)
            .fetch_one(&self.reader)
            .await
            .map_err(|error| self.told(error))?;
        Ok(newest.unwrap_or(0))
    }

    /// Up to `limit` changes of states behind number `after`, oldest first; of one task, or of
    /// all.
    ///
    /// # Errors
    /// What the database says.
    pub async fn changes_after(
        &self,
        task: Option<TaskId>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ChangeRow>, StoreError> {
        let query = match task {
            None => query(CHANGES).bind(after).bind(limit),
            Some(task) => query(CHANGES_OF_ONE).bind(after).bind(limit).bind(task.0),
        };
        let rows = query
            .fetch_all(&self.reader)
            .await
            .map_err(|error| self.told(error))?;
        rows.iter()
            .map(read_change)
            .collect::<Result<_, _>>()
            .map_err(|error| self.told(error))
    }

    /// Up to `limit` triggers of the tasks with ids above `after`, by those ids.
    ///
    /// # Errors
    /// What the database says.
    pub async fn triggers_after(
        &self,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(TaskId, TriggerRow)>, StoreError> {
        let rows = query(TRIGGERS_AFTER)
            .bind(after)
            .bind(limit)
            .fetch_all(&self.reader)
            .await
            .map_err(|error| self.told(error))?;
        rows.iter()
            .map(|row| Ok((TaskId(row.try_get("task")?), read_trigger(row)?)))
            .collect::<Result<_, _>>()
            .map_err(|error| self.told(error))
    }
}

fn read_change(row: &Row) -> Result<ChangeRow, sqlx::Error> {
    Ok(ChangeRow {
        id: row.try_get("id")?,
        task: TaskId(row.try_get("task")?),
        key: TaskKey {
            dag_id: row.try_get("dag_id")?,
            task_id: row.try_get("task_id")?,
            run_id: row.try_get("run_id")?,
            map_index: row.try_get("map_index")?,
        },
        history: read_history(row)?,
    })
}
