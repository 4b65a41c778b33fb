//! The pods of each attempt: intended before they are created.

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::error::{JobError, StoreError};
use super::open::Store;
use super::rows::{TaskRow, to_ms};
use crate::clock::Timestamp;
use crate::task::id::{Fence, TaskId};
use crate::task::pods::{ConnectionRef, DisposalAction, PodIntent, PodRecord};

impl Store {
    /// Writes down which pod a held task is about to create.
    ///
    /// # Errors
    /// [`StoreError::FenceLost`] when the task is held no more: it must not create anything.
    pub async fn intend_pod(
        &self,
        task: TaskId,
        fence: Fence,
        intent: PodIntent,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let row = TaskRow::load_fenced(connection, task, fence).await?;
                    sqlx::query(
                        "INSERT INTO pods (task, try_number, connection, overrides, server, namespace, name,
                                           nonce, body_hash, intended_at)
                         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    )
                    .bind(task.0)
                    .bind(row.try_number)
                    .bind(&intent.connection.name)
                    .bind(overrides_text(&intent.connection))
                    .bind(intent.server)
                    .bind(intent.namespace)
                    .bind(intent.name)
                    .bind(intent.nonce)
                    .bind(intent.body_hash)
                    .bind(to_ms(now))
                    .execute(connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// Writes down the uid of an intended pod of the current attempt.
    ///
    /// # Errors
    /// [`StoreError::FenceLost`] when the task is held no more.
    pub async fn pod_created(
        &self,
        task: TaskId,
        fence: Fence,
        name: String,
        uid: String,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let row = TaskRow::load_fenced(connection, task, fence).await?;
                    sqlx::query(
                        "UPDATE pods SET uid = ?, created_at = ?
                         WHERE task = ? AND try_number = ? AND name = ?",
                    )
                    .bind(uid)
                    .bind(to_ms(now))
                    .bind(task.0)
                    .bind(row.try_number)
                    .bind(name)
                    .execute(connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// Every pod on record for a task, oldest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn pods(&self, task: TaskId) -> Result<Vec<PodRecord>, StoreError> {
        let rows =
            sqlx::query("SELECT * FROM pods WHERE task = ? ORDER BY try_number, intended_at, name")
                .bind(task.0)
                .fetch_all(&self.reader)
                .await
                .map_err(|error| self.told(error))?;
        rows.iter()
            .map(read)
            .map(|record| record.map_err(|error| error.at(self.path())))
            .collect()
    }
}

/// Keeps what the last look at a pod of the current attempt showed.
pub(super) async fn remember_observation(
    connection: &mut SqliteConnection,
    row: &TaskRow,
    pod: &str,
    observed: &serde_json::Value,
) -> Result<(), JobError> {
    sqlx::query("UPDATE pods SET observed = ? WHERE task = ? AND try_number = ? AND name = ?")
        .bind(observed.to_string())
        .bind(row.id.0)
        .bind(row.try_number)
        .bind(pod)
        .execute(connection)
        .await?;
    Ok(())
}

/// What a task says about its connection, as it is stored.
pub(super) fn overrides_text(connection: &ConnectionRef) -> String {
    // A struct of plain texts always serialises.
    serde_json::to_string(&connection.overrides).unwrap_or_else(|_| "{}".to_owned())
}

/// The connection of a row with the columns `connection` and `overrides`.
pub(super) fn read_connection(row: &SqliteRow, task: TaskId) -> Result<ConnectionRef, JobError> {
    let overrides: String = row.try_get("overrides")?;
    Ok(ConnectionRef {
        name: row.try_get("connection")?,
        overrides: serde_json::from_str(&overrides).map_err(|error| StoreError::BadRow {
            task,
            detail: format!("overrides of its connection: {error}"),
        })?,
    })
}

fn read(row: &SqliteRow) -> Result<PodRecord, JobError> {
    let task = TaskId(row.try_get("task")?);
    Ok(PodRecord {
        try_number: row.try_get("try_number")?,
        intent: PodIntent {
            connection: read_connection(row, task)?,
            server: row.try_get("server")?,
            namespace: row.try_get("namespace")?,
            name: row.try_get("name")?,
            nonce: row.try_get("nonce")?,
            body_hash: row.try_get("body_hash")?,
        },
        uid: row.try_get("uid")?,
        disposal: row
            .try_get::<Option<String>, _>("disposal")?
            .as_deref()
            .and_then(DisposalAction::from_word),
        observed: row
            .try_get::<Option<String>, _>("observed")?
            .and_then(|text| serde_json::from_str(&text).ok()),
    })
}
