//! What happened lately, added up: bounded by the number of changes that are looked at, so that
//! it costs the same beside any number of tasks.

use super::error::StoreError;
use super::open::Store;
use super::rows::{from_ms, to_ms};
use super::sql::{query, query_scalar};
use crate::clock::Timestamp;
use crate::task::id::TaskId;

pub(super) const FLOW: &str = "
    SELECT (at - ?1) / ?2 AS slot, event, from_state, to_state, count(*) AS count
    FROM history
    WHERE id > (SELECT max(id) FROM history) - ?3 AND at >= ?1
    GROUP BY slot, event, from_state, to_state";

pub(super) const REACH: &str = "
    SELECT at FROM history WHERE id > (SELECT max(id) FROM history) - ?1 ORDER BY id LIMIT 1";

pub(super) const WAITS: &str = "
    SELECT claimed.at AS at, asked.event AS event, claimed.at - asked.at AS waited
    FROM history AS claimed
    JOIN history AS asked ON asked.id = (SELECT max(id) FROM history AS before
                                         WHERE before.task = claimed.task
                                           AND before.id < claimed.id)
    WHERE claimed.id > (SELECT max(id) FROM history) - ?2
      AND claimed.event = 'claim' AND claimed.at >= ?1
      AND asked.event IN ('submit', 'fire', 'retry', 'retry_due')";

const POD_MOMENTS: &str = "
    SELECT try_number, intended_at, created_at FROM pods WHERE task = ?1 ORDER BY intended_at";

/// So many changes of one kind in one slot of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowRow {
    /// The slot, counted from 0.
    pub slot: i64,
    /// What happened.
    pub event: String,
    /// The state before; none for the first.
    pub from_state: Option<String>,
    /// The state after.
    pub to_state: String,
    /// How often.
    pub count: i64,
}

/// How long a task waited for a worker that took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitRow {
    /// When it was taken.
    pub at: Timestamp,
    /// Since what it waited.
    pub event: String,
    /// For how long, in milliseconds.
    pub waited_ms: i64,
}

/// When a pod came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodMoments {
    /// The attempt that it serves.
    pub try_number: u32,
    /// When it was written down.
    pub intended_at: Timestamp,
    /// When the cluster had answered.
    pub created_at: Option<Timestamp>,
}

impl Store {
    /// The changes since a moment by slots of `slot_ms` milliseconds, among the newest `most`.
    ///
    /// # Errors
    /// What the database says.
    pub async fn flow(
        &self,
        since: Timestamp,
        slot_ms: i64,
        most: u32,
    ) -> Result<Vec<FlowRow>, StoreError> {
        let rows = query(FLOW)
            .bind(to_ms(since))
            .bind(slot_ms.max(1))
            .bind(most)
            .fetch_all(&self.reader)
            .await
            .map_err(|error| self.told(error))?;
        rows.iter()
            .map(|row| {
                Ok(FlowRow {
                    slot: row.try_get("slot")?,
                    event: row.try_get("event")?,
                    from_state: row.try_get("from_state")?,
                    to_state: row.try_get("to_state")?,
                    count: row.try_get("count")?,
                })
            })
            .collect::<Result<_, _>>()
            .map_err(|error| self.told(error))
    }

    /// How far back the newest `most` changes reach; none when there is none.
    ///
    /// # Errors
    /// What the database says.
    pub async fn flow_reach(&self, most: u32) -> Result<Option<Timestamp>, StoreError> {
        let at: Option<i64> = query_scalar(REACH)
            .bind(most)
            .fetch_optional(&self.reader)
            .await
            .map_err(|error| self.told(error))?;
        Ok(at.map(from_ms))
    }

    /// How long tasks that workers took since a moment had waited for that, among the newest
    /// `most` changes.
    ///
    /// # Errors
    /// What the database says.
    pub async fn waits(&self, since: Timestamp, most: u32) -> Result<Vec<WaitRow>, StoreError> {
        let rows = query(WAITS)
            .bind(to_ms(since))
            .bind(most)
            .fetch_all(&self.reader)
            .await
            .map_err(|error| self.told(error))?;
        rows.iter()
            .map(|row| {
                Ok(WaitRow {
                    at: from_ms(row.try_get("at")?),
                    event: row.try_get("event")?,
                    waited_ms: row.try_get("waited")?,
                })
            })
            .collect::<Result<_, _>>()
            .map_err(|error| self.told(error))
    }

    /// When each of a task's pods came about, oldest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn pod_moments(&self, task: TaskId) -> Result<Vec<PodMoments>, StoreError> {
        let rows = query(POD_MOMENTS)
            .bind(task.0)
            .fetch_all(&self.reader)
            .await
            .map_err(|error| self.told(error))?;
        rows.iter()
            .map(|row| {
                Ok(PodMoments {
                    try_number: row.try_get("try_number")?,
                    intended_at: from_ms(row.try_get("intended_at")?),
                    created_at: row.try_get::<Option<i64>>("created_at")?.map(from_ms),
                })
            })
            .collect::<Result<_, _>>()
            .map_err(|error| self.told(error))
    }
}
