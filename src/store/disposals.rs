//! Wishes about pods, kept until they hold.

use super::claim::Scope;
use super::error::{JobError, StoreError};
use super::open::Store;
use super::pods::read_connection;
use super::rows::{from_ms, to_ms};
use super::sql::{Row, query, query_as};
use crate::clock::Timestamp;
use crate::task::id::TaskId;
use crate::task::pods::{Disposal, DisposalAction};

pub(super) const DUE_DISPOSALS: &str = "
    SELECT * FROM disposals
    WHERE due_at <= ?1 AND (?2 IS NULL OR task IN (SELECT value FROM json_each(?2)))
    ORDER BY due_at, id LIMIT ?3";

pub(super) const OPEN_DISPOSALS: &str = "
    SELECT count(*), min(due_at) FROM disposals
    WHERE (?1 IS NULL OR task IN (SELECT value FROM json_each(?1)))";

/// A wish whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueDisposal {
    /// The row.
    pub id: i64,
    /// Whose pod it was.
    pub task: TaskId,
    /// The wish.
    pub disposal: Disposal,
    /// How often it was tried.
    pub attempts: u32,
}

impl Store {
    /// Up to `limit` wishes of `scope` whose time has come, oldest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn due_disposals(
        &self,
        scope: &Scope,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<DueDisposal>, StoreError> {
        let rows = query(DUE_DISPOSALS)
            .bind(to_ms(now))
            .bind(scope.bound())
            .bind(limit)
            .fetch_all(&self.reader)
            .await
            .map_err(|error| self.told(error))?;
        rows.iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map_err(|error| error.at(self.path()))
    }

    /// How many wishes of `scope` are open, and when the next one comes due.
    ///
    /// # Errors
    /// What the database says.
    pub async fn open_disposals(
        &self,
        scope: &Scope,
    ) -> Result<(u64, Option<Timestamp>), StoreError> {
        let (count, due): (i64, Option<i64>) = query_as(OPEN_DISPOSALS)
            .bind(scope.bound())
            .fetch_one(&self.reader)
            .await
            .map_err(|error| self.told(error))?;
        Ok((count.unsigned_abs(), due.map(from_ms)))
    }

    /// The wish holds: its row goes.
    ///
    /// # Errors
    /// What the database says.
    pub async fn disposal_done(&self, id: i64) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    query("DELETE FROM disposals WHERE id = ?")
                        .bind(id)
                        .execute(connection)
                        .await?;
                    Ok(())
                })
            })
            .await
    }

    /// The wish could not be carried out yet.
    ///
    /// # Errors
    /// What the database says.
    pub async fn disposal_put_off(
        &self,
        id: i64,
        until: Timestamp,
        why: String,
    ) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    query(
                        "UPDATE disposals SET due_at = ?, attempts = attempts + 1, last_error = ?
                         WHERE id = ?",
                    )
                    .bind(to_ms(until))
                    .bind(why)
                    .bind(id)
                    .execute(connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }
}

pub(super) fn read(row: &Row) -> Result<DueDisposal, JobError> {
    let task = TaskId(row.try_get("task")?);
    let action: String = row.try_get("action")?;
    let action = DisposalAction::from_word(&action).ok_or_else(|| StoreError::BadRow {
        task,
        detail: format!("a disposal's action is {action:?}"),
    })?;
    Ok(DueDisposal {
        id: row.try_get("id")?,
        task,
        disposal: Disposal {
            connection: read_connection(row, task)?,
            server: row.try_get("server")?,
            namespace: row.try_get("namespace")?,
            name: row.try_get("name")?,
            uid: row.try_get("uid")?,
            nonce: row.try_get("nonce")?,
            action,
        },
        attempts: row.try_get("attempts")?,
    })
}
