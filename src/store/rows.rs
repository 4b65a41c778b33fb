//! Rows of the `tasks` table as values, parsed once, here.

use chrono::{DateTime, Utc};

use super::error::{JobError, StoreError};
use super::sql::Row;
use crate::clock::Timestamp;
use crate::task::deferral::TriggerEvent;
use crate::task::id::{Fence, TaskId, TaskKey};
use crate::task::outcome::FailureKind;
use crate::task::retry::RetryPolicy;
use crate::task::state::{Entry, TaskState};

/// A moment as it is stored.
pub(super) fn to_ms(moment: Timestamp) -> i64 {
    moment.timestamp_millis()
}

/// A stored moment.
pub(super) fn from_ms(stored: i64) -> Timestamp {
    DateTime::<Utc>::from_timestamp_millis(stored).unwrap_or_default()
}

/// A task as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRow {
    /// Its id.
    pub id: TaskId,
    /// Its key.
    pub key: TaskKey,
    /// Which operator runs it.
    pub operator: String,
    /// The operator's definition, as JSON.
    pub definition: String,
    /// Where it is.
    pub state: TaskState,
    /// Rises at every claim and every resume.
    pub fence: Fence,
    /// The attempt, counted from 1.
    pub try_number: u32,
    /// How many attempts there may be.
    pub max_tries: u32,
    /// When it is tried again.
    pub retry: RetryPolicy,
    /// How long an attempt may take.
    pub execution_timeout: Option<std::time::Duration>,
    /// The engine that holds it.
    pub owner: Option<String>,
    /// When this attempt must have ended.
    pub deadline: Option<Timestamp>,
    /// What `trigger_reentry` will be told.
    pub event: Option<TriggerEvent>,
    /// How often in a row its step was put off.
    pub postponed: u32,
    /// How often it was resumed.
    pub resumes: u32,
    /// How its last attempt failed.
    pub failure_kind: Option<FailureKind>,
    /// Why it is where it is, in words.
    pub reason: Option<String>,
    /// What a person can do about it.
    pub advice: Option<String>,
    /// The exit code that decided.
    pub exit_code: Option<i32>,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// When its first attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When its state last changed.
    pub changed_at: Timestamp,
    /// How many lines its containers wrote.
    pub log_lines: i64,
    /// The number of its log's last row, remarks included.
    pub log_seq: i64,
    /// When it last got lines from its containers.
    pub last_log_at: Option<Timestamp>,
    /// How many bytes of its log are kept, newlines included and remarks not.
    pub log_bytes: u64,
    /// The bound, in bytes, at which its log was cut; 0 when it was not.
    pub log_cut: u64,
    /// Whether its current attempt has a pod on record.
    pub pod_live: bool,
}

impl TaskRow {
    pub(super) fn read(row: &Row) -> Result<Self, JobError> {
        let id = TaskId(row.try_get("id")?);
        let bad = |detail: String| JobError::from(StoreError::BadRow { task: id, detail });
        let moment = |column: &str| -> Result<Option<Timestamp>, sqlx::Error> {
            Ok(row.try_get::<Option<i64>>(column)?.map(from_ms))
        };
        let needed = |column: &str| -> Result<Timestamp, JobError> {
            moment(column)?.ok_or_else(|| bad(format!("{column} is missing")))
        };
        let entry = || -> Result<Entry, JobError> {
            let word: Option<String> = row.try_get("entry")?;
            word.as_deref()
                .and_then(Entry::from_word)
                .ok_or_else(|| bad(format!("entry is {word:?}")))
        };
        let word: String = row.try_get("state")?;
        let state = match word.as_str() {
            "queued" => TaskState::Queued {
                entry: entry()?,
                not_before: needed("not_before")?,
            },
            "running" => TaskState::Running {
                entry: entry()?,
                lease_until: needed("lease_until")?,
                cancelling: row.try_get("cancelling")?,
            },
            "deferred" => TaskState::Deferred,
            "up_for_retry" => TaskState::UpForRetry {
                retry_at: needed("not_before")?,
            },
            "success" => TaskState::Success,
            "failed" => TaskState::Failed,
            "skipped" => TaskState::Skipped,
            "cancelled" => TaskState::Cancelled,
            other => return Err(bad(format!("state is {other:?}"))),
        };
        let event: Option<String> = row.try_get("event")?;
        let event = event
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|error| bad(format!("event: {error}")))?;
        let policy: String = row.try_get("retry_policy")?;
        let failure_kind: Option<String> = row.try_get("failure_kind")?;
        Ok(Self {
            id,
            key: TaskKey {
                dag_id: row.try_get("dag_id")?,
                task_id: row.try_get("task_id")?,
                run_id: row.try_get("run_id")?,
                map_index: row.try_get("map_index")?,
            },
            operator: row.try_get("operator")?,
            definition: row.try_get("definition")?,
            state,
            fence: Fence(row.try_get("fence")?),
            try_number: row.try_get("try_number")?,
            max_tries: row.try_get("max_tries")?,
            retry: serde_json::from_str(&policy)
                .map_err(|error| bad(format!("retry_policy: {error}")))?,
            execution_timeout: row
                .try_get::<Option<i64>>("execution_timeout_ms")?
                .map(|ms| std::time::Duration::from_millis(ms.unsigned_abs())),
            owner: row.try_get("owner")?,
            deadline: moment("deadline")?,
            event,
            postponed: row.try_get("postponed")?,
            resumes: row.try_get("resumes")?,
            failure_kind: failure_kind.as_deref().and_then(FailureKind::from_word),
            reason: row.try_get("reason")?,
            advice: row.try_get("advice")?,
            exit_code: row.try_get("exit_code")?,
            submitted_at: needed("submitted_at")?,
            started_at: moment("started_at")?,
            finished_at: moment("finished_at")?,
            changed_at: needed("changed_at")?,
            log_lines: row.try_get("log_lines")?,
            log_seq: row.try_get("log_seq")?,
            last_log_at: moment("last_log_at")?,
            log_bytes: row.try_get::<i64>("log_bytes")?.unsigned_abs(),
            log_cut: row.try_get::<i64>("log_cut")?.unsigned_abs(),
            pod_live: row.try_get("pod_live")?,
        })
    }

    /// The row, if the task is still held with `fence`; or [`StoreError::FenceLost`].
    pub(super) fn held(self, fence: Fence) -> Result<Self, JobError> {
        if self.fence != fence || !matches!(self.state, TaskState::Running { .. }) {
            return Err(StoreError::FenceLost { task: self.id }.into());
        }
        Ok(self)
    }
}
