//! What a worker writes about the task that it holds: each write is fenced and whole.

use sqlx::sqlite::SqliteConnection;

use super::disposals::insert_disposals;
use super::error::{JobError, StoreError};
use super::open::Store;
use super::pods::remember_observation;
use super::rows::TaskRow;
use super::transition::{Change, transition};
use crate::clock::Timestamp;
use crate::task::deferral::TriggerSpec;
use crate::task::id::{Fence, TaskId};
use crate::task::outcome::{Ending, FailureKind};
use crate::task::state::{TaskEvent, TaskState};

/// How a step of a task came out.
#[derive(Debug, Clone, PartialEq)]
pub enum StepCommit {
    /// It waits for this trigger.
    Defer {
        /// The trigger.
        trigger: TriggerSpec,
        /// Why, in words.
        reason: String,
    },
    /// It is done.
    Complete(Ending),
    /// There was nothing to do.
    Skip(Ending),
    /// The attempt failed.
    Fail {
        /// How the attempt leaves things.
        ending: Ending,
        /// What kind of failure.
        kind: FailureKind,
        /// When the next attempt may begin, if there is to be one.
        retry_at: Option<Timestamp>,
    },
    /// `on_kill` is done.
    Killed(Ending),
    /// Something outside is unwell; the step is tried again.
    Postpone {
        /// When.
        until: Timestamp,
        /// Why, in words.
        reason: String,
    },
    /// The worker lets go.
    Release {
        /// Why, in words.
        reason: String,
    },
}

/// The key under which a task's result is stored, as the reference names it.
const RESULT_KEY: &str = "return_value";

/// What a heartbeat learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewal {
    /// Somebody cancelled the task: stop, and call `on_kill`.
    pub cancelling: bool,
}

impl Store {
    /// Moves the lease of a held task.
    ///
    /// # Errors
    /// [`StoreError::FenceLost`] when it is held no more.
    pub async fn renew(
        &self,
        task: TaskId,
        fence: Fence,
        lease_until: Timestamp,
        now: Timestamp,
    ) -> Result<Renewal, StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let row = TaskRow::load_fenced(connection, task, fence).await?;
                    let change = Change::of(TaskEvent::Renew { lease_until });
                    let row = transition(connection, &row, &change, now).await?;
                    let cancelling = matches!(
                        row.state,
                        TaskState::Running {
                            cancelling: true,
                            ..
                        }
                    );
                    Ok(Renewal { cancelling })
                })
            })
            .await
    }

    /// Writes how the step of a held task came out, with everything that belongs to it.
    ///
    /// # Errors
    /// [`StoreError::FenceLost`] when the task is held no more: nothing was written.
    pub async fn commit_step(
        &self,
        task: TaskId,
        fence: Fence,
        owner: &str,
        step: StepCommit,
        now: Timestamp,
    ) -> Result<TaskRow, StoreError> {
        let owner = owner.to_owned();
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let row = TaskRow::load_fenced(connection, task, fence).await?;
                    write_step(connection, &row, &step, &owner, now).await
                })
            })
            .await
    }

    /// Asks for the end of a task. Asking again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Illegal`] when it has ended already.
    pub async fn cancel(
        &self,
        task: TaskId,
        reason: &str,
        now: Timestamp,
    ) -> Result<TaskRow, StoreError> {
        self.person(task, TaskEvent::Cancel, reason, now).await
    }

    /// Gives an ended task, or one that waits for its next attempt, another attempt now.
    ///
    /// # Errors
    /// [`StoreError::Illegal`] when it has succeeded, or is under way.
    pub async fn retry(
        &self,
        task: TaskId,
        reason: &str,
        now: Timestamp,
    ) -> Result<TaskRow, StoreError> {
        self.person(task, TaskEvent::Retry, reason, now).await
    }

    async fn person(
        &self,
        task: TaskId,
        event: TaskEvent,
        reason: &str,
        now: Timestamp,
    ) -> Result<TaskRow, StoreError> {
        let reason = reason.to_owned();
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let row = TaskRow::load(connection, task).await?;
                    let change = Change::of(event).because(&reason);
                    transition(connection, &row, &change, now).await
                })
            })
            .await
    }
}

async fn write_step(
    connection: &mut SqliteConnection,
    row: &TaskRow,
    step: &StepCommit,
    owner: &str,
    now: Timestamp,
) -> Result<TaskRow, JobError> {
    let (event, ending) = match step {
        StepCommit::Defer { .. } => (TaskEvent::Defer, None),
        StepCommit::Complete(ending) => (TaskEvent::Complete, Some(ending)),
        StepCommit::Skip(ending) => (TaskEvent::Skip, Some(ending)),
        StepCommit::Fail {
            ending, retry_at, ..
        } => (
            TaskEvent::Fail {
                retry_at: *retry_at,
            },
            Some(ending),
        ),
        StepCommit::Killed(ending) => (TaskEvent::Killed, Some(ending)),
        StepCommit::Postpone { until, .. } => (TaskEvent::Postpone { until: *until }, None),
        StepCommit::Release { .. } => (TaskEvent::Release, None),
    };
    let mut change = Change::of(event).by(owner);
    match step {
        StepCommit::Defer { trigger, reason } => {
            change.trigger = Some(trigger);
            change.reason = Some(reason);
        }
        StepCommit::Fail { kind, .. } => change.failure = Some(*kind),
        StepCommit::Postpone { reason, .. } | StepCommit::Release { reason } => {
            change.reason = Some(reason);
        }
        StepCommit::Complete(_) | StepCommit::Skip(_) | StepCommit::Killed(_) => {}
    }
    if let Some(ending) = ending {
        change.reason = Some(&ending.reason);
        change.advice = ending.advice.as_deref();
        change.exit_code = ending.exit_code;
        if let Some((pod, observed)) = &ending.observed {
            remember_observation(connection, row, pod, observed).await?;
        }
        insert_disposals(connection, row.id, &ending.disposals, now).await?;
        if let Some(result) = &ending.result {
            sqlx::query(
                "INSERT INTO xcom (task, key, value) VALUES (?, ?, ?)
                 ON CONFLICT (task, key) DO UPDATE SET value = excluded.value",
            )
            .bind(row.id.0)
            .bind(RESULT_KEY)
            .bind(result.to_string())
            .execute(&mut *connection)
            .await?;
        }
    }
    transition(connection, row, &change, now).await
}
