//! Taking tasks into hand, and taking them out of hands that are gone.

use std::collections::HashSet;

use super::change_set::{self, load};
use super::error::{JobError, StoreError};
use super::open::Store;
use super::rows::{TaskRow, to_ms};
use super::sql::{Row, query, query_scalar};
use super::starts::{StartLimits, claimable};
use super::transition::{Change, Planned, plan};
use crate::clock::Timestamp;
use crate::task::id::TaskId;
use crate::task::state::TaskEvent;

pub(super) const HOLDERS: &str = "
    SELECT DISTINCT owner FROM tasks INDEXED BY tasks_running
    WHERE state = 'running' AND (?1 IS NULL OR id IN (SELECT value FROM json_each(?1)))";

pub(super) const LAPSED: &str = "
    SELECT id, owner FROM tasks INDEXED BY tasks_running
    WHERE state = 'running'
      AND (lease_until <= ?1 OR owner IN (SELECT value FROM json_each(?2)))
      AND (?3 IS NULL OR id IN (SELECT value FROM json_each(?3)))";

pub(super) const DUE_RETRIES: &str = "
    SELECT id FROM tasks INDEXED BY tasks_retryable
    WHERE state = 'up_for_retry' AND not_before <= ?1
      AND (?2 IS NULL OR id IN (SELECT value FROM json_each(?2)))";

/// Which tasks an engine works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// These.
    Tasks(Vec<TaskId>),
}

impl Scope {
    /// Whether `task` is in it.
    #[must_use]
    pub fn contains(&self, task: TaskId) -> bool {
        match self {
            Self::All => true,
            Self::Tasks(ids) => ids.contains(&task),
        }
    }

    /// The ids as a JSON list for SQLite's `json_each`, or NULL for all.
    pub(super) fn bound(&self) -> Option<String> {
        match self {
            Self::All => None,
            Self::Tasks(ids) => {
                let numbers: Vec<String> = ids.iter().map(TaskId::to_string).collect();
                Some(format!("[{}]", numbers.join(",")))
            }
        }
    }
}

/// A task that this engine now holds: every later write carries `row.fence`.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The row as it is after the claim.
    pub row: TaskRow,
}

/// A running task whose worker may be gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lapsed {
    /// The task.
    pub task: TaskId,
    /// Who holds it.
    pub owner: String,
}

