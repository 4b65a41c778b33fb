//! The pods of each attempt: intended before they are created.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::error::StoreError;
use super::open::Store;
use super::rows::{TaskRow, to_ms};
use crate::clock::Timestamp;
use crate::task::id::{Fence, TaskId};
use crate::task::pods::{PodIntent, PodRecord};

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
                        "INSERT INTO pods (task, try_number, connection, namespace, name, nonce,
                                           body_hash, intended_at)
                         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    )
                    .bind(task.0)
                    .bind(row.try_number)
                    .bind(intent.connection)
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
            .collect::<Result<_, _>>()
            .map_err(|error| self.told(error))
    }
}

fn read(row: &SqliteRow) -> Result<PodRecord, sqlx::Error> {
    Ok(PodRecord {
        try_number: row.try_get("try_number")?,
        intent: PodIntent {
            connection: row.try_get("connection")?,
            namespace: row.try_get("namespace")?,
            name: row.try_get("name")?,
            nonce: row.try_get("nonce")?,
            body_hash: row.try_get("body_hash")?,
        },
        uid: row.try_get("uid")?,
    })
}
