//! What `doctor` asks of the database: is the file whole, do its rows agree with each other.
//!
//! Everything about tasks is read in one transaction, so that a live engine's work cannot look
//! like a fault.

use super::disposals::{self, DueDisposal};
use super::error::{JobError, StoreError};
use super::open::Store;
use super::pods;
use super::rows::{TaskRow, from_ms};
use super::sql::{Connection, Pool, Row, query, query_as, query_scalar};
use super::triggers::{self, StoredTrigger};
use crate::clock::Timestamp;
use crate::task::id::{Fence, TaskId};
use crate::task::pods::PodRecord;

/// All that must agree, as it was at one moment.
#[derive(Debug, Clone)]
pub struct Checkup {
    /// Every task that has not ended; or why its row cannot be understood.
    pub unfinished: Vec<Result<TaskRow, StoreError>>,
    /// Every trigger; or why its row cannot be understood.
    pub triggers: Vec<Result<StoredTrigger, StoreError>>,
    /// Every pod on record.
    pub pods: Vec<PodOnRecord>,
    /// Every wish about a pod that does not hold yet.
    pub disposals: Vec<OpenDisposal>,
    /// Tasks that count as having an active pod although their attempt has none.
    pub wrongly_active: Vec<TaskId>,
}

/// Which tasks those are. A step sets the mark with the record of the pod and takes it away with
/// the attempt's end, in the same transaction.
const WRONGLY_ACTIVE: &str = "
    pod_live = 1
    AND (state NOT IN ('queued', 'running', 'deferred')
         OR NOT EXISTS (SELECT 1 FROM pods
                        WHERE pods.task = tasks.id AND pods.try_number = tasks.try_number))";

/// A pod on record and whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct PodOnRecord {
    /// The task.
    pub task: TaskId,
    /// The task has ended.
    pub is_final: bool,
    /// It is the newest pod of the task's newest attempt.
    pub is_current: bool,
    /// The record.
    pub record: PodRecord,
}

/// A wish about a pod that does not hold yet.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenDisposal {
    /// The wish.
    pub wish: DueDisposal,
    /// When it was wished.
    pub wanted_at: Timestamp,
    /// When it is tried next.
    pub due_at: Timestamp,
    /// Why it could not be carried out the last time.
    pub last_error: Option<String>,
}

/// A row that names a row that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DanglingRow {
    /// The table of the row.
    pub table: String,
    /// The table that it points into.
    pub parent: String,
    /// How many such rows.
    pub count: i64,
}

impl Store {
    /// What SQLite itself finds wrong with the file, twenty lines of it at the most; nothing when
    /// it is whole.
    ///
    /// # Errors
    /// What the database says; [`StoreError::Damaged`] is an answer, too.
    pub async fn quick_check(&self) -> Result<Vec<String>, StoreError> {
        let Pool::Sqlite(_) = &self.reader else {
            // A server looks after its own files.
            return Ok(Vec::new());
        };
        let said: Vec<String> = query_scalar("PRAGMA quick_check(20)")
            .fetch_all(&self.reader)
            .await
            .map_err(|error| self.told(error))?;
        Ok(said.into_iter().filter(|line| line != "ok").collect())
    }

    /// Rows that name rows that are not there, counted by table.
    ///
    /// # Errors
    /// What the database says.
    pub async fn dangling_rows(&self) -> Result<Vec<DanglingRow>, StoreError> {
        let Pool::Sqlite(_) = &self.reader else {
            // A server lets no such row in.
            return Ok(Vec::new());
        };
        let rows: Vec<(String, String, i64)> = query_as(
            "SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check
             GROUP BY 1, 2 ORDER BY 1, 2",
        )
        .fetch_all(&self.reader)
        .await
        .map_err(|error| self.told(error))?;
        Ok(rows
            .into_iter()
            .map(|(table, parent, count)| DanglingRow {
                table,
                parent,
                count,
            })
            .collect())
    }

