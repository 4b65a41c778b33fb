//! Triggers: who watches which, and the firing of one.

use std::collections::HashSet;

use super::claim::Scope;
use super::error::{JobError, StoreError};
use super::open::Store;
use super::rows::{TaskRow, from_ms};
use super::sql::{Row, query, query_as, query_scalar};
use super::transition::{Change, plan};
use crate::clock::Timestamp;
use crate::task::deferral::{TriggerEvent, TriggerSpec};
use crate::task::id::{Fence, TaskId};
use crate::task::state::{TaskEvent, TaskState};

pub(super) const WATCHED_FENCES: &str = "
    SELECT task, fence FROM triggers
    WHERE owner = ?1 AND (?2 IS NULL OR task IN (SELECT value FROM json_each(?2)))";

pub(super) const TRIGGERS_OF: &str = "
    SELECT * FROM triggers
    WHERE task IN (SELECT value FROM json_each(?2)) AND owner = ?1";

/// One look at the index for each owner, not one for each trigger: this is asked all the time.
/// ?1 is not used: it is bound for [`WATCHERS_OF`].
pub(super) const WATCHERS: &str = "
    WITH RECURSIVE owners (owner) AS (
        SELECT min(owner) FROM triggers
        UNION ALL
        SELECT (SELECT min(owner) FROM triggers WHERE owner > owners.owner) FROM owners
        WHERE owners.owner IS NOT NULL)
    SELECT owner FROM owners WHERE owner IS NOT NULL AND ?1 IS NULL";

pub(super) const WATCHERS_OF: &str = "
    SELECT DISTINCT owner FROM triggers WHERE task IN (SELECT value FROM json_each(?1))";

pub(super) const ADOPT: &str = "
    UPDATE triggers SET owner = ?1
    WHERE owner IN (SELECT value FROM json_each(?2))
      AND (?3 IS NULL OR task IN (SELECT value FROM json_each(?3)))";

/// How many triggers each of some engines watches.
pub(super) const WATCHED_BY: &str = "
    SELECT owner, count(*) FROM triggers
    WHERE owner IN (SELECT value FROM json_each(?1)) GROUP BY owner";

/// The newest go: those that watch them have waited for the others longer.
const TAKE: &str = "
    UPDATE triggers SET owner = ?1
    WHERE task IN (SELECT task FROM triggers WHERE owner = ?2 ORDER BY fence DESC, task DESC
                   LIMIT ?3)";

/// A trigger that an engine is to watch.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTrigger {
    /// The task that waits for it.
    pub task: TaskId,
    /// The task's fence when it deferred: the event carries it.
    pub fence: Fence,
    /// What to build the trigger from.
    pub spec: TriggerSpec,
    /// When the attempt must have ended.
    pub deadline: Option<Timestamp>,
}

impl Store {
    /// Which triggers of `scope` `owner` watches: their tasks, with the fences that they deferred
    /// with.
    ///
    /// # Errors
    /// What the database says.
    pub async fn watched_fences(
        &self,
        owner: &str,
        scope: &Scope,
    ) -> Result<Vec<(TaskId, Fence)>, StoreError> {
        let rows: Vec<(i64, i64)> = query_as(WATCHED_FENCES)
            .bind(owner)
            .bind(scope.bound())
            .fetch_all(&self.reader)
            .await
            .map_err(|error| self.told(error))?;
        let pairs = rows.into_iter();
        Ok(pairs
            .map(|(task, fence)| (TaskId(task), Fence(fence)))
            .collect())
    }

    /// The triggers of these tasks that `owner` watches. There may be many and each is large: to
    /// be asked for a page of tasks at a time.
    ///
    /// # Errors
    /// What the database says.
    pub async fn triggers_of(
        &self,
        owner: &str,
        tasks: &[TaskId],
    ) -> Result<Vec<StoredTrigger>, StoreError> {
        let rows = query(TRIGGERS_OF)
            .bind(owner)
            .bind(Scope::Tasks(tasks.to_vec()).bound())
            .fetch_all(&self.reader)
            .await
            .map_err(|error| self.told(error))?;
        rows.iter()
            .map(|row| read(row).map_err(|error| error.at(self.path())))
            .collect()
    }

