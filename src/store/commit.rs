//! What a worker writes about the task that it holds: each write is fenced and whole.

use super::error::{JobError, StoreError};
use super::open::Store;
use super::rows::TaskRow;
use super::transition::{Change, Planned, plan};
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
        let renewed = self
            .writer
            .change(task, move |row| {
                let change = Change::of(TaskEvent::Renew { lease_until });
                plan(row.held(fence)?, &change, now)
            })
            .await?;
        let cancelling = matches!(
            renewed.state,
            TaskState::Running {
                cancelling: true,
                ..
            }
        );
        Ok(Renewal { cancelling })
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
            .change(task, move |row| {
                plan_step(row.held(fence)?, step, &owner, now)
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
            .change(task, move |row| {
                plan(row, &Change::of(event).because(&reason), now)
            })
            .await
    }
}

fn plan_step(
    row: TaskRow,
    step: StepCommit,
    owner: &str,
    now: Timestamp,
) -> Result<Planned, JobError> {
    match step {
        StepCommit::Defer { trigger, reason } => {
            let mut change = Change::of(TaskEvent::Defer).by(owner).because(&reason);
            change.trigger = Some(&trigger);
            plan(row, &change, now)
        }
        StepCommit::Complete(ending) => plan_ending(row, TaskEvent::Complete, owner, ending, now),
        StepCommit::Skip(ending) => plan_ending(row, TaskEvent::Skip, owner, ending, now),
        StepCommit::Fail {
            ending,
            kind,
            retry_at,
        } => {
            let failed = TaskEvent::Fail { retry_at };
            let mut planned = plan_ending(row, failed, owner, ending, now)?;
            planned.after.failure_kind = Some(kind);
            Ok(planned)
        }
        StepCommit::Killed(ending) => plan_ending(row, TaskEvent::Killed, owner, ending, now),
        StepCommit::Postpone { until, reason } => {
            let change = Change::of(TaskEvent::Postpone { until }).by(owner);
            plan(row, &change.because(&reason), now)
        }
        StepCommit::Release { reason } => {
            let change = Change::of(TaskEvent::Release).by(owner);
            plan(row, &change.because(&reason), now)
        }
    }
}

fn plan_ending(
    row: TaskRow,
    event: TaskEvent,
    owner: &str,
    ending: Ending,
    now: Timestamp,
) -> Result<Planned, JobError> {
    let mut change = Change::of(event).by(owner).because(&ending.reason);
    change.advice = ending.advice.as_deref();
    change.exit_code = ending.exit_code;
    let mut planned = plan(row, &change, now)?;
    planned.ending = Some(ending);
    Ok(planned)
}