    /// All that must agree, read at one moment.
    ///
    /// # Errors
    /// What the database says.
    pub async fn checkup(&self) -> Result<Checkup, StoreError> {
        let mut snapshot = self.reader.view().await.map_err(|error| self.told(error))?;
        let read = read_all(&mut snapshot, self).await;
        read.map_err(|error| error.at(self.path()))
    }

    /// Lets a task no longer count as having an active pod, if it has none.
    ///
    /// # Errors
    /// What the database says.
    pub async fn stop_counting_pod(&self, task: TaskId) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let change =
                        format!("UPDATE tasks SET pod_live = 0 WHERE id = ? AND {WRONGLY_ACTIVE}");
                    query(change).bind(task.0).execute(connection).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Removes a trigger that no deferred task waits for. One that is waited for stays.
    ///
    /// # Errors
    /// What the database says.
    pub async fn drop_stray_trigger(&self, task: TaskId, fence: Fence) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    query(
                        "DELETE FROM triggers
                         WHERE task = ?1 AND fence = ?2
                           AND NOT EXISTS (SELECT 1 FROM tasks
                                           WHERE id = ?1 AND state = 'deferred' AND fence = ?2)",
                    )
                    .bind(task.0)
                    .bind(fence.0)
                    .execute(connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }
}

async fn read_all(connection: &mut Connection, store: &Store) -> Result<Checkup, JobError> {
    let tasks = query(
        "SELECT * FROM tasks
         WHERE state NOT IN ('success', 'failed', 'skipped', 'cancelled') ORDER BY id",
    )
    .fetch_all(&mut *connection)
    .await?;
    let triggers = query("SELECT * FROM triggers ORDER BY task")
        .fetch_all(&mut *connection)
        .await?;
    let pods = query(
        "SELECT pods.*,
                coalesce(tasks.state IN ('success', 'failed', 'skipped', 'cancelled'), true)
                    AS is_final,
                coalesce(pods.try_number = tasks.try_number AND NOT EXISTS (
                    SELECT 1 FROM pods AS newer
                    WHERE newer.task = pods.task AND newer.try_number = pods.try_number
                      AND (newer.intended_at, newer.name) > (pods.intended_at, pods.name)),
                    false) AS is_current
         FROM pods LEFT JOIN tasks ON tasks.id = pods.task
         ORDER BY pods.task, pods.try_number, pods.intended_at",
    )
    .fetch_all(&mut *connection)
    .await?;
    let disposals = query("SELECT * FROM disposals ORDER BY id")
        .fetch_all(&mut *connection)
        .await?;
    let question = format!("SELECT id FROM tasks WHERE {WRONGLY_ACTIVE} ORDER BY id");
    let wrongly_active: Vec<i64> = query_scalar(question).fetch_all(&mut *connection).await?;
    let told = |error: JobError| error.at(store.path());
    Ok(Checkup {
        unfinished: tasks
            .iter()
            .map(|row| TaskRow::read(row).map_err(told))
            .collect(),
        triggers: triggers
            .iter()
            .map(|row| triggers::read(row).map_err(told))
            .collect(),
        pods: pods.iter().map(on_record).collect::<Result<_, _>>()?,
        disposals: disposals
            .iter()
            .map(open_disposal)
            .collect::<Result<_, _>>()?,
        wrongly_active: wrongly_active.into_iter().map(TaskId).collect(),
    })
}

fn on_record(row: &Row) -> Result<PodOnRecord, JobError> {
    Ok(PodOnRecord {
        task: TaskId(row.try_get("task")?),
        is_final: row.try_get("is_final")?,
        is_current: row.try_get("is_current")?,
        record: pods::read(row)?,
    })
}

fn open_disposal(row: &Row) -> Result<OpenDisposal, JobError> {
    Ok(OpenDisposal {
        wish: disposals::read(row)?,
        wanted_at: from_ms(row.try_get("wanted_at")?),
        due_at: from_ms(row.try_get("due_at")?),
        last_error: row.try_get("last_error")?,
    })
}
