//! Questions about tasks, and wishes.

use std::sync::Arc;

use super::line::LogStyle;
use super::view::{HistoryView, TaskDetail, TaskView, TriggerOfTask};
use crate::clock::{Clock, Timestamp};
use crate::operator::{Operators, Refused};
use crate::store::{LogRow, PruneStep, Scope, SqlTable, Store, StoreError, TaskFilter, TaskRow};
use crate::task::file::TaskFile;
use crate::task::id::{TaskId, TaskRef};
use crate::task::state::TaskState;

/// Questions and wishes about the tasks of one installation.
#[derive(Clone)]
pub struct Service {
    pub(super) store: Store,
    pub(super) operators: Arc<Operators>,
    pub(super) clock: Clock,
}

/// Why the service could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The task file is well formed, but would not make a pod that the API server takes.
    #[error("task {task_id}: {refused}")]
    Refused {
        /// Which task of the file.
        task_id: String,
        /// What is wrong with it, all at once.
        refused: Refused,
    },
    /// There is nothing to cancel.
    #[error("task {task} has ended already ({state}): there is nothing to cancel")]
    EndedAlready {
        /// The task.
        task: TaskId,
        /// How it ended.
        state: &'static str,
    },
    /// The file would have a file of the daemon's machine read.
    #[error(
        "task {task_id}: pod_template_file names a file, and no file is read for a request: give its content as pod_template_dict"
    )]
    NamesAFile {
        /// Which task of the file.
        task_id: String,
    },
    /// The store says no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ServiceError {
    /// What a person is told: one line for each thing that is wrong.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Refused { task_id, refused } => refused
                .0
                .iter()
                .map(|problem| format!("task {task_id}: {problem}"))
                .collect(),
            Self::EndedAlready { .. } | Self::NamesAFile { .. } | Self::Store(_) => {
                vec![super::words::sentence(self)]
            }
        }
    }
}

impl Service {
    /// A service over `store`; `operators` check what is submitted.
    #[must_use]
    pub fn new(store: Store, operators: Operators, clock: Clock) -> Self {
        Self {
            store,
            operators: Arc::new(operators),
            clock,
        }
    }

    /// The same service with readers of its own; see [`Store::with_own_readers`].
    #[must_use]
    pub fn with_own_readers(&self) -> Self {
        Self {
            store: self.store.with_own_readers(),
            ..self.clone()
        }
    }