impl Store {
    /// Takes up to `limit` tasks whose time has come: kills first, then resumes, then starts.
    ///
    /// # Errors
    /// What the database says.
    pub async fn claim(
        &self,
        owner: &str,
        scope: &Scope,
        limit: usize,
        lease_until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Claimed>, StoreError> {
        let limits = StartLimits::default();
        self.claim_within(owner, scope, limit, limits, lease_until, now)
            .await
    }

    /// As [`Store::claim`], but starts that would create a pod only as far as `limits` let them
    /// through.
    ///
    /// # Errors
    /// What the database says.
    pub async fn claim_within(
        &self,
        owner: &str,
        scope: &Scope,
        limit: usize,
        limits: StartLimits,
        lease_until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Claimed>, StoreError> {
        if self.nothing_to_claim(scope, limits, now).await? {
            return Ok(Vec::new());
        }
        let (owner, scope) = (owner.to_owned(), scope.bound());
        crate::failpoint::reach!("claim.before");
        let claimed = self
            .writer
            .write(move |connection| {
                Box::pin(async move {
                    let rows = claimable(connection, scope.as_deref(), limit, limits, now).await?;
                    let change = Change::of(TaskEvent::Claim { lease_until }).by(&owner);
                    let changes = rows.into_iter().map(|row| plan(row, &change, now));
                    let changes: Vec<Planned> = changes.collect::<Result<_, _>>()?;
                    change_set::write(connection, &changes).await?;
                    let rows = changes.into_iter().map(|change| change.after);
                    Ok(rows.map(|row| Claimed { row }).collect())
                })
            })
            .await;
        crate::failpoint::reach!("claim.after");
        claimed
    }

    /// Who holds running tasks of `scope`.
    ///
    /// # Errors
    /// What the database says.
    pub async fn holders(&self, scope: &Scope) -> Result<HashSet<String>, StoreError> {
        let owners: Vec<String> = query_scalar(HOLDERS)
            .bind(scope.bound())
            .fetch_all(&self.reader)
            .await
            .map_err(|error| self.told(error))?;
        Ok(owners.into_iter().collect())
    }

    /// Queues again what is held by one of the `dead`, or whose lease has ended.
    ///
    /// # Errors
    /// What the database says.
    pub async fn reclaim(
        &self,
        scope: &Scope,
        dead: &HashSet<String>,
        now: Timestamp,
    ) -> Result<Vec<Lapsed>, StoreError> {
        let lost = self.lost(scope, dead, now).await?;
        if lost.is_empty() {
            return Ok(lost);
        }
        let dead = dead.clone();
        crate::failpoint::reach!("reclaim.before");
        let reclaimed = self
            .writer
            .write(move |connection| {
                Box::pin(async move {
                    let rows = load(connection, lost.iter().map(|lapsed| lapsed.task)).await?;
                    let changes = possible(rows.into_iter().filter_map(|row| {
                        let owner = row.owner.clone()?;
                        // It may have come into other hands meanwhile.
                        let still =
                            |lapsed: &Lapsed| lapsed.task == row.id && lapsed.owner == owner;
                        lost.iter()
                            .any(still)
                            .then(|| plan_reclaim(row, &dead, now))
                    }))?;
                    change_set::write(connection, &changes).await?;
                    let taken: HashSet<TaskId> = changes.iter().map(|one| one.after.id).collect();
                    let mut reclaimed = lost;
                    reclaimed.retain(|lapsed| taken.contains(&lapsed.task));
                    Ok(reclaimed)
                })
            })
            .await;
        crate::failpoint::reach!("reclaim.after");
        reclaimed
    }

    async fn lost(
        &self,
        scope: &Scope,
        dead: &HashSet<String>,
        now: Timestamp,
    ) -> Result<Vec<Lapsed>, StoreError> {
        let dead: Vec<&String> = dead.iter().collect();
        let rows: Vec<Row> = query(LAPSED)
            .bind(to_ms(now))
            .bind(serde_json::json!(dead).to_string())
            .bind(scope.bound())
            .fetch_all(&self.reader)
            .await
            .map_err(|error| self.told(error))?;
        rows.iter()
            .map(|row| {
                Ok(Lapsed {
                    task: TaskId(row.try_get("id")?),
                    owner: row.try_get("owner")?,
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(|error| self.told(error))
    }

    /// Queues the next attempt of every task whose wait before it is over.
    ///
    /// # Errors
    /// What the database says.
    pub async fn queue_due_retries(
        &self,
        scope: &Scope,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let due: Vec<i64> = query_scalar(DUE_RETRIES)
            .bind(to_ms(now))
            .bind(scope.bound())
            .fetch_all(&self.reader)
            .await
            .map_err(|error| self.told(error))?;
        if due.is_empty() {
            return Ok(0);
        }
        crate::failpoint::reach!("retry.before");
        let queued = self
            .writer
            .write(move |connection| {
                Box::pin(async move {
                    let rows = load(connection, due.into_iter().map(TaskId)).await?;
                    let change = Change::of(TaskEvent::RetryDue);
                    let changes = possible(rows.into_iter().map(|row| plan(row, &change, now)))?;
                    change_set::write(connection, &changes).await?;
                    Ok(changes.len())
                })
            })
            .await;
        crate::failpoint::reach!("retry.after");
        queued
    }
}

fn plan_reclaim(row: TaskRow, dead: &HashSet<String>, now: Timestamp) -> Result<Planned, JobError> {
    let owner_dead = row.owner.as_ref().is_some_and(|owner| dead.contains(owner));
    let reason = if owner_dead {
        "its worker is dead"
    } else {
        "its worker's lease ended"
    };
    let change = Change::of(TaskEvent::Reclaim { owner_dead }).because(reason);
    plan(row, &change, now)
}

/// Without the changes that have no meaning any more: the task moved on meanwhile, which is nothing
/// wrong.
fn possible(
    changes: impl Iterator<Item = Result<Planned, JobError>>,
) -> Result<Vec<Planned>, JobError> {
    changes
        .filter(|change| !change.as_ref().is_err_and(JobError::is_illegal))
        .collect()
}
