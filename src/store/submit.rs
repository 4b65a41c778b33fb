//! Taking tasks in: idempotent on their key.

use std::time::Duration;

use sqlx::sqlite::SqliteConnection;

use super::error::{JobError, StoreError};
use super::open::Store;
use super::rows::to_ms;
use super::transition::claim_rank;
use crate::clock::Timestamp;
use crate::task::id::{TaskId, TaskKey};
use crate::task::retry::RetryPolicy;
use crate::task::state::Entry;

/// A task that is to be stored.
#[derive(Debug, Clone)]
pub struct NewTask {
    /// Its key.
    pub key: TaskKey,
    /// Which operator runs it.
    pub operator: String,
    /// The operator's definition, as canonical JSON: equal texts are equal definitions.
    pub definition: String,
    /// How often and after which delays it is tried again.
    pub retry: RetryPolicy,
    /// How long an attempt may take.
    pub execution_timeout: Option<Duration>,
}

/// A task that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// Its id.
    pub id: TaskId,
    /// Its key.
    pub key: TaskKey,
    /// Whether this call made it; otherwise it was there already.
    pub created: bool,
}

impl Store {
    /// Stores all of `tasks`, or none.
    ///
    /// # Errors
    /// [`StoreError::KeyTaken`] when a key is there already with another definition.
    pub async fn submit(
        &self,
        tasks: Vec<NewTask>,
        now: Timestamp,
    ) -> Result<Vec<Submitted>, StoreError> {
        crate::failpoint::reach!("submit.before");
        let submitted = self
            .writer
            .write(move |connection| {
                Box::pin(async move {
                    let mut submitted = Vec::with_capacity(tasks.len());
                    for task in tasks {
                        submitted.push(submit_one(connection, task, now).await?);
                    }
                    Ok(submitted)
                })
            })
            .await;
        crate::failpoint::reach!("submit.after");
        submitted
    }
}

async fn submit_one(
    connection: &mut SqliteConnection,
    task: NewTask,
    now: Timestamp,
) -> Result<Submitted, JobError> {
    let NewTask {
        key,
        operator,
        definition,
        retry,
        execution_timeout,
    } = task;
    let there: Option<(i64, String, String)> = sqlx::query_as(
        "SELECT id, operator, definition FROM tasks
         WHERE dag_id = ? AND task_id = ? AND run_id = ? AND map_index = ?",
    )
    .bind(&key.dag_id)
    .bind(&key.task_id)
    .bind(&key.run_id)
    .bind(key.map_index)
    .fetch_optional(&mut *connection)
    .await?;
    if let Some((id, stored_operator, stored)) = there {
        let id = TaskId(id);
        if stored != definition || stored_operator != operator {
            return Err(StoreError::KeyTaken { key, task: id }.into());
        }
        return Ok(Submitted {
            id,
            key,
            created: false,
        });
    }
    let policy = serde_json::to_string(&retry).map_err(|error| {
        StoreError::Query(format!("the retry policy cannot be stored: {error}"))
    })?;
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO tasks
             (dag_id, task_id, run_id, map_index, operator, definition, state, entry, claim_rank,
              not_before, max_tries, retry_policy, execution_timeout_ms, submitted_at, changed_at)
         VALUES (?, ?, ?, ?, ?, ?, 'queued', 'execute', ?, ?, ?, ?, ?, ?, ?)
         RETURNING id",
    )
    .bind(&key.dag_id)
    .bind(&key.task_id)
    .bind(&key.run_id)
    .bind(key.map_index)
    .bind(&operator)
    .bind(&definition)
    .bind(claim_rank(Entry::Execute))
    .bind(to_ms(now))
    .bind(retry.retries.saturating_add(1))
    .bind(policy)
    .bind(execution_timeout.map(|timeout| i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX)))
    .bind(to_ms(now))
    .bind(to_ms(now))
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO history (task, at, event, from_state, to_state, try_number, fence)
         VALUES (?, ?, 'submit', NULL, 'queued', 1, 0)",
    )
    .bind(id)
    .bind(to_ms(now))
    .execute(connection)
    .await?;
    Ok(Submitted {
        id: TaskId(id),
        key,
        created: true,
    })
}
