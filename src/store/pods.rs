//! The pods of each attempt: intended before they are created.

use super::error::{JobError, StoreError};
use super::many_rows::{ManyRows, Script};
use super::open::Store;
use super::rows::to_ms;
use super::sql::{Row, query};
use crate::clock::Timestamp;
use crate::task::id::{Fence, TaskId};
use crate::task::pods::{ConnectionRef, DisposalAction, PodIntent, PodRecord};

const PODS: ManyRows = ManyRows::insert(
    "INSERT INTO pods
               (task, try_number, connection, overrides, server, namespace, name, nonce, body_hash,
                intended_at)
           SELECT * FROM (",
    10,
);

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
            .write_task(task, move |connection, row| {
                Box::pin(async move {
                    let row = row.held(fence)?;
                    let mut script = Script::about(connection, 1);
                    script
                        .rows(&PODS, &[intent], |to, intent| {
                            to.add(task.0)?;
                            to.add(row.try_number)?;
                            to.add(&intent.connection.name)?;
                            to.add(overrides_text(&intent.connection))?;
                            to.add(&intent.server)?;
                            to.add(&intent.namespace)?;
                            to.add(&intent.name)?;
                            to.add(&intent.nonce)?;
                            to.add(&intent.body_hash)?;
                            to.add(to_ms(now))
                        })
                        .await?;
                    if !row.pod_live {
                        let live = "UPDATE tasks SET pod_live = 1 WHERE id = ?";
                        script.one(live, |to| to.add(task.0)).await?;
                    }
                    script.send().await
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
            .write_task(task, move |connection, row| {
                Box::pin(async move {
                    let row = row.held(fence)?;
                    query(
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
            query("SELECT * FROM pods WHERE task = ? ORDER BY try_number, intended_at, name")
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

/// What a task says about its connection, as it is stored.
pub(super) fn overrides_text(connection: &ConnectionRef) -> String {
    // A struct of plain texts always serialises.
    serde_json::to_string(&connection.overrides).unwrap_or_else(|_| "{}".to_owned())
}

/// The connection of a row with the columns `connection` and `overrides`.
pub(super) fn read_connection(row: &Row, task: TaskId) -> Result<ConnectionRef, JobError> {
    let overrides: String = row.try_get("overrides")?;
    Ok(ConnectionRef {
        name: row.try_get("connection")?,
        overrides: serde_json::from_str(&overrides).map_err(|error| StoreError::BadRow {
            task,
            detail: format!("overrides of its connection: {error}"),
        })?,
    })
}

pub(super) fn read(row: &Row) -> Result<PodRecord, JobError> {
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
            .try_get::<Option<String>>("disposal")?
            .as_deref()
            .and_then(DisposalAction::from_word),
        observed: row
            .try_get::<Option<String>>("observed")?
            .and_then(|text| serde_json::from_str(&text).ok()),
    })
}
