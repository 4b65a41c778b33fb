//! Looking: one task, its history, what it waits for, what it left. Nothing here writes.

use super::error::StoreError;
use super::open::Store;
use super::rows::{TaskRow, from_ms};
use super::sql::{Row, query, query_as, query_scalar};
use crate::clock::Timestamp;
use crate::task::id::{TaskId, TaskRef};

/// One change of a task's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub event: String,
    /// The state before; none for the first.
    pub from_state: Option<String>,
    /// The state after.
    pub to_state: String,
    /// The attempt.
    pub try_number: u32,
    /// Why, in words.
    pub reason: Option<String>,
}

/// The trigger that a deferred task waits for, as far as a person wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriggerRow {
    /// Its kind.
    pub kind: String,
    /// Since when the task waits.
    pub deferred_at: Timestamp,
    /// When it will be resumed for its newest logs.
    pub next_log_at: Option<Timestamp>,
    /// When the attempt must have ended.
    pub deadline: Option<Timestamp>,
}

impl Store {
    /// The id of the task that `reference` names.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    pub async fn resolve(&self, reference: &TaskRef) -> Result<TaskId, StoreError> {
        let found: Option<i64> = match reference {
            TaskRef::Id(id) => {
                query_scalar("SELECT id FROM tasks WHERE id = ?")
                    .bind(id.0)
                    .fetch_optional(&self.reader)
                    .await
            }
            TaskRef::Key(key) => {
                query_scalar(
                    "SELECT id FROM tasks
                     WHERE dag_id = ? AND task_id = ? AND run_id = ? AND map_index = ?",
                )
                .bind(&key.dag_id)
                .bind(&key.task_id)
                .bind(&key.run_id)
                .bind(key.map_index)
                .fetch_optional(&self.reader)
                .await
            }
        }
        .map_err(|error| self.told(error))?;
        found
            .map(TaskId)
            .ok_or_else(|| StoreError::NotFound(reference.to_string()))
    }

    /// One task.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    pub async fn task(&self, id: TaskId) -> Result<TaskRow, StoreError> {
        let row = query("SELECT * FROM tasks WHERE id = ?")
            .bind(id.0)
            .fetch_optional(&self.reader)
            .await
            .map_err(|error| self.told(error))?
            .ok_or_else(|| StoreError::NotFound(id.to_string()))?;
        TaskRow::read(&row).map_err(|error| error.at(self.path()))
    }

    /// Every change of a task's state, oldest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn history(&self, id: TaskId) -> Result<Vec<HistoryRow>, StoreError> {
        let rows = query("SELECT * FROM history WHERE task = ? ORDER BY id")
            .bind(id.0)
            .fetch_all(&self.reader)
            .await
            .map_err(|error| self.told(error))?;
        rows.iter()
            .map(read_history)
            .collect::<Result<_, _>>()
            .map_err(|error| self.told(error))
    }

    /// The trigger that a task waits for, if it does.
    ///
    /// # Errors
    /// What the database says.
    pub async fn trigger_of(&self, id: TaskId) -> Result<Option<TriggerRow>, StoreError> {
        let row = query("SELECT * FROM triggers WHERE task = ?")
            .bind(id.0)
            .fetch_optional(&self.reader)
            .await
            .map_err(|error| self.told(error))?;
        row.map(|row| read_trigger(&row))
            .transpose()
            .map_err(|error| self.told(error))
    }

    /// A task's results by their keys.
    ///
    /// # Errors
    /// What the database says.
    pub async fn xcom(
        &self,
        id: TaskId,
    ) -> Result<serde_json::Map<String, serde_json::Value>, StoreError> {
        let rows: Vec<(String, String)> =
            query_as("SELECT key, value FROM xcom WHERE task = ? ORDER BY key")
                .bind(id.0)
                .fetch_all(&self.reader)
                .await
                .map_err(|error| self.told(error))?;
        rows.into_iter()
            .map(|(key, text)| {
                let value = serde_json::from_str(&text).map_err(|error| StoreError::BadRow {
                    task: id,
                    detail: format!("xcom {key}: {error}"),
                })?;
                Ok((key, value))
            })
            .collect()
    }
}

pub(super) fn read_history(row: &Row) -> Result<HistoryRow, sqlx::Error> {
    Ok(HistoryRow {
        at: from_ms(row.try_get("at")?),
        event: row.try_get("event")?,
        from_state: row.try_get("from_state")?,
        to_state: row.try_get("to_state")?,
        try_number: row.try_get("try_number")?,
        reason: row.try_get("reason")?,
    })
}

pub(super) fn read_trigger(row: &Row) -> Result<TriggerRow, sqlx::Error> {
    let moment = |column: &str| -> Result<Option<Timestamp>, sqlx::Error> {
        Ok(row.try_get::<Option<i64>>(column)?.map(from_ms))
    };
    Ok(TriggerRow {
        kind: row.try_get("kind")?,
        deferred_at: from_ms(row.try_get("deferred_at")?),
        next_log_at: moment("next_log_at")?,
        deadline: moment("deadline")?,
    })
}