    /// The store behind it.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The id of the task that `reference` names.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn resolve(&self, reference: &TaskRef) -> Result<TaskId, ServiceError> {
        Ok(self.store.resolve(reference).await?)
    }

    /// The ids of several, in their order.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn resolve_all(&self, references: &[TaskRef]) -> Result<Vec<TaskId>, ServiceError> {
        let mut ids = Vec::with_capacity(references.len());
        for reference in references {
            ids.push(self.resolve(reference).await?);
        }
        Ok(ids)
    }

    /// The tasks that `filter` lets through, newest first.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list(&self, filter: &TaskFilter) -> Result<Vec<TaskView>, ServiceError> {
        let rows = self.store.list(filter).await?;
        self.explained(rows).await
    }

    /// The tasks as they are shown: one that a limit on pods holds back says so.
    async fn explained(&self, rows: Vec<TaskRow>) -> Result<Vec<TaskView>, ServiceError> {
        let now = self.clock.now();
        let held = |row: &TaskRow| match row.state {
            TaskState::Queued { not_before, .. } => row.starts_a_pod() && not_before <= now,
            TaskState::Running { .. }
            | TaskState::Deferred
            | TaskState::UpForRetry { .. }
            | TaskState::Success
            | TaskState::Failed
            | TaskState::Skipped
            | TaskState::Cancelled => false,
        };
        let why = if rows.iter().any(held) {
            self.what_holds_starts_back(now).await?
        } else {
            None
        };
        let shown = rows.into_iter().map(|row| {
            let held = held(&row);
            let mut view = TaskView::from(row);
            if held && why.is_some() {
                view.reason.clone_from(&why);
            }
            view
        });
        Ok(shown.collect())
    }

    /// The limit that keeps tasks whose time has come from starting their pods, in words.
    async fn what_holds_starts_back(&self, now: Timestamp) -> Result<Option<String>, ServiceError> {
        let engines = self.store.engines().await?;
        let alive = || engines.iter().filter(|engine| engine.alive_until > now);
        let most = alive().filter_map(|engine| engine.limits.max_active_pods);
        if let Some(most) = most.min() {
            let active = self.store.active_pods().await?;
            if active >= u64::from(most) {
                return Ok(Some(format!(
                    "waits in the queue: {active} pods are active, and max_active_pods is {most}"
                )));
            }
        }
        let pace = alive().filter_map(|engine| engine.limits.pods_per_second);
        Ok(pace.min().map(|pods| {
            format!("waits in the queue: pods_per_second lets {pods} pods begin in a second")
        }))
    }

    /// One task in a line's worth.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn task(&self, id: TaskId) -> Result<TaskView, ServiceError> {
        let row = self.store.task(id).await?;
        let mut shown = self.explained(vec![row]).await?;
        // One row in, one view out.
        shown
            .pop()
            .ok_or_else(|| StoreError::NotFound(id.to_string()).into())
    }

    /// One task with its pods, its trigger, its history and its result.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn describe(&self, id: TaskId) -> Result<TaskDetail, ServiceError> {
        let task = self.task(id).await?;
        let pods = self.store.pods(id).await?;
        let trigger = self.store.trigger_of(id).await?;
        let history = self.store.history(id).await?;
        let xcom = self.store.xcom(id).await?;
        Ok(TaskDetail::new(task, pods, trigger, history, xcom))
    }

    /// Every change of a task's state, oldest first.
    ///
    /// # Errors
    /// What the store says.
    pub async fn history(&self, id: TaskId) -> Result<Vec<HistoryView>, ServiceError> {
        let rows = self.store.history(id).await?;
        Ok(rows.into_iter().map(HistoryView::from).collect())
    }

    /// Up to `limit` lines of a task's log behind number `after`.
    ///
    /// # Errors
    /// What the store says.
    pub async fn log(
        &self,
        id: TaskId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<LogRow>, ServiceError> {
        Ok(self.store.log_lines(id, after, limit).await?)
    }

    /// How a task's own definition wants its lines to be shown.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn log_style(&self, id: TaskId) -> Result<LogStyle, ServiceError> {
        let row = self.store.task(id).await?;
        let file = serde_json::from_str::<TaskFile>(&row.definition).ok();
        Ok(file.as_ref().map(LogStyle::of).unwrap_or_default())
    }

    /// A task's results by their keys.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such task.
    pub async fn xcom(
        &self,
        id: TaskId,
    ) -> Result<serde_json::Map<String, serde_json::Value>, ServiceError> {
        self.store.task(id).await?;
        Ok(self.store.xcom(id).await?)
    }

    /// Up to `limit` deferred tasks with what they wait for, by their ids, from behind `after` on.
    ///
    /// # Errors
    /// What the store says.
    pub async fn triggers(
        &self,
        after: i64,
        limit: u32,
    ) -> Result<Vec<TriggerOfTask>, ServiceError> {
        let rows = self.store.triggers_after(after, limit).await?;
        Ok(rows.into_iter().map(TriggerOfTask::from).collect())
    }

    /// How many wishes about pods of these tasks have not come true yet.
    ///
    /// # Errors
    /// What the store says.
    pub async fn open_disposals(&self, ids: &[TaskId]) -> Result<u64, ServiceError> {
        let scope = Scope::Tasks(ids.to_vec());
        Ok(self.store.open_disposals(&scope).await?.0)
    }

    /// The number behind which the last `lines` lines of a task's containers begin.
    ///
    /// # Errors
    /// What the store says.
    pub async fn log_tail(
        &self,
        id: TaskId,
        container: Option<&str>,
        lines: usize,
    ) -> Result<i64, ServiceError> {
        Ok(self.store.log_tail(id, container, lines).await?)
    }

    /// Asks for the end of a task.
    ///
    /// # Errors
    /// [`StoreError::Illegal`] when it has ended already.
    pub async fn cancel(&self, id: TaskId, reason: &str) -> Result<TaskView, ServiceError> {
        let row = self.store.cancel(id, reason, self.clock.now()).await?;
        Ok(row.into())
    }

    /// Sees to it that a task ends as cancelled: asks for its end, unless it ended so already.
    ///
    /// # Errors
    /// [`ServiceError::EndedAlready`] when it has ended otherwise.
    pub async fn ask_for_end(&self, id: TaskId, reason: &str) -> Result<TaskView, ServiceError> {
        let task = self.task(id).await?;
        match task.state {
            "cancelled" => Ok(task),
            state if task.is_final => Err(ServiceError::EndedAlready { task: id, state }),
            _ => self.cancel(id, reason).await,
        }
    }

    /// Gives a task another attempt.
    ///
    /// # Errors
    /// [`StoreError::Illegal`] when it has succeeded or is under way.
    pub async fn retry(&self, id: TaskId, reason: &str) -> Result<TaskView, ServiceError> {
        let row = self.store.retry(id, reason, self.clock.now()).await?;
        Ok(row.into())
    }

    /// The tasks that ended before that moment and may be removed, the longest ended first.
    ///
    /// # Errors
    /// What the store says.
    pub async fn prunable(&self, ended_before: Timestamp) -> Result<Vec<TaskId>, ServiceError> {
        Ok(self.store.prunable(ended_before, None).await?)
    }

    /// Removes some of the tasks that ended before that moment. To be called again while there is
    /// more; a pause between lets others write.
    ///
    /// # Errors
    /// What the store says.
    pub async fn prune_step(&self, ended_before: Timestamp) -> Result<PruneStep, ServiceError> {
        /// How many rows are removed at once.
        const ROWS: u32 = 1000;
        Ok(self.store.prune_step(ended_before, ROWS).await?)
    }

    /// Runs a person's own statement; it cannot write.
    ///
    /// # Errors
    /// [`StoreError::Query`] in SQLite's words.
    pub async fn sql(&self, statement: &str) -> Result<SqlTable, ServiceError> {
        Ok(self.store.sql(statement).await?)
    }
}
