//! Which queued tasks may be claimed: kills first, then resumes, then starts, as far as the limits
//! on pods let starts through.
//!
//! A pod is active from when it is on record until its attempt has ended (`tasks.pod_live`). What
//! takes no new pod is never held back: kills, resumes, a start whose pod is on record already, and
//! starts of other kinds than pods.

use super::change_set::claim_rank;
use super::claim::Scope;
use super::error::{JobError, StoreError};
use super::open::Store;
use super::rows::{TaskRow, to_ms};
use super::sql::{Connection, query, query_scalar};
use crate::clock::Timestamp;
use crate::task::state::{Entry, TaskState};

/// The kind of operator whose starts create pods; the index `tasks_other_starts` names it, too.
pub(super) const PODS: &str = "pod";

/// Queued tasks of one rank whose time has come.
pub(super) const DUE: &str = "
    SELECT * FROM tasks
    WHERE state = 'queued' AND claim_rank = ?4 AND not_before <= ?1
      AND (?2 IS NULL OR id IN (SELECT value FROM json_each(?2)))
    ORDER BY not_before, id LIMIT ?3";

/// Starts whose pod is on record already.
pub(super) const DUE_WITH_POD: &str = "
    SELECT * FROM tasks INDEXED BY tasks_with_pod
    WHERE pod_live = 1 AND state = 'queued' AND claim_rank = 2 AND not_before <= ?1
      AND (?2 IS NULL OR id IN (SELECT value FROM json_each(?2)))
    ORDER BY not_before, id LIMIT ?3";

/// Starts of tasks that are no pods.
pub(super) const DUE_OTHERS: &str = "
    SELECT * FROM tasks INDEXED BY tasks_other_starts
    WHERE state = 'queued' AND claim_rank = 2 AND operator <> 'pod' AND not_before <= ?1
      AND pod_live = 0
      AND (?2 IS NULL OR id IN (SELECT value FROM json_each(?2)))
    ORDER BY not_before, id LIMIT ?3";

/// Starts that will create a pod.
pub(super) const DUE_PODS: &str = "
    SELECT * FROM tasks INDEXED BY tasks_claimable
    WHERE state = 'queued' AND claim_rank = 2 AND not_before <= ?1
      AND operator = 'pod' AND pod_live = 0
      AND (?2 IS NULL OR id IN (SELECT value FROM json_each(?2)))
    ORDER BY not_before, id LIMIT ?3";

/// Whether anything at all is due.
pub(super) const ANY_DUE: &str = "
    SELECT EXISTS (
        SELECT 1 FROM tasks INDEXED BY tasks_claimable
        WHERE state = 'queued' AND claim_rank IN (0, 1, 2) AND not_before <= ?1
          AND (?2 IS NULL OR id IN (SELECT value FROM json_each(?2))))";

/// Active pods, counted up to ?1, and starts in a worker's hands that may be about to create one.
pub(super) const ACTIVE: &str = "
    SELECT (SELECT count(*) FROM (
                SELECT 1 FROM tasks INDEXED BY tasks_with_pod WHERE pod_live = 1 LIMIT ?1))
         + (SELECT count(*) FROM tasks INDEXED BY tasks_running
            WHERE state = 'running' AND entry = 'execute' AND operator = 'pod' AND pod_live = 0)";

/// What holds starts back that would create a pod.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StartLimits {
    /// How many pods may be active at once; no bound when absent.
    pub active_pods: Option<u32>,
    /// How many such starts may be taken now; no bound when absent.
    pub starts: Option<u32>,
}

impl StartLimits {
    fn is_none(self) -> bool {
        self.active_pods.is_none() && self.starts.is_none()
    }
}

impl TaskRow {
    /// Whether taking this task up means a new pod.
    #[must_use]
    pub fn starts_a_pod(&self) -> bool {
        let begins = match self.state {
            TaskState::Queued { entry, .. } | TaskState::Running { entry, .. } => {
                entry == Entry::Execute
            }
            TaskState::Deferred
            | TaskState::UpForRetry { .. }
            | TaskState::Success
            | TaskState::Failed
            | TaskState::Skipped
            | TaskState::Cancelled => false,
        };
        begins && self.operator == PODS && !self.pod_live
    }
}

