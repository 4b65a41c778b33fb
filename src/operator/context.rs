//! What an operator is given: who the task is, what time it is, and where to write things down.

use std::sync::Arc;

use async_trait::async_trait;

use super::step::Failure;
use crate::clock::{Clock, Timestamp};
use crate::task::id::{TaskId, TaskKey};
use crate::task::log::{LogCursor, LogLine};
use crate::task::pods::{PodIntent, PodRecord};

/// A task in a worker's hands.
#[derive(Clone)]
pub struct TaskContext {
    /// The task's id.
    pub task: TaskId,
    /// The task's key.
    pub key: TaskKey,
    /// The attempt, counted from 1.
    pub try_number: u32,
    /// When the attempt must have ended.
    pub deadline: Option<Timestamp>,
    /// When the task was submitted.
    pub submitted_at: Timestamp,
    /// The operator's own definition, as it was submitted.
    pub definition: Arc<str>,
    /// Which installation this is.
    pub installation: Arc<str>,
    /// What time it is.
    pub clock: Clock,
    /// Where to write things down.
    pub journal: Arc<dyn Journal>,
}

/// What an operator writes down while it works. Every write is durable when it returns, and is
/// refused when the task has been taken over.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Every pod on record for the task, those of earlier attempts included, oldest first.
    async fn pods(&self) -> Result<Vec<PodRecord>, JournalError>;

    /// Writes down which pod is about to be created. Nothing may be created before this returns.
    async fn intend_pod(&self, intent: PodIntent) -> Result<(), JournalError>;

    /// Writes down the uid that the API server gave an intended pod.
    async fn pod_created(&self, name: &str, uid: &str) -> Result<(), JournalError>;

    /// How far the log of a pod's container has been read.
    async fn log_cursor(&self, pod_uid: &str, container: &str) -> Result<LogCursor, JournalError>;

    /// Appends lines to the task's log and moves the cursor over them, in one transaction.
    async fn append_log(
        &self,
        pod_uid: &str,
        container: &str,
        lines: Vec<LogLine>,
        cursor: LogCursor,
    ) -> Result<(), JournalError>;

    /// Whether the task's log has come to its bound: lines that are appended now are left out, so
    /// they need not be fetched. The log itself says so.
    fn log_is_full(&self) -> bool {
        false
    }
}

/// Why something could not be written down.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Somebody else holds the task now.
    #[error("the task has been taken over")]
    FenceLost,
    /// The store is unwell.
    #[error("{0}")]
    Unavailable(String),
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::FenceLost => Self::FenceLost,
            // A full disk or a held lock decides no task's fate.
            JournalError::Unavailable(reason) => Self::transient(reason),
        }
    }
}