    /// Who watches triggers of `scope`.
    ///
    /// # Errors
    /// What the database says.
    pub async fn watchers(&self, scope: &Scope) -> Result<HashSet<String>, StoreError> {
        let owners: Vec<String> = query_scalar(match scope {
            Scope::All => WATCHERS,
            Scope::Tasks(_) => WATCHERS_OF,
        })
        .bind(scope.bound())
        .fetch_all(&self.reader)
        .await
        .map_err(|error| self.told(error))?;
        Ok(owners.into_iter().collect())
    }

    /// Makes `owner` the watcher of every trigger of `scope` that one of `orphaned` watched;
    /// answers how many these were.
    ///
    /// # Errors
    /// What the database says.
    pub async fn adopt_triggers(
        &self,
        owner: &str,
        scope: &Scope,
        orphaned: &HashSet<String>,
    ) -> Result<u64, StoreError> {
        if orphaned.is_empty() {
            return Ok(0);
        }
        let owner = owner.to_owned();
        let scope = scope.bound();
        let orphaned = serde_json::json!(orphaned).to_string();
        crate::failpoint::reach!("adopt.before");
        let adopted = self
            .writer
            .write(move |connection| {
                Box::pin(async move {
                    let adopted = query(ADOPT)
                        .bind(owner)
                        .bind(orphaned)
                        .bind(scope)
                        .execute(connection)
                        .await?;
                    Ok(adopted)
                })
            })
            .await;
        crate::failpoint::reach!("adopt.after");
        adopted
    }

    /// How many triggers there are, by who watches them.
    ///
    /// # Errors
    /// What the database says.
    pub async fn watched_by(&self, owners: &[String]) -> Result<Vec<(String, u64)>, StoreError> {
        let rows: Vec<(String, i64)> = query_as(WATCHED_BY)
            .bind(serde_json::json!(owners).to_string())
            .fetch_all(&self.reader)
            .await
            .map_err(|error| self.told(error))?;
        let counts = rows.into_iter();
        Ok(counts
            .map(|(owner, count)| (owner, count.unsigned_abs()))
            .collect())
    }

    /// Makes `owner` the watcher of up to `count` triggers that `from` watches; answers of how
    /// many. An engine that goes on watching what it lost until it notices does no harm: of two
    /// events for one wait, the store takes one.
    ///
    /// # Errors
    /// What the database says.
    pub async fn take_triggers(
        &self,
        owner: &str,
        from: &str,
        count: u64,
    ) -> Result<u64, StoreError> {
        let (owner, from) = (owner.to_owned(), from.to_owned());
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let taken = query(TAKE)
                        .bind(owner)
                        .bind(from)
                        .bind(count)
                        .execute(connection)
                        .await?;
                    Ok(taken)
                })
            })
            .await
    }

    /// Fires a trigger: its row goes and its task is queued for `trigger_reentry`, in one
    /// transaction.
    ///
    /// # Errors
    /// [`StoreError::FenceLost`] when the task waits for that trigger no more: harmless.
    pub async fn fire(
        &self,
        task: TaskId,
        fence: Fence,
        event: TriggerEvent,
        now: Timestamp,
    ) -> Result<TaskRow, StoreError> {
        self.writer
            .change(task, move |row| {
                if row.fence != fence || row.state != TaskState::Deferred {
                    return Err(StoreError::FenceLost { task }.into());
                }
                let mut change = Change::of(TaskEvent::Fire);
                change.fired = Some(&event);
                plan(row, &change, now)
            })
            .await
    }
}

pub(super) fn read(row: &Row) -> Result<StoredTrigger, JobError> {
    let task = TaskId(row.try_get("task")?);
    let kwargs: String = row.try_get("kwargs")?;
    let kwargs = serde_json::from_str(&kwargs).map_err(|error| StoreError::BadRow {
        task,
        detail: format!("kwargs of its trigger: {error}"),
    })?;
    Ok(StoredTrigger {
        task,
        fence: Fence(row.try_get("fence")?),
        spec: TriggerSpec {
            kind: row.try_get("kind")?,
            version: row.try_get("version")?,
            kwargs,
            next_log_at: row.try_get::<Option<i64>>("next_log_at")?.map(from_ms),
        },
        deadline: row.try_get::<Option<i64>>("deadline")?.map(from_ms),
    })
}