impl Store {
    /// How many pods are active, starts in a worker's hands included.
    ///
    /// # Errors
    /// What the database says.
    pub async fn active_pods(&self) -> Result<u64, StoreError> {
        let count: i64 = query_scalar(ACTIVE)
            .bind(i64::MAX)
            .fetch_one(&self.reader)
            .await
            .map_err(|error| self.told(error))?;
        Ok(count.unsigned_abs())
    }

    /// Asks a reader first, so that an idle engine never takes the write lock.
    pub(super) async fn nothing_to_claim(
        &self,
        scope: &Scope,
        limits: StartLimits,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut reader = self
            .reader
            .acquire()
            .await
            .map_err(|error| self.told(error))?;
        if limits.is_none() {
            let any: bool = query_scalar(ANY_DUE)
                .bind(to_ms(now))
                .bind(scope.bound())
                .fetch_one(&mut reader)
                .await
                .map_err(|error| self.told(error))?;
            return Ok(!any);
        }
        let found = claimable(&mut reader, scope.bound().as_deref(), 1, limits, now)
            .await
            .map_err(|error| error.at(self.path()))?;
        Ok(found.is_empty())
    }
}

/// Up to `limit` tasks whose time has come and that the limits let through, in the order in which
/// they are to be taken.
pub(super) async fn claimable(
    connection: &mut Connection,
    scope: Option<&str>,
    limit: usize,
    limits: StartLimits,
    now: Timestamp,
) -> Result<Vec<TaskRow>, JobError> {
    let mut due = Due {
        connection,
        scope,
        now,
        limit,
        rows: Vec::new(),
    };
    due.take(DUE, Some(Entry::Kill), usize::MAX).await?;
    due.take(DUE, Some(Entry::Reentry), usize::MAX).await?;
    if limits.is_none() {
        due.take(DUE, Some(Entry::Execute), usize::MAX).await?;
        return Ok(due.rows);
    }
    due.take(DUE_WITH_POD, None, usize::MAX).await?;
    due.take(DUE_OTHERS, None, usize::MAX).await?;
    if due.rows.len() < limit {
        let room = room(due.connection, limits).await?;
        due.take(DUE_PODS, None, room).await?;
    }
    Ok(due.rows)
}

/// How many more pods may be started now.
async fn room(connection: &mut Connection, limits: StartLimits) -> Result<usize, JobError> {
    let mut room = limits.starts.unwrap_or(u32::MAX);
    if let Some(most) = limits.active_pods {
        let active: i64 = query_scalar(ACTIVE)
            .bind(most)
            .fetch_one(connection)
            .await?;
        let active = u32::try_from(active).unwrap_or(u32::MAX);
        room = room.min(most.saturating_sub(active));
    }
    Ok(usize::try_from(room).unwrap_or(usize::MAX))
}

struct Due<'a> {
    connection: &'a mut Connection,
    scope: Option<&'a str>,
    now: Timestamp,
    limit: usize,
    rows: Vec<TaskRow>,
}

impl Due<'_> {
    async fn take(
        &mut self,
        question: &'static str,
        rank: Option<Entry>,
        most: usize,
    ) -> Result<(), JobError> {
        let left = self.limit.saturating_sub(self.rows.len()).min(most);
        if left == 0 {
            return Ok(());
        }
        let mut query = query(question)
            .bind(to_ms(self.now))
            .bind(self.scope)
            .bind(i64::try_from(left).unwrap_or(i64::MAX));
        if let Some(rank) = rank {
            query = query.bind(claim_rank(rank));
        }
        let found = query.fetch_all(&mut *self.connection).await?;
        for row in &found {
            self.rows.push(TaskRow::read(row)?);
        }
        Ok(())
    }
}
