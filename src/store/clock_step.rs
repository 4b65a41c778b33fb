//! What was written at a moment that has not come yet: the clock has been set back since.

use super::claim::Scope;
use super::error::StoreError;
use super::open::Store;
use super::rows::to_ms;
use super::sql::{query, query_scalar};
use crate::clock::Timestamp;

/// A row may be so many milliseconds ahead of whoever reads it: all that work on a database read
/// the same clock, but not in the same moment.
const AHEAD_MS: i64 = 2_000;

/// No wish about a pod is put off for longer, in milliseconds.
const LONGEST_PUT_OFF_MS: i64 = 600_000;

impl Store {
    /// Lets waits that were begun in what is now the future begin now: those of queued tasks and
    /// next attempts, leases, and wishes about pods. Each keeps its length. Answers how many.
    ///
    /// # Errors
    /// What the database says.
    pub async fn begin_waits_again(
        &self,
        scope: &Scope,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let scope = scope.bound();
        if !self.anything_ahead(&scope, now).await? {
            return Ok(0);
        }
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let tasks = query(
                        "UPDATE tasks
                         SET not_before = not_before - changed_at + ?1,
                             lease_until = lease_until - changed_at + ?1,
                             changed_at = ?1
                         WHERE state IN ('queued', 'up_for_retry', 'running')
                           AND changed_at > ?1 + ?2
                           AND (?3 IS NULL OR id IN (SELECT value FROM json_each(?3)))",
                    )
                    .bind(to_ms(now))
                    .bind(AHEAD_MS)
                    .bind(&scope)
                    .execute(&mut *connection)
                    .await?;
                    let wishes = query(
                        "UPDATE disposals SET due_at = ?1
                         WHERE (wanted_at > ?1 + ?2 OR due_at > ?1 + ?4)
                           AND (?3 IS NULL OR task IN (SELECT value FROM json_each(?3)))",
                    )
                    .bind(to_ms(now))
                    .bind(AHEAD_MS)
                    .bind(&scope)
                    .bind(LONGEST_PUT_OFF_MS)
                    .execute(connection)
                    .await?;
                    Ok(tasks + wishes)
                })
            })
            .await
    }

    /// Asks a reader first, so that an engine whose clock is right never takes the write lock.
    async fn anything_ahead(
        &self,
        scope: &Option<String>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        query_scalar(
            "SELECT EXISTS (
                 SELECT 1 FROM tasks
                 WHERE state IN ('queued', 'up_for_retry', 'running') AND changed_at > ?1 + ?2
                   AND (?3 IS NULL OR id IN (SELECT value FROM json_each(?3)))
                 UNION ALL
                 SELECT 1 FROM disposals
                 WHERE (wanted_at > ?1 + ?2 OR due_at > ?1 + ?4)
                   AND (?3 IS NULL OR task IN (SELECT value FROM json_each(?3))))",
        )
        .bind(to_ms(now))
        .bind(AHEAD_MS)
        .bind(scope)
        .bind(LONGEST_PUT_OFF_MS)
        .fetch_one(&self.reader)
        .await
        .map_err(|error| self.told(error))
    }
}
